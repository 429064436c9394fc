// The layout of trainable parameters: one after the other in one flat array, in the order in which the backward pass
// finishes their gradients. Gradients, moments and the parameters themselves are arrays of this one layout. The
// parameters of a stage make a section, which begins and ends with whole chunks: so a stage can be summed, sent, and
// held for itself.
#pragma once

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
  /// sizes: elements of each parameter in finishing order; each begins on a cache line. All are one section.
  explicit ArenaLayout(std::span<const std::int64_t> sizes);
  /// stages: of each parameter; those of a stage follow one another, and make a section. Sections have multiples of
  /// `chunks` chunks, so that they can be cut into so many equal parts. What is added to one is zero, so no sum of a
  /// chunk depends on `chunks`.
  ArenaLayout(std::span<const std::int64_t> sizes, std::span<const std::int64_t> stages, std::int64_t chunks = 1);

  [[nodiscard]] std::span<const ArenaSlot> slots() const { return slots_; }
  /// Ascending, together the arena; in whole chunks.
  [[nodiscard]] std::span<const ElementRange> sections() const { return sections_; }
  /// Elements in all, a multiple of kChunk.
  [[nodiscard]] std::int64_t elements() const { return elements_; }
  [[nodiscard]] std::int64_t chunks() const { return elements_ / kChunk; }
  /// The first slot that ends behind this element, or the number of slots.
  [[nodiscard]] std::size_t first_slot_after(std::int64_t element) const;

 private:
  std::vector<ArenaSlot> slots_;
  std::vector<ElementRange> sections_;
  std::int64_t elements_ = 0;
};

}  // namespace temper
