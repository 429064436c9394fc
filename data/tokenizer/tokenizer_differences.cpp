#include "data/tokenizer/tokenizer_differences.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "data/tokenizer/post_processor.h"

namespace temper {
namespace {

using nlohmann::json;

constexpr std::size_t kMostTokens = 3;  // that are named

json member(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? json(nullptr) : *found;
}

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string type_of(const json& part) {
  const json type = member(part, "type");
  return type.is_string() ? type.get<std::string>() : part.is_null() ? "none" : "of another form";
}

/// A setting of a part, under the name that tokenizer_config.json has for it, and what it is where it is absent.
struct Setting {
  const char* key;
  const char* name;
  json otherwise;
};

/// Null, an empty text and a value that is absent count as one.
json without_empty(json value, const json& otherwise) {
  if (value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty())) return otherwise;
  return value;
}

void compare_part(const char* part, const json& stored, const json& used, const std::vector<Setting>& settings,
                  std::vector<std::string>& clauses) {
  // The model's type is left out in old files.
  if (type_of(stored) != type_of(used) && !(part == std::string_view("model") && !stored.contains("type"))) {
    clauses.push_back(fmt::format("the {} is {} (tokenizer.json: {})", part, type_of(used), type_of(stored)));
    return;
  }
  for (const Setting& setting : settings) {
    const json before = without_empty(member(stored, setting.key), setting.otherwise);
    const json now = without_empty(member(used, setting.key), setting.otherwise);
    if (before != now)
      clauses.push_back(fmt::format("{} is {} (tokenizer.json: {})", setting.name, text_of(now), text_of(before)));
  }
}

using Pieces = std::vector<TemplatePiece>;

bool are_equal(const Pieces& a, const Pieces& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const TemplatePiece& x, const TemplatePiece& y) {
    return x.kind == y.kind && x.type == y.type && (x.kind != TemplatePiece::Kind::special || x.id == y.id);
  });
}

/// "2 A 3" with the segments, as "2:0 A:0 3:0".
std::string text_of(const Pieces& pieces) {
  std::string text;
  for (const TemplatePiece& piece : pieces)
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ",
                        piece.kind == TemplatePiece::Kind::first    ? "A"
                        : piece.kind == TemplatePiece::Kind::second ? "B"
                                                                    : std::to_string(piece.id),
                        piece.type);
  return text;
}

void compare_templates(const json& stored, const TokenizerFile& file, std::vector<std::string>& clauses) {
  PostProcessor before;
  try {
    before = make_post_processor(JsonNode(stored, file.name, ""), INT32_MAX);
  } catch (const Error&) {
    clauses.push_back(fmt::format("the post_processor is {} (tokenizer.json: {})",
                                  type_of(member(file.document, "post_processor")),
                                  type_of(member(stored, "post_processor"))));
    return;
  }
  const PostProcessor now = make_post_processor(file.root(), INT32_MAX);
  if (!are_equal(before.single, now.single)) {
    clauses.push_back(
        fmt::format("a text becomes \"{}\" (tokenizer.json: \"{}\")", text_of(now.single), text_of(before.single)));
  } else if (!are_equal(before.pair, now.pair)) {
    clauses.push_back(
        fmt::format("a pair becomes \"{}\" (tokenizer.json: \"{}\")", text_of(now.pair), text_of(before.pair)));
  }
}

std::map<std::string, json> by_content(const json& list) {
  std::map<std::string, json> tokens;
  if (!list.is_array()) return tokens;
  for (const json& token : list) {
    const json content = member(token, "content");
    if (content.is_string()) tokens.emplace(content.get<std::string>(), token);
  }
  return tokens;
}

}  // namespace

std::vector<std::string> token_differences(const json& stored, const json& used) {
  const std::map<std::string, json> before = by_content(stored);
  const std::map<std::string, json> now = by_content(used);
  std::vector<std::string> changes;
  for (const auto& [content, token] : now) {
    const auto known = before.find(content);
    if (known == before.end()) {
      changes.push_back(fmt::format("{} is a token (tokenizer.json: not)", text_of(json(content))));
      continue;
    }
    for (const char* flag : {"lstrip", "rstrip", "single_word", "normalized"})
      if (member(token, flag) != member(known->second, flag))
        changes.push_back(fmt::format("{} of {} is {} (tokenizer.json: {})", flag, text_of(json(content)),
                                      text_of(member(token, flag)), text_of(member(known->second, flag))));
  }
  for (const auto& [content, token] : before)
    if (!now.contains(content))
      changes.push_back(fmt::format("{} is no token (tokenizer.json: it is)", text_of(json(content))));
  const std::size_t shown = std::min(changes.size(), kMostTokens);
  if (shown < changes.size()) {
    const std::string rest = fmt::format("{} more tokens differ", changes.size() - shown);
    changes.resize(shown);
    changes.push_back(rest);
  }
  return changes;
}

std::vector<std::string> differences(const json& stored, const TokenizerFile& file) {
  std::vector<std::string> clauses;
  const json& used = file.document;
  const auto compare = [&](const char* part, const std::vector<Setting>& settings) {
    compare_part(part, member(stored, part), member(used, part), settings, clauses);
  };
  compare("normalizer", {{"lowercase", "do_lower_case", true},
                         {"strip_accents", "strip_accents", nullptr},
                         {"handle_chinese_chars", "tokenize_chinese_chars", true},
                         {"clean_text", "clean_text", true}});
  compare("pre_tokenizer", {{"add_prefix_space", "add_prefix_space", true}, {"use_regex", "use_regex", true}});
  compare("model", {{"unk_token", "unk_token", nullptr},
                    {"continuing_subword_prefix", "continuing_subword_prefix", nullptr},
                    {"end_of_word_suffix", "end_of_word_suffix", nullptr},
                    {"max_input_chars_per_word", "max_input_chars_per_word", 100},
                    {"byte_fallback", "byte_fallback", false},
                    {"ignore_merges", "ignore_merges", false}});
  compare_templates(stored, file, clauses);
  for (std::string& clause : token_differences(member(stored, "added_tokens"), member(used, "added_tokens")))
    clauses.push_back(std::move(clause));
  return clauses;
}

}  // namespace temper
