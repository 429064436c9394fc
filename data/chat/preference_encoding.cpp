// Pairs of answers to tokens: each answer with its prompt is a conversation of its own, of which what answers is
// learnt.
#include <algorithm>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "data/chat/chat_encoder.h"
#include "data/chat/preference_row.h"

namespace temper {

ChatEncoder::Encoded ChatEncoder::encode_answer(const ChatRow& row, std::string_view name) const {
  Encoded encoded = encode_row(row);
  if (encoded.sequences.size() != 1)
    throw Error(
        "has {} in \"{}\", and the chat template writes earlier turns otherwise once there are more, so they are no "
        "one text; have the last one learnt alone (data.learn = \"last\")",
        counted(encoded.turns, "answering turn"), name);
  const bool is_silenced = std::find(row.weights.begin(), row.weights.end(), 0.0F) != row.weights.end();
  if (!is_silenced && !has_something_to_learn(encoded.sequences.front()))
    throw Error("has no turn in \"{}\" that could be learnt: the roles that answer are {} (data.learn_roles)", name,
                name_list(settings_.roles));
  return encoded;
}

PreferenceRow ChatEncoder::parse_pair(std::string_view json) const {
  PreferenceRow row = parse_preference_row(json);
  if (row.is_whole_texts && chat_ != nullptr)
    throw Error(
        "has no \"prompt\", and whole texts in \"chosen\" and \"rejected\", which are no messages for a chat template; "
        "give the prompt beside them, or read them as they stand (data.chat_template = \"none\")");
  return row;
}

std::vector<LearntSequence> ChatEncoder::encode_whole_preference(std::string_view json) const {
  const PreferenceRow row = parse_pair(json);
  std::vector<LearntSequence> both;
  both.push_back(std::move(encode_row(row.chosen).sequences.front()));
  both.push_back(std::move(encode_row(row.rejected).sequences.front()));
  return both;
}

std::vector<LearntSequence> ChatEncoder::encode_preference(std::string_view json) const {
  const PreferenceRow row = parse_pair(json);
  add(ChatCount::rows, 1);
  if (has_equal_answers(row)) {
    add(ChatCount::equal_pairs, 1);
    return {};
  }
  if (has_empty_answer(row)) {
    add(ChatCount::empty_answers, 1);
    return {};
  }
  std::vector<LearntSequence> both;
  for (const auto& [answer, name] : {std::pair(&row.chosen, "chosen"), std::pair(&row.rejected, "rejected")}) {
    Encoded encoded = encode_answer(*answer, name);
    add_turns(encoded);
    add(ChatCount::longest, static_cast<std::int64_t>(encoded.sequences.front().ids.size()));
    both.push_back(std::move(encoded.sequences.front()));
  }
  const std::size_t longest = std::max(both[0].ids.size(), both[1].ids.size());
  if (longest > settings_.max_length) {
    add(ChatCount::long_rows, 1);
    if (settings_.long_chats == LongChats::refuse)
      throw Error(
          "a prompt with its answer has {}, more than the {} of data.max_length; raise that, or have long pairs cut or "
          "dropped (data.long_documents)",
          counted(longest, "token"), settings_.max_length);
    if (settings_.long_chats == LongChats::drop) {
      add(ChatCount::dropped, 1);
      return {};
    }
    for (LearntSequence& answer : both)
      if (answer.ids.size() > settings_.max_length) answer = cut(answer);
  }
  if (!has_something_to_learn(both[0]) || !has_something_to_learn(both[1])) {
    add(ChatCount::nothing_to_learn, 1);
    return {};
  }
  if (both[0].ids == both[1].ids) {
    add(ChatCount::equal_pairs, 1);
    return {};
  }
  add(ChatCount::sequences, 2);
  for (const LearntSequence& answer : both) add_kept(answer);
  add(ChatCount::chosen_tokens, std::count(both[0].learnt.begin() + 1, both[0].learnt.end(), true));
  return both;
}

}  // namespace temper
