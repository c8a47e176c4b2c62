// SPDX-License-Identifier: Apache-2.0
//
// The losses, a row each: the enumerator of bilevel.h, the name, and what its targets are. Names in messages and descriptions, the switch of
// kernels/models/losses.h (name##_row, in losses/<name>.h) and the checks of targets come from here.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

// clang-format off
#define BLV_LOSSES(row) \
  row(BLV_SQUARED, squared, ANY) \
  row(BLV_LOGISTIC, logistic, UNIT) \
  row(BLV_CROSS_ENTROPY, cross_entropy, CLASSES)
// clang-format on

namespace bilevel {

enum TargetKind {
  TARGETS_ANY,
  TARGETS_UNIT,     // in [0, 1]
  TARGETS_CLASSES,  // dense, or class indices
};

// Masks of 1 << loss.
#define BLV_UNIT(enumerator, name, targets) | (TARGETS_##targets == TARGETS_UNIT ? 1u << enumerator : 0u)
#define BLV_CLASSES(enumerator, name, targets) | (TARGETS_##targets == TARGETS_CLASSES ? 1u << enumerator : 0u)
constexpr uint32_t losses_of_unit_targets = 0u BLV_LOSSES(BLV_UNIT), losses_of_classes = 0u BLV_LOSSES(BLV_CLASSES);
#undef BLV_UNIT
#undef BLV_CLASSES
constexpr bool has_unit_targets(int32_t loss) { return (losses_of_unit_targets >> loss & 1u) != 0; }
constexpr bool has_class_targets(int32_t loss) { return (losses_of_classes >> loss & 1u) != 0; }

}  // namespace bilevel
