// Letters made of pixels, for words on pictures. ASCII; any other character is drawn as a box.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/pictures/picture.h"

namespace temper {

/// Pixels from one character to the next, and from one line of them to the next, at scale 1.
inline constexpr std::int64_t kCharacterWidth = 6;
inline constexpr std::int64_t kLineHeight = 11;

/// Characters of a text in UTF-8; a byte that belongs to none counts as one.
std::int64_t characters_of(std::string_view text);

/// A text in letters that can be drawn, where its own have some that stand for them: "Zürich" as "Zurich", Greek and
/// Cyrillic in Latin ones (ICU's Any-Latin and Latin-ASCII). What is no UTF-8 stays as it is.
std::string drawable(std::string_view text);

/// Draws a line into a picture of bytes, its top left corner at (top, left); what leaves the picture is left out.
void draw_text(Picture& picture, std::int64_t top, std::int64_t left, std::string_view text, std::int64_t scale,
               std::uint8_t grey);

}  // namespace temper
