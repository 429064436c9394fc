// What rounding took from sums that were sent in bf16: it is kept and added to what is sent in the next step (error
// feedback: Seide, Fu, Droppo, Li, Yu: "1-bit stochastic gradient descent", 2014; Karimireddy, Rebjock, Stich, Jaggi:
// "Error feedback fixes SignSGD", 2019).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/aligned_array.h"
#include "tensor/arena.h"
#include "tensor/bfloat16.h"

namespace temper {

class ErrorFeedback {
 public:
  /// Of arrays of so many elements.
  explicit ErrorFeedback(std::int64_t elements) : elements_(elements) {}

  /// values: what array number `array` has in these ranges, one after the other. Returns what is to be sent of them,
  /// and keeps the residuals.
  std::vector<BFloat16> round(std::size_t array, std::span<const ElementRange> ranges, std::span<const float> values);
  /// All residuals become zero. Ranks do so between the same steps.
  void reset();

 private:
  std::int64_t elements_;
  std::vector<AlignedArray<float>> residuals_;  ///< one per array
};

}  // namespace temper
