// SPDX-License-Identifier: Apache-2.0
//
// From leaves to plans and executes. The Engine holds the leaves of one computation; asked for the gradient of some
// arrays, it finds the leaves that lie within each of them, makes (once for each such set) the plan with the GRADIENT
// slots of those leaves, executes it and adds up.
#ifndef BILEVEL_DETAIL_ENGINE_HPP
#define BILEVEL_DETAIL_ENGINE_HPP
#include <bilevel/detail/methods.hpp>
#include <bilevel/detail/requests.hpp>

#include <functional>
#include <limits>
#include <map>

namespace bilevel::detail {

template <class T>
class Engine {
 public:
  /// `prototype` has no slots; `vectors` is the K of a Hessian-vector product, else 1; context null: an own one.
  Engine(Spec prototype, std::vector<Leaf<T>> leaves, Context *context, std::int64_t vectors = 1)
      : spec_(std::move(prototype)), leaves_(std::move(leaves)), vectors_(vectors), context_(context) {
    if (context_ == nullptr) own_context_ = std::make_unique<Context>();
    if (on_device()) return;  // results go where the caller says
    allocate(losses_, plus(spec_.tasks, 1),
             "losses");  // one more than used, so that no slot of a plan of 0 tasks is null
    losses_.pop_back();
    allocate(info_, spec_.tasks, "info");
    allocate(theta_, plus(times(spec_.tasks, spec_.inner.parameters()), 1), "theta");
    theta_.pop_back();
  }

  /// Runs all tasks. outer false: an unroll without its outer loss.
  void run(std::span<const Request<T>> wanted, const Substitution<T> &substitution = {}, bool outer = true) {
    if (on_device()) {
      fail(BLV_UNSUPPORTED, "this call reads and returns host memory, and the context is of CUDA device ",
           context().device(), "; accepted: enqueue, or a context of the CPU");
    }
    guarded([&] {
      Compiled &c = compiled(mask_of(wanted, outer));
      std::vector<void *> data = bind_inputs(c, substitution);
      if (c.loss) data.push_back(losses_.data());
      if (c.theta) data.push_back(theta_.data());
      for (const std::size_t i : c.extras) data.push_back(extras_[i].values.data());
      const std::vector<bool> direct = bind_gradients(c, wanted, data);
      workspace_.reserve(c.sizes.workspace_bytes, c.sizes.workspace_align);
      in_own_words_of(c.slots, [&] { c.plan.execute(context(), spec_.tasks, data, workspace_, info_); });
      refuse_bad_data();
      for (std::size_t i = 0; i < c.gradients.size(); ++i) {
        if (!direct[i]) add_scratch(c, i, wanted);
      }
    });
  }

  /// Lets plans on the CPU write the RESULT `leaf` too, `each` elements per task.
  void want(std::int32_t leaf, std::int64_t each, const char *name) {
    guarded([&] {
      Extra &extra = extras_.emplace_back(Extra{leaf, each, name, {}});
      allocate(extra.values, plus(times(spec_.tasks, each), 1), name);  // of 0 tasks no null either
      extra.values.pop_back();
    });
  }
  /// What the last run wrote there.
  std::span<const T> result_of(std::int32_t leaf) const {
    for (const Extra &extra : extras_) {
      if (extra.leaf == leaf) return extra.values;
    }
    return {};
  }

  /// Bytes of device memory that enqueue takes.
  std::int64_t device_bytes(std::span<const Request<T>> wanted, bool outer = true) {
    return guarded([&] { return layout_of(compiled(mask_of(wanted, outer))).bytes; });
  }

  /// Enqueues all tasks on the context's stream; `memory` is of its device.
  DeviceResults<T> enqueue(const WorkspaceView &memory, std::span<const Request<T>> wanted, bool outer = true) {
    if (!on_device()) fail(BLV_UNSUPPORTED, "enqueue: the context is of the CPU; accepted: one of a CUDA device");
    return guarded([&] { return enqueue_on_device(memory, wanted, outer); });
  }

  Context &context() { return context_ != nullptr ? *context_ : *own_context_; }
  bool on_device() { return context().device() != BLV_DEVICE_CPU; }
  const Spec &spec() const { return spec_; }
  const std::vector<Leaf<T>> &leaves() const { return leaves_; }
  /// The leaves that lie within an array, as a mask of their indices; throws Error (BLV_INVALID) if there is none.
  std::uint64_t leaves_in(const Array<T> &a) const { return leaves_within({a.data, a.size, nullptr}); }
  std::span<const T> losses() const { return losses_; }
  std::span<const T> theta() const { return theta_; }
  std::span<const blv_task_info> info() const { return info_; }
  std::string describe() { return compiled(last_).plan.describe(); }

  /// Lets the leaf `name` read another array of the same size.
  void rebind(std::string_view name, const T *data) {
    for (Leaf<T> &l : leaves_) {
      if (l.name == name) l.data = data;
    }
  }

 private:
  static constexpr std::uint64_t without_outer = std::uint64_t{1} << 63;

  struct Compiled {
    Plan plan;
    std::vector<std::size_t> inputs, gradients;  ///< indices into leaves_, in the order of the slots
    std::vector<std::string> slots;              ///< their names, for messages
    blv_sizes sizes;
    bool loss, theta;
    std::vector<std::vector<T>> scratch;  ///< one per gradient
    std::vector<std::size_t> extras;      ///< indices into extras_
  };
  struct Extra {
    std::int32_t leaf;
    std::int64_t each;
    std::string name;
    std::vector<T> values;
  };

  DeviceResults<T> enqueue_on_device(const WorkspaceView &memory, std::span<const Request<T>> wanted, bool outer) {
    Compiled &c = compiled(mask_of(wanted, outer));
    const DeviceLayout layout = layout_of(c);
    if (memory.bytes < layout.bytes) {
      fail(BLV_TOO_SMALL, "enqueue: memory has ", memory.bytes, " bytes; accepted: at least ", layout.bytes);
    }
    const auto at = [&](std::int64_t offset) { return static_cast<void *>(static_cast<char *>(memory.data) + offset); };
    refuse_host_leaves(c);
    std::vector<void *> data = bind_inputs(c, {});
    if (c.loss) data.push_back(at(layout.losses));
    if (c.theta) data.push_back(at(layout.theta));
    refuse_scratch(c, bind_gradients(c, wanted, data));
    auto *info = static_cast<blv_task_info *>(at(layout.info));
    in_own_words_of(c.slots, [&] {
      c.plan.execute(context(), spec_.tasks, data, WorkspaceView{memory.data, layout.workspace}, info);
    });
    return {c.loss ? static_cast<const T *>(at(layout.losses)) : nullptr,
            c.theta ? static_cast<const T *>(at(layout.theta)) : nullptr, info};
  }

  static bool before(const T *a, const T *b) { return std::less<const T *>()(a, b); }

  static bool within(const Leaf<T> &l, const T *array, std::int64_t size) {
    const auto *begin = static_cast<const T *>(l.data);
    return l.differentiable() && !before(begin, array) && !before(array + size, begin + l.extent);
  }

  bool reads(std::size_t leaf, std::uint64_t mask) const {
    return (mask & without_outer) == 0 || leaves_[leaf].slot.side != BLV_OUTER;
  }

  std::uint64_t leaves_within(const Request<T> &r) const {
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      const Leaf<T> &l = leaves_[i];
      if (!l.differentiable()) continue;
      const auto *begin = static_cast<const T *>(l.data);
      if (!before(begin, r.array + r.size) || !before(r.array, begin + l.extent)) continue;
      if (!within(l, r.array, r.size)) {
        fail(BLV_INVALID, "gradient: the array of ", r.size, " elements holds only a part of the ", l.extent,
             " elements of ", l.name, "; accepted: the whole array that the expression was given");
      }
      refuse_leaf_of_steps(l);
      mask |= std::uint64_t{1} << i;
    }
    if (mask == 0) {
      std::string names;
      for (const Leaf<T> &l : leaves_) {
        if (l.differentiable()) names += (names.empty() ? "" : ", ") + l.name + " (" + std::to_string(l.extent) + ")";
      }
      fail(BLV_INVALID, "gradient: nothing depends on the given array of ", r.size,
           " elements; accepted: the arrays of ", names, ", or an array that contains them");
    }
    return mask;
  }

  void refuse_leaf_of_steps(const Leaf<T> &l) const {
    const bool of_steps = l.slot.leaf == BLV_THETA0 || l.slot.leaf == BLV_RATE || l.slot.leaf == BLV_MOMENTUM;
    if (!of_steps || !std::holds_alternative<blv_implicit>(spec_.method)) return;
    fail(BLV_INVALID, "gradient of ", l.name,
         ": implicit differentiation does not see the inner steps, only where they end; accepted: arrays of the losses "
         "(X, targets, weights, l2), or unroll(...) | reverse(outer)");
  }

  std::uint64_t mask_of(std::span<const Request<T>> wanted, bool outer) const {
    std::uint64_t mask = outer ? 0 : without_outer;
    for (const Request<T> &r : wanted) mask |= leaves_within(r);
    return mask;
  }

  DeviceLayout layout_of(const Compiled &c) const {
    const auto element = static_cast<std::int64_t>(sizeof(T)), entry = static_cast<std::int64_t>(sizeof(blv_task_info));
    const std::int64_t theta = c.theta ? times(times(spec_.tasks, spec_.inner.parameters()), element) : 0;
    return device_layout(c.sizes, times(spec_.tasks, element), theta, times(spec_.tasks, entry));
  }

  void refuse_host_leaves(const Compiled &c) const {
    for (const std::size_t i : c.inputs) {
      const Leaf<T> &l = leaves_[i];
      if (l.data != nullptr || l.extent == 0) continue;
      fail(BLV_INVALID, l.name, ": a number or a default value of the host; accepted on a CUDA device: an array of ",
           l.extent, " elements in its memory");
    }
  }

  void refuse_scratch(const Compiled &c, const std::vector<bool> &direct) const {
    for (std::size_t i = 0; i < direct.size(); ++i) {
      if (direct[i]) continue;
      fail(
          BLV_UNSUPPORTED, "gradient of ", leaves_[c.gradients[i]].name,
          ": other leaves read its array too, or it is asked for twice; accepted on a CUDA device, where gradients are "
          "not added up: an array of its own, once");
    }
  }

  Compiled &compiled(std::uint64_t mask) {
    last_ = mask;
    const auto found = cache_.find(mask);
    if (found != cache_.end()) return found->second;
    Spec spec = spec_;
    std::vector<std::size_t> inputs, gradients;
    std::vector<std::string> slots;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      if (!reads(i, mask)) continue;
      inputs.push_back(i);
      slots.push_back(leaves_[i].name);
      spec.slots.push_back(leaves_[i].slot);
    }
    const bool trained =
        !std::holds_alternative<blv_method>(spec.method) && !std::holds_alternative<blv_hvp>(spec.method);
    if ((mask & ~without_outer) == 0) spec.method = steps_alone(spec.method);
    if ((mask & without_outer) != 0) spec.outer.reset();
    if (spec.outer) refuse_other_network(spec.inner, *spec.outer);
    const bool loss = std::holds_alternative<blv_method>(spec.method) || spec.outer.has_value();
    if (loss) spec.add(result(BLV_LOSS, 1)), slots.emplace_back("losses");
    if (trained) spec.add(result(BLV_THETA, spec.inner.parameters())), slots.emplace_back("theta_T");
    std::vector<std::size_t> extras;
    for (std::size_t i = 0; i < extras_.size(); ++i) {
      if (on_device() || spec.method.index() != spec_.method.index()) break;  // no such result
      extras.push_back(i);
      slots.push_back(extras_[i].name);
      spec.add(result(extras_[i].leaf, extras_[i].each));
    }
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      if ((mask >> i & 1) == 0) continue;
      gradients.push_back(i);
      slots.push_back("gradient of " + leaves_[i].name);
      spec.slots.push_back(gradient(leaves_[i]));
    }
    Plan plan = in_own_words_of(slots, [&] { return Plan(context(), spec); });
    for (std::size_t i = 0; i < inputs.size(); ++i) check_extent(plan, i, leaves_[inputs[i]]);
    const blv_sizes sizes = plan.sizes();
    std::vector<std::vector<T>> scratch(gradients.size());
    Compiled c{std::move(plan), std::move(inputs),  std::move(gradients), std::move(slots), sizes, loss,
               trained,         std::move(scratch), std::move(extras)};
    return cache_.emplace(mask, std::move(c)).first->second;
  }

  template <class Body>
  static auto in_own_words_of(const std::vector<std::string> &slots, Body &&body) {
    try {
      return body();
    } catch (const Error &error) {
      throw in_own_words(error, slots);
    }
  }

  static Slot result(std::int32_t leaf, std::int64_t task_stride) {
    return {.side = BLV_METHOD, .leaf = leaf, .use = BLV_RESULT, .task_stride = task_stride};
  }

  blv_slot gradient(const Leaf<T> &l) const {
    blv_slot s = l.slot;
    s.use = BLV_GRADIENT;
    s.link = BLV_NO_LINK;
    if (std::holds_alternative<blv_hvp>(spec_.method)) s.step_stride = l.extent;
    return s;
  }

  static void check_extent(const Plan &plan, std::size_t slot, const Leaf<T> &l) {
    const std::int64_t extent = plan.extent(slot);
    if (extent > l.extent) {
      fail(BLV_INVALID, l.name, ": an array of ", l.extent, " elements; accepted: at least ", extent);
    }
  }

  std::vector<void *> bind_inputs(const Compiled &c, const Substitution<T> &sub) const {
    std::vector<void *> data;
    data.reserve(c.inputs.size() + 2 + c.extras.size() + c.gradients.size());
    for (const std::size_t i : c.inputs) {
      const void *p = leaves_[i].pointer();
      if (sub.size > 0 && within(leaves_[i], sub.from, sub.size)) p = sub.to + (static_cast<const T *>(p) - sub.from);
      data.push_back(const_cast<void *>(p));  // the C ABI has one pointer type; VALUE slots are only read
    }
    return data;
  }

  /// A gradient is written straight to a request's array if it is the only one there at its place, else to scratch.
  std::vector<bool> bind_gradients(Compiled &c, std::span<const Request<T>> wanted, std::vector<void *> &data) const {
    std::vector<bool> direct;
    std::vector<std::pair<const T *, const T *>> taken;
    for (std::size_t i = 0; i < c.gradients.size(); ++i) {
      const Leaf<T> &l = leaves_[c.gradients[i]];
      const auto *begin = static_cast<const T *>(l.data);
      const auto overlaps = [&](const auto &t) { return before(begin, t.second) && before(t.first, begin + l.extent); };
      const auto holds = [&](const Request<T> &r) { return within(l, r.array, r.size); };
      const auto fits = [&](const Request<T> &r) { return holds(r) && (vectors_ == 1 || r.size == l.extent); };
      const bool alone = std::ranges::count_if(wanted, holds) == 1 && std::ranges::count_if(wanted, fits) == 1 &&
                         std::ranges::none_of(taken, overlaps);
      direct.push_back(alone);
      if (alone) {
        const Request<T> &r = *std::ranges::find_if(wanted, holds);
        taken.emplace_back(begin, begin + l.extent);
        data.push_back(r.out + (begin - r.array));
      } else {
        allocate(c.scratch[i], times(l.extent, vectors_), c.slots[c.slots.size() - c.gradients.size() + i]);
        data.push_back(c.scratch[i].data());
      }
    }
    return direct;
  }

  void add_scratch(const Compiled &c, std::size_t gradient, std::span<const Request<T>> wanted) const {
    const Leaf<T> &l = leaves_[c.gradients[gradient]];
    for (const Request<T> &r : wanted) {
      if (!within(l, r.array, r.size)) continue;
      const T *from = c.scratch[gradient].data();
      for (std::int64_t k = 0; k < vectors_; ++k) {
        T *to = r.out + k * r.size + (static_cast<const T *>(l.data) - r.array);
        for (std::int64_t e = 0; e < l.extent; ++e) to[e] += *from++;
      }
    }
  }

  void refuse_bad_data() const {
    if ((spec_.flags & BLV_SKIP_FAILED) != 0) return;
    for (std::size_t b = 0; b < info_.size(); ++b) {
      const blv_task_info &t = info_[b];
      const std::string what = bad_data(t, spec_);
      if (what.empty()) continue;
      const std::string row = t.row >= 0 ? " at row " + std::to_string(t.row) : "";
      const std::string step = t.step >= 0 ? " in step " + std::to_string(t.step) : "";
      fail(BLV_INVALID, side_name(t.side), "data of task ", b, ": ", what, row, step);
    }
  }

  Spec spec_;
  std::vector<Leaf<T>> leaves_;
  std::int64_t vectors_;
  Context *context_;
  std::unique_ptr<Context> own_context_;
  std::map<std::uint64_t, Compiled> cache_;
  Workspace workspace_;
  std::vector<T> losses_, theta_;
  std::vector<blv_task_info> info_;
  std::vector<Extra> extras_;
  std::uint64_t last_ = 0;
};

}  // namespace bilevel::detail
#endif  // BILEVEL_DETAIL_ENGINE_HPP
