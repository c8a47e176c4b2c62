// SPDX-License-Identifier: Apache-2.0
//
// The contract between the host side (csrc) and the kernels: plain structs without behaviour, compiled the same in every translation
// unit whatever its ISA level. csrc checks a spec, fills a Problem and makes a program of its method; a kernel sizes the workspace
// of a Problem and runs a Call of it. Nothing here depends on the dtype or on the width of a SIMD register.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

#include "kernels/contract/program.h"
#include "kernels/contract/slot.h"

namespace bilevel {

// Leaves of an inner step, by index: Coefficient::index and Op STEP_LEAF name them so.
constexpr int32_t most_step_leaves = 6;
// One more than the largest BLV_* leaf and use that this version could have: bounds of tables by leaf.
constexpr int32_t leaf_capacity = 32, use_capacity = 5, side_capacity = 5;

struct Layer {
  int64_t inputs = 0, outputs = 0;
};

struct Network {
  int64_t n_layers = 0;
  const Layer *layers = nullptr;  // owned by the plan
  int32_t activation = 0, bias = 1;
  int32_t model = BLV_NETWORK, diagonal = 0;
  int64_t parameters = 0;
  int64_t features = 0;  // columns of x
};

struct Side {
  int32_t present = 0, loss = 0;
  int32_t index_targets = 0;  // y holds class indices
  int32_t mean = 1;           // over the rows, else their sum
  int64_t rows = 0;
  Leaf x, y, weight, penalty;
  Slot row_counts;  // ragged tasks
};

// What the interpreter reads.
struct TaskProblem {
  int32_t flags = 0, unused_flags = 0;
  Network network;
  Side inner, outer;
  Slot batch;
  int64_t batch_rows = 0;
  int64_t steps = 0;  // of the inner optimiser; step leaves have as many values
  int32_t n_step_leaves = 0, unused = 0;
  Leaf step_leaves[most_step_leaves];
  Program program;
};

// How the reverse sweep finds the states of the forward sweep: theta is kept at the start of every segment; the steps inside one
// segment are kept whole (with or without the tape). One segment of `steps` steps means that nothing is recomputed.
struct Storage {
  int32_t tape = 1;
  int64_t segment_steps = 0;
};

// What csrc knows of a plan beside: enough to make its program, and for a kernel written by hand to recognise what it can run.
struct Problem : TaskProblem {
  int32_t kind = 0;  // BLV_EVALUATE, ...
  int32_t dtype = 0, executor = 0, optimiser = 0;
  int64_t tasks = 0, threads = 1;
  int64_t planes = 0;  // right-hand sides of an HVP, tangents of forward mode
  int64_t solver_iterations = 0;
  double solver_tolerance = 0, solver_step = 0, damping = 0;
  int32_t solver = 0, warm_start = 0;
  int32_t reverse = 0;                                   // some slot wants a gradient
  uint32_t leaves_of[side_capacity][use_capacity] = {};  // the slots of the plan: bit 1 << leaf, by side and use
  Slot method_slots[leaf_capacity][use_capacity];        // of side BLV_METHOD, by leaf and use
  int64_t shared_scalars = 0;  // results that are summed over tasks, with what their sums lose
  Storage storage;

  const Slot &slot(int32_t leaf, int32_t use) const { return method_slots[leaf][use]; }
};

// What a plan takes.
struct Sizes {
  int64_t workspace_bytes = 0;
  int64_t state_bytes = 0;
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
  char *state = nullptr;
  blv_task_info *info = nullptr;
  // Runs fn(arg, i) for i in [0, n), possibly at once; returns when all have returned.
  void (*parallel_for)(void *self, int64_t n, void (*fn)(void *arg, int64_t i), void *arg) = nullptr;
  void *parallel_self = nullptr;
  int64_t threads = 1;              // at most Problem::threads
  const int32_t *cancel = nullptr;  // read with __atomic_load_n
  int64_t *done = nullptr;          // progress, added to with __atomic_fetch_add
};

// One entry per (ISA level, dtype, layout).
struct Kernel {
  void (*size)(const Problem &, Sizes *);
  // Passes over rows that `run` will report as progress for `tasks` tasks.
  int64_t (*progress_total)(const Problem &, int64_t tasks);
  // BLV_OK or BLV_CANCELLED.
  blv_status (*run)(const Problem &, const Call &);
};

}  // namespace bilevel
