// SPDX-License-Identifier: Apache-2.0
//
// The plugin's kernels, from the special to the general. The entries are defined by the launch files of kernels/.
#include "csrc/cuda/planner.h"

namespace bilevel {

extern const DeviceKernel small_network_split_tf32, small_network_f32;
extern const DeviceKernel linear20_f32_block, linear32_f32_block;
extern const DeviceKernel linear4_f32_grid, linear1_f32_grid, linear10_f32_grid, linear16_f32_grid;
extern const DeviceKernel interpreter_f32_warp, interpreter_f32_block, interpreter_f32_cluster, interpreter_f32_grid;
extern const DeviceKernel interpreter_f64_warp, interpreter_f64_block, interpreter_f64_cluster, interpreter_f64_grid;

namespace {

const DeviceKernel *const kernels[] = {
    &small_network_split_tf32, &small_network_f32,       &linear20_f32_block,    &linear32_f32_block,
    &linear4_f32_grid,         &linear1_f32_grid,        &linear10_f32_grid,     &linear16_f32_grid,
    &interpreter_f32_warp,     &interpreter_f64_warp,    &interpreter_f32_block, &interpreter_f64_block,
    &interpreter_f32_cluster,  &interpreter_f64_cluster, &interpreter_f32_grid,  &interpreter_f64_grid};

}  // namespace

KernelTable device_kernels() { return {kernels, static_cast<int64_t>(sizeof kernels / sizeof *kernels)}; }

}  // namespace bilevel
