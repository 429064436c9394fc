// Decoding: tokens to text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/tokenizer/json_node.h"

namespace temper {

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// One step of the way: a row of tokens to the pieces of text that they become, often one for each.
  [[nodiscard]] virtual std::vector<std::string> decode(std::vector<std::string> tokens) const = 0;
};

/// The decoder of a tokenizer.json, whose pieces make up the text; one that puts spaces between tokens where it has
/// none. Throws Error for an unsupported type.
std::unique_ptr<Decoder> make_decoder(const JsonNode& root);

/// Joins word pieces and takes back the spaces before English punctuation.
std::unique_ptr<Decoder> make_wordpiece_decoder(const JsonNode& node);
/// GPT-2's alphabet to bytes.
std::unique_ptr<Decoder> make_byte_level_decoder(const JsonNode& node);
/// A suffix becomes a space.
std::unique_ptr<Decoder> make_bpe_decoder(const JsonNode& node);
/// U+2581 becomes a space.
std::unique_ptr<Decoder> make_metaspace_decoder(const JsonNode& node);
/// <0x00> to <0xFF> become bytes.
std::unique_ptr<Decoder> make_byte_fallback_decoder(const JsonNode& node);
/// All tokens become one.
std::unique_ptr<Decoder> make_fuse_decoder(const JsonNode& node);
/// Drops a character at the ends of each token.
std::unique_ptr<Decoder> make_strip_decoder(const JsonNode& node);
/// Replaces a text or the matches of an expression in each token.
std::unique_ptr<Decoder> make_replace_decoder(const JsonNode& node);
/// Drops what repeats itself (Graves et al. 2006).
std::unique_ptr<Decoder> make_ctc_decoder(const JsonNode& node);

/// Takes back the spaces that tokenizing English put before punctuation and contractions.
void clean_up_english(std::string& piece);

/// Replaces each occurrence of `from`, which is not empty.
void replace_text(std::string& piece, std::string_view from, std::string_view to);

}  // namespace temper
