// SPDX-License-Identifier: Apache-2.0
//
// Methods as programs: a row of a table and a short file each.
#pragma once
#include "csrc/methods/builder.h"

namespace bilevel {

// What the machine that will run a program is like.
struct ProgramTarget {
  // Streams lie far from where steps work (workspace against shared memory): a step works on a vector and is copied to the stream.
  bool streams_are_far = false;
};

struct Method {
  int32_t id = 0;
  const char *name = nullptr, *plain = nullptr;  // as in bilevel.h; as in descriptions
  int32_t leaves_like = 0;                       // the method whose rows of the leaf table it shares, often its own
  bool has_outer = false;                        // an outer objective may be given,
  bool needs_outer = false;                      // must be given
  bool has_steps = false;                        // an inner optimiser runs
  bool has_reverse = false;                      // the forward sweep is stored for a reverse one, see Storage
  bool has_products = false;                     // a GRADIENT is of each of its vectors
  const char *planes = nullptr;                  // what Problem::planes counts, as in descriptions
  // Checks the caller's struct and copies its members to the problem; `store`: BLV_STORE_*.
  void (*read)(const blv_method *given, Problem *problem, int32_t *store) = nullptr;
  MethodProgram (*build)(const Problem &problem, const ProgramTarget &target) = nullptr;
};

const std::vector<const Method *> &methods();
const Method *find_method(int32_t id);

// The program of problem.kind with problem.storage as it stands.
inline MethodProgram build_program(const Problem &problem, const ProgramTarget &target) {
  return find_method(problem.kind)->build(problem, target);
}

}  // namespace bilevel
