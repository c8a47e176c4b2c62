// SPDX-License-Identifier: Apache-2.0
//
// The host's side of the models: a row of a table and a short file each (models/). The kernels' side is kernels/models.
#pragma once
#include <vector>

#include "csrc/spec/validate.h"
#include "csrc/support/refusal.h"

namespace bilevel {

struct Model {
  int32_t id;
  const char *name, *plain;  // as in bilevel.h; as in descriptions
  uint32_t leaves;           // of a loss: bits 1 << BLV_*
  bool mean;                 // the loss is the mean over its rows, else their sum
  // Checks the members of an objective that are the model's, and resolves those that it leaves open.
  void (*check)(const char *argument, blv_objective *objective);
  // Layers, parameters and features of a checked objective.
  void (*fill)(const blv_objective &objective, ValidSpec *valid);
};

const std::vector<const Model *> &models();
// The model must exist.
const Model &find_model(int32_t id);

// "spec.inner.widths" for member "widths" of argument "spec.inner".
Text member(const char *argument, const char *name);
void check_widths(const char *argument, const blv_objective &objective, int64_t least, int64_t most);
void check_flags(const char *argument, const blv_objective &objective, int32_t accepted, const char *text);

}  // namespace bilevel
