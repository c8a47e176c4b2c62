// SPDX-License-Identifier: Apache-2.0
//
// Methods EVALUATE and HVP. EVALUATE: one pass in mode VALUE gives L and dL/dleaf for every leaf. HVP: one pass in mode
// JET at theta + eps v_k gives d(grad L)/deps = H v_k, and at every other leaf the cross product (d2 L / dleaf dtheta)
// v_k.
#pragma once
#include "kernels/core/group_run.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct Evaluate {
  using Element = typename Transfer<T, L>::Element;
  using Mat = Matrix<Element>;
  using P = Pack<T>;

  const Problem *problem = nullptr;
  const NetworkView *net = nullptr;
  long planes = 1, packs = 0;
  Pass<T, L> pass;
  SideData<T, L> side;
  P *theta = nullptr, *vectors = nullptr, *gradient = nullptr;
  P loss = {}, norm = {};

  static long tangent_planes(const Problem &p) { return p.kind == BLV_HVP ? p.vectors : 0; }
  static long most_rows(const Problem &p) { return p.inner.rows; }
  static int64_t progress(const Problem &) { return 1; }

  void layout(Arena &arena, const Problem &p, const NetworkView &network) {
    problem = &p, net = &network;
    planes = p.kind == BLV_HVP ? p.vectors : 1, packs = parameter_packs<T, L>(network);
    theta = arena.take<P>(packs);
    vectors = p.kind == BLV_HVP ? arena.take<P>(packs * planes) : nullptr;
    gradient = p.theta.gradient ? arena.take<P>(packs * planes) : nullptr;
    side.layout(arena, p.inner, BLV_INNER, network, p.inner.rows, planes, packs);
  }

  template <class Visitor>
  void visit(Visitor &visitor) const {
    if (problem->loss) visitor.run(problem->loss, 0, 0, 1, 1, reinterpret_cast<const Element *>(&loss));
    visit_parameters(visitor, *net, problem->theta.gradient, planes, reinterpret_cast<const Element *>(gradient));
    visit_side(visitor, side, planes);
  }

  bool run(const Transfer<T, L> &move, const Call &call, TaskStatus *status) {
    if (is_cancelled(call)) return false;
    side.load(move, status);
    load_parameters<T, L>(move, *net, problem->theta.value, 0, reinterpret_cast<Element *>(theta));
    for (long k = 0; vectors && k < planes; k++)
      load_parameters<T, L>(move, *net, problem->vector, k, reinterpret_cast<Element *>(vectors + k * packs));
    const SideGradients<T, L> gradients{side, planes, packs};
    gradients.clear();
    loss = P{};
    P *total = problem->loss ? &loss : nullptr;
    if (problem->kind == BLV_HVP)
      differentiate<Mode::JET>(total);
    else
      differentiate<Mode::VALUE>(total);
    FiniteCheck<T> check;
    if (total) check.see(loss);
    if (gradient) check.see(gradient, packs * planes);
    gradients.finish(check);
    check.template report<L>(status, move.count, -1);
    if (gradient && problem->kind == BLV_EVALUATE) norm = norm_over_parameters<T, L>(gradient, packs);
    count_progress(call, 1);
    return true;
  }

  void report(long lane, blv_task_info &info) const {
    const long at = L == Lanes::TASKS ? lane : 0;
    if (problem->loss) info.loss = loss[at];
    if (gradient && problem->kind == BLV_EVALUATE) info.gradient_norm = norm[at];
  }

 private:
  template <Mode M>
  void differentiate(P *total) {
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
