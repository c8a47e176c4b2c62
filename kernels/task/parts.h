// SPDX-License-Identifier: Apache-2.0
//
// What the interpreter is written with: a task's (or a group of tasks') data, passes of the gradient program over its rows, results.
#pragma once
#ifdef __CUDACC__
#include "kernels/task/cuda/minibatch.h"
#include "kernels/task/cuda/outputs.h"
#else
#include "kernels/task/cpu/minibatch.h"
#include "kernels/task/cpu/outputs.h"
#include "kernels/task/cpu/side_gradients.h"
#endif
