// SPDX-License-Identifier: Apache-2.0
//
// The kernels of EVALUATE and HVP for one ISA level, dtype and layout (tasks or rows).
#include "kernels/evaluate/evaluate.h"
#include "kernels/task/cpu/launch.h"

BLV_DEFINE_KERNEL(evaluate, Evaluate)
