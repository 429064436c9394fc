#include "data/tokenizer/ggml_pre_tokenizers.h"

#include <utility>
#include <vector>

namespace temper {
namespace {

using nlohmann::json;

json byte_level(bool cuts) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", cuts}};
}

json split(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

json in_order(json steps) { return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}}; }

json split_then_bytes(const char* pattern) { return in_order(json::array({split(pattern), byte_level(false)})); }

json digits_apart() {
  return in_order(json::array({json{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)}));
}

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// The first of those that cut alike is the one that is written.
const std::vector<GgmlPreTokenizer>& pre_tokenizers() {
  static const json kNfc{{"type", "NFC"}};
  static const std::vector<GgmlPreTokenizer> kPreTokenizers = {
      {"gpt-2", nullptr, byte_level(true)},
      {"smollm", nullptr, digits_apart()},
      {"llama-bpe", nullptr, split_then_bytes(kLlama3), true, true},
      {"qwen2", kNfc, split_then_bytes(kQwen2)},
      {"dbrx", nullptr, split_then_bytes(kLlama3)},
      {"olmo", kNfc, byte_level(true)},
      {"command-r", kNfc, digits_apart()},
      {"stablelm2", nullptr, split_then_bytes(kQwen2)},
      {"tekken", nullptr, split_then_bytes(kTekken), true, true},
      {"gpt-4o", nullptr, split_then_bytes(kGpt4o)},
      {"llama4", nullptr, split_then_bytes(kGpt4o), true},
      {"deepseek-v3", nullptr,
       in_order(json::array(
           {split(R"(\p{N}{1,3})"), split(R"([一-龥぀-ゟ゠-ヿ]+)"), split(kDeepSeek3), byte_level(false)}))},
  };
  return kPreTokenizers;
}

/// Names of models whose texts are cut as those of another are.
constexpr std::pair<std::string_view, std::string_view> kSameAs[] = {
    {"", "gpt-2"},
    {"default", "gpt-2"},
    {"phi-2", "gpt-2"},
    {"jina-es", "gpt-2"},
    {"jina-de", "gpt-2"},
    {"jina-v2-es", "gpt-2"},
    {"jina-v2-de", "gpt-2"},
    {"jina-v2-code", "gpt-2"},
    {"gigachat", "gpt-2"},
    {"mellum", "gpt-2"},
    {"modern-bert", "gpt-2"},
    {"roberta-bpe", "gpt-2"},
    {"exaone4", "gpt-2"},
    {"mpt", "gpt-2"},
    {"jais", "gpt-2"},
    {"trillion", "gpt-2"},
    {"starcoder", "smollm"},
    {"refact", "smollm"},
    {"codeshell", "smollm"},
    {"exaone", "smollm"},
    {"minerva-7b", "smollm"},
    {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"falcon3", "llama-bpe"},
    {"falcon-h1", "llama-bpe"},
    {"pixtral", "llama-bpe"},
    {"midm-2.0", "llama-bpe"},
    {"lfm2", "llama-bpe"},
    {"smaug-bpe", "dbrx"},
    {"chatglm-bpe", "dbrx"},
    {"glm4", "dbrx"},
    {"deepseek-r1-qwen", "qwen2"},
    {"megrez", "qwen2"},
    {"hunyuan", "qwen2"},
    {"hunyuan-dense", "deepseek-v3"},
};

}  // namespace

const GgmlPreTokenizer* find_ggml_pre_tokenizer(std::string_view name) {
  for (const auto& [other, known] : kSameAs)
    if (other == name) return find_ggml_pre_tokenizer(known);
  for (const GgmlPreTokenizer& known : pre_tokenizers())
    if (known.name == name) return &known;
  return nullptr;
}

const GgmlPreTokenizer* ggml_pre_tokenizer_like(const json& normalizer, const json& pre_tokenizer, bool ignore_merges) {
  // What offsets are trimmed to changes no token, and neither does a word "Isolated" in another case.
  const auto plain = [](const json& node) {
    json copy = node;
    const auto strip = [](json& step) {
      if (step.is_object()) step.erase("trim_offsets");
    };
    strip(copy);
    if (copy.is_object() && copy.contains("pretokenizers"))
      for (json& step : copy["pretokenizers"]) strip(step);
    return copy;
  };
  for (const GgmlPreTokenizer& known : pre_tokenizers())
    if (known.ignore_merges == ignore_merges && known.normalizer == normalizer &&
        plain(known.pre_tokenizer) == plain(pre_tokenizer))
      return &known;
  return nullptr;
}

std::string ggml_pre_tokenizer_names() {
  std::string names;
  for (const GgmlPreTokenizer& known : pre_tokenizers()) names += (names.empty() ? "" : ", ") + std::string(known.name);
  return names;
}

}  // namespace temper
