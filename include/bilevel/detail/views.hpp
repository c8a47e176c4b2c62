// SPDX-License-Identifier: Apache-2.0
//
// Views of the user's arrays. Nothing here copies or owns data: an expression that was made from an array reads it at
// every call, so the array must outlive the expression, may change its values between calls and must not change its
// place or size. An Array is a flat array with what the losses need to know of it (link, axes); a Tensor is tasks x
// rows x columns, and a Matrix is a Tensor that all tasks share.
#ifndef BILEVEL_DETAIL_VIEWS_HPP
#define BILEVEL_DETAIL_VIEWS_HPP
#include <bilevel/detail/handles.hpp>

#include <concepts>
#include <ranges>
#include <type_traits>

namespace bilevel {

template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

namespace detail {

template <class R>
concept ArrayRange = std::ranges::contiguous_range<R> && std::ranges::sized_range<R>;
template <class R>
using ValueOf = std::remove_cv_t<std::ranges::range_value_t<R>>;
/// A named array, or a view such as std::span: not a temporary that owns its elements.
template <class R>
concept RealRange = ArrayRange<R> && Real<ValueOf<R>> && std::ranges::borrowed_range<R>;
/// As RealRange, of int32_t or int64_t (or a type of their size).
template <class R>
concept IndexRange = ArrayRange<R> && std::signed_integral<ValueOf<R>> &&
                     (sizeof(ValueOf<R>) == 4 || sizeof(ValueOf<R>) == 8) &&
                     std::ranges::borrowed_range<R>;

template <class R>
std::int64_t count(const R &range) {
  return static_cast<std::int64_t>(std::ranges::size(range));
}

template <class T>
inline constexpr std::int32_t dtype_of = std::same_as<T, float> ? BLV_F32 : BLV_F64;

}  // namespace detail

/// An array in the memory of a CUDA device: goes wherever an array goes, and is not read by the host.
template <class T>
class DeviceView : public std::span<T> {
 public:
  DeviceView(T *data, std::int64_t size) : std::span<T>(data, static_cast<std::size_t>(size)) {}
};

/// `size` elements at `data` in the memory of a CUDA device.
template <class T>
DeviceView<T> device(T *data, std::int64_t size) {
  return {data, size};
}

}  // namespace bilevel

template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<bilevel::DeviceView<T>> = true;

namespace bilevel {

namespace detail {

template <class R>
inline constexpr bool is_device_view = false;
template <class T>
inline constexpr bool is_device_view<DeviceView<T>> = true;

}  // namespace detail

/// tasks x rows x columns of T, the columns of a row contiguous; strides in elements.
template <class T>
class Tensor {
 public:
  /// `data` has at least (tasks - 1) task_stride + (rows - 1) row_stride + columns elements. A stride of 0 means dense.
  /// Throws Error (BLV_INVALID) otherwise.
  template <detail::RealRange R>
  requires std::same_as<detail::ValueOf<R>, T> Tensor(R &&data, std::int64_t tasks, std::int64_t rows,
                                                      std::int64_t columns, std::int64_t task_stride = 0,
                                                      std::int64_t row_stride = 0)
      : data_(std::ranges::data(data)), tasks_(tasks), rows_(rows), columns_(columns) {
    row_stride_ = row_stride == 0 ? columns : row_stride;
    task_stride_ = task_stride == 0 ? detail::times(rows, row_stride_) : task_stride;
    const std::int64_t size = detail::count(data);
    if (tasks < 0 || rows < 0 || columns < 1 || row_stride_ < columns || task_stride_ < 0 || extent() > size) {
      detail::fail(BLV_INVALID, "Tensor: ", tasks, " tasks x ", rows, " rows x ", columns, " columns with task stride ",
                   task_stride_, " and row stride ", row_stride_, " over an array of ", size,
                   " elements; accepted: at least ", extent(), " elements, columns >= 1, row stride >= columns");
    }
  }

  const T *data() const noexcept { return data_; }
  std::int64_t tasks() const noexcept { return tasks_; }
  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t columns() const noexcept { return columns_; }
  std::int64_t task_stride() const noexcept { return task_stride_; }
  std::int64_t row_stride() const noexcept { return row_stride_; }
  std::int32_t link() const noexcept { return link_; }
  /// Elements from the first to the last one that is read, gaps included.
  std::int64_t extent() const noexcept {
    if (tasks_ == 0 || rows_ == 0) return 0;
    return detail::plus(detail::plus(detail::times(tasks_ - 1, task_stride_), detail::times(rows_ - 1, row_stride_)),
                        columns_);
  }
  Tensor with_link(std::int32_t link) const {
    Tensor t = *this;
    t.link_ = link;
    return t;
  }

 private:
  const T *data_;
  std::int64_t tasks_, rows_, columns_, task_stride_ = 0, row_stride_ = 0;
  std::int32_t link_ = BLV_NO_LINK;
};
template <detail::RealRange R>
Tensor(R &&, std::int64_t, std::int64_t, std::int64_t, std::int64_t = 0, std::int64_t = 0)
    -> Tensor<detail::ValueOf<R>>;

/// rows x columns of T, row-major: X of one problem, or X that all tasks share.
template <class T>
class Matrix : public Tensor<T> {
 public:
  /// `data` has at least (rows - 1) row_stride + columns elements. row_stride 0 means dense. Throws Error
  /// (BLV_INVALID).
  template <detail::RealRange R>
  requires std::same_as<detail::ValueOf<R>, T> Matrix(R &&data, std::int64_t rows, std::int64_t columns,
                                                      std::int64_t row_stride = 0)
      : Tensor<T>(data, 1, rows, columns, 0, row_stride) {}
};
template <detail::RealRange R>
Matrix(R &&, std::int64_t, std::int64_t, std::int64_t = 0) -> Matrix<detail::ValueOf<R>>;

/// A flat array of T as the functions below decorate it; or a number, T = void, which goes with float and with double.
template <class T>
struct Array {
  using Element = T;
  const T *data = nullptr;
  std::int64_t size = 0;
  std::optional<double> number{};  ///< set: this is a constant, and data is null
  std::int32_t link = BLV_NO_LINK;
  std::int32_t extent = BLV_NATURAL;  ///< BLV_NATURAL: told by the size
  bool per_task = false;
  bool per_step = false;
};

namespace detail {

template <class T>
struct IsView : std::false_type {};
template <class T>
struct IsView<Array<T>> : std::true_type {};

template <class A>
concept TensorLike = requires(const std::remove_cvref_t<A> &a) {
  []<class T>(const Tensor<T> &) {}(a);
};

/// Array<T> of an array, a tensor or an Array; Array<void> of a number.
template <class A>
auto array(A &&a) {
  using D = std::remove_cvref_t<A>;
  if constexpr (IsView<D>::value) {
    return a;
  } else if constexpr (std::is_arithmetic_v<D>) {
    Array<void> constant;
    constant.number = static_cast<double>(a);
    return constant;
  } else if constexpr (TensorLike<A>) {
    return [&]<class T>(const Tensor<T> &t) { return Array<T>{t.data(), t.extent(), {}, t.link()}; }(a);
  } else {
    static_assert(ArrayRange<A>,
                  "expected a number or a contiguous array of float or double (std::vector, std::span, ...)");
    static_assert(Real<ValueOf<A>>, "expected elements of type float or double");
    static_assert(std::ranges::borrowed_range<A>, "the expression would outlive this temporary array: give it a name");
    return Array<ValueOf<A>>{std::ranges::data(a), count(a)};
  }
}

/// The same as an Array<T>, where it is one of T or a number.
template <class T, class A>
Array<T> array_of(A &&a) {
  auto view = array(std::forward<A>(a));
  using U = typename decltype(view)::Element;
  static_assert(std::same_as<U, T> || std::is_void_v<U>, "float and double are mixed in one expression");
  if constexpr (std::same_as<U, T>) {
    return view;
  } else {
    Array<T> constant;
    constant.number = view.number;
    return constant;
  }
}

/// The same, where a number makes no sense.
template <class T, class A>
Array<T> real_array_of(A &&a) {
  static_assert(!std::is_arithmetic_v<std::remove_cvref_t<A>>, "expected an array here, not a number");
  return array_of<T>(std::forward<A>(a));
}

template <class A>
auto linked(A &&a, std::int32_t link) {
  if constexpr (TensorLike<A>) {
    return [&]<class T>(const Tensor<T> &t) { return t.with_link(link); }(a);
  } else {
    auto view = array(std::forward<A>(a));
    static_assert(!std::is_void_v<typename decltype(view)::Element>, "a link takes an array, not a number");
    view.link = link;
    return view;
  }
}

}  // namespace detail

/// Links: the leaf is the function of the array, elementwise; gradients are with respect to the array. They take a
/// named array, a std::span or a Matrix (for features and targets), and combine with the axes below in any order.
template <class A>
auto exp(A &&a) {
  return detail::linked(std::forward<A>(a), BLV_EXP);
}
/// 1 / (1 + exp(-a)).
template <class A>
auto sigmoid(A &&a) {
  return detail::linked(std::forward<A>(a), BLV_SIGMOID_LINK);
}
/// log(1 + exp(a)).
template <class A>
auto softplus(A &&a) {
  return detail::linked(std::forward<A>(a), BLV_SOFTPLUS_LINK);
}

/// Axes of penalties, rates and momenta; the order in memory is [task][step][element].
/// One value (or one array of P) for every step, T or T x P elements: rates and momenta.
template <class A>
auto per_step(A &&a) {
  auto view = detail::array(std::forward<A>(a));
  view.per_step = true;
  return view;
}
/// One value (or array) for every task.
template <class A>
auto per_task(A &&a) {
  auto view = detail::array(std::forward<A>(a));
  view.per_task = true;
  return view;
}
/// One value for each of the P parameters, biases included.
template <class A>
auto per_parameter(A &&a) {
  auto view = detail::array(std::forward<A>(a));
  view.extent = BLV_PER_PARAMETER;
  return view;
}
/// One value for each input feature: penalties of the columns of the first layer's weight.
template <class A>
auto per_feature(A &&a) {
  auto view = detail::array(std::forward<A>(a));
  view.extent = BLV_PER_FEATURE;
  return view;
}

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_VIEWS_HPP
