// SPDX-License-Identifier: Apache-2.0
//
// The internal parameter vector: as the caller's, layer by layer W then b, but (lanes within a task) with every row of
// W and every b padded to whole packs. Padding is zero in values, gradients and tangents alike. For elementwise work it
// is `packs` packs.
#pragma once
#include "kernels/machine/cpu/arena.h"
#include "kernels/machine/cpu/transfer.h"
#include "kernels/models/model.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
BLV_INLINE long round_to_lanes(long n) {
  return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

template <class T, Lanes L>
void make_network_view(const Network &network, long block_rows, NetworkView &view) {
  const auto padded = [](long n) { return L == Lanes::TASKS ? n : (n + lanes<T> - 1) / lanes<T> * lanes<T>; };
  const long some_rows = block_rows > 0 ? block_rows : 1;
  view.model = network.model, view.diagonal = network.diagonal != 0;
  view.features = network.features, view.x_ld = view.diagonal ? 1 : padded(network.features);
  view.n_layers = network.n_layers;
  view.activation = network.activation;
  view.bias = network.bias != 0;
  view.size = 0;
  for (long l = 0; l < network.n_layers; l++) {
    LayerView &layer = view.layers[l];
    const bool last = l + 1 == network.n_layers;
    layer.inputs = network.layers[l].inputs, layer.outputs = network.layers[l].outputs;
    layer.ld = padded(layer.inputs);
    layer.output_ld = last && layer.outputs == 1 ? 1 : padded(layer.outputs);
    layer.weight = view.size;
    layer.bias = view.size + layer.outputs * layer.ld;
    view.size = layer.bias + (view.bias ? padded(layer.outputs) : 0);
    if (L == Lanes::TASKS) {
      layer.outputs_tiling = choose_tiling(some_rows, layer.outputs);
      layer.weight_tiling = choose_tiling(layer.outputs, layer.inputs);
      layer.inputs_tiling = choose_tiling(some_rows, layer.inputs);
    }
  }
}

template <class T, Lanes L>
BLV_INLINE long parameter_packs(const NetworkView &net) {
  return L == Lanes::TASKS ? net.size : net.size / lanes<T>;
}

// f(offset in the caller's vector, offset in the internal vector, count) for every contiguous run.
template <class F>
BLV_INLINE void for_parameter_runs(const NetworkView &net, F f) {
  long offset = 0;
  for (long l = 0; l < net.n_layers; l++) {
    const LayerView &layer = net.layers[l];
    if (layer.ld == layer.inputs) {
      f(offset, layer.weight, layer.outputs * layer.inputs);
    } else {
      for (long o = 0; o < layer.outputs; o++) f(offset + o * layer.inputs, layer.weight + o * layer.ld, layer.inputs);
    }
    offset += layer.outputs * layer.inputs;
    if (net.bias) f(offset, layer.bias, layer.outputs), offset += layer.outputs;
  }
}

// Reads a parameter-shaped slot; padding becomes zero.
template <class T, Lanes L>
void load_parameters(const Transfer<T, L> &move, const NetworkView &net, const Slot &slot, long step,
                     typename Transfer<T, L>::Element *to) {
  if (L == Lanes::COLUMNS)
    for (long i = 0; i < net.size; i++) to[i] = typename Transfer<T, L>::Element{};
  for_parameter_runs(net, [&](long offset, long at, long count) { move.load(slot, step, offset, 1, count, to + at); });
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
