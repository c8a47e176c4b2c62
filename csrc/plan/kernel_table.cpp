// SPDX-License-Identifier: Apache-2.0
//
// The table of kernels. The entries are the symbols bilevel::vN::interpreter_f32_tasks, ... that kernels/interpreter/cpu defines.
#include "csrc/plan/kernel_table.h"

namespace bilevel {

#define BLV_KERNELS_OF_LEVEL(level)                                                                             \
  namespace level {                                                                                             \
  extern const Kernel interpreter_f32_tasks, interpreter_f32_rows, interpreter_f64_tasks, interpreter_f64_rows; \
  }
BLV_KERNELS_OF_LEVEL(v2)
BLV_KERNELS_OF_LEVEL(v3)
BLV_KERNELS_OF_LEVEL(v4)
#undef BLV_KERNELS_OF_LEVEL

namespace {

// [ISA level - 2][f64][lanes within a task]
#define BLV_KERNELS_OF_LEVEL(level)                                  \
  {                                                                  \
    {&level::interpreter_f32_tasks, &level::interpreter_f32_rows}, { \
      &level::interpreter_f64_tasks, &level::interpreter_f64_rows    \
    }                                                                \
  }
const Kernel *const kernels[3][2][2] = {BLV_KERNELS_OF_LEVEL(v2), BLV_KERNELS_OF_LEVEL(v3), BLV_KERNELS_OF_LEVEL(v4)};
#undef BLV_KERNELS_OF_LEVEL

}  // namespace

const Kernel *find_kernel(int32_t isa, int32_t dtype, int32_t executor) {
  if (isa < BLV_ISA_X86_64_V2 || isa > BLV_ISA_X86_64_V4) return nullptr;
  return kernels[isa - BLV_ISA_X86_64_V2][dtype == BLV_F64][executor != BLV_TASKS_IN_LANES];
}

}  // namespace bilevel
