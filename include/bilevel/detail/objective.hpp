// SPDX-License-Identifier: Apache-2.0
//
// Expressions of losses and of optimisers. An Objective is (1/n) sum_i w_i loss(o(x_i; theta), y_i) + 1/2 sum_j p_j
// theta_j^2 on given rows; the functions that modify one return a copy, so that an expression can be shared. T is float
// or double; an Optimiser of numbers only has T = void and goes with both.
#ifndef BILEVEL_DETAIL_OBJECTIVE_HPP
#define BILEVEL_DETAIL_OBJECTIVE_HPP
#include <bilevel/detail/views.hpp>

namespace bilevel {

enum class Loss : std::int32_t {
  squared = BLV_SQUARED,             ///< 1/2 sum_k (o_k - y_k)^2
  logistic = BLV_LOGISTIC,           ///< sum_k softplus(o_k) - y_k o_k, y_k in [0, 1]
  cross_entropy = BLV_CROSS_ENTROPY  ///< sum_k y_k (logsumexp(o) - o_k); y class indices, or dense
};
enum class Activation : std::int32_t {
  tanh = BLV_TANH,
  relu = BLV_RELU,
  sigmoid = BLV_SIGMOID,
  softplus = BLV_SOFTPLUS
};

namespace detail {

/// An array of int32_t or int64_t.
struct Indices {
  const void *data = nullptr;
  std::int64_t size = 0;
  std::int32_t dtype = BLV_I32;
};

template <class R>
Indices indices(R &&range) {
  static_assert(ArrayRange<R>, "expected a contiguous array of int32_t or int64_t");
  static_assert(IndexRange<R>, "expected a named array, or a std::span, of int32_t or int64_t");
  return {std::ranges::data(range), count(range), sizeof(ValueOf<R>) == 4 ? BLV_I32 : BLV_I64};
}

/// Targets: class indices, or a tensor, or a flat array with one value per row.
template <class T>
struct Targets {
  std::variant<Indices, Tensor<T>, Array<T>> value;
  std::int64_t outputs = 1;  ///< width of the model's output that they imply; -1: the host can't read them
};

template <class R>
std::int64_t largest(R &&labels) {
  std::int64_t most = -1;
  for (const auto label : labels) most = std::max(most, static_cast<std::int64_t>(label));
  return most;
}

template <class T, class Y>
Targets<T> targets(Y &&y) {
  if constexpr (TensorLike<Y>) {
    return [&]<class U>(const Tensor<U> &t) -> Targets<T> {
      static_assert(std::same_as<T, U>, "float and double are mixed: X and the targets differ");
      return {t, t.columns()};
    }(y);
  } else if constexpr (IsView<std::remove_cvref_t<Y>>::value) {
    return {array_of<T>(y), 1};
  } else {
    static_assert(ArrayRange<Y>, "targets are a Matrix, a Tensor or a contiguous array");
    if constexpr (std::signed_integral<ValueOf<Y>> && is_device_view<std::remove_cvref_t<Y>>) {
      return {indices(std::forward<Y>(y)), -1};
    } else if constexpr (std::signed_integral<ValueOf<Y>>) {
      return {indices(std::forward<Y>(y)), largest(y) + 1};
    } else {
      return {array_of<T>(std::forward<Y>(y)), 1};
    }
  }
}

}  // namespace detail

/// A loss on given rows. Made by least_squares, logistic, softmax and network; holds views only.
template <class T>
class Objective {
 public:
  /// Use the named functions below. outputs 0: as the targets imply.
  Objective(const Tensor<T> &X, detail::Targets<T> y, Loss loss, std::vector<std::int64_t> hidden,
            Activation activation, std::int64_t outputs)
      : X_(X),
        y_(std::move(y)),
        loss_(loss),
        hidden_(std::move(hidden)),
        activation_(activation),
        outputs_(outputs),
        classes_told_(outputs != 0) {
    if (outputs < 0)
      detail::fail(BLV_INVALID, "classes is ", outputs, "; accepted: 1 or more, or 0 to take the largest label + 1");
    if (outputs == 0 && y_.outputs < 0)
      detail::fail(BLV_INVALID, "classes is 0; accepted for labels in the memory of a device: their number of classes");
  }

  /// Row weights w: n values that all tasks share, or tasks x n; also bl::sigmoid(phi), bl::exp(phi),
  /// bl::softplus(phi).
  template <class A>
  [[nodiscard]] Objective weights(A &&w) const {
    Objective o = copy();
    o.weights_ = detail::real_array_of<T>(std::forward<A>(w));
    return o;
  }

  /// Penalty 1/2 sum_j p_j theta_j^2, replacing an earlier one. p is a number or 1 element: of all weights, not of
  /// biases; `inputs` elements: one per feature, for the columns of the first layer's weight; or P elements: one per
  /// parameter, biases included. The number of elements tells which, else say bl::per_feature or bl::per_parameter.
  /// Links as for weights; bl::per_task for tasks x as many.
  template <class A>
  [[nodiscard]] Objective l2(A &&p) const {
    Objective o = copy();
    o.penalty_ = detail::array_of<T>(std::forward<A>(p));
    return o;
  }

  /// Layers are W h, without + b.
  [[nodiscard]] Objective no_bias() const {
    Objective o = copy();
    o.bias_ = false;
    return o;
  }

  /// Ragged tasks: counts[b] in [0, rows of X] is the number of rows of task b; the rows beyond are never read.
  template <class R>
  [[nodiscard]] Objective rows(R &&counts) const {
    Objective o = copy();
    o.rows_ = detail::indices(std::forward<R>(counts));
    return o;
  }

  /// The same model and loss on other rows, without weights, penalty and row counts: a validation loss.
  template <class Y>
  [[nodiscard]] Objective on(const Tensor<T> &X, Y &&y) const {
    Objective same = copy();
    Objective o(X, detail::targets<T>(std::forward<Y>(y)), loss_, std::move(same.hidden_), activation_, outputs_);
    o.bias_ = bias_;
    o.classes_told_ = classes_told_;
    if (!o.outputs_given()) o.outputs_ = std::max(outputs(), o.outputs());
    return o;
  }

  const Tensor<T> &X() const { return X_; }
  const detail::Targets<T> &targets() const { return y_; }
  Loss loss() const { return loss_; }
  const std::optional<Array<T>> &weight_array() const { return weights_; }
  const std::optional<Array<T>> &penalty_array() const { return penalty_; }
  const std::optional<detail::Indices> &row_counts() const { return rows_; }
  const std::vector<std::int64_t> &hidden() const { return hidden_; }
  /// Outputs of the model; given is false where they come from the largest label.
  std::int64_t outputs() const { return outputs_ != 0 ? outputs_ : std::max<std::int64_t>(y_.outputs, 1); }
  bool outputs_given() const { return outputs_ != 0 || !std::holds_alternative<detail::Indices>(y_.value); }
  void set_outputs(std::int64_t outputs) { outputs_ = outputs; }
  /// Whether the user said how many classes there are.
  bool classes_told() const { return classes_told_; }
  /// Throws Error (BLV_INVALID) for a softmax over one class, of which nobody spoke: its loss is 0 for all parameters.
  void refuse_one_class(const char *side) const {
    if (loss_ != Loss::cross_entropy || outputs() != 1) return;
    const bool indices = std::holds_alternative<detail::Indices>(y_.value);
    detail::fail(
        BLV_INVALID, side, "targets: ",
        indices ? "no label is above 0, so that there is one class" : "one number per row, dense, is one class",
        " and the cross-entropy is 0 whatever the parameters; accepted: class indices of two classes or more, "
        "their number (classes = 2), or dense targets with a column per class");
  }
  /// Number of parameters P, in PyTorch's order: per layer the weight (outputs x inputs, row-major), then the bias.
  /// Throws Error (BLV_INVALID) if a width is none.
  std::int64_t parameters() const {
    const ObjectiveSpec s = spec();
    const std::int64_t count = s.parameters();
    if (count >= 0) return count;
    return detail::guarded([&]() -> std::int64_t {
      std::string widths;
      for (const std::int64_t width : s.widths) widths += (widths.empty() ? "" : ", ") + std::to_string(width);
      detail::fail(BLV_INVALID, "network of widths {", widths,
                   "}; accepted: widths of 1 or more, and at most 2^40 parameters");
    });
  }

  ObjectiveSpec spec() const {
    return detail::guarded([&]() -> ObjectiveSpec {
      std::vector<std::int64_t> widths{X_.columns()};
      widths.insert(widths.end(), hidden_.begin(), hidden_.end());
      widths.push_back(outputs());
      return {static_cast<std::int32_t>(loss_), std::move(widths), X_.rows(),
              hidden_.empty() ? 0 : static_cast<std::int32_t>(activation_), bias_ ? 0 : BLV_NO_BIAS};
    });
  }

 private:
  Objective copy() const {
    return detail::guarded([&] { return *this; });
  }

  Tensor<T> X_;
  detail::Targets<T> y_;
  Loss loss_;
  std::vector<std::int64_t> hidden_;
  Activation activation_;
  std::int64_t outputs_;
  bool classes_told_, bias_ = true;
  std::optional<Array<T>> weights_, penalty_;
  std::optional<detail::Indices> rows_;
};

/// Linear least squares, 1/2 sum_k (o_k - y_k)^2 per row. Y: a Matrix or Tensor (rows x outputs), or an array with one
/// value per row (tasks x rows). All views: the arrays must outlive the expression.
template <class T, class Y>
Objective<T> least_squares(const Tensor<T> &X, Y &&y) {
  static_assert(!detail::IndexRange<Y>, "targets of least_squares are float or double");
  return {X, detail::targets<T>(std::forward<Y>(y)), Loss::squared, {}, Activation::tanh, 0};
}

/// Logistic regression, softplus(o) - y o per row. y: as for least_squares, values in [0, 1].
template <class T, class Y>
Objective<T> logistic(const Tensor<T> &X, Y &&y) {
  static_assert(!detail::IndexRange<Y>, "targets of logistic are float or double, in [0, 1]");
  return {X, detail::targets<T>(std::forward<Y>(y)), Loss::logistic, {}, Activation::tanh, 0};
}

/// Softmax regression, cross-entropy. y: class indices (int32_t or int64_t, one per row, or tasks x rows), or dense
/// targets (Matrix or Tensor). The number of classes is the largest label of inner and outer loss + 1 unless it is
/// given; where that is one class, a plan throws Error (BLV_INVALID).
template <class T, class Y>
Objective<T> softmax(const Tensor<T> &X, Y &&y, std::int64_t classes = 0) {
  return {X, detail::targets<T>(std::forward<Y>(y)), Loss::cross_entropy, {}, Activation::tanh, classes};
}

/// Feed-forward network with the given widths of hidden layers. y as the loss wants it, see above.
template <class T, class Y>
Objective<T> network(const Tensor<T> &X, Y &&y, std::vector<std::int64_t> hidden, Activation activation, Loss loss,
                     std::int64_t classes = 0) {
  return {X, detail::targets<T>(std::forward<Y>(y)), loss, std::move(hidden), activation, classes};
}

/// The inner optimiser. Made by sgd and heavy_ball.
template <class T>
struct Optimiser {
  std::int32_t kind = BLV_SGD;
  Array<T> rate;
  std::optional<Array<T>> momentum;
};

/// theta -= rate * gradient. rate: a number; an array of 1 or P (per parameter) elements; bl::per_step(array) of T or T
/// x P; bl::per_task(...) of tasks times as many. Links: bl::exp(array), ...
template <class A>
auto sgd(A &&rate) {
  auto view = detail::array(std::forward<A>(rate));
  return Optimiser<typename decltype(view)::Element>{BLV_SGD, view, {}};
}

/// m = momentum * m + gradient, theta -= rate * m, from m = 0 (Polyak 1964). rate and momentum as for sgd.
template <class A, class B>
auto heavy_ball(A &&rate, B &&momentum) {
  auto r = detail::array(std::forward<A>(rate));
  auto m = detail::array(std::forward<B>(momentum));
  using U = typename decltype(r)::Element;
  using V = typename decltype(m)::Element;
  using T = std::conditional_t<std::is_void_v<U>, V, U>;
  return Optimiser<T>{BLV_HEAVY_BALL, detail::array_of<T>(r), detail::array_of<T>(m)};
}

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_OBJECTIVE_HPP
