// SPDX-License-Identifier: Apache-2.0
//
// The kernel for small tanh networks (small_network.h) with matrix products on tensor cores, each as three of TF32. The
// passes follow kernels/models/network.h, notation likewise; residuals are one column:
//     h1 = tanh(x W1^T + b1),  h2 = tanh(h1 W2^T + b2),  o = h2 W3^T + b3,  e3 = (o - y) / n,
//     e2 = e3 W3 (1 - h2^2),  c1 = e2 W2,  e1 = c1 (1 - h1^2).
// In a tangent pass the suffix d marks the derivative along the state V. Rates and signs go into e3, so that all that
// follows from it, the tape too, is what is added to theta or to V.
#include "kernels/contract/device_kernel.h"
#include "kernels/special/small_network/small_network_mma.h"
#include "kernels/special/small_network/small_network_task.h"

namespace bilevel {
namespace small_network {

constexpr int warps_by_registers = 12;  // 168 registers

constexpr int larger(int a, int b) { return a > b ? a : b; }

// Shared memory of a block. The outer products' operands overlap V while V is not alive, or W once theta is no longer needed.
template <class S>
struct alignas(16) SplitMemory {
  static constexpr int sums = 8 * S::stride;
  float W[larger(S::state, 4 * S::matrix + sums)];  // theta_t
  float V[larger(S::state, 2 * S::matrix + sums)];  // the gradient with respect to it
  float spare[S::matrix];                           // for what would occupy registers while W is still needed
  TaskMemory task;
};

// The passes of Batch.
template <class S>
struct SplitPasses {
  using Shape = S;
  using Mat = Matrix<S>;
  static constexpr int H = S::width;
  static constexpr int w1 = S::middle, b1 = w1 + H, w3 = b1 + H, b3 = w3 + H, b2 = S::row(H);  // in a state

  const Arguments &a;
  SplitMemory<S> &m;
  MmaLane lane;

  BLV_DEVICE void load_theta(const float *from) { small_network::load_theta<S>(lane, m.W, from); }
  BLV_DEVICE void keep_theta(float *to) const { copy_state<S>(lane, to, m.W); }
  BLV_DEVICE void bring_theta(const float *from) { start_copy<S>(lane, m.W, from); }
  BLV_DEVICE void wait() { wait_for_copy(); }
  BLV_DEVICE Check check_theta() const { return check_state<S>(lane, m.W); }
  BLV_DEVICE Check check_gradient() const { return check_state<S>(lane, m.V); }
  BLV_DEVICE Check check_kept(const float *slab) const { return check_state<S>(lane, slab); }
  BLV_DEVICE void store_theta(float *to, bool failed) const { small_network::store_theta<S>(lane, to, m.W, failed); }
  BLV_DEVICE void store_gradient(float *to, bool failed) const { small_network::store_theta<S>(lane, to, m.V, failed); }
  BLV_DEVICE void add_gradient(float *to, bool first) const { add_state<S>(lane, to, m.V, first); }

  BLV_DEVICE void step(float *tape) { gradient<true>(tape); }
  BLV_DEVICE float outer() {
    const float loss = gradient<false>(nullptr);
    clear_padding<S>(lane, m.V);
    __syncwarp();
    return loss;
  }

  // Inner: theta -= rate g. Outer: V = g. The products' operands lie in V, which is not alive, or in W, no longer
  // needed.
  template <bool inner>
  BLV_DEVICE float gradient(float *tape) {
    const float scale = inner ? -m.task.rate : 1.f;
    const float *x = m.task.x[inner ? 0 : 1], *y = m.task.y[inner ? 0 : 1];
    Mat h1, h2, c1;
    forward(x, h1, h2);
    const Features<S> weight3(lane, m.W + w3);
    float o[2], r[2], e3[2];
    row_sums<S>(o, [&](int k, int i) { return h2.v[k][i] * weight3.v[k][i & 1]; });
    const RowWeights weights(lane, a, inner ? 0 : 1);
#pragma unroll
    for (int i = 0; i < 2; i++) r[i] = o[i] + m.W[b3] - y[lane.g + 8 * i], e3[i] = weights.of[i] * r[i];
    const float twice_loss = e3[0] * r[0] + e3[1] * r[1];
    e3[0] *= scale, e3[1] *= scale;
    Mat e2;
    fill(e2, [&](int k, int i) { return e3[i >> 1] * weight3.v[k][i & 1] * slope(h2.v[k][i]); });
    product<Middle::TRANSPOSED>(lane, a.high_part, c1, e2, m.W);
    float *h = inner ? m.V : m.W, *e = h + S::matrix, *sums = e + S::matrix;
    __syncwarp();  // W is read
    store<S>(lane, h, h1);
    store<S>(lane, e, e2);
    __syncwarp();
    outer_products<S, inner>(lane, a.high_part, inner ? m.W : m.V, {Term{h, e, 1.f}});
    if (inner) keep(tape, h1, h2, c1, e3);
    __syncwarp();  // the operands are read
    store_partial_sums<S>(lane, sums, [&](int k, int i) { return h2.v[k][i] * e3[i >> 1]; });
    fill(c1, [&](int k, int i) { return c1.v[k][i] * slope(h1.v[k][i]); });  // e1
    const float points[2] = {x[lane.g], x[lane.g + 8]};
    store_partial_sums<S>(lane, h, [&](int k, int i) { return c1.v[k][i] * points[i >> 1]; });
    store_partial_sums<S>(lane, e, [&](int k, int i) { return c1.v[k][i]; });
    update_small<S>(lane, (inner ? m.W : m.V) + S::middle, inner, h, e, sums, e3[0] + e3[1]);
    return lane.t == 0 ? twice_loss : 0.f;
  }

  BLV_DEVICE void forward(const float *x, Mat &h1, Mat &h2) const {
    {
      const Features<S> weight(lane, m.W + w1), bias(lane, m.W + b1);
      const float points[2] = {x[lane.g], x[lane.g + 8]};
      fill(h1, [&](int k, int i) { return fast_tanh(fmaf(points[i >> 1], weight.v[k][i & 1], bias.v[k][i & 1])); });
    }
    product<Middle::AS_IT_IS>(lane, a.high_part, h2, h1, m.W);
    const Features<S> bias(lane, m.W + b2);
    fill(h2, [&](int k, int i) { return fast_tanh(h2.v[k][i] + bias.v[k][i & 1]); });
  }

  BLV_DEVICE void keep(float *tape, const Mat &h1, const Mat &h2, const Mat &c1, const float (&e3)[2]) const {
    store_tape<S>(lane, tape, h1);
    store_tape<S>(lane, tape + S::plane, h2);
    store_tape<S>(lane, tape + 2 * S::plane, c1);
    if (lane.t == 0) tape[3 * S::plane + lane.g] = e3[0], tape[3 * S::plane + lane.g + 8] = e3[1];
  }

  // V -= rate H V. Values are the tape's; the operands of the outer products lie in W.
  BLV_DEVICE void adjoint(const float *tape) {
    Mat h1, h2, h1d, h2d, d;
    load_tape<S>(lane, h1, tape);
    load_tape<S>(lane, h2, tape + S::plane);
    const float e3[2] = {tape[3 * S::plane + lane.g], tape[3 * S::plane + lane.g + 8]};
    forward_tangent(h1, h2, h1d, h2d);
    store<S>(lane, m.spare, h1d);
    Mat e2, e2d;
    float e3d[2];
    const Features<S> weight3(lane, m.W + w3), weight3d(lane, m.V + w3);
    row_sums<S>(
        e3d, [&](int k, int i) { return fmaf(h2d.v[k][i], weight3.v[k][i & 1], h2.v[k][i] * weight3d.v[k][i & 1]); });
    const RowWeights weights(lane, a, 0);
#pragma unroll
    for (int i = 0; i < 2; i++) e3d[i] = -m.task.rate * weights.of[i] * (e3d[i] + m.V[b3]);
    fill(e2d, [&](int k, int i) {
      const float w = weight3.v[k][i & 1], wd = weight3d.v[k][i & 1], h = h2.v[k][i];
      const float c = e3[i >> 1] * w, cd = fmaf(e3d[i >> 1], w, e3[i >> 1] * wd);
      e2.v[k][i] = c * slope(h);
      return fmaf(slope(h), cd, -2.f * c * h * h2d.v[k][i]);
    });
    float weight3_sums[Mat::tiles][2];  // over the lane's rows
#pragma unroll
    for (int k = 0; k < Mat::tiles; k++) {
#pragma unroll
      for (int i = 0; i < 2; i++)
        weight3_sums[k][i] =
            fmaf(h2d.v[k][i], e3[0], h2.v[k][i] * e3d[0]) + fmaf(h2d.v[k][i + 2], e3[1], h2.v[k][i + 2] * e3d[1]);
    }
    product<Middle::TRANSPOSED>(lane, a.high_part, d, e2, m.V);
    product<Middle::TRANSPOSED>(lane, a.high_part, d, e2d, m.W);
    float *h = m.W, *hd = m.spare, *e = h + S::matrix, *ed = e + S::matrix, *sums = ed + S::matrix;
    float *c1d = sums + SplitMemory<S>::sums;
    __syncwarp();  // W is read
    store_partial_sums<S>(lane, sums, [&](int k, int i) { return i < 2 ? weight3_sums[k][i] : 0.f; });
    store<S>(lane, h, h1);
    store<S>(lane, e, e2);
    store<S>(lane, ed, e2d);
    store<S>(lane, c1d, d);
    __syncwarp();
    outer_products<S, true>(lane, a.high_part, m.V, {Term{hd, e, 0.f}, Term{h, ed, 1.f}});
    Mat c1;
    load_tape<S>(lane, c1, tape + 2 * S::plane);
    load<S>(lane, h1, h);  // cheaper than registers held through the products
    load<S>(lane, h1d, hd);
    load<S>(lane, d, c1d);
    __syncwarp();                // the operands are read
    fill(d, [&](int k, int i) {  // e1d
      return fmaf(slope(h1.v[k][i]), d.v[k][i], -2.f * c1.v[k][i] * h1.v[k][i] * h1d.v[k][i]);
    });
    const float points[2] = {m.task.x[0][lane.g], m.task.x[0][lane.g + 8]};
    store_partial_sums<S>(lane, h, [&](int k, int i) { return d.v[k][i] * points[i >> 1]; });
    store_partial_sums<S>(lane, hd, [&](int k, int i) { return d.v[k][i]; });
    update_small<S>(lane, m.V + S::middle, true, h, hd, sums, e3d[0] + e3d[1]);
  }

  BLV_DEVICE void forward_tangent(const Mat &h1, const Mat &h2, Mat &h1d, Mat &h2d) {
    {
      const float points[2] = {m.task.x[0][lane.g], m.task.x[0][lane.g + 8]};
      const Features<S> weight(lane, m.V + w1), bias(lane, m.V + b1);
      fill(h1d, [&](int k, int i) {
        return slope(h1.v[k][i]) * fmaf(points[i >> 1], weight.v[k][i & 1], bias.v[k][i & 1]);
      });
    }
    product<Middle::AS_IT_IS>(lane, a.high_part, h2d, h1, m.V);
    wait_for_copy();  // of W
    product<Middle::AS_IT_IS>(lane, a.high_part, h2d, h1d, m.W);
    const Features<S> bias(lane, m.V + b2);
    fill(h2d, [&](int k, int i) { return slope(h2.v[k][i]) * (h2d.v[k][i] + bias.v[k][i & 1]); });
  }
};

// budget: unroll_small_split_tf32<Shape<40, 10>> sm_90 registers <= 168, spill <= 0 bytes, shared <= 16976 bytes, occupancy >= 12 warps
// budget: unroll_small_split_tf32<Shape<40, 16>> sm_90 registers <= 168, spill <= 64 bytes, shared <= 21776 bytes, occupancy >= 10 warps
// budget: unroll_small_split_tf32<Shape<32, 10>> sm_90 registers <= 168, spill <= 64 bytes, shared <= 15504 bytes, occupancy >= 12 warps
// budget: unroll_small_split_tf32<Shape<32, 16>> sm_90 registers <= 168, spill <= 64 bytes, shared <= 20800 bytes, occupancy >= 10 warps
// What spills are addresses that depend on the lane alone, a few loads a pass or a task.
template <class S>
__global__ void __launch_bounds__(32, warps_by_registers) unroll_small_split_tf32(const __grid_constant__ Arguments a) {
  __shared__ SplitMemory<S> memory;
  Batch<SplitPasses<S>>{a, memory.task, {a, memory, this_lane()}}.run();
}

// budget: unroll_small_split_tf32_sum sm_90 registers <= 30, spill <= 0 bytes, shared <= 4096 bytes, occupancy >= 64 warps
template <class S>
__global__ void __launch_bounds__(1024) unroll_small_split_tf32_sum(const __grid_constant__ Arguments a) {
  sum_batches<S>(a);
}

namespace {

template <class S>
Instance instance() {
  return make_instance<S, SplitMemory<S>>(warps_by_registers, &unroll_small_split_tf32<S>,
                                          &unroll_small_split_tf32_sum<S>);
}

Family family() {
  static const Instance all[] = {instance<Shape<32, 10>>(), instance<Shape<32, 16>>(), instance<Shape<40, 10>>(),
                                 instance<Shape<40, 16>>()};
  return {all, sizeof(all) / sizeof(all[0]), true};
}

}  // namespace
}  // namespace small_network

extern const DeviceKernel small_network_split_tf32;
const DeviceKernel small_network_split_tf32 =
    small_network::device_kernel<&small_network::family>("small_network_split_tf32");

}  // namespace bilevel
