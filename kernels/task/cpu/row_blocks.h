// SPDX-License-Identifier: Apache-2.0
//
// How the rows of a task are cut, and the memory that a piece of them needs: blocks of rows that stay in the caches, chunks whose
// sums are added in order, the matrices of a block, the tape of all rows.
#pragma once
#include "kernels/contract/cpu_tuning.h"
#include "kernels/task/cpu/parameters.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Rows of a block and of a chunk, whose sums are added with compensation; a chunk is a whole number of blocks.
struct RowPartition {
  long block = 0, chunk = 0;
  long chunks(long n) const { return n ? (n + chunk - 1) / chunk : 1; }
};

template <class T, Lanes L>
RowPartition partition_rows(const Network &network, long rows, long planes) {
  long columns = network.features;
  for (long l = 0; l + 1 < network.n_layers; l++) columns += network.layers[l].outputs * 3 * (1 + planes);
  const long bytes = columns * long(L == Lanes::TASKS ? sizeof(Pack<T>) : sizeof(T)),
             most_bytes = L == Lanes::TASKS ? cpu_tuning::block_bytes_in_lanes : cpu_tuning::block_bytes_of_rows;
  RowPartition partition;
  partition.block = cpu_tuning::fewest_block_rows;
  while (partition.block < cpu_tuning::most_block_rows && partition.block * 2 * bytes <= most_bytes)
    partition.block *= 2;
  partition.chunk = cpu_tuning::fewest_chunk_rows;
  if (L == Lanes::TASKS) {
    while (partition.chunks(rows) > cpu_tuning::most_chunks_in_lanes) partition.chunk *= 2;
  } else {
    const double sums = double(network.parameters) * double(planes > 0 ? planes : 1) * sizeof(T);
    const auto too_many = [&](long chunks) {
      return chunks > cpu_tuning::most_chunks_of_rows ||
             (chunks > 1 && double(chunks) * sums > cpu_tuning::most_partial_bytes);
    };
    while (too_many(partition.chunks(rows))) partition.chunk *= 2;
  }
  return partition;
}

// Matrices of a block of rows, for one thread.
template <class T, Lanes L>
struct BlockScratch {
  using Element = typename Transfer<T, L>::Element;
  LayerState<Element> *own = nullptr;    // this thread's own matrices
  LayerState<Element> *state = nullptr;  // the same, with values on the tape where there is one
  Line<T> *lines = nullptr;

  void layout(Arena &arena, const NetworkView &net, long block, long planes) {
    own = arena.take<LayerState<Element>>(net.n_layers);
    state = arena.take<LayerState<Element>>(net.n_layers);
    long most = block, z_size = 0;
    for (long l = 0; l < net.n_layers; l++) {
      if (net.layers[l].outputs > most) most = net.layers[l].outputs;
      if (l + 1 < net.n_layers && net.layers[l].output_ld * block > z_size) z_size = net.layers[l].output_ld * block;
    }
    const Matrix<Element> z = matrix(arena, z_size, 0, planes);
    for (long l = 0; l < net.n_layers; l++) {
      const LayerView &layer = net.layers[l];
      const bool last = l + 1 == net.n_layers;
      LayerState<Element> s;
      const long size = layer.output_ld * block;
      s.z = last ? matrix(arena, size, layer.output_ld, planes) : Matrix<Element>{z.v, z.d, z.plane, layer.output_ld};
      s.e = matrix(arena, size, layer.output_ld, planes);
      if (!last) s.h = matrix(arena, size, layer.output_ld, planes), s.c = matrix(arena, size, layer.output_ld, planes);
      if (arena.base) own[l] = s;
    }
    if (L == Lanes::COLUMNS) lines = arena.take<Line<T>>(most * (1 + planes));
  }

 private:
  static Matrix<Element> matrix(Arena &arena, long size, long ld, long planes) {
    Matrix<Element> m{arena.take<Element>(size), nullptr, size, ld};
    if (planes) m.d = arena.take<Element>(size * planes);
    return m;
  }
};

// Rows of the matrix that holds `rows` of them, padding included.
template <class T, Lanes L>
long round_rows(long rows) {
  return L == Lanes::TASKS ? rows : round_to_lanes<T>(rows);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
