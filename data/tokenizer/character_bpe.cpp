// Byte pair encoding over characters (Sennrich et al. 2016), with what SentencePiece and CLIP add to it: bytes in the
// place of unknown characters, and marks at the beginning and end of what is inside a word.
#include <fmt/format.h>

#include <array>
#include <span>
#include <string>
#include <utility>

#include "data/tokenizer/byte_pair_merges.h"
#include "data/tokenizer/byte_tokens.h"
#include "data/tokenizer/token_model.h"
#include "data/tokenizer/unknown_token.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class CharacterBpe : public TokenModel {
 public:
  CharacterBpe(const TokenizerFile& file, const JsonNode& node, const Vocabulary& vocabulary)
      : vocabulary_(vocabulary),
        prefix_(node.text_or("continuing_subword_prefix", "")),
        suffix_(node.text_or("end_of_word_suffix", "")),
        unknown_(node, vocabulary),
        fuse_unknown_(node.boolean_or("fuse_unk", false)),
        whole_words_(node.boolean_or("ignore_merges", false)),
        bytes_(vocabulary, node.boolean_or("byte_fallback", false)),
        merges_(file, vocabulary, prefix_) {}

  void append_ids(std::string_view word, std::vector<std::int32_t>& ids) const override {
    if (whole_words_) {
      if (const std::optional<std::int32_t> id = vocabulary_.find(word)) {
        ids.push_back(*id);
        return;
      }
    }
    const std::size_t start = ids.size();
    std::string marked;
    // An unknown character waits for the next one that is known, which comes behind it. Bytes do not end the wait.
    bool unknown_waits = false;
    for (std::size_t i = 0; i < word.size();) {
      std::string_view character = word.substr(i, decode_utf8(word.data() + i).bytes);
      const bool first = i == 0;
      i += character.size();
      const bool last = i == word.size();
      if ((!first && !prefix_.empty()) || (last && !suffix_.empty())) {
        marked.assign(first ? std::string_view() : prefix_).append(character).append(last ? suffix_ : "");
        character = marked;
      }
      if (const std::optional<std::int32_t> id = vocabulary_.find(character)) {
        if (unknown_waits) ids.push_back(unknown_.id(word));
        unknown_waits = false;
        ids.push_back(*id);
      } else if (!bytes_.append(character, ids) && unknown_.is_named()) {
        if (unknown_waits && !fuse_unknown_) ids.push_back(unknown_.id(word));
        unknown_waits = true;
      }
    }
    if (unknown_waits) ids.push_back(unknown_.id(word));
    ids.resize(start + merges_.apply(std::span(ids).subspan(start)));
  }

 private:
  const Vocabulary& vocabulary_;
  std::string prefix_;  // of every character but the first
  std::string suffix_;  // of the last character
  UnknownToken unknown_;
  bool fuse_unknown_;
  bool whole_words_;  // words that are tokens need no merging
  ByteTokens bytes_;
  BytePairMerges merges_;
};

}  // namespace

std::unique_ptr<TokenModel> make_character_bpe(const TokenizerFile& file, const JsonNode& node,
                                               const Vocabulary& vocabulary) {
  return std::make_unique<CharacterBpe>(file, node, vocabulary);
}

}  // namespace temper
