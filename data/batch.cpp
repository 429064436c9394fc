#include "data/batch.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/error.h"

namespace temper {

const Tokens& Batch::text() const {
  if (const auto* tokens = std::get_if<Tokens>(&content)) return *tokens;
  throw Error("a batch of images came where texts are expected");
}

Tokens& Batch::text() { return const_cast<Tokens&>(std::as_const(*this).text()); }

ImageExtent Batch::image_extent() const {
  const auto* pixels = std::get_if<Pixels>(&content);
  return pixels == nullptr ? ImageExtent() : ImageExtent{pixels->height, pixels->width};
}

std::int64_t Batch::max_length() const {
  std::int32_t longest = 0;
  for (std::size_t s = 1; s < sequence_starts.size(); ++s)
    longest = std::max(longest, sequence_starts[s] - sequence_starts[s - 1]);
  return longest;
}

}  // namespace temper
