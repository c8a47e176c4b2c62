// SPDX-License-Identifier: Apache-2.0
//
// Quadratics: the parameters are those of a linear model of one output, the rows those of A (kernels/models/quadratic.h).
#include "csrc/spec/model.h"
#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

void check(const char *argument, blv_objective *objective) {
  check_range(member(argument, "loss").c_str(), objective->loss, 0, 0);
  check_flags(argument, *objective, BLV_DIAGONAL, "0 or BLV_DIAGONAL (2)");
  check_widths(argument, *objective, 1, 1);
  objective->activation = 0;
  const int64_t parameters = objective->widths[0];
  if (objective->rows != 0 && objective->rows != parameters)
    refuse_value(member(argument, "rows").c_str(), objective->rows,
                 format("0 or %lld, as widths[0]", static_cast<long long>(parameters)).c_str());
  objective->rows = parameters;
}

void fill(const blv_objective &objective, ValidSpec *valid) {
  Network &network = valid->problem.network;
  network.model = BLV_QUADRATIC, network.diagonal = (objective.flags & BLV_DIAGONAL) != 0;
  network.n_layers = 1, network.bias = 0;
  network.parameters = objective.widths[0];
  network.features = network.diagonal ? 1 : network.parameters;
  valid->layers.push_back({network.parameters, 1});
}

constexpr uint32_t leaves = 1u << BLV_X | 1u << BLV_Y | 1u << BLV_PENALTY;

}  // namespace

extern const Model quadratic_model;
const Model quadratic_model = {BLV_QUADRATIC, "BLV_QUADRATIC", "quadratic", leaves, false, check, fill};

}  // namespace bilevel
