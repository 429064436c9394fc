#include "data/tokenizer/tokenizer_export.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tokenizer/vocabulary_files.h"

namespace temper {
namespace {

using nlohmann::json;

std::string json_text(std::string_view text) { return json(text).dump(-1, ' ', false, json::error_handler_t::replace); }

std::string_view token_of(const TokenizerFile& file, const VocabularyEntry& entry) {
  return std::string_view(file.vocabulary_text).substr(entry.offset, entry.length);
}

std::unordered_map<std::string_view, std::int32_t> ids_of(const TokenizerFile& file) {
  std::unordered_map<std::string_view, std::int32_t> ids;
  for (const VocabularyEntry& entry : file.vocabulary) ids.insert_or_assign(token_of(file, entry), entry.id);
  return ids;
}

/// The vocabulary and the merges, which lie beside the document, as members of its model.
std::string model_text(const TokenizerFile& file) {
  const json& model = file.document.at("model");
  std::string text = "{";
  bool first = true;
  const auto begin_member = [&](std::string_view key) {
    text += first ? "\n    " : ",\n    ";
    first = false;
    text += json_text(key) + ": ";
  };
  // "type" comes first: some readers want to know it before the rest.
  if (model.contains("type")) {
    begin_member("type");
    text += model["type"].dump();
  }
  for (const auto& [key, value] : model.items()) {
    if (key == "type") continue;
    begin_member(key);
    text += value.dump();
  }
  if (!file.vocabulary.empty()) {
    begin_member("vocab");
    text += "{";
    const std::unordered_map<std::string_view, std::int32_t> ids = ids_of(file);
    bool first_token = true;
    for (const VocabularyEntry& entry : file.vocabulary) {
      const std::string_view token = token_of(file, entry);
      if (ids.at(token) != entry.id) continue;  // of equal tokens the last counts
      text += fmt::format("{}\n      {}: {}", first_token ? "" : ",", json_text(token), entry.id);
      first_token = false;
    }
    text += "\n    }";
  }
  if (!file.merges.empty() || (model.value("type", "") == "BPE" && !model.contains("merges"))) {
    begin_member("merges");
    text += "[";
    for (std::size_t i = 0; i < file.merges.size(); ++i)
      text += fmt::format("{}\n      [{}, {}]", i == 0 ? "" : ",", json_text(file.first_of(file.merges[i])),
                          json_text(file.second_of(file.merges[i])));
    text += "\n    ]";
  }
  return text + "\n  }";
}

std::string tokenizer_json(const TokenizerFile& file, const Tokenizer& tokenizer) {
  std::string text = "{";
  bool first = true;
  for (const auto& [key, value] : file.document.items()) {
    text += fmt::format("{}\n  {}: ", first ? "" : ",", json_text(key));
    first = false;
    if (key == "model") {
      text += model_text(file);
    } else if (key == "added_tokens") {
      json list = value;
      for (json& token : list)
        if (const auto id = tokenizer.id_of(token.at("content").get<std::string>())) token["id"] = *id;
      std::stable_sort(list.begin(), list.end(), [](const json& a, const json& b) { return a["id"] < b["id"]; });
      text += list.dump();
    } else {
      text += value.dump();
    }
  }
  return text + "\n}\n";
}

json without_id(const AddedToken& token) {
  json entry = to_json(token, 0);
  entry.erase("id");
  return entry;
}

std::string config_json(const TokenizerFolder& folder, const Tokenizer& tokenizer) {
  json config = folder.config;
  const json& document = folder.file.document;
  const bool is_stored = folder.tokenizer_class.build == TokenizerBuild::as_stored;
  // Kept as it was written where it is the class in use ("BertTokenizerFast" is another name for "BertTokenizer").
  const std::string named = config.value("tokenizer_class", json()).is_string()
                                ? config["tokenizer_class"].get<std::string>()
                                : std::string();
  if (named != folder.tokenizer_class.name && named != folder.tokenizer_class.name + "Fast")
    config["tokenizer_class"] = folder.tokenizer_class.name;

  const json normalizer = document.value("normalizer", json());
  if (normalizer.is_object() && normalizer.value("type", "") == "BertNormalizer") {
    const std::pair<const char*, const char*> keys[] = {{"do_lower_case", "lowercase"},
                                                        {"strip_accents", "strip_accents"},
                                                        {"tokenize_chinese_chars", "handle_chinese_chars"}};
    for (const auto& [key, stored_key] : keys)
      if (!is_stored || config.contains(key)) config[key] = normalizer.value(stored_key, json());
  }
  const json pre_tokenizer = document.value("pre_tokenizer", json());
  if (pre_tokenizer.is_object() && pre_tokenizer.contains("add_prefix_space") &&
      (!is_stored || config.contains("add_prefix_space")))
    config["add_prefix_space"] = pre_tokenizer["add_prefix_space"];

  if (folder.file.cuts_left || config.contains("truncation_side") || !document.value("truncation", json()).is_null())
    config["truncation_side"] = folder.file.cuts_left ? "left" : "right";
  // Where the class is to be found in tokenizer.json alone, versions of transformers differ in what they hand a model.
  if (is_stored && !config.contains("model_input_names"))
    config["model_input_names"] = folder.file.token_types ? json{"input_ids", "token_type_ids", "attention_mask"}
                                                          : json{"input_ids", "attention_mask"};

  json decoder = json::object();
  for (const AddedToken& token : folder.tokens.added)
    if (const auto id = tokenizer.id_of(token.content)) decoder[std::to_string(*id)] = without_id(token);
  config["added_tokens_decoder"] = std::move(decoder);
  for (const NamedToken& named_token : folder.tokens.named) config[named_token.key] = named_token.token.content;
  const char* extra =
      config.contains(kExtraTokensKey) && config[kExtraTokensKey].is_array() ? kExtraTokensKey : kAdditionalTokensKey;
  config.erase(kExtraTokensKey);
  config.erase(kAdditionalTokensKey);
  if (!folder.tokens.extra.empty()) {
    config[extra] = json::array();
    for (const AddedToken& token : folder.tokens.extra) config[extra].push_back(token.content);
  }
  return config.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string special_tokens_map(const TokenizerFolder& folder) {
  json map = json::object();
  for (const NamedToken& named : folder.tokens.named) {
    const auto added = std::find_if(folder.tokens.added.begin(), folder.tokens.added.end(),
                                    [&](const AddedToken& token) { return token.content == named.token.content; });
    map[named.key] = without_id(added == folder.tokens.added.end() ? named.token : *added);
    map[named.key].erase("special");
  }
  if (!folder.tokens.extra.empty()) {
    map[kAdditionalTokensKey] = json::array();
    for (const AddedToken& token : folder.tokens.extra) map[kAdditionalTokensKey].push_back(token.content);
  }
  return map.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

bool have_equal_merges(const TokenizerFile& a, const TokenizerFile& b) {
  return std::equal(a.merges.begin(), a.merges.end(), b.merges.begin(), b.merges.end(),
                    [&](const Merge& x, const Merge& y) {
                      return a.first_of(x) == b.first_of(y) && a.second_of(x) == b.second_of(y);
                    });
}

/// Templates beside that of chat_template.jinja, as NAME.jinja, in which transformers keeps them since its
/// release 4.51; older ones are in tokenizer_config.json.
std::vector<std::filesystem::path> further_chat_templates(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "additional_chat_templates", ignored))
    if (entry.is_regular_file(ignored) && entry.path().extension() == ".jinja") found.push_back(entry.path());
  return found;
}

/// Whether an older file of the folder holds the vocabulary, or the merges, that is in use.
bool still_holds(const std::filesystem::path& path, const TokenizerFile& file) {
  TokenizerFile other;
  const std::string name = path.filename();
  try {
    if (name == "vocab.txt") read_vocab_txt(path, other);
    if (name == "vocab.json") read_vocab_json(path, other);
    if (name == "merges.txt") read_merges_txt(path, other);
  } catch (const Error&) {
    return false;  // nobody reads it beside a tokenizer.json
  }
  return name == "merges.txt" ? have_equal_merges(file, other) : ids_of(file) == ids_of(other);
}

}  // namespace

std::map<std::string, std::string> tokenizer_files(const TokenizerFolder& folder, const Tokenizer& tokenizer) {
  if (folder.file.digest != tokenizer.digest())
    throw Error(
        "{}: the files of the tokenizer have changed since they were read; put those back that the model was trained "
        "with, and try again",
        folder.path.string());
  std::map<std::string, std::string> files;
  files["tokenizer.json"] =
      folder.changed ? tokenizer_json(folder.file, tokenizer) : read_text_file(folder.path / "tokenizer.json");
  files["tokenizer_config.json"] = config_json(folder, tokenizer);
  std::error_code ignored;
  if (std::filesystem::exists(folder.path / "special_tokens_map.json", ignored))
    files["special_tokens_map.json"] = special_tokens_map(folder);
  for (const char* name : {"chat_template.jinja", "chat_template.json"})
    if (const std::filesystem::path path = folder.path / name; std::filesystem::exists(path, ignored))
      files[name] = read_text_file(path);
  for (const char* name : {"vocab.txt", "vocab.json", "merges.txt"}) {
    const std::filesystem::path path = folder.path / name;
    if (std::filesystem::exists(path, ignored) && still_holds(path, folder.file)) files[name] = read_text_file(path);
  }
  for (const std::filesystem::path& path : further_chat_templates(folder.path))
    files[path.lexically_relative(folder.path).string()] = read_text_file(path);
  return files;
}

}  // namespace temper
