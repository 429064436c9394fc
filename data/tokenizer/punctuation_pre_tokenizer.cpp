#include "data/tokenizer/character_split.h"
#include "data/tokenizer/unicode_properties.h"

namespace temper {

std::unique_ptr<PreTokenizer> make_punctuation_pre_tokenizer(const JsonNode& node) {
  const std::optional<JsonNode> behavior = node.optional_member("behavior");
  return make_character_split(is_bert_punctuation, behavior ? read_split_behavior(*behavior) : SplitBehavior::isolated);
}

}  // namespace temper
