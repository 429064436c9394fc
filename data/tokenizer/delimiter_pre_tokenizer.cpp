#include "data/tokenizer/character_split.h"

namespace temper {

std::unique_ptr<PreTokenizer> make_delimiter_pre_tokenizer(const JsonNode& node) {
  const char32_t delimiter = node.member("delimiter").character();
  return make_character_split([delimiter](char32_t c) { return c == delimiter; }, SplitBehavior::removed);
}

}  // namespace temper
