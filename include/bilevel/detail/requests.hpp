// SPDX-License-Identifier: Apache-2.0
//
// What is asked of an Engine and what it answers: requests for gradients, arrays to read instead, data that a task can't
// run with, and, on a CUDA device, the places of the results in the memory that the caller gives.
#ifndef BILEVEL_DETAIL_REQUESTS_HPP
#define BILEVEL_DETAIL_REQUESTS_HPP
#include <bilevel/detail/leaves.hpp>

namespace bilevel {

/// Where an enqueue leaves its results: in the caller's memory on the device, valid when the stream has come there.
template <class T>
struct DeviceResults {
  const T *losses = nullptr;            ///< one per task; nullptr where there is no loss
  const T *theta = nullptr;             ///< of an unroll: theta_T, tasks x P
  const blv_task_info *info = nullptr;  ///< one per task
};

/// An array of which the gradient is wanted, and where it goes. Made by into.
template <class T>
struct Into {
  Array<T> array;
  T *out = nullptr;
  std::int64_t size = 0;
};

/// The gradient with respect to `array` goes to `gradient`, which has as many elements (for K vectors: K times as many).
template <class A, class G>
auto into(const A &array, G &&gradient) {
  using T = detail::ValueOf<G>;
  static_assert(detail::RealRange<G>, "a gradient goes to a named array, or a view, of float or double");
  static_assert(!std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<G>>>,
                "a gradient is written: its array must not be const");
  return Into<T>{detail::real_array_of<T>(array), std::ranges::data(gradient), detail::count(gradient)};
}

namespace detail {

/// Wanted: the gradient with respect to `size` elements at `array`, in the same layout; written to out, of K * size
/// elements.
template <class T>
struct Request {
  const T *array;
  std::int64_t size;
  T *out;
};

/// Reads `to` wherever a leaf lies in [from, from + size).
template <class T>
struct Substitution {
  const T *from = nullptr;
  std::int64_t size = 0;
  const T *to = nullptr;
};

/// What is wrong with the data of a task; empty if nothing is, or if it only diverged.
inline std::string bad_data(const blv_task_info &task, const Spec &spec) {
  const ObjectiveSpec &o = task.side == BLV_OUTER && spec.outer ? *spec.outer : spec.inner;
  switch (task.status) {
    case BLV_TASK_BAD_LABEL:
      if (o.loss == BLV_LOGISTIC) return "a label outside [0, 1]";
      return "a label outside [0, " + std::to_string(o.widths.back()) + ")";
    case BLV_TASK_BAD_INDEX:
      return "a minibatch index outside [0, " + std::to_string(o.rows) + ")";
    case BLV_TASK_BAD_ROWS:
      return "a number of rows outside [0, " + std::to_string(o.rows) + "]";
    default:
      return "";
  }
}

inline std::string widths_of(const ObjectiveSpec &o) {
  std::string text;
  for (const std::int64_t width : o.widths) text += (text.empty() ? "{" : ", ") + std::to_string(width);
  return text + ((o.flags & BLV_NO_BIAS) != 0 ? "} without bias" : "}");
}

/// Both losses are of one network.
inline void refuse_other_network(const ObjectiveSpec &inner, const ObjectiveSpec &outer) {
  if (inner.widths != outer.widths || inner.flags != outer.flags) {
    fail(BLV_INVALID, "outer loss: a network of widths ", widths_of(outer), "; accepted: that of the inner loss, ",
         widths_of(inner), ", as inner.on(X, y) has");
  }
  if (inner.activation != outer.activation) {
    fail(BLV_INVALID, "outer loss: another activation than the inner loss; accepted: the same network, as ",
         "inner.on(X, y) has");
  }
}

inline void replace_all(std::string &text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// The message of an error of the C ABI in the words of this layer, whose user knows no spec and no slots. slots[i] names
/// slot i.
inline Error in_own_words(const Error &error, const std::vector<std::string> &slots) {
  std::string text = error.what();
  text.erase(0, text.find(": ") + 2);
  for (std::size_t i = slots.size(); i-- > 0;) {
    const std::string index = std::string("[").append(std::to_string(i)).append("]");
    replace_all(text, std::string("spec.slots").append(index), slots[i]);
    replace_all(text, std::string("data").append(index), slots[i]);
  }
  constexpr std::pair<const char *, const char *> words[] = {{"spec.flags", "flags (skip_failed, split_tf32)"},
                                                             {"spec.inner.", "inner "},
                                                             {"spec.outer.", "outer "},
                                                             {"spec.method.", ""},
                                                             {"spec.", ""},
                                                             {"spec asks", "the plan asks"}};
  for (const auto &[from, to] : words) replace_all(text, from, to);
  return {error.status(), text};
}

/// Offsets in the caller's device memory: the workspace comes first.
struct DeviceLayout {
  std::int64_t workspace = 0, losses = 0, theta = 0, info = 0, bytes = 0;
};

inline DeviceLayout device_layout(const blv_sizes &sizes, std::int64_t losses, std::int64_t theta, std::int64_t info) {
  const auto aligned = [&](std::int64_t bytes) { return plus(bytes, 255) / 256 * 256; };
  DeviceLayout layout;
  layout.workspace = sizes.workspace_bytes;
  layout.losses = aligned(sizes.workspace_bytes);
  layout.theta = plus(layout.losses, aligned(losses));
  layout.info = plus(layout.theta, aligned(theta));
  layout.bytes = plus(layout.info, info);
  return layout;
}

}  // namespace detail

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_REQUESTS_HPP
