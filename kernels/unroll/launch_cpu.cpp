// SPDX-License-Identifier: Apache-2.0
//
// The kernels of UNROLL for one ISA level, dtype and layout (tasks or rows).
#include "kernels/task/cpu/launch.h"
#include "kernels/unroll/unroll.h"

BLV_DEFINE_KERNEL(unroll, Unroll)
