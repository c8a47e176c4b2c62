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
  int32_t id;
  const char *name, *plain;  // as in bilevel.h; as in descriptions
  bool has_outer;            // an outer objective may be given
  bool has_steps;            // an inner optimiser runs
  bool has_reverse;          // the forward sweep is stored for a reverse one, see Storage
  MethodProgram (*build)(const Problem &problem, const ProgramTarget &target);
};

const std::vector<const Method *> &methods();
const Method *find_method(int32_t id);

// The program of problem.kind with problem.storage as it stands.
inline MethodProgram build_program(const Problem &problem, const ProgramTarget &target) {
  return find_method(problem.kind)->build(problem, target);
}

}  // namespace bilevel
