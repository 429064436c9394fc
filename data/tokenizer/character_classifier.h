// The characters of a text with their classes, as expressions that are matched by hand ask for them. ASCII, which most
// texts are made of, is looked up in a table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {

struct ClassifiedCharacter {
  CharacterClass kind;
  std::uint32_t bytes;
};

class CharacterClassifier {
 public:
  CharacterClassifier() {
    classes_.fill(kBeyondAscii);
    for (std::size_t c = 0; c < 0x80; ++c)
      classes_[c] = static_cast<std::uint8_t>(character_class(static_cast<char32_t>(c)));
  }

  /// The character that begins at byte `i` of a valid UTF-8 text.
  [[nodiscard]] ClassifiedCharacter at(std::string_view text, std::size_t i) const {
    const std::uint8_t kind = classes_[static_cast<unsigned char>(text[i])];
    if (kind != kBeyondAscii) return {static_cast<CharacterClass>(kind), 1};
    const CodePoint code = decode_utf8(text.data() + i);
    return {character_class(code.value), code.bytes};
  }

 private:
  static constexpr std::uint8_t kBeyondAscii = 0xFF;
  std::array<std::uint8_t, 256> classes_{};
};

}  // namespace temper
