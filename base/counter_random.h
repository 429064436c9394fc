// Random numbers as a pure function of their purpose, the same with every library and on every rank. Values are those
// of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014) read at any place of
// its sequence.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace temper {

/// A bijection of 64-bit words under which neighbours look unrelated.
constexpr std::uint64_t mix_bits(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

class CounterRandom {
 public:
  /// A sequence for each row of words, such as {seed, purpose, epoch}.
  explicit constexpr CounterRandom(std::initializer_list<std::uint64_t> words) {
    for (const std::uint64_t word : words) key_ = mix_bits(key_ + kStep) ^ mix_bits(word + kStep);
    key_ = mix_bits(key_);
  }

  /// The next word of the sequence.
  constexpr std::uint64_t next() { return mix_bits(key_ += kStep); }

  /// The next number of [0, 1).
  constexpr double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// A number of [0, bound), each equally likely; bound > 0 (Lemire, "Fast random integer generation in an interval",
  /// 2019).
  constexpr std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    while (true) {
      const Wide product = static_cast<Wide>(next()) * bound;
      const auto low = static_cast<std::uint64_t>(product);
      if (low >= bound || low >= (0 - bound) % bound) return static_cast<std::uint64_t>(product >> 64);
    }
  }

 private:
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15ULL;
  std::uint64_t key_ = 0;
};

}  // namespace temper
