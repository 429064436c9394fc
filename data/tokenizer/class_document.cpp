#include "data/tokenizer/class_document.h"

#include "base/error.h"
#include "data/tokenizer/vocabulary.h"

namespace temper {
namespace {

using nlohmann::json;

/// Looks up settings of tokenizer_config.json.
class Settings {
 public:
  explicit Settings(const FolderSettings& settings) : config_(settings.config), name_(settings.config_name) {}

  [[nodiscard]] bool boolean(const char* key, bool otherwise) const {
    if (!config_.is_object() || !config_.contains(key)) return otherwise;
    return JsonNode(config_[key], name_, key).boolean();
  }
  /// As it stands, where it is true, false or null; null where it is absent.
  [[nodiscard]] json optional_boolean(const char* key) const {
    if (!config_.is_object() || !config_.contains(key) || config_[key].is_null()) return nullptr;
    return JsonNode(config_[key], name_, key).boolean();
  }

 private:
  const json& config_;
  const std::string& name_;
};

json special(const std::string& token, int type) { return {{"SpecialToken", {{"id", token}, {"type_id", type}}}}; }
json text(const char* name, int type) { return {{"Sequence", {{"id", name}, {"type_id", type}}}}; }

/// What stands around a text, with its id.
struct Bracket {
  std::string token;
  std::int32_t id;
};

Bracket bracket(const FolderTokens& tokens, std::span<const std::int32_t> ids, const char* key,
                std::int32_t otherwise) {
  const std::optional<std::string> name = tokens.name(key);
  // A name that is null leaves these numbers, whatever they stand for.
  if (!name) return {"None", otherwise};
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (tokens.added[i].content == *name) return {*name, ids[i]};
  return {*name, otherwise};
}

json template_of(const json& single, const json& pair, const std::vector<Bracket>& brackets) {
  json tokens = json::object();
  for (const Bracket& bracket : brackets)
    tokens[bracket.token] = {{"id", bracket.token}, {"ids", {bracket.id}}, {"tokens", {bracket.token}}};
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

json bert_template(const Bracket& cls, const Bracket& sep) {
  return template_of(
      json::array({special(cls.token, 0), text("A", 0), special(sep.token, 0)}),
      json::array({special(cls.token, 0), text("A", 0), special(sep.token, 0), text("B", 1), special(sep.token, 1)}),
      {cls, sep});
}

/// <s> A </s>, where the settings ask for them: what GPT-2's class does without a tokenizer.json.
json begin_and_end_template(const Settings& settings, const FolderTokens& tokens, std::span<const std::int32_t> ids) {
  json single = json::array();
  json pair = json::array();
  std::vector<Bracket> brackets;
  const auto add = [&](const char* setting, const char* key, bool is_pair, int type) {
    if (!settings.boolean(setting, false) || !tokens.name(key)) return;
    const Bracket found = bracket(tokens, ids, key, 0);
    if (!is_pair) single.push_back(special(found.token, type));
    pair.push_back(special(found.token, type));
    brackets.push_back(found);
  };
  add("add_bos_token", "bos_token", false, 0);
  single.push_back(text("A", 0));
  pair.push_back(text("A", 0));
  add("add_eos_token", "eos_token", false, 0);
  add("add_bos_token", "bos_token", true, 1);
  pair.push_back(text("B", 1));
  add("add_eos_token", "eos_token", true, 1);
  return template_of(single, pair, brackets);
}

void build_wordpiece(json& document, const Settings& settings, const FolderTokens& tokens) {
  document["normalizer"] = {{"type", "BertNormalizer"},
                            {"clean_text", true},
                            {"handle_chinese_chars", settings.boolean("tokenize_chinese_chars", true)},
                            {"strip_accents", settings.optional_boolean("strip_accents")},
                            {"lowercase", settings.boolean("do_lower_case", true)}};
  document["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  document["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  document["model"] = {{"type", "WordPiece"},
                       {"unk_token", tokens.name("unk_token").value_or("None")},
                       {"continuing_subword_prefix", "##"},
                       {"max_input_chars_per_word", 100}};
}

void build_byte_level_bpe(json& document, const Settings& settings) {
  const auto byte_level = [](bool add_prefix_space) -> json {
    return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", true}};
  };
  document["normalizer"] = nullptr;
  document["pre_tokenizer"] = byte_level(settings.boolean("add_prefix_space", false));
  document["decoder"] = byte_level(true);
  document["model"] = {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", ""},
                       {"end_of_word_suffix", ""},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", false}};
}

json roberta_processing(const Bracket& cls, const Bracket& sep, bool trim_offsets, bool add_prefix_space) {
  return {{"type", "RobertaProcessing"},
          {"sep", {sep.token, sep.id}},
          {"cls", {cls.token, cls.id}},
          {"trim_offsets", trim_offsets},
          {"add_prefix_space", add_prefix_space}};
}

}  // namespace

std::vector<std::int32_t> set_added_tokens(TokenizerFile& file, const std::vector<AddedToken>& tokens) {
  json& list = file.document["added_tokens"] = json::array();
  for (const AddedToken& token : tokens) list.push_back(to_json(token, 0));
  const Vocabulary vocabulary(file.vocabulary_text, file.vocabulary);
  const AddedTokens numbered(file.root(), vocabulary, nullptr);
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const AddedToken* found = numbered.find(tokens[i].content);
    ids.push_back(found == nullptr ? 0 : found->id);
    list[i]["id"] = ids.back();
  }
  return ids;
}

void build_class_document(TokenizerFile& file, const TokenizerClass& tokenizer_class, const FolderSettings& settings,
                          const FolderTokens& tokens) {
  const std::vector<std::int32_t> ids = set_added_tokens(file, tokens.added);
  const Settings config(settings);
  json& document = file.document;
  document["version"] = "1.0";
  for (const char* key : {"truncation", "padding"})
    if (!document.contains(key)) document[key] = nullptr;
  switch (tokenizer_class.build) {
    case TokenizerBuild::bert:
      build_wordpiece(document, config, tokens);
      document["post_processor"] =
          bert_template(bracket(tokens, ids, "cls_token", 2), bracket(tokens, ids, "sep_token", 3));
      break;
    case TokenizerBuild::mpnet:
      build_wordpiece(document, config, tokens);
      document["post_processor"] =
          roberta_processing(bracket(tokens, ids, "cls_token", 0), bracket(tokens, ids, "sep_token", 2), true, false);
      break;
    case TokenizerBuild::roberta:
      build_byte_level_bpe(document, config);
      document["post_processor"] =
          roberta_processing(bracket(tokens, ids, "cls_token", 0), bracket(tokens, ids, "sep_token", 2),
                             config.boolean("trim_offsets", true), config.boolean("add_prefix_space", false));
      break;
    case TokenizerBuild::gpt2:
      build_byte_level_bpe(document, config);
      if (settings.stored == nullptr) document["post_processor"] = begin_and_end_template(config, tokens, ids);
      if (!document.contains("post_processor")) document["post_processor"] = nullptr;
      break;
    case TokenizerBuild::as_stored:
      break;
  }
}

}  // namespace temper
