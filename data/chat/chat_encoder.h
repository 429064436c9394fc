// Conversations to tokens, some of which are to be learnt.
//
// What a turn adds is found by rendering the conversation up to it and once more with it: what the second text has
// beyond the first, and beyond the beginning of an answer that the template writes itself, is the turn. No marker in
// the template is needed, and none is trusted. Learnt is the turn up to the token that ends it, which is the
// tokenizer's end token where the turn has it and otherwise the last special token behind what was said; not what
// stands in front of it by the template's own doing, such as an empty thinking block, which a program that asks the
// model writes, too.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/chat/chat_row.h"
#include "data/chat/chat_template.h"
#include "data/chat/preference_row.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

/// Which turns of a conversation are learnt.
enum class LearntTurns : std::uint8_t {
  each,  ///< those of the roles
  last,  ///< the last of these alone
  all,   ///< every token of the conversation, but for turns that the row says are not
};

/// What becomes of a conversation of more than max_length tokens.
enum class LongChats : std::uint8_t { split, cut, drop, refuse };

struct ChatSettings {
  LearntTurns turns = LearntTurns::each;
  std::vector<std::string> roles{"assistant"};
  std::size_t max_length = 0;
  LongChats long_chats = LongChats::split;
  std::int32_t end_token = -1;  ///< stands behind texts that no template ends; -1: none
  bool pairs = false;           ///< rows are pairs of answers (data/chat/preference_row.h)
};

/// What is counted over all rows, whichever rank and thread sees them.
enum class ChatCount : std::uint8_t {
  rows,
  sequences,         ///< that came of them
  turns,             ///< to be learnt
  ended_turns,       ///< of these, with their end token
  cut_turns,         ///< of which a part is not learnt, because the conversation is too long
  rewritten,         ///< rows whose earlier turns the template writes otherwise once there are more
  merged_turns,      ///< whose first token began in the prompt
  nothing_to_learn,  ///< rows of which no token is learnt
  long_rows,         ///< of more than max_length tokens
  dropped,           ///< of these, those that were left out
  tokens,
  learnt_tokens,
  doubled_beginnings,  ///< sequences that begin with two begin tokens
  without_beginning,   ///< sequences without a begin token, where others have one
  longest,             ///< the tokens of the longest row (a maximum, not a sum)
  end_token_of_turns,  ///< 1 + the id of the token that ends turns, if it is one and the same (a maximum)
  weighted_tokens,     ///< learnt, of turns whose weight is not 1
  equal_pairs,         ///< of pairs: left out, since both answers have the same tokens
  empty_answers,       ///< of pairs: left out, since an answer says nothing
  chosen_tokens,       ///< of the learnt tokens of pairs, those of preferred answers
  silent_turns,        ///< to be learnt, of which the template writes nothing but their end
  not_written,         ///< conversations with tools, calls or documents that the template does not write
};
inline constexpr std::size_t kChatCounts = 22;
using ChatCounts = std::array<std::int64_t, kChatCounts>;
inline std::int64_t count_of(const ChatCounts& counts, ChatCount which) {
  return counts[static_cast<std::size_t>(which)];
}
/// Whether counts are put together as their maximum.
constexpr bool is_maximum(ChatCount which) {
  return which == ChatCount::longest || which == ChatCount::end_token_of_turns;
}

/// Tokens of which some are learnt.
struct LearntSequence {
  std::vector<std::int32_t> ids;
  std::vector<bool> learnt;    ///< [tokens]
  std::vector<float> weights;  ///< [tokens] what each counts that is learnt; empty: each counts 1
};

/// Whether a token is learnt that something stands in front of.
bool has_something_to_learn(const LearntSequence& sequence);

class ChatEncoder {
 public:
  /// `chat`: null for texts without a template. The tokenizer must outlive it.
  ChatEncoder(const Tokenizer& tokenizer, std::shared_ptr<const ChatTemplate> chat, ChatSettings settings);

  /// The sequences of a row, none longer than max_length and each with a token to learn; none where there is nothing to
  /// learn. Throws Error, without the row's place, as parse_chat_row and ChatTemplate::render do, and for what is too
  /// long where that is refused. Adds to the counts; may be called from several threads.
  /// Of a pair: that of the preferred answer and then that of the other, or none.
  [[nodiscard]] std::vector<LearntSequence> encode(std::string_view json) const;
  /// The same of whole rows, whatever their length and whether there is something to learn; counts nothing.
  [[nodiscard]] std::vector<LearntSequence> encode_whole(std::string_view json) const;

  /// All but the tokenizer that decides what encode() gives.
  [[nodiscard]] std::string identity() const;
  [[nodiscard]] ChatCounts counts() const;
  [[nodiscard]] const ChatSettings& settings() const { return settings_; }

 private:
  struct Turn {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool merged = false;
    std::int32_t end_token = -1;  ///< -1: it has none
    bool silent = false;
  };
  struct Encoded {
    std::vector<LearntSequence> sequences;
    std::int64_t turns = 0;
    std::int64_t ended = 0;
    std::int64_t merged = 0;
    std::int64_t silent = 0;
    std::int32_t end_token = -1;
    bool rewritten = false;
    bool not_written = false;
  };

  struct Effort;

  /// Throws Error where the conversation has taken too much.
  [[nodiscard]] RenderedChat render(const Conversation& conversation, std::size_t messages, bool prompts,
                                    Effort& effort) const;
  /// Whether a conversation has tools, calls of tools or documents that leave no trace in what is written of it.
  [[nodiscard]] bool leaves_out(const Conversation& conversation, const RenderedChat& whole, Effort& effort) const;
  [[nodiscard]] Encoded encode_row(const ChatRow& row) const;
  /// encode() and encode_whole() of pairs (preference_encoding.cpp).
  [[nodiscard]] std::vector<LearntSequence> encode_preference(std::string_view json) const;
  [[nodiscard]] std::vector<LearntSequence> encode_whole_preference(std::string_view json) const;
  /// Throws Error for whole texts where there is a template.
  [[nodiscard]] PreferenceRow parse_pair(std::string_view json) const;
  /// Of an answer, whose turns must make one sequence; `name`: "chosen" or "rejected".
  [[nodiscard]] Encoded encode_answer(const ChatRow& row, std::string_view name) const;
  /// Adds what is counted of a row's turns.
  void add_turns(const Encoded& encoded) const;
  /// Adds what is counted of a sequence that is kept.
  void add_kept(const LearntSequence& sequence) const;
  /// The part of a sequence of more than max_length tokens that is kept where it is cut. Counts the turns that are cut.
  [[nodiscard]] LearntSequence cut(const LearntSequence& sequence) const;
  [[nodiscard]] Encoded encode_conversation(const ChatRow& row, const std::vector<std::size_t>& turns) const;
  [[nodiscard]] Encoded encode_pair(const ChatRow& row) const;
  [[nodiscard]] std::vector<std::size_t> turns_to_learn(const ChatRow& row) const;
  /// Gives the tokens of turns whose weight is not 1 that weight. `sequence`: a whole conversation, which is learnt.
  void weigh_turns(const ChatRow& row, LearntSequence& sequence, Effort& effort) const;
  /// `whole`: the conversation up to the turn; `shared`: how many of its tokens it has in common with all of it.
  [[nodiscard]] Turn find_turn(const Conversation& conversation, std::size_t turn, const RenderedChat& whole,
                               const std::vector<std::int32_t>& ids, std::size_t shared, Effort& effort) const;
  void add(ChatCount which, std::int64_t count) const;

  const Tokenizer& tokenizer_;
  std::shared_ptr<const ChatTemplate> chat_;
  ChatSettings settings_;
  std::optional<std::int32_t> begin_token_;
  std::optional<std::int32_t> stop_token_;
  mutable std::array<std::atomic<std::int64_t>, kChatCounts> counts_{};
};

}  // namespace temper
