// SPDX-License-Identifier: Apache-2.0
//
// The kernels of primitives.h with a warp per task.
#define BLV_CUDA_LEVEL_NUMBER 0
#define BLV_ISA_NAMESPACE cuda_warp
#include "tests/cuda/primitives_kernels.h"

namespace primitives {
using namespace bilevel::cuda_warp;
const Level warp_level = {"warp", 32, launch_products, launch_maps, launch_reductions};
}  // namespace primitives
