// The hot loops of resizing, in vectors: sums of lines that are added with weights, and lines to columns.
#pragma once

#include <cstdint>

namespace temper {

/// out [n] = the sum over k of weights[k] * in[k * stride + i], taps >= 1. 8 bits: weights are fixed-point numbers
/// (FilterWeights::fixed_point), and sums are rounded and cut off at 0 and 255. 16 bits: sums are f32, added in the
/// order of k, rounded half up and cut off at 0 and 65535. Floats: the same without rounding.
void weighted_sum(const std::uint8_t* in, std::int64_t stride, const std::int32_t* weights, std::int64_t taps,
                  std::int64_t n, std::uint8_t* out);
void weighted_sum(const std::uint16_t* in, std::int64_t stride, const float* weights, std::int64_t taps, std::int64_t n,
                  std::uint16_t* out);
void weighted_sum(const float* in, std::int64_t stride, const float* weights, std::int64_t taps, std::int64_t n,
                  float* out);

/// Lines that resample_block takes at a time.
inline constexpr std::int64_t kLinesOfBlock = 32;

/// What each output of a line is made of.
template <typename Weight>
struct LineWeights {
  std::int64_t outputs = 0;
  std::int64_t longest = 0;
  const std::int32_t* first = nullptr;   ///< [outputs] from 0 on, in pixels
  const std::int32_t* counts = nullptr;  ///< [outputs]
  const Weight* values = nullptr;        ///< [outputs, longest]
};

/// Makes kLinesOfBlock lines of `pixels` pixels, which are `in_stride` samples apart, to lines of weights.outputs
/// pixels `out_stride` apart. `lines` of 1 to kLinesOfBlock: as many there are. `columns` [pixels * channels,
/// kLinesOfBlock] and `sums` [weights.outputs * channels, kLinesOfBlock] are scratch.
void resample_block(const std::uint8_t* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                    std::int64_t channels, const LineWeights<std::int32_t>& weights, std::uint8_t* columns,
                    std::uint8_t* sums, std::uint8_t* out, std::int64_t out_stride);
void resample_block(const std::uint16_t* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                    std::int64_t channels, const LineWeights<float>& weights, std::uint16_t* columns,
                    std::uint16_t* sums, std::uint16_t* out, std::int64_t out_stride);
void resample_block(const float* in, std::int64_t in_stride, std::int64_t lines, std::int64_t pixels,
                    std::int64_t channels, const LineWeights<float>& weights, float* columns, float* sums, float* out,
                    std::int64_t out_stride);

}  // namespace temper
