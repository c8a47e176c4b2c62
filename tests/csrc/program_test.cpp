// SPDX-License-Identifier: Apache-2.0
//
// Programs: what the builder makes of them (rooms, counts, refusals, words), and that the kernels run them as the plain interpreter of
// tests/oracles does: the program of every method, as it is built for either machine, and programs drawn at random.
#include <gtest/gtest.h>

#include <random>

#include "csrc/methods/method.h"
#include "csrc/methods/optimiser.h"
#include "csrc/plan/plan.h"
#include "csrc/spec/validate.h"
#include "csrc/support/refusal.h"
#include "tests/kernels/cases.h"
#include "tests/oracles/program.h"

namespace bilevel {
namespace {

using harness::Case;

// A valid problem with data, to which programs are given.
struct Subject {
  explicit Subject(const Case &c) : data(c), valid(validate(data.spec(), 2)), problem(valid.problem) {
    problem.network.layers = valid.layers.data();
  }
  int64_t parameters() const { return problem.network.parameters; }
  int32_t first_free_slot() const { return static_cast<int32_t>(data.arrays.size()); }

  harness::Problem data;
  ValidSpec valid;
  Problem problem;
};

// ---- Running ------------------------------------------------------------------------------------------------------

struct Ran {
  std::vector<blv_task_info> info;
  std::vector<std::vector<double>> outputs;  // of each output of the program, [task][planes][P] or [task][planes]
  std::vector<std::vector<double>> values;   // of each written slot, as in an Outcome
};

void run_one_by_one(void *, int64_t n, void (*fn)(void *arg, int64_t i), void *arg) {
  for (int64_t i = 0; i < n; i++) fn(arg, i);
}

// An output of plane k of a task, in the caller's array.
double element_of(const ProgramOutput &output, int64_t entries, const double *array, int64_t task, int64_t i) {
  return array[task * output.slot.task_stride + i / entries * output.slot.step_stride + i % entries];
}

// Runs a program in a workspace that is full of NaN and ends at an inaccessible page. Outputs without a slot of the subject get memory.
Ran run(Subject *subject, const MethodProgram &program, int32_t executor, int32_t isa) {
  Problem problem = subject->problem;
  problem.program = program.view, problem.executor = executor;
  const Kernel &kernel = *find_kernel(isa, problem.dtype, executor);
  Measure measure;
  kernel.measure(problem, &measure);
  harness::Guarded workspace(measure.workspace_bytes, workspace_align, harness::Side::kHigh);
  std::memset(workspace.data(), 0xff, static_cast<size_t>(measure.workspace_bytes));
  for (harness::Array &a : subject->data.arrays)
    if (a.written()) a.memory->poison();
  std::vector<void *> pointers = subject->data.pointers();
  std::vector<std::vector<double>> extra;
  for (const ProgramOutput &output : program.outputs)
    if (output.slot.index >= subject->first_free_slot())
      extra.emplace_back(static_cast<size_t>(problem.tasks * output.slot.task_stride), NAN);
  for (auto &array : extra) pointers.push_back(array.data());
  Ran ran;
  ran.info.resize(static_cast<size_t>(problem.tasks));
  int64_t done = 0;
  Call call;
  call.tasks = problem.tasks, call.data = pointers.data(), call.workspace = static_cast<char *>(workspace.data());
  call.info = ran.info.data(), call.parallel_for = run_one_by_one, call.threads = problem.threads, call.done = &done;
  EXPECT_EQ(kernel.run(problem, call), BLV_OK);
  EXPECT_EQ(done, kernel.progress_total(problem, problem.tasks));
  EXPECT_TRUE(workspace.margins_intact());
  for (const ProgramOutput &output : program.outputs) {
    const int64_t entries = output.array >= 0 ? subject->parameters() : 1;
    std::vector<double> all;
    for (int64_t t = 0; problem.dtype == BLV_F64 && t < problem.tasks; t++)
      for (int64_t i = 0; i < output.planes * entries; i++)
        all.push_back(element_of(output, entries, static_cast<double *>(pointers[size_t(output.slot.index)]), t, i));
    ran.outputs.push_back(all);
  }
  for (const harness::Array &a : subject->data.arrays)
    ran.values.push_back(a.written() ? harness::collect(a, problem.tasks) : std::vector<double>());
  return ran;
}

oracle::ProgramAnswer interpret(Subject *subject, const MethodProgram &program, int64_t task, double noise = 0) {
  std::vector<std::vector<double>> inputs;
  for (const ProgramInput &input : program.inputs)
    inputs.push_back(harness::one_task(subject->data.arrays[static_cast<size_t>(input.slot.index)], task));
  return oracle::ProgramRun(program.view, harness::oracle_task(subject->data, task), inputs, noise).run();
}

void expect_near(const std::vector<double> &got, const std::vector<double> &want, double tolerance,
                 const std::string &what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  const double scale = std::fmax(harness::largest(want), 0.1);
  for (size_t i = 0; i < got.size(); i++)
    ASSERT_TRUE(std::fabs(got[i] - want[i]) <= tolerance * scale)
        << what << " element " << i << ": " << got[i] << " but the plain interpreter gives " << want[i];
}

std::vector<double> part_of(const std::vector<double> &all, int64_t task, int64_t tasks) {
  const auto n = static_cast<int64_t>(all.size()) / tasks;
  return {all.begin() + task * n, all.begin() + (task + 1) * n};
}

// What a written slot holds of one task, by the plain interpreter.
std::vector<double> expected(const harness::Array &a, size_t slot, const MethodProgram &program,
                             const oracle::ProgramAnswer &answer) {
  for (size_t i = 0; i < program.outputs.size(); i++)
    if (program.outputs[i].slot.index == static_cast<int32_t>(slot)) return answer.outputs[i];
  const size_t n = static_cast<size_t>(a.steps * a.rows * a.columns);
  std::vector<double> all(n, 0.0);
  if (a.slot.side == BLV_METHOD) {
    const auto &by_step = answer.step_leaves.find(a.slot.leaf);
    for (size_t i = 0; by_step != answer.step_leaves.end() && i < by_step->second.size(); i++)
      all[i % n] += by_step->second[i];
    return all;
  }
  for (const auto &[where, planes] : answer.leaves) {
    if (where.second != oracle::Key(a.slot.side, a.slot.leaf)) continue;
    for (size_t k = 0; k < planes.size(); k++)
      for (size_t i = 0; i < planes[k].size(); i++) all[k * planes[k].size() + i] += planes[k][i];
  }
  return all;
}

const int32_t executors[] = {BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES};

void expect_as_interpreted(Subject *subject, const MethodProgram &program, double tolerance) {
  const int64_t tasks = subject->problem.tasks;
  std::vector<oracle::ProgramAnswer> answers;
  for (int64_t t = 0; t < tasks; t++) {
    answers.push_back(interpret(subject, program, t));
    ASSERT_EQ(answers.back().mistake, "") << "task " << t;
    ASSERT_LE(answers.back().passes, program.view.passes);
  }
  for (const int32_t executor : executors)
    for (const int isa : harness::levels()) {
      const Ran ran = run(subject, program, executor, isa);
      const std::string where = "executor " + std::to_string(executor) + " isa v" + std::to_string(isa);
      for (int64_t t = 0; t < tasks; t++) {
        const oracle::ProgramAnswer &want = answers[static_cast<size_t>(t)];
        ASSERT_EQ(ran.info[static_cast<size_t>(t)].status, want.status) << where << " task " << t;
        ASSERT_EQ(ran.info[static_cast<size_t>(t)].step, want.step) << where << " task " << t;
        if (want.status != BLV_TASK_OK) continue;
        for (size_t i = 0; i < program.outputs.size(); i++) {
          if (subject->problem.dtype != BLV_F64) continue;
          const std::string what = where + " task " + std::to_string(t) + " output " + std::to_string(i);
          ASSERT_NO_FATAL_FAILURE(expect_near(part_of(ran.outputs[i], t, tasks), want.outputs[i], tolerance, what));
        }
        for (size_t i = 0; i < ran.values.size(); i++) {
          const harness::Array &a = subject->data.arrays[i];
          const bool is_output =
              std::any_of(program.outputs.begin(), program.outputs.end(),
                          [&](const ProgramOutput &o) { return o.slot.index == static_cast<int32_t>(i); });
          if (!a.written() || (a.slot.use == BLV_RESULT && !is_output)) continue;
          if (a.slot.side == BLV_METHOD && a.slot.use == BLV_GRADIENT && !is_output && a.slot.leaf < BLV_RATE) continue;
          const std::string what = where + " task " + std::to_string(t) + " slot " + std::to_string(i);
          ASSERT_NO_FATAL_FAILURE(
              expect_near(part_of(ran.values[i], t, tasks), expected(a, i, program, want), tolerance, what));
        }
      }
    }
}

// ---- The methods --------------------------------------------------------------------------------------------------

std::vector<Case> method_cases(int dtype) {
  const harness::DataLeaves linked = {.link = BLV_EXP};
  std::vector<Case> all = {harness::evaluate_case(BLV_LOGISTIC, BLV_TANH, dtype),
                           harness::hvp_case(BLV_SQUARED, BLV_SIGMOID, 3, dtype, linked)};
  for (const int optimiser : {BLV_SGD, BLV_HEAVY_BALL})
    for (const int64_t steps : {0, 1, 5}) {
      Case unroll = harness::unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype, linked, {});
      unroll.steps = steps, unroll.tasks = 2;
      all.push_back(unroll);
      all.push_back(harness::as_forward(unroll, 2));
      Case implicit = harness::as_implicit(unroll, 3);
      implicit.tolerance = dtype == BLV_F64 ? 1e-14 : 1e-7;
      all.push_back(implicit);
      implicit.iterations = 2;
      all.push_back(implicit);
      if (steps == 0) continue;
      Case batches = unroll;
      batches.batch_rows = 3;
      batches.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
      all.push_back(batches);
      all.push_back(harness::as_forward(batches, 3));
      for (harness::Leaf &leaf : unroll.leaves) leaf.gradient = false;
      all.push_back(unroll);
    }
  return all;
}

// Each as it is built for a CPU and for a device, with every storage.
TEST(MethodPrograms, RunAsInterpreted) {
  for (const int dtype : {BLV_F64, BLV_F32})
    for (const Case &c : method_cases(dtype)) {
      Subject subject(c);
      for (const bool far : {false, true})
        for (const Storage &storage :
             {Storage{1, std::max<int64_t>(c.steps, 1)}, Storage{0, std::max<int64_t>(c.steps, 1)}, Storage{1, 2},
              Storage{0, 2}, Storage{1, 1}}) {
          if (!subject.problem.reverse && storage.segment_steps == 2) continue;
          if (storage.segment_steps > std::max<int64_t>(c.steps, 1)) continue;
          SCOPED_TRACE(harness::name_of(c, {}) + (far ? " far" : " near") + " tape " + std::to_string(storage.tape) +
                       " segment " + std::to_string(storage.segment_steps));
          subject.problem.storage = storage;
          const MethodProgram program = build_program(subject.problem, {far});
          ASSERT_NO_FATAL_FAILURE(expect_as_interpreted(&subject, program, dtype == BLV_F64 ? 1e-11 : 2e-4));
        }
    }
}

// ---- Random programs ----------------------------------------------------------------------------------------------

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
    if (planes() > 1) {
      const bool hvp = p_.kind == BLV_HVP;
      const Vector many = b_.vector("many", planes());
      b_.read(many, hvp ? p_.slot(BLV_VECTOR, BLV_VALUE) : p_.slot(BLV_THETA0, BLV_TANGENT));
      vectors_.push_back(many);
    }
    vectors_.push_back(b_.zeros("zeros"));
    b_.dot(new_number(), theta, theta);
    operations(at_random(12, 30));
    if (coin(2)) sweep();
    operations(at_random(3, 8));
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
  int64_t planes() const { return p_.kind == BLV_UNROLL ? 1 : p_.planes; }
  int64_t any_planes() { return coin(2) ? 1 : planes(); }
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
    const NumberFunction functions[] = {NUMBER_COPY,   NUMBER_ADD,     NUMBER_SUBTRACT, NUMBER_MULTIPLY,
                                        NUMBER_DIVIDE, NUMBER_GREATER, NUMBER_SELECT};
    const Number result = coin(2) ? some_number(k) : number("n", k), x = some_number(k), y = some_number(k);
    b_.compute(result, functions[at_random(0, 6)], x, y);
    if (coin(4)) b_.compute(result, NUMBER_MULTIPLY, result, result), b_.compute(result, NUMBER_ROOT, result);
    numbers_.push_back(result);
    squashed(result);
  }

  // ---- Vectors
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
    o.leaves = p_.kind == BLV_UNROLL || (p_.kind == BLV_HVP && k == planes()) ? coin(2) : false;
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
    for (const Vector v : vectors_) {
      if (!coin(3)) continue;
      slot.index = free_++, slot.step_stride = p_.network.parameters, slot.task_stride = v.planes * slot.step_stride;
      b_.write(slot, v);
    }
    for (const Number n : numbers_) {
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

bool is_close(const std::vector<double> &x, const std::vector<double> &y) {
  for (size_t i = 0; i < x.size(); i++)
    if (!(std::fabs(x[i] - y[i]) <= 1e-9 * std::fmax(harness::largest(x), 0.1))) return false;
  return true;
}

// Neither large nor at the mercy of rounding errors: a program can take the reciprocal of what is 0 but for them.
bool is_tame(Subject *subject, const MethodProgram &program, int64_t task) {
  const oracle::ProgramAnswer exact = interpret(subject, program, task),
                              noisy = interpret(subject, program, task, 1e-13);
  bool tame = exact.largest < 1e6 && exact.status == noisy.status && exact.leaves.size() == noisy.leaves.size() &&
              exact.step_leaves.size() == noisy.step_leaves.size();
  if (!tame) return false;
  for (size_t i = 0; i < exact.outputs.size(); i++) tame = tame && is_close(exact.outputs[i], noisy.outputs[i]);
  for (const auto &[where, planes] : exact.leaves)
    for (size_t k = 0; k < planes.size(); k++) tame = tame && is_close(planes[k], noisy.leaves.at(where)[k]);
  for (const auto &[leaf, values] : exact.step_leaves) tame = tame && is_close(values, noisy.step_leaves.at(leaf));
  return tame;
}

class RandomPrograms : public testing::TestWithParam<int> {};  // method whose slots there are

TEST_P(RandomPrograms, RunAsInterpreted) {
  const harness::DataLeaves linked = {.link = BLV_SOFTPLUS_LINK};
  int compared = 0, shared = 0;
  const unsigned programs = 300;
  for (unsigned seed = 0; seed < programs; seed++) {
    Case c = harness::unroll_case(seed % 2 ? BLV_SQUARED : BLV_LOGISTIC, BLV_TANH, seed % 3 ? BLV_HEAVY_BALL : BLV_SGD,
                                  BLV_F64, linked, {});
    if (seed % 4 == 0) c.batch_rows = 3, c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
    if (GetParam() == BLV_FORWARD) c = harness::as_forward(c, 2 + seed % 2);
    if (GetParam() == BLV_HVP) c = harness::hvp_case(BLV_SQUARED, BLV_TANH, 2 + seed % 2, BLV_F64, linked);
    c.widths = seed % 5 == 0 ? std::vector<int64_t>{3, 2} : std::vector<int64_t>{2, 3, 1};
    c.tasks = 1 + seed % 3, c.rows = 4, c.outer_rows = 3, c.steps = 3, c.seed = seed + 1;
    if (GetParam() == BLV_HVP) c.steps = 1;
    Subject subject(c);
    if (GetParam() == BLV_HVP) subject.problem.steps = 3;
    const MethodProgram program = RandomProgram(subject, seed).build();
    SCOPED_TRACE("seed " + std::to_string(seed));
    bool tame = true;
    for (int64_t t = 0; t < c.tasks; t++) tame = tame && is_tame(&subject, program, t);
    if (!tame) continue;
    compared++;
    for (int32_t i = 0; i < program.view.n_arrays; i++) shared += program.arrays[size_t(i)].room != i;
    ASSERT_NO_FATAL_FAILURE(expect_as_interpreted(&subject, program, 1e-7));
  }
  EXPECT_GE(compared, static_cast<int>(programs) / 2);
  EXPECT_GE(shared, compared) << "nothing shares memory, so that little was tried";
}

INSTANTIATE_TEST_SUITE_P(All, RandomPrograms, testing::Values(BLV_UNROLL, BLV_FORWARD, BLV_HVP));

// ---- Rooms: which arrays share memory -----------------------------------------------------------------------------

Case plain_case(int kind, int optimiser, int64_t steps) {
  Case c = harness::unroll_case(BLV_SQUARED, BLV_TANH, optimiser);
  c.steps = steps;
  if (kind == BLV_FORWARD) return harness::as_forward(c, 2);
  if (kind == BLV_IMPLICIT) return harness::as_implicit(c, 0.5);
  if (kind == BLV_EVALUATE) return harness::evaluate_case(BLV_SQUARED, BLV_TANH);
  if (kind == BLV_HVP) return harness::hvp_case(BLV_SQUARED, BLV_TANH, 3);
  return c;
}

// A program and its words, with rooms asked for by the name of an array.
struct Named {
  explicit Named(MethodProgram made) : program(std::move(made)) {}
  Named(int kind, int optimiser, int64_t steps, const Storage &storage, bool far = false) {
    Subject subject(plain_case(kind, optimiser, steps));
    subject.problem.storage = storage;
    program = build_program(subject.problem, {far});
  }
  int room(const std::string &name) const {
    for (size_t i = 0; i < program.arrays.size(); i++)
      if (program.array_names[i] == name) return program.arrays[i].room;
    ADD_FAILURE() << "no array " << name;
    return -1;
  }
  int rooms() const {
    int n = 0;
    for (size_t i = 0; i < program.arrays.size(); i++)
      n += program.arrays[i].room == static_cast<int>(i) && !program.arrays[i].stream;
    return n;
  }
  MethodProgram program;
};

TEST(Rooms, OfTheMethods) {
  const Named near(BLV_UNROLL, BLV_SGD, 5, {1, 5}), far(BLV_UNROLL, BLV_SGD, 5, {1, 5}, true);
  EXPECT_EQ(near.room("g"), near.room("theta")) << "theta lives in a stream";
  EXPECT_EQ(far.room("lambda"), far.room("g")) << "the last g is in a stream";
  for (const Named *sgd : {&near, &far}) EXPECT_EQ(sgd->rooms(), 3) << "of theta, g, lambda, mu";
  const Named segments(BLV_UNROLL, BLV_SGD, 5, {1, 2});
  EXPECT_EQ(segments.room("mu"), segments.room("theta")) << "theta is in a stream while a segment is reversed";
  EXPECT_NE(segments.room("lambda"), segments.room("g")) << "earlier segments are run again";
  const Named heavy(BLV_UNROLL, BLV_HEAVY_BALL, 5, {1, 5}, true);
  for (const char *other : {"theta", "g", "m", "lambda"})
    EXPECT_NE(heavy.room("mu"), heavy.room(other)) << other << ": mu is carried";
  const Named cg(BLV_IMPLICIT, BLV_SGD, 5, {0, 5});
  EXPECT_EQ(cg.rooms(), 6) << "theta, and five for lambda, x, r, d, q, minus_v and g";
  EXPECT_EQ(cg.room("r"), cg.room("g"));
  EXPECT_EQ(cg.room("minus_v"), cg.room("r"));
  const Named forward(BLV_FORWARD, BLV_SGD, 5, {0, 5});
  EXPECT_EQ(forward.room("lambda"), forward.room("g"));
  EXPECT_NE(forward.room("h"), forward.room("z"));
  EXPECT_NE(forward.room("h"), forward.room("g")) << "of two planes";
}

struct RoomsByHand : testing::Test {
  Subject subject{plain_case(BLV_UNROLL, BLV_SGD, 3)};
  ProgramBuilder b{subject.problem};
  Slot output;

  void write(Vector v) {
    output.index = output.index < 0 ? subject.first_free_slot() : output.index + 1;
    output.dtype = BLV_F64, output.task_stride = subject.parameters() * v.planes,
    output.step_stride = subject.parameters();
    b.write(output, v);
  }
  Vector start() {
    const Vector theta = b.vector("theta");
    b.read(theta, subject.problem.slot(BLV_THETA0, BLV_VALUE));
    return theta;
  }
  void expect_runs(const MethodProgram &program) { expect_as_interpreted(&subject, program, 1e-12); }
};

TEST_F(RoomsByHand, ElementwiseResultsTakeThePlaceOfWhatDies) {
  const Vector theta = start(), x = b.vector("x");
  b.linear(x, {one(-1), theta});
  write(x);
  const Named n(b.finish());
  EXPECT_EQ(n.room("x"), n.room("theta"));
  expect_runs(n.program);
}

TEST_F(RoomsByHand, PassesDoNot) {
  const Vector theta = start(), g = b.vector("g"), h = b.vector("h");
  b.gradient(theta, g, {});
  b.tangent(g, g, h, {});
  write(h);
  const Named n(b.finish());
  EXPECT_NE(n.room("g"), n.room("theta"));
  EXPECT_NE(n.room("h"), n.room("g"));
  EXPECT_EQ(n.room("h"), n.room("theta")) << "which is read no more";
  expect_runs(n.program);
}

TEST_F(RoomsByHand, WhatIsReadInTheNextTurnStays) {
  const Vector theta = start(), base = b.vector("base"), step = b.vector("step"), x = b.vector("x");
  const Counter c = b.counter("c");
  b.gradient(theta, base, {});
  b.copy(x, theta);
  b.repeat(c, 3, 1, [&] {
    b.linear(x, {one(), x}, {one(-1), base});  // base: in the next turn too, though this is its last mention
    b.gradient(x, step, {});
    b.linear(x, {one(), x}, {leaf_at(leaf_rate, c, -1), step});
  });
  write(x);
  write(theta);
  const Named n(b.finish());
  EXPECT_NE(n.room("step"), n.room("base"));
  EXPECT_NE(n.room("x"), n.room("base"));
  EXPECT_NE(n.room("x"), n.room("step"));
  expect_runs(n.program);
}

TEST_F(RoomsByHand, WhatALoopThatMayNotRunLeavesStays) {
  const Vector theta = start(), kept = b.vector("kept"), before = b.vector("before");
  const Number active = b.number("active"), square = b.number("square");  // active is 0: no turn
  b.gradient(theta, kept, {});
  b.gradient(theta, before, {.outer = true});
  b.dot(square, before, before);
  b.repeat_while(active, b.counter("c"), 3, [&] { b.gradient(theta, kept, {}); });
  write(kept);
  const Named n(b.finish());
  EXPECT_NE(n.room("before"), n.room("kept")) << "which the loop overwrites, if it has a turn";
  expect_runs(n.program);
}

TEST_F(RoomsByHand, ZerosAndInputsAreThereFromTheBeginning) {
  const Vector theta = start(), zeros = b.zeros("zeros"), g = b.vector("g"), sum = b.vector("sum");
  b.gradient(theta, g, {});
  b.linear(sum, {one(), g}, {one(), zeros});
  write(sum);
  const Named n(b.finish());
  EXPECT_NE(n.room("zeros"), n.room("theta"));
  EXPECT_NE(n.room("zeros"), n.room("g"));
  expect_runs(n.program);
}

TEST_F(RoomsByHand, OutputsStayToTheEnd) {
  const Vector theta = start(), first = b.vector("first"), second = b.vector("second");
  b.gradient(theta, first, {});
  b.linear(second, {one(-1), first});
  write(first);
  write(second);
  const Named n(b.finish());
  EXPECT_NE(n.room("second"), n.room("first"));
  expect_runs(n.program);
}

TEST_F(RoomsByHand, ACopyThatGoesAlongComesAfterTheResult) {
  const Vector theta = start(), x = b.vector("x"), y = b.vector("y"), z = b.vector("z"), w = b.vector("w");
  b.linear(x, {one(-1), theta});
  b.gradient(x, y, {});
  b.linear(z, {one(), x}, {one(), theta});
  b.copy_along(w, y);
  b.linear(z, {one(), z}, {one(), w});
  write(z);
  const Named n(b.finish());
  EXPECT_NE(n.room("z"), n.room("y"));
  EXPECT_NE(n.room("w"), n.room("z"));
  EXPECT_EQ(n.room("w"), n.room("x")) << "entry by entry, x is read before w is written";
  expect_runs(n.program);
}

TEST_F(RoomsByHand, ResultsThatAreAddedToAreReadBefore) {
  const Vector theta = start(), sum = b.vector("sum"), other = b.vector("other");
  b.gradient(theta, sum, {});
  b.gradient(theta, other, {.outer = true});
  b.linear(other, {one(-1), other});
  b.gradient(other, sum, {.add = true});
  write(sum);
  const Named n(b.finish());
  EXPECT_NE(n.room("sum"), n.room("other"));
  expect_runs(n.program);
}

TEST_F(RoomsByHand, StreamsAndOtherPlanesShareNothing) {
  const Vector theta = start(), many = b.vector("many", 2), single = b.vector("single");
  const Stream stream = b.stream("stream", 2);
  const Counter c = b.counter("c");
  b.set(c, 0);
  b.copy(stream.at(c), theta);
  b.copy(stream.at(c, 1), theta);
  b.linear(many, {one(-1), stream.at(c)});
  b.linear(single, {one(), stream.at(c, 1)});
  write(many);
  write(single);
  const Named n(b.finish());
  EXPECT_NE(n.room("stream"), n.room("theta"));
  EXPECT_NE(n.room("many"), n.room("theta"));
  EXPECT_EQ(n.room("single"), n.room("theta"));
  expect_runs(n.program);
}

// That the comparisons above see a wrong room: a program with two arrays that must not share made to share them.
TEST(Rooms, AWrongOneIsSeen) {
  for (const int kind : {BLV_UNROLL, BLV_FORWARD, BLV_IMPLICIT}) {
    Subject subject(plain_case(kind, BLV_HEAVY_BALL, 4));
    subject.problem.storage = {0, 4}, subject.problem.solver_iterations = 4;
    const MethodProgram good = build_program(subject.problem, {true});
    ASSERT_NO_FATAL_FAILURE(expect_as_interpreted(&subject, good, 1e-10));
    const Ran right = run(&subject, good, BLV_TASK_PER_CORE, BLV_ISA_X86_64_V2);
    MethodProgram bad = build_program(subject.problem, {true});
    for (size_t i = 0; i < bad.arrays.size(); i++)
      if (bad.array_names[i] == "g") {
        for (size_t j = 0; j < bad.arrays.size(); j++)
          if (bad.array_names[j] == "m") bad.arrays[j].room = static_cast<int16_t>(i);
      }
    const Ran wrong = run(&subject, bad, BLV_TASK_PER_CORE, BLV_ISA_X86_64_V2);
    EXPECT_NE(right.values, wrong.values) << "method " << kind;
  }
}

// ---- Counts -------------------------------------------------------------------------------------------------------

TEST(Counts, Passes) {
  const auto passes = [](int kind, int optimiser, int64_t steps, const Storage &storage) {
    return Named(kind, optimiser, steps, storage).program.view.passes;
  };
  EXPECT_EQ(passes(BLV_EVALUATE, BLV_SGD, 1, {0, 1}), 1);
  EXPECT_EQ(passes(BLV_HVP, BLV_SGD, 1, {0, 1}), 1);
  for (const int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
    EXPECT_EQ(passes(BLV_UNROLL, optimiser, 5, {1, 5}), 5 + 1 + 5);
    EXPECT_EQ(passes(BLV_UNROLL, optimiser, 5, {0, 5}), 5 + 1 + 5);
    EXPECT_EQ(passes(BLV_UNROLL, optimiser, 5, {1, 2}), 5 + 1 + 5 + 4) << "two segments are run twice";
    EXPECT_EQ(passes(BLV_UNROLL, optimiser, 0, {1, 1}), 1);
    EXPECT_EQ(passes(BLV_FORWARD, optimiser, 5, {0, 5}), 2 * 5 + 1);
    EXPECT_EQ(passes(BLV_IMPLICIT, optimiser, 5, {0, 5}), 5 + 1 + 1 + 1000 + 2)
        << "the linearisation, the residual, the cross product";
  }
}

TEST(Counts, TapeAndPlanes) {
  const Program tape = Named(BLV_UNROLL, BLV_SGD, 5, {1, 5}).program.view,
                theta = Named(BLV_UNROLL, BLV_SGD, 5, {0, 5}).program.view,
                segments = Named(BLV_UNROLL, BLV_SGD, 5, {1, 2}).program.view;
  EXPECT_EQ(tape.tape_entries, 5);
  EXPECT_EQ(tape.tape_rows, 5);
  EXPECT_EQ(theta.tape_entries, 0);
  EXPECT_EQ(theta.tape_rows, 0);
  EXPECT_EQ(segments.tape_entries, 2);
  EXPECT_EQ(tape.tangent_planes, 1);
  EXPECT_EQ(tape.leaf_planes, 1);
  const Program hvp = Named(BLV_HVP, BLV_SGD, 1, {0, 1}).program.view;
  EXPECT_EQ(hvp.tangent_planes, 3);
  EXPECT_EQ(hvp.leaf_planes, 3);
  const Program forward = Named(BLV_FORWARD, BLV_SGD, 5, {0, 5}).program.view;
  EXPECT_EQ(forward.tangent_planes, 2);
  EXPECT_EQ(forward.leaf_planes, 1) << "of the outer loss, whose gradients are those of no tangent";
  EXPECT_EQ(Named(BLV_FORWARD, BLV_SGD, 0, {0, 1}).program.view.tangent_planes, 2)
      << "leaves move, also without a step";
}

// Planes of a step leaf's tangents that no tangent pass has.
TEST(Counts, PlanesOfLeafTangents) {
  Subject subject(plain_case(BLV_FORWARD, BLV_SGD, 3));
  ProgramBuilder b(subject.problem);
  const Vector theta = b.vector("theta"), many = b.vector("many", 2);
  const Counter c = b.counter("c");
  b.read(theta, subject.problem.slot(BLV_THETA0, BLV_VALUE));
  b.set(c, 1);
  b.linear(many, {leaf_tangent_at(leaf_rate, c), theta});
  b.write(subject.problem.slot(BLV_THETA_TANGENT, BLV_RESULT), many);
  const MethodProgram program = b.finish();
  EXPECT_EQ(program.view.tangent_planes, 2);
  if (program.view.tangent_planes == 2) expect_as_interpreted(&subject, program, 1e-14);
}

// What a device has room for (most_device_numbers, most_device_counters of kernels/interpreter/registers.h).
TEST(Counts, OfADevice) {
  for (const int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL, BLV_FORWARD, BLV_IMPLICIT}) {
    Case c = plain_case(kind, BLV_HEAVY_BALL, 5);
    c.vectors = 8;
    Subject subject(c);
    subject.problem.storage = {1, 2};
    const Program program = build_program(subject.problem, {true}).view;
    EXPECT_LE(program.n_numbers, 64) << "method " << kind;
    EXPECT_LE(program.n_counters, 8) << "method " << kind;
  }
}

// ---- Refusals -----------------------------------------------------------------------------------------------------

struct Refuses : RoomsByHand {
  template <class F>
  void expect_refused(F f) {
    try {
      f();
      b.finish();
      ADD_FAILURE() << "accepted";
    } catch (const Refusal &refusal) {
      EXPECT_EQ(refusal.status, BLV_INTERNAL);
    }
  }
};

TEST_F(Refuses, AFirstTermOfMinusOneBesideAnother) {
  const Vector theta = start(), x = b.vector("x");
  expect_refused([&] { b.linear(x, {one(-1), theta}, {one(), theta}); });
}

TEST_F(Refuses, ASecondTermOfMinusOneBesideAFactor) {
  const Vector theta = start(), x = b.vector("x");
  const Number n = b.constant("n", 2);
  expect_refused([&] { b.linear(x, {times(n), theta}, {one(-1), theta}); });
}

// A coefficient names a number in eight bits.
TEST_F(Refuses, MoreNumbersThanACoefficientNames) {
  const Vector theta = start(), x = b.vector("x");
  Number last;
  for (int i = 0; i < 300; i++) last = b.number("n");
  expect_refused([&] { b.linear(x, {times(last), theta}); });
}

TEST_F(Refuses, MoreCountersThanAnOperationNames) {
  expect_refused([&] {
    for (int i = 0; i < 300; i++) b.counter("c");
  });
}

// The kernels read as many numbers as the result has planes.
TEST_F(Refuses, OneNumberForSeveralPlanes) {
  const Vector theta = start(), many = b.vector("many", 2);
  const Number n = b.constant("n", 2);
  expect_refused([&] { b.linear(many, {times(n), theta}); });
}

// The kernels carry the first plane of a copy along only.
TEST_F(Refuses, OrCopiesAllPlanesThatGoAlong) {
  const Vector theta = start(), many = b.vector("many", 2), z = b.vector("z", 2), w = b.vector("w", 2);
  try {
    b.linear(many, {one(-1), theta});
    b.linear(z, {one(), many}, {one(), theta});
    b.copy_along(w, many);
    write(w);
    write(many);
    expect_runs(b.finish());
  } catch (const Refusal &) {
  }
}

// The tape has as many rows as the inner loss.
TEST_F(Refuses, OrMakesRoomForATapeOfTheOuterLoss) {
  Case c = plain_case(BLV_UNROLL, BLV_SGD, 3);
  c.outer_rows = 50;
  Subject wide(c);
  ProgramBuilder builder(wide.problem);
  const Vector theta = builder.vector("theta"), g = builder.vector("g");
  const Counter tape = builder.counter("tape");
  try {
    builder.keep_tape(1);
    builder.gradient(theta, g, {.outer = true, .tape = tape});
    EXPECT_GE(builder.finish().view.tape_rows, 50);
  } catch (const Refusal &) {
  }
}

// ---- In words -----------------------------------------------------------------------------------------------------

std::vector<std::string> words_of(int kind, int optimiser, int64_t steps, const Storage &storage) {
  return list_program(Named(kind, optimiser, steps, storage).program);
}

TEST(Words, OfSgdWithCheckpoints) {
  const std::vector<std::string> want = {
      "repeat segment = 0 .. 1",
      "  checkpoint_theta[segment] = theta",
      "  repeat j = 0 .. 1",
      "    g = gradient(theta) of inner",
      "    theta = theta - rate[t] g; check",
      "thetas[j] = theta",
      "repeat j = 0 .. 0",
      "  g = gradient(thetas[j]) of inner, tape[j]",
      "  thetas[j+1] = thetas[j] - rate[t] g; kept[j+1] = g; check",
      "theta = thetas[j]",
      "theta_T = theta",
      "loss, lambda = gradient(theta) of outer, leaves",
      "check lambda loss",
      "norm = |lambda|",
      "repeat j = 0 .. 0",
      "  mu = -rate[t] lambda",
      "  drate[t] -= lambda . kept[j+1]",
      "  lambda += tangent(thetas[j] along mu) of inner, tape[j], leaves",
      "repeat segment = 1 .. 0",
      "  theta = checkpoint_theta[segment]",
      "  thetas[j] = theta",
      "  repeat j = 0 .. 1",
      "    g = gradient(thetas[j]) of inner, tape[j]",
      "    thetas[j+1] = thetas[j] - rate[t] g; kept[j+1] = g; check",
      "  theta = thetas[j]",
      "  repeat j = 1 .. 0",
      "    mu = -rate[t] lambda",
      "    drate[t] -= lambda . kept[j+1]",
      "    lambda += tangent(thetas[j] along mu) of inner, tape[j], leaves",
      "check lambda",
  };
  EXPECT_EQ(words_of(BLV_UNROLL, BLV_SGD, 5, {1, 2}), want);
}

TEST(Words, OfHeavyBallInForwardMode) {
  const std::vector<std::string> want = {
      "repeat t = 0 .. 4",
      "  g = gradient(theta) of inner",
      "  h = tangent(theta along z) of inner, along the leaves' tangents",
      "  dm = momentum[t] dm + h",
      "  dm = dm + momentum'[t] m",
      "  m = momentum[t] m + g",
      "  theta = theta - rate[t] m; check",
      "  z = z - rate[t] dm",
      "  z = z - rate'[t] m",
      "check z",
      "loss, lambda = gradient(theta) of outer, leaves",
      "check lambda loss",
      "norm = |lambda|",
      "dloss = lambda . z",
      "dloss_leaves = leaf gradients . tangents of outer",
      "dloss = dloss + dloss_leaves",
      "check dloss",
  };
  EXPECT_EQ(words_of(BLV_FORWARD, BLV_HEAVY_BALL, 5, {0, 5}), want);
}

TEST(Words, OfMinibatches) {
  Case c = plain_case(BLV_UNROLL, BLV_SGD, 2);
  c.batch_rows = 3;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  Subject subject(c);
  subject.problem.storage = {0, 2};
  const std::vector<std::string> words = list_program(build_program(subject.problem, {false}));
  EXPECT_EQ(std::count(words.begin(), words.end(), "  g = gradient(thetas[t]) of inner, batch[t]"), 1);
  EXPECT_EQ(
      std::count(words.begin(), words.end(), "  lambda += tangent(thetas[t] along mu) of inner, batch[t], leaves"), 1);
}

// Every line of every method says something, in the words of the program.
TEST(Words, OfEveryMethod) {
  for (const Case &c : method_cases(BLV_F64)) {
    Subject subject(c);
    for (const bool far : {false, true}) {
      subject.problem.storage = {1, std::max<int64_t>(c.steps / 2, 1)};
      const std::vector<std::string> words = list_program(build_program(subject.problem, {far}));
      EXPECT_FALSE(words.empty());
      int depth = 0;
      for (const std::string &line : words) {
        const auto indent = static_cast<int>(line.find_first_not_of(' '));
        EXPECT_EQ(indent % 2, 0) << line;
        EXPECT_LE(indent, 2 * depth) << line;
        depth = indent / 2 + (line.compare(static_cast<size_t>(indent), 7, "repeat ") == 0);
        EXPECT_EQ(line.find("  ", static_cast<size_t>(indent)), std::string::npos) << line;
        EXPECT_NE(line.back(), ' ') << line;
      }
    }
  }
}

}  // namespace
}  // namespace bilevel
