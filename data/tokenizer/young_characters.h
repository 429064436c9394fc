// The characters of Unicode 15.1 and 16, which ICU 72 (Unicode 15.0) calls unassigned and the expressions of the
// Hugging Face library (Oniguruma 6.9.10) know.
#pragma once

#include <cstdint>
#include <span>

namespace temper {

struct YoungRange {
  char32_t first;
  char32_t last;
  std::uint8_t category;  // UCharCategory of ICU
};

/// All of them, in ascending order.
std::span<const YoungRange> young_characters();

/// General category of such a character; U_UNASSIGNED of any other.
std::uint8_t young_category(char32_t c);

}  // namespace temper
