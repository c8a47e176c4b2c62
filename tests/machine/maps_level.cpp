// SPDX-License-Identifier: Apache-2.0
//
// kernels/machine/cpu/map.h at one ISA level: what a program for one row and one column reads, adds up and writes, per layout of the
// lanes, against plain loops in long double. The padding of operands is NaN or infinite, that of results is checked.
#include "kernels/machine/cpu/map.h"
#include "tests/machine/levels.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {
namespace {

#define CHECK(condition) expect(condition, #condition, __LINE__)

using core_test::Expect;
using Wide = long double;

constexpr long most_scalars = 1 << 17, most_planes = 3;

// Values of mixed signs between -1 and 1.
template <class T>
T sample(long i) {
  const uint32_t bits = uint32_t(i) * 2654435761u + 12345u;
  return T(int32_t(bits ^ bits >> 15)) / T(2147483648.0);
}
template <class T>
bool near(T got, Wide expected, Wide bound) {
  const Wide error = got < expected ? expected - got : got - expected;
  return error <= bound;  // false for NaN
}

// rows x columns entries of `width` tasks in one layout: entry (i, j) of task l of plane p (-1: values).
template <class T, Lanes L>
struct Array {
  static constexpr long width = L == Lanes::TASKS ? lanes<T> : 1;
  using Element = typename Choose<L == Lanes::TASKS, Pack<T>, T>::type;

  T *data;
  long rows, columns, ld, stored_rows, plane;

  Array(T *room, long r, long c) : data(room), rows(r), columns(c) {
    const auto padded = [](long n) { return (n + lanes<T> - 1) / lanes<T> * lanes<T>; };
    ld = L == Lanes::COLUMNS ? padded(c) : c;
    stored_rows = L == Lanes::ROWS ? padded(r) : r;
    plane = stored_rows * ld;
  }
  T &at(long p, long i, long j, long l) const { return data[((p + 1) * plane + i * ld + j) * width + l]; }
  bool exists(long i, long j) const { return i < rows && j < columns; }
  Matrix<Element> matrix(bool v, bool d) const {
    Element *first = reinterpret_cast<Element *>(data);
    return {v ? first : nullptr, d ? first + plane : nullptr, plane, ld};
  }
  // f(scalar, plane, i, j, l) over all that is stored.
  template <class F>
  void for_all(F f) const {
    for (long p = -1; p < most_planes; p++)
      for (long i = 0; i < stored_rows; i++)
        for (long j = 0; j < ld; j++)
          for (long l = 0; l < width; l++) f(at(p, i, j, l), p, i, j, l);
  }
  void fill(long seed, T padding) const {
    for_all([&](T &x, long p, long i, long j, long l) {
      x = exists(i, j) ? sample<T>(seed + ((p * 131 + i) * 1031 + j) * 17 + l) : padding;
    });
  }
};

template <class T>
struct Room {
  alignas(64) T in[most_scalars], put[most_scalars], add[most_scalars], row[most_scalars], of_columns[most_scalars];
};

template <class T, Mode M, Lanes L>
void check_map(Expect expect, long rows, long columns, bool has_tangent, bool uneven) {
  using X = Map<T, M, L>;
  using P = Pack<T>;
  using S = typename X::S;
  static Room<T> room;
  constexpr Wide u = sizeof(T) == 4 ? 0x1p-24L : 0x1p-53L;
  const T nan = T(__builtin_nan(""));
  const long planes = M == Mode::VALUE ? 0 : most_planes;
  const Array<T, L> in(room.in, rows, columns), put(room.put, rows, columns), add(room.add, rows, columns);
  const Array<T, L> row(room.row, L == Lanes::COLUMNS ? 1 : rows, L == Lanes::COLUMNS ? rows : 1);
  // One entry per column: a row of the matrix, or, where lanes are rows, a scalar.
  const Array<T, L> of_columns(room.of_columns, 1, columns);
  const T padding = has_tangent ? nan : T(__builtin_inf());  // a maximum drops NaN, and sees infinity
  in.fill(1, padding), of_columns.fill(4, padding);
  put.fill(2, nan), add.fill(3, T(0)), row.fill(5, T(0));

  Integers<T> counts;
  for (int l = 0; l < lanes<T>; l++) counts[l] = Integer<T>(uneven ? l % (rows + 1) : rows);
  const auto has_row = [&](long i, long l) { return L != Lanes::TASKS || i < counts[L == Lanes::TASKS ? l : 0]; };

  X x(planes);
  if (uneven) x.row_counts = &counts;
  const auto A = in.matrix(true, has_tangent && M != Mode::VALUE), Put = put.matrix(true, M != Mode::VALUE),
             Add = add.matrix(true, M != Mode::VALUE), Row = row.matrix(true, M != Mode::VALUE),
             Columns = of_columns.matrix(true, has_tangent && M != Mode::VALUE);
  CompensatedSum<P> total;
  long calls = 0;
  x.for_rows(rows, columns, [&](long i) {
    calls++;
    const S sum = x.row_sum([&](long j) { return x.get(A, i, j); });
    const P most = x.row_max([&](long j) { return X::value(x.get(A, i, j)); });
    for (long l = 0; l < lanes<T>; l++) {
      const long r = L == Lanes::ROWS ? i + l : i, task = L == Lanes::TASKS ? l : 0;
      if (r >= rows) continue;
      Wide value = 0, size = 0, tangent = 0, tangent_size = 0, largest = in.at(-1, r, 0, task);
      for (long j = 0; j < columns; j++) {
        const Wide v = in.at(-1, r, j, task), d = A.d ? in.at(x.k, r, j, task) : T(0);
        value += v, size += v < 0 ? -v : v, tangent += d, tangent_size += d < 0 ? -d : d;
        if (v > largest) largest = v;
      }
      // Pieces of 64 additions, then a compensated sum and one across lanes.
      CHECK(near(X::value(sum)[l], value, 72 * u * size));
      if (M != Mode::VALUE) CHECK(near(X::tangent(sum)[l], tangent, 72 * u * tangent_size));
      CHECK(most[l] == T(largest));
    }
    x.add_to_total(&total, i, sum);
    x.add_row_entry(Row, i, sum);
    for (long j = 0; j < columns; j += X::column_step) {
      const S y = x.get(A, i, j) * x.column_entry(Columns, j) + x.column_index(j);
      x.put(Put, i, j, y), x.add(Add, i, j, y);
    }
  });
  CHECK(calls == (M == Mode::VALUE ? 1 : planes) * ((rows + X::row_step - 1) / X::row_step));

  Wide sums[lanes<T>] = {}, sizes[lanes<T>] = {};
  for (long i = 0; i < rows; i++)
    for (long l = 0; l < in.width; l++)
      for (long j = 0; has_row(i, l) && j < columns; j++) {
        const Wide v = in.at(-1, i, j, l);
        sums[l] += v, sizes[l] += v < 0 ? -v : v;
      }
  if (L == Lanes::TASKS) {
    for (long l = 0; l < lanes<T>; l++) CHECK(near(total.value[l], sums[l], 76 * u * sizes[l]));
  } else {
    CHECK(near(sum(total.value), sums[0], 96 * u * sizes[0]));
    for (long l = 1; L == Lanes::COLUMNS && l < lanes<T>; l++) CHECK(total.value[l] == 0);
  }

  const auto expected = [&](long p, long i, long j, long l) {
    const Wide v = in.at(-1, i, j, l), c = of_columns.at(-1, 0, j, l);
    if (p < 0) return v * c + j;
    return A.d ? v * of_columns.at(p, 0, j, l) + in.at(p, i, j, l) * c : Wide(0);
  };
  put.for_all([&](T got, long p, long i, long j, long l) {
    if (p >= planes) return (void)CHECK(!put.exists(i, j) || got == sample<T>(2 + ((p * 131 + i) * 1031 + j) * 17 + l));
    if (!put.exists(i, j) || !has_row(i, l)) return (void)CHECK(got == 0);
    CHECK(near(got, expected(p, i, j, l), 4 * u * (j + 3)));
  });
  add.for_all([&](T got, long p, long i, long j, long l) {
    const Wide before = add.exists(i, j) ? sample<T>(3 + ((p * 131 + i) * 1031 + j) * 17 + l) : T(0);
    if (p >= planes || !add.exists(i, j) || !has_row(i, l)) return (void)CHECK(got == T(before));
    CHECK(near(got, before + expected(p, i, j, l), 5 * u * (j + 4)));
  });
  row.for_all([&](T got, long p, long i, long j, long l) {
    const Wide before = row.exists(i, j) ? sample<T>(5 + ((p * 131 + i) * 1031 + j) * 17 + l) : T(0);
    const long r = L == Lanes::COLUMNS ? j : i;
    if (p >= planes || r >= rows || !has_row(r, l)) return (void)CHECK(got == T(before));
    Wide added = 0, size = 1;
    for (long q = 0; q < columns; q++) {
      const Wide v = p < 0 ? in.at(-1, r, q, l) : A.d ? in.at(p, r, q, l) : T(0);
      added += v, size += v < 0 ? -v : v;
    }
    CHECK(near(got, before + added, 76 * u * size));
  });
}

// One entry per row, as the map reads it.
template <class T, Lanes L>
void check_row_entry(Expect expect) {
  using X = Map<T, Mode::JET, L>;
  constexpr long rows = 2 * lanes<T>;
  static Room<T> room;
  const Array<T, L> row(room.row, L == Lanes::COLUMNS ? 1 : rows, L == Lanes::COLUMNS ? rows : 1);
  row.fill(7, T(0));
  X x(most_planes);
  x.for_rows(rows, 3, [&](long i) {
    const auto with = x.row_entry(row.matrix(true, true), i), without = x.row_entry(row.matrix(true, false), i);
    for (long l = 0; l < lanes<T>; l++) {
      const long r = L == Lanes::ROWS ? i + l : i, task = L == Lanes::TASKS ? l : 0;
      const auto at = [&](long p) { return L == Lanes::COLUMNS ? row.at(p, 0, r, 0) : row.at(p, r, 0, task); };
      CHECK(with.v[l] == at(-1) && with.d[l] == at(x.k));
      CHECK(without.v[l] == at(-1) && without.d[l] == 0);
    }
  });
}

// Every entry of a tile, for every plane, once.
template <class T, Lanes L>
void check_tile(Expect expect) {
  using X = Map<T, Mode::JET, L>;
  constexpr long rows = 3 * lanes<T>, columns = 4 * lanes<T>;
  static int seen[most_planes][rows][columns];
  X x(most_planes);
  const long i0 = X::row_step, i1 = rows, j0 = X::column_step, j1 = columns - X::column_step;
  x.for_tile(i0, i1, j0, j1, columns, [&](long i, long j) {
    for (long r = i; r < i + X::row_step; r++)
      for (long c = j; c < j + X::column_step; c++) seen[x.k][r][c]++;
  });
  for (const auto &plane : seen)
    for (long i = 0; i < rows; i++)
      for (long j = 0; j < columns; j++) CHECK(plane[i][j] == (i >= i0 && i < i1 && j >= j0 && j < j1));
}

template <class T, Mode M>
void check_mode(Expect expect) {
  constexpr long lane_count = lanes<T>;
  for (const long n : {1L, 2L, 3L, lane_count - 1, lane_count, lane_count + 1, 17L, 40L, 64L, 65L, 200L})
    for (const bool tangent : {false, true}) {
      for (const long rows : {1L, 3L}) {
        check_map<T, M, Lanes::COLUMNS>(expect, rows, n, tangent, false);
        for (const bool uneven : {false, true}) check_map<T, M, Lanes::TASKS>(expect, rows, n, tangent, uneven);
      }
      check_map<T, M, Lanes::ROWS>(expect, n, 1, tangent, false);
    }
  for (const long n : {64 * lane_count, 64 * lane_count + 1, 200 * lane_count - 1})
    check_map<T, M, Lanes::COLUMNS>(expect, 2, n, true, false);
}

template <class T>
void check(Expect expect, char *) {
  check_mode<T, Mode::VALUE>(expect);
  check_mode<T, Mode::JET>(expect);
  check_mode<T, Mode::TAPED>(expect);
  check_row_entry<T, Lanes::TASKS>(expect), check_row_entry<T, Lanes::COLUMNS>(expect);
  check_row_entry<T, Lanes::ROWS>(expect);
  check_tile<T, Lanes::TASKS>(expect), check_tile<T, Lanes::COLUMNS>(expect), check_tile<T, Lanes::ROWS>(expect);
}

}  // namespace
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel

BLV_DEFINE_CHECKS(map_)
