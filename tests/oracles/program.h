// SPDX-License-Identifier: Apache-2.0
//
// Plain interpreter of programs (kernels/contract/program.h) for one task, in double: every array has memory of its own, whatever buffer
// it was given; gradients, Hessian products and cross products come from the tape. A state begins with zeros. An array that was never
// written holds NaN, and a pass that reads a tape says so if the tape is of other parameters. Nothing is shared with the kernels but
// the structs of a program.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kernels/contract/program.h"
#include "task.h"

namespace oracle {

struct ProgramAnswer {
  int status = BLV_TASK_OK;
  int64_t step = -1;
  std::string mistake;                                                     // of the program; else ""
  std::vector<std::vector<double>> outputs;                                // of each output: [planes][P], or [planes]
  std::map<std::pair<int, Key>, std::vector<std::vector<double>>> leaves;  // by side and array: [planes][as the array]
  std::map<int, std::vector<double>> step_leaves;                          // by leaf: [T][extent]
  std::vector<double> numbers;
  double largest = 0;  // of all numbers that were computed
  int64_t passes = 0;
};

class ProgramRun {
 public:
  // inputs: of each input of the program, [planes][P]. noise: relative errors of that size, of all terms.
  ProgramRun(const bilevel::Program &program, const Task &task, std::vector<std::vector<double>> inputs,
             double noise = 0)
      : p_(program), task_(task), n_(static_cast<size_t>(task.net.parameters())), noise_(noise) {
    for (auto &[key, array] : task_.arrays) array.wanted = true;
    for (int32_t i = 0; i < p_.n_arrays; i++) {
      const bilevel::ProgramArray &a = p_.arrays[i];
      const size_t size = static_cast<size_t>(a.count * a.planes) * n_;
      arrays_.emplace_back(size, a.zeroed || a.state ? 0.0 : NAN);
    }
    answer_.numbers.assign(static_cast<size_t>(p_.n_numbers), 0.0);
    for (int32_t i = 0; i < p_.n_inputs; i++) {
      const bilevel::ProgramInput &in = p_.inputs[i];
      if (in.array >= 0) arrays_[static_cast<size_t>(in.array)] = inputs[static_cast<size_t>(i)];
      for (int32_t k = 0; in.number >= 0 && k < in.planes; k++)
        answer_.numbers[static_cast<size_t>(in.number + k)] = inputs[static_cast<size_t>(i)].at(static_cast<size_t>(k));
    }
    if (p_.present >= 0) answer_.numbers[static_cast<size_t>(p_.present)] = 1;
    counters_.assign(static_cast<size_t>(p_.n_counters), 0);
  }

  ProgramAnswer run() {
    int64_t operations = 0;
    for (int32_t pc = 0; pc < p_.n_ops && answer_.mistake.empty(); pc++) {
      pc = after(p_.ops[pc], pc);
      if (++operations > 10'000'000) answer_.mistake = "it does not end";
    }
    for (const auto &[key, planes] : answer_.leaves) {
      for (const auto &plane : planes) look_at(plane);
    }
    for (const auto &[leaf, values] : answer_.step_leaves) look_at(values);
    report(-1);
    for (int32_t i = 0; i < p_.n_outputs; i++) {
      const bilevel::ProgramOutput &out = p_.outputs[i];
      const auto first = answer_.numbers.begin() + std::max(out.number, 0);
      answer_.outputs.push_back(out.array >= 0 ? arrays_[static_cast<size_t>(out.array)]
                                               : std::vector<double>(first, first + out.planes));
    }
    return answer_;
  }

 private:
  using Op = bilevel::Op;
  using Operand = bilevel::Operand;
  using Coefficient = bilevel::Coefficient;

  // Runs an operation; the program goes on after the one that is returned.
  int32_t after(const Op &op, int32_t pc) {
    switch (op.code) {
      case bilevel::OP_GRADIENT:
        gradient_pass(op);
        break;
      case bilevel::OP_TANGENT:
        tangent_pass(op);
        break;
      case bilevel::OP_LINEAR:
        linear(op);
        break;
      case bilevel::OP_MAP:
        map(op);
        break;
      case bilevel::OP_DOT:
        for (int k = 0; k < op.planes; k++) put(op.number + k, product(op, k));
        break;
      case bilevel::OP_SIDE_DOT:
        for (int k = 0; k < op.planes; k++) put(op.number + k, side_product(side_of(op), k));
        break;
      case bilevel::OP_STEP_LEAF:
        step_leaf(op);
        break;
      case bilevel::OP_NUMBER:
        for (int k = 0; k < op.planes; k++) put(op.number + k, computed(op, k));
        break;
      case bilevel::OP_CHECK:
        check(op);
        break;
      case bilevel::OP_FAIL:
        if (number(op.number) != 0) fail(static_cast<int>(op.n), -1);
        break;
      case bilevel::OP_COUNT:
        counter(op.counter) = counter(op.tape_counter) * op.n + counter(op.with) * op.direction + op.constant;
        break;
      case bilevel::OP_END: {
        const int64_t next = counter(op.counter) += op.direction;
        const bool active = !(op.flags & bilevel::FLAG_ACTIVE) || number(op.number) != 0;
        if (next >= 0 && next < op.n && active) return op.jump - 1;
        break;
      }
      case bilevel::OP_BREAK:
        if (number(op.number) == 0) return op.jump - 1;
        break;
      default:
        answer_.mistake = "no such operation";
    }
    return pc;
  }

  // ---- Places
  int64_t &counter(int i) { return counters_.at(static_cast<size_t>(i)); }
  double number(int i) const { return answer_.numbers.at(static_cast<size_t>(i)); }
  void put(int i, double x) {
    answer_.numbers.at(static_cast<size_t>(i)) = x;
    seen(x);
  }
  double rounded(double x) {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return x * (1 + noise_ * (static_cast<double>(random_ >> 33) / 0x1p30 - 1));
  }
  void seen(double x) { answer_.largest = std::isfinite(x) ? std::fmax(answer_.largest, std::fabs(x)) : HUGE_VAL; }
  int planes_of(const Operand &a) const { return p_.arrays[a.array].planes; }
  // Plane k of an operand; one of a single plane serves all.
  double *at(const Operand &a, int k = 0) {
    const bilevel::ProgramArray &array = p_.arrays[a.array];
    const int64_t entry = array.count > 1 ? counter(a.counter) + a.offset : 0;
    if (entry < 0 || entry >= array.count) {
      answer_.mistake = "entry " + std::to_string(entry) + " of array " + std::to_string(a.array);
      return arrays_[static_cast<size_t>(a.array)].data();
    }
    return &arrays_[static_cast<size_t>(a.array)][(static_cast<size_t>(entry) * static_cast<size_t>(array.planes) +
                                                   static_cast<size_t>(array.planes > 1 ? k : 0)) *
                                                  n_];
  }

  // ---- Status
  void fail(int status, int64_t step) {
    if (answer_.status == BLV_TASK_OK) answer_.status = status, answer_.step = step;
  }
  void look_at(const std::vector<double> &values) {
    for (double x : values) pending_ = pending_ || !std::isfinite(x);
  }
  void report(int64_t step) {
    if (pending_) fail(BLV_TASK_NOT_FINITE, step);
    pending_ = false;
  }
  void check(const Op &op) {
    for (int k = 0; op.x && k < op.planes; k++) look_at({at(op.x, k), at(op.x, k) + n_});
    for (int k = 0; op.number >= 0 && k < op.planes; k++) look_at({number(op.number + k)});
    if (op.flags & bilevel::FLAG_REPORT) report(-1);
  }

  // ---- Passes
  static int side_of(const Op &op) { return op.flags & bilevel::FLAG_OUTER ? BLV_OUTER : BLV_INNER; }
  static bool is_of(const Key &key, int side) { return key.first == side || key.first == BLV_BOTH; }

  // The tape with the parameters and all arrays as its inputs.
  struct Opened {
    Inputs in;
    Leaves<Var> leaves;
    std::vector<Var> theta;
    size_t first = 0;
  };
  Opened open(const Op &op) {
    answer_.passes++;
    task_.arrays[{BLV_METHOD, BLV_THETA}] = {.value = {at(op.x), at(op.x) + n_}, .wanted = true};
    Opened o;
    o.in = open_inputs(task_);
    o.leaves = leaves_of(task_, o.in, side_of(op));
    o.theta = leaf_of(o.in, BLV_METHOD, BLV_THETA);
    o.first = static_cast<size_t>(o.in.first.at({BLV_METHOD, BLV_THETA}));
    if (op.flags & bilevel::FLAG_BATCH) {
      const auto begin = task_.batch.begin() + counter(op.counter) * task_.batch_rows;
      o.leaves.rows.assign(begin, begin + task_.batch_rows);
    }
    return o;
  }
  double weight_of(const Op &op) const { return op.first >= 0 ? number(op.first) : 1; }

  void gradient_pass(const Op &op) {
    const Opened o = open(op);
    const Var value = loss(task_.net, o.leaves, o.theta);
    const std::vector<double> adjoint = tape().adjoints(value.node);
    const double w = weight_of(op);
    if (op.number >= 0) put(op.number, w * value.value);
    if (op.flags & bilevel::FLAG_TAPE) tapes_[counter(op.tape_counter)] = {at(op.x), at(op.x) + n_};
    if (op.z) add_to(op, 0, adjoint, o.first, w);
    if (op.flags & bilevel::FLAG_LEAVES) add_leaves(op, o.in, 0, adjoint, w);
  }

  void tangent_pass(const Op &op) {
    if (op.flags & bilevel::FLAG_TAPE &&
        tapes_[counter(op.tape_counter)] != std::vector<double>(at(op.x), at(op.x) + n_))
      answer_.mistake = "the tape is of other parameters";
    const Opened o = open(op);
    const std::vector<Var> g = gradient(task_.net, o.leaves, o.theta);
    const double w = weight_of(op);
    if (op.number >= 0) put(op.number, w * loss(task_.net, o.leaves, o.theta).value);
    for (int k = 0; k < op.planes; k++) {
      Var along(0.0);
      for (size_t j = 0; j < n_; j++) along += g[j] * Var(at(op.y, k)[j]);
      const std::vector<double> adjoint = tape().adjoints(along.node);
      if (op.flags & bilevel::FLAG_LEAVES) add_leaves(op, o.in, k, adjoint, w);
      if (!op.z) continue;
      add_to(op, k, adjoint, o.first, w);
      if (!(op.flags & bilevel::FLAG_TANGENTS)) continue;
      for (size_t j = 0; j < n_; j++)
        at(op.z, k)[j] += w * product_with_tangents(o.in, tape().adjoints(g[j].node), side_of(op), k);
    }
  }

  void add_to(const Op &op, int k, const std::vector<double> &adjoint, size_t first, double w) {
    for (size_t j = 0; j < n_; j++) {
      double &z = at(op.z, k)[j];
      z = (op.flags & bilevel::FLAG_ADD ? z : 0) + rounded(w * (adjoint.empty() ? 0 : adjoint[first + j]));
      seen(z);
    }
  }
  void add_leaves(const Op &op, const Inputs &in, int k, const std::vector<double> &adjoint, double w) {
    for (const auto &[key, array] : task_.arrays) {
      if (!is_of(key, side_of(op)) || array.value.empty()) continue;
      auto &planes = answer_.leaves[{side_of(op), key}];
      if (planes.size() <= static_cast<size_t>(k)) planes.resize(static_cast<size_t>(k) + 1);
      auto &plane = planes[static_cast<size_t>(k)];
      plane.resize(array.value.size(), 0.0);
      for (size_t i = 0; i < plane.size(); i++) plane[i] += w * adjoint[static_cast<size_t>(in.first.at(key)) + i];
    }
  }
  double product_with_tangents(const Inputs &in, const std::vector<double> &adjoint, int side, int k) const {
    double sum = 0;
    for (const auto &[key, array] : task_.arrays) {
      if (!is_of(key, side) || array.tangents.empty()) continue;
      const size_t n = array.value.size(), first = static_cast<size_t>(in.first.at(key));
      for (size_t i = 0; i < n; i++)
        if (adjoint[first + i] != 0) sum += adjoint[first + i] * array.tangents[static_cast<size_t>(k) * n + i];
    }
    return sum;
  }
  double side_product(int side, int k) const {
    double sum = 0;
    for (const auto &[where, planes] : answer_.leaves) {
      const Array &array = task_.arrays.at(where.second);
      if (where.first != side || array.tangents.empty()) continue;
      for (size_t i = 0; i < planes[0].size(); i++)
        if (planes[0][i] != 0) sum += planes[0][i] * array.tangents[static_cast<size_t>(k) * planes[0].size() + i];
    }
    return sum;
  }

  // ---- Step leaves, by their index in Problem::step_leaves
  static int leaf_of_index(int index) { return index == 0 ? BLV_RATE : BLV_MOMENTUM; }
  struct StepValue {
    double value, slope;
    size_t place;  // in the array
  };
  StepValue step_value(int index, int64_t t, size_t j) const {
    const Array &array = task_.arrays.at({BLV_METHOD, leaf_of_index(index)});
    const size_t extent = array.extent == BLV_SCALAR ? 1 : n_;
    const size_t place = (array.per_step ? static_cast<size_t>(t) * extent : 0) + (extent == 1 ? 0 : j);
    tape().clear();
    const Var raw = Var::input(array.value.at(place)), linked = apply_link(array.link, raw);
    return {linked.value, tape().adjoints(linked.node)[static_cast<size_t>(raw.node)], place};
  }
  double factor(const Coefficient &c, int k, size_t j) {
    switch (c.kind) {
      case bilevel::COEFFICIENT_ONE:
        return c.sign;
      case bilevel::COEFFICIENT_NUMBER:
        return c.sign * number(c.index + k);
      case bilevel::COEFFICIENT_LEAF:
        return c.sign * step_value(c.index, counter(c.counter), j).value;
      case bilevel::COEFFICIENT_LEAF_TANGENT: {
        const StepValue v = step_value(c.index, counter(c.counter), j);
        const Array &array = task_.arrays.at({BLV_METHOD, leaf_of_index(c.index)});
        return c.sign * v.slope * array.tangents.at(static_cast<size_t>(k) * array.value.size() + v.place);
      }
      default:
        answer_.mistake = "a term without a coefficient";
        return NAN;
    }
  }
  void step_leaf(const Op &op) {
    const int64_t t = counter(op.counter);
    const int leaf = leaf_of_index(op.a.index);
    const bool scalar = task_.arrays.at({BLV_METHOD, leaf}).extent == BLV_SCALAR;
    std::vector<double> &gradient = answer_.step_leaves[leaf];
    const size_t extent = scalar ? 1 : n_;
    gradient.resize(static_cast<size_t>(task_.steps) * extent, 0.0);
    for (size_t j = 0; j < n_; j++)
      gradient.at(static_cast<size_t>(t) * extent + (scalar ? 0 : j)) +=
          op.a.sign * at(op.x)[j] * at(op.y)[j] * step_value(op.a.index, t, j).slope;
  }

  // ---- Arithmetic
  void linear(const Op &op) {
    for (int k = 0; k < op.planes; k++) {
      for (size_t j = 0; j < n_; j++) {
        double sum = rounded(factor(op.a, k, j) * at(op.x, k)[j]);
        if (op.y) sum += rounded(factor(op.b, k, j) * at(op.y, k)[j]);
        at(op.z, k)[j] = sum;
        seen(sum);
        if (op.w) at(op.w, k)[j] = at(op.v, k)[j];
      }
      if (op.flags & bilevel::FLAG_CHECK) look_at({at(op.z, k), at(op.z, k) + n_});
    }
    if (op.flags & bilevel::FLAG_CHECK) report(counter(op.counter) + 1);
  }
  void map(const Op &op) {
    for (int k = 0; k < op.planes; k++) {
      for (size_t j = 0; j < n_; j++) {
        const double x = at(op.x, k)[j];
        double &z = at(op.z, k)[j];
        if (op.function == bilevel::MAP_PRODUCT) z = x * at(op.y, k)[j];
        if (op.function == bilevel::MAP_RECIPROCAL) z = x == 0 ? 0 : 1 / x;
        if (op.function == bilevel::MAP_ROOT) z = std::sqrt(x);
        seen(z);
      }
    }
  }
  double product(const Op &op, int k) {
    double sum = 0;
    for (size_t j = 0; j < n_; j++) sum += rounded(at(op.x, k)[j] * at(op.y, k)[j]);
    return op.flags & bilevel::FLAG_ROOT ? std::sqrt(sum) : sum;
  }
  double computed(const Op &op, int k) {
    const double a = op.first < 0 ? 0 : rounded(number(op.first + k)),
                 b = op.second < 0 ? 0 : rounded(number(op.second + k));
    switch (op.function) {
      case bilevel::NUMBER_CONSTANT:
        return op.real;
      case bilevel::NUMBER_COPY:
        return a;
      case bilevel::NUMBER_ADD:
        return a + b;
      case bilevel::NUMBER_SUBTRACT:
        return a - b;
      case bilevel::NUMBER_MULTIPLY:
        return a * b;
      case bilevel::NUMBER_DIVIDE:
        return b == 0 ? 0 : a / b;
      case bilevel::NUMBER_ROOT:
        return std::sqrt(a);
      case bilevel::NUMBER_GREATER:
        return a > b ? 1 : 0;
      case bilevel::NUMBER_SELECT:
        return b == 0 ? 0 : a;
      case bilevel::NUMBER_MINIMUM:
        return a < b ? a : b;
      case bilevel::NUMBER_MAXIMUM:
        return a > b ? a : b;
      default:
        return NAN;
    }
  }

  const bilevel::Program &p_;
  Task task_;
  const size_t n_;
  const double noise_;
  uint64_t random_ = 1;
  std::vector<std::vector<double>> arrays_;  // [count][planes][P]
  std::vector<int64_t> counters_;
  std::map<int64_t, std::vector<double>> tapes_;  // the parameters of each entry
  bool pending_ = false;
  ProgramAnswer answer_;
};

}  // namespace oracle
