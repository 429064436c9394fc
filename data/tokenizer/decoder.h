// The way back: tokens to text.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "data/tokenizer/json_node.h"

namespace temper {

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// The text of a row of tokens.
  [[nodiscard]] virtual std::string decode(std::span<const std::string_view> tokens) const = 0;
};

/// The decoder of a tokenizer.json; one that joins tokens with spaces where it has none. Throws Error for an
/// unsupported type.
std::unique_ptr<Decoder> make_decoder(const JsonNode& root);

}  // namespace temper
