// SPDX-License-Identifier: Apache-2.0
//
// States and tapes of small_network_lanes.h: the middle layer in registers, the small vectors W1, b1, b2, W3, b3 in
// shared memory; between the caller's arrays and the workspace. Called by all lanes of a warp; nothing ends with a
// barrier.
#pragma once
#include "kernels/special/small_network/small_network_lanes.h"

namespace bilevel {
namespace small_network {

BLV_DEVICE float4 &quad(float *x) { return *reinterpret_cast<float4 *>(x); }
BLV_DEVICE float4 quad(const float *x) { return *reinterpret_cast<const float4 *>(x); }

// Entry k of the lane's part, row by row; 0 beyond the last.
template <class S>
BLV_DEVICE float part_entry(const MiddlePart<S> &x, int k) {
  return k < S::rows * S::group ? x.v[k / S::group % S::rows][k % S::group] : 0.f;
}
template <class S>
BLV_DEVICE void set_part_entry(MiddlePart<S> &x, int k, float v) {
  if (k < S::rows * S::group) x.v[k / S::group % S::rows][k % S::group] = v;
}
template <class S>
BLV_DEVICE float4 part_quad(const MiddlePart<S> &x, int k) {
  return {part_entry(x, 4 * k), part_entry(x, 4 * k + 1), part_entry(x, 4 * k + 2), part_entry(x, 4 * k + 3)};
}

// f(k, i): the lane's k-th four entries of a middle layer, at i in a state.
template <class S, class F>
BLV_DEVICE void each_part_quad(int lane, F f) {
#pragma unroll
  for (int k = 0; k < S::quads; k++) f(k, 128 * k + 4 * lane);
}
// f(position in the caller's vector, entry of the small vectors) for W1, b1, b2, W3 and b3.
template <class S, class F>
BLV_DEVICE void each_small(int lane, F f) {
  strided_for<S::width>(lane, [&](int j) {
#pragma unroll
    for (int kind = 0; kind < 4; kind++)
      f(kind * S::width + (kind < 2 ? 0 : S::width * S::width) + j, kind * S::vector + S::entry(j));
  });
  if (lane == 0) f(S::width * S::width + 4 * S::width, S::b3);
}

// ---- The caller's parameter vectors ---------------------------------------------------------------------------------

template <class S>
BLV_DEVICE void load_state(int lane, MiddlePart<S> &x, float *small, const float *from) {
#pragma unroll
  for (int i = 0; i < S::rows; i++) {
#pragma unroll
    for (int j = 0; j < S::group; j++) x.v[i][j] = from[S::parameter_of_entry(lane, i, j)];
  }
  each_small<S>(lane, [&](int parameter, int i) { small[i] = from[parameter]; });
  if (lane < S::small - S::b3 - 1) small[S::b3 + 1 + lane] = 0;
}

template <class S>
BLV_DEVICE void store_state(int lane, float *to, const MiddlePart<S> &x, const float *small, bool failed) {
#pragma unroll
  for (int i = 0; i < S::rows; i++) {
#pragma unroll
    for (int j = 0; j < S::group; j++) to[S::parameter_of_entry(lane, i, j)] = failed ? quiet_nan() : x.v[i][j];
  }
  each_small<S>(lane, [&](int parameter, int i) { to[parameter] = failed ? quiet_nan() : small[i]; });
}

// ---- The workspace --------------------------------------------------------------------------------------------------

template <class S>
BLV_DEVICE void keep_state(int lane, float *to, const MiddlePart<S> &x, const float *small) {
  each_part_quad<S>(lane, [&](int k, int i) { quad(to + i) = part_quad(x, k); });
  strided_for<S::small / 4>(lane, [&](int i) { quad(to + S::quads * 128 + 4 * i) = quad(small + 4 * i); });
}

template <class S>
BLV_DEVICE void bring_state(int lane, MiddlePart<S> &x, float *small, const float *from) {
  each_part_quad<S>(lane, [&](int k, int i) {
    const float4 q = quad(from + i);
    set_part_entry(x, 4 * k, q.x), set_part_entry(x, 4 * k + 1, q.y);
    set_part_entry(x, 4 * k + 2, q.z), set_part_entry(x, 4 * k + 3, q.w);
  });
  strided_for<S::small / 4>(lane, [&](int i) { quad(small + 4 * i) = quad(from + S::quads * 128 + 4 * i); });
}

// to = (first ? 0 : to) + state.
template <class S>
BLV_DEVICE void add_state(int lane, float *to, const MiddlePart<S> &x, const float *small, bool first) {
  const auto add = [&](float *place, float4 v) {
    const float4 old = first ? float4{} : quad(const_cast<const float *>(place));
    quad(place) = {old.x + v.x, old.y + v.y, old.z + v.z, old.w + v.w};
  };
  each_part_quad<S>(lane, [&](int k, int i) { add(to + i, part_quad(x, k)); });
  strided_for<S::small / 4>(lane, [&](int i) { add(to + S::quads * 128 + 4 * i, quad(small + 4 * i)); });
}

template <class S>
BLV_DEVICE Check check_state(int lane, const MiddlePart<S> &x, const float *small) {
  Check check;
#pragma unroll
  for (int k = 0; k < S::rows * S::group; k++) check.see(part_entry(x, k));
  strided_for<S::small>(lane, [&](int i) { check.see(small[i]); });
  return check;
}

// ---- The tape: h1, h2, c1 and e3 of a lane, in fours ----------------------------------------------------------------

template <class S>
BLV_DEVICE void keep_tape(int lane, float *tape, const Slots<S> &h1, const Slots<S> &h2, const Slots<S> &c1,
                          const float (&e3)[S::slots]) {
  constexpr int part = S::slots * S::group;
  const auto entry = [&](int k) {
    const int s = k % part / S::group, i = k % S::group;
    if (k < part) return h1.v[s][i];
    if (k < 2 * part) return h2.v[s][i];
    if (k < 3 * part) return c1.v[s][i];
    return k < 3 * part + S::slots ? e3[k % part % S::slots] : 0.f;
  };
#pragma unroll
  for (int k = 0; k < S::tape_quads; k++)
    quad(tape + 128 * k + 4 * lane) = {entry(4 * k), entry(4 * k + 1), entry(4 * k + 2), entry(4 * k + 3)};
}

// The slots from entry `first` on.
template <int first, class S>
BLV_DEVICE void load_tape(int lane, Slots<S> &x, const float *tape) {
#pragma unroll
  for (int k = first / 4; 4 * k < first + S::slots * S::group; k++) {
    const float4 q = quad(tape + 128 * k + 4 * lane);
    const float v[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int at = 4 * k + i - first;
      if (at >= 0 && at < S::slots * S::group) x.v[at / S::group][at % S::group] = v[i];
    }
  }
}

BLV_DEVICE float tape_entry(int lane, const float *tape, int k) { return tape[k / 4 * 128 + 4 * lane + k % 4]; }

}  // namespace small_network
}  // namespace bilevel
