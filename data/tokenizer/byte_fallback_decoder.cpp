#include <optional>

#include "data/tokenizer/decoder.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

std::optional<char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  int value = 0;
  // The Hugging Face library reads a number here, which may have a sign.
  for (const char c : token.substr(token[3] == '+' ? 4 : 3, token[3] == '+' ? 1 : 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = 16 * value + digit;
  }
  return static_cast<char>(value);
}

/// Bytes in a row are text together where that is UTF-8; else each is U+FFFD.
class ByteFallbackDecoder : public Decoder {
 public:
  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    std::vector<std::string> pieces;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (first_invalid_utf8(bytes) == std::string::npos) {
        pieces.push_back(bytes);
      } else {
        pieces.insert(pieces.end(), bytes.size(), "\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const std::optional<char> byte = byte_of(token)) {
        bytes.push_back(*byte);
        continue;
      }
      flush();
      pieces.push_back(std::move(token));
    }
    flush();
    return pieces;
  }
};

}  // namespace

std::unique_ptr<Decoder> make_byte_fallback_decoder(const JsonNode& /*node*/) {
  return std::make_unique<ByteFallbackDecoder>();
}

}  // namespace temper
