// SPDX-License-Identifier: Apache-2.0
//
// The kernels of primitives.h with a block per task.
#define BLV_CUDA_LEVEL_NUMBER 1
#define BLV_ISA_NAMESPACE cuda_block
#include "tests/cuda/primitives_kernels.h"

namespace primitives {
using namespace bilevel::cuda_block;
const Level block_level = {"block", 256, launch_products, launch_maps, launch_reductions};
}  // namespace primitives
