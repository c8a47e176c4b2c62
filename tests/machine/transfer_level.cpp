// SPDX-License-Identifier: Apache-2.0
//
// kernels/machine/cpu/arena.h and transfer.h at one ISA level. Arrays of the caller end at an inaccessible page; a scalar of theirs says
// which it is.
#include "kernels/machine/cpu/transfer.h"

#include "kernels/machine/cpu/arena.h"
#include "tests/machine/levels.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {
namespace {

#define CHECK(condition) expect(condition, #condition, __LINE__)

using core_test::Expect;

// ---- The arena: what it counts without memory is what it takes ----------------------------------------------------------------------

template <class E>
void take(Expect expect, Arena &measure, Arena &assign, long count, char **next) {
  const long before = measure.used;
  measure.take<E>(count);
  char *p = reinterpret_cast<char *>(count % 3 == 0 ? assign.stream<E>(count) : assign.take<E>(count));
  CHECK(measure.used == assign.used);
  CHECK(reinterpret_cast<uintptr_t>(p) % 64 == 0);
  CHECK(p == assign.base + before && p >= *next);  // behind the last array
  *next = p + count * long(sizeof(E));
  CHECK(*next <= assign.base + assign.used && assign.used % 64 == 0);
  CHECK(measure.used - before < count * long(sizeof(E)) + 64);
}

template <class T>
void check_arena(Expect expect, char *page_end) {
  for (int seed = 0; seed < 20; seed++) {
    // Measured first, then given just that much memory, all of which may be written.
    Arena measure, assign;
    for (int pass = 0; pass < 2; pass++) {
      if (pass == 1) assign.base = page_end - measure.used;
      Arena count;
      char *next = assign.base;
      uint32_t state = uint32_t(seed);
      for (int i = 0; i < 40; i++) {
        state = state * 1664525u + 1013904223u;
        const long n = long(state >> 24);
        if (pass == 0) {
          i % 2 ? (void)measure.take<T>(n) : (void)measure.take<Pack<T>>(n);
          continue;
        }
        if (i % 2)
          take<T>(expect, count, assign, n, &next);
        else
          take<Pack<T>>(expect, count, assign, n, &next);
        if (next > assign.base) next[-1] = 1;
      }
      if (pass == 1) CHECK(count.used == measure.used && assign.base + assign.used == page_end);
    }
    CHECK(!assigns(measure) && assigns(assign));
    const Arena inner = assign.at(128);
    CHECK(inner.base == assign.base && inner.used == 128);
  }
}

// ---- Transfers -----------------------------------------------------------------------------------------------------------------------

// Scalar `at` of an array: exact in a float.
template <class T>
T name_of(long at) {
  return T(at + 1);
}

template <class T, Lanes L>
void check_load(Expect expect, char *page_end, const Slot &slot, long first, long count, long step, long offset,
                long stride, long n) {
  using X = Transfer<T, L>;
  constexpr long most = 3 * 16 + 3, guard = 2, width = X::width;
  // The last scalar that the tasks have is the last before the page.
  const long last = (first + count - 1) * slot.task_stride + step * slot.step_stride + offset + (n - 1) * stride;
  T *array = reinterpret_cast<T *>(page_end) - (last + 1);
  for (long i = 0; i <= last; i++) array[i] = name_of<T>(i);
  void *data[3] = {nullptr, nullptr, array};
  const X x{data, first, count};

  alignas(64) static T to[(most + 2 * guard) * width];
  for (T &scalar : to) scalar = T(-7);
  x.load(slot, step, offset, stride, n, reinterpret_cast<typename X::Element *>(to) + guard);
  for (long i = -guard; i < most + guard; i++)
    for (long l = 0; l < width; l++) {
      const T got = to[(i + guard) * width + l];
      const long at = (first + l) * slot.task_stride + step * slot.step_stride + offset + i * stride;
      CHECK(got == (i < 0 || i >= n ? T(-7) : l < count ? name_of<T>(at) : T(0)));
    }
  for (long l = 0; l < count; l++)
    CHECK(x.source(slot, l, step) == array + (first + l) * slot.task_stride + step * slot.step_stride);
  if (offset == 0) {
    Pack<T> one;
    x.load_scalar(slot, step, &one);
    for (long l = 0; l < lanes<T>; l++) {
      const long task = L == Lanes::TASKS ? l : 0;
      CHECK(one[l] == (task < count ? name_of<T>((first + task) * slot.task_stride + step * slot.step_stride) : T(0)));
    }
  }
}

template <class T, Lanes L>
void check_loads(Expect expect, char *page_end) {
  constexpr long lane_count = lanes<T>, width = Transfer<T, L>::width;
  Slot slot;
  slot.index = 2;
  for (const long n : {1L, 2L, 3L, lane_count - 1, lane_count, lane_count + 1, 2 * lane_count, 3 * lane_count + 3})
    for (const long stride : {1L, 2L, 7L})
      for (const long offset : {0L, 5L})
        for (const long count : {1L, width / 2 + 1, width})
          for (const long first : {0L, 3L}) {
            const long extent = offset + n * stride;
            for (const long task_stride : {0L, extent, extent + 3}) {
              slot.task_stride = task_stride;
              slot.step_stride = (first + count) * task_stride + 1;
              check_load<T, L>(expect, page_end, slot, first, count > width ? width : count, 0, offset, stride, n);
              check_load<T, L>(expect, page_end, slot, first, count > width ? width : count, 2, offset, stride, n);
            }
          }
}

template <class T, Lanes L>
void check_integers_and_lanes(Expect expect) {
  using X = Transfer<T, L>;
  static int32_t narrow[200];
  static int64_t wide[200];
  for (int i = 0; i < 200; i++) narrow[i] = -i, wide[i] = (int64_t{1} << 40) + i;
  void *data[2] = {narrow, wide};
  const X x{data, 1, X::width};
  for (int which = 0; which < 2; which++) {
    Slot slot;
    slot.index = which, slot.dtype = which == 0 ? BLV_I32 : BLV_I64, slot.task_stride = 7, slot.step_stride = 5;
    for (long l = 0; l < X::width; l++)
      for (long step = 0; step < 3; step++) {
        const long at = (1 + l) * 7 + step * 5 + 2;
        CHECK(x.integer(slot, l, step, 2) == (which == 0 ? -at : (int64_t{1} << 40) + at));
      }
  }
  alignas(64) static T to[20 * X::width], from[17];
  for (int i = 0; i < 17; i++) from[i] = name_of<T>(i);
  for (long lane = 0; lane < X::width; lane++) {
    for (T &scalar : to) scalar = T(-7);
    x.load_lane(from, lane, 17, reinterpret_cast<typename X::Element *>(to));
    for (long i = 0; i < 20; i++)
      for (long l = 0; l < X::width; l++) CHECK(to[i * X::width + l] == (l == lane && i < 17 ? name_of<T>(i) : T(-7)));
  }
}

template <class T>
void check_transpose(Expect expect) {
  Pack<T> x[lanes<T>];
  for (int i = 0; i < lanes<T>; i++) x[i] = iota<T>() + T(100 * i);
  transpose<T>(x);
  for (int i = 0; i < lanes<T>; i++)
    for (int l = 0; l < lanes<T>; l++) CHECK(x[i][l] == T(i + 100 * l));
}

template <class T>
void check(Expect expect, char *page_end) {
  check_arena<T>(expect, page_end);
  check_transpose<T>(expect);
  check_loads<T, Lanes::TASKS>(expect, page_end), check_loads<T, Lanes::COLUMNS>(expect, page_end);
  check_integers_and_lanes<T, Lanes::TASKS>(expect), check_integers_and_lanes<T, Lanes::COLUMNS>(expect);
}

}  // namespace
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel

BLV_DEFINE_CHECKS(transfer_)
