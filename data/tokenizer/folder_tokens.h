// The tokens that a model folder adds to its vocabulary, gathered as transformers 5 gathers them: added_tokens_decoder
// of tokenizer_config.json, or, where that is absent, special_tokens_map.json, added_tokens.json and the added_tokens
// of tokenizer.json; then the special tokens that have a name, then further special ones.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/tokenizer_class.h"

namespace temper {

/// The key of special tokens without a name in tokenizer_config.json, and what transformers 4 calls it.
inline constexpr const char* kExtraTokensKey = "extra_special_tokens";
inline constexpr const char* kAdditionalTokensKey = "additional_special_tokens";

/// What the files of a folder say; null where a file is absent.
struct FolderSettings {
  std::string config_name;                 ///< path of tokenizer_config.json, for messages
  nlohmann::json config;                   ///< tokenizer_config.json
  nlohmann::json special_tokens_map;       ///< special_tokens_map.json
  nlohmann::json added_tokens;             ///< added_tokens.json
  const nlohmann::json* stored = nullptr;  ///< the document of tokenizer.json
};

struct NamedToken {
  std::string key;  ///< "cls_token"
  AddedToken token;
};

struct FolderTokens {
  std::vector<NamedToken> named;  ///< bos, eos, unk, sep, pad, cls, mask, then those with other names
  std::vector<AddedToken> extra;  ///< special ones without a name
  std::vector<AddedToken> added;  ///< all that are added to the vocabulary, in the order in which they are numbered

  /// The text of a named token; nothing where it has none.
  [[nodiscard]] std::optional<std::string> name(std::string_view key) const;
};

/// The keys of named tokens that every class knows.
std::vector<std::string> named_token_keys();

/// Throws Error naming file and key for what is no token.
FolderTokens gather_tokens(const FolderSettings& settings, const TokenizerClass& tokenizer_class);

/// The same as a tokenizer.json lists it. `ids`: one per token.
nlohmann::json to_json(const AddedToken& token, std::int32_t id);

/// A token as tokenizer.json and tokenizer_config.json write it.
AddedToken read_token(const JsonNode& node);

}  // namespace temper
