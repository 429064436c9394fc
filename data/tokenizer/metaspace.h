// The character that SentencePiece writes for a space, for the pre-tokenizer and the decoder of this name.
#pragma once

#include <string>

#include "data/tokenizer/json_node.h"

namespace temper {

struct Metaspace {
  enum class Prepend { always, first, never };

  std::string replacement;            // one character in UTF-8, U+2581 as a rule
  Prepend prepend = Prepend::always;  // where a text gets one in front
  bool split = true;
};

/// Of an object with "replacement", and "prepend_scheme" and "split" or, in older files, "add_prefix_space".
Metaspace read_metaspace(const JsonNode& node);

}  // namespace temper
