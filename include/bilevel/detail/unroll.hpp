// SPDX-License-Identifier: Apache-2.0
//
// unroll(...) | reverse(...), or forward or implicit, makes a BilevelPlan, which trains and computes hypergradients. It
// keeps its plans and workspace from call to call, reads the user's arrays again at each call, is used by one thread at a
// time and is move-only.
#ifndef BILEVEL_DETAIL_UNROLL_HPP
#define BILEVEL_DETAIL_UNROLL_HPP
#include <bilevel/detail/forward.hpp>

namespace bilevel {

enum class Store : std::int32_t {
  automatic = BLV_STORE_AUTO,
  tape = BLV_STORE_TAPE,
  theta = BLV_STORE_THETA,
  checkpoints = BLV_STORE_CHECKPOINTS
};

template <class T>
class BilevelPlan;

/// T steps of an inner optimiser. Made by unroll; every modifier returns a copy. Pipe it into reverse(outer),
/// forward(outer) or implicit(outer, solver), or train().
template <class T>
class Unroll {
 public:
  /// Use bl::unroll.
  Unroll(Objective<T> inner, Optimiser<T> optimiser, std::int64_t steps)
      : inner_(std::move(inner)), optimiser_(std::move(optimiser)), steps_(steps) {
    if (steps < 0) detail::fail(BLV_INVALID, "unroll: steps is ", steps, "; accepted: 0 or more");
  }

  /// Initial parameters, P that all tasks share or tasks x P. Default: zeros, for models without hidden layers.
  template <class A>
  [[nodiscard]] Unroll from(A &&theta0) const {
    Unroll u = copy();
    u.theta0_ = detail::real_array_of<T>(std::forward<A>(theta0));
    return u;
  }

  /// Row indices (int32_t or int64_t) of the minibatch of each step, steps x batch_rows; or batch_rows, the same at
  /// every step; or tasks x steps x batch_rows. The inner mean is then over the minibatch.
  template <class R>
  [[nodiscard]] Unroll minibatches(R &&indices, std::int64_t batch_rows) const {
    Unroll u = copy();
    u.batches_ = detail::indices(std::forward<R>(indices));
    u.batch_rows_ = batch_rows;
    if (batch_rows < 1) detail::fail(BLV_INVALID, "minibatches: batch_rows is ", batch_rows, "; accepted: 1 or more");
    return u;
  }

  /// Number of tasks, where no Tensor tells it.
  [[nodiscard]] Unroll tasks(std::int64_t tasks) const {
    if (tasks < 0) detail::fail(BLV_INVALID, "tasks is ", tasks, "; accepted: 0 or more");
    Unroll u = copy();
    u.tasks_ = tasks;
    return u;
  }

  /// What the reverse sweep finds stored. Default: the fastest that fits the limit.
  [[nodiscard]] Unroll store(Store store) const {
    Unroll u = copy();
    u.store_ = store;
    return u;
  }
  /// Bytes of workspace; the plan stores less to meet it, or throws Error (BLV_TOO_SMALL).
  [[nodiscard]] Unroll workspace_limit(std::int64_t bytes) const {
    Unroll u = copy();
    u.limit_ = bytes;
    return u;
  }
  /// BLV_EXECUTOR_AUTO, BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES; on a CUDA device BLV_WARP_PER_TASK
  /// and its like.
  [[nodiscard]] Unroll executor(std::int32_t executor) const {
    Unroll u = copy();
    u.executor_ = executor;
    return u;
  }
  /// Tasks that fail (diverge, or have a label or an index out of range) are left out of gradients summed over tasks
  /// and told by info() only. Default: divergence makes the sum NaN, bad data throws.
  [[nodiscard]] Unroll skip_failed() const {
    Unroll u = copy();
    u.flags_ |= BLV_SKIP_FAILED;
    return u;
  }
  /// Matrix products of floats on a CUDA device's tensor cores, each as three of TF32 numbers; see bilevel.h.
  [[nodiscard]] Unroll split_tf32() const {
    Unroll u = copy();
    u.flags_ |= BLV_SPLIT_TF32;
    return u;
  }
  /// Where to run. The context must outlive the plan and stay where it is. Default: the plan makes its own, all
  /// threads.
  [[nodiscard]] Unroll with(Context &context) const {
    Unroll u = copy();
    u.context_ = &context;
    return u;
  }

  /// theta_T after the inner steps, tasks x P, without gradients. To call it often, make a plan.
  std::vector<T> train() const;

 private:
  friend class BilevelPlan<T>;

  Unroll copy() const {
    return detail::guarded([&] { return *this; });
  }

  Objective<T> inner_;
  Optimiser<T> optimiser_;
  std::int64_t steps_;
  std::optional<Array<T>> theta0_;
  std::optional<detail::Indices> batches_;
  std::optional<std::int64_t> tasks_;
  std::int64_t batch_rows_ = 0, limit_ = 0;
  Store store_ = Store::automatic;
  std::int32_t executor_ = BLV_EXECUTOR_AUTO, flags_ = 0;
  Context *context_ = nullptr;
};

/// `steps` steps of `optimiser` on the loss `inner`.
template <class T, class U>
Unroll<T> unroll(const Objective<T> &inner, const Optimiser<U> &optimiser, std::int64_t steps) {
  Optimiser<T> o{optimiser.kind, detail::array_of<T>(optimiser.rate), {}};
  if (optimiser.momentum) o.momentum = detail::array_of<T>(*optimiser.momentum);
  return detail::guarded([&] { return Unroll<T>(inner, std::move(o), steps); });
}

/// A bilevel problem that is ready to run: unroll(inner, optimiser, steps) | reverse(outer), or forward, implicit.
template <class T>
class BilevelPlan {
 public:
  /// Checks all shapes; throws Error (BLV_INVALID) that names the array, its size and what is accepted. Without
  /// `outer`, only train() and theta() make sense.
  BilevelPlan(Unroll<T> unroll, std::optional<Objective<T>> outer, const detail::Differentiation &by = {})
      : method_(by.method) {
    if (outer) agree_on_outputs(unroll.inner_, *outer);
    refuse_one_class(unroll.inner_, outer);
    has_outer_ = outer.has_value();
    engine_ = detail::guarded([&] { return make_engine(unroll, outer, by); });
    last_ = engine_.get();
    // That of v = dL_out/dtheta would cost the product that it saves.
    solves_ = method_ == BLV_IMPLICIT && by.solver.kind != BLV_IDENTITY;
    if (!solves_) return;
    engine_->want(BLV_RESIDUAL, 1, "residual");
    engine_->want(BLV_STOP, 1, "stop");
    engine_->want(BLV_STATIONARITY, 1, "stationarity");
  }

  /// The outer loss at theta_T, summed over tasks, and its gradients: `auto [loss, grad] = plan.hypergradient(phi);`,
  /// or `auto [loss, g_phi, g_rate] = plan.hypergradient(phi, rate);`.
  ///
  /// `arrays` are arrays that the expressions were given (known by their address), or arrays that contain several of
  /// those; gradient[i] is the derivative with respect to array[i], before any link, over everything that reads
  /// array[i]: every loss, every task, every step. Elements that nothing reads have gradient 0.
  ///
  /// Throws Error: BLV_INVALID (nothing depends on an array; by implicit: on an array of the inner steps; a label or an
  /// index of a task is out of range), BLV_NO_MEMORY, BLV_CANCELLED. Divergence does not throw: loss and gradient are then
  /// NaN, and info() tells task and step.
  template <class... A>
  auto hypergradient(const A &...arrays) {
    Engine &e = engine_with_outer();
    auto g = gradients_of(e, arrays...);
    return detail::with_loss(detail::total(last_->losses()), std::move(g));
  }

  /// By forward: the outer loss and its derivative along K directions, both summed over tasks:
  /// `auto [loss, slope] = plan.derivative(bl::along(phi, e1), bl::along(rate, e2));`, in one run. All arrays have the
  /// same number of directions, and move at once.
  template <class... A>
  LossAndDerivative<T> derivative(const A &...directions) {
    return detail::guarded([&]() -> LossAndDerivative<T> {
      last_ = &along(BLV_LOSS_TANGENT, directions...);
      return {detail::total(last_->losses()), detail::sum_over_tasks(*last_)};
    });
  }
  /// By forward: the derivatives of theta_T, tasks x K x P, without the outer loss.
  template <class... A>
  std::vector<T> theta_derivative(const A &...directions) {
    return detail::guarded([&]() -> std::vector<T> {
      last_ = &along(BLV_THETA_TANGENT, directions...);
      const std::span<const T> d = last_->result_of(BLV_THETA_TANGENT);
      return {d.begin(), d.end()};
    });
  }

  /// On a CUDA device, with a context of it (Unroll::with) and arrays in its memory (bl::device): enqueues the same on
  /// the context's stream and returns. `wanted`: bl::into(array, gradient), each array read by one leaf only; elements
  /// of it that nothing reads are not written. The results lie in `memory`, at least device_bytes(wanted...) of the
  /// device, aligned to 256 bytes; no other enqueue may use it before they are read. Nothing is summed over tasks but
  /// gradients of shared arrays, and bad data is told by info only. Numbers are refused: a rate is an array too. The
  /// first call for a set of arrays makes a plan; later ones may be captured in a CUDA graph.
  template <class... I>
  DeviceResults<T> enqueue(const WorkspaceView &memory, const I &...wanted) {
    Engine &e = engine_of_enqueue();
    return e.enqueue(memory, detail::requests<T>(1, wanted...), has_outer_);
  }
  /// Bytes of device memory that enqueue with the same arguments takes. Makes its plan.
  template <class... I>
  std::int64_t device_bytes(const I &...wanted) {
    Engine &e = engine_of_enqueue();
    return e.device_bytes(detail::requests<T>(1, wanted...), has_outer_);
  }

  /// The outer loss at theta_T, summed over tasks, without gradients.
  double loss() {
    Engine &e = engine_with_outer();
    last_ = &e;
    e.run({});
    return detail::total(e.losses());
  }

  /// theta_T, tasks x P, without the outer loss.
  std::vector<T> train() {
    Engine &e = engine();
    last_ = &e;
    e.run({}, {}, false);
    std::vector<T> theta;
    detail::allocate(theta, static_cast<std::int64_t>(e.theta().size()), "theta_T");
    std::ranges::copy(e.theta(), theta.begin());
    return theta;
  }

  /// Largest relative error of the directional derivatives of hypergradient(array) along `directions` random directions
  /// of signs, against central differences of loss(): |<g, v> - difference| / max(|difference|, |g|). About 1e-9 in
  /// double and 1e-3 in float if all is well; NaN if a loss is not finite. By implicit, it includes what the steps are away
  /// from their end. Does not write `array`. Runs 1 + 2 directions times.
  template <class A>
  double check_gradient(const A &array, int directions = 1) {
    Engine &e = engine_with_outer();
    const std::vector<T> g = std::move(gradients_of(e, array)[0]);
    last_ = &e;
    return detail::directional_error(e, detail::real_array_of<T>(array), g, directions);
  }

  /// Of the last call: theta_T (tasks x P), outer losses and outcome per task. Views, until the next call.
  std::span<const T> theta() const { return last().theta(); }
  std::span<const T> losses() const { return last().losses(); }
  std::span<const blv_task_info> info() const { return last().info(); }
  /// By implicit, but for identity(), of the last hypergradient, per task: |dL_out/dtheta - (H + damping I) v| / |dL_out/dtheta| when the
  /// solver stopped. info() has its iterations.
  std::span<const T> residual() const { return of_solver(BLV_RESIDUAL, "residual"); }
  /// By implicit, of the last hypergradient, per task: |grad L_in(theta_T)|, which it takes for 0.
  std::span<const T> stationarity() const { return of_solver(BLV_STATIONARITY, "stationarity"); }
  /// By implicit, of the last hypergradient, per task: why the solver stopped, BLV_STOP_CONVERGED or another BLV_STOP_*;
  /// -1 of a task that failed before it could.
  std::vector<std::int32_t> stops() const {
    std::vector<std::int32_t> stops;
    for (const T stop : of_solver(BLV_STOP, "stops")) stops.push_back(stop >= 0 ? static_cast<std::int32_t>(stop) : -1);
    return stops;
  }
  /// By forward, of the last derivative: those of each task, tasks x K.
  std::span<const T> loss_derivatives() const { return last().result_of(BLV_LOSS_TANGENT); }

  /// JSON of the last call's plan (before the first: of loss()): executor, ISA level, what is stored, sizes.
  std::string describe() {
    return detail::guarded([&] { return last().describe(); });
  }

  /// To cancel from another thread, or to poll the progress.
  Context &context() { return engine().context(); }

 private:
  using Engine = detail::Engine<T>;

  Engine &engine() const {
    detail::alive(engine_.get(), "plan");
    return *engine_;
  }
  Engine &engine_with_outer() const {
    Engine &e = engine();
    if (!has_outer_) detail::fail(BLV_INVALID, "this plan has no outer loss; accepted: unroll(...) | reverse(outer)");
    return e;
  }

  Engine &engine_of_enqueue() const {
    if (method_ == BLV_FORWARD) {
      detail::fail(BLV_UNSUPPORTED,
                   "enqueue: of a plan by forward; accepted: by reverse or implicit, or the method "
                   "BLV_FORWARD of the C ABI");
    }
    return engine();
  }
  std::span<const T> of_solver(std::int32_t leaf, const char *name) const {
    if (method_ != BLV_IMPLICIT) detail::fail(BLV_INVALID, name, ": of a plan by ", word(), "; accepted: by implicit");
    if (!solves_)
      detail::fail(BLV_INVALID, name,
                   ": of implicit(outer, identity()), which solves nothing; accepted: by cg, minres or neumann");
    if (!has_solved_) detail::fail(BLV_INVALID, name, ": before a hypergradient; accepted: after one");
    return engine().result_of(leaf);
  }
  Engine &last() const {
    engine();
    return *last_;
  }
  const char *word() const {
    return method_ == BLV_UNROLL ? "reverse" : method_ == BLV_FORWARD ? "forward" : "implicit";
  }

  /// Gradients by the plan's method.
  template <class... A>
  std::array<std::vector<T>, sizeof...(A)> gradients_of(Engine &e, const A &...arrays) {
    static_assert(sizeof...(A) > 0, "name the arrays whose gradient is wanted");
    last_ = &e;
    has_solved_ = true;
    if (method_ != BLV_FORWARD) return detail::gradients(e, 1, arrays...);
    return detail::guarded([&]() -> std::array<std::vector<T>, sizeof...(A)> {
      return {detail::gradient_by_directions(forward_, e, detail::real_array_of<T>(arrays), &last_)...};
    });
  }

  template <class... A>
  Engine &along(std::int32_t wanted, const A &...directions) {
    static_assert(sizeof...(A) > 0 && (std::same_as<A, Along<T>> && ...),
                  "name the directions as bl::along(array, tangents), of this dtype");
    Engine &e = engine_with_outer();
    if (method_ != BLV_FORWARD)
      detail::fail(BLV_INVALID, "derivative: of a plan by ", word(), "; accepted: by forward");
    const std::array<Along<T>, sizeof...(A)> all{directions...};
    return forward_.run(e, all, wanted);
  }

  /// Where both losses only know their largest label, or one knows nothing better, they take the same number of
  /// classes.
  static void agree_on_outputs(Objective<T> &inner, Objective<T> &outer) {
    const bool a = inner.outputs_given(), b = outer.outputs_given();
    if (a && b) return;
    const std::int64_t outputs = a ? inner.outputs() : b ? outer.outputs() : std::max(inner.outputs(), outer.outputs());
    inner.set_outputs(outputs);
    outer.set_outputs(outputs);
  }

  static void refuse_one_class(const Objective<T> &inner, const std::optional<Objective<T>> &outer) {
    if (inner.classes_told() || (outer && outer->classes_told())) return;
    inner.refuse_one_class("inner ");
    if (outer) outer->refuse_one_class("outer ");
  }

  static detail::Shape shape_of(const Unroll<T> &u, const std::optional<Objective<T>> &outer) {
    detail::Shape s;
    s.tasks = u.tasks_ ? *u.tasks_ : detail::tasks_of(u.inner_);
    if (!u.tasks_ && s.tasks == 1 && outer) s.tasks = detail::tasks_of(*outer);
    s.rows = u.inner_.X().rows();
    s.inputs = u.inner_.X().columns();
    s.outputs = u.inner_.outputs();
    s.parameters = u.inner_.parameters();
    s.steps = u.steps_;
    return s;
  }

  static detail::Leaf<T> theta0_leaf(const Unroll<T> &u, const detail::Shape &s) {
    if (!u.theta0_) {
      if (!u.inner_.hidden().empty()) {
        detail::fail(BLV_INVALID,
                     "theta0: none given, and a network with hidden layers does not learn from zeros; accepted: "
                     ".from(theta0) with ",
                     s.parameters, " parameters");
      }
      auto zeros = detail::leaf<T>(BLV_METHOD, BLV_THETA0, "theta0", Array<T>{nullptr, s.parameters});
      detail::allocate(zeros.own, s.parameters, "theta0");
      return zeros;
    }
    const auto l = detail::leaf<T>(BLV_METHOD, BLV_THETA0, "theta0", *u.theta0_);
    return detail::shared_or_per_task(l, u.theta0_->size, s.parameters, s.tasks);
  }

  static detail::Leaf<T> batch_leaf(const Unroll<T> &u, const detail::Shape &s) {
    const std::int64_t all = detail::times(s.steps, u.batch_rows_);
    if (u.batches_->size == u.batch_rows_) {
      return detail::index_leaf<T>(BLV_INNER, BLV_BATCH, "minibatches", *u.batches_, u.batch_rows_, s.tasks);
    }
    auto l = detail::index_leaf<T>(BLV_INNER, BLV_BATCH, "minibatches", *u.batches_, all, s.tasks);
    l.slot.step_stride = u.batch_rows_;
    return l;
  }

  static std::unique_ptr<Engine> make_engine(const Unroll<T> &u, const std::optional<Objective<T>> &outer,
                                             const detail::Differentiation &by) {
    const detail::Shape s = shape_of(u, outer);
    std::vector<detail::Leaf<T>> leaves;
    detail::add_leaves(leaves, u.inner_, BLV_INNER, s);
    if (outer) detail::add_leaves(leaves, *outer, BLV_OUTER, s);
    leaves.push_back(theta0_leaf(u, s));
    const Optimiser<T> &o = u.optimiser_;
    leaves.push_back(detail::sized(detail::leaf<T>(BLV_METHOD, BLV_RATE, "rate", o.rate), o.rate, s, false));
    if (o.momentum) {
      leaves.push_back(
          detail::sized(detail::leaf<T>(BLV_METHOD, BLV_MOMENTUM, "momentum", *o.momentum), *o.momentum, s, false));
    }
    if (u.batches_) leaves.push_back(batch_leaf(u, s));
    Spec spec;
    spec.dtype = detail::dtype_of<T>;
    spec.tasks = s.tasks;
    spec.inner = u.inner_.spec();
    if (outer) spec.outer = outer->spec();
    spec.method = unroll_method(o.kind, u.steps_, u.batch_rows_, static_cast<std::int32_t>(u.store_));
    if (by.method == BLV_IMPLICIT) {
      const Solver &v = by.solver;
      spec.method =
          implicit_method(o.kind, u.steps_, v.kind, v.iterations, v.tolerance, v.damping, u.batch_rows_, v.step);
    }
    spec.workspace_limit = u.limit_;
    spec.executor = u.executor_;
    spec.flags = u.flags_;
    return std::make_unique<Engine>(std::move(spec), std::move(leaves), u.context_);
  }

  std::unique_ptr<Engine> engine_;     ///< of the steps; by reverse or implicit, of the gradients too
  detail::ForwardEngines<T> forward_;  ///< by forward: of the derivatives
  Engine *last_ = nullptr;             ///< the one that ran last
  std::int32_t method_;
  bool has_outer_ = false, solves_ = false, has_solved_ = false;
};

template <class T, class U>
BilevelPlan<T> operator|(const Unroll<T> &unroll, const Reverse<U> &reverse) {
  static_assert(std::same_as<T, U>, "float and double are mixed: inner and outer loss differ");
  return detail::guarded([&] { return BilevelPlan<T>(unroll, reverse.outer); });
}
template <class T, class U>
BilevelPlan<T> operator|(const Unroll<T> &unroll, const Forward<U> &forward) {
  static_assert(std::same_as<T, U>, "float and double are mixed: inner and outer loss differ");
  return detail::guarded([&] { return BilevelPlan<T>(unroll, forward.outer, {BLV_FORWARD}); });
}
template <class T, class U>
BilevelPlan<T> operator|(const Unroll<T> &unroll, const Implicit<U> &implicit) {
  static_assert(std::same_as<T, U>, "float and double are mixed: inner and outer loss differ");
  return detail::guarded([&] { return BilevelPlan<T>(unroll, implicit.outer, {BLV_IMPLICIT, implicit.solver}); });
}

template <class T>
std::vector<T> Unroll<T>::train() const {
  return detail::guarded([&] { return BilevelPlan<T>(*this, std::nullopt).train(); });
}

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_UNROLL_HPP
