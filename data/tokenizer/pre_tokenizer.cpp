#include "data/tokenizer/pre_tokenizer.h"

#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

using MakePreTokenizer = std::unique_ptr<PreTokenizer> (*)(const JsonNode&);

constexpr Kind<MakePreTokenizer> kPreTokenizers[] = {
    {"BertPreTokenizer", make_bert_pre_tokenizer},
    {"ByteLevel", make_byte_level_pre_tokenizer},
};

class WholeText : public PreTokenizer {
 public:
  std::size_t next_words(std::string_view text, std::size_t position,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    if (position < text.size()) words.push_back(text.substr(position));
    return text.size();
  }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const JsonNode& root) {
  const std::optional<JsonNode> node = root.optional_member("pre_tokenizer");
  if (!node) return std::make_unique<WholeText>();
  return find_kind(kPreTokenizers, "pre-tokenizer", *node, node->member("type").text())(*node);
}

}  // namespace temper
