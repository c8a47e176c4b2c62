// SPDX-License-Identifier: Apache-2.0
//
// The kernel of UNROLL for one level of cooperation (warp, block, cluster, grid) and dtype.
#include "kernels/task/cuda/launch.h"
#include "kernels/unroll/unroll.h"

BLV_DEFINE_DEVICE_KERNEL(unroll, Unroll)
