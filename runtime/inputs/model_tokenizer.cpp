#include "runtime/inputs/model_tokenizer.h"

#include "base/error.h"
#include "model/huggingface/gguf_model.h"

namespace temper {
namespace {

std::vector<std::string> copied(const std::optional<std::vector<std::string_view>>& texts) {
  return texts ? std::vector<std::string>(texts->begin(), texts->end()) : std::vector<std::string>();
}

/// Some writers say "none" by the highest number of 32 bits, or by -1.
std::optional<std::int64_t> token_id(const GgufMetadata& metadata, std::string_view key) {
  const std::optional<std::int64_t> id = metadata.integer(key, -1, UINT32_MAX);
  return id && (*id == -1 || *id == UINT32_MAX) ? std::nullopt : id;
}

}  // namespace

GgmlVocabulary read_ggml_vocabulary(const GgufMetadata& metadata) {
  GgmlVocabulary vocabulary;
  vocabulary.place = metadata.path();
  vocabulary.model = metadata.require_text("tokenizer.ggml.model");
  vocabulary.pre = metadata.text("tokenizer.ggml.pre").value_or("");
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  const std::optional<std::vector<std::string_view>> tokens = metadata.texts(kTokens);
  if (!tokens) metadata.refuse(kTokens, "a list of texts");
  vocabulary.tokens = copied(tokens);
  constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
  for (const std::int64_t type : metadata.integers(kTypes).value_or(std::vector<std::int64_t>())) {
    if (type < 0 || type > INT32_MAX) metadata.refuse(kTypes, "a list of the types 1 to 6");
    vocabulary.types.push_back(static_cast<std::int32_t>(type));
  }
  vocabulary.scores = metadata.reals("tokenizer.ggml.scores").value_or(std::vector<double>());
  vocabulary.merges = copied(metadata.texts("tokenizer.ggml.merges"));
  vocabulary.bos = token_id(metadata, "tokenizer.ggml.bos_token_id");
  vocabulary.eos = token_id(metadata, "tokenizer.ggml.eos_token_id");
  vocabulary.unknown = token_id(metadata, "tokenizer.ggml.unknown_token_id");
  vocabulary.padding = token_id(metadata, "tokenizer.ggml.padding_token_id");
  vocabulary.end_of_turn = token_id(metadata, "tokenizer.ggml.eot_token_id");
  vocabulary.end_of_message = token_id(metadata, "tokenizer.ggml.eom_token_id");
  vocabulary.add_bos = metadata.flag("tokenizer.ggml.add_bos_token");
  vocabulary.add_eos = metadata.flag("tokenizer.ggml.add_eos_token");
  vocabulary.add_space_prefix = metadata.flag("tokenizer.ggml.add_space_prefix");
  vocabulary.chat_template = metadata.text("tokenizer.chat_template").value_or("");
  return vocabulary;
}

GgufKeys keys_of(const GgmlVocabulary& vocabulary) {
  GgufKeys keys;
  keys.add_text("tokenizer.ggml.model", vocabulary.model);
  if (!vocabulary.pre.empty()) keys.add_text("tokenizer.ggml.pre", vocabulary.pre);
  keys.add_texts("tokenizer.ggml.tokens", vocabulary.tokens);
  keys.add_i32s("tokenizer.ggml.token_type", vocabulary.types);
  if (!vocabulary.scores.empty())
    keys.add_f32s("tokenizer.ggml.scores", std::vector<float>(vocabulary.scores.begin(), vocabulary.scores.end()));
  if (!vocabulary.merges.empty()) keys.add_texts("tokenizer.ggml.merges", vocabulary.merges);
  const std::pair<const char*, std::optional<std::int64_t>> ids[] = {
      {"tokenizer.ggml.bos_token_id", vocabulary.bos},
      {"tokenizer.ggml.eos_token_id", vocabulary.eos},
      {"tokenizer.ggml.unknown_token_id", vocabulary.unknown},
      {"tokenizer.ggml.padding_token_id", vocabulary.padding},
      {"tokenizer.ggml.eot_token_id", vocabulary.end_of_turn},
      {"tokenizer.ggml.eom_token_id", vocabulary.end_of_message}};
  for (const auto& [key, id] : ids)
    if (id) keys.add_u32(key, static_cast<std::uint32_t>(*id));
  const std::pair<const char*, std::optional<bool>> flags[] = {
      {"tokenizer.ggml.add_bos_token", vocabulary.add_bos},
      {"tokenizer.ggml.add_eos_token", vocabulary.add_eos},
      {"tokenizer.ggml.add_space_prefix", vocabulary.add_space_prefix}};
  for (const auto& [key, flag] : flags)
    if (flag) keys.add_flag(key, *flag);
  if (!vocabulary.chat_template.empty()) keys.add_text("tokenizer.chat_template", vocabulary.chat_template);
  return keys;
}

TokenizerFolder read_model_tokenizer(const std::filesystem::path& model, TruncationSide side) {
  if (!is_gguf_file(model)) return read_tokenizer_folder(model, side);
  const GgufModel file(model);
  const GgmlVocabulary vocabulary = read_ggml_vocabulary(file.metadata());
  if (std::cmp_not_equal(vocabulary.tokens.size(), file.vocabulary_size()))
    throw Error(
        "{}: tokenizer.ggml.tokens has {} tokens, but \"token_embd.weight\" has {} rows; expected a row for each "
        "token: download the file again, or convert the model anew",
        model.string(), vocabulary.tokens.size(), file.vocabulary_size());
  TokenizerFolder folder = tokenizer_folder_of(vocabulary, side);
  folder.path = model;
  return folder;
}

}  // namespace temper
