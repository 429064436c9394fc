// Byte pair encoding over bytes. The model sees raw bytes; the characters that stand for them in the file are
// translated once, at load.
#include <array>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/byte_pair_merges.h"
#include "data/tokenizer/token_model.h"
#include "data/tokenizer/unknown_token.h"

namespace temper {
namespace {

class ByteLevelBpe : public TokenModel {
 public:
  ByteLevelBpe(const TokenizerFile& file, const JsonNode& node, const Vocabulary& vocabulary)
      : unknown_(node, vocabulary), fuse_unknown_(node.boolean_or("fuse_unk", false)), merges_(file, vocabulary, "") {
    const ByteAlphabet alphabet;
    for (std::size_t byte = 0; byte < bytes_.size(); ++byte)
      bytes_[byte] = vocabulary.find(alphabet.character(static_cast<std::uint8_t>(byte))).value_or(kNoToken);
    if (node.boolean_or("ignore_merges", false)) keep_whole_words(vocabulary, alphabet);
  }

  void append_ids(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::int32_t whole = words_.find(word);
    if (whole != FlatStringMap::kAbsent) {
      ids.push_back(whole);
      return;
    }
    const std::size_t start = ids.size();
    bool after_unknown = false;
    for (const char byte : word) {
      const std::int32_t id = bytes_[static_cast<unsigned char>(byte)];
      const bool unknown = id == kNoToken;
      if (!unknown) {
        ids.push_back(id);
      } else if (unknown_.is_named() && !(fuse_unknown_ && after_unknown)) {
        ids.push_back(unknown_.id(word));
      }
      after_unknown = unknown;
    }
    ids.resize(start + merges_.apply(std::span(ids).subspan(start)));
  }

 private:
  static constexpr std::int32_t kNoToken = -1;

  void keep_whole_words(const Vocabulary& vocabulary, const ByteAlphabet& alphabet) {
    std::vector<std::pair<std::size_t, std::int32_t>> ends;
    words_text_.reserve(vocabulary.text().size());
    for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
      const std::optional<std::string_view> token = vocabulary.token(id);
      const std::optional<std::string> word = token ? alphabet.bytes(*token) : std::nullopt;
      if (!word) continue;
      words_text_ += *word;
      ends.emplace_back(words_text_.size(), id);
    }
    words_ = FlatStringMap(words_text_, ends.size());
    std::size_t start = 0;
    for (const auto& [end, id] : ends) {
      words_.insert(std::string_view(words_text_).substr(start, end - start), id);
      start = end;
    }
  }

  std::array<std::int32_t, 256> bytes_{};
  UnknownToken unknown_;
  bool fuse_unknown_;
  BytePairMerges merges_;
  std::string words_text_;
  FlatStringMap words_;  // whole words that need no merging; empty unless ignore_merges
};

}  // namespace

std::unique_ptr<TokenModel> make_byte_level_bpe(const TokenizerFile& file, const JsonNode& node,
                                                const Vocabulary& vocabulary) {
  return std::make_unique<ByteLevelBpe>(file, node, vocabulary);
}

}  // namespace temper
