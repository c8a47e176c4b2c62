// SPDX-License-Identifier: Apache-2.0
//
// The executors of the machine that is compiled for: a model's gradient program runs on them.
#pragma once
#ifdef __CUDACC__
#include "kernels/machine/cuda/executor.h"
#else
#include "kernels/machine/cpu/rows_executor.h"
#include "kernels/machine/cpu/tasks_executor.h"
#endif
