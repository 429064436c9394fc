// Where trainable parameters lie: one after the other in one flat array, in the order in which the backward pass
// finishes their gradients. Gradients, moments and the parameters themselves are arrays of this one layout.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace temper {

struct ArenaSlot {
  std::int64_t begin = 0;  ///< first element
  std::int64_t size = 0;   ///< elements, without the padding behind them
};

struct ElementRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  [[nodiscard]] std::int64_t size() const { return end - begin; }
  friend bool operator==(const ElementRange&, const ElementRange&) = default;
};

class ArenaLayout {
 public:
  /// Slices, buckets and partial norms end at multiples of a chunk, so that a norm is summed in the same pieces
  /// whoever owns them.
  static constexpr std::int64_t kChunk = 16384;

  ArenaLayout() = default;
  /// sizes: elements of each parameter in finishing order; each begins on a cache line.
  explicit ArenaLayout(std::span<const std::int64_t> sizes);
  /// The same, where the elements of these ranges have no gradient in any step, such as the rows of an embedding table
  /// that no training text has. Ascending, each inside a slot.
  ArenaLayout(std::span<const std::int64_t> sizes, std::vector<ElementRange> idle);

  [[nodiscard]] std::span<const ArenaSlot> slots() const { return slots_; }
  /// Elements in all, a multiple of kChunk.
  [[nodiscard]] std::int64_t elements() const { return elements_; }
  [[nodiscard]] std::int64_t chunks() const { return elements_ / kChunk; }
  /// The first slot that ends behind this element, or the number of slots.
  [[nodiscard]] std::size_t first_slot_after(std::int64_t element) const;
  [[nodiscard]] bool has_idle() const { return !idle_.empty(); }
  /// Calls visit(part, idle) for the parts of `range`, ascending, which together are the range.
  template <typename Visit>
  void for_each_part(ElementRange range, const Visit& visit) const {
    auto next = std::partition_point(idle_.begin(), idle_.end(),
                                     [&](const ElementRange& idle) { return idle.end <= range.begin; });
    for (std::int64_t begin = range.begin; begin < range.end;) {
      const bool any = next != idle_.end() && next->begin < range.end;
      const std::int64_t idle_begin = any ? std::max(next->begin, begin) : range.end;
      if (begin < idle_begin) visit(ElementRange{begin, idle_begin}, false);
      const std::int64_t idle_end = any ? std::min(next->end, range.end) : range.end;
      if (idle_begin < idle_end) visit(ElementRange{idle_begin, idle_end}, true);
      begin = idle_end;
      if (any) ++next;
    }
  }
  /// Calls visit(part) for the parts of `range` that can have a gradient, ascending.
  template <typename Visit>
  void for_each_active(ElementRange range, const Visit& visit) const {
    for_each_part(range, [&](ElementRange part, bool idle) {
      if (!idle) visit(part);
    });
  }

 private:
  std::vector<ArenaSlot> slots_;
  std::vector<ElementRange> idle_;
  std::int64_t elements_ = 0;
};

}  // namespace temper
