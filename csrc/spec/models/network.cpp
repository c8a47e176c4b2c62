// SPDX-License-Identifier: Apache-2.0
//
// Feed-forward networks.
#include "csrc/spec/model.h"
#include "csrc/support/limits.h"
#include "csrc/support/names.h"
#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

void check(const char *argument, blv_objective *objective) {
  check_enum(member(argument, "loss").c_str(), objective->loss, loss_names);
  check_flags(argument, *objective, BLV_NO_BIAS, "0 or BLV_NO_BIAS (1)");
  check_range(member(argument, "rows").c_str(), objective->rows, 0, most_size);
  check_widths(argument, *objective, 2, most_widths);
  if (objective->n_widths > 2)
    check_enum(member(argument, "activation").c_str(), objective->activation, activation_names);
  else
    objective->activation = 0;  // there is no hidden layer
}

void fill(const blv_objective &objective, ValidSpec *valid) {
  Network &network = valid->problem.network;
  network.n_layers = objective.n_widths - 1;
  network.activation = objective.activation;
  network.bias = (objective.flags & BLV_NO_BIAS) == 0;
  for (int64_t i = 0; i + 1 < objective.n_widths; ++i)
    valid->layers.push_back({objective.widths[i], objective.widths[i + 1]});
  network.features = objective.widths[0];
  if (!count_parameters(objective.n_widths, objective.widths, network.bias != 0, &network.parameters))
    refuse(BLV_INVALID, format("spec.inner.widths give more parameters than a plan can have; accepted: at most %lld",
                               static_cast<long long>(most_size)));
}

constexpr uint32_t leaves =
    1u << BLV_X | 1u << BLV_Y | 1u << BLV_WEIGHT | 1u << BLV_PENALTY | 1u << BLV_ROWS | 1u << BLV_BATCH;

}  // namespace

extern const Model network_model;
const Model network_model = {BLV_NETWORK, "BLV_NETWORK", "network", leaves, true, check, fill};

}  // namespace bilevel
