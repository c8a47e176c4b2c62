// SPDX-License-Identifier: Apache-2.0
//
// Plain reference of everything that the C ABI computes for one task: evaluate, HVP and cross products, the unrolled inner
// optimisation with its hypergradient, its derivatives along tangents, and the hypergradient from the optimality condition. Arrays are
// dense and in double; every derivative is taken by the tape, through the complete computation, with respect to the array before its
// link. Forward mode is reverse mode, a scalar at a time, times the tangents; the implicit method solves with a dense Hessian.
#pragma once
#include <map>
#include <utility>

#include "dense.h"
#include "network.h"

namespace oracle {

using Key = std::pair<int, int>;  // (side, leaf)

struct Array {
  std::vector<double> value;
  int link = BLV_NO_LINK;
  int extent = BLV_NATURAL;           // PENALTY, RATE, MOMENTUM
  bool per_step = false;              // RATE, MOMENTUM: [steps][extent], else [extent]
  bool wanted = false;                // its gradient is asked for
  std::vector<double> tangents = {};  // [vectors], each as `value`; or empty
  bool input() const { return wanted || !tangents.empty(); }
};

struct Side {
  int loss = 0;  // 0: this side is absent
  int64_t rows = 0;
  std::vector<int64_t> label;
};

struct Task {
  Network net;
  int kind = BLV_EVALUATE;
  int optimiser = BLV_SGD;
  int64_t steps = 0, batch_rows = 0, vectors = 0;
  double damping = 0;
  std::vector<double> given_solution;  // implicit: v, in place of the solution
  Side inner, outer;
  std::vector<int64_t> batch;  // [steps][batch_rows]
  std::map<Key, Array> arrays;
};

struct Answer {
  double loss = NAN, gradient_norm = NAN;
  std::vector<double> theta;                                 // unroll, forward, implicit: theta_T
  std::map<Key, std::vector<std::vector<double>>> gradient;  // K arrays for hvp, else one
  std::vector<double> loss_tangent, theta_tangent;           // forward: [K], [K][P]
  std::vector<double> solution;                              // implicit: v
  Dense hessian{0};                                          // implicit: H + damping I
  std::vector<double> right;                                 // implicit: dL_out/dtheta
  double condition = 1;                                      // implicit: of H + damping I, in the norm of row sums
};

inline Var apply_link(int link, Var a) {
  switch (link) {
    case BLV_EXP:
      return exp_of(a);
    case BLV_SOFTPLUS_LINK:
      return softplus_of(a);
    case BLV_SIGMOID_LINK:
      return sigmoid_of(a);
    default:
      return a;
  }
}

// The arrays as inputs of the tape (first node of each), and the leaves that their links make of them.
struct Inputs {
  std::map<Key, int32_t> first;
  std::map<Key, std::vector<Var>> leaf;
};

inline Inputs open_inputs(const Task &task) {
  Inputs in;
  tape().clear();
  for (const auto &[key, array] : task.arrays) {
    std::vector<Var> raw;
    for (double v : array.value) raw.push_back(array.input() ? Var::input(v) : Var(v));
    in.first[key] = raw.empty() ? -1 : raw[0].node;
    for (Var v : raw) in.leaf[key].push_back(apply_link(array.link, v));
  }
  return in;
}

inline std::vector<Var> expand_penalty(const Network &net, int extent, const std::vector<Var> &p) {
  if (extent == BLV_PER_PARAMETER) return p;
  std::vector<Var> all(net.parameters(), Var(0.0));
  const size_t layers = extent == BLV_PER_FEATURE ? 1 : net.layers();
  for (size_t l = 0; l < layers; l++) {
    for (int64_t o = 0; o < net.widths[l + 1]; o++) {
      for (int64_t i = 0; i < net.widths[l]; i++) all[net.weight(l, o, i)] = extent == BLV_SCALAR ? p[0] : p[i];
    }
  }
  return all;
}

inline const std::vector<Var> &leaf_of(const Inputs &in, int side, int leaf) {
  static const std::vector<Var> none;
  for (int s : {side, int(BLV_BOTH)}) {
    if (auto it = in.leaf.find({s, leaf}); it != in.leaf.end()) return it->second;
  }
  return none;
}

inline Leaves<Var> leaves_of(const Task &task, const Inputs &in, int side) {
  const Side &s = side == BLV_INNER ? task.inner : task.outer;
  Leaves<Var> leaves;
  leaves.loss = s.loss;
  leaves.label = s.label;
  leaves.x = leaf_of(in, side, BLV_X);
  leaves.y = leaf_of(in, side, BLV_Y);
  leaves.weight = leaf_of(in, side, BLV_WEIGHT);
  for (int which : {side, int(BLV_BOTH)}) {
    if (auto it = task.arrays.find({which, BLV_PENALTY}); it != task.arrays.end()) {
      leaves.penalty = expand_penalty(task.net, it->second.extent, in.leaf.at(it->first));
    }
  }
  for (int64_t i = 0; i < s.rows; i++) leaves.rows.push_back(i);
  return leaves;
}

// Value of RATE or MOMENTUM at step t (from 0) for parameter j.
inline Var at_step(const Task &task, const Inputs &in, int leaf, int64_t t, int64_t j) {
  const Array &array = task.arrays.at({BLV_METHOD, leaf});
  const int64_t extent = array.extent == BLV_SCALAR ? 1 : task.net.parameters();
  return in.leaf.at({BLV_METHOD, leaf})[(array.per_step ? t * extent : 0) + (extent == 1 ? 0 : j)];
}

inline std::vector<Var> inner_steps(const Task &task, const Inputs &in) {
  std::vector<Var> theta = leaf_of(in, BLV_METHOD, BLV_THETA0), m(theta.size(), Var(0.0));
  Leaves<Var> leaves = leaves_of(task, in, BLV_INNER);
  for (int64_t t = 0; t < task.steps; t++) {
    if (task.batch_rows) {
      const auto first = task.batch.begin() + t * task.batch_rows;
      leaves.rows.assign(first, first + task.batch_rows);
    }
    const std::vector<Var> g = gradient(task.net, leaves, theta);
    for (size_t j = 0; j < theta.size(); j++) {
      Var direction = g[j];
      if (task.optimiser == BLV_HEAVY_BALL) direction = m[j] = at_step(task, in, BLV_MOMENTUM, t, j) * m[j] + g[j];
      theta[j] -= at_step(task, in, BLV_RATE, t, j) * direction;
    }
  }
  return theta;
}

inline double norm_of_gradient(const Task &task, const Leaves<Var> &leaves, const std::vector<Var> &theta) {
  double sum = 0;
  for (const Var &g : gradient(task.net, leaves, theta)) sum += g.value * g.value;
  return std::sqrt(sum);
}

// The derivatives of a scalar with respect to the arrays of which they are wanted.
inline void append_gradients(const Task &task, const Inputs &in, const std::vector<double> &adjoint, Answer *answer) {
  for (const auto &[key, array] : task.arrays) {
    if (!array.wanted) continue;
    const auto first = adjoint.begin() + (array.value.empty() ? 0 : in.first.at(key));
    answer->gradient[key].push_back({first, first + static_cast<int64_t>(array.value.size())});
  }
}

// The derivative of a scalar along tangents k of all arrays.
inline double along(const Task &task, const Inputs &in, const std::vector<double> &adjoint, int64_t k) {
  double sum = 0;
  for (const auto &[key, array] : task.arrays) {
    if (array.tangents.empty()) continue;
    const size_t n = array.value.size(), first = static_cast<size_t>(in.first.at(key));
    for (size_t i = 0; i < n; i++) {
      const double tangent = array.tangents[static_cast<size_t>(k) * n + i];
      if (adjoint[first + i] != 0) sum += adjoint[first + i] * tangent;  // rows that a task lacks have no numbers
    }
  }
  return sum;
}

inline void append_tangents(const Task &task, const Inputs &in, Var scalar, std::vector<double> *to) {
  const std::vector<double> adjoint = tape().adjoints(scalar.node);
  for (int64_t k = 0; k < task.vectors; k++) to->push_back(along(task, in, adjoint, k));
}

inline void solve_forward(const Task &task, const Inputs &in, const std::vector<Var> &theta, Answer *answer) {
  const size_t n = theta.size(), vectors = static_cast<size_t>(task.vectors);
  std::vector<double> by_parameter;  // [P][K]
  for (const Var &v : theta) append_tangents(task, in, v, &by_parameter);
  for (size_t k = 0; k < vectors; k++) {
    for (size_t j = 0; j < n; j++) answer->theta_tangent.push_back(by_parameter[j * vectors + k]);
  }
  if (task.outer.loss)
    append_tangents(task, in, loss(task.net, leaves_of(task, in, BLV_OUTER), theta), &answer->loss_tangent);
}

// At theta*: H by rows, v by elimination, and then the hypergradient as that of L_out(theta*) - g(theta*) . v with theta* and v fixed.
inline void solve_implicit(const Task &task, Answer *answer) {
  Task at = task;
  at.arrays[{BLV_METHOD, BLV_THETA}] = {.value = answer->theta, .wanted = true};
  const Inputs in = open_inputs(at);
  const std::vector<Var> &theta = leaf_of(in, BLV_METHOD, BLV_THETA);
  const size_t n = theta.size(), first = static_cast<size_t>(in.first.at({BLV_METHOD, BLV_THETA}));
  const std::vector<Var> g = gradient(at.net, leaves_of(at, in, BLV_INNER), theta);
  Dense &hessian = answer->hessian = Dense(n);
  for (size_t i = 0; i < n; i++) {
    const std::vector<double> row = tape().adjoints(g[i].node);
    for (size_t j = 0; j < n && !row.empty(); j++) hessian(i, j) = row[first + j];
    hessian(i, i) += at.damping;
  }
  for (const Var &v : gradient(at.net, leaves_of(at, in, BLV_OUTER), theta)) answer->right.push_back(v.value);
  answer->solution = at.given_solution.empty() ? solve_dense(hessian, answer->right) : at.given_solution;
  answer->condition = condition_of(hessian);
  Var total = loss(at.net, leaves_of(at, in, BLV_OUTER), theta);
  for (size_t j = 0; j < n; j++) total -= g[j] * Var(answer->solution[j]);
  append_gradients(at, in, tape().adjoints(total.node), answer);
}

inline void solve_trained(const Task &task, Answer *answer) {
  const Inputs in = open_inputs(task);
  const std::vector<Var> theta = inner_steps(task, in);
  for (Var v : theta) answer->theta.push_back(v.value);
  if (task.outer.loss) {
    const Leaves<Var> leaves = leaves_of(task, in, BLV_OUTER);
    const Var value = loss(task.net, leaves, theta);
    answer->loss = value.value;
    answer->gradient_norm = norm_of_gradient(task, leaves, theta);
    if (task.kind == BLV_UNROLL) append_gradients(task, in, tape().adjoints(value.node), answer);
  }
  if (task.kind == BLV_FORWARD) solve_forward(task, in, theta, answer);
  if (task.kind == BLV_IMPLICIT) solve_implicit(task, answer);
}

inline void solve_at_theta(const Task &task, Answer *answer) {
  const Inputs in = open_inputs(task);
  const std::vector<Var> &theta = leaf_of(in, BLV_METHOD, BLV_THETA);
  const Leaves<Var> leaves = leaves_of(task, in, BLV_INNER);
  const Var value = loss(task.net, leaves, theta);
  answer->loss = value.value;
  answer->gradient_norm = norm_of_gradient(task, leaves, theta);
  if (task.kind == BLV_EVALUATE) append_gradients(task, in, tape().adjoints(value.node), answer);
  const std::vector<Var> g = task.kind == BLV_HVP ? gradient(task.net, leaves, theta) : std::vector<Var>();
  for (int64_t k = 0; k < task.vectors; k++) {
    Var dot(0.0);
    const double *v = &task.arrays.at({BLV_METHOD, BLV_VECTOR}).value[static_cast<size_t>(k) * g.size()];
    for (size_t j = 0; j < g.size(); j++) dot += g[j] * Var(v[j]);
    append_gradients(task, in, tape().adjoints(dot.node), answer);
  }
}

// Everything about one task. Parts that were not asked for, such as the loss of an unroll without an outer side, stay NaN or empty.
inline Answer solve(const Task &task) {
  Answer answer;
  if (task.kind == BLV_EVALUATE || task.kind == BLV_HVP)
    solve_at_theta(task, &answer);
  else
    solve_trained(task, &answer);
  return answer;
}

}  // namespace oracle
