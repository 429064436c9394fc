#include "data/batch.h"

#include <algorithm>
#include <cstddef>

namespace temper {

std::int64_t Batch::max_length() const {
  std::int32_t longest = 0;
  for (std::size_t s = 1; s < sequence_starts.size(); ++s)
    longest = std::max(longest, sequence_starts[s] - sequence_starts[s - 1]);
  return longest;
}

}  // namespace temper
