#include "data/tokenizer/pre_tokenizer.h"

#include <utility>

#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

using MakePreTokenizer = std::unique_ptr<PreTokenizer> (*)(const JsonNode&);

/// Steps of a sequence are put together by collect_steps, so that one within another is nothing special.
constexpr std::string_view kSequence = "Sequence";
constexpr std::string_view kByteLevel = "ByteLevel";

constexpr Kind<MakePreTokenizer> kPreTokenizers[] = {
    {"BertPreTokenizer", make_bert_pre_tokenizer},
    {kByteLevel, make_byte_level_pre_tokenizer},
    {kSequence, nullptr},
    {"Metaspace", make_metaspace_pre_tokenizer},
    {"Split", make_split_pre_tokenizer},
    {"Whitespace", make_whitespace_pre_tokenizer},
    {"WhitespaceSplit", make_whitespace_split_pre_tokenizer},
    {"Punctuation", make_punctuation_pre_tokenizer},
    {"Digits", make_digits_pre_tokenizer},
    {"CharDelimiterSplit", make_delimiter_pre_tokenizer},
    {"UnicodeScripts", make_unicode_scripts_pre_tokenizer},
    {"FixedLength", make_fixed_length_pre_tokenizer},
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

void collect_steps(const JsonNode& node, std::vector<JsonNode>& steps) {
  if (node.member("type").text() != kSequence) {
    steps.push_back(node);
    return;
  }
  for (const JsonNode& step : node.member("pretokenizers").elements()) collect_steps(step, steps);
}

/// Whether a ByteLevel step only says that words are bytes, as it does behind a Split.
bool leaves_words(const JsonNode& byte_level) {
  return !byte_level.member("add_prefix_space").boolean() && !byte_level.boolean_or("use_regex", true);
}

}  // namespace

PreTokenization make_pre_tokenizer(const JsonNode& root, bool bytes_wanted) {
  const std::optional<JsonNode> node = root.optional_member("pre_tokenizer");
  std::vector<JsonNode> nodes;
  if (node) collect_steps(*node, nodes);
  if (nodes.empty()) return {std::make_unique<WholeText>(), false};
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  bool byte_level = false;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::string type = nodes[i].member("type").text();
    byte_level = bytes_wanted && i + 1 == nodes.size() && type == kByteLevel;
    if (byte_level && i > 0 && leaves_words(nodes[i])) continue;
    steps.push_back(find_kind(kPreTokenizers, "pre-tokenizer", nodes[i], type)(nodes[i]));
    if (type == kByteLevel && !byte_level) steps.push_back(make_byte_alphabet_step());
  }
  return {steps.size() == 1 ? std::move(steps.front()) : make_pre_tokenizer_sequence(std::move(steps)), byte_level};
}

}  // namespace temper
