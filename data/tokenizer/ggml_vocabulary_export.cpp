#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tokenizer/ggml_pre_tokenizers.h"
#include "data/tokenizer/ggml_vocabulary.h"

namespace temper {
namespace {

using nlohmann::json;

[[noreturn]] void refuse_export(const TokenizerFolder& folder, const std::string& what) {
  throw Error("{}: the tokenizer {}, which GGUF files have no name for; export a Hugging Face folder",
              folder.path.string(), what);
}

/// Whether a step of a document, or one of its steps, is of a kind.
bool has_step(const json& node, std::string_view type) {
  if (!node.is_object()) return false;
  if (node.value("type", "") == type) return true;
  for (const char* list : {"normalizers", "pretokenizers", "decoders"})
    if (const auto steps = node.find(list); steps != node.end())
      for (const json& step : *steps)
        if (has_step(step, type)) return true;
  return false;
}

bool is_byte_token(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with(">");
}

void add_tokens(const TokenizerFolder& folder, const Tokenizer& tokenizer, std::int64_t rows,
                GgmlVocabulary& vocabulary) {
  if (tokenizer.vocabulary_size() > rows)
    throw Error("{}: the tokenizer knows {} tokens, but the model has embeddings for {}; expected a row for each token",
                folder.path.string(), tokenizer.vocabulary_size(), rows);
  std::set<std::string_view> added;
  std::set<std::string_view> special;
  for (const AddedToken& token : folder.tokens.added) {
    added.insert(token.content);
    if (token.special) special.insert(token.content);
  }
  const std::string unknown = folder.tokens.name("unk_token").value_or("");
  for (std::int64_t id = 0; id < rows; ++id) {
    std::string token(tokenizer.token(static_cast<std::int32_t>(id)));
    GgmlTokenType type = GgmlTokenType::normal;
    if (token.empty()) {
      token = fmt::format("[PAD{}]", id);
      type = GgmlTokenType::unused;
    } else if (vocabulary.model == "llama" && token == unknown) {
      type = GgmlTokenType::unknown;
    } else if (special.contains(token)) {
      type = GgmlTokenType::control;
    } else if (added.contains(token)) {
      type = GgmlTokenType::user_defined;
    } else if (vocabulary.model == "llama" && is_byte_token(token)) {
      type = GgmlTokenType::byte;
    }
    vocabulary.tokens.push_back(std::move(token));
    vocabulary.types.push_back(static_cast<std::int32_t>(type));
  }
}

void add_merges(const TokenizerFolder& folder, GgmlVocabulary& vocabulary) {
  for (const Merge& merge : folder.file.merges) {
    const std::string_view first = folder.file.first_of(merge);
    const std::string_view second = folder.file.second_of(merge);
    if (first.find(' ') != std::string_view::npos || second.find(' ') != std::string_view::npos)
      refuse_export(folder, "merges tokens with blanks in them");
    vocabulary.merges.push_back(fmt::format("{} {}", first, second));
  }
}

/// The better a token's score, the earlier it is made: those of the merges in their order, and behind them all others.
void add_scores(const TokenizerFolder& folder, const Tokenizer& tokenizer, GgmlVocabulary& vocabulary) {
  const auto last = -static_cast<double>(folder.file.merges.size());
  vocabulary.scores.assign(vocabulary.tokens.size(), last);
  double rank = 0.0;
  for (const Merge& merge : folder.file.merges) {
    const std::string made(std::string(folder.file.first_of(merge)) + std::string(folder.file.second_of(merge)));
    const std::optional<std::int32_t> id = tokenizer.id_of(made);
    if (id && vocabulary.scores[static_cast<std::size_t>(*id)] == last)
      vocabulary.scores[static_cast<std::size_t>(*id)] = -rank;
    rank += 1.0;
  }
}

void add_special_tokens(const TokenizerFolder& folder, const Tokenizer& tokenizer, GgmlVocabulary& vocabulary) {
  const auto id_of = [&](const char* key) -> std::optional<std::int64_t> {
    const std::optional<std::string> name = folder.tokens.name(key);
    const auto id = name ? tokenizer.id_of(*name) : std::nullopt;
    return id ? std::optional<std::int64_t>(*id) : std::nullopt;
  };
  vocabulary.bos = id_of("bos_token");
  vocabulary.eos = id_of("eos_token");
  vocabulary.unknown = id_of("unk_token");
  vocabulary.padding = id_of("pad_token");
  const std::vector<std::int32_t> around = tokenizer.encode("", 64).ids;
  const bool begins = tokenizer.begins_with_special_token();
  vocabulary.add_bos = begins;
  vocabulary.add_eos = around.size() > (begins ? 1U : 0U);
  std::vector<std::int64_t> expected;
  if (begins) expected.push_back(vocabulary.bos.value_or(-1));
  if (*vocabulary.add_eos) expected.push_back(vocabulary.eos.value_or(-1));
  if (!std::equal(around.begin(), around.end(), expected.begin(), expected.end()))
    refuse_export(folder, "puts other special tokens around a text than that of its beginning and that of its end");
}

}  // namespace

GgmlVocabulary ggml_vocabulary_of(const TokenizerFolder& folder, const Tokenizer& tokenizer, std::int64_t tokens) {
  const json& document = folder.file.document;
  const json model = document.value("model", json::object());
  const json normalizer = document.value("normalizer", json());
  const json pre_tokenizer = document.value("pre_tokenizer", json());
  GgmlVocabulary vocabulary;
  vocabulary.place = folder.path.string();
  const std::string type = model.value("type", folder.file.merges.empty() ? "" : "BPE");
  if (type != "BPE") refuse_export(folder, fmt::format("is a {} model", type));
  const bool ignore_merges = model.value("ignore_merges", json(false)) == json(true);
  if (const GgmlPreTokenizer* pre = ggml_pre_tokenizer_like(normalizer, pre_tokenizer, ignore_merges)) {
    vocabulary.model = "gpt2";
    vocabulary.pre = pre->name;
  } else if (model.value("byte_fallback", json(false)) == json(true)) {
    vocabulary.model = "llama";
    vocabulary.pre = "default";
    const bool metaspace = has_step(pre_tokenizer, "Metaspace") && pre_tokenizer.value("prepend_scheme", "") != "never";
    vocabulary.add_space_prefix = has_step(normalizer, "Prepend") || metaspace;
  } else {
    refuse_export(folder,
                  fmt::format("cuts texts in a way of its own (known are those of {})", ggml_pre_tokenizer_names()));
  }
  add_tokens(folder, tokenizer, tokens, vocabulary);
  if (vocabulary.model == "gpt2") {
    add_merges(folder, vocabulary);
  } else {
    add_scores(folder, tokenizer, vocabulary);
  }
  add_special_tokens(folder, tokenizer, vocabulary);
  if (const auto chat = folder.config.find("chat_template"); chat != folder.config.end() && chat->is_string())
    vocabulary.chat_template = chat->get<std::string>();
  std::error_code ignored;
  if (const std::filesystem::path file = folder.path / "chat_template.jinja"; std::filesystem::exists(file, ignored))
    vocabulary.chat_template = read_text_file(file);
  return vocabulary;
}

}  // namespace temper
