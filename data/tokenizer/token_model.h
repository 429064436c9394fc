// The third step of a tokenizer: a word to the ids of its tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer_file.h"
#include "data/tokenizer/vocabulary.h"

namespace temper {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  /// Appends the ids of a word, which is not empty. A word has the same ids wherever it stands. Throws Error where the
  /// word holds what the model does not know, and it has no token for that.
  virtual void append_ids(std::string_view word, std::vector<std::int32_t>& ids) const = 0;

  /// Bytes of the beginning of a word, all of it or less, after which the word may be cut: the ids of what is before
  /// and what is behind are those of the word. Words that are whole texts are looked up in parts.
  [[nodiscard]] virtual std::size_t first_part(std::string_view word) const { return word.size(); }
};

/// Whether the model of a tokenizer.json takes words as bytes where the file writes them in GPT-2's alphabet. Throws
/// Error for an unsupported type.
bool takes_bytes(const TokenizerFile& file);

/// The model of a tokenizer.json. Keeps a reference to the vocabulary, which must outlive it. `byte_level`: whether the
/// pre-tokenizer hands it bytes. Throws Error for an unsupported type or option.
std::unique_ptr<TokenModel> make_token_model(const TokenizerFile& file, const Vocabulary& vocabulary, bool byte_level);

/// Greedy longest match from the left (Schuster and Nakajima 2012; Devlin et al. 2018).
std::unique_ptr<TokenModel> make_wordpiece(const TokenizerFile& file, const JsonNode& node,
                                           const Vocabulary& vocabulary);
/// Byte pair encoding (Sennrich et al. 2016) over characters.
std::unique_ptr<TokenModel> make_character_bpe(const TokenizerFile& file, const JsonNode& node,
                                               const Vocabulary& vocabulary);
/// The same over bytes (Radford et al. 2019).
std::unique_ptr<TokenModel> make_byte_level_bpe(const TokenizerFile& file, const JsonNode& node,
                                                const Vocabulary& vocabulary);
/// The most probable sequence of tokens (Kudo 2018).
std::unique_ptr<TokenModel> make_unigram(const TokenizerFile& file, const JsonNode& node, const Vocabulary& vocabulary);
/// Words are tokens.
std::unique_ptr<TokenModel> make_word_level(const TokenizerFile& file, const JsonNode& node,
                                            const Vocabulary& vocabulary);

}  // namespace temper
