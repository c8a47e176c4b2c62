// SPDX-License-Identifier: Apache-2.0
//
// Matrices rows x features of one task, and the middle layer, spread over a warp for products in fp32. Features lie in
// eight groups, points (rows) at four homes. Lane 8 r + c, c = 2 h + b, has of the middle layer (inputs x outputs) the
// inputs of groups 2 r + b and 2 r + 1 - b, in this order, and the outputs of group c, all in registers. Operands are
// read from shared memory, partial sums are folded over the lanes in three steps: which points, or inputs, a lane keeps
// depends on the lane, but in its own order they come first, so that no step needs a selection. What remains is
//     by outputs: group c, the points of home r;    by inputs: group 2 r + b, the points of home h.
// Point 4 s + m is slot s of home m; with ten points, slot 2 is point 8 for homes 0 and 1, point 9 for homes 2 and 3.
#pragma once
#include "kernels/special/small_network/small_network_device.h"

namespace bilevel {
namespace small_network {

template <int width_, int points_>
struct FmaShape {
  static constexpr int width = width_, points = points_;
  static constexpr int group = width / 8;
  static_assert(width == 32 || width == 40, "groups of features are one float4, or one and a float");
  static_assert(points == 10 || points == 16, "the order of the points is written for these");
  static constexpr int slots = points == 10 ? 3 : 4;  // points of a lane, the last of ten shared with another
  static constexpr int half = points / 2, chunk = points == 10 ? 5 : 4;
  static BLV_DEVICE constexpr bool is_shared(int s) { return points == 10 && s == 2; }
  static BLV_DEVICE constexpr int slot_of(int q) { return q % half % slots; }
  // The home of point q is the lane's home ^ this.
  static BLV_DEVICE constexpr int home_of(int q) { return q / half * 2 + q % half / slots; }
  static BLV_DEVICE int point(int s, int home) { return is_shared(s) ? 8 + (home >> 1) : 4 * s + home; }
  static constexpr int matrix = points * width;  // [point][8][4] (swizzled), then [point][8]
  static constexpr int vector = width;           // [8][4], then [8]
  static constexpr int w1 = 0, b1 = vector, b2 = 2 * vector, w3 = 3 * vector, b3 = 4 * vector;
  static constexpr int small = 4 * vector + 4;
  static constexpr int rows = 2 * group;                // inputs of a lane
  static constexpr int quads = (rows * group + 3) / 4;  // of a lane's part of the middle layer
  static constexpr int state = quads * 128 + small;     // [quads][lane][4], then the vectors
  static constexpr int tape_quads = (3 * slots * group + slots + 3) / 4;
  static constexpr int tape = tape_quads * 128;  // [tape_quads][lane][4]: h1, h2, c1, e3
  static constexpr int step = (state + tape + 31) / 32 * 32;
  static constexpr int partial = (state + 31) / 32 * 32;

  // Where feature j of a vector is; which feature entry i is.
  static BLV_DEVICE int entry(int j) { return j % group < 4 ? j / group * 4 + j % group : 32 + j / group; }
  static BLV_DEVICE int feature(int i) { return i < 32 ? i / 4 * group + i % 4 : (i - 32) * group + 4; }
  // Which parameter of the caller's vector entry i of a state is; -1: none, padding.
  static BLV_DEVICE int parameter(int i) {
    if (i >= quads * 128) {
      const int q = i - quads * 128, kind = q / vector, j = q % vector;
      if (q > b3) return -1;
      if (q == b3) return width * width + 4 * width;
      return kind * width + feature(j) + (kind < 2 ? 0 : width * width);
    }
    const int lane = i / 4 % 32, k = i / 128 * 4 + i % 4;
    return k < rows * group ? parameter_of_entry(lane, k / group, k % group) : -1;
  }
  // Of W2[input i of the lane][output j of the lane].
  static BLV_DEVICE int parameter_of_entry(int lane, int i, int j) {
    const int r = lane >> 3, c = lane & 7, b = c & 1;
    const int input = (2 * r + (i < group ? b : 1 - b)) * group + i % group;
    return 2 * width + (c * group + j) * width + input;
  }
};

// A lane's part of the middle layer.
template <class S>
struct MiddlePart {
  float v[S::rows][S::group];
};
// What a lane has of a matrix, by outputs or by inputs.
template <class S>
struct Slots {
  float v[S::slots][S::group];
};
template <class S>
struct Group {
  float v[S::group];
};

// ---- Shared memory --------------------------------------------------------------------------------------------------

template <class S>
BLV_DEVICE void load_group(float (&x)[S::group], const float *quads, const float *rest) {
  const float4 q = *reinterpret_cast<const float4 *>(quads);
  x[0] = q.x, x[1] = q.y, x[2] = q.z, x[3] = q.w;
  if constexpr (S::group == 5) x[4] = *rest;
}
template <class S>
BLV_DEVICE void store_group(const float (&x)[S::group], float *quads, float *rest) {
  *reinterpret_cast<float4 *>(quads) = {x[0], x[1], x[2], x[3]};
  if constexpr (S::group == 5) *rest = x[4];
}
template <class S>
BLV_DEVICE Group<S> vector_part(const float *vector, int group) {
  Group<S> x;
  load_group<S>(x.v, vector + 4 * group, vector + 32 + group);
  return x;
}
template <class S>
BLV_DEVICE void add_to_vector(float *vector, int group, const float (&x)[S::group], bool add) {
  Group<S> y = vector_part<S>(vector, group);
#pragma unroll
  for (int i = 0; i < S::group; i++) y.v[i] = add ? y.v[i] + x[i] : x[i];
  store_group<S>(y.v, vector + 4 * group, vector + 32 + group);
}

// Where a lane finds one group of features of the points of its home; and of the points of another home, since
// positions are linear in the bits of home and group. Within a point, groups are permuted so that lanes of different
// homes, which access the same or neighbouring groups of different points, do so in different banks.
template <class S>
struct Place {
  // The permutation of groups.
  static BLV_DEVICE constexpr int turn(int home) { return (((home ^ home >> 1) & 1) << 1 | home >> 1) << 1; }
  int quad, rest;                // in floats
  int shared_quad, shared_rest;  // of point 8 or 9
  BLV_DEVICE Place(int group, int home) {
    const int high = home >> 1;
    quad = 32 * home + 4 * (group ^ turn(home));
    rest = 32 * S::points + 8 * home + group;
    shared_quad = 32 * (8 + high) + 4 * (group ^ (2 * high));
    shared_rest = 32 * S::points + 8 * (8 + high) + group;
  }
  // Of the lane's point q, in its order; `neighbour`: of group ^ 1.
  BLV_DEVICE const float *quad_of(const float *m, int q, bool neighbour) const {
    const int d = S::home_of(q), s = S::slot_of(q), flip = neighbour ? 4 : 0;
    if (S::is_shared(s)) return m + (shared_quad ^ (d >= 2 ? 32 + 8 : 0) ^ flip);
    return m + (quad ^ (32 * d + 4 * turn(d)) ^ flip) + 128 * s;
  }
  BLV_DEVICE const float *rest_of(const float *m, int q, bool neighbour) const {
    const int d = S::home_of(q), s = S::slot_of(q), flip = neighbour ? 1 : 0;
    if (S::is_shared(s)) return m + (shared_rest ^ (d >= 2 ? 8 : 0) ^ flip);
    return m + (rest ^ (8 * d) ^ flip) + 32 * s;
  }
  BLV_DEVICE void read(float (&x)[S::group], const float *m, int q, bool neighbour = false) const {
    load_group<S>(x, quad_of(m, q, neighbour), rest_of(m, q, neighbour));
  }
};

// The lane's slots, into shared memory and back. Of the two lanes that share a slot, one writes it.
template <class S>
BLV_DEVICE void store_slots(float *m, const Place<S> &place, int home, const Slots<S> &x) {
#pragma unroll
  for (int s = 0; s < S::slots; s++) {
    if (S::is_shared(s) && (home & 1) != 0) continue;
    store_group<S>(x.v[s], m + (S::is_shared(s) ? place.shared_quad : place.quad + 128 * s),
                   m + (S::is_shared(s) ? place.shared_rest : place.rest + 32 * s));
  }
}
template <class S>
BLV_DEVICE void load_slots(Slots<S> &x, const Place<S> &place, const float *m) {
#pragma unroll
  for (int s = 0; s < S::slots; s++) place.read(x.v[s], m, s);
}

// ---- Products -------------------------------------------------------------------------------------------------------

// One step of a fold over lanes: of n points, a lane keeps the first half of its order and gets the partner's sums for
// them; of an odd number, both keep the one in the middle.
template <int n, int columns, int total>
BLV_DEVICE void fold(float (&z)[total][columns], int distance) {
  constexpr int kept = (n + 1) / 2;
#pragma unroll
  for (int q = 0; q < kept; q++) {
    const int from = q + kept < n ? q + kept : q;
#pragma unroll
    for (int j = 0; j < columns; j++) z[q][j] += __shfl_xor_sync(all_lanes, z[from][j], distance);
  }
}

template <class S>
struct Operands {
  const float *left;  // in shared memory
  const MiddlePart<S> &right;
};

// The sum over the terms of left * right, by outputs. `inputs`: the lane's place among the inputs of home r.
template <class S, int terms>
BLV_DEVICE Slots<S> product(const Place<S> &inputs, const Operands<S> (&term)[terms]) {
  float z[S::points][S::group] = {};
#pragma unroll
  for (int q = 0; q < S::points; q++) {
#pragma unroll
    for (int t = 0; t < terms; t++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float x[S::group];
        inputs.read(x, term[t].left, q, half != 0);
#pragma unroll
        for (int i = 0; i < S::group; i++) {
#pragma unroll
          for (int j = 0; j < S::group; j++) z[q][j] = fmaf(x[i], term[t].right.v[half * S::group + i][j], z[q][j]);
        }
      }
    }
  }
  fold<S::points>(z, 16);
  fold<S::half>(z, 8);
  Slots<S> result;
#pragma unroll
  for (int s = 0; s < S::slots; s++) {
#pragma unroll
    for (int j = 0; j < S::group; j++) result.v[s][j] = z[s][j];
  }
  return result;
}

// The sum over the terms of left * right^T, by inputs. `outputs`: the lane's place among the outputs of home h. A few
// points at a time: the sums of all would not fit into registers beside two middle layers.
template <class S, int terms>
BLV_DEVICE Slots<S> product_transposed(const Place<S> &outputs, const Operands<S> (&term)[terms]) {
  float folded[S::points][S::group];
#pragma unroll
  for (int first = 0; first < S::points; first += S::chunk) {
    float z[S::chunk][S::rows] = {};
#pragma unroll
    for (int q = 0; q < S::chunk; q++) {
#pragma unroll
      for (int t = 0; t < terms; t++) {
        float x[S::group];
        outputs.read(x, term[t].left, first + q);
#pragma unroll
        for (int j = 0; j < S::group; j++) {
#pragma unroll
          for (int i = 0; i < S::rows; i++) z[q][i] = fmaf(x[j], term[t].right.v[i][j], z[q][i]);
        }
      }
    }
#pragma unroll
    for (int q = 0; q < S::chunk; q++) {
#pragma unroll
      for (int i = 0; i < S::group; i++)
        folded[first + q][i] = z[q][i] + __shfl_xor_sync(all_lanes, z[q][S::group + i], 1);
    }
  }
  fold<S::points>(folded, 4);
  fold<S::half>(folded, 2);
  Slots<S> result;
#pragma unroll
  for (int s = 0; s < S::slots; s++) {
#pragma unroll
    for (int i = 0; i < S::group; i++) result.v[s][i] = folded[s][i];
  }
  return result;
}

// sum += h^T e. Both places of home r.
template <class S>
BLV_DEVICE void add_outer_product(MiddlePart<S> &sum, const Place<S> &inputs, const float *h, const Place<S> &outputs,
                                  const float *e) {
#pragma unroll
  for (int q = 0; q < S::points; q++) {
    float x[S::rows], y[S::group];
    outputs.read(y, e, q);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float part[S::group];
      inputs.read(part, h, q, half != 0);
#pragma unroll
      for (int i = 0; i < S::group; i++) x[half * S::group + i] = part[i];
    }
#pragma unroll
    for (int i = 0; i < S::rows; i++) {
#pragma unroll
      for (int j = 0; j < S::group; j++) sum.v[i][j] = fmaf(x[i], y[j], sum.v[i][j]);
    }
  }
}

}  // namespace small_network
}  // namespace bilevel
