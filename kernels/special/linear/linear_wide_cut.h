// SPDX-License-Identifier: Apache-2.0
//
// Sizes of the pass over rows that many threads share (linear_wide.h): a lane's tile, and how the warps of a block are
// dealt out. Pure functions of the problem, the threads and the shared memory there is; for the host and the device.
#pragma once
#include "kernels/special/linear/linear_arguments.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// A line is one output of one plane. A lane has lines_in lines of theta and lines_out of the gradient for its columns.
template <class T, Mode M, int Outputs, int Tangents>
struct WideTile {
  static constexpr bool value = M == Mode::VALUE;
  static constexpr int V = Quad<T>::size, size = sizeof(T);
  static constexpr int lines_out = Outputs * (value ? 1 : Tangents);
  static constexpr int lines_in = lines_out + (M == Mode::JET ? Outputs : 0);
  static constexpr int quads = cuda_tuning::linear_tile_quads(lines_in);
  static constexpr int rows = cuda_tuning::linear_tile_rows(lines_in * size);
  static_assert(quads <= 2);
  static constexpr int columns = quads * V;
  static constexpr int lines_out_padded = lines_out == 1 ? 1 : (lines_out + V - 1) / V * V;
  static constexpr int loss_lanes = Outputs == 1 ? 1 : 16;
};

struct WideCut {
  int teams = 0;       // 0: does not fit
  Divisor team_warps;  // a team is parts x output groups x tangent groups
  Divisor parts;       // warps along a row
  Divisor output_groups;
  Divisor outputs;
  Divisor pack;                 // rows that the teams take at a time
  int batch = 0;                // rows between barriers
  int stride = 0;               // bytes: of staged rows
  int z_width = 0;              // lines of one plane
  int z_row = 0, z_part = 0;    // bytes: of a row's parts of z, of a part
  int e_row = 0, e_value = 0;   // bytes: of a row's e; where the values of e begin in it (not VALUE)
  int stage = 0, z = 0, e = 0;  // bytes: of one stage buffer; where z and e begin
  int bytes = 0, merged = 0;    // of scratch; teams whose gradients fit there at a time

  BLV_HOST_DEVICE bool fits() const { return teams > 0; }
};

template <class T, Mode M, int Outputs, int Tangents>
BLV_HOST_DEVICE inline WideCut wide_cut(int inputs, int outputs, int planes, int threads, long long smem_bytes) {
  using Tile = WideTile<T, M, Outputs, Tangents>;
  WideCut c;
  if (outputs > cuda_tuning::linear_most_outputs || (Outputs == 1 && outputs > 1) ||
      planes > cuda_tuning::linear_most_tangents)
    return c;
  if (inputs < 1 || inputs > cuda_tuning::linear_most_inputs || threads > 1024 ||
      threads < outputs * (Tile::value ? 1 : planes))
    return c;
  const int parts = quotient_up(inputs, 32 * Tile::columns), groups = quotient_up(outputs, Outputs),
            tangent_groups = Tile::value ? 1 : quotient_up(planes, Tangents), warps = threads / 32,
            z_planes = (Tile::value ? 0 : tangent_groups * Tangents) + (M == Mode::TAPED ? 0 : 1),
            gradient_lines = groups * tangent_groups * Tile::lines_out_padded,
            e_lines = round_up(gradient_lines + (Tile::value ? 0 : outputs), Tile::lines_out == 1 ? 1 : Tile::V);
  if (parts * groups * tangent_groups > warps) return c;
  c.team_warps = Divisor(parts * groups * tangent_groups), c.parts = Divisor(parts);
  c.output_groups = Divisor(groups), c.outputs = Divisor(outputs);
  c.stride = round_up(inputs * Tile::size, 32);
  c.z_width = groups * Outputs, c.z_row = z_planes * c.z_width * Tile::size;
  c.e_row = e_lines * Tile::size, c.e_value = gradient_lines * Tile::size;
  const long long row = 2 * c.stride + parts * c.z_row + c.e_row;
  for (int teams = warps / c.team_warps.by; teams > 0; teams--) {
    const int pack = teams * Tile::rows,
              gradient = teams > 1 ? c.team_warps.by * 32 * Tile::lines_out * Tile::columns * Tile::size : 0;
    if (pack * row + 32 > smem_bytes || gradient > smem_bytes) continue;
    int packs = cuda_tuning::linear_most_batch / pack > 1 ? cuda_tuning::linear_most_batch / pack : 1;
    while (packs * pack * row + 32 > smem_bytes) packs--;
    c.teams = teams, c.pack = Divisor(pack), c.batch = packs * pack;
    c.stage = c.batch * c.stride;
    c.e = 2 * c.stage, c.z = c.e + round_up(c.batch * c.e_row, 16), c.z_part = c.batch * c.z_row;
    c.bytes = c.z + round_up(parts * c.z_part, 16);
    if (c.bytes < gradient) c.bytes = gradient;
    c.merged = gradient ? c.bytes / gradient : 1;
    break;
  }
  return c;
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
