// SPDX-License-Identifier: Apache-2.0
//
// What a method is written with, on the machine at hand: a task's (or a group of tasks') data, passes of the gradient
// program over its rows, results.
#pragma once
#ifdef __CUDACC__
#include "kernels/task/cuda/group_run.h"
#else
#include "kernels/task/cpu/group_run.h"
#endif
