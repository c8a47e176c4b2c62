// SPDX-License-Identifier: Apache-2.0
//
// bilevel.hpp -- hypergradients in C++20, a thin layer over the C ABI (bilevel.h) and the standard library alone.
//
//     namespace bl = bilevel;
//     bl::Matrix X(x, n, d), Xval(xval, m, d);                             // views of your std::vector<float>
//     auto inner = bl::softmax(X, y).weights(bl::sigmoid(phi)).l2(1e-3);   // row weights sigmoid(phi), penalty 1e-3
//     auto outer = bl::softmax(Xval, yval);
//     auto plan  = bl::unroll(inner, bl::sgd(0.1), 200) | bl::reverse(outer);
//     auto [loss, grad] = plan.hypergradient(phi);                         // outer loss at the end, d loss / d phi
//
// bl::forward(outer) or bl::implicit(outer, bl::cg(1e-6)) in place of bl::reverse(outer) is another method.
//
// Expressions hold views: the arrays must outlive them and keep place and size; their values are read again at each
// call, so a loop may update phi in place. float and double both work and cannot be mixed. What fails throws
// bilevel::Error.
//
// On a CUDA device: a Context of it, arrays as bl::device(pointer, size), and plan.enqueue(memory, bl::into(phi, grad)).
//
//   views.hpp      Matrix, Tensor, device; links exp, sigmoid, softplus; axes per_step, per_task, per_parameter, per_feature
//   objective.hpp  least_squares, logistic, softmax, network; .weights .l2 .no_bias .rows .on; sgd, heavy_ball
//   methods.hpp    reverse, forward, implicit; cg, along
//   unroll.hpp     unroll | reverse -> BilevelPlan: hypergradient, loss, train, check_gradient; derivative, residual
//   evaluation.hpp Evaluation, value_and_gradient, hvp: one loss at given parameters
//   leaves.hpp     from expressions to slots; requests.hpp, engine.hpp, gradient.hpp, forward.hpp: to plans and results
//   handles.hpp    Context, Workspace, Spec, Plan: the C ABI with owners, beneath the expressions; errors.hpp: Error
#ifndef BILEVEL_BILEVEL_HPP
#define BILEVEL_BILEVEL_HPP
#include <bilevel/detail/evaluation.hpp>
#include <bilevel/detail/unroll.hpp>
#endif  // BILEVEL_BILEVEL_HPP
