// SPDX-License-Identifier: Apache-2.0
//
// The parameter vector of a group: as the caller's, layer by layer W then b, but with every row of W and every b padded
// to runs of four elements, an odd number of them, so that rows start in different banks of shared memory. Padding
// is zero in values, gradients and tangents alike.
#pragma once
#include "kernels/machine/cuda/arena.h"
#include "kernels/machine/cuda/transfer.h"
#include "kernels/models/model.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Leading dimension of rows of n elements.
BLV_HOST_DEVICE inline long long padded(long long n) { return n < run_length ? n : ((n + 3) / 4 | 1) * 4; }

// view.layers points to network.n_layers of them.
BLV_HOST_DEVICE inline void make_network_view(const Network &network, NetworkView &view) {
  view.model = network.model, view.diagonal = network.diagonal != 0;
  view.features = Index(network.features), view.x_ld = view.diagonal ? 1 : Index(padded(network.features));
  view.n_layers = Index(network.n_layers), view.activation = network.activation, view.bias = network.bias != 0;
  long long size = 0;
  for (Index l = 0; l < view.n_layers; l++) {
    const Layer &given = network.layers[l];
    LayerView &layer = view.layers[l];
    const bool one_output = l + 1 == view.n_layers && given.outputs == 1;
    layer.inputs = Index(given.inputs), layer.outputs = Index(given.outputs);
    layer.ld = Index(padded(given.inputs));
    layer.output_ld = one_output ? 1 : Index(padded(given.outputs));
    layer.weight = Index(size);
    size += (given.outputs * layer.ld + 3) / 4 * 4;
    layer.bias = Index(size);
    if (view.bias) size += (given.outputs + 3) / 4 * 4;
  }
  view.size = Index(size);
}

template <class T, Lanes L>
BLV_HOST_DEVICE Index parameter_packs(const NetworkView &net) {
  return net.size;
}

// f(offset in the caller's vector, offset in the group's, rows, columns, ld) for every matrix and vector of parameters.
template <class F>
BLV_INLINE void for_parameter_blocks(const NetworkView &net, F f) {
  long long offset = 0;
  for (Index l = 0; l < net.n_layers; l++) {
    const LayerView &layer = net.layers[l];
    f(offset, layer.weight, layer.outputs, layer.inputs, layer.ld);
    offset += (long long)(layer.outputs) * layer.inputs;
    if (net.bias) f(offset, layer.bias, Index(1), layer.outputs, layer.outputs), offset += layer.outputs;
  }
}

// strided_for over the entries (i, j) of a matrix. No barrier.
template <class F>
BLV_INLINE void strided_for_matrix(Index rows, Index columns, F f) {
  const Index step_i = TaskThreads::threads() / columns, step_j = TaskThreads::threads() % columns;
  Index i = TaskThreads::thread() / columns, j = TaskThreads::thread() % columns;
  while (i < rows) {
    f(i, j);
    i += step_i, j += step_j;
    if (j >= columns) j -= columns, i++;
  }
}

// Zeroes an array of the parameters, whose padding products leave alone.
template <class T>
BLV_INLINE void clear(T *x, long long n) {
  strided_for_then_sync(Index(n), [&](Index i) { x[i] = T(0); });
}
template <class T>
BLV_INLINE void zero_padding(T *x, Index n) {
  clear(x, n);
}

// Reads a parameter-shaped slot. Padding becomes zero.
template <class T, Lanes L>
BLV_FUNCTION BLV_NOINLINE void load_parameters(const Transfer<T, L> &move, const NetworkView &net, const Slot &slot,
                                               long long step, T *to) {
  const T *from = move.source(slot, step);
  clear(to, net.size);
  for_parameter_blocks(net, [&](long long offset, Index at, Index rows, Index columns, Index ld) {
    strided_for_matrix(rows, columns,
                       [&](Index i, Index j) { to[at + i * ld + j] = from[offset + (long long)(i)*columns + j]; });
  });
  TaskThreads::sync();
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
