#include <cstdint>

#include "data/tokenizer/character_split.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

enum class Kind : std::uint8_t { space, word, other };

Kind kind_of(char32_t c) {
  if (is_white_space(c)) return Kind::space;
  return is_word_character(c) ? Kind::word : Kind::other;
}

/// The matches of \w+|[^\w\s]+.
class WhitespacePreTokenizer : public PreTokenizer {
 public:
  WhitespacePreTokenizer() {
    for (std::size_t c = 0; c < ascii_.size(); ++c) ascii_[c] = kind_of(static_cast<char32_t>(c));
  }

  std::size_t next_words(std::string_view text, std::size_t position,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    std::size_t i = position;
    std::size_t start = i;
    Kind run = Kind::space;
    while (i < text.size()) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const CodePoint code = byte < 0x80 ? CodePoint{byte, 1} : decode_utf8(text.data() + i);
      const Kind kind = byte < 0x80 ? ascii_[byte] : kind_of(code.value);
      if (kind != run) {
        if (run != Kind::space) words.push_back(text.substr(start, i - start));
        if (words.size() >= words.capacity()) return i;
        start = i;
        run = kind;
      }
      i += code.bytes;
    }
    if (run != Kind::space) words.push_back(text.substr(start));
    return text.size();
  }

 private:
  std::array<Kind, 128> ascii_{};
};

}  // namespace

std::unique_ptr<PreTokenizer> make_whitespace_pre_tokenizer(const JsonNode& /*node*/) {
  return std::make_unique<WhitespacePreTokenizer>();
}

std::unique_ptr<PreTokenizer> make_whitespace_split_pre_tokenizer(const JsonNode& /*node*/) {
  return make_character_split(is_white_space, SplitBehavior::removed);
}

}  // namespace temper
