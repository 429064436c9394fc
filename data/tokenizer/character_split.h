// Pre-tokenizers that split at single characters.
#pragma once

#include <array>
#include <memory>
#include <utility>

#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/utf8.h"
#include "data/tokenizer/word_cutter.h"

namespace temper {

/// Splits at each character of which `is_delimiter` is true.
template <typename IsDelimiter>
class CharacterSplit : public PreTokenizer {
 public:
  CharacterSplit(IsDelimiter is_delimiter, SplitBehavior behavior)
      : is_delimiter_(std::move(is_delimiter)), behavior_(behavior) {
    for (std::size_t c = 0; c < ascii_.size(); ++c) ascii_[c] = is_delimiter_(static_cast<char32_t>(c));
  }

  std::size_t next_words(std::string_view text, std::size_t /*position*/,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    WordCutter cutter(behavior_, text, words);
    std::size_t done = 0;
    for (std::size_t i = 0; i < text.size();) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const CodePoint code = byte < 0x80 ? CodePoint{byte, 1} : decode_utf8(text.data() + i);
      const bool found = byte < 0x80 ? ascii_[byte] : is_delimiter_(code.value);
      if (found) {
        if (done < i) cutter.add(i, false);
        done = i + code.bytes;
        cutter.add(done, true);
      }
      i += code.bytes;
    }
    if (done < text.size()) cutter.add(text.size(), false);
    cutter.finish();
    return text.size();
  }

 private:
  IsDelimiter is_delimiter_;
  SplitBehavior behavior_;
  std::array<bool, 128> ascii_{};
};

template <typename IsDelimiter>
std::unique_ptr<PreTokenizer> make_character_split(IsDelimiter is_delimiter, SplitBehavior behavior) {
  return std::make_unique<CharacterSplit<IsDelimiter>>(std::move(is_delimiter), behavior);
}

}  // namespace temper
