// SPDX-License-Identifier: Apache-2.0
//
// Gradients of an Engine's losses as vectors in the layout of the arrays that were asked for, and their check against
// central differences.
#ifndef BILEVEL_DETAIL_GRADIENT_HPP
#define BILEVEL_DETAIL_GRADIENT_HPP
#include <bilevel/detail/engine.hpp>

#include <array>
#include <cmath>
#include <random>
#include <tuple>

namespace bilevel {

/// The loss, summed over tasks, and its gradient, in the layout of the array that was asked for.
template <class T>
struct LossAndGradient {
  double loss;
  std::vector<T> gradient;
};

namespace detail {

template <class T>
double total(std::span<const T> losses) {
  double sum = 0;
  for (const T loss : losses) sum += static_cast<double>(loss);
  return sum;
}

/// Runs the engine for the gradients of `arrays`, each a zeroed vector of the array's size (times K).
template <class T, class... A>
auto gradients(Engine<T> &engine, std::int64_t vectors, const A &...arrays) {
  static_assert(sizeof...(A) > 0, "name the arrays whose gradient is wanted");
  const std::array<Array<T>, sizeof...(A)> views{real_array_of<T>(arrays)...};
  std::array<std::vector<T>, sizeof...(A)> out;
  std::array<Request<T>, sizeof...(A)> wanted;
  for (std::size_t i = 0; i < views.size(); ++i) {
    allocate(out[i], times(views[i].size, vectors), "gradient");
    wanted[i] = {views[i].data, views[i].size, out[i].data()};
  }
  engine.run(wanted);
  return out;
}

/// The requests of an enqueue.
template <class T, class... I>
std::array<Request<T>, sizeof...(I)> requests(std::int64_t vectors, const I &...wanted) {
  static_assert((std::same_as<I, Into<T>> && ...), "name what is wanted as bl::into(array, gradient), of this dtype");
  [[maybe_unused]] const auto request = [&](const Into<T> &i) {
    if (i.array.number) fail(BLV_INVALID, "gradient: of a number; accepted: of an array");
    if (i.size != times(i.array.size, vectors)) {
      fail(BLV_INVALID, "gradient: goes to ", i.size, " elements; accepted: ", times(i.array.size, vectors));
    }
    return Request<T>{i.array.data, i.array.size, i.out};
  };
  return {request(wanted)...};
}

/// (loss, gradient...) as a LossAndGradient of one array, or a tuple of several.
template <class T, std::size_t N>
auto with_loss(double loss, std::array<std::vector<T>, N> &&g) {
  if constexpr (N == 1) {
    return LossAndGradient<T>{loss, std::move(g[0])};
  } else {
    return std::apply([&](auto &...each) { return std::make_tuple(loss, std::move(each)...); }, g);
  }
}

/// See BilevelPlan::check_gradient; g is the gradient.
template <class T>
double directional_error(Engine<T> &engine, const Array<T> &a, const std::vector<T> &g, int directions) {
  if (directions < 1) fail(BLV_INVALID, "check_gradient: directions is ", directions, "; accepted: 1 or more");
  double norm2 = 0, scale = 1;
  for (std::size_t i = 0; i < g.size(); ++i) {
    norm2 += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    scale = std::max(scale, std::abs(static_cast<double>(a.data[i])));
  }
  const double h = std::cbrt(static_cast<double>(std::numeric_limits<T>::epsilon())) * scale;
  std::vector<T> moved;
  allocate(moved, a.size, "check_gradient");
  std::mt19937 random(1);
  double worst = 0;
  for (int k = 0; k < directions; ++k) {
    std::vector<int> sign;
    allocate(sign, a.size, "check_gradient");
    for (int &s : sign) s = (random() & 1) != 0 ? 1 : -1;
    const auto loss_at = [&](double step) {
      for (std::size_t i = 0; i < moved.size(); ++i) moved[i] = static_cast<T>(a.data[i] + sign[i] * step);
      engine.run({}, {a.data, a.size, moved.data()});
      return total(engine.losses());
    };
    const double difference = (loss_at(h) - loss_at(-h)) / (2 * h);
    double slope = 0;
    for (std::size_t i = 0; i < moved.size(); ++i) slope += sign[i] * static_cast<double>(g[i]);
    const double size = std::max(std::abs(difference), std::sqrt(norm2));
    const double error = size == 0 ? 0 : std::abs(slope - difference) / size;
    if (!(error <= worst)) worst = error;  // keeps NaN
    if (std::isnan(worst)) break;
  }
  return worst;
}

}  // namespace detail

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_GRADIENT_HPP
