// SPDX-License-Identifier: Apache-2.0
//
// Programs drawn at random: any operation on any arrays that it may have.
#pragma once
#include <random>

#include "program_subject.h"

namespace bilevel {

// Draws operations of all kinds on vectors and numbers that have been written before, in loops, and writes some of them out.
class RandomProgram {
 public:
  RandomProgram(const Subject &subject, unsigned seed)
      : subject_(subject), p_(subject.problem), b_(p_), random_(seed), free_(subject.first_free_slot()) {}

  MethodProgram build() {
    fixed_ = b_.counter("fixed");
    b_.set(fixed_, at_random(0, p_.steps - 1));
    const Vector theta = b_.vector("theta");
    b_.read(theta, p_.slot(p_.kind == BLV_HVP ? BLV_THETA : BLV_THETA0, BLV_VALUE));
    vectors_.push_back(theta);
    if (p_.kind != BLV_UNROLL) {
      const bool hvp = p_.kind == BLV_HVP;
      const Vector many = b_.vector("many", planes());
      b_.read(many, hvp ? p_.slot(BLV_VECTOR, BLV_VALUE) : p_.slot(BLV_THETA0, BLV_TANGENT));
      vectors_.push_back(many);
    }
    vectors_.push_back(b_.zeros("zeros"));
    b_.dot(new_number(), theta, theta);
    for (int64_t k = 2; k <= planes(); ++k) several(k, theta);
    const bool is_short = harness::machine() != nullptr;  // a device has less room for a program
    operations(is_short ? at_random(3, 12) : at_random(12, 30));
    if (coin(2)) sweep();
    operations(is_short ? at_random(1, 4) : at_random(3, 8));
    if (p_.kind == BLV_HVP)
      b_.tangent(theta, defined(planes()), {}, {.leaves = true});  // all planes of the gradients are written
    finish();
    return b_.finish();
  }

 private:
  // ---- Draws
  int64_t at_random(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool coin(int64_t n) { return at_random(1, n) == 1; }
  // Of vectors. Without slots that say how many there are: some.
  int64_t planes() const { return p_.kind == BLV_UNROLL ? 3 : p_.planes; }
  int64_t any_planes() { return coin(2) ? 1 : at_random(1, planes()); }
  Vector defined(int64_t wanted) {
    for (;;) {
      const Vector v = vectors_[static_cast<size_t>(at_random(0, static_cast<int64_t>(vectors_.size()) - 1))];
      if (v.planes == wanted) return v;
    }
  }
  // Somewhere to write, not one of `others`.
  Vector target(int64_t wanted, std::initializer_list<Vector> others = {}) {
    if (!coin(3)) {
      const Vector v = defined(wanted);
      if (std::none_of(others.begin(), others.end(), [&](Vector o) { return o.id == v.id; })) return v;
    }
    return b_.vector("v", wanted);
  }
  void written(Vector v) {
    if (std::none_of(vectors_.begin(), vectors_.end(), [&](Vector o) { return o.id == v.id; })) vectors_.push_back(v);
  }
  bool is_defined(Vector v) const {
    return std::any_of(vectors_.begin(), vectors_.end(), [&](Vector o) { return o.id == v.id; });
  }
  Number number(const char *name, int64_t wanted = 1) {
    const Number n = b_.number(name, wanted);
    last_number_ = n.id + n.planes;
    return n;
  }
  Number new_number(int64_t wanted = 1) {
    numbers_.push_back(number("n", wanted));
    return numbers_.back();
  }
  Number some_number(int64_t wanted = 1) {
    for (int tries = 0; tries < 20; ++tries) {
      const Number n = numbers_[static_cast<size_t>(at_random(0, static_cast<int64_t>(numbers_.size()) - 1))];
      if (n.planes == wanted) return n;
    }
    const Vector v = defined(wanted);
    const Number n = new_number(wanted);
    b_.dot(n, v, v);
    return n;
  }
  Counter some_counter() {
    return loops_.empty() || coin(4)
               ? fixed_
               : loops_[static_cast<size_t>(at_random(0, static_cast<int64_t>(loops_.size()) - 1))];
  }

  // ---- Numbers: n / (1 + n^2), so that programs stay tame
  Number squashed(Number n) {
    const Number one = number("one", n.planes), square = number("square", n.planes), result = new_number(n.planes);
    b_.compute(one, NUMBER_DIVIDE, n, n);
    b_.compute(square, NUMBER_MULTIPLY, n, n);
    b_.compute(square, NUMBER_ADD, square, one);
    b_.compute(result, NUMBER_DIVIDE, n, square);
    return result;
  }
  void arithmetic() {
    const int64_t k = any_planes();
    const NumberFunction functions[] = {NUMBER_COPY,    NUMBER_ADD,    NUMBER_SUBTRACT, NUMBER_MULTIPLY, NUMBER_DIVIDE,
                                        NUMBER_GREATER, NUMBER_SELECT, NUMBER_MINIMUM,  NUMBER_MAXIMUM};
    const Number result = coin(2) ? some_number(k) : number("n", k), x = some_number(k), y = some_number(k);
    b_.compute(result, functions[at_random(0, std::ssize(functions) - 1)], x, y);
    if (coin(4)) b_.compute(result, NUMBER_MULTIPLY, result, result), b_.compute(result, NUMBER_ROOT, result);
    numbers_.push_back(result);
    squashed(result);
  }

  // ---- Vectors
  // k planes, all of them theta: what is done to them makes them differ.
  void several(int64_t k, Vector theta) {
    const Vector v = b_.vector("several", k);
    b_.linear(v, {one(), theta});
    vectors_.push_back(v);
  }
  // z = z / |z|
  void normalise(Vector z) {
    const Number norm = number("norm", z.planes), inverse = number("inverse", z.planes);
    b_.norm(norm, z);
    b_.compute(inverse, NUMBER_DIVIDE, norm, norm);
    b_.compute(inverse, NUMBER_DIVIDE, inverse, norm);
    b_.linear(z, {times(inverse), z});
  }
  Coefficient coefficient(int64_t k, bool may_be_one, bool may_be_minus_one) {
    const int sign = coin(2) ? 1 : -1;
    const bool steps = find_method(p_.kind)->has_steps;
    switch (at_random(0, 3)) {
      case 0:
        if (may_be_one) return one(may_be_minus_one ? sign : 1);
        [[fallthrough]];
      case 1:
        return times(squashed(some_number(k)), sign);
      case 2:
        if (steps && p_.kind == BLV_FORWARD && k <= p_.planes && coin(2))
          return leaf_tangent_at(step_leaf(), some_counter(), sign);
        [[fallthrough]];
      default:
        return steps ? leaf_at(step_leaf(), some_counter(), sign) : times(squashed(some_number(k)), sign);
    }
  }
  int32_t step_leaf() { return p_.optimiser == BLV_HEAVY_BALL && coin(2) ? leaf_momentum : leaf_rate; }
  void linear() {
    const int64_t k = any_planes();
    const Vector z = target(k), x = defined(coin(3) ? 1 : k), y = defined(coin(3) ? 1 : k), v = defined(k);
    if (coin(3)) {
      b_.linear(z, {coefficient(k, true, true), x});
    } else {
      const Coefficient a = coefficient(k, true, false);
      b_.linear(z, {a, x}, {coefficient(k, true, a.kind == COEFFICIENT_ONE), y});
    }
    if (coin(4) && v.id != z.id) {
      const Vector w = target(k, {z, v, x, y});
      b_.copy_along(w, v);
      written(w);
    }
    written(z);
    if (coin(2)) normalise(z);
  }
  void map() {
    const int64_t k = any_planes();
    const Vector z = target(k), x = defined(k), y = defined(k);
    switch (at_random(0, 2)) {
      case 0:
        b_.map(MAP_PRODUCT, z, x, y);
        break;
      case 1:
        b_.map(MAP_PRODUCT, z, x, x);
        b_.map(MAP_ROOT, z, z);
        break;
      default:
        b_.map(MAP_RECIPROCAL, z, x);
        break;
    }
    written(z);
    normalise(z);
  }
  void dot() {
    const int64_t k = any_planes();
    const Vector x = defined(k), y = defined(coin(3) ? 1 : k);
    const Number n = number("n", k);
    coin(3) ? b_.norm(n, x) : b_.dot(n, x, y);
    numbers_.push_back(n);
    squashed(n);
  }

  // ---- Passes
  PassOptions options(Vector z) {
    PassOptions o;
    o.outer = p_.outer.present && coin(3);
    o.add = z && is_defined(z) && coin(3);
    if (!o.outer && p_.batch_rows > 0 && coin(2)) o.batch = some_counter();
    if (coin(4)) o.weight = squashed(some_number());
    return o;
  }
  void gradient() {
    const Vector x = defined(1), z = coin(6) ? Vector() : target(1, {x});
    PassOptions o = options(z);
    o.leaves = p_.kind != BLV_HVP && coin(2);
    if (coin(2)) o.loss = number("loss");
    b_.gradient(x, z, o);
    if (o.loss) numbers_.push_back(o.loss);
    if (z) written(z), normalise(z);
  }
  void tangent() {
    const int64_t k = any_planes();
    const Vector x = defined(1), y = defined(k), z = coin(6) ? Vector() : target(k, {x, y});
    PassOptions o = options(z);
    // All passes with leaves have as many planes: one, where there are gradients among them.
    o.leaves = k == (p_.kind == BLV_HVP ? planes() : 1) && p_.kind != BLV_FORWARD && coin(2);
    o.tangents = p_.kind == BLV_FORWARD && coin(2);
    b_.tangent(x, y, z, o);
    if (z) written(z), normalise(z);
  }
  // States kept by a loop and read by one that runs backwards, with the tape of their passes.
  void sweep() {
    const int64_t n = at_random(1, p_.steps);
    const Counter c = b_.counter("c");
    const Stream states = b_.stream("states", n + 1);
    const Vector x = defined(1), g = b_.vector("g"), lambda = b_.vector("lambda"), mu = defined(1);
    const bool tape = p_.network.model == BLV_NETWORK && coin(2), copies = coin(2);
    const Counter batch = p_.batch_rows > 0 && coin(2) ? c : Counter();
    if (tape) b_.keep_tape(n);
    b_.copy(lambda, mu);
    b_.set(c, 0);
    b_.copy(states.at(c), x);
    loops_.push_back(c);
    b_.repeat(c, n, 1, [&] {
      b_.gradient(copies ? Operand(x) : states.at(c), g, {.tape = tape ? c : Counter(), .batch = batch});
      written(g);
      if (coin(2)) operations(1, {x});
      b_.linear(copies ? Operand(x) : states.at(c, 1), {one(), states.at(c)}, {times(squashed(some_number()), -1), g});
      if (copies) b_.copy_along(states.at(c, 1), x);
    });
    written(lambda);
    b_.repeat(c, n, -1, [&] {
      if (coin(2)) operations(1);
      b_.tangent(states.at(c), lambda, g,
                 {.leaves = p_.kind == BLV_UNROLL, .tape = tape ? c : Counter(), .batch = batch});
      b_.linear(lambda, {one(), lambda}, {times(squashed(some_number()), -1), g});
      if (p_.kind == BLV_UNROLL && p_.step_leaves[leaf_rate].gradient)
        b_.add_to_step_leaf(leaf_rate, c, -1, lambda, states.at(c));
      normalise(lambda);
    });
    loops_.pop_back();
  }

  // ---- Loops
  void loop() {
    if (depth_ == 2) return;
    ++depth_;
    const Counter c = b_.counter("c");
    if (coin(2)) {
      loops_.push_back(c);
      b_.repeat(c, at_random(1, p_.steps), coin(2) ? 1 : -1, [&] { operations(at_random(1, 4)); });
      loops_.pop_back();
    } else {
      // So many turns, or none, or as the limit says; what is first written in it may never be.
      const Number left = b_.constant("left", static_cast<double>(at_random(0, 3))), one = b_.constant("one", 1),
                   zero = number("zero"), active = number("active");
      b_.compute(active, NUMBER_GREATER, left, zero);
      const std::vector<Vector> vectors = vectors_;
      const std::vector<Number> numbers = numbers_;
      b_.repeat_while(active, c, at_random(1, 3), [&] {
        operations(at_random(1, 4));
        b_.compute(left, NUMBER_SUBTRACT, left, one);
        b_.compute(active, NUMBER_GREATER, left, zero);
      });
      vectors_ = vectors, numbers_ = numbers;
    }
    --depth_;
  }

  void operations(int64_t n, std::initializer_list<Vector> kept = {}) {
    const std::vector<Vector> all = vectors_;
    // What is kept can be neither read nor written.
    for (const Vector k : kept) std::erase_if(vectors_, [&](Vector v) { return v.id == k.id; });
    if (std::none_of(vectors_.begin(), vectors_.end(), [](Vector v) { return v.planes == 1; })) vectors_ = all, n = 0;
    for (; n > 0; --n) operation();
    for (const Vector k : kept) written(k);
  }
  void operation() {
    if (last_number_ > 200) return;  // coefficients name 256 at most
    switch (at_random(0, 11)) {
      case 0:
        return gradient();
      case 1:
        return tangent();
      case 2:
        return map();
      case 3:
        return dot();
      case 4:
        return arithmetic();
      case 5:
        return loop();
      case 6:
        return side_dot_or_step_leaf();
      case 7: {
        const Vector v = defined(any_planes());
        b_.check(v, some_number(v.planes));
        return coin(2) ? b_.report_checks() : void();
      }
      default:
        return linear();
    }
  }
  void side_dot_or_step_leaf() {
    if (p_.kind == BLV_FORWARD) {
      const Number n = number("side", planes());
      b_.side_dot(n, true);
      numbers_.push_back(n);
      squashed(n);
    } else if (p_.kind == BLV_UNROLL) {
      const int32_t leaf = step_leaf();
      if (p_.step_leaves[leaf].gradient)
        b_.add_to_step_leaf(leaf, some_counter(), coin(2) ? 1 : -1, defined(1), defined(1));
    }
  }

  void finish() {
    Slot slot;
    slot.dtype = BLV_F64;
    // Numbers depend on the vectors: those that were made last say most, where a device has room for few outputs.
    int32_t room = harness::machine() ? most_device_outputs : INT32_MAX;
    for (const Vector v : vectors_) {
      if (!coin(3) || room <= 3) continue;
      room--;
      slot.index = free_++, slot.step_stride = p_.network.parameters, slot.task_stride = v.planes * slot.step_stride;
      b_.write(slot, v);
    }
    for (size_t i = numbers_.size(); i-- > 0 && room > 0; room--) {
      const Number n = numbers_[i];
      slot.index = free_++, slot.step_stride = 1, slot.task_stride = n.planes;
      b_.write(slot, n);
    }
  }

  const Subject &subject_;
  const Problem &p_;
  ProgramBuilder b_;
  std::mt19937_64 random_;
  int32_t free_;
  std::vector<Vector> vectors_;  // that have been written
  std::vector<Number> numbers_;
  std::vector<Counter> loops_;  // counters of loops around, from 0 to at most steps - 1
  Counter fixed_;
  int depth_ = 0, last_number_ = 0;
};

}  // namespace bilevel
