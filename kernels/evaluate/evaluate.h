// SPDX-License-Identifier: Apache-2.0
//
// Methods EVALUATE and HVP. EVALUATE: one pass in mode VALUE gives L and dL/dleaf for every leaf. HVP: one pass in mode
// JET at theta + eps v_k gives d(grad L)/deps = H v_k, and at every other leaf the cross product (d2 L / dleaf dtheta)
// v_k.
#pragma once
#include "kernels/task/group.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// PassOf: how the rows of a loss go by; a machine may have special ones.
template <class T, Lanes L, template <class, Lanes> class PassOf = Pass>
struct Evaluate {
  using Element = typename Transfer<T, L>::Element;
  using Mat = Matrix<Element>;
  using P = Pack<T>;
  using PassOfRows = PassOf<T, L>;

  const Problem *problem = nullptr;
  const NetworkView *net = nullptr;
  Index planes = 1, packs = 0;
  PassOfRows pass;
  SideData<T, L> side;
  P *theta = nullptr, *vectors = nullptr, *gradient = nullptr;
  P loss = {}, norm = {};

  static bool runs(int32_t kind) { return kind == BLV_EVALUATE || kind == BLV_HVP; }
  static BLV_HOST_DEVICE Index tangent_planes(const Problem &p) { return p.kind == BLV_HVP ? p.vectors : 0; }
  static BLV_HOST_DEVICE Index most_rows(const Problem &p) { return p.inner.rows; }
  static int64_t progress(const Problem &) { return 1; }

  BLV_HOST_DEVICE void layout(Arena &arena, const Problem &p, const NetworkView &network) {
    problem = &p, net = &network;
    planes = p.kind == BLV_HVP ? p.vectors : 1, packs = parameter_packs<T, L>(network);
    theta = arena.template take<P>(packs);
    vectors = p.kind == BLV_HVP ? arena.template take<P>(packs * planes) : nullptr;
    gradient = p.theta.gradient ? arena.template take<P>(packs * planes) : nullptr;
    side.layout(arena, p.inner, BLV_INNER, network, p.inner.rows, planes, packs);
  }

  template <class Visitor>
  BLV_HOST_DEVICE void visit(Visitor &visitor) const {
    visit_scalars(visitor, problem->loss, 0, 1, reinterpret_cast<const Element *>(&loss));
    visit_parameters(visitor, *net, problem->theta.gradient, planes, reinterpret_cast<const Element *>(gradient));
    visit_side(visitor, side, planes);
  }

  BLV_FUNCTION bool run(const Transfer<T, L> &move, const Call &call, TaskStatus *status) {
    if (is_cancelled(call)) return false;
    side.load(move, status);
    load_parameters<T, L>(move, *net, problem->theta.value, 0, reinterpret_cast<Element *>(theta));
    for (Index k = 0; vectors && k < planes; k++)
      load_parameters<T, L>(move, *net, problem->vector, k, reinterpret_cast<Element *>(vectors + k * packs));
    if (gradient) zero_padding(gradient, packs * planes);
    const SideGradients<T, L> gradients{side, planes, packs};
    gradients.clear();
    pass.begin();
    P total = {}, length = {};
    P *wanted = problem->loss ? &total : nullptr;
    if (problem->kind == BLV_HVP)
      differentiate<Mode::JET>(wanted);
    else
      differentiate<Mode::VALUE>(wanted);
    FiniteCheck<T> check;
    check.see(total);
    if (gradient) check.see(gradient, packs * planes);
    gradients.finish(check);
    check.template report<L>(status, move.count, -1);
    if (gradient && problem->kind == BLV_EVALUATE) length = norm_over_parameters<T, L>(gradient, packs);
    control([&] { loss = total, norm = length; });
    count_progress(call, 1);
    return true;
  }

  BLV_FUNCTION void report(Index lane, blv_task_info &info) const {
    const Index at = L == Lanes::TASKS ? lane : 0;
    if (problem->loss) info.loss = reinterpret_cast<const T *>(&loss)[at];
    if (gradient && problem->kind == BLV_EVALUATE) info.gradient_norm = reinterpret_cast<const T *>(&norm)[at];
  }

 private:
  template <Mode M>
  BLV_FUNCTION void differentiate(P *total) {
    constexpr bool value = M == Mode::VALUE;
    const Mat at{reinterpret_cast<Element *>(theta), reinterpret_cast<Element *>(vectors), net->size, 0};
    auto *g = reinterpret_cast<Element *>(gradient);
    const Mat result{value ? g : nullptr, value ? nullptr : g, net->size, 0};
    pass.template run<M>(view_all_rows<T, L>(side), at, result, total, nullptr, true);
    add_penalty<M>(side, Matrix<P>{theta, vectors, packs, packs},
                   Matrix<P>{value ? gradient : nullptr, value ? nullptr : gradient, packs, packs}, total, planes,
                   packs, true);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
