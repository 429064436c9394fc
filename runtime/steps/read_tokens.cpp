#include "runtime/steps/read_tokens.h"

#include <algorithm>

namespace temper {

std::int64_t count_read_tokens(const Readout& readout, std::int64_t length, std::span<const std::int32_t> classes) {
  if (readout.needs_every_token()) return length;
  if (readout.is_per_sequence()) return 1;
  return std::count_if(classes.begin(), classes.end(), [](std::int32_t c) { return c != kUnlabelled; });
}

}  // namespace temper
