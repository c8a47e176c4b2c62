// SPDX-License-Identifier: Apache-2.0
//
// Reverse-mode differentiation of scalars, the plainest there is: every operation on a Var appends a node with at most two parents
// and the partial derivatives with respect to them, and `adjoints` walks the nodes backwards. It is exact to rounding, so
// that a reference written once as ordinary arithmetic yields all its derivatives. Constants (node -1) append nothing.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

namespace oracle {

class Tape {
 public:
  struct Node {
    int32_t a, b;
    double da, db;
  };
  int32_t append(int32_t a, double da, int32_t b, double db) {
    nodes_.push_back({a, b, da, db});
    return static_cast<int32_t>(nodes_.size()) - 1;
  }
  void clear() { nodes_.clear(); }
  // Derivative of the node `root` with respect to every node; all zero if root is a constant.
  std::vector<double> adjoints(int32_t root) const {
    std::vector<double> adjoint(nodes_.size(), 0.0);
    if (root < 0) return adjoint;
    adjoint[root] = 1;
    for (int32_t i = root; i >= 0; i--) {
      const Node &n = nodes_[i];
      if (adjoint[i] == 0) continue;  // also keeps what is never used, and may be NaN, out of the sums
      if (n.a >= 0) adjoint[n.a] += n.da * adjoint[i];
      if (n.b >= 0) adjoint[n.b] += n.db * adjoint[i];
    }
    return adjoint;
  }

 private:
  std::vector<Node> nodes_;
};

inline Tape &tape() {
  static thread_local Tape the_tape;
  return the_tape;
}

struct Var {
  double value = 0;
  int32_t node = -1;
  Var() = default;
  Var(double constant) : value(constant) {}  // implicit: constants mix freely with variables
  static Var input(double value) { return make(value, -1, 0, -1, 0, true); }
  static Var make(double value, int32_t a, double da, int32_t b, double db, bool always = false) {
    Var v(value);
    if (always || a >= 0 || b >= 0) v.node = tape().append(a, da, b, db);
    return v;
  }
};

inline Var operator+(Var a, Var b) { return Var::make(a.value + b.value, a.node, 1, b.node, 1); }
inline Var operator-(Var a, Var b) { return Var::make(a.value - b.value, a.node, 1, b.node, -1); }
inline Var operator*(Var a, Var b) { return Var::make(a.value * b.value, a.node, b.value, b.node, a.value); }
inline Var operator/(Var a, Var b) {
  return Var::make(a.value / b.value, a.node, 1 / b.value, b.node, -a.value / (b.value * b.value));
}
inline Var operator-(Var a) { return Var::make(-a.value, a.node, -1, -1, 0); }
inline Var &operator+=(Var &a, Var b) { return a = a + b; }
inline Var &operator-=(Var &a, Var b) { return a = a - b; }

// The elementary functions, for double and for Var alike.
inline double value_of(double x) { return x; }
inline double value_of(Var x) { return x.value; }
inline double exp_of(double x) { return std::exp(x); }
inline double log_of(double x) { return std::log(x); }
inline double tanh_of(double x) { return std::tanh(x); }
inline double sigmoid_of(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
inline double softplus_of(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }
inline Var exp_of(Var x) {
  const double e = std::exp(x.value);
  return Var::make(e, x.node, e, -1, 0);
}
inline Var log_of(Var x) { return Var::make(std::log(x.value), x.node, 1 / x.value, -1, 0); }
inline Var tanh_of(Var x) {
  const double t = std::tanh(x.value);
  return Var::make(t, x.node, 1 - t * t, -1, 0);
}
inline Var sigmoid_of(Var x) {
  const double s = sigmoid_of(x.value);
  return Var::make(s, x.node, s * (1 - s), -1, 0);
}
inline Var softplus_of(Var x) { return Var::make(softplus_of(x.value), x.node, sigmoid_of(x.value), -1, 0); }

}  // namespace oracle
