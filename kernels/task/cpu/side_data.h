// SPDX-License-Identifier: Apache-2.0
//
// One loss of a group of tasks, in internal form: its leaves with their links applied, the number of rows of every
// task, and accumulators for the gradients that are wanted. Rows that a task does not have hold finite
// numbers, and what is computed on them is written as zero (Map::present).
#pragma once
#include "kernels/contract/losses.h"
#include "kernels/machine/cpu/arena.h"
#include "kernels/task/cpu/parameters.h"
#include "kernels/task/side_leaves.h"
#include "kernels/task/status.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// The rows of a group of tasks, which may have different numbers of them: n is the largest.
template <class Element, class P>
struct GroupRows : RowView<Element, P> {
  bool ragged = false;
  long row_counts[lanes<ScalarOf<P>>] = {};  // of each task
};

template <class T, Lanes L>
struct SideData : SideLeaves<GroupRows<typename Transfer<T, L>::Element, Pack<T>>> {
  using Move = Transfer<T, L>;
  using Leaves = SideLeaves<GroupRows<typename Transfer<T, L>::Element, Pack<T>>>;
  using Leaves::n, Leaves::rows, Leaves::inverse_n, Leaves::x, Leaves::y, Leaves::weight, Leaves::ragged,
      Leaves::row_counts, Leaves::spec, Leaves::name, Leaves::net, Leaves::tangent_planes, Leaves::x_resident,
      Leaves::penalty_leaf, Leaves::penalty_count, Leaves::penalty, Leaves::penalty_tangent, Leaves::penalty_seed,
      Leaves::x_slope, Leaves::y_slope, Leaves::weight_slope, Leaves::penalty_slope;
  using typename Leaves::Element, typename Leaves::P, typename Leaves::Mat;
  static constexpr long width = Move::width;
  static constexpr long elements_of_a_pack = L == Lanes::TASKS ? 1 : lanes<T>;

  // penalty arrays are packs over the internal parameter vector, of which there are `parameter_packs`. `planes`: of the gradients;
  // `tangents`: of the leaves' tangents.
  void layout(Arena &arena, const Side &side, int32_t side_name, const NetworkView &network, long capacity, long planes,
              long tangents, long parameter_packs) {
    this->bind(side, side_name, network, tangents);
    ragged = bool(side.row_counts);
    rows = L == Lanes::TASKS ? capacity : round_to_lanes<T>(capacity);
    const long x_ld = network.x_ld, y_ld = side.index_targets ? 1 : network.layers[network.n_layers - 1].output_ld;
    x_resident = L == Lanes::TASKS || Leaves::must_copy_x(side, network.diagonal);
    x = {x_resident ? arena.take<Element>(rows * x_ld) : nullptr, nullptr, 0, x_ld};
    y = {arena.take<Element>(rows * y_ld), nullptr, 0, y_ld};
    this->layout_leaves(arena, x_ld, y_ld, planes);
    this->layout_penalty(arena, planes, parameter_packs,
                         [](long count) { return L == Lanes::TASKS ? count : round_to_lanes<T>(count); });
  }

  void load(const Move &move, TaskStatus *status) {
    load_row_counts(move, status);
    load_x(move);
    load_y(move, status);
    load_weight(move);
    load_penalty(move);
    load_tangents(move, spec->x, net->features, x, x_slope);
    load_tangents(move, spec->y, net->layers[net->n_layers - 1].outputs, y, y_slope);
    load_tangents(move, spec->weight, 1, weight, weight_slope);
  }

 private:
  void load_row_counts(const Move &move, TaskStatus *status) {
    n = 0;
    T inverse[lanes<T>] = {};
    for (long lane = 0; lane < width; lane++) {
      long count = lane < move.count ? spec->rows : 0;
      if (lane < move.count && ragged) {
        count = move.integer(spec->row_counts, lane, 0, 0);
        if (count < 0 || count > spec->rows) status[lane].fail(BLV_TASK_BAD_ROWS, name, -1, -1), count = 0;
      }
      row_counts[lane] = count;
      inverse[lane] = !spec->mean ? T(1) : count ? T(1) / T(count) : T(0);
      if (count > n) n = count;
    }
    inverse_n = L == Lanes::TASKS ? load_unaligned(inverse) : broadcast<T>(inverse[0]);
  }

  // Rows of a dense floating-point leaf with `columns` columns, through its link.
  void load_rows(const Move &move, const Slot &slot, long columns, const Mat &to, Element *slope) const {
    load_array(move, slot, 0, columns, to);
    if (!slot.link) return;
    apply_link<T>(slot.link, reinterpret_cast<P *>(to.v), packs_of(rows * to.ld), reinterpret_cast<P *>(slope));
    if (L == Lanes::COLUMNS && to.ld > columns) clear_padding(columns, to);
  }

  void load_tangents(const Move &move, const Leaf &leaf, long columns, const Mat &m, const Element *slope) const {
    for (long k = 0; leaf.tangent && k < tangent_planes; k++) {
      const Mat to{m.tangent(k), nullptr, 0, m.ld};
      load_array(move, leaf.tangent, k, columns, to);
      if (leaf.value.link)
        multiply_by_link_slope<T>(leaf.value.link, reinterpret_cast<const P *>(m.v), reinterpret_cast<const P *>(slope),
                                  reinterpret_cast<P *>(to.v), packs_of(rows * m.ld));
    }
  }

  // Rows of array `step`; what a task lacks, and padding, is zero.
  void load_array(const Move &move, const Slot &slot, long step, long columns, const Mat &to) const {
    if (L == Lanes::TASKS && ragged) {
      for (long i = 0; i < n * to.ld; i++) to.v[i] = Element{};
      for (long lane = 0; lane < move.count; lane++)
        for (long i = 0; i < row_counts[lane]; i++)
          move.load_lane(move.source(slot, lane, step) + i * slot.row_stride, lane, columns, to.v + i * to.ld);
    } else if (slot.row_stride == columns && to.ld == columns) {
      move.load(slot, step, 0, 1, n * columns, to.v);
    } else {
      for (long i = 0; i < n; i++) {
        move.load(slot, step, i * slot.row_stride, 1, columns, to.v + i * to.ld);
        for (long j = columns; j < to.ld; j++) to.v[i * to.ld + j] = Element{};
      }
    }
    for (long i = n * to.ld; i < rows * to.ld; i++) to.v[i] = Element{};
  }
  static long packs_of(long elements) { return L == Lanes::TASKS ? elements : elements / lanes<T>; }
  void clear_padding(long columns, const Mat &to) const {
    for (long i = 0; i < rows; i++)
      for (long j = columns; j < to.ld; j++) to.v[i * to.ld + j] = Element{};
  }

  void load_x(const Move &move) {
    const Slot &slot = spec->x.value;
    if (x_resident) return load_rows(move, slot, net->features, x, x_slope);
    if constexpr (L == Lanes::COLUMNS) {  // nothing is written through this pointer
      x.v = const_cast<T *>(move.source(slot, 0, 0));
      x.ld = slot.row_stride;
    }
  }

  void load_y(const Move &move, TaskStatus *status) {
    const Slot &slot = spec->y.value;
    const long columns = net->layers[net->n_layers - 1].outputs;
    if (spec->index_targets) return load_labels(move, columns, status);
    load_rows(move, slot, columns, y, y_slope);
    if (!has_unit_targets(spec->loss)) return;
    const T *labels = reinterpret_cast<const T *>(y.v);
    for (long lane = 0; lane < move.count; lane++)
      for (long i = 0; i < row_counts[lane]; i++)
        for (long j = 0; j < columns; j++) {
          const T label = labels[(i * y.ld + j) * width + lane];
          if (label < T(0) || label > T(1)) status[lane].fail(BLV_TASK_BAD_LABEL, name, -1, i);
        }
  }

  void load_labels(const Move &move, long classes, TaskStatus *status) {
    const Slot &slot = spec->y.value;
    T *labels = reinterpret_cast<T *>(y.v);
    for (long i = 0; i < rows * width; i++) labels[i] = T(0);
    for (long lane = 0; lane < move.count; lane++)
      for (long i = 0; i < row_counts[lane]; i++) {
        const int64_t label = move.integer(slot, lane, 0, i * slot.row_stride);
        if (label < 0 || label >= classes)
          status[lane].fail(BLV_TASK_BAD_LABEL, name, -1, i);
        else
          labels[i * width + lane] = T(label);
      }
  }

  void load_weight(const Move &move) {
    if (!weight) return;
    const Slot &slot = spec->weight.value;
    T *weights = reinterpret_cast<T *>(weight.v);
    for (long i = 0; i < rows * width; i++) weights[i] = T(0);
    for (long lane = 0; lane < move.count; lane++)
      for (long i = 0; i < row_counts[lane]; i++)
        weights[i * width + lane] = move.source(slot, lane, 0)[i * slot.row_stride];
    if (slot.link)
      apply_link<T>(slot.link, reinterpret_cast<P *>(weight.v), packs_of(rows), reinterpret_cast<P *>(weight_slope));
  }

  void load_penalty(const Move &move) {
    const Slot &slot = spec->penalty.value, &seeds = spec->penalty.tangent;
    if (!slot) return;
    const P *leaf = reinterpret_cast<const P *>(penalty_leaf), *slope = reinterpret_cast<const P *>(penalty_slope);
    load_penalty_leaf(move, slot, 0, penalty_leaf);
    if (slot.link)
      apply_link<T>(slot.link, reinterpret_cast<P *>(penalty_leaf), penalty_leaf_packs(),
                    reinterpret_cast<P *>(penalty_slope));
    expand_penalty(slot.extent, penalty_leaf, penalty);
    for (long k = 0; seeds && k < tangent_planes; k++) {
      load_penalty_leaf(move, seeds, k, penalty_seed);
      if (slot.link)
        multiply_by_link_slope<T>(slot.link, leaf, slope, reinterpret_cast<P *>(penalty_seed), penalty_leaf_packs());
      expand_penalty(slot.extent, penalty_seed, penalty_tangent + k * parameter_packs<T, L>(*net));
    }
  }

  void load_penalty_leaf(const Move &move, const Slot &slot, long step, Element *to) const {
    if (slot.extent == BLV_PER_PARAMETER)
      load_parameters<T, L>(move, *net, slot, step, to);
    else
      move.load(slot, step, 0, 1, penalty_count, to);
    if constexpr (L == Lanes::COLUMNS)
      for (long i = penalty_count; i < round_to_lanes<T>(penalty_count); i++) to[i] = T(0);
  }

  long penalty_leaf_packs() const {
    return L == Lanes::TASKS ? penalty_count : round_to_lanes<T>(penalty_count) / lanes<T>;
  }

  // From the natural shape to one penalty per internal parameter.
  void expand_penalty(int extent, const Element *from, P *penalties) const {
    Element *to = reinterpret_cast<Element *>(penalties);
    for (long i = 0; i < net->size; i++) to[i] = extent == BLV_PER_PARAMETER ? from[i] : Element{};
    if (extent == BLV_PER_PARAMETER) return;
    for (long l = 0; l < (extent == BLV_SCALAR ? net->n_layers : 1); l++) {
      const LayerView &layer = net->layers[l];
      for (long o = 0; o < layer.outputs; o++)
        for (long i = 0; i < layer.inputs; i++)
          to[layer.weight + o * layer.ld + i] = from[extent == BLV_SCALAR ? 0 : i];
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
