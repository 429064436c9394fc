#include "data/tokenizer/folder_tokens.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

namespace temper {
namespace {

using nlohmann::json;

constexpr std::string_view kNamedTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                             "pad_token", "cls_token", "mask_token"};

bool is_standard(std::string_view key) {
  return std::find(std::begin(kNamedTokens), std::end(kNamedTokens), key) != std::end(kNamedTokens);
}

AddedToken special_token(std::string content) {
  AddedToken token;
  token.content = std::move(content);
  token.special = true;
  token.normalized = false;
  return token;
}

bool is_empty(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() || found->empty();
}

std::int64_t read_index(const std::string& key, const JsonNode& place) {
  std::int64_t index = -1;
  const auto [end, failure] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (failure != std::errc() || end != key.data() + key.size() || index < 0) throw place.unexpected("an id as the key");
  return index;
}

/// Gathers from the files what the class is handed, in the order in which transformers does it.
class Gatherer {
 public:
  Gatherer(const FolderSettings& settings, const TokenizerClass& tokenizer_class)
      : settings_(settings),
        class_(tokenizer_class),
        config_(settings.config.is_object() ? settings.config : json::object()) {}

  FolderTokens gather() {
    rename_additional();
    take_own_names();
    if (config_.contains("added_tokens_decoder")) {
      read_decoder();
    } else {
      read_special_tokens_map();
      read_added_tokens_file();
      read_stored_tokens();
    }
    // A list in tokenizer_config.json counts even if it is empty.
    if (!config_.contains(kExtraTokensKey)) rename_additional();
    take_own_names();
    name_tokens();
    add_all();
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] JsonNode node(const json& value, std::string place) const {
    return {value, settings_.config_name, std::move(place)};
  }

  void rename_additional() {
    if (!config_.contains(kAdditionalTokensKey) || !is_empty(config_, kExtraTokensKey)) return;
    config_[kExtraTokensKey] = std::move(config_[kAdditionalTokensKey]);
    config_.erase(kAdditionalTokensKey);
  }

  /// "image_token": "<image>" and the like.
  void take_own_names() {
    const auto is_token = [](const json& value) { return value.is_string() || value.is_object(); };
    for (auto item = config_.begin(); item != config_.end();) {
      const std::string& key = item.key();
      if (is_standard(key) || !key.ends_with("_token") || !is_token(*item)) {
        ++item;
        continue;
      }
      own_names_.emplace_back(key, std::move(*item));
      item = config_.erase(item);
    }
    const auto extra = config_.find(kExtraTokensKey);
    if (extra == config_.end() || !extra->is_object()) return;
    for (auto& [key, value] : extra->items()) own_names_.emplace_back(key, std::move(value));
    config_.erase(extra);
  }

  void remember(std::int64_t index, AddedToken token) {
    by_content_.insert_or_assign(token.content, token);
    by_index_.insert_or_assign(index, std::move(token));
  }

  void read_decoder() {
    const JsonNode decoder = node(config_["added_tokens_decoder"], "added_tokens_decoder");
    if (!config_["added_tokens_decoder"].is_object()) throw decoder.unexpected("an object of tokens by their ids");
    for (const auto& [key, value] : config_["added_tokens_decoder"].items()) {
      const JsonNode entry = node(value, "added_tokens_decoder." + key);
      remember(read_index(key, entry), read_token(entry));
    }
  }

  void read_special_tokens_map() {
    if (!settings_.special_tokens_map.is_object()) return;
    for (const auto& [key, value] : settings_.special_tokens_map.items()) {
      if (key == kExtraTokensKey && value.is_array() && !is_empty(config_, kExtraTokensKey) &&
          config_[kExtraTokensKey].is_array()) {
        for (const json& token : value) config_[kExtraTokensKey].push_back(token);
        continue;
      }
      config_[key] = value;
      if (value.is_object() && key != kExtraTokensKey) config_[key]["special"] = true;
    }
  }

  void read_added_tokens_file() {
    if (!settings_.added_tokens.is_object()) return;
    std::set<std::string> special;
    const auto add = [&](const json& value) {
      if (value.is_string()) special.insert(value.get<std::string>());
      if (value.is_object() && value.contains("content") && value["content"].is_string())
        special.insert(value["content"].get<std::string>());
    };
    for (const std::string_view key : kNamedTokens)
      if (const auto found = config_.find(key); found != config_.end()) add(*found);
    if (const auto extra = config_.find(kExtraTokensKey); extra != config_.end() && extra->is_array())
      for (const json& value : *extra) add(value);
    for (const auto& [content, index] : settings_.added_tokens.items()) {
      AddedToken token = special_token(content);
      token.special = special.contains(content);
      token.normalized = !token.special;
      remember(JsonNode(index, "added_tokens.json", content).integer(0, INT32_MAX), std::move(token));
    }
  }

  void read_stored_tokens() {
    if (settings_.stored == nullptr) return;
    const JsonNode root(*settings_.stored, "tokenizer.json", "");
    const std::optional<JsonNode> list = root.optional_member("added_tokens");
    if (!list) return;
    for (const JsonNode& entry : list->elements())
      remember(entry.member("id").integer(0, INT32_MAX), read_token(entry));
  }

  /// The token that a value of the files stands for; nothing for null.
  [[nodiscard]] std::optional<AddedToken> token_of(const json& value, const std::string& key) const {
    if (value.is_null()) return std::nullopt;
    AddedToken token = value.is_string() ? special_token(value.get<std::string>()) : read_token(node(value, key));
    const auto known = by_content_.find(token.content);
    return known == by_content_.end() ? std::move(token) : known->second;
  }

  void name_tokens() {
    const std::span<const DefaultToken> defaults = class_.default_tokens();
    for (const std::string_view key : kNamedTokens) {
      const auto given = config_.find(key);
      const auto known =
          std::find_if(defaults.begin(), defaults.end(), [&](const DefaultToken& token) { return token.key == key; });
      std::optional<AddedToken> token;
      if (given != config_.end()) {
        token = token_of(*given, std::string(key));
      } else if (known != defaults.end()) {
        token = special_token(std::string(known->content));
      }
      // MPNet's mask takes the blank before it, unless a file says what it does.
      const bool plain =
          given == config_.end() || (given->is_string() && !by_content_.contains(given->get<std::string>()));
      if (token && plain && known != defaults.end()) token->lstrip = known->lstrip;
      if (token) tokens_.named.push_back({std::string(key), std::move(*token)});
    }
    for (const auto& [key, value] : own_names_)
      if (std::optional<AddedToken> token = token_of(value, key)) tokens_.named.push_back({key, std::move(*token)});
    const auto extra = config_.find(kExtraTokensKey);
    if (extra == config_.end() || extra->is_null()) return;
    for (const JsonNode& entry : node(*extra, kExtraTokensKey).elements())
      tokens_.extra.push_back(entry.is_text() ? special_token(entry.text()) : read_token(entry));
  }

  void put(AddedToken token) {
    if (token.content.empty()) return;
    const auto [place, is_new] = places_.emplace(token.content, tokens_.added.size());
    if (is_new) {
      tokens_.added.push_back(std::move(token));
    } else {
      tokens_.added[place->second] = std::move(token);
    }
  }

  void add_all() {
    std::set<std::string> known;
    std::set<std::string> names;
    for (const NamedToken& named : tokens_.named) names.insert(named.token.content);
    if (class_.build == TokenizerBuild::as_stored && settings_.stored != nullptr) {
      const JsonNode root(*settings_.stored, "tokenizer.json", "");
      if (const std::optional<JsonNode> list = root.optional_member("added_tokens"))
        for (const JsonNode& entry : list->elements()) {
          known.insert(entry.member("content").text());
          put(read_token(entry));
        }
    }
    for (const auto& [index, token] : by_index_) {
      known.insert(token.content);
      AddedToken named = token;
      named.special = token.special || names.contains(token.content);
      put(std::move(named));
    }
    for (const NamedToken& named : tokens_.named) {
      if (known.contains(named.token.content)) continue;
      AddedToken token = named.token;
      token.special = true;
      put(std::move(token));
    }
    for (const AddedToken& token : tokens_.extra)
      if (!known.contains(token.content)) put(token);
  }

  const FolderSettings& settings_;
  const TokenizerClass& class_;
  json config_;  // tokenizer_config.json, as far as it was not taken yet
  std::vector<std::pair<std::string, json>> own_names_;
  std::map<std::int64_t, AddedToken> by_index_;
  std::map<std::string, AddedToken, std::less<>> by_content_;
  std::map<std::string, std::size_t> places_;  // in tokens_.added, by content
  FolderTokens tokens_;
};

}  // namespace

std::optional<std::string> FolderTokens::name(std::string_view key) const {
  for (const NamedToken& token : named)
    if (token.key == key) return token.token.content;
  return std::nullopt;
}

std::vector<std::string> named_token_keys() { return {std::begin(kNamedTokens), std::end(kNamedTokens)}; }

FolderTokens gather_tokens(const FolderSettings& settings, const TokenizerClass& tokenizer_class) {
  return Gatherer(settings, tokenizer_class).gather();
}

AddedToken read_token(const JsonNode& node) {
  AddedToken token;
  token.content = node.member("content").text();
  token.single_word = node.boolean_or("single_word", false);
  token.lstrip = node.boolean_or("lstrip", false);
  token.rstrip = node.boolean_or("rstrip", false);
  token.special = node.boolean_or("special", false);
  token.normalized = node.boolean_or("normalized", !token.special);
  return token;
}

json to_json(const AddedToken& token, std::int32_t id) {
  return {{"id", id},
          {"content", token.content},
          {"single_word", token.single_word},
          {"lstrip", token.lstrip},
          {"rstrip", token.rstrip},
          {"normalized", token.normalized},
          {"special", token.special}};
}

}  // namespace temper
