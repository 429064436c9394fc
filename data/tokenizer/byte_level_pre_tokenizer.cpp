// GPT-2's expression, matched by hand:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// Alternatives are tried in this order at each place, and every character belongs to some match.
#include <cstdint>

#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/character_classifier.h"
#include "data/tokenizer/pre_tokenizer.h"

namespace temper {
namespace {

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}

  [[nodiscard]] bool changes_text() const override { return add_prefix_space_; }

  [[nodiscard]] std::string_view prepare(std::string_view text, bool /*at_start*/, std::string& buffer) const override {
    if (!add_prefix_space_ || text.starts_with(' ')) return text;
    buffer.assign(1, ' ').append(text);
    return buffer;
  }

  std::size_t next_words(std::string_view text, std::size_t position,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    if (!use_regex_) {
      if (position < text.size()) words.push_back(text.substr(position));
      return text.size();
    }
    std::size_t i = position;
    while (i < text.size() && words.size() < words.capacity()) {
      const std::size_t end = end_of_match(text, i);
      words.push_back(text.substr(i, end - i));
      i = end;
    }
    return i;
  }

 private:
  [[nodiscard]] std::size_t end_of_match(std::string_view text, std::size_t start) const {
    if (text[start] == '\'') {
      if (const std::size_t length = contraction(text.substr(start)); length > 0) return start + length;
    }
    ClassifiedCharacter first = characters_.at(text, start);
    std::size_t i = start + first.bytes;
    if (text[start] == ' ' && i < text.size()) {
      const ClassifiedCharacter second = characters_.at(text, i);
      if (second.kind != CharacterClass::space) {
        first = second;
        i += second.bytes;
      }
    }
    std::size_t last = first.bytes;  // bytes of the last character of the run
    while (i < text.size()) {
      const ClassifiedCharacter next = characters_.at(text, i);
      if (next.kind != first.kind) break;
      last = next.bytes;
      i += next.bytes;
    }
    // \s+(?!\S): white space before a word leaves its last character to that word, if it has another one.
    if (first.kind == CharacterClass::space && i < text.size() && i - last > start) return i - last;
    return i;
  }

  /// Bytes of the contraction that a text, which begins with an apostrophe, begins with; 0 if it is none.
  static std::size_t contraction(std::string_view text) {
    if (text.size() < 2) return 0;
    switch (text[1]) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return 2;
      case 'r':
      case 'v':
        return text.size() > 2 && text[2] == 'e' ? 3 : 0;
      case 'l':
        return text.size() > 2 && text[2] == 'l' ? 3 : 0;
      default:
        return 0;
    }
  }

  bool add_prefix_space_;
  bool use_regex_;
  CharacterClassifier characters_;
};

class ByteAlphabetStep : public PreTokenizer {
 public:
  [[nodiscard]] bool changes_text() const override { return true; }

  [[nodiscard]] std::string_view prepare(std::string_view text, bool /*at_start*/, std::string& buffer) const override {
    buffer.clear();
    alphabet_.append_characters(text, buffer);
    return buffer;
  }

  std::size_t next_words(std::string_view text, std::size_t position,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    if (position < text.size()) words.push_back(text.substr(position));
    return text.size();
  }

 private:
  ByteAlphabet alphabet_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_byte_alphabet_step() { return std::make_unique<ByteAlphabetStep>(); }

std::unique_ptr<PreTokenizer> make_byte_level_pre_tokenizer(const JsonNode& node) {
  return std::make_unique<ByteLevelPreTokenizer>(node.member("add_prefix_space").boolean(),
                                                 node.boolean_or("use_regex", true));
}

}  // namespace temper
