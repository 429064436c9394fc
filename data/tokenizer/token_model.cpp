#include "data/tokenizer/token_model.h"

#include <string>

#include "base/error.h"
#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

using MakeTokenModel = std::unique_ptr<TokenModel> (*)(const TokenizerFile&, const JsonNode&, const Vocabulary&);

constexpr std::string_view kBpe = "BPE";

constexpr Kind<MakeTokenModel> kTokenModels[] = {
    {"WordPiece", make_wordpiece},
    {kBpe, make_character_bpe},
    {"Unigram", make_unigram},
    {"WordLevel", make_word_level},
};

/// Files written before 2021 do not name the type of their model, but their members tell it.
std::string type_of(const TokenizerFile& file, const JsonNode& node) {
  if (const std::optional<JsonNode> type = node.optional_member("type")) return type->text();
  if (file.has_merges) return std::string(kBpe);
  if (node.optional_member("max_input_chars_per_word")) return "WordPiece";
  if (!file.scores.empty()) return "Unigram";
  if (node.optional_member("unk_token")) return "WordLevel";
  return node.member("type").text();
}

void refuse_dropout(const JsonNode& node) {
  const std::optional<JsonNode> dropout = node.optional_member("dropout");
  if (dropout && dropout->number() != 0)
    throw dropout->unexpected("null or 0: merges left out at random would make every row of the data another one");
}

}  // namespace

bool takes_bytes(const TokenizerFile& file) {
  const JsonNode node = file.root().member("model");
  return type_of(file, node) == kBpe && node.text_or("continuing_subword_prefix", "").empty() &&
         node.text_or("end_of_word_suffix", "").empty() && !node.boolean_or("byte_fallback", false);
}

std::unique_ptr<TokenModel> make_token_model(const TokenizerFile& file, const Vocabulary& vocabulary, bool byte_level) {
  const JsonNode node = file.root().member("model");
  const std::string type = type_of(file, node);
  const auto make = find_kind(kTokenModels, "model", node, type);
  if (vocabulary.count() == 0)
    throw Error("{}: model.vocab is missing or empty; the file is not a complete tokenizer.json", file.name);
  if ((type == "Unigram") == file.scores.empty())
    throw Error("{}: model.vocab: found {}, expected {}, as {} has it", file.name,
                file.scores.empty() ? "tokens with ids" : "tokens with scores",
                file.scores.empty() ? "a list of tokens with scores, [[\"a\", -1.5]]"
                                    : "an object of tokens and ids, {\"a\": 0}",
                type);
  if (type == kBpe) refuse_dropout(node);
  return byte_level ? make_byte_level_bpe(file, node, vocabulary) : make(file, node, vocabulary);
}

}  // namespace temper
