// Rotary position embedding. A row's sines and cosines are computed once and used by all of its heads, so that there is
// no table of positions and no longest one.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/rotary.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

using Doubles = hn::ScalableTag<double>;
/// As many as there are of double.
using Angles = hn::Rebind<float, Doubles>;

struct SineCosine {
  hn::Vec<Angles> sine;
  hn::Vec<Angles> cosine;
};

/// Of an angle in radians: quarters of a turn are taken off in double, so that the rest is exact far
/// beyond the longest sequence. Its polynomials are those of the Cephes library (Moshier, 1989), good to one unit in
/// the last place.
HWY_INLINE SineCosine sine_and_cosine(Angles d, hn::Vec<Angles> angle) {
  const Doubles dd;
  const hn::RebindToSigned<Angles> di;
  const auto wide = hn::PromoteTo(dd, angle);
  const auto quarters = hn::Round(hn::Mul(wide, hn::Set(dd, 2.0 / std::numbers::pi)));
  const auto rest = hn::NegMulAdd(quarters, hn::Set(dd, std::numbers::pi / 2.0), wide);
  const auto x = hn::DemoteTo(d, rest);
  const auto quarter = hn::And(hn::ConvertTo(di, hn::DemoteTo(d, quarters)), hn::Set(di, 3));

  const auto square = hn::Mul(x, x);
  auto s = hn::MulAdd(square, hn::Set(d, -1.9515295891e-4F), hn::Set(d, 8.3321608736e-3F));
  s = hn::MulAdd(s, square, hn::Set(d, -1.6666654611e-1F));
  s = hn::MulAdd(hn::Mul(s, square), x, x);
  auto c = hn::MulAdd(square, hn::Set(d, 2.443315711809948e-5F), hn::Set(d, -1.388731625493765e-3F));
  c = hn::MulAdd(c, square, hn::Set(d, 4.166664568298827e-2F));
  c = hn::MulAdd(hn::Mul(c, square), square, hn::NegMulAdd(square, hn::Set(d, 0.5F), hn::Set(d, 1.0F)));

  // One quarter on, the sine is the cosine, and the cosine minus the sine.
  const auto is_odd = hn::RebindMask(d, hn::Eq(hn::And(quarter, hn::Set(di, 1)), hn::Set(di, 1)));
  const auto turned_sine = hn::IfThenElse(is_odd, c, s);
  const auto turned_cosine = hn::IfThenElse(is_odd, s, c);
  const auto sine_is_negative = hn::ShiftLeft<30>(hn::And(quarter, hn::Set(di, 2)));
  const auto cosine_is_negative = hn::ShiftLeft<30>(hn::And(hn::Add(quarter, hn::Set(di, 1)), hn::Set(di, 2)));
  return {hn::Xor(turned_sine, hn::BitCast(d, sine_is_negative)),
          hn::Xor(turned_cosine, hn::BitCast(d, cosine_is_negative))};
}

/// The frequencies of each row, which are asked for in the order of the rows.
class RowFrequencies {
 public:
  explicit RowFrequencies(const calls::Rotate& call) : call_(call), current_(call.frequencies) {}

  std::span<const float> of_row(std::int64_t row) {
    if (call_.usual_length > 0 && row >= end_) enter(row);
    return current_;
  }

 private:
  /// The sequence of a row.
  void enter(std::int64_t row) {
    const PackedSequences& sequences = call_.sequences;
    const std::int32_t* starts = sequences.query_starts != nullptr ? sequences.query_starts : sequences.starts;
    const std::int32_t* next = std::upper_bound(starts, starts + sequences.sequences + 1, row);
    end_ = *next;
    const auto length = static_cast<double>(sequences.length(next - starts - 1));
    const auto usual = static_cast<double>(call_.usual_length);
    current_ = call_.frequencies;
    if (length <= usual) return;
    current_ = call_.long_frequencies;
    if (call_.growth == 0.0F) return;
    const double growth = 1.0 + static_cast<double>(call_.growth) * (length / usual - 1.0);
    stretched_.assign(current_.begin(), current_.end());
    for (std::size_t i = 0; i < stretched_.size(); ++i) {
      const double exponent = -static_cast<double>(i) / static_cast<double>(stretched_.size() - 1);
      stretched_[i] = static_cast<float>(static_cast<double>(stretched_[i]) * std::pow(growth, exponent));
    }
    current_ = stretched_;
  }

  const calls::Rotate& call_;
  std::span<const float> current_;
  std::vector<float> stretched_;
  std::int64_t end_ = 0;  ///< of the sequence's rows
};

/// The factors of a row. Of pairs of neighbours each stands twice, the first sine being negative: an element then is
/// multiplied by its own cosine, and its neighbour by its own sine.
class RowFactors {
 public:
  explicit RowFactors(const calls::Rotate& call)
      : call_(call),
        frequencies_(call),
        cosines_(static_cast<std::size_t>(call.pairs())),
        sines_(static_cast<std::size_t>(call.pairs())),
        twice_cosines_(call.layout == RotaryPairs::neighbours ? 2 * cosines_.size() : 0),
        twice_sines_(twice_cosines_.size()) {}

  void compute(std::int64_t row) {
    const Angles d;
    const std::span<const float> frequencies = frequencies_.of_row(row);
    const auto position = hn::Set(d, static_cast<float>(call_.positions[row]));
    const auto sine_scale = hn::Set(d, call_.backwards ? -call_.scale : call_.scale);
    const auto cosine_scale = hn::Set(d, call_.scale);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const SineCosine both = sine_and_cosine(d, hn::Mul(position, access.load(d, frequencies.data() + i)));
      access.store(hn::Mul(both.sine, sine_scale), d, sines_.data() + i);
      access.store(hn::Mul(both.cosine, cosine_scale), d, cosines_.data() + i);
    };
    for_each_vector(d, call_.pairs(), step);
    for (std::size_t i = 0; i < twice_cosines_.size(); ++i) {
      twice_cosines_[i] = cosines_[i / 2];
      twice_sines_[i] = i % 2 == 0 ? -sines_[i / 2] : sines_[i / 2];
    }
  }

  template <typename T>
  void turn_halves(T* head) const {
    const Floats d;
    T* other = head + call_.pairs();
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto a = access.load(d, head + i);
      const auto b = access.load(d, other + i);
      const auto sine = access.load(d, sines_.data() + i);
      const auto cosine = access.load(d, cosines_.data() + i);
      access.store(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), d, head + i);
      access.store(hn::MulAdd(a, sine, hn::Mul(b, cosine)), d, other + i);
    };
    for_each_vector(d, call_.pairs(), step);
  }

  template <typename T>
  void turn_neighbours(T* head) const {
#if HWY_TARGET == HWY_SCALAR
    for (std::int64_t i = 0; i < call_.pairs(); ++i) {
      const WholeVector access;
      const Floats d;
      const auto at = static_cast<std::size_t>(i);
      const auto a = access.load(d, head + 2 * i);
      const auto b = access.load(d, head + 2 * i + 1);
      const auto sine = hn::Set(d, sines_[at]);
      const auto cosine = hn::Set(d, cosines_[at]);
      access.store(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), d, head + 2 * i);
      access.store(hn::MulAdd(a, sine, hn::Mul(b, cosine)), d, head + 2 * i + 1);
    }
#else
    const Floats d;
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto v = access.load(d, head + i);
      const auto kept = hn::Mul(v, access.load(d, twice_cosines_.data() + i));
      access.store(hn::MulAdd(hn::Reverse2(d, v), access.load(d, twice_sines_.data() + i), kept), d, head + i);
    };
    for_each_vector(d, 2 * call_.pairs(), step);
#endif
  }

 private:
  const calls::Rotate& call_;
  RowFrequencies frequencies_;
  std::vector<float> cosines_;
  std::vector<float> sines_;
  std::vector<float> twice_cosines_;
  std::vector<float> twice_sines_;
};

template <typename T>
void rotate_typed(const calls::Rotate& call, std::int64_t begin, std::int64_t end) {
  const auto x = call.x.as<T>();
  const std::int64_t head_width = call.head_width();
  RowFactors factors(call);
  for (std::int64_t row = begin; row < end; ++row) {
    factors.compute(row);
    for (std::int64_t head = 0; head < call.heads; ++head) {
      T* at = x.row(row) + head * head_width;
      if (call.layout == RotaryPairs::halves) {
        factors.turn_halves(at);
      } else {
        factors.turn_neighbours(at);
      }
    }
  }
}

}  // namespace

void rotate_rows(const calls::Rotate& call, std::int64_t begin, std::int64_t end) {
  (call.x.type == DType::bf16 ? rotate_typed<BFloat16> : rotate_typed<float>)(call, begin, end);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(rotate_rows);

void CpuKernels::run(const calls::Rotate& call) {
  (void)common_type(call.kKernel.name, call.x);
  parallel_ranges(call.x.rows, (4 * call.heads + 32) * call.pairs(), [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(rotate_rows)
    (call, begin, end);
  });
}

}  // namespace temper
#endif  // HWY_ONCE
