#include "comm/exact_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace temper {
namespace {

constexpr int kLimbBits = 32;
constexpr std::int64_t kLimbMask = 0xFFFFFFFF;
constexpr int kMantissaBits = 52;  // stored ones
constexpr int kLowestPower = -1074;
constexpr std::size_t kNaN = ExactSum::kLimbs;
constexpr std::size_t kPositiveInfinity = kNaN + 1;
constexpr std::size_t kNegativeInfinity = kNaN + 2;
// An addition brings less than 2^33 to a limb.
constexpr int kAdditionsBetweenCarries = 1 << 28;

/// Leaves 32 bits in every limb but the highest, which has the sign.
void carry(ExactSum::Words& words) {
  for (std::size_t i = 0; i + 1 < ExactSum::kLimbs; ++i) {
    words[i + 1] += words[i] >> kLimbBits;
    words[i] &= kLimbMask;
  }
}

/// 64 bits from `position` up, of limbs of 32 bits each.
std::uint64_t bits_from(const ExactSum::Words& words, int position) {
  const auto limb = static_cast<std::size_t>(position / kLimbBits);
  const int offset = position % kLimbBits;
  const auto at = [&](std::size_t i) { return i < ExactSum::kLimbs ? static_cast<std::uint64_t>(words[i]) : 0; };
  const std::uint64_t low = at(limb) | at(limb + 1) << kLimbBits;
  return offset == 0 ? low : low >> offset | at(limb + 2) << (2 * kLimbBits - offset);
}

bool any_below(const ExactSum::Words& words, int position) {
  const auto limb = static_cast<std::size_t>(position / kLimbBits);
  const std::uint64_t part = (std::uint64_t{1} << position % kLimbBits) - 1;
  return (static_cast<std::uint64_t>(words[limb]) & part) != 0 ||
         std::any_of(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(limb),
                     [](std::int64_t word) { return word != 0; });
}

}  // namespace

void ExactSum::add(double value) {
  if (!std::isfinite(value)) {
    ++words_[std::isnan(value) ? kNaN : value > 0.0 ? kPositiveInfinity : kNegativeInfinity];
    return;
  }
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto exponent = static_cast<int>(bits >> kMantissaBits & 0x7FF);
  std::uint64_t mantissa = bits & ((std::uint64_t{1} << kMantissaBits) - 1);
  if (exponent != 0) mantissa |= std::uint64_t{1} << kMantissaBits;
  const int position = std::max(exponent, 1) - 1;
  const auto limb = static_cast<std::size_t>(position / kLimbBits);
  const int offset = position % kLimbBits;
  // Three limbs: 53 bits, shifted by up to 31.
  const std::uint64_t low = (mantissa & kLimbMask) << offset;
  const std::uint64_t high = (mantissa >> kLimbBits) << offset;
  const std::array<std::int64_t, 3> parts{
      static_cast<std::int64_t>(low & kLimbMask),
      static_cast<std::int64_t>((low >> kLimbBits) + (high & kLimbMask)),
      static_cast<std::int64_t>(high >> kLimbBits),
  };
  const bool negative = std::signbit(value);
  for (std::size_t i = 0; i < parts.size(); ++i) words_[limb + i] += negative ? -parts[i] : parts[i];
  if (++unsettled_ == kAdditionsBetweenCarries) {
    carry(words_);
    unsettled_ = 0;
  }
}

double ExactSum::value() const {
  if (words_[kNaN] > 0 || (words_[kPositiveInfinity] > 0 && words_[kNegativeInfinity] > 0))
    return std::numeric_limits<double>::quiet_NaN();
  if (words_[kPositiveInfinity] > 0) return std::numeric_limits<double>::infinity();
  if (words_[kNegativeInfinity] > 0) return -std::numeric_limits<double>::infinity();
  Words words = this->words();
  const bool negative = words[kLimbs - 1] < 0;
  if (negative) {
    for (std::size_t i = 0; i < kLimbs; ++i) words[i] = -words[i];
    carry(words);
  }
  std::size_t top = kLimbs;
  while (top > 0 && words[top - 1] == 0) --top;
  if (top == 0) return 0.0;
  const int highest =
      static_cast<int>(top - 1) * kLimbBits + std::bit_width(static_cast<std::uint64_t>(words[top - 1])) - 1;
  const int lowest = std::max(highest - kMantissaBits, 0);
  std::uint64_t mantissa = bits_from(words, lowest) & ((std::uint64_t{2} << kMantissaBits) - 1);
  if (lowest > 0 && (bits_from(words, lowest - 1) & 1) != 0 && (any_below(words, lowest - 1) || (mantissa & 1) != 0))
    ++mantissa;
  const double size = std::ldexp(static_cast<double>(mantissa), lowest + kLowestPower);
  return negative ? -size : size;
}

ExactSum::Words ExactSum::words() const {
  Words words = words_;
  carry(words);
  return words;
}

void ExactSum::set_words(std::span<const std::int64_t, kWords> words) {
  std::copy(words.begin(), words.end(), words_.begin());
  carry(words_);
  unsettled_ = 0;
}

}  // namespace temper
