// Resizing along a line would read samples that lie apart, and store few at a time. So 32 lines at a time are turned
// into columns, of which each output is a weighted sum of whole vectors, as it is along columns anyway.
#include "base/vector_targets.h"
//
#include "data/images/weighted_samples.h"

#include <algorithm>
#include <cstring>

#include "data/images/filter_weights.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "data/images/weighted_samples.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// What differs between the types of samples. Sums are whole for 8 bits, and f32 of separate products and additions for
/// the others: on every instruction set the same.
struct Bytes {
  using Sample = std::uint8_t;
  using Weight = std::int32_t;
  using Lanes = hn::ScalableTag<std::int32_t>;
  using SampleLanes = hn::Rebind<Sample, Lanes>;
  static HWY_INLINE hn::Vec<Lanes> load(const Sample* from) {
    return hn::PromoteTo(Lanes(), hn::LoadU(SampleLanes(), from));
  }
  static HWY_INLINE void store(hn::Vec<Lanes> sum, Sample* to) {
    hn::StoreU(hn::DemoteTo(SampleLanes(), hn::ShiftRight<kWeightBits>(sum)), SampleLanes(), to);
  }
  static HWY_INLINE hn::Vec<Lanes> start() { return hn::Set(Lanes(), 1 << (kWeightBits - 1)); }
};

struct Words {
  using Sample = std::uint16_t;
  using Weight = float;
  using Lanes = hn::ScalableTag<float>;
  using WholeLanes = hn::RebindToSigned<Lanes>;
  using SampleLanes = hn::Rebind<Sample, Lanes>;
  static HWY_INLINE hn::Vec<Lanes> load(const Sample* from) {
    return hn::ConvertTo(Lanes(), hn::PromoteTo(WholeLanes(), hn::LoadU(SampleLanes(), from)));
  }
  static HWY_INLINE void store(hn::Vec<Lanes> sum, Sample* to) {
    const auto rounded = hn::Add(sum, hn::Set(Lanes(), 0.5F));
    hn::StoreU(hn::DemoteTo(SampleLanes(), hn::ConvertTo(WholeLanes(), rounded)), SampleLanes(), to);
  }
  static HWY_INLINE hn::Vec<Lanes> start() { return hn::Zero(Lanes()); }
};

struct Floats {
  using Sample = float;
  using Weight = float;
  using Lanes = hn::ScalableTag<float>;
  static HWY_INLINE hn::Vec<Lanes> load(const Sample* from) { return hn::LoadU(Lanes(), from); }
  static HWY_INLINE void store(hn::Vec<Lanes> sum, Sample* to) { hn::StoreU(sum, Lanes(), to); }
  static HWY_INLINE hn::Vec<Lanes> start() { return hn::Zero(Lanes()); }
};

/// kVectors vectors at once, so that their additions do not wait for one another.
template <typename Kind, int kVectors>
HWY_INLINE void sum_of_vectors(const typename Kind::Sample* in, std::int64_t stride,
                               const typename Kind::Weight* weights, std::int64_t taps, typename Kind::Sample* out) {
  const typename Kind::Lanes d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<typename Kind::Lanes> sums[kVectors];
  for (int v = 0; v < kVectors; ++v) sums[v] = Kind::start();
  for (std::int64_t k = 0; k < taps; ++k, in += stride) {
    const auto weight = hn::Set(d, weights[k]);
    for (int v = 0; v < kVectors; ++v) sums[v] = hn::Add(sums[v], hn::Mul(Kind::load(in + v * lanes), weight));
  }
  for (int v = 0; v < kVectors; ++v) Kind::store(sums[v], out + v * lanes);
}

template <typename Kind>
HWY_INLINE void sum_of_lines(const typename Kind::Sample* in, std::int64_t stride, const typename Kind::Weight* weights,
                             std::int64_t taps, std::int64_t n, typename Kind::Sample* out) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(typename Kind::Lanes()));
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) sum_of_vectors<Kind, 4>(in + i, stride, weights, taps, out + i);
  for (; i + lanes <= n; i += lanes) sum_of_vectors<Kind, 1>(in + i, stride, weights, taps, out + i);
  if (i == n) return;
  // What is left of the last vector, by way of whole ones.
  typename Kind::Sample last[HWY_MAX_BYTES];
  typename Kind::Sample sum[HWY_MAX_BYTES];
  std::fill_n(last, lanes, typename Kind::Sample{});
  const typename Kind::Lanes d;
  auto total = Kind::start();
  for (std::int64_t k = 0; k < taps; ++k) {
    std::memcpy(last, in + k * stride + i, static_cast<std::size_t>(n - i) * sizeof(*last));
    total = hn::Add(total, hn::Mul(Kind::load(last), hn::Set(d, weights[k])));
  }
  Kind::store(total, sum);
  std::memcpy(out + i, sum, static_cast<std::size_t>(n - i) * sizeof(*sum));
}

/// y [columns, y_stride] = the transpose of x [rows, x_stride].
template <typename Sample>
HWY_INLINE void turn(const Sample* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, Sample* y,
                     std::int64_t y_stride) {
  std::int64_t first = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(Sample) == 1) {
    // Four rounds of interleaving the first half of 16 vectors with the second one turn 16 by 16 samples.
    const hn::FixedTag<Sample, 16> d;
    using Vector = hn::Vec<hn::FixedTag<Sample, 16>>;
    const std::int64_t whole_rows = rows / 16 * 16;
    for (; first + 16 <= columns; first += 16) {
      for (std::int64_t row = 0; row < whole_rows; row += 16) {
        Vector a[16];
        Vector b[16];
        for (int i = 0; i < 16; ++i) a[i] = hn::LoadU(d, x + (row + i) * x_stride + first);
        for (int round = 0; round < 4; ++round) {
          for (int i = 0; i < 8; ++i) {
            b[2 * i] = hn::InterleaveLower(d, a[i], a[i + 8]);
            b[2 * i + 1] = hn::InterleaveUpper(d, a[i], a[i + 8]);
          }
          for (int i = 0; i < 16; ++i) a[i] = b[i];
        }
        for (int i = 0; i < 16; ++i) hn::StoreU(a[i], d, y + (first + i) * y_stride + row);
      }
      for (std::int64_t row = whole_rows; row < rows; ++row) {
        for (std::int64_t i = first; i < first + 16; ++i) y[i * y_stride + row] = x[row * x_stride + i];
      }
    }
  }
#endif
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = first; i < columns; ++i) y[i * y_stride + row] = x[row * x_stride + i];
  }
}

template <typename Kind>
HWY_INLINE void lines_of_block(const typename Kind::Sample* in, std::int64_t in_stride, std::int64_t lines,
                               std::int64_t pixels, std::int64_t channels,
                               const LineWeights<typename Kind::Weight>& weights, typename Kind::Sample* columns,
                               typename Kind::Sample* sums, typename Kind::Sample* out, std::int64_t out_stride) {
  turn(in, in_stride, lines, pixels * channels, columns, kLinesOfBlock);
  for (std::int64_t i = 0; i < weights.outputs; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      sum_of_lines<Kind>(columns + (weights.first[i] * channels + c) * kLinesOfBlock, channels * kLinesOfBlock,
                         weights.values + i * weights.longest, weights.counts[i], kLinesOfBlock,
                         sums + (i * channels + c) * kLinesOfBlock);
    }
  }
  turn(sums, kLinesOfBlock, weights.outputs * channels, lines, out, out_stride);
}

void bytes_sum(const std::uint8_t* in, std::int64_t stride, const std::int32_t* weights, std::int64_t taps,
               std::int64_t n, std::uint8_t* out) {
  sum_of_lines<Bytes>(in, stride, weights, taps, n, out);
}

void words_sum(const std::uint16_t* in, std::int64_t stride, const float* weights, std::int64_t taps, std::int64_t n,
               std::uint16_t* out) {
  sum_of_lines<Words>(in, stride, weights, taps, n, out);
}

void floats_sum(const float* in, std::int64_t stride, const float* weights, std::int64_t taps, std::int64_t n,
                float* out) {
  sum_of_lines<Floats>(in, stride, weights, taps, n, out);
}

void bytes_block(const std::uint8_t* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                 std::int64_t channels, const LineWeights<std::int32_t>& weights, std::uint8_t* columns,
                 std::uint8_t* sums, std::uint8_t* out, std::int64_t out_stride) {
  lines_of_block<Bytes>(in, in_stride, lines, pixels, channels, weights, columns, sums, out, out_stride);
}

void words_block(const std::uint16_t* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                 std::int64_t channels, const LineWeights<float>& weights, std::uint16_t* columns, std::uint16_t* sums,
                 std::uint16_t* out, std::int64_t out_stride) {
  lines_of_block<Words>(in, in_stride, lines, pixels, channels, weights, columns, sums, out, out_stride);
}

void floats_block(const float* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                  std::int64_t channels, const LineWeights<float>& weights, float* columns, float* sums, float* out,
                  std::int64_t out_stride) {
  lines_of_block<Floats>(in, in_stride, lines, pixels, channels, weights, columns, sums, out, out_stride);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(bytes_sum);
HWY_EXPORT(words_sum);
HWY_EXPORT(floats_sum);
HWY_EXPORT(bytes_block);
HWY_EXPORT(words_block);
HWY_EXPORT(floats_block);

void weighted_sum(const std::uint8_t* in, std::int64_t stride, const std::int32_t* weights, std::int64_t taps,
                  std::int64_t n, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(bytes_sum)(in, stride, weights, taps, n, out);
}

void weighted_sum(const std::uint16_t* in, std::int64_t stride, const float* weights, std::int64_t taps, std::int64_t n,
                  std::uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(words_sum)(in, stride, weights, taps, n, out);
}

void weighted_sum(const float* in, std::int64_t stride, const float* weights, std::int64_t taps, std::int64_t n,
                  float* out) {
  HWY_DYNAMIC_DISPATCH(floats_sum)(in, stride, weights, taps, n, out);
}

void resample_block(const std::uint8_t* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                    std::int64_t channels, const LineWeights<std::int32_t>& weights, std::uint8_t* columns,
                    std::uint8_t* sums, std::uint8_t* out, std::int64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(bytes_block)
  (in, in_stride, lines, pixels, channels, weights, columns, sums, out, out_stride);
}

void resample_block(const std::uint16_t* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                    std::int64_t channels, const LineWeights<float>& weights, std::uint16_t* columns,
                    std::uint16_t* sums, std::uint16_t* out, std::int64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(words_block)
  (in, in_stride, lines, pixels, channels, weights, columns, sums, out, out_stride);
}

void resample_block(const float* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                    std::int64_t channels, const LineWeights<float>& weights, float* columns, float* sums, float* out,
                    std::int64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(floats_block)
  (in, in_stride, lines, pixels, channels, weights, columns, sums, out, out_stride);
}

}  // namespace temper
#endif  // HWY_ONCE
