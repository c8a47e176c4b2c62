// SPDX-License-Identifier: Apache-2.0
//
// The benchmarks' problems, on whatever machine they run: arrays on the host, slots, objectives and method for the C ABI, and the
// work that an ideal program must do. All floating-point data are exact in fp32.
#ifndef BENCH_PROBLEM_H
#define BENCH_PROBLEM_H
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bilevel/bilevel.h"
#include "data.h"

namespace bench {

struct Problem {
  Problem() = default;
  Problem(const Problem &) = delete;  // method points into it
  std::string name;
  int64_t tasks = 1;
  std::vector<int64_t> widths;
  blv_objective inner{}, outer{};
  blv_method evaluate{};
  blv_hvp hvp{};
  blv_unroll unroll{};
  blv_implicit implicit{};
  const blv_method *method = nullptr;
  double flops = 0;  // of the matrix products that are needed
  double bytes = 0;  // least traffic: inputs read once, outputs written once

  // One array per slot: 4-byte elements, floats or class indices.
  std::vector<blv_slot> slots;
  std::vector<void *> data;
  std::vector<int64_t> counts;
  int64_t result_slot = -1;  // the gradient that is the workload's result

  const float *result() const { return static_cast<const float *>(data[static_cast<size_t>(result_slot)]); }
  int64_t result_count() const { return counts[static_cast<size_t>(result_slot)]; }
  // What it points to is this problem's.
  blv_spec spec(int dtype, int executor, int flags) const;

  // For the makers.
  void slot(int side, int leaf, int use, void *array, int64_t count, int64_t task_stride, int extent = 0, int link = 0,
            int dtype = BLV_F32);
  template <class T = float, class Fill>
  T *values(int side, int leaf, int64_t count, int64_t task_stride, Fill fill, int extent = 0, int link = 0) {
    static_assert(sizeof(T) == 4);
    T *p = static_cast<T *>(array(count));
    for (int64_t i = 0; i < count; ++i) p[i] = fill(i);
    slot(side, leaf, BLV_VALUE, p, count, task_stride, extent, link, dtype_of(T{}));
    return p;
  }
  void gradient(int side, int leaf, int64_t count, int64_t task_stride, int extent = 0);

 private:
  static int dtype_of(float) { return BLV_F32; }
  static int dtype_of(int32_t) { return BLV_I32; }
  void *array(int64_t count);
  std::vector<Memory> memory_;
};

// Sinusoid regression (Finn, Abbeel, Levine, ICML 2017): 1-40-40-1 tanh, 10 inner and 10 outer rows, dL_out/dtheta_0 summed over tasks.
void make_sine(Problem *p, int64_t tasks, int64_t steps);
// Hyper-cleaning: softmax regression on n weighted rows, weights sigmoid(phi), dL_out/dphi on n_outer validation rows.
void make_cleaning(Problem *p, int64_t n, int64_t n_outer, int64_t d, int64_t c, int64_t steps);
// Hyper-cleaning by a tanh network that is trained on minibatches of `batch` rows with heavy ball; dL_out/dphi as above.
void make_minibatches(Problem *p, int64_t n, int64_t n_outer, std::vector<int64_t> widths, int64_t batch,
                      int64_t steps);
// Logistic regression, one penalty exp(phi_j) per feature, every task with rows and penalties of its own; dL_out/dphi per task.
void make_hpo(Problem *p, int64_t tasks, int64_t n, int64_t d, int64_t steps);
// The same with features of different scales, at given parameters: dL_out/dphi by `iterations` of CG, n_outer validation rows.
void make_implicit(Problem *p, int64_t tasks, int64_t n, int64_t n_outer, int64_t d, int64_t iterations);
// H v_k of the mean logistic loss, for K vectors.
void make_hvp(Problem *p, int64_t n, int64_t d, int64_t vectors);
// Loss and its gradient with respect to the parameters: tanh network, squared loss, every task with rows and parameters of its own.
void make_evaluate(Problem *p, int64_t tasks, int64_t n, std::vector<int64_t> widths);

}  // namespace bench
#endif
