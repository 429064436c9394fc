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

  /// Whether prepare() may give another text than it is given.
  [[nodiscard]] virtual bool changes_text() const { return false; }

  /// The text whose words are asked for: `text` itself, or a changed copy of it in `buffer`. `at_start`: whether it is
  /// the beginning of what was to be encoded, rather than what follows an added token or another word.
  [[nodiscard]] virtual std::string_view prepare(std::string_view text, bool at_start, std::string& buffer) const {
    (void)at_start;
    (void)buffer;
    return text;
  }

  /// Replaces `words` by the next words of a prepared text, from byte `position` on, and none of them empty: about as
  /// many as its capacity, or more. Returns where the words after them begin: the size of the text when there are none.
  virtual std::size_t next_words(std::string_view text, std::size_t position,
                                 std::vector<std::string_view>& words) const = 0;
};

/// A pre-tokenizer, and how the model sees its words.
struct PreTokenization {
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  bool byte_level;  // words are bytes, which GPT-2's alphabet stands for in the file
};

/// The pre-tokenizer of a tokenizer.json; one that takes the text as one word where it has none. Where the last step is
/// ByteLevel and `bytes_wanted`, words are the bytes themselves; else they are in its alphabet (byte_alphabet.h).
/// Throws Error for an unsupported type.
PreTokenization make_pre_tokenizer(const JsonNode& root, bool bytes_wanted);

/// Splits at white space, which it drops, and around each punctuation character (Devlin et al. 2018).
std::unique_ptr<PreTokenizer> make_bert_pre_tokenizer(const JsonNode& node);
/// Splits by GPT-2's expression (Radford et al. 2019) and leaves the bytes as they are.
std::unique_ptr<PreTokenizer> make_byte_level_pre_tokenizer(const JsonNode& node);
/// Writes bytes in GPT-2's alphabet.
std::unique_ptr<PreTokenizer> make_byte_alphabet_step();
/// Makes U+2581 of spaces and splits before it (Kudo and Richardson 2018).
std::unique_ptr<PreTokenizer> make_metaspace_pre_tokenizer(const JsonNode& node);
/// Splits at the matches of a text or expression.
std::unique_ptr<PreTokenizer> make_split_pre_tokenizer(const JsonNode& node);
/// Splits at each match of a well-known expression; null for any other.
std::unique_ptr<PreTokenizer> make_scanned_split(std::string_view expression);
/// Words are runs of word characters and runs of other characters that are no white space.
std::unique_ptr<PreTokenizer> make_whitespace_pre_tokenizer(const JsonNode& node);
/// Splits at white space, which it drops.
std::unique_ptr<PreTokenizer> make_whitespace_split_pre_tokenizer(const JsonNode& node);
/// Splits at punctuation.
std::unique_ptr<PreTokenizer> make_punctuation_pre_tokenizer(const JsonNode& node);
/// Sets digits apart, one by one or together.
std::unique_ptr<PreTokenizer> make_digits_pre_tokenizer(const JsonNode& node);
/// Splits at one character, which it drops.
std::unique_ptr<PreTokenizer> make_delimiter_pre_tokenizer(const JsonNode& node);
/// Splits where the script changes.
std::unique_ptr<PreTokenizer> make_unicode_scripts_pre_tokenizer(const JsonNode& node);
/// Cuts into words of as many characters.
std::unique_ptr<PreTokenizer> make_fixed_length_pre_tokenizer(const JsonNode& node);

/// Steps one after another, each on the words of the one before.
std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(std::vector<std::unique_ptr<PreTokenizer>> steps);

}  // namespace temper
