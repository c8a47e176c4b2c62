// SPDX-License-Identifier: Apache-2.0
//
// One loss of a task, in its group's memory: leaves with their links applied, the number of rows, accumulators for the
// gradients that are wanted. The struct lies in shared memory, a copy per block; one thread per block writes what changes.
#pragma once
#include "kernels/contract/losses.h"
#include "kernels/task/cuda/parameters.h"
#include "kernels/task/side_leaves.h"
#include "kernels/task/status.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct SideData : SideLeaves<RowView<T, T>> {
  using Move = Transfer<T, L>;
  using Leaves = SideLeaves<RowView<T, T>>;
  using Leaves::n, Leaves::rows, Leaves::inverse_n, Leaves::x, Leaves::y, Leaves::weight, Leaves::spec, Leaves::name,
      Leaves::net, Leaves::tangent_planes, Leaves::x_resident, Leaves::penalty_leaf, Leaves::penalty_count,
      Leaves::penalty, Leaves::penalty_tangent, Leaves::penalty_seed, Leaves::x_slope, Leaves::y_slope,
      Leaves::weight_slope, Leaves::penalty_slope;
  using typename Leaves::Element, typename Leaves::P, typename Leaves::Mat;
  static constexpr Index elements_of_a_pack = 1;

  bool y_resident = false;  // else the matrix is the caller's

  BLV_HOST_DEVICE void layout(Arena &arena, const Side &side, int side_name, const NetworkView &network,
                              long long capacity, Index planes, Index tangents, Index parameter_packs) {
    this->bind(side, side_name, network, tangents);
    rows = Index(capacity);
    const Index outputs = network.layers[network.n_layers - 1].outputs;
    const Index x_ld = network.x_ld, y_ld = side.index_targets || outputs == 1 ? 1 : Index(padded(outputs));
    // Rows that do not fit into shared memory stay where they are, unless they must be copied.
    x_resident = Leaves::must_copy_x(side, network.diagonal) || arena.template fits<T>(capacity * x_ld);
    if (x_resident) x = {arena.template take<T>(capacity * x_ld), nullptr, 0, x_ld};
    y_resident = side.index_targets || side.y.value.link || side.y.gradient || side.y.tangent ||
                 has_unit_targets(side.loss) || arena.template fits<T>(capacity * y_ld);
    if (y_resident) y = {arena.template take<T>(capacity * y_ld), nullptr, 0, y_ld};
    this->layout_leaves(arena, x_ld, y_ld, planes);
    this->layout_penalty(arena, planes, parameter_packs, [](Index count) { return count; });
  }

  BLV_FUNCTION BLV_NOINLINE void load(const Move &move, TaskStatus *status) {
    load_row_count(move, status);
    load_x(move);
    load_y(move, status);
    if (weight) {
      const Slot &slot = spec->weight.value;
      const T *from = move.source(slot, 0);
      strided_for_then_sync(n, [&](Index i) {
        const T w = from[(long long)(i)*slot.row_stride];
        weight.v[i] = link_value<T>(slot.link, w);
        if (weight_slope) weight_slope[i] = kept_link_slope<T>(w);
      });
    }
    load_penalty(move);
    load_tangents(move, spec->x, net->features, x, x_slope);
    load_tangents(move, spec->y, net->layers[net->n_layers - 1].outputs, y, y_slope);
    load_tangents(move, spec->weight, 1, weight, weight_slope);
  }

 private:
  BLV_INLINE void load_row_count(const Move &move, TaskStatus *status) {
    long long count = spec->rows;
    if (spec->row_counts) {
      count = move.integer(spec->row_counts, 0, 0);
      if (count < 0 || count > spec->rows) status->fail(BLV_TASK_BAD_ROWS, name, -1, -1), count = 0;
    }
    one_thread_per_block_then_sync([&] {
      n = Index(count), inverse_n = !spec->mean ? T(1) : count ? T(1) / T(count) : T(0);
    });
  }

  // Rows of a floating-point leaf with `columns` columns; those that the task lacks hold nothing.
  BLV_FUNCTION BLV_NOINLINE void load_rows(const Move &move, const Slot &slot, Index columns, const Mat &to, T *slope,
                                           Index step = 0) const {
    const T *from = move.source(slot, step);
    strided_for_matrix(n, to.ld, [&](Index i, Index j) {
      const T x = j < columns ? from[(long long)(i)*slot.row_stride + j] : T(0);
      to.v[i * to.ld + j] = j < columns ? link_value<T>(slot.link, x) : T(0);
      if (slope) slope[i * to.ld + j] = kept_link_slope<T>(x);
    });
    TaskThreads::sync();
  }

  BLV_INLINE void load_tangents(const Move &move, const Leaf &leaf, Index columns, const Mat &m, const T *slope) const {
    for (Index k = 0; leaf.tangent && k < tangent_planes; k++) {
      const Mat to{m.tangent(k), nullptr, 0, m.ld};
      load_rows(move, leaf.tangent, columns, to, nullptr, k);
      if (leaf.value.link) multiply_by_link_slope<T>(leaf.value.link, m.v, slope, to.v, n * m.ld);
    }
  }

  BLV_INLINE void load_x(const Move &move) {
    const Slot &slot = spec->x.value;
    if (x_resident) return load_rows(move, slot, net->features, x, x_slope);
    one_thread_per_block_then_sync([&] {
      x = {move.target(slot, 0), nullptr, 0, Index(slot.row_stride)};
    });  // nothing is written through it
  }

  BLV_INLINE void load_y(const Move &move, TaskStatus *status) {
    const Slot &slot = spec->y.value;
    const Index columns = net->layers[net->n_layers - 1].outputs;
    if (spec->index_targets) return load_labels(move, columns, status);
    if (!y_resident) {
      one_thread_per_block_then_sync([&] { y = {move.target(slot, 0), nullptr, 0, Index(slot.row_stride)}; });
      return;
    }
    load_rows(move, slot, columns, y, y_slope);
    if (!has_unit_targets(spec->loss)) return;
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
    strided_for(n, [&](Index i) {
      if (bad(i) && i < first) first = i;
    });
    first = least_over_threads(first);
    if (first < spec->rows) status->fail(BLV_TASK_BAD_LABEL, name, -1, first);
  }

  BLV_INLINE void load_penalty(const Move &move) const {
    const Slot &slot = spec->penalty.value, &seeds = spec->penalty.tangent;
    if (!slot) return;
    load_penalty_leaf(move, slot, 0, penalty_leaf);
    if (slot.link) apply_link<T>(slot.link, penalty_leaf, penalty_count, penalty_slope);
    expand_penalty(slot.extent, penalty_leaf, penalty);
    for (Index k = 0; seeds && k < tangent_planes; k++) {
      load_penalty_leaf(move, seeds, k, penalty_seed);
      if (slot.link) multiply_by_link_slope<T>(slot.link, penalty_leaf, penalty_slope, penalty_seed, penalty_count);
      expand_penalty(slot.extent, penalty_seed, penalty_tangent + (long long)(k)*net->size);
    }
  }
  BLV_INLINE void load_penalty_leaf(const Move &move, const Slot &slot, Index step, T *to) const {
    if (slot.extent == BLV_PER_PARAMETER)
      load_parameters<T, L>(move, *net, slot, step, to);
    else
      move.load(slot, step, penalty_count, to);
  }

  // From the natural shape to one penalty per parameter of the group's vector.
  BLV_INLINE void expand_penalty(int extent, const T *from, T *to) const {
    if (extent == BLV_PER_PARAMETER) return strided_for_then_sync(net->size, [&](Index i) { to[i] = from[i]; });
    clear(to, net->size);
    for (Index l = 0; l < (extent == BLV_SCALAR ? net->n_layers : 1); l++) {
      const LayerView &layer = net->layers[l];
      strided_for_matrix(layer.outputs, layer.inputs, [&](Index i, Index j) {
        to[layer.weight + i * layer.ld + j] = from[extent == BLV_SCALAR ? 0 : j];
      });
    }
    TaskThreads::sync();
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
