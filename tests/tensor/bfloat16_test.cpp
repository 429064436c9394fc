#include "tensor/bfloat16.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace temper {
namespace {

float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }
bool is_subnormal(float value) { return std::fpclassify(value) == FP_SUBNORMAL; }

/// The nearer of the two neighbours that keep the upper half of the word, ties to the even one; by exact distances.
std::uint16_t nearest(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const auto below = static_cast<std::uint16_t>(word >> 16);
  const auto above = static_cast<std::uint16_t>(below + 1);
  const double magnitude = std::abs(static_cast<double>(value));
  const double down = magnitude - std::abs(static_cast<double>(to_float(BFloat16{below})));
  // One step above the largest finite number stands for infinity, but is as far away as the next power of two.
  const bool overflows = (above & 0x7FFFU) == 0x7F80U;
  const double up =
      (overflows ? std::ldexp(1.0, 128) : std::abs(static_cast<double>(to_float(BFloat16{above})))) - magnitude;
  if (down != up) return down < up ? below : above;
  return below % 2 == 0 ? below : above;
}

/// Denormals are not flushed to zero here, as a device in the same process may have set.
class BFloat16Conversion : public testing::Test {
 protected:
  void SetUp() override {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  void TearDown() override { std::fesetenv(&before_); }

 private:
  std::fenv_t before_{};
};

TEST_F(BFloat16Conversion, KeepsWhatItCanHold) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const BFloat16 value{static_cast<std::uint16_t>(bits)};
    const float as_float = to_float(value);
    if (std::isnan(as_float) || is_subnormal(as_float)) continue;
    ASSERT_EQ(to_bfloat16(as_float).bits, value.bits);
  }
}

TEST_F(BFloat16Conversion, RoundsToTheNearest) {
  EXPECT_EQ(to_float(to_bfloat16(1.0F + 0x1p-9F)), 1.0F);
  EXPECT_EQ(to_float(to_bfloat16(1.0F + 0x1.8p-8F)), 1.0F + 0x1p-7F);
  EXPECT_EQ(to_float(to_bfloat16(-3.14159274F)), -3.140625F);
  std::mt19937 engine(3);
  for (int i = 0; i < 1'000'000; ++i) {
    const float value = from_bits(static_cast<std::uint32_t>(engine()));
    if (!std::isfinite(value) || is_subnormal(value)) continue;
    ASSERT_EQ(to_bfloat16(value).bits, nearest(value)) << value;
  }
}

TEST_F(BFloat16Conversion, RoundsTiesToEven) {
  // Half a step above 1 and above the number after it.
  EXPECT_EQ(to_bfloat16(1.0F + 0x1p-8F).bits, 0x3F80);
  EXPECT_EQ(to_bfloat16(1.0F + 0x1p-7F + 0x1p-8F).bits, 0x3F82);
  EXPECT_EQ(to_bfloat16(-(1.0F + 0x1p-8F)).bits, 0xBF80);
  EXPECT_EQ(to_bfloat16(-(1.0F + 0x1p-7F + 0x1p-8F)).bits, 0xBF82);
  // The least more than a tie goes up.
  EXPECT_EQ(to_bfloat16(from_bits(0x3F808001)).bits, 0x3F81);
  // Every upper half with a lower half of exactly one half.
  for (std::uint32_t upper = 0; upper < 0x10000; ++upper) {
    if ((upper & 0x7F80U) == 0x7F80U || (upper & 0x7F80U) == 0) continue;
    ASSERT_EQ(to_bfloat16(from_bits(upper << 16 | 0x8000U)).bits, upper + upper % 2);
  }
}

TEST_F(BFloat16Conversion, ANaNStaysOne) {
  // Also those whose upper half alone would be an infinity, or that rounding would carry past the exponent.
  for (const std::uint32_t bits : {0x7F800001U, 0xFF800001U, 0x7F80FFFFU, 0x7FC00000U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
    const BFloat16 rounded = to_bfloat16(from_bits(bits));
    EXPECT_TRUE(std::isnan(to_float(rounded))) << std::hex << bits;
    EXPECT_EQ(rounded.bits >> 15, bits >> 31) << "the sign";
  }
}

TEST_F(BFloat16Conversion, KnowsInfinities) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(to_float(to_bfloat16(kInfinity)), kInfinity);
  EXPECT_EQ(to_float(to_bfloat16(-kInfinity)), -kInfinity);
  // From half a step above the largest number on.
  EXPECT_EQ(to_float(to_bfloat16(std::numeric_limits<float>::max())), kInfinity);
  EXPECT_EQ(to_bfloat16(from_bits(0x7F7F8000)).bits, 0x7F80);
  EXPECT_EQ(to_bfloat16(from_bits(0x7F7F7FFF)).bits, 0x7F7F);
}

TEST_F(BFloat16Conversion, CountsSubnormalsAsZeroAndKeepsSigns) {
  EXPECT_EQ(to_bfloat16(0.0F).bits, 0x0000);
  EXPECT_EQ(to_bfloat16(-0.0F).bits, 0x8000);
  for (const std::uint32_t bits : {0x00000001U, 0x00010000U, 0x00408000U, 0x007FFFFFU}) {
    EXPECT_EQ(to_bfloat16(from_bits(bits)).bits, 0x0000) << std::hex << bits;
    EXPECT_EQ(to_bfloat16(from_bits(bits | 0x80000000U)).bits, 0x8000) << std::hex << bits;
  }
  EXPECT_EQ(to_bfloat16(from_bits(0x00800000)).bits, 0x0080) << "the least normal number";
  EXPECT_EQ(to_float(BFloat16{0x0001}), 0x1p-133F) << "what is given is kept";
}

}  // namespace
}  // namespace temper
