// SPDX-License-Identifier: Apache-2.0
//
// A lane's part of a row in the pass that many threads share (linear_wide.h): which columns and which lines are its
// own, its tile of theta, and its tile of the gradient on the way back.
#pragma once
#include "kernels/special/linear/linear_wide_cut.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Mode M, int Outputs, int Tangents>
struct WidePart {
  using Tile = WideTile<T, M, Outputs, Tangents>;
  using A = LinearArguments<T>;
  static constexpr int V = Tile::V, NI = Tile::lines_in, NO = Tile::lines_out, size = Tile::size;
  static constexpr bool value = M == Mode::VALUE;
  using ThetaTile = T[NI][Tile::columns];
  using GradientTile = T[NO][Tile::columns];

  int lane, team, part, output_group, tangent_group;
  int own_quads;  // of this warp's lanes: quads that exist in some lane
  // Bytes: where a lane's first quad begins in a row, and how far behind it the next. One that does not exist is read
  // at the row's beginning.
  int column, next_column;

  BLV_INLINE WidePart(const A &a, const WideCut &cut) {
    const int warp = int(threadIdx.x / 32);
    lane = int(threadIdx.x % 32);
    team = cut.team_warps.quotient(warp);
    const int in_team = warp - team * cut.team_warps.by, group = cut.parts.quotient(in_team);
    tangent_group = cut.output_groups.quotient(group), output_group = group - tangent_group * cut.output_groups.by;
    // The last part has the fewest columns; in turn, so that it is not always the same scheduler's.
    part = cut.parts.rest(in_team + team + group);
    own_quads = 0;
    BLV_UNROLLED for (int q = 0; q < Tile::quads; q++) {
      const int first = first_column(cut, q);
      if (first - lane * V < a.inputs) own_quads = q + 1;
      const int at = first < a.inputs ? first * size : 0;
      if (q == 0) column = at, next_column = 0;
      if (q == 1) next_column = at - column;
    }
  }

  BLV_INLINE int first_column(const WideCut &cut, int q) const { return ((q * cut.parts.by + part) * 32 + lane) * V; }
  // Output and tangent of line n of theta's tile; the value's lines come first.
  static BLV_INLINE constexpr bool is_value(int n) { return value || (M == Mode::JET && n < Outputs); }
  BLV_INLINE int output_of(int n) const { return output_group * Outputs + n % Outputs; }
  BLV_INLINE int tangent_of(int n) const { return tangent_group * Tangents + n / Outputs - (M == Mode::JET ? 1 : 0); }

  // Lines that do not exist get those of others, columns that do not exist zeros.
  BLV_INLINE void load_theta(const A &a, const WideCut &cut, ThetaTile &w) const {
    constexpr int planes = NI / Outputs;
    const bool quads = a.bits & A::THETA_QUADS;
    const int inputs = a.inputs, ld = a.theta_ld, first_output = output_group * Outputs, most = a.outputs - 1;
    BLV_UNROLLED for (int n = 0; n < NI; n++) BLV_UNROLLED for (int c = 0; c < Tile::columns; c++) w[n][c] = T(0);
    BLV_UNROLLED for (int k = 0; k < planes; k++) {
      const T *plane = a.theta.v;
      if (!is_value(k * Outputs)) plane = a.theta.tangent(least(tangent_of(k * Outputs), a.planes - 1));
      plane += a.theta_weight + first_output * ld;
      BLV_UNROLLED for (int q = 0; q < Tile::quads; q++) {
        const int first = first_column(cut, q);
        if (first >= inputs) continue;
        const T *from = plane + first;
        BLV_UNROLLED for (int o = 0; o < Outputs; o++, from += first_output + o <= most ? ld : 0)
            load_line(from, first, inputs, quads, &w[k * Outputs + o][q * V]);
      }
    }
  }

  BLV_INLINE void write_gradient(const A &a, const WideCut &cut, const GradientTile &g) const {
    constexpr int planes = NO / Outputs;
    const bool quads = a.bits & A::GRADIENT_QUADS, add = a.add;
    const int inputs = a.inputs, ld = a.theta_ld, first_output = output_group * Outputs, outputs = a.outputs;
    BLV_UNROLLED for (int k = 0; k < planes; k++) {
      const int tangent = value ? 0 : tangent_group * Tangents + k;
      if (!value && tangent >= a.planes) continue;
      T *plane = a.template gradient_plane<M>(tangent) + a.theta_weight + first_output * ld;
      BLV_UNROLLED for (int q = 0; q < Tile::quads; q++) {
        const int first = first_column(cut, q);
        if (first >= inputs) continue;
        T *to = plane + first;
        BLV_UNROLLED for (int o = 0; o < Outputs; o++, to += ld) {
          if (first_output + o < outputs) write_line(to, first, inputs, quads, add, &g[k * Outputs + o][q * V]);
        }
      }
    }
  }

  // A tile to shared memory, quads `step` bytes apart; and another one's added to this.
  static BLV_INLINE void store_tile(unsigned at, int step, const GradientTile &g) {
    BLV_UNROLLED for (int n = 0; n < NO; n++) BLV_UNROLLED for (int q = 0; q < Tile::quads; q++, at += step) {
      Quad<T> quad;
      BLV_UNROLLED for (int v = 0; v < V; v++) quad.x[v] = g[n][q * V + v];
      Shared<T>::store_quad(at, quad);
    }
  }
  static BLV_INLINE void add_tile(unsigned at, int step, GradientTile &g) {
    BLV_UNROLLED for (int n = 0; n < NO; n++) BLV_UNROLLED for (int q = 0; q < Tile::quads; q++, at += step) {
      const Quad<T> quad = Shared<T>::load_quad(at);
      BLV_UNROLLED for (int v = 0; v < V; v++) g[n][q * V + v] += quad.x[v];
    }
  }

 private:
  static BLV_INLINE int least(int a, int b) { return a < b ? a : b; }
  static BLV_INLINE void load_line(const T *from, int first, int inputs, bool quads, T *to) {
    if (quads) {
      const Quad<T> quad = *reinterpret_cast<const Quad<T> *>(from);
      BLV_UNROLLED for (int v = 0; v < V; v++) to[v] = quad.x[v];
    } else {
      BLV_UNROLLED for (int v = 0; v < V; v++) {
        if (first + v < inputs) to[v] = from[v];
      }
    }
  }
  static BLV_INLINE void write_line(T *to, int first, int inputs, bool quads, bool add, const T *g) {
    if (quads) {
      auto *at = reinterpret_cast<Quad<T> *>(to);
      Quad<T> quad = {};
      if (add) quad = *at;
      BLV_UNROLLED for (int v = 0; v < V; v++) quad.x[v] += g[v];
      *at = quad;
    } else {
      BLV_UNROLLED for (int v = 0; v < V; v++) {
        if (first + v < inputs) to[v] = add ? to[v] + g[v] : g[v];
      }
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
