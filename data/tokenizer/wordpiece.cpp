#include <algorithm>
#include <string>

#include "base/error.h"
#include "data/tokenizer/token_model.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

/// The pieces that may begin a word are all tokens; those that may go on are the tokens that begin with the prefix,
/// looked up without it.
class WordPiece : public TokenModel {
 public:
  WordPiece(const Vocabulary& vocabulary, const std::string& prefix, std::int32_t unknown, std::int64_t most_characters)
      : beginnings_(vocabulary.text(), static_cast<std::size_t>(vocabulary.count())),
        continuations_(vocabulary.text(), static_cast<std::size_t>(vocabulary.count())),
        unknown_(unknown),
        most_characters_(static_cast<std::size_t>(most_characters)) {
    for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
      const std::optional<std::string_view> token = vocabulary.token(id);
      if (!token) continue;
      beginnings_.insert(*token, id);
      if (token->starts_with(prefix)) continuations_.insert(token->substr(prefix.size()), id);
    }
  }

  void append_ids(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::size_t before = ids.size();
    if (!is_too_long(word)) {
      std::size_t start = 0;
      while (start < word.size()) {
        const Match match = longest(start == 0 ? beginnings_ : continuations_, word.substr(start));
        if (match.bytes == 0) break;
        ids.push_back(match.id);
        start += match.bytes;
      }
      if (start == word.size()) return;
      ids.resize(before);
    }
    ids.push_back(unknown_);
  }

 private:
  struct Match {
    std::size_t bytes;  // 0 where nothing matches
    std::int32_t id;
  };

  [[nodiscard]] bool is_too_long(std::string_view word) const {
    if (word.size() <= most_characters_) return false;
    std::size_t characters = 0;
    for (const char byte : word) characters += (static_cast<unsigned char>(byte) & 0xC0) != 0x80 ? 1 : 0;
    return characters > most_characters_;
  }

  /// The longest key that a text begins with. Tokens are valid UTF-8, so a match ends between characters.
  static Match longest(const FlatStringMap& pieces, std::string_view text) {
    Match best{0, 0};
    GrowingHash hash;
    const std::size_t end = std::min(text.size(), pieces.longest());
    for (std::size_t i = 1; i <= end; ++i) {
      hash.add(text[i - 1]);
      const std::int32_t id = pieces.find(text.substr(0, i), hash.value());
      if (id != FlatStringMap::kAbsent) best = {i, id};
    }
    return best;
  }

  FlatStringMap beginnings_;
  FlatStringMap continuations_;
  std::int32_t unknown_;
  std::size_t most_characters_;
};

}  // namespace

std::unique_ptr<TokenModel> make_wordpiece(const TokenizerFile& file, const JsonNode& node,
                                           const Vocabulary& vocabulary) {
  const std::string unknown = node.text_or("unk_token", "[UNK]");
  const std::optional<std::int32_t> unknown_id = vocabulary.find(unknown);
  if (!unknown_id)
    throw Error("{}: model.unk_token: found \"{}\", which is not in model.vocab; add it or name another token",
                file.name, unknown);
  const std::optional<JsonNode> most = node.optional_member("max_input_chars_per_word");
  return std::make_unique<WordPiece>(vocabulary, node.text_or("continuing_subword_prefix", "##"), *unknown_id,
                                     most ? most->integer(0, INT32_MAX) : 100);
}

}  // namespace temper
