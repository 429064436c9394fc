#include "data/tokenizer/byte_alphabet.h"

#include "data/tokenizer/utf8.h"

namespace temper {

ByteAlphabet::ByteAlphabet() {
  bytes_.fill(-1);
  char32_t next = 0x100;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    characters_[byte] = printable ? static_cast<char32_t>(byte) : next++;
    bytes_[characters_[byte]] = static_cast<std::int16_t>(byte);
  }
}

std::string ByteAlphabet::character(std::uint8_t byte) const {
  char utf8[4];
  return {utf8, encode_utf8(characters_[byte], utf8)};
}

void ByteAlphabet::append_characters(std::string_view bytes, std::string& text) const {
  text.reserve(text.size() + bytes.size());
  for (const char byte : bytes) append_utf8(characters_[static_cast<unsigned char>(byte)], text);
}

std::optional<std::string> ByteAlphabet::bytes(std::string_view token) const {
  std::string result;
  result.reserve(token.size());
  for (std::size_t i = 0; i < token.size();) {
    const CodePoint code = decode_utf8(token.data() + i);
    if (code.value >= bytes_.size() || bytes_[code.value] < 0) return std::nullopt;
    result.push_back(static_cast<char>(bytes_[code.value]));
    i += code.bytes;
  }
  return result;
}

}  // namespace temper
