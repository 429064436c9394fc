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
  /// Replaces `normalized` by the normal form of a valid UTF-8 text. The two must not overlap.
  virtual void normalize(std::string_view text, std::string& normalized) const = 0;
};

/// The normalizer of a tokenizer.json; null where it has none. Throws Error for an unsupported type.
std::unique_ptr<Normalizer> make_normalizer(const JsonNode& root);

/// Lower-casing, accents, control characters and ideographs as in BERT's reference implementation (Devlin et al. 2018).
std::unique_ptr<Normalizer> make_bert_normalizer(const JsonNode& node);

}  // namespace temper
