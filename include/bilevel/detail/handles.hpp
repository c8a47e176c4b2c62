// SPDX-License-Identifier: Apache-2.0
//
// Owners of what the C ABI hands out, one class each: Context, Plan, Workspace; every status that is not BLV_OK is an
// Error. This layer knows no models and no element types: a user of it fills a Spec, as in C, and passes pointers to
// Plan::execute.
#ifndef BILEVEL_DETAIL_HANDLES_HPP
#define BILEVEL_DETAIL_HANDLES_HPP
#include <bilevel/detail/errors.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace bilevel {

namespace detail {

struct AlignedDelete {
  std::int64_t align = 0;
  void operator()(void *memory) const noexcept {
    ::operator delete (memory, std::align_val_t{static_cast<std::size_t>(align)});
  }
};

}  // namespace detail

/// Options of a Context, for example Context({.threads = 2}). The members are those of blv_context_options, with the
/// CPU as the default device.
struct ContextOptions {
  std::int32_t device = BLV_DEVICE_CPU;  ///< or a CUDA device ordinal
  std::int32_t max_isa = BLV_ISA_BEST;   ///< upper limit for the instruction set, BLV_ISA_*
  std::int32_t threads = 0;              ///< 0: as many as the process may run on
  void *stream = nullptr;                ///< a cudaStream_t of `device`; nullptr: its default stream
  void *user = nullptr;                  ///< first argument of parallel_for
  void (*parallel_for)(void *, std::int64_t, void (*)(void *, std::int64_t),
                       void *) = nullptr;  ///< nullptr: the own pool
};

/// Where a computation runs: device, threads, cancellation, progress. It works for one call at a time: one that finds it
/// in use throws Error (BLV_INVALID), but for cancel() and progress(), which any thread may call. Move-only; a
/// moved-from context throws Error (BLV_INVALID) when it is used.
class Context {
 public:
  /// Throws Error: BLV_INVALID, BLV_NO_DEVICE, BLV_UNSUPPORTED, BLV_NO_MEMORY.
  explicit Context(const ContextOptions &options = {}) : device_(options.device) {
    blv_context_options o{};
    o.size = sizeof o;
    o.device = options.device;
    o.max_isa = options.max_isa;
    o.threads = options.threads;
    o.stream = options.stream;
    o.user = options.user;
    o.parallel_for = options.parallel_for;
    blv_context context = nullptr;
    detail::check(blv_context_create(&o, &context), nullptr);
    handle_.reset(context);
  }

  /// Asks the running execute, or else the next one, to stop: it throws Error (BLV_CANCELLED). Any thread; from a
  /// signal handler, call blv_context_cancel(context.get()) with a handle taken beforehand.
  void cancel() { blv_context_cancel(get()); }

  struct Progress {
    std::int64_t done, total;
  };
  /// Inner steps done and to do of the running or last execute. Any thread.
  Progress progress() const {
    Progress p{0, 0};
    blv_context_progress(get(), &p.done, &p.total);
    return p;
  }

  /// BLV_DEVICE_CPU, or the ordinal of the CUDA device.
  std::int32_t device() const noexcept { return device_; }

  /// The C handle; stays owned by this object. Throws Error (BLV_INVALID) if moved from.
  blv_context get() const { return detail::alive(handle_.get(), "Context"); }

 private:
  struct Destroy {
    void operator()(blv_context context) const noexcept { blv_context_destroy(context); }
  };
  std::unique_ptr<blv_context_s, Destroy> handle_;
  std::int32_t device_;
};

/// A blv_objective that owns its widths: {inputs, hidden..., outputs}.
struct ObjectiveSpec {
  std::int32_t loss = 0;  ///< BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY
  std::vector<std::int64_t> widths;
  std::int64_t rows = 0;
  std::int32_t activation = 0;  ///< BLV_TANH, ...; 0 without hidden layers
  std::int32_t flags = 0;       ///< 0 or BLV_NO_BIAS

  std::int64_t parameters() const {
    return blv_parameter_count(static_cast<std::int64_t>(widths.size()), widths.data(), flags);
  }
};

using Method = std::variant<blv_method, blv_hvp, blv_unroll, blv_forward, blv_implicit>;

/// Loss and gradients at given parameters.
inline Method evaluate_method() { return blv_method{sizeof(blv_method), BLV_EVALUATE, 0}; }
/// Products with the Hessian, and cross products, for `vectors` vectors (1 to 8).
inline Method hvp_method(std::int64_t vectors) { return blv_hvp{{sizeof(blv_hvp), BLV_HVP, 0}, vectors}; }
/// `steps` steps of BLV_SGD or BLV_HEAVY_BALL; batch_rows 0: all rows at every step.
inline Method unroll_method(std::int32_t optimiser, std::int64_t steps, std::int64_t batch_rows = 0,
                            std::int32_t store = BLV_STORE_AUTO) {
  return blv_unroll{{sizeof(blv_unroll), BLV_UNROLL, 0}, optimiser, store, steps, batch_rows};
}
/// The same steps, and derivatives along `tangents` directions (1 to 8).
inline Method forward_method(std::int32_t optimiser, std::int64_t steps, std::int64_t tangents,
                             std::int64_t batch_rows = 0) {
  return blv_forward{{sizeof(blv_forward), BLV_FORWARD, 0}, optimiser, 0, steps, batch_rows, tangents};
}
/// The same steps, and the hypergradient from the optimality condition; solver: BLV_CG, ... `step` is of BLV_NEUMANN.
inline Method implicit_method(std::int32_t optimiser, std::int64_t steps, std::int32_t solver, std::int64_t iterations,
                              double tolerance, double damping = 0, std::int64_t batch_rows = 0, double step = 0) {
  blv_implicit m{};
  m.head = {sizeof m, BLV_IMPLICIT, 0};
  m.optimiser = optimiser;
  m.solver = solver;
  m.steps = steps;
  m.batch_rows = batch_rows;
  m.iterations = iterations;
  m.tolerance = tolerance;
  m.damping = damping;
  m.step = step;
  return m;
}

/// A blv_slot with defaults, for example Slot{.side = BLV_METHOD, .leaf = BLV_THETA0}.
struct Slot {
  std::int32_t side = 0, leaf = 0, use = BLV_VALUE;
  std::int32_t dtype = 0;  ///< 0: that of the Spec when the slot is added
  std::int32_t link = BLV_NO_LINK, extent = BLV_NATURAL;
  std::int64_t task_stride = 0, step_stride = 0, row_stride = 0;
};

/// A blv_spec that owns what it points to. Fill it, then make a Plan.
struct Spec {
  std::int32_t dtype = BLV_F32;
  std::int64_t tasks = 1;
  ObjectiveSpec inner;
  std::optional<ObjectiveSpec> outer;
  Method method = evaluate_method();
  std::vector<blv_slot> slots;
  std::int64_t workspace_limit = 0;
  std::int32_t max_threads = 0;
  std::int32_t executor = BLV_EXECUTOR_AUTO;
  std::int32_t flags = 0;

  /// Appends a slot and returns its index, the place of its pointer in Plan::execute.
  std::size_t add(const Slot &s) {
    detail::guarded([&] {
      slots.push_back({s.side, s.leaf, s.use, s.dtype == 0 ? dtype : s.dtype, s.link, s.extent, s.task_stride,
                       s.step_stride, s.row_stride});
    });
    return slots.size() - 1;
  }
};

/// Aligned memory for one execute at a time. Its content is irrelevant before and after.
class Workspace {
 public:
  Workspace() = default;
  /// `align` is a power of two. Throws Error (BLV_NO_MEMORY).
  explicit Workspace(std::int64_t bytes, std::int64_t align) { reserve(bytes, align); }
  /// Workspace as blv_plan_sizes asks for it.
  explicit Workspace(const blv_sizes &sizes) { reserve(sizes.workspace_bytes, sizes.workspace_align); }
  Workspace(Workspace &&other) noexcept : memory_(std::move(other.memory_)), bytes_(std::exchange(other.bytes_, 0)) {}
  Workspace &operator=(Workspace &&other) noexcept {
    memory_ = std::move(other.memory_);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  /// Grows, without keeping the content, to at least `bytes` at `align`; does nothing if that is so already.
  void reserve(std::int64_t bytes, std::int64_t align) {
    if (memory_ != nullptr && bytes <= bytes_ && align <= memory_.get_deleter().align) return;
    memory_.reset();
    bytes_ = 0;
    const auto alignment = static_cast<std::size_t>(std::max<std::int64_t>(align, alignof(std::max_align_t)));
    const auto size = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1));
    void *memory = ::operator new (size, std::align_val_t{alignment}, std::nothrow);
    if (memory == nullptr) {
      detail::fail(BLV_NO_MEMORY, "workspace: ", bytes,
                   " bytes, which the host could not give; accepted: a plan that needs less, for an unroll by "
                   "Store::checkpoints (BLV_STORE_CHECKPOINTS) or a workspace_limit in bytes");
    }
    memory_ = {memory, detail::AlignedDelete{static_cast<std::int64_t>(alignment)}};
    bytes_ = static_cast<std::int64_t>(size);
  }

  void *data() const noexcept { return memory_.get(); }
  std::int64_t bytes() const noexcept { return bytes_; }

 private:
  std::unique_ptr<void, detail::AlignedDelete> memory_;
  std::int64_t bytes_ = 0;
};

/// Memory of the caller's for one execute at a time: of the host, or of a CUDA device.
struct WorkspaceView {
  void *data = nullptr;
  std::int64_t bytes = 0;
};

/// An immutable plan, made from sizes only. Threads may share it, each with its own Context and Workspace. Move-only; a
/// moved-from plan throws Error (BLV_INVALID) when it is used.
class Plan {
 public:
  /// Throws Error: BLV_INVALID, BLV_UNSUPPORTED, BLV_TOO_SMALL (workspace_limit), BLV_NO_MEMORY. Copies all that it
  /// needs.
  Plan(const Context &context, const Spec &spec) : slots_(spec.slots.size()) {
    const blv_objective inner = objective(spec.inner);
    const blv_objective outer = spec.outer ? objective(*spec.outer) : blv_objective{};
    blv_spec s{};
    s.size = sizeof s;
    s.dtype = spec.dtype;
    s.max_threads = spec.max_threads;
    s.tasks = spec.tasks;
    s.inner = &inner;
    s.outer = spec.outer ? &outer : nullptr;
    s.method = std::visit([](const auto &m) { return head(m); }, spec.method);
    s.n_slots = static_cast<std::int64_t>(spec.slots.size());
    s.slots = spec.slots.data();
    s.workspace_limit = spec.workspace_limit;
    s.executor = spec.executor;
    s.flags = spec.flags;
    blv_plan plan = nullptr;
    detail::check(blv_plan_create(context.get(), &s, &plan), context.get());
    handle_.reset(plan);
  }

  /// Bytes and alignment of the workspace, and the arithmetic and traffic of one execute.
  blv_sizes sizes() const {
    blv_sizes s{};
    s.size = sizeof s;
    detail::check(blv_plan_sizes(get(), &s), nullptr);
    return s;
  }

  /// Number of elements that the array of slot `slot` must have.
  std::int64_t extent(std::size_t slot) const {
    std::int64_t elements = 0;
    detail::check(blv_plan_extent(get(), static_cast<std::int64_t>(slot), &elements), nullptr);
    return elements;
  }

  /// A JSON object: executor, ISA level, what is stored, sizes, partition.
  std::string describe() const {
    std::int64_t needed = 0;
    const blv_status status = blv_plan_describe(get(), nullptr, 0, &needed);
    if (status != BLV_TOO_SMALL) detail::check(status, nullptr);
    std::string text = detail::guarded([&] { return std::string(static_cast<std::size_t>(needed), '\0'); });
    detail::check(blv_plan_describe(get(), text.data(), needed, &needed), nullptr);
    text.resize(text.find('\0') == std::string::npos ? text.size() : text.find('\0'));
    return text;
  }

  /// Runs `tasks` tasks. data[i] is the array of slot i, of at least extent(i) elements. `info` is empty or has one
  /// entry per task. Throws Error: BLV_INVALID, BLV_TOO_SMALL, BLV_UNSUPPORTED; BLV_CANCELLED, after which outputs are
  /// undefined.
  void execute(const Context &context, std::int64_t tasks, std::span<void *const> data, const Workspace &workspace,
               std::span<blv_task_info> info = {}) const {
    if (!info.empty() && static_cast<std::int64_t>(info.size()) < tasks) {
      detail::fail(BLV_TOO_SMALL, "execute: info has ", info.size(), " entries for ", tasks, " tasks");
    }
    execute(context, tasks, data, WorkspaceView{workspace.data(), workspace.bytes()},
            info.empty() ? nullptr : info.data());
  }

  /// The same with memory of the caller's. On a CUDA device: enqueued on the context's stream; data[i], workspace and
  /// info (nullptr, or room for an entry per task) are memory of that device, see bilevel.h. Throws Error also with
  /// BLV_DEVICE_FAULT.
  void execute(const Context &context, std::int64_t tasks, std::span<void *const> data, const WorkspaceView &workspace,
               blv_task_info *info = nullptr) const {
    if (data.size() != slots_) {
      detail::fail(BLV_INVALID, "execute: ", data.size(), " pointers for a plan of ", slots_, " slots");
    }
    detail::check(blv_execute(context.get(), get(), tasks, data.data(), workspace.data, workspace.bytes, nullptr, info),
                  context.get());
  }

  /// The C handle; stays owned by this object. Throws Error (BLV_INVALID) if moved from.
  blv_plan get() const { return detail::alive(handle_.get(), "Plan"); }

 private:
  static blv_objective objective(const ObjectiveSpec &o) {
    blv_objective c{};
    c.size = sizeof c;
    c.model = BLV_NETWORK;
    c.loss = o.loss;
    c.activation = o.activation;
    c.flags = o.flags;
    c.rows = o.rows;
    c.n_widths = static_cast<std::int64_t>(o.widths.size());
    c.widths = o.widths.data();
    return c;
  }
  static const blv_method *head(const blv_method &m) { return &m; }
  template <class M>
  static const blv_method *head(const M &m) {
    return &m.head;
  }

  struct Destroy {
    void operator()(blv_plan plan) const noexcept { blv_plan_destroy(plan); }
  };
  std::unique_ptr<blv_plan_s, Destroy> handle_;
  std::size_t slots_;
};

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_HANDLES_HPP
