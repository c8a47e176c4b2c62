// SPDX-License-Identifier: Apache-2.0
//
// The plugin's kernels, from the special to the general. The entries are defined by the launch files of kernels/.
#include <cstdint>

#include "kernels/contract/device_kernel.h"

namespace bilevel {

#define BLV_KERNELS_OF_LEVEL(level) \
  extern const DeviceKernel evaluate_f32_##level, evaluate_f64_##level, unroll_f32_##level, unroll_f64_##level
BLV_KERNELS_OF_LEVEL(warp);
BLV_KERNELS_OF_LEVEL(block);
BLV_KERNELS_OF_LEVEL(cluster);
BLV_KERNELS_OF_LEVEL(grid);
#undef BLV_KERNELS_OF_LEVEL
extern const DeviceKernel unroll_f32_small_split_tf32, unroll_f32_small;
extern const DeviceKernel unroll_f32_block_linear20, unroll_f32_block_linear32;
extern const DeviceKernel unroll_f32_grid_linear1, unroll_f32_grid_linear10, unroll_f32_grid_linear16;
extern const DeviceKernel evaluate_f32_grid_linear4, evaluate_f32_grid_linear1, evaluate_f32_grid_linear16;

namespace {

#define BLV_KERNELS_OF_LEVEL(level) \
  &evaluate_f32_##level, &evaluate_f64_##level, &unroll_f32_##level, &unroll_f64_##level
const DeviceKernel *const kernels[] = {
    &unroll_f32_small_split_tf32,  &unroll_f32_small,           &unroll_f32_block_linear20, &unroll_f32_block_linear32,
    &unroll_f32_grid_linear1,      &unroll_f32_grid_linear10,   &unroll_f32_grid_linear16,  &evaluate_f32_grid_linear4,
    &evaluate_f32_grid_linear1,    &evaluate_f32_grid_linear16, BLV_KERNELS_OF_LEVEL(warp), BLV_KERNELS_OF_LEVEL(block),
    BLV_KERNELS_OF_LEVEL(cluster), BLV_KERNELS_OF_LEVEL(grid)};
#undef BLV_KERNELS_OF_LEVEL

}  // namespace

const DeviceKernel *const *device_kernels(int64_t *count) {
  *count = static_cast<int64_t>(sizeof kernels / sizeof *kernels);
  return kernels;
}

}  // namespace bilevel
