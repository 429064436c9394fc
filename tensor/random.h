// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A number is a pure function of a key and a counter, so a dropout mask is never stored, only
// computed again, and does not depend on which rank computes it.
#pragma once

#include <array>
#include <cstdint>

namespace temper {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

constexpr PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

/// A key from a seed and the number of the optimizer step (SplitMix64's finaliser over both).
constexpr PhiloxKey random_key(std::uint64_t seed, std::uint64_t step) {
  std::uint64_t z = seed + 0x9E3779B97F4A7C15ULL * (step + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  z ^= z >> 31;
  return {static_cast<std::uint32_t>(z), static_cast<std::uint32_t>(z >> 32)};
}

/// Dropout at one place of a model. An element is dropped where its 16 random bits are below `threshold()`; what is
/// kept is multiplied by `scale()`, so that the expectation is exact although the rate is rounded to 1/65536.
///
/// The 16 random bits of element `column` of a row that belongs to token `position` of example `example` are
/// half-word `column % 8` (low half of word 0 first) of philox({column / 8, position, example, place << 12}, key).
/// For an attention probability: column is the key's position, `position` the query's, and the last word of the
/// counter is (place << 12) + head.
struct Dropout {
  float rate = 0.0F;
  std::uint32_t place = 0;
  PhiloxKey key{};
  /// In memory of the device: read in place of `key` when the work is done, by a GPU that does the same work each step.
  const PhiloxKey* device_key = nullptr;

  [[nodiscard]] bool active() const { return threshold() != 0; }
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): a rate is never negative
  [[nodiscard]] std::uint32_t threshold() const { return static_cast<std::uint32_t>(rate * 65536.0F + 0.5F); }
  [[nodiscard]] float scale() const { return 65536.0F / static_cast<float>(65536 - threshold()); }
};

/// Which token each row stands for: its example (a row of the data set) and its position there; one entry per row. Or,
/// of rows that are no tokens (places of an image inside a network), as many rows of each example one after the other:
/// then there is an entry per example, and a row's position is its number among those. Only dropout reads them.
struct TokenKeys {
  const std::uint32_t* example = nullptr;
  const std::uint32_t* position = nullptr;  ///< null where rows are counted
  std::int64_t rows_of_each = 0;            ///< of each example; 0: each row has an entry

  [[nodiscard]] constexpr std::uint32_t example_of(std::int64_t row) const {
    return example[rows_of_each == 0 ? row : row / rows_of_each];
  }
  [[nodiscard]] constexpr std::uint32_t position_of(std::int64_t row) const {
    return rows_of_each == 0 ? position[row] : static_cast<std::uint32_t>(row % rows_of_each);
  }
};

}  // namespace temper
