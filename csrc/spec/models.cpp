// SPDX-License-Identifier: Apache-2.0
//
// The table of models: a row each, defined in models/<name>.cpp.
#include "csrc/spec/model.h"
#include "csrc/support/limits.h"

namespace bilevel {

extern const Model network_model, quadratic_model;

const std::vector<const Model *> &models() {
  static const std::vector<const Model *> all = {&network_model, &quadratic_model};
  return all;
}

const Model &find_model(int32_t id) {
  for (const Model *model : models())
    if (model->id == id) return *model;
  refuse(BLV_INTERNAL, format("there is no model %d", id));
}

Text member(const char *argument, const char *name) { return format("%s.%s", argument, name); }

void check_widths(const char *argument, const blv_objective &objective, int64_t least, int64_t most) {
  check_range(member(argument, "n_widths").c_str(), objective.n_widths, least, most);
  check_pointer(member(argument, "widths").c_str(), objective.widths);
  for (int64_t i = 0; i < objective.n_widths; ++i)
    check_range(format("%s.widths[%lld]", argument, static_cast<long long>(i)).c_str(), objective.widths[i], 1,
                most_size);
}

void check_flags(const char *argument, const blv_objective &objective, int32_t accepted, const char *text) {
  if ((objective.flags & ~accepted) != 0) refuse_value(member(argument, "flags").c_str(), objective.flags, text);
}

}  // namespace bilevel
