#include "data/tokenizer/token_model.h"

#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

using MakeTokenModel = std::unique_ptr<TokenModel> (*)(const TokenizerFile&, const JsonNode&, const Vocabulary&, bool);

constexpr Kind<MakeTokenModel> kTokenModels[] = {
    {"WordPiece", make_wordpiece},
    {"BPE", make_byte_level_bpe},
};

/// Files written before 2021 do not name the type of their model, but only BPE has merges.
std::string type_of(const TokenizerFile& file, const JsonNode& node) {
  if (const std::optional<JsonNode> type = node.optional_member("type")) return type->text();
  if (!file.merges.empty()) return "BPE";
  if (node.optional_member("max_input_chars_per_word")) return "WordPiece";
  return node.member("type").text();
}

}  // namespace

std::unique_ptr<TokenModel> make_token_model(const TokenizerFile& file, const Vocabulary& vocabulary, bool byte_level) {
  const JsonNode root = file.root();
  const JsonNode node = root.member("model");
  const auto make = find_kind(kTokenModels, "model", node, type_of(file, node));
  if (vocabulary.count() == 0)
    throw Error("{}: model.vocab is missing or empty; the file is not a complete tokenizer.json", file.name);
  return make(file, node, vocabulary, byte_level);
}

}  // namespace temper
