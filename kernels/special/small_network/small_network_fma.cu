// SPDX-License-Identifier: Apache-2.0
//
// The kernel for small tanh networks (small_network.h) in fp32. Theta's and the gradient's middle layers stay in
// registers, see small_network_lanes.h. The passes follow kernels/models/network.h; residuals are one column:
//     h1 = tanh(x W1^T + b1),  h2 = tanh(h1 W2^T + b2),  o = h2 W3^T + b3,  e3 = (o - y) / n,
//     e2 = e3 W3 (1 - h2^2),  c1 = e2 W2,  e1 = c1 (1 - h1^2).
// In a tangent pass the suffix d marks the derivative along the gradient. Rates and signs go into e3, so that all that
// follows from it, the tape too, is what is added to theta or to the gradient.
#include "kernels/contract/device_kernel.h"
#include "kernels/special/small_network/small_network_lanes.h"
#include "kernels/special/small_network/small_network_lanes_state.h"
#include "kernels/special/small_network/small_network_task.h"

namespace bilevel {
namespace small_network {

template <class S>
struct alignas(16) FmaMemory {
  float h[S::matrix], hd[S::matrix], e[S::matrix], ed[S::matrix];
  float theta[S::small], gradient[S::small];  // W1, b1, b2, W3, b3
  TaskMemory task;
};

// The passes of Batch.
template <class S>
struct FmaPasses {
  using Shape = S;
  using Part = Slots<S>;
  static constexpr int G = S::group;

  const Arguments &a;
  FmaMemory<S> &m;
  int lane, r, c, home, inputs;  // home h, group of inputs 2 r + b
  MiddlePart<S> theta, gradient;

  BLV_DEVICE FmaPasses(const Arguments &arguments, FmaMemory<S> &memory) : a(arguments), m(memory) {
    lane = static_cast<int>(threadIdx.x), r = lane >> 3, c = lane & 7, home = c >> 1, inputs = 2 * r + (c & 1);
  }

  // ---- States -------------------------------------------------------------------------------------------------------

  BLV_DEVICE void load_theta(const float *from) {
    load_state(opaque(lane), theta, m.theta, from);
    if (lane < S::small - S::b3 - 1) m.gradient[S::b3 + 1 + lane] = 0;
  }
  BLV_DEVICE void keep_theta(float *to) const { keep_state(lane, to, theta, m.theta); }
  BLV_DEVICE void bring_theta(const float *from) { bring_state(lane, theta, m.theta, from); }
  BLV_DEVICE void wait() { __syncwarp(); }
  BLV_DEVICE Check check_theta() const { return check_state(opaque(lane), theta, m.theta); }
  BLV_DEVICE Check check_gradient() const { return check_state(opaque(lane), gradient, m.gradient); }
  BLV_DEVICE Check check_kept(const float *slab) const {
    Check result;
    strided_for<S::state>(opaque(lane), [&](int i) { result.see(slab[i]); });
    return result;
  }
  BLV_DEVICE void store_theta(float *to, bool failed) const { store_state(opaque(lane), to, theta, m.theta, failed); }
  BLV_DEVICE void store_gradient(float *to, bool failed) const {
    store_state(opaque(lane), to, gradient, m.gradient, failed);
  }
  BLV_DEVICE void add_gradient(float *to, bool first) const { add_state(lane, to, gradient, m.gradient, first); }

  // ---- Passes -------------------------------------------------------------------------------------------------------

  BLV_DEVICE void step(float *tape) { value<true>(tape); }
  BLV_DEVICE float outer() { return value<false>(nullptr); }

  // Inner: theta -= rate g. Outer: gradient = g.
  template <bool inner>
  BLV_DEVICE float value(float *tape) {
    const int side = inner ? 0 : 1;
    const float scale = inner ? -m.task.rate : 1.f;
    Part h1;
    {
      const Group<S> w = vector_part<S>(m.theta + S::w1, inputs), b = vector_part<S>(m.theta + S::b1, inputs);
      fill(h1, [&](int s, int i) { return fast_tanh(fmaf(m.task.x[side][S::point(s, home)], w.v[i], b.v[i])); });
    }
    store_slots(m.h, inputs_of_home(), home, h1);
    __syncwarp();
    Part h2 = product<S, 1>(inputs_of_r(), {{m.h, theta}});
    const Group<S> b2 = vector_part<S>(m.theta + S::b2, c), w3 = vector_part<S>(m.theta + S::w3, c);
    fill(h2, [&](int s, int j) { return fast_tanh(h2.v[s][j] + b2.v[j]); });
    float e3[S::slots], residual[S::slots], loss = 0;
    outputs(residual, [&](int s, int j) { return h2.v[s][j] * w3.v[j]; });
#pragma unroll
    for (int s = 0; s < S::slots; s++) {
      residual[s] += m.theta[S::b3] - m.task.y[side][S::point(s, r)];
      e3[s] = weight(side, s) * residual[s];
      loss = fmaf(counted(s, r) * e3[s], residual[s], loss);
      e3[s] *= scale;
    }
    Part e2;
    fill(e2, [&](int s, int j) { return e3[s] * w3.v[j] * slope(h2.v[s][j]); });
    store_slots(m.e, outputs_of_r(), r, e2);
    __syncwarp();
    update_outputs(
        inner ? m.theta : m.gradient, inner, [&](int s, int j) { return e2.v[s][j]; },
        [&](int s, int j) { return h2.v[s][j] * e3[s]; }, e3);
    const Part c1 = product_transposed<S, 1>(outputs_of_home(), {{m.e, theta}});
    if (!inner) {
#pragma unroll
      for (int k = 0; k < S::rows * G; k++) gradient.v[k / G][k % G] = 0;
    }
    add_outer_product(inner ? theta : gradient, inputs_of_r(), m.h, outputs_of_r(), m.e);
    if (inner) keep_tape<S>(lane, tape, h1, h2, c1, e3);
    update_inputs(inner ? m.theta : m.gradient, inner, side,
                  [&](int s, int i) { return c1.v[s][i] * slope(h1.v[s][i]); });
    __syncwarp();
    return c == 0 ? loss : 0.f;
  }

  // gradient -= rate H gradient. Values are the tape's.
  BLV_DEVICE void adjoint(const float *tape) {
    {
      Part h1, h1d;
      load_tape<0>(lane, h1, tape);
      const Group<S> w = vector_part<S>(m.gradient + S::w1, inputs), b = vector_part<S>(m.gradient + S::b1, inputs);
      fill(h1d, [&](int s, int i) { return slope(h1.v[s][i]) * fmaf(m.task.x[0][S::point(s, home)], w.v[i], b.v[i]); });
      store_slots(m.h, inputs_of_home(), home, h1);
      store_slots(m.hd, inputs_of_home(), home, h1d);
    }
    __syncwarp();
    Part h2d = product<S, 2>(inputs_of_r(), {{m.h, gradient}, {m.hd, theta}});
    tangent_of_outputs(h2d, tape);
    const Part c1d = product_transposed<S, 2>(outputs_of_home(), {{m.e, gradient}, {m.ed, theta}});
    add_outer_product(gradient, inputs_of_r(), m.hd, outputs_of_r(), m.e);
    add_outer_product(gradient, inputs_of_r(), m.h, outputs_of_r(), m.ed);
    Part h1, h1d, c1;
    load_tape<0>(lane, h1, tape);
    load_tape<2 * S::slots * G>(lane, c1, tape);
    load_slots(h1d, inputs_of_home(), m.hd);
    update_inputs(m.gradient, true, 0, [&](int s, int i) {
      return fmaf(slope(h1.v[s][i]), c1d.v[s][i], -2.f * c1.v[s][i] * h1.v[s][i] * h1d.v[s][i]);
    });
    __syncwarp();
  }

  // From the product for h2d to e2 and e2d in shared memory, and what they add to the gradient.
  BLV_DEVICE void tangent_of_outputs(Part &h2d, const float *tape) {
    Part h2, e2, e2d;
    float e3[S::slots], e3d[S::slots];
    load_tape<S::slots * G>(lane, h2, tape);
#pragma unroll
    for (int s = 0; s < S::slots; s++) e3[s] = tape_entry(lane, tape, 3 * S::slots * G + s);
    const Group<S> b2d = vector_part<S>(m.gradient + S::b2, c), w3 = vector_part<S>(m.theta + S::w3, c),
                   w3d = vector_part<S>(m.gradient + S::w3, c);
    fill(h2d, [&](int s, int j) { return slope(h2.v[s][j]) * (h2d.v[s][j] + b2d.v[j]); });
    outputs(e3d, [&](int s, int j) { return fmaf(h2d.v[s][j], w3.v[j], h2.v[s][j] * w3d.v[j]); });
#pragma unroll
    for (int s = 0; s < S::slots; s++) e3d[s] = -m.task.rate * weight(0, s) * (e3d[s] + m.gradient[S::b3]);
    fill(e2d, [&](int s, int j) {
      const float h = h2.v[s][j], e = e3[s] * w3.v[j], ed = fmaf(e3d[s], w3.v[j], e3[s] * w3d.v[j]);
      e2.v[s][j] = e * slope(h);
      return fmaf(slope(h), ed, -2.f * e * h * h2d.v[s][j]);
    });
    store_slots(m.e, outputs_of_r(), r, e2);
    store_slots(m.ed, outputs_of_r(), r, e2d);
    __syncwarp();
    update_outputs(
        m.gradient, true, [&](int s, int j) { return e2d.v[s][j]; },
        [&](int s, int j) { return fmaf(h2d.v[s][j], e3[s], h2.v[s][j] * e3d[s]); }, e3d);
  }

 private:
  BLV_DEVICE Place<S> inputs_of_r() const { return {opaque(inputs), r}; }
  BLV_DEVICE Place<S> inputs_of_home() const { return {opaque(inputs), home}; }
  BLV_DEVICE Place<S> outputs_of_r() const { return {opaque(c), r}; }
  BLV_DEVICE Place<S> outputs_of_home() const { return {opaque(c), home}; }
  // Of the two lanes that share a slot, one counts it.
  static BLV_DEVICE float counted(int s, int of_home) { return S::is_shared(s) && (of_home & 1) != 0 ? 0.f : 1.f; }
  BLV_DEVICE float weight(int side, int s) const { return S::point(s, r) < a.rows[side] ? a.inverse_rows[side] : 0.f; }

  template <class F>
  static BLV_DEVICE void fill(Part &x, F f) {
#pragma unroll
    for (int s = 0; s < S::slots; s++) {
#pragma unroll
      for (int i = 0; i < G; i++) x.v[s][i] = f(s, i);
    }
  }
  // Sums over all features of f(s, j), for the points of home r; valid in all lanes.
  template <class F>
  BLV_DEVICE void outputs(float (&o)[S::slots], F f) const {
#pragma unroll
    for (int s = 0; s < S::slots; s++) {
      o[s] = 0;
#pragma unroll
      for (int j = 0; j < G; j++) o[s] += f(s, j);
#pragma unroll
      for (int distance = 1; distance < 8; distance *= 2) o[s] += __shfl_xor_sync(all_lanes, o[s], distance);
    }
  }
  // Sums over all points of f(s, i); valid in all lanes of a group.
  template <class F>
  static BLV_DEVICE Group<S> point_sums(int of_home, int distance, F f) {
    Group<S> sum;
#pragma unroll
    for (int i = 0; i < G; i++) {
      sum.v[i] = 0;
#pragma unroll
      for (int s = 0; s < S::slots; s++) sum.v[i] = fmaf(counted(s, of_home), f(s, i), sum.v[i]);
      sum.v[i] += __shfl_xor_sync(all_lanes, sum.v[i], distance);
      sum.v[i] += __shfl_xor_sync(all_lanes, sum.v[i], 2 * distance);
    }
    return sum;
  }
  template <class B, class W>
  BLV_DEVICE void update_outputs(float *small, bool add, B b2, W w3, const float (&e3)[S::slots]) {
    const Group<S> b = point_sums(r, 8, b2), w = point_sums(r, 8, w3);
    float sum = 0;
#pragma unroll
    for (int s = 0; s < S::slots; s++) sum = fmaf(counted(s, r), e3[s], sum);
    sum += __shfl_xor_sync(all_lanes, sum, 8), sum += __shfl_xor_sync(all_lanes, sum, 16);
    if (r == 0) add_to_vector<S>(small + S::b2, c, b.v, add), add_to_vector<S>(small + S::w3, c, w.v, add);
    if (lane == 0) small[S::b3] = add ? small[S::b3] + sum : sum;
  }
  template <class E>
  BLV_DEVICE void update_inputs(float *small, bool add, int side, E e1) {
    Part e;
    fill(e, e1);
    const Group<S> w = point_sums(home, 2, [&](int s, int i) { return e.v[s][i] * m.task.x[side][S::point(s, home)]; });
    const Group<S> b = point_sums(home, 2, [&](int s, int i) { return e.v[s][i]; });
    if (home == 0) add_to_vector<S>(small + S::w1, inputs, w.v, add), add_to_vector<S>(small + S::b1, inputs, b.v, add);
  }
};

// On a multiprocessor: with 255 registers each, or with 168.
template <class S>
constexpr int warps_of_fma = S::width == 32 ? 12 : 8;

// budget: unroll_small<FmaShape<40, 10>> sm_90 registers <= 249, spill <= 0 bytes, shared <= 8032 bytes, occupancy >= 8 warps
// budget: unroll_small<FmaShape<40, 16>> sm_90 registers <= 239, spill <= 0 bytes, shared <= 11872 bytes, occupancy >= 8 warps
// budget: unroll_small<FmaShape<32, 10>> sm_90 registers <= 166, spill <= 0 bytes, shared <= 6496 bytes, occupancy >= 12 warps
// budget: unroll_small<FmaShape<32, 16>> sm_90 registers <= 168, spill <= 0 bytes, shared <= 9568 bytes, occupancy >= 12 warps
template <class S>
__global__ void __launch_bounds__(32, warps_of_fma<S>) unroll_small(const __grid_constant__ Arguments a) {
  __shared__ FmaMemory<S> memory;
  Batch<FmaPasses<S>>{a, memory.task, FmaPasses<S>(a, memory)}.run();
}

// budget: unroll_small_sum sm_90 registers <= 30, spill <= 0 bytes, shared <= 4096 bytes, occupancy >= 64 warps
template <class S>
__global__ void __launch_bounds__(1024) unroll_small_sum(const __grid_constant__ Arguments a) {
  sum_batches<S>(a);
}

namespace {

template <class S>
Instance instance() {
  return make_instance<S, FmaMemory<S>>(warps_of_fma<S>, &unroll_small<S>, &unroll_small_sum<S>);
}

Family family() {
  static const Instance all[] = {instance<FmaShape<32, 10>>(), instance<FmaShape<32, 16>>(),
                                 instance<FmaShape<40, 10>>(), instance<FmaShape<40, 16>>()};
  return {all, sizeof(all) / sizeof(all[0]), false};
}

}  // namespace
}  // namespace small_network

extern const DeviceKernel small_network_f32;
const DeviceKernel small_network_f32 = small_network::device_kernel<&small_network::family>("small_network_f32");

}  // namespace bilevel
