#include "comm/exchange/error_feedback.h"

namespace temper {

std::vector<BFloat16> ErrorFeedback::round(std::size_t array, std::span<const ElementRange> ranges,
                                           std::span<const float> values) {
  while (residuals_.size() <= array) residuals_.push_back(map_zeroed(elements_));
  float* residuals = residuals_[array].get();
  std::vector<BFloat16> rounded(values.size());
  std::size_t next = 0;
  for (const ElementRange range : ranges)
    for (std::int64_t at = range.begin; at < range.end; ++at, ++next) {
      const float value = values[next] + residuals[at];
      rounded[next] = to_bfloat16(value);
      residuals[at] = value - to_float(rounded[next]);
    }
  return rounded;
}

void ErrorFeedback::reset() { residuals_.clear(); }

}  // namespace temper
