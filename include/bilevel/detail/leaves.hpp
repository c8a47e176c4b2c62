// SPDX-License-Identifier: Apache-2.0
//
// From expressions to slots. A Leaf is one array that a loss or an optimiser reads, with its VALUE slot of the C ABI;
// the functions below make the leaves of an objective and check the size of each array against the shape of the
// computation.
#ifndef BILEVEL_DETAIL_LEAVES_HPP
#define BILEVEL_DETAIL_LEAVES_HPP
#include <bilevel/detail/objective.hpp>

namespace bilevel::detail {

/// Sizes of a whole computation, for the shapes of its leaves.
struct Shape {
  std::int64_t tasks = 1, rows = 0, inputs = 0, outputs = 0, parameters = 0, steps = 0;
};

template <class T>
struct Leaf {
  blv_slot slot{};
  const void *data = nullptr;  ///< the user's array; null: `own`
  std::int64_t extent = 0;     ///< elements of the array that the slot spans
  std::string name;
  std::vector<T> own{T(0)};

  const void *pointer() const { return data != nullptr ? data : own.data(); }
  bool differentiable() const {
    return data != nullptr && extent > 0 && slot.dtype == dtype_of<T> && slot.use == BLV_VALUE &&
           slot.leaf != BLV_VECTOR;
  }
};

inline const char *side_name(std::int32_t side) {
  return side == BLV_INNER ? "inner " : side == BLV_OUTER ? "outer " : "";
}

template <class T>
Leaf<T> leaf(std::int32_t side, std::int32_t which, const char *name, const Array<T> &a) {
  Leaf<T> l;
  l.slot.side = side;
  l.slot.leaf = which;
  l.slot.use = BLV_VALUE;
  l.slot.dtype = dtype_of<T>;
  l.slot.link = a.link;
  l.name = std::string(side_name(side)).append(name);
  l.data = a.data;
  l.extent = a.size;
  if (a.number) {
    l.own = {static_cast<T>(*a.number)};
    l.extent = 1;
  }
  return l;
}

/// An array with `each` elements that tasks share, or with tasks times as many.
template <class L>
L shared_or_per_task(L l, std::int64_t size, std::int64_t each, std::int64_t tasks) {
  if (size == each) return l;
  if (size != times(tasks, each)) {
    fail(BLV_INVALID, l.name, ": an array of ", size, " elements; accepted: ", each, ", or tasks x ", each, " = ",
         times(tasks, each));
  }
  l.slot.task_stride = each;
  return l;
}

/// "accepted: 1, inputs = 3 or parameters = 8; times tasks with bl::per_task".
template <class T>
std::string accepted_sizes(const Array<T> &a, const Shape &s, bool features) {
  const std::string inputs = "inputs = " + std::to_string(s.inputs),
                    parameters = "parameters = " + std::to_string(s.parameters);
  std::string text = "accepted: ";
  if (a.extent == BLV_NATURAL) text += features ? "1, " + inputs + " or " + parameters : "1 or " + parameters;
  if (a.extent == BLV_PER_FEATURE) text += features ? inputs : "no bl::per_feature";
  if (a.extent == BLV_PER_PARAMETER) text += parameters;
  if (a.per_step) text += ", times steps = " + std::to_string(s.steps);
  if (a.per_task) text += ", times tasks = " + std::to_string(s.tasks);
  if (!a.per_step && !features) text += "; times steps with bl::per_step";
  if (!a.per_task) text += "; times tasks with bl::per_task";
  return text;
}

/// A leaf whose extent the number of elements tells: penalty, rate, momentum.
template <class T>
Leaf<T> sized(Leaf<T> l, const Array<T> &a, const Shape &s, bool features) {
  if (a.number) {
    l.slot.extent = BLV_SCALAR;
    return l;
  }
  if (features && a.per_step) fail(BLV_INVALID, l.name, ": bl::per_step; accepted: the same penalty at every step");
  const std::int64_t steps = a.per_step ? s.steps : 1;
  const std::int64_t copies = times(a.per_task ? s.tasks : 1, steps);
  const auto fits = [&](std::int32_t extent, std::int64_t each) {
    if (l.slot.extent != 0 || (a.extent != BLV_NATURAL && a.extent != extent) || a.size != times(copies, each)) return;
    l.slot.extent = extent;
    l.slot.step_stride = a.per_step ? each : 0;
    l.slot.task_stride = a.per_task ? times(steps, each) : 0;
  };
  fits(BLV_SCALAR, 1);
  if (features) fits(BLV_PER_FEATURE, s.inputs);
  fits(BLV_PER_PARAMETER, s.parameters);
  if (l.slot.extent == 0)
    fail(BLV_INVALID, l.name, ": an array of ", a.size, " elements; ", accepted_sizes(a, s, features));
  return l;
}

template <class T>
Leaf<T> tensor_leaf(std::int32_t side, std::int32_t which, const char *name, const Tensor<T> &t, const Shape &s) {
  Leaf<T> l = leaf<T>(side, which, name, Array<T>{t.data(), t.extent(), {}, t.link()});
  if (t.tasks() != 1 && t.tasks() != s.tasks) {
    fail(BLV_INVALID, l.name, ": ", t.tasks(), " tasks; accepted: 1 or ", s.tasks);
  }
  if (t.rows() != s.rows) fail(BLV_INVALID, l.name, ": ", t.rows(), " rows; accepted: ", s.rows, ", as X has");
  l.slot.task_stride = t.tasks() == 1 ? 0 : t.task_stride();
  l.slot.row_stride = t.row_stride();
  return l;
}

template <class T>
Leaf<T> index_leaf(std::int32_t side, std::int32_t which, const char *name, const Indices &i, std::int64_t each,
                   std::int64_t tasks) {
  Leaf<T> l = leaf<T>(side, which, name, Array<T>{nullptr, i.size});
  l.slot.dtype = i.dtype;
  l.own.assign(2, T(0));  // big enough to stand for an empty array
  l.data = i.data;
  return shared_or_per_task(l, i.size, each, tasks);
}

template <class T>
Leaf<T> target_leaf(std::int32_t side, const Targets<T> &y, const Shape &s) {
  if (const auto *t = std::get_if<Tensor<T>>(&y.value)) return tensor_leaf(side, BLV_Y, "targets", *t, s);
  if (const auto *i = std::get_if<Indices>(&y.value)) return index_leaf<T>(side, BLV_Y, "targets", *i, s.rows, s.tasks);
  const Array<T> &a = std::get<Array<T>>(y.value);
  Leaf<T> l = leaf<T>(side, BLV_Y, "targets", a);
  return shared_or_per_task(l, a.size, s.rows, s.tasks);
}

/// Appends the leaves of one loss, whose X gives rows and inputs.
template <class T>
void add_leaves(std::vector<Leaf<T>> &leaves, const Objective<T> &o, std::int32_t side, Shape s) {
  s.rows = o.X().rows();
  s.inputs = o.X().columns();
  leaves.push_back(tensor_leaf(side, BLV_X, "X", o.X(), s));
  leaves.push_back(target_leaf(side, o.targets(), s));
  if (const auto &w = o.weight_array()) {
    leaves.push_back(shared_or_per_task(leaf<T>(side, BLV_WEIGHT, "weights", *w), w->size, s.rows, s.tasks));
  }
  if (const auto &p = o.penalty_array()) {
    leaves.push_back(sized(leaf<T>(side, BLV_PENALTY, "l2", *p), *p, s, true));
  }
  if (const auto &n = o.row_counts()) leaves.push_back(index_leaf<T>(side, BLV_ROWS, "rows", *n, 1, s.tasks));
}

/// Tasks that the tensors of a loss tell: 1 where all are shared.
template <class T>
std::int64_t tasks_of(const Objective<T> &o) {
  const auto *y = std::get_if<Tensor<T>>(&o.targets().value);
  const std::int64_t tasks = o.X().tasks();
  return tasks != 1 || y == nullptr ? tasks : y->tasks();
}

}  // namespace bilevel::detail
#endif  // BILEVEL_DETAIL_LEAVES_HPP
