// SPDX-License-Identifier: Apache-2.0
//
// The memory of a minibatch: the matrices that rows are gathered into before a pass. Gathering and scattering are the machine's
// (kernels/task/cpu/minibatch.h, kernels/task/cuda/minibatch.h).
#pragma once
#include "kernels/contract/problem.h"
#include "kernels/task/rows.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class View>
struct MinibatchRows {
  using Mat = Matrix<typename View::Element>;

  const Slot *indices = nullptr;
  View view;
  Index n = 0, planes = 0;

  // `capacity`: n rows, with the padding of a matrix of rows.
  template <class Arena, class SideValues>
  BLV_HOST_DEVICE void layout_rows(Arena &arena, const TaskProblem &problem, const SideValues &inner, Index capacity) {
    n = Index(problem.batch_rows);
    if (n == 0) return;
    indices = &problem.batch;
    const Side &spec = *inner.spec;
    const NetworkView &net = *inner.net;
    view.loss = spec.loss, view.index_targets = spec.index_targets != 0;
    view.n = n, view.rows = capacity;
    planes = inner.tangent_planes;
    view.x = matrix(arena, net.x_ld, bool(spec.x.tangent));
    view.y = matrix(arena, spec.index_targets ? 1 : net.layers[net.n_layers - 1].output_ld, bool(spec.y.tangent));
    if (spec.weight.value) view.weight = matrix(arena, 1, bool(spec.weight.tangent));
    if (spec.x.gradient) view.x_gradient = matrix(arena, inner.x_gradient.ld);
    if (spec.y.gradient) view.y_gradient = matrix(arena, inner.y_gradient.ld);
    if (spec.weight.gradient) view.weight_gradient = matrix(arena, 1);
  }

 private:
  template <class Arena>
  BLV_HOST_DEVICE Mat matrix(Arena &arena, Index ld, bool tangents = false) const {
    const long long size = (long long)(view.rows) * ld;
    Mat m{arena.template take<typename View::Element>(size), nullptr, Index(size), ld};
    if (tangents) m.d = arena.template take<typename View::Element>(size * planes);
    return m;
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
