#include <array>
#include <cstdint>

#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

enum class BertClass : std::uint8_t { word, space, punctuation, beyond_ascii };

BertClass bert_class(char32_t c) {
  if (is_white_space(c)) return BertClass::space;
  return is_bert_punctuation(c) ? BertClass::punctuation : BertClass::word;
}

class BertPreTokenizer : public PreTokenizer {
 public:
  BertPreTokenizer() {
    classes_.fill(BertClass::beyond_ascii);
    for (std::size_t c = 0; c < 0x80; ++c) classes_[c] = bert_class(static_cast<char32_t>(c));
  }

  std::size_t next_words(std::string_view text, std::size_t position,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    std::size_t i = position;
    while (i < text.size() && words.size() < words.capacity()) {
      const std::size_t start = i;
      std::size_t length = 0;  // of the character that ends the word
      BertClass found = BertClass::word;
      while (i < text.size()) {
        found = classes_[static_cast<unsigned char>(text[i])];
        length = 1;
        if (found == BertClass::beyond_ascii) {
          const CodePoint code = decode_utf8(text.data() + i);
          found = bert_class(code.value);
          length = code.bytes;
        }
        if (found != BertClass::word) break;
        i += length;
      }
      if (i > start) {
        words.push_back(text.substr(start, i - start));
        if (found == BertClass::space) i += length;
      } else {
        if (found == BertClass::punctuation) words.push_back(text.substr(i, length));
        i += length;
      }
    }
    return i;
  }

 private:
  std::array<BertClass, 256> classes_{};
};

}  // namespace

std::unique_ptr<PreTokenizer> make_bert_pre_tokenizer(const JsonNode& /*node*/) {
  return std::make_unique<BertPreTokenizer>();
}

}  // namespace temper
