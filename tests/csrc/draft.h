// SPDX-License-Identifier: Apache-2.0
//
// The plan of a valid spec with the program of its method, before anything is chosen.
#pragma once
#include <utility>

#include "csrc/plan/plan.h"
#include "csrc/spec/validate.h"
#include "tests/csrc/spec_builder.h"

namespace bilevel {

struct Draft : blv_plan_s {
  Draft(SpecBuilder *builder, int32_t threads, const Storage &storage) {
    ValidSpec valid = validate(builder->get(), threads);
    problem = valid.problem, layers = std::move(valid.layers);
    slots = std::move(valid.slots), spans = std::move(valid.spans);
    problem.network.layers = layers.data();
    problem.storage = storage;
    set_program(false, this);
  }
};

}  // namespace bilevel
