// SPDX-License-Identifier: Apache-2.0
//
// One loss at given parameters: value, gradients, Hessian-vector products and cross products. An Evaluation keeps its
// plans and workspace from call to call, reads the user's arrays again at each call, is used by one thread at a time and
// is move-only.
#ifndef BILEVEL_DETAIL_EVALUATION_HPP
#define BILEVEL_DETAIL_EVALUATION_HPP
#include <bilevel/detail/gradient.hpp>

namespace bilevel {

/// One loss at given parameters theta: its value, gradients, Hessian-vector products and cross products.
template <class T>
class Evaluation {
 public:
  /// theta: P parameters that all tasks share, or tasks x P; read again at each call. tasks 0: as the tensors tell. The
  /// context, if given, must outlive this object. Throws Error (BLV_INVALID).
  Evaluation(const Objective<T> &objective, Array<T> theta, std::int64_t tasks = 0, Context *context = nullptr)
      : objective_(detail::guarded([&] { return objective; })), theta_(theta), context_(context) {
    if (!objective.classes_told()) objective.refuse_one_class("");
    tasks_ = tasks != 0 ? tasks : detail::tasks_of(objective);
    engine_ = make_engine(0);
  }

  /// L(theta), summed over tasks.
  double value() {
    Engine &e = engine();
    e.run({});
    return detail::total(e.losses());
  }

  /// L and dL/dtheta; with further arrays, as for BilevelPlan::hypergradient: `auto [loss, g_theta, g_phi] = ...(phi)`.
  template <class... A>
  auto value_and_gradient(const A &...arrays) {
    Engine &e = engine();
    auto g = detail::gradients(e, 1, theta_, arrays...);
    return detail::with_loss(detail::total(e.losses()), std::move(g));
  }

  /// L and the wanted gradients on a CUDA device; see BilevelPlan::enqueue.
  template <class... I>
  DeviceResults<T> enqueue(const WorkspaceView &memory, const I &...wanted) {
    return engine().enqueue(memory, detail::requests<T>(1, wanted...));
  }
  template <class... I>
  std::int64_t device_bytes(const I &...wanted) {
    return engine().device_bytes(detail::requests<T>(1, wanted...));
  }
  /// (d2 L / darray dtheta) v_k on a CUDA device, into K arrays; with theta as array, H v_k. `vectors` is in its memory.
  template <class V, class... I>
  DeviceResults<T> enqueue_products(const WorkspaceView &memory, const V &vectors, const I &...wanted) {
    return products(vectors).enqueue(memory, detail::requests<T>(vectors_, wanted...));
  }
  template <class V, class... I>
  std::int64_t device_bytes_of_products(const V &vectors, const I &...wanted) {
    return products(vectors).device_bytes(detail::requests<T>(vectors_, wanted...));
  }

  /// H v_k for K vectors (1 to 8), K x size of theta, one after another; H = d2 L / dtheta2. The result has the same
  /// layout.
  template <class V>
  std::vector<T> hvp(const V &vectors) {
    return cross_product(vectors, theta_);
  }

  /// (d2 L / darray dtheta) v_k for K vectors (K x size of theta): K arrays with the layout of `array`, one after
  /// another.
  template <class V, class A>
  std::vector<T> cross_product(const V &vectors, const A &array) {
    Engine &e = products(vectors);
    return std::move(detail::gradients(e, vectors_, array)[0]);
  }

  /// Per task, of the last value or value_and_gradient. Views, until the next call.
  std::span<const T> losses() const { return engine().losses(); }
  std::span<const blv_task_info> info() const { return engine().info(); }
  Context &context() { return engine().context(); }

 private:
  using Engine = detail::Engine<T>;

  Engine &engine() const {
    detail::alive(engine_.get(), "Evaluation");
    return *engine_;
  }

  /// The engine of products with these vectors.
  template <class V>
  Engine &products(const V &vectors) {
    engine();
    const Array<T> v = detail::real_array_of<T>(vectors);
    const std::int64_t K = theta_.size > 0 ? v.size / theta_.size : 0;
    if (K < 1 || K > 8 || v.size != detail::times(K, theta_.size)) {
      detail::fail(BLV_INVALID, "vectors: ", v.size, " elements; accepted: 1 to 8 times ", theta_.size,
                   ", the elements of theta");
    }
    if (products_ == nullptr || K != vectors_) products_ = make_engine(K);
    vectors_ = K;
    products_->rebind("vectors", v.data);
    return *products_;
  }

  /// K = 0: loss and gradients; else products with K vectors.
  std::unique_ptr<Engine> make_engine(std::int64_t K) {
    return detail::guarded([&] { return engine_of(K); });
  }
  std::unique_ptr<Engine> engine_of(std::int64_t K) {
    detail::Shape s;
    s.tasks = tasks_;
    s.parameters = objective_.parameters();
    std::vector<detail::Leaf<T>> leaves;
    detail::add_leaves(leaves, objective_, BLV_INNER, s);
    auto theta = detail::leaf<T>(BLV_METHOD, BLV_THETA, "theta", theta_);
    leaves.push_back(detail::shared_or_per_task(theta, theta_.size, s.parameters, s.tasks));
    if (K > 0) {
      auto v = detail::leaf<T>(BLV_METHOD, BLV_VECTOR, "vectors", Array<T>{nullptr, K * theta_.size});
      v.slot.task_stride = leaves.back().slot.task_stride;
      v.slot.step_stride = theta_.size;
      leaves.push_back(v);
    }
    Spec spec;
    spec.dtype = detail::dtype_of<T>;
    spec.tasks = s.tasks;
    spec.inner = objective_.spec();
    spec.method = K > 0 ? hvp_method(K) : evaluate_method();
    Context *context = K > 0 ? &engine_->context() : context_;
    return std::make_unique<Engine>(std::move(spec), std::move(leaves), context, std::max<std::int64_t>(K, 1));
  }

  Objective<T> objective_;
  Array<T> theta_;
  Context *context_;
  std::int64_t tasks_ = 1, vectors_ = 0;
  std::unique_ptr<Engine> engine_, products_;
};

/// An Evaluation to call often; see there.
template <class T, class A>
Evaluation<T> evaluation(const Objective<T> &objective, A &&theta, std::int64_t tasks = 0, Context *context = nullptr) {
  return {objective, detail::real_array_of<T>(std::forward<A>(theta)), tasks, context};
}

/// `auto [loss, g_theta] = bl::value_and_gradient(objective, theta);`, once; see Evaluation.
template <class T, class A, class... More>
auto value_and_gradient(const Objective<T> &objective, const A &theta, const More &...arrays) {
  return evaluation(objective, theta).value_and_gradient(arrays...);
}

/// H v_k for K vectors, once; see Evaluation::hvp.
template <class T, class A, class V>
std::vector<T> hvp(const Objective<T> &objective, const A &theta, const V &vectors) {
  return evaluation(objective, theta).hvp(vectors);
}

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_EVALUATION_HPP
