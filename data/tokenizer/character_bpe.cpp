// Byte pair encoding over characters (Sennrich et al. 2016), with what SentencePiece and CLIP add to it: bytes in the
// place of unknown characters, and marks at the beginning and end of what is inside a word.
#include <fmt/format.h>

#include <array>
#include <set>
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
        merges_(file, vocabulary, prefix_) {
    if (prefix_.empty() && suffix_.empty() && !whole_words_ && vocabulary.find(kSpaceMark)) find_cuts(file);
  }

  /// Words of such models are whole texts, in which U+2581 stands for the space. No merge reaches across the place
  /// before a mark where none of the rules joins what ends with the character there to what begins with the mark.
  [[nodiscard]] std::size_t first_part(std::string_view word) const override {
    if (!cuts_) return word.size();
    for (std::size_t mark = word.find(kSpaceMark); mark != std::string_view::npos;
         mark = word.find(kSpaceMark, mark + kSpaceMark.size()))
      if (mark > 0 && !joined_.contains(decode_utf8_before(word, mark).value)) return mark;
    return word.size();
  }

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
  void find_cuts(const TokenizerFile& file) {
    cuts_ = true;
    joined_.insert(decode_utf8(kSpaceMark.data()).value);  // runs of spaces stay together
    for (const Merge& merge : file.merges) {
      const std::string_view first = file.first_of(merge);
      if (!file.second_of(merge).starts_with(kSpaceMark) || first.empty()) continue;
      joined_.insert(decode_utf8_before(first, first.size()).value);
      // These stand for other characters than their own.
      if (first.ends_with('>')) cuts_ = false;
    }
  }

  static constexpr std::string_view kSpaceMark = "\u2581";

  const Vocabulary& vocabulary_;
  std::string prefix_;  // of every character but the first
  std::string suffix_;  // of the last character
  UnknownToken unknown_;
  bool fuse_unknown_;
  bool whole_words_;  // words that are tokens need no merging
  ByteTokens bytes_;
  BytePairMerges merges_;
  bool cuts_ = false;
  std::set<char32_t> joined_;  // characters that some merge joins to a mark behind them
};

}  // namespace

std::unique_ptr<TokenModel> make_character_bpe(const TokenizerFile& file, const JsonNode& node,
                                               const Vocabulary& vocabulary) {
  return std::make_unique<CharacterBpe>(file, node, vocabulary);
}

}  // namespace temper
