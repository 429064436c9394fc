#include "data/tokenizer/ggml_vocabulary.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "data/tokenizer/chat_files.h"
#include "data/tokenizer/ggml_pre_tokenizers.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

using nlohmann::json;

constexpr std::string_view kWordStart = "\xe2\x96\x81";  // U+2581, for a blank
constexpr std::size_t kMostVocabularyBytes = std::size_t{1} << 30;
constexpr const char* kVocabularyRemedy = "the file is damaged: download it again, or convert the model anew";

bool is_byte_level(const GgmlVocabulary& vocabulary) { return vocabulary.model == "gpt2"; }

void check_lists(const GgmlVocabulary& vocabulary) {
  const std::size_t count = vocabulary.tokens.size();
  if (vocabulary.model != "gpt2" && vocabulary.model != "llama")
    throw Error(
        "{}: tokenizer.ggml.model is \"{}\", expected \"gpt2\" (BPE over bytes) or \"llama\" (SentencePiece's "
        "BPE); use the model's Hugging Face folder",
        vocabulary.place, vocabulary.model);
  if (count == 0 || std::cmp_greater(count, kHighestTokenId))
    throw Error("{}: tokenizer.ggml.tokens has {} tokens, expected 1 to {}; {}", vocabulary.place, count,
                kHighestTokenId, kVocabularyRemedy);
  const auto require_as_many = [&](const char* key, std::size_t length) {
    if (length != 0 && length != count)
      throw Error("{}: {} has {} elements, expected one for each of the {} tokens; {}", vocabulary.place, key, length,
                  count, kVocabularyRemedy);
  };
  require_as_many("tokenizer.ggml.token_type", vocabulary.types.size());
  require_as_many("tokenizer.ggml.scores", vocabulary.scores.size());
  if (!is_byte_level(vocabulary) && vocabulary.scores.empty())
    throw Error("{}: tokenizer.ggml.scores is missing, expected one for each token, as \"llama\" needs; {}",
                vocabulary.place, kVocabularyRemedy);
  std::size_t bytes = 0;
  for (std::size_t id = 0; id < count; ++id) {
    bytes += vocabulary.tokens[id].size();
    if (first_invalid_utf8(vocabulary.tokens[id]) != std::string_view::npos)
      throw Error("{}: token {} of tokenizer.ggml.tokens is not UTF-8; {}", vocabulary.place, id, kVocabularyRemedy);
  }
  if (bytes > kMostVocabularyBytes)
    throw Error("{}: the tokens have {} bytes, expected at most {}; {}", vocabulary.place, bytes, kMostVocabularyBytes,
                kVocabularyRemedy);
}

void check_id(const GgmlVocabulary& vocabulary, const char* key, const std::optional<std::int64_t>& id) {
  if (!id || (*id >= 0 && std::cmp_less(*id, vocabulary.tokens.size()))) return;
  throw Error("{}: {} is {}, expected the id of one of {} tokens; {}", vocabulary.place, key, *id,
              vocabulary.tokens.size(), kVocabularyRemedy);
}

void add_vocabulary(const GgmlVocabulary& vocabulary, TokenizerFile& file) {
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    file.vocabulary.push_back({static_cast<std::uint32_t>(file.vocabulary_text.size()),
                               static_cast<std::uint32_t>(token.size()), static_cast<std::int32_t>(id)});
    file.vocabulary_text += token;
  }
}

void add_merge(TokenizerFile& file, std::string_view first, std::string_view second) {
  file.merges.push_back({static_cast<std::uint32_t>(file.merges_text.size()), static_cast<std::uint32_t>(first.size()),
                         static_cast<std::uint32_t>(second.size())});
  file.merges_text.append(first).append(second);
}

void add_listed_merges(const GgmlVocabulary& vocabulary, TokenizerFile& file) {
  std::size_t number = 0;
  for (const std::string& merge : vocabulary.merges) {
    const std::size_t space = merge.find(' ');
    if (space == std::string::npos || space == 0 || space + 1 == merge.size() ||
        merge.find(' ', space + 1) != std::string::npos || first_invalid_utf8(merge) != std::string_view::npos)
      throw Error("{}: merge {} of tokenizer.ggml.merges is {}, expected two tokens with a blank between them; {}",
                  vocabulary.place, number, json(merge).dump(-1, ' ', true, json::error_handler_t::replace),
                  kVocabularyRemedy);
    add_merge(file, std::string_view(merge).substr(0, space), std::string_view(merge).substr(space + 1));
    ++number;
  }
}

/// SentencePiece merges the neighbours whose union has the best score: the same as a list of all pairs of tokens that
/// are a token together, the best first (as transformers makes it for Llama's tokenizer.json).
void add_scored_merges(const GgmlVocabulary& vocabulary, TokenizerFile& file) {
  constexpr std::size_t kLongestToken = 1024;  // cuts of a token are tried one by one
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) ids.emplace(vocabulary.tokens[id], id);
  struct Pair {
    double score;
    std::string_view token;
    std::size_t cut;
    std::size_t first;
    std::size_t second;
  };
  std::vector<Pair> pairs;
  // A token of the user's that has no rank is found in texts as it stands, and made of nothing.
  const double lowest = *std::min_element(vocabulary.scores.begin(), vocabulary.scores.end());
  const auto is_made = [&](std::size_t id) {
    return vocabulary.types.empty() || vocabulary.scores[id] > lowest ||
           vocabulary.types[id] != static_cast<std::int32_t>(GgmlTokenType::user_defined);
  };
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string_view token = vocabulary.tokens[id];
    if (token.size() > kLongestToken || !is_made(id)) continue;
    for (std::size_t cut = 1; cut < token.size(); ++cut) {
      if ((static_cast<unsigned char>(token[cut]) & 0xc0U) == 0x80U) continue;  // inside a character
      const auto first = ids.find(token.substr(0, cut));
      const auto second = ids.find(token.substr(cut));
      if (first != ids.end() && second != ids.end())
        pairs.push_back({vocabulary.scores[id], token, cut, first->second, second->second});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return std::tuple(-a.score, a.first, a.second) < std::tuple(-b.score, b.first, b.second);
  });
  for (const Pair& pair : pairs) add_merge(file, pair.token.substr(0, pair.cut), pair.token.substr(pair.cut));
}

json byte_level_document(const GgmlVocabulary& vocabulary, const GgmlPreTokenizer& pre) {
  const json decoder{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  return {{"normalizer", pre.normalizer},
          {"pre_tokenizer", pre.pre_tokenizer},
          {"decoder", decoder},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", pre.ignore_merges || vocabulary.merges.empty()}}}};
}

json replace(std::string_view from, std::string_view to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

json sentence_piece_document(const GgmlVocabulary& vocabulary) {
  const bool prefix = vocabulary.add_space_prefix.value_or(true);
  json decoders = json::array({replace(kWordStart, " "), json{{"type", "ByteFallback"}}, json{{"type", "Fuse"}}});
  json normalizers = json::array();
  if (prefix) {
    normalizers.push_back({{"type", "Prepend"}, {"prepend", kWordStart}});
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  normalizers.push_back(replace(" ", kWordStart));
  json unknown = nullptr;
  if (vocabulary.unknown) unknown = vocabulary.tokens[static_cast<std::size_t>(*vocabulary.unknown)];
  return {{"normalizer", {{"type", "Sequence"}, {"normalizers", normalizers}}},
          {"pre_tokenizer", nullptr},
          {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", unknown},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"ignore_merges", false}}}};
}

/// The special tokens before and behind a text.
json brackets_around(const GgmlVocabulary& vocabulary, bool add_bos, bool add_eos) {
  json special_tokens = json::object();
  json single = json::array();
  json pair = json::array();
  const auto add_special = [&](const std::optional<std::int64_t>& id, int type, bool alone) {
    const std::string& token = vocabulary.tokens[static_cast<std::size_t>(*id)];
    special_tokens[token] = {{"id", token}, {"ids", {*id}}, {"tokens", {token}}};
    const json piece{{"SpecialToken", {{"id", token}, {"type_id", type}}}};
    if (alone) single.push_back(piece);
    pair.push_back(piece);
  };
  for (const int type : {0, 1}) {
    if (add_bos) add_special(vocabulary.bos, type, type == 0);
    const json text{{"Sequence", {{"id", type == 0 ? "A" : "B"}, {"type_id", type}}}};
    if (type == 0) single.push_back(text);
    pair.push_back(text);
    if (add_eos) add_special(vocabulary.eos, type, type == 0);
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special_tokens}};
}

std::vector<AddedToken> added_tokens_of(const GgmlVocabulary& vocabulary) {
  check_id(vocabulary, "tokenizer.ggml.eot_token_id", vocabulary.end_of_turn);
  check_id(vocabulary, "tokenizer.ggml.eom_token_id", vocabulary.end_of_message);
  std::vector<AddedToken> added;
  for (std::size_t id = 0; id < vocabulary.types.size(); ++id) {
    const std::int32_t type = vocabulary.types[id];
    if (type < 0 || type > 6)
      throw Error("{}: the type of token {} is {}, expected 0 to 6; {}", vocabulary.place, id, type, kVocabularyRemedy);
    const auto kind = static_cast<GgmlTokenType>(type);
    const bool special = kind == GgmlTokenType::control || kind == GgmlTokenType::unknown;
    if ((!special && kind != GgmlTokenType::user_defined) || vocabulary.tokens[id].empty()) continue;
    AddedToken token;
    token.content = vocabulary.tokens[id];
    token.id = static_cast<std::int32_t>(id);
    token.normalized = false;
    token.special = special;
    added.push_back(std::move(token));
  }
  return added;
}

void name_special_tokens(const GgmlVocabulary& vocabulary, TokenizerFolder& folder) {
  const std::tuple<const char*, const char*, std::optional<std::int64_t>> named[] = {
      {"bos_token", "tokenizer.ggml.bos_token_id", vocabulary.bos},
      {"eos_token", "tokenizer.ggml.eos_token_id", vocabulary.eos},
      {"unk_token", "tokenizer.ggml.unknown_token_id", vocabulary.unknown},
      {"pad_token", "tokenizer.ggml.padding_token_id", vocabulary.padding}};
  for (const auto& [name, key, id] : named) {
    check_id(vocabulary, key, id);
    if (!id) continue;
    AddedToken token;
    token.content = vocabulary.tokens[static_cast<std::size_t>(*id)];
    token.id = static_cast<std::int32_t>(*id);
    token.normalized = false;
    token.special = true;
    folder.config[name] = token.content;
    const auto is_it = [&](const AddedToken& other) { return other.content == token.content; };
    if (!token.content.empty() && std::none_of(folder.tokens.added.begin(), folder.tokens.added.end(), is_it))
      folder.tokens.added.push_back(token);
    folder.tokens.named.push_back({name, std::move(token)});
  }
}

/// Of all that has a part in the tokenizer.
std::string digest_of(const TokenizerFile& file) {
  Sha256 digest;
  const auto add = [&](std::string_view text) { digest.add(std::as_bytes(std::span(text))); };
  add(file.document.dump(-1, ' ', false, json::error_handler_t::replace));
  for (const VocabularyEntry& entry : file.vocabulary) add(fmt::format("{} {}\n", entry.length, entry.id));
  add(file.vocabulary_text);
  for (const Merge& merge : file.merges) add(fmt::format("{} {}\n", merge.first_length, merge.second_length));
  add(file.merges_text);
  add(fmt::format("{} {}", file.cuts_left, file.token_types));
  return digest.hex();
}

}  // namespace

TokenizerFolder tokenizer_folder_of(const GgmlVocabulary& vocabulary, TruncationSide side) {
  check_lists(vocabulary);
  const GgmlPreTokenizer* pre = find_ggml_pre_tokenizer(vocabulary.pre);
  if (is_byte_level(vocabulary) && pre == nullptr)
    throw Error(
        "{}: cuts texts as \"{}\" (tokenizer.ggml.pre), expected one of {}, or a name that stands for one of "
        "these; use the model's Hugging Face folder",
        vocabulary.place, vocabulary.pre, ggml_pre_tokenizer_names());
  TokenizerFolder folder;
  folder.path = vocabulary.place;
  folder.tokenizer_class = {"PreTrainedTokenizerFast", TokenizerBuild::as_stored, /*token_types=*/false};
  folder.config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (!vocabulary.chat_template.empty()) folder.config["chat_template"] = vocabulary.chat_template;
  if (is_byte_level(vocabulary) && (vocabulary.pre.empty() || vocabulary.pre == "default"))
    folder.notes.push_back(fmt::format(
        "{}: does not say how texts are cut (tokenizer.ggml.pre), so they are cut as GPT-2's are", vocabulary.place));
  folder.tokens.added = added_tokens_of(vocabulary);
  name_special_tokens(vocabulary, folder);

  TokenizerFile& file = folder.file;
  file.name = vocabulary.place;
  file.document =
      is_byte_level(vocabulary) ? byte_level_document(vocabulary, *pre) : sentence_piece_document(vocabulary);
  file.document["version"] = "1.0";
  file.document["truncation"] = nullptr;
  file.document["padding"] = nullptr;
  const bool add_bos =
      vocabulary.add_bos.value_or(is_byte_level(vocabulary) ? pre->add_bos : true) && vocabulary.bos.has_value();
  const bool add_eos = vocabulary.add_eos.value_or(false) && vocabulary.eos.has_value();
  file.document["post_processor"] = nullptr;
  if (add_bos || add_eos) file.document["post_processor"] = brackets_around(vocabulary, add_bos, add_eos);
  json added = json::array();
  for (const AddedToken& token : folder.tokens.added) added.push_back(to_json(token, token.id));
  file.document["added_tokens"] = std::move(added);
  add_vocabulary(vocabulary, file);
  file.has_merges = true;
  if (is_byte_level(vocabulary)) {
    add_listed_merges(vocabulary, file);
  } else {
    add_scored_merges(vocabulary, file);
  }
  file.cuts_left = side == TruncationSide::left;
  file.token_types = false;
  file.end_token = folder.tokens.name("eos_token").value_or("");
  file.chat = chat_files_of(folder.config, folder.tokens, vocabulary.place);
  file.digest = digest_of(file);
  folder.changed = true;  // there is no tokenizer.json that says the same
  return folder;
}

}  // namespace temper
