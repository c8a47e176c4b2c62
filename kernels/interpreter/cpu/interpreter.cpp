// SPDX-License-Identifier: Apache-2.0
//
// The interpreter for one ISA level, dtype and layout (tasks or rows): with BLV_KERNEL_DTYPE f32 and BLV_KERNEL_LAYOUT tasks at level
// v3 this defines bilevel::v3::interpreter_f32_tasks. The build sets the macros, see cmake/BilevelKernels.cmake.
#include "kernels/interpreter/cpu/group_run.h"

#if !defined(BLV_KERNEL_SCALAR) || !defined(BLV_KERNEL_DTYPE) || !defined(BLV_KERNEL_LAYOUT)
#error "compile with BLV_KERNEL_SCALAR (float, double), BLV_KERNEL_DTYPE (f32, f64) and BLV_KERNEL_LAYOUT (tasks, rows)"
#endif
#define BLV_JOIN_(a, b, c) a##_##b##_##c
#define BLV_JOIN(a, b, c) BLV_JOIN_(a, b, c)
#define BLV_LANES_(layout) lanes_of_layout_##layout
#define BLV_LANES(layout) BLV_LANES_(layout)

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

constexpr Lanes lanes_of_layout_tasks = Lanes::TASKS, lanes_of_layout_rows = Lanes::COLUMNS;
using CompiledKernel = KernelOf<BLV_KERNEL_SCALAR, BLV_LANES(BLV_KERNEL_LAYOUT)>;

extern const Kernel BLV_JOIN(interpreter, BLV_KERNEL_DTYPE, BLV_KERNEL_LAYOUT);
const Kernel BLV_JOIN(interpreter, BLV_KERNEL_DTYPE, BLV_KERNEL_LAYOUT) = {
    &CompiledKernel::size, &CompiledKernel::progress_total, &CompiledKernel::run};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
