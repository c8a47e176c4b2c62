// SPDX-License-Identifier: Apache-2.0
//
// The kernels of EVALUATE and HVP for one ISA level, dtype and layout (tasks or rows).
#include "kernels/core/launch_cpu.h"
#include "kernels/evaluate/evaluate.h"

BLV_DEFINE_KERNEL(evaluate, Evaluate)
