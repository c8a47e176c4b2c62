// SPDX-License-Identifier: Apache-2.0
//
// Forward accumulation: from directions of the user's arrays to TANGENT slots. A direction of an array is one of every
// leaf that lies within it, at the same place.
#ifndef BILEVEL_DETAIL_FORWARD_HPP
#define BILEVEL_DETAIL_FORWARD_HPP
#include <bilevel/detail/gradient.hpp>

namespace bilevel {

/// The loss, summed over tasks, and its derivative along each of K directions.
template <class T>
struct LossAndDerivative {
  double loss;
  std::vector<T> derivative;
};

namespace detail {

constexpr std::int64_t most_directions = 8;  // of one run

/// The engines of forward accumulation by what is wanted: K, the leaves that move, BLV_LOSS_TANGENT or
/// BLV_THETA_TANGENT.
template <class T>
class ForwardEngines {
 public:
  /// Runs the steps of `base` with derivatives along `directions`; the results are those of the engine that comes back.
  Engine<T> &run(Engine<T> &base, std::span<const Along<T>> directions, std::int32_t wanted) {
    const std::int64_t K = directions_of(directions);
    std::uint64_t mask = 0;
    for (const Along<T> &d : directions) {
      const std::uint64_t leaves = base.leaves_in(d.array);
      if ((mask & leaves) != 0) fail(BLV_INVALID, "along: an array, or a part of it, is given twice; accepted: once");
      mask |= leaves;
    }
    auto &engine = engines_[{wanted, K, mask}];
    if (engine == nullptr) engine = make_engine(base, directions, K, wanted);
    for (const Along<T> &d : directions) {
      for_leaves(base, d, [&](const Leaf<T> &l) {
        engine->rebind(tangents_name(l), d.tangents + (static_cast<const T *>(l.data) - d.array.data));
      });
    }
    engine->run({}, {}, wanted == BLV_LOSS_TANGENT);
    return *engine;
  }

 private:
  static std::string tangents_name(const Leaf<T> &l) { return "tangents of " + l.name; }

  static std::int64_t directions_of(std::span<const Along<T>> directions) {
    std::int64_t K = 0;
    for (const Along<T> &d : directions) {
      if (d.array.number) fail(BLV_INVALID, "along: a number; accepted: an array");
      const std::int64_t own = d.array.size > 0 ? d.size / d.array.size : 0;
      if (own < 1 || own > most_directions || d.size != own * d.array.size || (K != 0 && own != K)) {
        fail(BLV_INVALID, "along: directions of ", d.size, " elements; accepted: 1 to 8 times ", d.array.size,
             ", the elements of the array, and as many directions for each array");
      }
      K = own;
    }
    return K;
  }

  template <class F>
  static void for_leaves(Engine<T> &base, const Along<T> &d, F f) {
    const std::uint64_t mask = base.leaves_in(d.array);
    for (std::size_t i = 0; i < base.leaves().size(); ++i) {
      if ((mask >> i & 1) != 0) f(base.leaves()[i]);
    }
  }

  static std::unique_ptr<Engine<T>> make_engine(Engine<T> &base, std::span<const Along<T>> directions, std::int64_t K,
                                                std::int32_t wanted) {
    std::vector<Leaf<T>> leaves = base.leaves();
    for (const Along<T> &d : directions) {
      for_leaves(base, d, [&](const Leaf<T> &l) {
        Leaf<T> tangents = l;
        tangents.name = tangents_name(l);
        tangents.slot.use = BLV_TANGENT;
        tangents.slot.link = BLV_NO_LINK;
        tangents.slot.step_stride = d.array.size;
        tangents.extent = (K - 1) * d.array.size + l.extent;
        leaves.push_back(std::move(tangents));
      });
    }
    Spec spec = base.spec();
    const auto &unroll = std::get<blv_unroll>(spec.method);
    spec.method = forward_method(unroll.optimiser, unroll.steps, K, unroll.batch_rows);
    auto engine = std::make_unique<Engine<T>>(std::move(spec), std::move(leaves), &base.context());
    if (wanted == BLV_LOSS_TANGENT)
      engine->want(wanted, K, "derivatives of the losses");
    else
      engine->want(wanted, times(K, base.spec().inner.parameters()), "derivatives of theta_T");
    return engine;
  }

  std::map<std::tuple<std::int32_t, std::int64_t, std::uint64_t>, std::unique_ptr<Engine<T>>> engines_;
};

/// Derivatives of losses (tasks x K), summed over tasks; without those that failed if the plan leaves them out.
template <class T>
std::vector<T> sum_over_tasks(const Engine<T> &engine) {
  const std::span<const T> each = engine.result_of(BLV_LOSS_TANGENT);
  const std::size_t tasks = engine.info().size(), K = tasks > 0 ? each.size() / tasks : 0;
  const bool skip = (engine.spec().flags & BLV_SKIP_FAILED) != 0;
  std::vector<double> sums(K);
  for (std::size_t b = 0; b < tasks; ++b) {
    if (skip && engine.info()[b].status != BLV_TASK_OK) continue;
    for (std::size_t k = 0; k < K; ++k) sums[k] += static_cast<double>(each[b * K + k]);
  }
  return {sums.begin(), sums.end()};
}

/// dL_out/darray, an element a direction; `last`: the engine that ran last.
template <class T>
std::vector<T> gradient_by_directions(ForwardEngines<T> &engines, Engine<T> &base, const Array<T> &a,
                                      Engine<T> **last) {
  std::vector<T> gradient, units;
  allocate(gradient, a.size, "gradient");
  for (std::int64_t i = 0; i < a.size; i += most_directions) {
    const std::int64_t K = std::min(most_directions, a.size - i);
    allocate(units, times(K, a.size), "directions");
    std::ranges::fill(units, T(0));
    for (std::int64_t k = 0; k < K; ++k) units[static_cast<std::size_t>(k * a.size + i + k)] = T(1);
    const Along<T> directions{a, units.data(), K * a.size};
    *last = &engines.run(base, {&directions, 1}, BLV_LOSS_TANGENT);
    const std::vector<T> along = sum_over_tasks(**last);
    for (std::size_t k = 0; k < along.size(); ++k) gradient[static_cast<std::size_t>(i) + k] = along[k];
  }
  return gradient;
}

}  // namespace detail

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_FORWARD_HPP
