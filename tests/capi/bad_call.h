// SPDX-License-Identifier: Apache-2.0
//
// A spec that can be spoilt: deep copies of everything that a spec points to, made from a Problem of the kernel tests' harness.
#pragma once
#include "../kernels/cases.h"

namespace harness {

struct Editable {
  explicit Editable(const Case &c) : problem(c) {
    spec = *problem.spec();
    slots.assign(spec.slots, spec.slots + spec.n_slots);
    inner = *spec.inner;
    outer = spec.outer ? *spec.outer : inner;
    widths.assign(inner.widths, inner.widths + inner.n_widths);
    outer_widths = widths;
    if (spec.method->kind == BLV_UNROLL) std::memcpy(&unroll, spec.method, sizeof unroll);
    if (spec.method->kind == BLV_HVP) std::memcpy(&hvp, spec.method, sizeof hvp);
    if (spec.method->kind == BLV_FORWARD) std::memcpy(&forward, spec.method, sizeof forward);
    if (spec.method->kind == BLV_IMPLICIT) std::memcpy(&implicit, spec.method, sizeof implicit);
    if (spec.method->kind == BLV_EVALUATE) method = *spec.method;
    spec.method = c.kind == BLV_UNROLL     ? &unroll.head
                  : c.kind == BLV_HVP      ? &hvp.head
                  : c.kind == BLV_FORWARD  ? &forward.head
                  : c.kind == BLV_IMPLICIT ? &implicit.head
                                           : &method;
    inner.widths = widths.data();
    outer.widths = outer_widths.data();
    spec.inner = &inner;
    if (spec.outer) spec.outer = &outer;
    spec.slots = slots.data();
  }
  blv_slot &slot(int side, int leaf, int use = BLV_VALUE) { return slots[index(side, leaf, use)]; }
  size_t index(int side, int leaf, int use = BLV_VALUE) {
    for (size_t i = 0; i < slots.size(); i++) {
      if (slots[i].side == side && slots[i].leaf == leaf && slots[i].use == use) return i;
    }
    std::abort();
  }
  void remove(int side, int leaf, int use = BLV_VALUE) {
    slots.erase(slots.begin() + static_cast<int64_t>(index(side, leaf, use)));
    refresh();
  }
  void add(blv_slot slot) {
    slots.push_back(slot);
    refresh();
  }
  void refresh() {
    spec.slots = slots.data();
    spec.n_slots = static_cast<int64_t>(slots.size());
  }

  Problem problem;
  blv_spec spec;
  blv_objective inner, outer;
  blv_unroll unroll = {};
  blv_hvp hvp = {};
  blv_forward forward = {};
  blv_implicit implicit = {};
  blv_method method = {};
  std::vector<int64_t> widths, outer_widths;
  std::vector<blv_slot> slots;
};

// `words` lists what the message has to contain, separated by '|'.
inline void expect_message(const std::string &message, const std::string &words) {
  size_t begin = 0;
  while (begin <= words.size()) {
    const size_t end = std::min(words.find('|', begin), words.size());
    const std::string word = words.substr(begin, end - begin);
    EXPECT_NE(message.find(word), std::string::npos) << "\"" << message << "\" does not say \"" << word << "\"";
    begin = end + 1;
  }
}

}  // namespace harness
