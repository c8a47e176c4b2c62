// SPDX-License-Identifier: Apache-2.0
//
// The contract between the host side (csrc) and the kernels: plain structs without behaviour, compiled the same in
// every translation unit whatever its ISA level. csrc checks a spec and fills a Problem; a kernel measures the
// workspace of a Problem and runs a Call of it. Nothing here depends on the dtype or on the width of a SIMD register.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

namespace bilevel {

// One slot of the plan. Strides are resolved: dense defaults are filled in, and only a shared or constant array keeps
// 0.
struct Slot {
  int64_t index = -1;  // position in the caller's array of pointers; -1: the plan has no such slot
  int32_t dtype = 0, link = 0, extent = 0;
  int64_t task_stride = 0, step_stride = 0, row_stride = 0;
  constexpr explicit operator bool() const { return index >= 0; }
};

struct Leaf {
  Slot value, gradient;
  int32_t both = 0;  // this array is also the other side's leaf: the two gradients add up
};

struct Layer {
  int64_t inputs = 0, outputs = 0;
};

struct Network {
  int64_t n_layers = 0;
  const Layer *layers = nullptr;  // owned by the plan
  int32_t activation = 0, bias = 1;
  int64_t parameters = 0;
};

struct Side {
  int32_t present = 0, loss = 0;
  int32_t index_targets = 0;  // y holds class indices
  int64_t rows = 0;
  Leaf x, y, weight, penalty;
  Slot row_counts;  // ragged tasks
};

// How the reverse sweep finds the states of the forward sweep: theta is kept at the start of every segment; the steps
// inside one segment are kept whole (with or without the tape). One segment of `steps` steps means that nothing is
// recomputed.
struct Storage {
  int32_t tape = 1;
  int64_t segment_steps = 0;
};

struct Problem {
  int32_t kind = 0;  // BLV_EVALUATE, BLV_HVP, BLV_UNROLL
  int32_t dtype = 0, executor = 0, flags = 0;
  int64_t tasks = 0, threads = 1;
  Network network;
  Side inner, outer;  // evaluate, hvp: inner only
  int32_t optimiser = 0;
  int64_t steps = 0, batch_rows = 0, vectors = 0;
  Slot batch;
  Leaf theta;         // value: theta, or theta_0 of an unroll; gradient: of it (hvp: H v)
  Slot theta_result;  // unroll: theta_T
  Leaf rate, momentum;
  Slot vector, loss;
  int32_t reverse = 0;  // unroll: some slot wants a gradient
  Storage storage;
};

struct Measure {
  int64_t workspace_bytes = 0;
  int64_t task_bytes = 0;     // memory of one task (tasks in lanes: of one group of tasks)
  int64_t scratch_bytes = 0;  // memory of one thread
  int64_t lanes = 0;          // scalars in a SIMD register
  int64_t chunk_rows = 0;     // rows of one partial sum (lanes within a task)
  int64_t block_rows = 0;     // rows that pass through the caches together
};

// What an execute brings: pointers, and the means of the context.
struct Call {
  int64_t tasks = 0;
  void *const *data = nullptr;
  char *workspace = nullptr;
  blv_task_info *info = nullptr;
  // Runs fn(arg, i) for i in [0, n), possibly at once; returns when all have returned.
  void (*parallel_for)(void *self, int64_t n, void (*fn)(void *arg, int64_t i), void *arg) = nullptr;
  void *parallel_self = nullptr;
  int64_t threads = 1;              // at most Problem::threads
  const int32_t *cancel = nullptr;  // read with __atomic_load_n
  int64_t *done = nullptr;          // progress, added to with __atomic_fetch_add
};

// One entry per (ISA level, dtype, layout, method).
struct Kernel {
  void (*measure)(const Problem &, Measure *);
  // Steps that `run` will report as progress, for so many tasks.
  int64_t (*progress_total)(const Problem &, int64_t tasks);
  // BLV_OK or BLV_CANCELLED.
  blv_status (*run)(const Problem &, const Call &);
};

// isa: BLV_ISA_X86_64_V2..V4. Returns nullptr if this build has no such kernel. Defined in csrc/plan/kernel_table.cpp; the
// entries are the symbols bilevel::vN::evaluate_f32_tasks, ... that the launch files define.
const Kernel *find_kernel(int32_t isa, int32_t kind, int32_t dtype, int32_t executor);

}  // namespace bilevel
