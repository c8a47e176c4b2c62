// SPDX-License-Identifier: Apache-2.0
//
// The executors of the machine at hand, on which a model's gradient program runs.
#pragma once
#ifdef __CUDACC__
#include "kernels/core/cuda/executor.h"
#else
#include "kernels/core/rows_executor.h"
#include "kernels/core/tasks_executor.h"
#endif
