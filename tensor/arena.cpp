#include "tensor/arena.h"

#include <algorithm>

namespace temper {

namespace {
constexpr std::int64_t kCacheLine = 16;  // floats

std::int64_t rounded_up_elements(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
}  // namespace

ArenaLayout::ArenaLayout(std::span<const std::int64_t> sizes) {
  slots_.reserve(sizes.size());
  std::int64_t end = 0;
  for (const std::int64_t size : sizes) {
    slots_.push_back({end, size});
    end += rounded_up_elements(size, kCacheLine);
  }
  elements_ = rounded_up_elements(end, kChunk);
}

std::size_t ArenaLayout::first_slot_after(std::int64_t element) const {
  const auto found = std::partition_point(slots_.begin(), slots_.end(),
                                          [&](const ArenaSlot& slot) { return slot.begin + slot.size <= element; });
  return static_cast<std::size_t>(found - slots_.begin());
}

}  // namespace temper
