// Rotary position embedding: pairs of a head's columns are turned by angles that grow with the token's position, so
// that a score depends on the distance of its two tokens (Su, Lu, Pan, Wen, Liu: "RoFormer: enhanced transformer with
// rotary position embedding", 2021).
#pragma once

#include <cstdint>
#include <span>

#include "tensor/calls/attention.h"
#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper {

/// Which columns of a head make pair i of `pairs`.
enum class RotaryPairs : std::uint8_t {
  halves,      ///< i and pairs + i (GPT-NeoX, Llama)
  neighbours,  ///< 2 i and 2 i + 1 (the paper, GPT-J)
};

namespace calls {

/// Of each head of each row of x [rows, heads * head_width], turns the first 2 * pairs columns in place, pairs being
/// the number of frequencies, at most kMostPairs: a pair (a, b) becomes scale (a cos t - b sin t, a sin t + b cos t), t
/// being the row's position times the pair's frequency, a product of f32. `backwards` turns by -t, which is what
/// becomes of a gradient.
///
/// Where usual_length is not 0, rows of sequences of L > usual_length tokens are turned by other frequencies: those of
/// long_frequencies, pair i's times (1 + growth (L / usual_length - 1))^(-i / (pairs - 1)), which leaves the fastest
/// pair as it is and slows down the others (dynamic NTK scaling, which has no paper: transformers'
/// modeling_rope_utils.py, release 5.24, has the formula). Which sequence a row is of, `sequences` says.
struct Rotate {
  static constexpr KernelId kKernel{"rotate", KernelClass::pass};
  static constexpr std::int64_t kMostPairs = 256;
  Rows x;
  const std::uint32_t* positions;  ///< [rows]
  std::int64_t heads;
  std::span<const float> frequencies;  ///< [pairs], radians per position; the host's
  RotaryPairs layout = RotaryPairs::halves;
  float scale = 1.0F;
  bool backwards = false;
  PackedSequences sequences = {};
  std::int64_t usual_length = 0;
  std::span<const float> long_frequencies = {};  ///< [pairs]; the host's
  float growth = 0.0F;                           ///< 0, or at least two pairs
  [[nodiscard]] std::int64_t head_width() const { return x.columns / heads; }
  [[nodiscard]] std::int64_t pairs() const { return static_cast<std::int64_t>(frequencies.size()); }
  [[nodiscard]] KernelWork work() const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_ROTARY_CALLS(EACH) EACH(Rotate)
