// The first step of a tokenizer: text to normalised text.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data/tokenizer/json_node.h"

namespace temper {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// Replaces `normalized` by the normal form of a valid UTF-8 text. The two must not overlap. Returns whether the
  /// first character of the normal form comes from the first one of the text: false where what stood before it was
  /// dropped.
  virtual bool normalize(std::string_view text, std::string& normalized) const = 0;
};

/// The normalizer of a tokenizer.json; null where it has none. Throws Error for an unsupported type.
std::unique_ptr<Normalizer> make_normalizer(const JsonNode& root);

/// Lower-casing, accents, control characters and ideographs as in BERT's reference implementation (Devlin et al. 2018).
std::unique_ptr<Normalizer> make_bert_normalizer(const JsonNode& node);
/// The normal forms of Unicode (UAX #15).
std::unique_ptr<Normalizer> make_nfc_normalizer(const JsonNode& node);
std::unique_ptr<Normalizer> make_nfd_normalizer(const JsonNode& node);
std::unique_ptr<Normalizer> make_nfkc_normalizer(const JsonNode& node);
std::unique_ptr<Normalizer> make_nfkd_normalizer(const JsonNode& node);
/// Lower case, code point by code point.
std::unique_ptr<Normalizer> make_lowercase_normalizer(const JsonNode& node);
/// Drops combining marks.
std::unique_ptr<Normalizer> make_strip_accents_normalizer(const JsonNode& node);
/// Drops white space at the ends.
std::unique_ptr<Normalizer> make_strip_normalizer(const JsonNode& node);
/// Drops control characters and makes spaces of white space, as SentencePiece's nmt rules do.
std::unique_ptr<Normalizer> make_nmt_normalizer(const JsonNode& node);
/// Puts a text before a text that is not empty.
std::unique_ptr<Normalizer> make_prepend_normalizer(const JsonNode& node);
/// Puts a text in the place of each match of a text or expression.
std::unique_ptr<Normalizer> make_replace_normalizer(const JsonNode& node);
/// SentencePiece's map of characters (Kudo and Richardson 2018).
std::unique_ptr<Normalizer> make_precompiled_normalizer(const JsonNode& node);
/// GPT-2's alphabet for bytes (byte_alphabet.h).
std::unique_ptr<Normalizer> make_byte_level_normalizer(const JsonNode& node);

}  // namespace temper
