// SPDX-License-Identifier: Apache-2.0
//
// The kernel of EVALUATE and HVP for one level of cooperation (warp, block, cluster, grid) and dtype.
#include "kernels/evaluate/evaluate.h"
#include "kernels/task/cuda/launch.h"

BLV_DEFINE_DEVICE_KERNEL(evaluate, Evaluate)
