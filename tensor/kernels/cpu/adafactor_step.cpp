// Adafactor's passes over a slice. Sums are made piece by piece, and within a piece row by row, so their bits depend on
// where a piece lies in its matrix and on nothing else.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/adafactor_step.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

/// Calls body(begin, end, row, column) for the parts [begin, end) of a slice that lie in one row of the matrix each;
/// of a vector once for all.
template <class Body>
HWY_INLINE void for_each_row(std::int64_t begin, std::int64_t end, std::int64_t offset, std::int64_t columns,
                             const Body& body) {
  while (begin < end) {
    const std::int64_t row = columns > 0 ? (offset + begin) / columns : 0;
    const std::int64_t column = columns > 0 ? (offset + begin) % columns : 0;
    const std::int64_t until = columns > 0 ? std::min(end, begin + columns - column) : end;
    body(begin, until, row, column);
    begin = until;
  }
}

/// The sum of squares of x [n], each of which is also added to squares [n].
double add_squares(const float* x, std::int64_t n, double* squares) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> narrow;
  auto sum = hn::Zero(d);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto value = hn::PromoteTo(d, access.load(narrow, x + i));
    const auto square = hn::Mul(value, value);
    sum = hn::Add(sum, square);
    access.store(hn::Add(access.load(d, squares + i), square), d, squares + i);
  };
  for_each_vector(narrow, n, step);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void factored_squares(const float* gradients, std::int64_t begin, std::int64_t end, std::int64_t offset,
                      std::int64_t columns, const FactoredSums& layout, double* sums) {
  std::fill_n(sums, layout.size(), 0.0);
  const std::int64_t first_row = (offset + begin) / columns;
  double* of_columns = sums + layout.rows;
  for_each_row(begin, end, offset, columns,
               [&](std::int64_t from, std::int64_t until, std::int64_t row, std::int64_t column) TEMPER_VECTOR_LAMBDA {
                 const std::int64_t place = layout.columns == columns ? column : from - begin;
                 sums[row - first_row] = add_squares(gradients + from, until - from, of_columns + place);
               });
}

/// The update of elements in one row, before it is scaled, and what it leaves of the squares.
template <class D>
struct Direction {
  D d;
  hn::Vec<D> gradient_scale;
  hn::Vec<D> beta2;
  hn::Vec<D> rest;
  hn::Vec<D> epsilon;

  Direction(D tag, const AdafactorStep& by)
      : d(tag),
        gradient_scale(hn::Set(d, by.gradient_scale)),
        beta2(hn::Set(d, by.beta2)),
        rest(hn::Set(d, 1.0F - by.beta2)),
        epsilon(hn::Set(d, by.epsilon)) {}

  template <class Access>
  HWY_INLINE hn::Vec<D> gradient(Access access, const AdafactorSlice& slice, std::int64_t i) const {
    return hn::Mul(access.load(d, slice.gradients + i), gradient_scale);
  }
  template <class Access>
  HWY_INLINE hn::Vec<D> of_matrix(Access access, const AdafactorSlice& slice, std::int64_t i, float row_factor,
                                  std::int64_t column) const {
    const auto of_row = hn::Mul(gradient(access, slice, i), hn::Set(d, row_factor));
    return hn::Mul(of_row, access.load(d, slice.column_factors + column));
  }
  /// Of lanes beyond the end it would divide by zero.
  template <class Access>
  HWY_INLINE hn::Vec<D> of_vector(Access access, const AdafactorSlice& slice, std::int64_t i,
                                  hn::Vec<D> squares) const {
    return access.valid_or_zero(d, hn::Div(gradient(access, slice, i), hn::Sqrt(squares)));
  }
  template <class Access>
  HWY_INLINE hn::Vec<D> new_squares(Access access, const AdafactorSlice& slice, std::int64_t i) const {
    const auto g = gradient(access, slice, i);
    return hn::MulAdd(rest, hn::MulAdd(g, g, epsilon), hn::Mul(beta2, access.load(d, slice.squares + i)));
  }
};

void adafactor_squares(const AdafactorSlice& slice, std::int64_t begin, std::int64_t end, const AdafactorStep& by,
                       double* sums) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<float, decltype(wide)> d;
  const Direction direction(d, by);
  auto updates = hn::Zero(wide);
  auto parameters = hn::Zero(wide);
  for_each_row(begin, end, slice.begin, slice.columns,
               [&](std::int64_t from, std::int64_t until, std::int64_t row, std::int64_t column) TEMPER_VECTOR_LAMBDA {
                 const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
                   auto u = hn::Zero(d);
                   if (slice.squares == nullptr) {
                     u = direction.of_matrix(access, slice, from + i, slice.row_factors[row], column + i);
                   } else {
                     const auto squares = direction.new_squares(access, slice, from + i);
                     access.store(squares, d, slice.squares + from + i);
                     u = direction.of_vector(access, slice, from + i, squares);
                   }
                   const auto update = hn::PromoteTo(wide, u);
                   const auto p = hn::PromoteTo(wide, access.load(d, slice.parameters + from + i));
                   updates = hn::MulAdd(update, update, updates);
                   parameters = hn::MulAdd(p, p, parameters);
                 };
                 for_each_vector(d, until - from, step);
               });
  sums[0] = hn::GetLane(hn::SumOfLanes(wide, updates));
  sums[1] = hn::GetLane(hn::SumOfLanes(wide, parameters));
}

void adafactor(const AdafactorSlice& slice, BFloat16* compute_copy, std::int64_t begin, std::int64_t end,
               const AdafactorStep& by) {
  const Floats d;
  const Direction direction(d, by);
  const auto step_size = hn::Set(d, by.step_size);
  const auto decay = hn::Set(d, by.decay);
  for_each_row(begin, end, slice.begin, slice.columns,
               [&](std::int64_t from, std::int64_t until, std::int64_t row, std::int64_t column) TEMPER_VECTOR_LAMBDA {
                 const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
                   auto u = hn::Zero(d);
                   if (slice.squares == nullptr) {
                     u = direction.of_matrix(access, slice, from + i, slice.row_factors[row], column + i);
                   } else {
                     u = direction.of_vector(access, slice, from + i, access.load(d, slice.squares + from + i));
                   }
                   const auto p = hn::Mul(access.load(d, slice.parameters + from + i), decay);
                   const auto updated = hn::NegMulAdd(step_size, u, p);
                   access.store(updated, d, slice.parameters + from + i);
                   if (compute_copy != nullptr) {
                     access.store(updated, d, compute_copy + from + i);
                   }
                 };
                 for_each_vector(d, until - from, step);
               });
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(factored_squares);
HWY_EXPORT(adafactor_squares);
HWY_EXPORT(adafactor);

void CpuKernels::run(const calls::FactoredSquareSums& call) {
  const FactoredSums layout(call.pieces.piece, call.columns);
  parallel_ranges(call.pieces.count(), call.pieces.piece, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      HWY_DYNAMIC_DISPATCH(factored_squares)
      (call.gradients, call.pieces.begin(i), call.pieces.end(i), call.begin, call.columns, layout,
       call.sums + i * layout.size());
    }
  });
}

void CpuKernels::run(const calls::AdafactorSquareSums& call) {
  parallel_ranges(call.pieces.count(), 2 * call.pieces.piece, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      HWY_DYNAMIC_DISPATCH(adafactor_squares)
      (call.slice, call.pieces.begin(i), call.pieces.end(i), call.step, call.sums + 2 * i);
    }
  });
}

void CpuKernels::run(const calls::Adafactor& call) {
  parallel_ranges(call.n, 3, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(adafactor)(call.slice, call.compute_copy, begin, end, call.step);
  });
}

}  // namespace temper
#endif  // HWY_ONCE
