// UTF-8 in and out, code point by code point, and the check that every text passes once before anything reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace temper {

/// Offset of the first byte that begins no valid UTF-8 sequence (RFC 3629: no surrogates, no overlong forms, nothing
/// above U+10FFFF), or std::string_view::npos.
std::size_t first_invalid_utf8(std::string_view text);

/// Throws Error naming the byte offset unless the text is valid UTF-8.
void require_utf8(std::string_view text);

struct CodePoint {
  char32_t value;
  std::uint32_t bytes;  // length of its UTF-8 form, 1 to 4
};

/// The code point that begins at `data`, which must be valid UTF-8.
inline CodePoint decode_utf8(const char* data) {
  const auto byte = [data](int i) { return static_cast<char32_t>(static_cast<unsigned char>(data[i])); };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {((first & 0x1F) << 6) | (byte(1) & 0x3F), 2};
  if (first < 0xF0) return {((first & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F), 3};
  return {((first & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) | (byte(3) & 0x3F), 4};
}

/// The code point that ends right before `offset` > 0 of a valid text.
inline CodePoint decode_utf8_before(std::string_view text, std::size_t offset) {
  std::size_t start = offset - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  return decode_utf8(text.data() + start);
}

/// Writes the UTF-8 form to `out`, which has room for 4 bytes; returns its length.
inline std::uint32_t encode_utf8(char32_t c, char* out) {
  if (c < 0x80) {
    out[0] = static_cast<char>(c);
    return 1;
  }
  if (c < 0x800) {
    out[0] = static_cast<char>(0xC0 | (c >> 6));
    out[1] = static_cast<char>(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<char>(0xE0 | (c >> 12));
    out[1] = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out[2] = static_cast<char>(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | (c >> 18));
  out[1] = static_cast<char>(0x80 | ((c >> 12) & 0x3F));
  out[2] = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
  out[3] = static_cast<char>(0x80 | (c & 0x3F));
  return 4;
}

inline void append_utf8(char32_t c, std::string& text) {
  char utf8[4];
  text.append(utf8, encode_utf8(c, utf8));
}

/// The bytes as text, each maximal invalid part replaced by U+FFFD (Unicode 15, section 3.9, best practice).
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace temper
