#include "tensor/arena.h"

#include <algorithm>

namespace temper {

namespace {
constexpr std::int64_t kCacheLine = 16;  // floats

std::int64_t rounded_up_elements(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
}  // namespace

ArenaLayout::ArenaLayout(std::span<const std::int64_t> sizes)
    : ArenaLayout(sizes, std::vector<std::int64_t>(sizes.size())) {}

ArenaLayout::ArenaLayout(std::span<const std::int64_t> sizes, std::span<const std::int64_t> stages,
                         std::int64_t chunks) {
  slots_.reserve(sizes.size());
  const auto end_section = [&] {
    const std::int64_t begin = sections_.empty() ? 0 : sections_.back().end;
    elements_ = rounded_up_elements(elements_, chunks * kChunk);
    if (elements_ > begin) sections_.push_back({begin, elements_});
  };
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (i > 0 && stages[i] != stages[i - 1]) end_section();
    slots_.push_back({elements_, sizes[i]});
    elements_ += rounded_up_elements(sizes[i], kCacheLine);
  }
  end_section();
}

std::size_t ArenaLayout::first_slot_after(std::int64_t element) const {
  const auto found = std::partition_point(slots_.begin(), slots_.end(),
                                          [&](const ArenaSlot& slot) { return slot.begin + slot.size <= element; });
  return static_cast<std::size_t>(found - slots_.begin());
}

}  // namespace temper
