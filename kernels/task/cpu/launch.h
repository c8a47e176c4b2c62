// SPDX-License-Identifier: Apache-2.0
//
// Names the kernels of one translation unit: BLV_DEFINE_KERNEL(unroll, Unroll) defines, with BLV_KERNEL_DTYPE
// f32 and BLV_KERNEL_LAYOUT tasks at level v3, the object bilevel::v3::unroll_f32_tasks. The build sets the macros, see
// cmake/.
#pragma once
#include "kernels/task/cpu/group_run.h"

#if !defined(BLV_KERNEL_SCALAR) || !defined(BLV_KERNEL_DTYPE) || !defined(BLV_KERNEL_LAYOUT)
#error "compile with BLV_KERNEL_SCALAR (float, double), BLV_KERNEL_DTYPE (f32, f64) and BLV_KERNEL_LAYOUT (tasks, rows)"
#endif

namespace bilevel {
namespace BLV_ISA_NAMESPACE {
constexpr Lanes lanes_of_layout_tasks = Lanes::TASKS;
constexpr Lanes lanes_of_layout_rows = Lanes::COLUMNS;
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel

#define BLV_JOIN_(a, b, c) a##_##b##_##c
#define BLV_JOIN(a, b, c) BLV_JOIN_(a, b, c)
#define BLV_LANES_(layout) lanes_of_layout_##layout
#define BLV_LANES(layout) BLV_LANES_(layout)

#define BLV_DEFINE_KERNEL(name, Method)                                                                          \
  namespace bilevel {                                                                                            \
  namespace BLV_ISA_NAMESPACE {                                                                                  \
  constexpr Lanes launched_lanes = BLV_LANES(BLV_KERNEL_LAYOUT);                                                 \
  using LaunchedKernel = KernelOf<BLV_KERNEL_SCALAR, launched_lanes, Method<BLV_KERNEL_SCALAR, launched_lanes>>; \
  extern const Kernel BLV_JOIN(name, BLV_KERNEL_DTYPE, BLV_KERNEL_LAYOUT);                                       \
  const Kernel BLV_JOIN(name, BLV_KERNEL_DTYPE, BLV_KERNEL_LAYOUT) = {                                           \
      &LaunchedKernel::measure, &LaunchedKernel::progress_total, &LaunchedKernel::run};                          \
  }                                                                                                              \
  }
