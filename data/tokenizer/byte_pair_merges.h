// The merges of byte pair encoding (Sennrich et al. 2016): applied best rank first, and from left to right among
// equals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer_file.h"
#include "data/tokenizer/vocabulary.h"

namespace temper {

/// What two neighbours become, and how early.
struct MergeRule {
  static constexpr std::uint32_t kNone = UINT32_MAX;
  std::uint32_t rank = kNone;
  std::int32_t merged = 0;
};

class BytePairMerges {
 public:
  /// Of a file. `prefix`: what the second of two tokens begins with and loses. Throws Error for a token that is not in
  /// the vocabulary.
  BytePairMerges(const TokenizerFile& file, const Vocabulary& vocabulary, std::string_view prefix);

  /// Merges ids in place; returns how many are left.
  std::size_t apply(std::span<std::int32_t> ids) const;

 private:
  static constexpr std::uint64_t kEmpty = UINT64_MAX;
  struct Slot {
    std::uint64_t pair = kEmpty;
    MergeRule rule;
  };

  static std::uint64_t pair_of(std::int32_t first, std::int32_t second) {
    return (static_cast<std::uint64_t>(first) << 32) | static_cast<std::uint32_t>(second);
  }

  [[nodiscard]] std::size_t position(std::uint64_t pair) const {
    const std::size_t mask = slots_.size() - 1;
    std::uint64_t mixed = pair * 0x9E3779B97F4A7C15ULL;
    mixed ^= mixed >> 32;
    for (std::size_t i = mixed & mask;; i = (i + 1) & mask)
      if (slots_[i].pair == pair || slots_[i].pair == kEmpty) return i;
  }

  [[nodiscard]] MergeRule find(std::int32_t first, std::int32_t second) const {
    return slots_[position(pair_of(first, second))].rule;
  }

  std::size_t merge_few(std::span<std::int32_t> ids, std::span<MergeRule> rules) const;
  std::size_t merge_many(std::span<std::int32_t> ids) const;

  std::vector<Slot> slots_;  // pair of ids to rule: open addressing, a power of two
};

}  // namespace temper
