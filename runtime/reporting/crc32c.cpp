#include "runtime/reporting/crc32c.h"

#include <array>

namespace temper {
namespace {

/// The remainder of every byte, bits reflected.
constexpr std::array<std::uint32_t, 256> kRemainders = [] {
  constexpr std::uint32_t kPolynomial = 0x82F63B78;  // 0x1EDC6F41 reflected
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kPolynomial : 0);
    table[byte] = remainder;
  }
  return table;
}();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t remainder = ~std::uint32_t{0};
  for (const char c : bytes)
    remainder = (remainder >> 8) ^ kRemainders[(remainder ^ static_cast<std::uint8_t>(c)) & 255];
  return ~remainder;
}

}  // namespace temper
