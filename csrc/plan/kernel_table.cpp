// SPDX-License-Identifier: Apache-2.0
//
// The kernels of this build: one per ISA level, method, dtype and layout, defined by the launch files of kernels/.
#include "kernels/contract/problem.h"

namespace bilevel {

namespace v2 {
extern const Kernel evaluate_f32_tasks, evaluate_f32_rows, evaluate_f64_tasks, evaluate_f64_rows;
extern const Kernel unroll_f32_tasks, unroll_f32_rows, unroll_f64_tasks, unroll_f64_rows;
}  // namespace v2
namespace v3 {
extern const Kernel evaluate_f32_tasks, evaluate_f32_rows, evaluate_f64_tasks, evaluate_f64_rows;
extern const Kernel unroll_f32_tasks, unroll_f32_rows, unroll_f64_tasks, unroll_f64_rows;
}  // namespace v3
namespace v4 {
extern const Kernel evaluate_f32_tasks, evaluate_f32_rows, evaluate_f64_tasks, evaluate_f64_rows;
extern const Kernel unroll_f32_tasks, unroll_f32_rows, unroll_f64_tasks, unroll_f64_rows;
}  // namespace v4

namespace {

// [ISA level - 2][unroll][f64][lanes within a task]
const Kernel *const kernels[3][2][2][2] = {
    {{{&v2::evaluate_f32_tasks, &v2::evaluate_f32_rows}, {&v2::evaluate_f64_tasks, &v2::evaluate_f64_rows}},
     {{&v2::unroll_f32_tasks, &v2::unroll_f32_rows}, {&v2::unroll_f64_tasks, &v2::unroll_f64_rows}}},
    {{{&v3::evaluate_f32_tasks, &v3::evaluate_f32_rows}, {&v3::evaluate_f64_tasks, &v3::evaluate_f64_rows}},
     {{&v3::unroll_f32_tasks, &v3::unroll_f32_rows}, {&v3::unroll_f64_tasks, &v3::unroll_f64_rows}}},
    {{{&v4::evaluate_f32_tasks, &v4::evaluate_f32_rows}, {&v4::evaluate_f64_tasks, &v4::evaluate_f64_rows}},
     {{&v4::unroll_f32_tasks, &v4::unroll_f32_rows}, {&v4::unroll_f64_tasks, &v4::unroll_f64_rows}}}};

}  // namespace

const Kernel *find_kernel(int32_t isa, int32_t kind, int32_t dtype, int32_t executor) {
  if (isa < BLV_ISA_X86_64_V2 || isa > BLV_ISA_X86_64_V4) return nullptr;
  if (kind != BLV_EVALUATE && kind != BLV_HVP && kind != BLV_UNROLL) return nullptr;
  return kernels[isa - BLV_ISA_X86_64_V2][kind == BLV_UNROLL][dtype == BLV_F64][executor != BLV_TASKS_IN_LANES];
}

}  // namespace bilevel
