// SPDX-License-Identifier: Apache-2.0
//
// One loss of a task, in its group's memory: leaves with their links applied, the number of rows, accumulators for the
// gradients that are wanted. The struct lies in shared memory, a copy per block; what changes is written by `control`.
#pragma once
#include "kernels/task/cuda/parameters.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct SideData {
  using Move = Transfer<T, L>;
  using Element = T;
  using Mat = Matrix<T>;
  using P = T;

  const Side *spec = nullptr;
  int name = 0;  // BLV_INNER, BLV_OUTER
  const NetworkView *net = nullptr;
  Index rows = 0, n = 0;  // capacity; of the task at hand
  P inverse_n = {};
  bool x_resident = false, y_resident = false;  // else the matrix is the caller's
  Mat x, y, weight;                             // weight may be null: all one
  Mat x_gradient, y_gradient, weight_gradient;  // v: K planes of accumulators, `plane` apart
  T *penalty_leaf = nullptr;                    // natural shape
  Index penalty_count = 0;
  T *penalty = nullptr;           // one per parameter
  T *penalty_gradient = nullptr;  // K planes of one per parameter
  T *penalty_result = nullptr;    // K planes in the natural shape, penalty_stride apart
  Index penalty_stride = 0;
  T *x_slope = nullptr, *y_slope = nullptr, *weight_slope = nullptr, *penalty_slope = nullptr;  // see links.h

  BLV_HOST_DEVICE void layout(Arena &arena, const Side &side, int side_name, const NetworkView &network,
                              long long capacity, Index planes, Index) {
    spec = &side, name = side_name, net = &network, rows = Index(capacity);
    const Index inputs = network.layers[0].inputs, outputs = network.layers[network.n_layers - 1].outputs;
    const Index x_ld = Index(padded(inputs)), y_ld = side.index_targets || outputs == 1 ? 1 : Index(padded(outputs));
    // Rows that do not fit on chip stay where they are, unless a link or the padding of a gradient asks for a copy.
    x_resident = side.x.value.link || side.x.gradient || arena.template fits<T>(capacity * x_ld);
    if (x_resident) x = {arena.template take<T>(capacity * x_ld), nullptr, 0, x_ld};
    y_resident = side.index_targets || side.y.value.link || side.y.gradient || side.loss == BLV_LOGISTIC ||
                 arena.template fits<T>(capacity * y_ld);
    if (y_resident) y = {arena.template take<T>(capacity * y_ld), nullptr, 0, y_ld};
    if (side.weight.value) weight = {arena.template take<T>(capacity), nullptr, 0, 1};
    x_gradient = accumulator(arena, side.x, capacity * x_ld, x_ld, planes);
    y_gradient = accumulator(arena, side.y, capacity * y_ld, y_ld, planes);
    weight_gradient = accumulator(arena, side.weight, capacity, 1, planes);
    x_slope = slopes(arena, side.x, capacity * x_ld), y_slope = slopes(arena, side.y, capacity * y_ld);
    weight_slope = slopes(arena, side.weight, capacity);
    layout_penalty(arena, inputs, planes);
  }

  BLV_FUNCTION BLV_NOINLINE void load(const Move &move, TaskStatus *status) {
    load_row_count(move, status);
    load_x(move);
    load_y(move, status);
    if (weight) {
      const Slot &slot = spec->weight.value;
      const T *from = move.source(slot, 0);
      each(n, [&](Index i) {
        const T w = from[(long long)(i)*slot.row_stride];
        weight.v[i] = link_value<T>(slot.link, w);
        if (weight_slope) weight_slope[i] = kept_link_slope<T>(w);
      });
    }
    load_penalty(move);
  }

 private:
  static BLV_HOST_DEVICE Mat accumulator(Arena &arena, const Leaf &leaf, long long size, Index ld, Index planes) {
    if (!leaf.gradient) return {};
    return {arena.template take<T>(size * planes), nullptr, Index(size), ld};
  }

  static BLV_HOST_DEVICE T *slopes(Arena &arena, const Leaf &leaf, long long size) {
    return leaf.gradient && link_keeps_slope(leaf.value.link) ? arena.template take<T>(size) : nullptr;
  }

  BLV_HOST_DEVICE void layout_penalty(Arena &arena, Index inputs, Index planes) {
    const Slot &slot = spec->penalty.value;
    if (!slot) return;
    penalty_count = slot.extent == BLV_SCALAR ? 1 : slot.extent == BLV_PER_FEATURE ? inputs : net->size;
    penalty_leaf = arena.template take<T>(penalty_count);
    penalty = arena.template take<T>(net->size);
    if (!spec->penalty.gradient) return;
    penalty_gradient = arena.template take<T>((long long)(net->size) * planes);
    penalty_stride = penalty_count;
    penalty_result = arena.template take<T>((long long)(penalty_stride)*planes);
    penalty_slope = slopes(arena, spec->penalty, penalty_stride);
  }

  BLV_INLINE void load_row_count(const Move &move, TaskStatus *status) {
    long long count = spec->rows;
    if (spec->row_counts) {
      count = move.integer(spec->row_counts, 0, 0);
      if (count < 0 || count > spec->rows) status->fail(BLV_TASK_BAD_ROWS, name, -1, -1), count = 0;
    }
    control([&] { n = Index(count), inverse_n = count ? T(1) / T(count) : T(0); });
  }

  // Rows of a floating-point leaf with `columns` columns; those that the task lacks hold nothing.
  BLV_FUNCTION BLV_NOINLINE void load_rows(const Move &move, const Slot &slot, Index columns, const Mat &to,
                                           T *slope) const {
    const T *from = move.source(slot, 0);
    share_matrix(n, to.ld, [&](Index i, Index j) {
      const T x = j < columns ? from[(long long)(i)*slot.row_stride + j] : T(0);
      to.v[i * to.ld + j] = j < columns ? link_value<T>(slot.link, x) : T(0);
      if (slope) slope[i * to.ld + j] = kept_link_slope<T>(x);
    });
    Team::sync();
  }

  BLV_INLINE void load_x(const Move &move) {
    const Slot &slot = spec->x.value;
    if (x_resident) return load_rows(move, slot, net->layers[0].inputs, x, x_slope);
    control([&] { x = {move.target(slot, 0), nullptr, 0, Index(slot.row_stride)}; });  // nothing is written through it
  }

  BLV_INLINE void load_y(const Move &move, TaskStatus *status) {
    const Slot &slot = spec->y.value;
    const Index columns = net->layers[net->n_layers - 1].outputs;
    if (spec->index_targets) return load_labels(move, columns, status);
    if (!y_resident) {
      control([&] { y = {move.target(slot, 0), nullptr, 0, Index(slot.row_stride)}; });
      return;
    }
    load_rows(move, slot, columns, y, y_slope);
    if (spec->loss != BLV_LOGISTIC) return;
    report_first(status, [&](Index i) {
      bool bad = false;
      for (Index j = 0; j < columns; j++) {
        const T label = y.v[i * y.ld + j];
        bad = bad || label < T(0) || label > T(1);
      }
      return bad;
    });
  }

  BLV_INLINE void load_labels(const Move &move, Index classes, TaskStatus *status) {
    const Slot &slot = spec->y.value;
    report_first(status, [&](Index i) {
      const long long label = move.integer(slot, 0, (long long)(i)*slot.row_stride);
      const bool bad = label < 0 || label >= classes;
      y.v[i] = bad ? T(0) : T(label);
      return bad;
    });
  }

  // Fails the task with the first row for which bad(i).
  template <class F>
  BLV_INLINE void report_first(TaskStatus *status, F bad) const {
    long long first = spec->rows;
    share(n, [&](Index i) {
      if (bad(i) && i < first) first = i;
    });
    first = team_least(first);
    if (first < spec->rows) status->fail(BLV_TASK_BAD_LABEL, name, -1, first);
  }

  BLV_INLINE void load_penalty(const Move &move) const {
    const Slot &slot = spec->penalty.value;
    if (!slot) return;
    if (slot.extent == BLV_PER_PARAMETER)
      load_parameters<T, L>(move, *net, slot, 0, penalty_leaf);
    else
      move.load(slot, 0, penalty_count, penalty_leaf);
    if (slot.link) apply_link<T>(slot.link, penalty_leaf, penalty_count, penalty_slope);
    expand_penalty(slot.extent);
  }

  // From the natural shape to one penalty per parameter of the group's vector.
  BLV_INLINE void expand_penalty(int extent) const {
    if (extent == BLV_PER_PARAMETER) return each(net->size, [&](Index i) { penalty[i] = penalty_leaf[i]; });
    clear(penalty, net->size);
    for (Index l = 0; l < (extent == BLV_SCALAR ? net->n_layers : 1); l++) {
      const LayerView &layer = net->layers[l];
      share_matrix(layer.outputs, layer.inputs, [&](Index i, Index j) {
        penalty[layer.weight + i * layer.ld + j] = penalty_leaf[extent == BLV_SCALAR ? 0 : j];
      });
    }
    Team::sync();
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
