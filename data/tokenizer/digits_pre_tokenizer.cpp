#include "data/tokenizer/character_split.h"
#include "data/tokenizer/unicode_properties.h"

namespace temper {

std::unique_ptr<PreTokenizer> make_digits_pre_tokenizer(const JsonNode& node) {
  const bool one_by_one = node.member("individual_digits").boolean();
  return make_character_split(is_numeric, one_by_one ? SplitBehavior::isolated : SplitBehavior::contiguous);
}

}  // namespace temper
