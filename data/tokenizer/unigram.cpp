// The most probable way to write a word in tokens, by dynamic programming over its bytes (Kudo 2018; Viterbi 1967).
// Unknown characters in a row are one token.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "data/tokenizer/byte_tokens.h"
#include "data/tokenizer/prefix_trie.h"
#include "data/tokenizer/token_model.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

constexpr double kUnknownPenalty = 10.0;  // below the lowest score

class Unigram : public TokenModel {
 public:
  Unigram(const TokenizerFile& file, const JsonNode& node, const Vocabulary& vocabulary)
      : file_(file.name),
        vocabulary_(vocabulary),
        bytes_(vocabulary, node.boolean_or("byte_fallback", false)),
        scores_(static_cast<std::size_t>(vocabulary.size())),
        trie_(file.scores.size() * 2) {
    if (const std::optional<JsonNode> unknown = node.optional_member("unk_id"))
      unknown_ = static_cast<std::int32_t>(unknown->integer(0, vocabulary.size() - 1));
    double lowest = std::numeric_limits<double>::infinity();
    for (std::size_t id = 0; id < file.scores.size(); ++id) {
      scores_[id] = file.scores[id];
      lowest = std::min(lowest, file.scores[id]);
    }
    unknown_score_ = lowest - kUnknownPenalty;
    for (std::int32_t id = 0; id < vocabulary.size(); ++id)
      if (const std::optional<std::string_view> token = vocabulary.token(id)) trie_.insert(*token, id);
  }

  void append_ids(std::string_view word, std::vector<std::int32_t>& ids) const override {
    std::vector<Step> best(word.size() + 1);  // by where the last token ends
    best.front().reached = true;
    for (std::size_t start = 0; start < word.size();) {
      const std::size_t character = decode_utf8(word.data() + start).bytes;
      const double before = best[start].score;
      bool has_character = false;
      const auto propose = [&](std::size_t length, std::int32_t id, double score) {
        Step& step = best[start + length];
        if (step.reached && score + before <= step.score) return;
        step = {score + before, start, id, true};
      };
      trie_.prefixes(word.substr(start), [&](std::size_t length, std::int32_t id) {
        propose(length, id, scores_[static_cast<std::size_t>(id)]);
        has_character = has_character || length == character;
      });
      if (!has_character) propose(character, required_unknown(word), unknown_score_);
      start += character;
    }
    append_path(word, best, ids);
  }

 private:
  struct Step {
    double score = 0;
    std::size_t start = 0;
    std::int32_t id = 0;
    bool reached = false;
  };

  [[nodiscard]] std::int32_t required_unknown(std::string_view word) const {
    constexpr std::size_t kShown = 60;
    if (unknown_ < 0)
      throw Error("{}: model.unk_id is null, but \"{}\" has characters without a token; name the unknown token", file_,
                  word.substr(0, kShown));
    return unknown_;
  }

  void append_path(std::string_view word, std::vector<Step>& best, std::vector<std::int32_t>& ids) const {
    // The links lead from the end back: turned around, they lead through the word.
    std::size_t end = word.size();
    std::size_t next = 0;
    while (end > 0) {
      const std::size_t start = best[end].start;
      best[end].start = next;
      next = end;
      end = start;
    }
    std::size_t start = 0;
    std::size_t unknown_start = 0;  // of the unknown characters before here
    for (; next > 0; next = best[next].start) {
      const std::int32_t id = best[next].id;
      if (id != unknown_) {
        append_unknown(word.substr(unknown_start, start - unknown_start), ids);
        ids.push_back(id);
        unknown_start = next;
      }
      start = next;
    }
    append_unknown(word.substr(unknown_start), ids);
  }

  void append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const {
    if (text.empty()) return;
    if (const std::optional<std::int32_t> id = vocabulary_.find(text)) {
      ids.push_back(*id);
    } else if (!bytes_.append(text, ids)) {
      ids.push_back(unknown_);
    }
  }

  std::string file_;
  const Vocabulary& vocabulary_;
  ByteTokens bytes_;
  std::vector<double> scores_;  // logarithms of probabilities, by id
  double unknown_score_ = 0;
  std::int32_t unknown_ = -1;
  PrefixTrie trie_;
};

}  // namespace

std::unique_ptr<TokenModel> make_unigram(const TokenizerFile& file, const JsonNode& node,
                                         const Vocabulary& vocabulary) {
  return std::make_unique<Unigram>(file, node, vocabulary);
}

}  // namespace temper
