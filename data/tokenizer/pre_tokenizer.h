// The second step of a tokenizer: normalised text to words, which the model then looks at one by one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/json_node.h"

namespace temper {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;

  /// The text whose words are asked for: `text` itself, or a changed copy of it in `buffer`.
  [[nodiscard]] virtual std::string_view prepare(std::string_view text, std::string& buffer) const {
    (void)buffer;
    return text;
  }

  /// Replaces `words` by the next words of a prepared text, from byte `position` on, as many as fit in its capacity and
  /// none of them empty. Returns where the words after them begin: the size of the text when there are none.
  virtual std::size_t next_words(std::string_view text, std::size_t position,
                                 std::vector<std::string_view>& words) const = 0;

  /// Whether the model sees bytes by GPT-2's alphabet (byte_alphabet.h) instead of characters.
  [[nodiscard]] virtual bool is_byte_level() const { return false; }
};

/// The pre-tokenizer of a tokenizer.json; one that takes the text as one word where it has none. Throws Error for an
/// unsupported type.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const JsonNode& root);

/// Splits at white space, which it drops, and around each punctuation character (Devlin et al. 2018).
std::unique_ptr<PreTokenizer> make_bert_pre_tokenizer(const JsonNode& node);

/// Splits by GPT-2's expression (Radford et al. 2019).
std::unique_ptr<PreTokenizer> make_byte_level_pre_tokenizer(const JsonNode& node);

}  // namespace temper
