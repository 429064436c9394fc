// Vector functions that the kernels share, compiled once for each instruction set (see vector_targets.h).
//
// Elements in memory are f32 or bf16; in registers they are always f32. A store to bf16 rounds as to_bfloat16 does.
//
// Accuracy is meant for training in f32: a few units in the last place, denormal results are flushed to zero, and what
// is not a number stays so.

#if defined(TEMPER_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_VECTOR_MATH_INL_H_
#undef TEMPER_VECTOR_MATH_INL_H_
#else
#define TEMPER_VECTOR_MATH_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "tensor/bfloat16.h"
#include "tensor/kernels/cpu/vector/bfloat16_instructions.h"
#include "tensor/random.h"

/// Stands behind the parameters of a lambda that holds vector code: it needs the instruction set of its surroundings
/// and must be merged into them, or its accumulators would live in memory.
#undef TEMPER_VECTOR_LAMBDA
#define TEMPER_VECTOR_LAMBDA HWY_ATTR __attribute__((always_inline))

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVector = hn::Vec<Floats>;

// ---- elements of bf16
// -------------------------------------------------------------------------------------------------

template <class D>
HWY_INLINE hn::Vec<D> widen(D d, hn::Vec<hn::Rebind<std::uint16_t, D>> halves) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, halves)));
}

/// As to_bfloat16.
template <class D>
HWY_INLINE hn::Vec<hn::Rebind<std::uint16_t, D>> narrowed(D /*d*/, hn::Vec<D> v) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint16_t, D> halves;
#if HWY_TARGET == HWY_AVX3
  // A dozen operations in one.
  if constexpr (sizeof(v.raw) == 64) {
    if (kHasBFloat16Instructions) {
      hn::Vec<hn::Rebind<std::uint16_t, D>> rounded;
      asm("vcvtneps2bf16 %1, %0" : "=v"(rounded.raw) : "v"(v.raw));
      return rounded;
    }
  }
#endif
  const auto word = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(du, 1U));
  const auto rounded = hn::ShiftRight<16>(hn::Add(word, hn::Add(odd, hn::Set(du, 0x7FFFU))));
  const auto quiet = hn::Or(hn::ShiftRight<16>(word), hn::Set(du, 0x40U));
  const auto is_nan = hn::RebindMask(du, hn::IsNaN(v));
  const auto result = hn::IfThenElse(is_nan, quiet, rounded);
  const auto is_tiny = hn::Eq(hn::And(word, hn::Set(du, 0x7F800000U)), hn::Zero(du));
  const auto sign = hn::And(result, hn::Set(du, 0x8000U));
  return hn::DemoteTo(halves, hn::BitCast(di, hn::IfThenElse(is_tiny, sign, result)));
}

inline const std::uint16_t* halves_of(const BFloat16* x) { return reinterpret_cast<const std::uint16_t*>(x); }
inline std::uint16_t* halves_of(BFloat16* x) { return reinterpret_cast<std::uint16_t*>(x); }

// ---- loops over columns
// ----------------------------------------------------------------------------------------------

/// A step of a loop that has a whole vector of elements before it.
struct WholeVector {
  template <class D, typename T>
  HWY_INLINE hn::Vec<D> load(D d, const T* from) const {
    return hn::LoadU(d, from);
  }
  template <class D, typename T>
  HWY_INLINE void store(hn::Vec<D> v, D d, T* to) const {
    hn::StoreU(v, d, to);
  }
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, const BFloat16* from) const {
    return widen(d, hn::LoadU(hn::Rebind<std::uint16_t, D>(), halves_of(from)));
  }
  template <class D>
  HWY_INLINE void store(hn::Vec<D> v, D d, BFloat16* to) const {
    hn::StoreU(narrowed(d, v), hn::Rebind<std::uint16_t, D>(), halves_of(to));
  }
  /// v with zero in the lanes that lie beyond the end.
  template <class D>
  HWY_INLINE hn::Vec<D> valid_or_zero(D /*d*/, hn::Vec<D> v) const {
    return v;
  }
  template <class D>
  HWY_INLINE hn::Vec<D> valid_or(D /*d*/, hn::Vec<D> v, hn::Vec<D> /*otherwise*/) const {
    return v;
  }
};

/// The last step, where fewer elements than a vector's are left. Lanes beyond the end load as zero.
struct PartOfVector {
  std::size_t count;

  template <class D, typename T>
  HWY_INLINE hn::Vec<D> load(D d, const T* from) const {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
    return hn::MaskedLoad(hn::FirstN(d, count), d, from);
#else  // elsewhere masked access may touch what lies beyond the end
    HWY_ALIGN T lanes[hn::MaxLanes(d)] = {};
    std::copy_n(from, count, lanes);
    return hn::Load(d, lanes);
#endif
  }
  template <class D, typename T>
  HWY_INLINE void store(hn::Vec<D> v, D d, T* to) const {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
    hn::BlendedStore(v, hn::FirstN(d, count), d, to);
#else
    HWY_ALIGN T lanes[hn::MaxLanes(d)];
    hn::Store(v, d, lanes);
    std::copy_n(lanes, count, to);
#endif
  }
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, const BFloat16* from) const {
    const hn::Rebind<std::uint16_t, D> halves;
    HWY_ALIGN std::uint16_t lanes[hn::MaxLanes(halves)] = {};
    std::copy_n(halves_of(from), count, lanes);
    return widen(d, hn::Load(halves, lanes));
  }
  template <class D>
  HWY_INLINE void store(hn::Vec<D> v, D d, BFloat16* to) const {
    const hn::Rebind<std::uint16_t, D> halves;
    HWY_ALIGN std::uint16_t lanes[hn::MaxLanes(halves)];
    hn::Store(narrowed(d, v), halves, lanes);
    std::copy_n(lanes, count, halves_of(to));
  }
  template <class D>
  HWY_INLINE hn::Vec<D> valid_or_zero(D d, hn::Vec<D> v) const {
    return hn::IfThenElseZero(hn::FirstN(d, count), v);
  }
  template <class D>
  HWY_INLINE hn::Vec<D> valid_or(D d, hn::Vec<D> v, hn::Vec<D> otherwise) const {
    return hn::IfThenElse(hn::FirstN(d, count), v, otherwise);
  }
};

/// Calls step(access, i) for each vector of n elements, i being its first element and access how to touch it.
template <class D, class Step>
HWY_INLINE void for_each_vector(D d, std::int64_t n, const Step& step) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    step(WholeVector{}, i);
  }
  if (i < n) {
    step(PartOfVector{static_cast<std::size_t>(n - i)}, i);
  }
}

// ---- functions
// -------------------------------------------------------------------------------------------------------

/// e^x: x = n ln 2 + r with |r| <= ln 2 / 2 (Cody, Waite: "Software manual for the elementary functions", 1980, ch. 6),
/// e^r = 1 + r + r^2 q(r), q fitted for least largest relative error (3e-9). Above 88 it stays at its value there.
template <class D>
HWY_INLINE hn::Vec<D> exponential(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const auto lowest = hn::Set(d, -87.33F);
  const auto highest = hn::Set(d, 88.0F);
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  // There, Min and Max lose what is not a number.
  const auto not_low = hn::IfThenElse(hn::Lt(x, lowest), lowest, x);
  const auto bounded = hn::IfThenElse(hn::Gt(not_low, highest), highest, not_low);
#else
  const auto bounded = hn::Min(highest, hn::Max(lowest, x));
#endif
  // Next to 1.5 * 2^23 numbers lie 1 apart, so the sum is rounded to n, which then stands in its lowest bits.
  const auto far = hn::Set(d, 12582912.0F);
  const auto shifted = hn::MulAdd(bounded, hn::Set(d, 1.44269504F), far);
  const auto n = hn::Sub(shifted, far);
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693145752F), bounded);  // ln 2 in two parts; n times the first is exact
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-6F), r);
  auto q = hn::Set(d, 1.3814594130963087e-3F);
  q = hn::MulAdd(q, r, hn::Set(d, 8.3687175065279e-3F));
  q = hn::MulAdd(q, r, hn::Set(d, 4.166838899254799e-2F));
  q = hn::MulAdd(q, r, hn::Set(d, 0.1666652113199234F));
  q = hn::MulAdd(q, r, hn::Set(d, 0.4999999403953552F));
  const auto fraction = hn::Add(hn::Set(d, 1.0F), hn::MulAdd(hn::Mul(r, r), q, r));
  const auto power = hn::BitCast(d, hn::Add(hn::ShiftLeft<23>(hn::BitCast(du, shifted)), hn::Set(du, 0x3F800000U)));
  return hn::IfThenZeroElse(hn::Lt(x, lowest), hn::Mul(fraction, power));
}

/// 1 / (1 + e^-x)
template <class D>
HWY_INLINE hn::Vec<D> logistic(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0F);
  return hn::Div(one, hn::Add(one, exponential(d, hn::Neg(x))));
}

/// The standard normal distribution at x: the chance of less than x, and e^(-x^2/2).
template <class D>
struct Normal {
  hn::Vec<D> cumulative;
  hn::Vec<D> bell;
};

/// With a = |x|, the tail beyond a is e^(-a^2/2) R(a), where R(a) = erfc(a / sqrt 2) e^(a^2/2) / 2 varies slowly.
/// R(a) = t p(t), t = 1 / (1 + 0.35 a), is the form of Abramowitz and Stegun, "Handbook of mathematical functions",
/// 7.1.26; p of degree 8 was fitted for least largest relative error on 0 <= a <= 14 (3.2e-8; 3e-7 as computed).
/// The normal form of erf is what GELU needs, in value and slope: erf(x) = 2 cumulative(x sqrt 2) - 1.
template <class D>
HWY_INLINE Normal<D> normal_distribution(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0F);
  const auto t = hn::Div(one, hn::MulAdd(hn::Abs(x), hn::Set(d, 0.35F), one));
  const auto bell = exponential(d, hn::Mul(hn::Mul(x, hn::Set(d, -0.5F)), x));
  auto p = hn::Set(d, -0.02914607711136341F);
  p = hn::MulAdd(p, t, hn::Set(d, 0.14397241175174713F));
  p = hn::MulAdd(p, t, hn::Set(d, -0.2557156980037689F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.1591757982969284F));
  p = hn::MulAdd(p, t, hn::Set(d, -0.023110954090952873F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.1055084690451622F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.11983275413513184F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.13986188173294067F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.13962140679359436F));
  const auto tail = hn::Mul(hn::Mul(bell, t), p);
  return {hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail)), bell};
}

// ---- random numbers
// --------------------------------------------------------------------------------------------------

/// Buffers for half-words are written in whole vectors: room for this many beyond what is asked for.
inline constexpr std::size_t kHalfWordSlack = 64;

/// half_words[8 i + h] = half-word h of philox({blocks[i], positions[i], example, last_word}, key), for i < count, bit
/// for bit what random.h says. A product's upper half is left standing in words that only feed later products, which
/// read lower halves alone.
HWY_INLINE void philox_half_words(const std::uint32_t* blocks, const std::uint32_t* positions, std::uint32_t example,
                                  std::uint32_t last_word, PhiloxKey key, std::int64_t count,
                                  std::uint16_t* half_words) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t i = 0; i < count; ++i) {
    const PhiloxCounter words = philox({blocks[i], positions[i], example, last_word}, key);
    for (std::size_t h = 0; h < 8; ++h) {
      half_words[8 * i + static_cast<std::int64_t>(h)] = static_cast<std::uint16_t>(words[h / 2] >> (16 * (h % 2)));
    }
  }
#else
  const hn::ScalableTag<std::uint64_t> d64;
  const hn::Repartition<std::uint32_t, decltype(d64)> d32;
  const hn::Rebind<std::uint32_t, decltype(d64)> narrow;
  const auto multiplier0 = hn::Set(d32, 0xD2511F53U);
  const auto multiplier1 = hn::Set(d32, 0xCD9E8D57U);
  const auto low = hn::Set(d64, 0xFFFFFFFFULL);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    auto word0 = hn::PromoteTo(d64, access.load(narrow, blocks + i));
    auto word1 = hn::PromoteTo(d64, access.load(narrow, positions + i));
    auto word2 = hn::Set(d64, example);
    auto word3 = hn::Set(d64, last_word);
    PhiloxKey round_key = key;
    for (int round = 0; round < 10; ++round) {
      const auto product0 = hn::MulEven(hn::BitCast(d32, word0), multiplier0);
      const auto product1 = hn::MulEven(hn::BitCast(d32, word2), multiplier1);
      word0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), word1), hn::Set(d64, round_key[0]));
      word1 = product1;
      word2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), word3), hn::Set(d64, round_key[1]));
      word3 = product0;
      round_key[0] += 0x9E3779B9U;
      round_key[1] += 0xBB67AE85U;
    }
    const auto first = hn::Or(hn::And(word0, low), hn::ShiftLeft<32>(word1));
    const auto second = hn::Or(hn::And(word2, low), hn::ShiftLeft<32>(word3));
    hn::StoreInterleaved2(first, second, d64, reinterpret_cast<std::uint64_t*>(half_words + 8 * i));
  };
  for_each_vector(narrow, count, step);
#endif
}

/// The sum of e^(x - shift), whose terms are left in y where y is not null.
HWY_INLINE float sum_of_exponentials(const float* x, float shift, std::int64_t n, float* y = nullptr) {
  const Floats d;
  const auto shifts = hn::Set(d, shift);
  auto sum = hn::Zero(d);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto e = exponential(d, hn::Sub(access.load(d, x + i), shifts));
    sum = hn::Add(sum, access.valid_or_zero(d, e));
    if (y != nullptr) {
      access.store(e, d, y + i);
    }
  };
  for_each_vector(d, n, step);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// v * scale where the element's half-word is not below the threshold, else 0.
template <class D>
HWY_INLINE hn::Vec<D> drop(D d, hn::Vec<D> v, const std::uint16_t* half_words, std::int32_t threshold, float scale) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint16_t, D> du16;
  const auto bits = hn::PromoteTo(di, hn::LoadU(du16, half_words));
  const auto dropped = hn::Lt(bits, hn::Set(di, threshold));
  return hn::IfThenZeroElse(hn::RebindMask(d, dropped), hn::Mul(v, hn::Set(d, scale)));
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
