#include "data/tokenizer/utf8.h"

#include <cstring>

#include "base/error.h"

namespace temper {
namespace {

struct ByteSequence {
  std::size_t bytes;  // how many bytes from the start belong together
  bool valid;
};

/// The sequence that begins at text[offset]. An invalid one reaches as far as it could have been the beginning of a
/// valid one, and is at least one byte long (Unicode 15, table 3-7).
ByteSequence sequence_at(std::string_view text, std::size_t offset) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(offset);
  if (first < 0x80) return {1, true};
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {1, false};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (offset + i >= text.size() || byte(offset + i) < low || byte(offset + i) > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

}  // namespace

std::size_t first_invalid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    // Eight ASCII bytes at a time: most text is nothing else.
    while (i + 8 <= text.size()) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + i, 8);
      if ((word & 0x8080808080808080ULL) != 0) break;
      i += 8;
    }
    if (i == text.size()) break;
    const ByteSequence sequence = sequence_at(text, i);
    if (!sequence.valid) return i;
    i += sequence.bytes;
  }
  return std::string_view::npos;
}

void require_utf8(std::string_view text) {
  const std::size_t offset = first_invalid_utf8(text);
  if (offset == std::string_view::npos) return;
  throw Error("the text is not valid UTF-8: byte 0x{:02X} at offset {} begins no character; convert the data to UTF-8",
              static_cast<unsigned char>(text[offset]), offset);
}

std::string replace_invalid_utf8(std::string_view bytes) {
  if (first_invalid_utf8(bytes) == std::string_view::npos) return std::string(bytes);
  std::string text;
  text.reserve(bytes.size() + 16);
  for (std::size_t i = 0; i < bytes.size();) {
    const ByteSequence sequence = sequence_at(bytes, i);
    if (sequence.valid) {
      text.append(bytes, i, sequence.bytes);
    } else {
      text.append("\xEF\xBF\xBD");
    }
    i += sequence.bytes;
  }
  return text;
}

}  // namespace temper
