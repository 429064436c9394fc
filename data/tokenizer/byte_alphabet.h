// GPT-2's alphabet: a printable character for each of the 256 bytes, so that any text can be written in tokens.
// Printable Latin-1 stands for itself; the other 68 bytes, in order, are U+0100 and up.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace temper {

class ByteAlphabet {
 public:
  ByteAlphabet();

  /// The character of a byte, in UTF-8.
  [[nodiscard]] std::string character(std::uint8_t byte) const;
  /// Appends the characters of all bytes of a text.
  void append_characters(std::string_view bytes, std::string& text) const;
  /// The bytes that a token stands for; nothing if it holds a character outside the alphabet.
  [[nodiscard]] std::optional<std::string> bytes(std::string_view token) const;

 private:
  std::array<char32_t, 256> characters_{};
  std::array<std::int16_t, 0x144> bytes_{};  // by character; -1 outside the alphabet
};

}  // namespace temper
