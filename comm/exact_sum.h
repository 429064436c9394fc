// An exact sum of doubles: a fixed-point number wide enough for every double (Kulisch, Miranker: "Computer Arithmetic
// in Theory and Practice", 1981; in limbs of 32 bits with room for carries: Neal, "Fast exact summation using small and
// large superaccumulators", 2015). Whatever the order of additions, and whichever rank made them, the words of two sums
// add up to the words of the total, so ranks reduce a few integers, however many numbers there were.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace temper {

class ExactSum {
 public:
  /// Limbs for 2^-1074 to 2^1024 and for what carries out of them; then how many NaN, +infinity and -infinity came.
  static constexpr std::size_t kLimbs = 68;
  static constexpr std::size_t kWords = kLimbs + 3;
  using Words = std::array<std::int64_t, kWords>;

  void add(double value);
  /// The sum, rounded once to the nearest double, to even where two are as near. Infinite where that is too large or an
  /// infinity came; NaN where a NaN or both infinities came.
  [[nodiscard]] double value() const;

  /// What ranks add up, word by word: the sums of up to 2^31 of them fit.
  [[nodiscard]] Words words() const;
  /// Takes words() that have been added up.
  void set_words(std::span<const std::int64_t, kWords> words);

 private:
  Words words_{};      ///< limb i counts 2^(32 i - 1074); each may hold more than 32 bits, and be negative
  int unsettled_ = 0;  ///< additions since carries went up
};

}  // namespace temper
