#include "data/tokenizer/trained_tokenizer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace temper {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct SplitRule {
  std::string_view name;
  std::string_view expression;  ///< empty: the one that ByteLevel has itself
};

constexpr std::array<SplitRule, 3> kSplitRules = {{
    {"gpt2", ""},
    {"llama3",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {"qwen2",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
}};

const SplitRule& split_rule(const std::string& name) {
  const auto found =
      std::find_if(kSplitRules.begin(), kSplitRules.end(), [&](const SplitRule& rule) { return rule.name == name; });
  if (found == kSplitRules.end())
    throw usage_error("\"{}\" is no rule by which words are split, expected one of {}", name,
                      fmt::join(word_split_rules(), ", "));
  return *found;
}

OrderedJson byte_level(bool add_prefix_space, bool trim_offsets, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets},
          {"use_regex", use_regex}};
}

OrderedJson pre_tokenizer_json(const WordSplit& split) {
  const SplitRule& rule = split_rule(split.rule);
  if (rule.expression.empty()) return byte_level(split.prefix_space, true, true);
  OrderedJson steps = OrderedJson::array();
  if (split.prefix_space)
    throw usage_error("a space before each text goes with the rule gpt2, not with {}", split.rule);
  steps.push_back(
      {{"type", "Split"}, {"pattern", {{"Regex", rule.expression}}}, {"behavior", "Isolated"}, {"invert", false}});
  steps.push_back(byte_level(false, true, false));
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

OrderedJson added_token_json(std::size_t id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

OrderedJson model_json(const BytePairs& learnt, const OrderedJson& unknown) {
  OrderedJson vocabulary = OrderedJson::object();
  // Put behind the others as a vector's element: as a member it would be looked for among all of them.
  OrderedJson::object_t::Container& members = vocabulary.get_ref<OrderedJson::object_t&>();
  members.reserve(learnt.tokens.size());
  for (std::size_t id = 0; id < learnt.tokens.size(); ++id) members.emplace_back(learnt.tokens[id], id);
  OrderedJson merges = OrderedJson::array();
  for (const auto& [first, second] : learnt.merges)
    merges.push_back(OrderedJson::array({learnt.tokens[first], learnt.tokens[second]}));
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", unknown},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(vocabulary)},
          {"merges", std::move(merges)}};
}

}  // namespace

std::vector<std::string> word_split_rules() {
  std::vector<std::string> names;
  for (const SplitRule& rule : kSplitRules) names.emplace_back(rule.name);
  return names;
}

std::unique_ptr<PreTokenizer> make_word_split(const WordSplit& split) {
  const nlohmann::json document =
      nlohmann::json::object({{"pre_tokenizer", nlohmann::json(pre_tokenizer_json(split))}});
  return make_pre_tokenizer(JsonNode(document, "tokenizer.json", ""), /*bytes_wanted=*/true).pre_tokenizer;
}

TrainedTokenizerFiles trained_tokenizer_files(const BytePairs& learnt, const BytePairSettings& settings,
                                              const WordSplit& split, const std::vector<TokenRole>& roles) {
  OrderedJson unknown = nullptr;
  OrderedJson config{{"add_prefix_space", split.prefix_space}, {"clean_up_tokenization_spaces", false}};
  for (const auto& [role, token] : roles) {
    config[role] = token;
    if (role == "unk_token" && !settings.all_bytes) unknown = token;
  }
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  OrderedJson added = OrderedJson::array();
  for (std::size_t id = 0; id < settings.special_tokens.size(); ++id)
    added.push_back(added_token_json(id, settings.special_tokens[id]));
  const OrderedJson document{{"version", "1.0"},
                             {"truncation", nullptr},
                             {"padding", nullptr},
                             {"added_tokens", std::move(added)},
                             {"normalizer", nullptr},
                             {"pre_tokenizer", pre_tokenizer_json(split)},
                             {"post_processor", byte_level(split.prefix_space, false, true)},
                             {"decoder", byte_level(split.prefix_space, true, true)},
                             {"model", model_json(learnt, unknown)}};
  return {document.dump(2), config.dump(2) + "\n"};
}

}  // namespace temper
