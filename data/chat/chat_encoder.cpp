#include "data/chat/chat_encoder.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "data/tokenizer/piece_memo.h"
#include "data/tokenizer/tokenizer_file.h"

namespace temper {
namespace {

using Ids = std::vector<std::int32_t>;
using jinja::Value;

std::size_t common_beginning(const Ids& a, const Ids& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

/// Tokens of a rendered text before one of its bytes. A token that lies across the byte is not counted; `across` tells.
std::size_t tokens_before(const RenderedChat& chat, std::size_t byte, const Ids& ids, const Tokenizer& tokenizer,
                          PieceMemo& memo, bool& across) {
  const Ids first = token_ids({chat.text.slice(0, byte), {}}, tokenizer, memo);
  const std::size_t common = common_beginning(first, ids);
  across = common != first.size();
  return common;
}

/// Lets tokens [begin, end) be learnt, each counting `weight`; of weight 0, not.
void learn(LearntSequence& sequence, std::size_t begin, std::size_t end, float weight) {
  const auto fill = [&](auto& values, auto value) {
    std::fill(values.begin() + static_cast<std::ptrdiff_t>(begin), values.begin() + static_cast<std::ptrdiff_t>(end),
              value);
  };
  fill(sequence.learnt, weight > 0.0F);
  if (weight == 0.0F || weight == 1.0F) {
    if (!sequence.weights.empty()) fill(sequence.weights, 1.0F);
    return;
  }
  sequence.weights.resize(sequence.ids.size(), 1.0F);
  fill(sequence.weights, weight);
}

/// Bytes of an empty element, such as "<think>\n\n</think>\n\n", that a text begins with, white space around it; 0
/// where it begins with none.
std::size_t empty_block(std::string_view text) {
  const auto skip_space = [&](std::size_t at) {
    while (at < text.size() && (text[at] == '\n' || text[at] == ' ' || text[at] == '\t' || text[at] == '\r')) ++at;
    return at;
  };
  const std::size_t open = skip_space(0);
  if (open >= text.size() || (text[open] != '<' && text[open] != '[')) return 0;
  const char close = text[open] == '<' ? '>' : ']';
  const std::size_t end = text.find(close, open);
  if (end == std::string_view::npos || end == open + 1 || text[open + 1] == '/') return 0;
  const std::string ending = std::string(1, text[open]).append("/").append(text.substr(open + 1, end - open));
  const std::size_t second = skip_space(end + 1);
  if (!text.substr(second).starts_with(ending)) return 0;
  return skip_space(second + ending.size());
}

std::size_t without_space_at_end(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \n\r\t");
  return last == std::string_view::npos ? 0 : last + 1;
}

std::optional<std::int32_t> named_token(const Tokenizer& tokenizer, std::string_view name) {
  for (const auto& [key, text] : tokenizer.chat().special_tokens)
    if (key == name) return tokenizer.id_of(text);
  return std::nullopt;
}

}  // namespace

ChatEncoder::ChatEncoder(const Tokenizer& tokenizer, std::shared_ptr<const ChatTemplate> chat, ChatSettings settings)
    : tokenizer_(tokenizer),
      chat_(std::move(chat)),
      settings_(std::move(settings)),
      begin_token_(named_token(tokenizer, "bos_token")),
      stop_token_(named_token(tokenizer, "eos_token")) {}

std::string ChatEncoder::identity() const {
  std::string identity = fmt::format("chat 2 {} {} {} {}\n", static_cast<int>(settings_.turns), settings_.max_length,
                                     static_cast<int>(settings_.long_chats), settings_.end_token);
  if (settings_.pairs) identity += "pairs 1\n";
  for (const std::string& role : settings_.roles) identity += role + "\n";
  for (const auto& [name, token] : tokenizer_.chat().special_tokens) identity += name + " " + token + "\n";
  return identity + (chat_ == nullptr ? "no template" : chat_->identity());
}

void ChatEncoder::add(ChatCount which, std::int64_t count) const {
  std::atomic<std::int64_t>& total = counts_[static_cast<std::size_t>(which)];
  if (!is_maximum(which)) {
    total += count;
    return;
  }
  std::int64_t known = total;
  while (known < count && !total.compare_exchange_weak(known, count)) {
  }
}

ChatCounts ChatEncoder::counts() const {
  ChatCounts counts{};
  for (std::size_t i = 0; i < kChatCounts; ++i) counts[i] = counts_[i];
  return counts;
}

std::vector<std::size_t> ChatEncoder::turns_to_learn(const ChatRow& row) const {
  std::vector<std::size_t> turns;
  for (std::size_t i = 0; i < row.conversation.messages.size(); ++i) {
    const std::string role = role_of(row.conversation.messages[i]);
    if (row.weights[i] > 0.0F && !row.is_prompt[i] &&
        std::find(settings_.roles.begin(), settings_.roles.end(), role) != settings_.roles.end())
      turns.push_back(i);
  }
  if (settings_.turns == LearntTurns::last && turns.size() > 1) turns.erase(turns.begin(), turns.end() - 1);
  return turns;
}

/// What finding the turns of one conversation has taken so far.
struct ChatEncoder::Effort {
  PieceMemo pieces;
  std::int64_t steps = 0;  ///< of the template

  /// Each turn is found by rendering all in front of it again, so that the effort grows with the square of their
  /// number. This many steps take some seconds, and are enough for a thousand turns.
  static constexpr std::int64_t kMostSteps = 20 * jinja::kMostSteps;
  static void require(std::int64_t steps, const Conversation& conversation) {
    if (steps > kMostSteps)
      throw Error(
          "the conversation has {}, too many to find what each turn adds: the chat template takes more than {} steps "
          "for it; split it into shorter ones, or learn its last turn alone (data.learn = \"last\")",
          counted(conversation.messages.size(), "message"), kMostSteps);
  }
};

RenderedChat ChatEncoder::render(const Conversation& conversation, std::size_t messages, bool prompts,
                                 Effort& effort) const {
  RenderedChat chat = chat_->render(conversation, messages, prompts);
  effort.steps += chat.steps;
  Effort::require(effort.steps, conversation);
  return chat;
}

ChatEncoder::Turn ChatEncoder::find_turn(const Conversation& conversation, std::size_t turn, const RenderedChat& whole,
                                         const Ids& ids, std::size_t shared, Effort& effort) const {
  Turn found;
  const std::string& bytes = whole.text.bytes();
  std::vector<std::pair<std::size_t, std::size_t>> said = whole.text.data_spans();
  std::size_t prompt_bytes = 0;
  if (turn > 0) {
    const bool answers = is_answer_role(role_of(conversation.messages[turn]));
    const RenderedChat prompt = render(conversation, turn, answers, effort);
    const Ids prompt_ids = token_ids(prompt, tokenizer_, effort.pieces);
    found.begin = common_beginning(prompt_ids, ids);
    const std::string& before = prompt.text.bytes();
    if (bytes.starts_with(before)) {
      found.merged = found.begin != prompt_ids.size();
      prompt_bytes = before.size();
    } else {
      // A template that writes the beginning of an answer otherwise than the answer: what both have is the prompt.
      prompt_bytes = static_cast<std::size_t>(
          std::mismatch(before.begin(), before.end(), bytes.begin(), bytes.end()).first - before.begin());
    }
  } else if (!said.empty()) {
    // Nothing can be rendered in front of the first message, so what was said begins it.
    prompt_bytes = said.front().first;
    found.begin = tokens_before(whole, prompt_bytes, ids, tokenizer_, effort.pieces, found.merged);
  }
  std::erase_if(said, [&](const auto& span) { return span.second <= prompt_bytes; });
  found.silent = said.empty();
  const std::size_t first_said = said.empty() ? bytes.size() : std::max(said.front().first, prompt_bytes);
  const std::size_t block = empty_block(std::string_view(bytes).substr(prompt_bytes, first_said - prompt_bytes));
  if (block > 0) found.begin = tokens_before(whole, prompt_bytes + block, ids, tokenizer_, effort.pieces, found.merged);
  // The turn ends with the token that ends it, which stands behind all that was said.
  const std::size_t last_said = said.empty() ? prompt_bytes + block : said.back().second;
  bool across = false;
  std::size_t tail = tokens_before(whole, last_said, ids, tokenizer_, effort.pieces, across);
  if (across) ++tail;
  tail = std::max(tail, found.begin);
  // What the template writes at the end of a whole conversation is not of the turn where others follow it.
  for (const std::size_t limit : {shared, ids.size()}) {
    for (std::size_t i = tail; i < limit && (found.end == 0 || found.end_token != stop_token_); ++i) {
      if (!tokenizer_.is_special(ids[i]) && ids[i] != stop_token_) continue;
      found.end = i + 1;
      found.end_token = ids[i];
    }
    if (found.end > 0) return found;
  }
  found.end =
      tokens_before(whole, std::max(without_space_at_end(bytes), last_said), ids, tokenizer_, effort.pieces, across);
  if (across) ++found.end;
  found.end = std::max(std::min(found.end, ids.size()), found.begin);
  return found;
}

bool ChatEncoder::leaves_out(const Conversation& conversation, const RenderedChat& whole, Effort& effort) const {
  const auto is_same_without = [&](const Conversation& less) {
    try {
      return render(less, less.messages.size(), false, effort).text.bytes() == whole.text.bytes();
    } catch (const Error&) {
      return false;  // the template needs it
    }
  };
  const auto has_calls = [](const Value& message) {
    return std::get<jinja::DictPointer>(message)->find("tool_calls") != nullptr;
  };
  if (std::any_of(conversation.messages.begin(), conversation.messages.end(), has_calls)) {
    Conversation less = conversation;
    for (Value& message : less.messages) {
      if (!has_calls(message)) continue;
      std::vector<std::pair<Value, Value>> others = std::get<jinja::DictPointer>(message)->entries;
      std::erase_if(others, [](const auto& entry) { return jinja::text_of(entry.first).bytes() == "tool_calls"; });
      message = jinja::make_dict(std::move(others));
    }
    if (is_same_without(less)) return true;
  }
  for (Value Conversation::*member : {&Conversation::tools, &Conversation::documents}) {
    if (jinja::is_none(conversation.*member)) continue;
    Conversation less = conversation;
    less.*member = jinja::None{};
    if (is_same_without(less)) return true;
  }
  return false;
}

ChatEncoder::Encoded ChatEncoder::encode_conversation(const ChatRow& row, const std::vector<std::size_t>& turns) const {
  const Conversation& conversation = row.conversation;
  if (chat_ == nullptr)
    throw Error("is a conversation, which needs a chat template, but data.chat_template is none; take that key out");
  Encoded encoded;
  Effort effort;
  const RenderedChat whole = render(conversation, conversation.messages.size(), false, effort);
  const Ids ids = token_ids(whole, tokenizer_, effort.pieces);
  encoded.not_written = leaves_out(conversation, whole, effort);
  LearntSequence all{ids, std::vector<bool>(ids.size(), settings_.turns == LearntTurns::all), {}};
  if (settings_.turns == LearntTurns::all) {
    weigh_turns(row, all, effort);
    encoded.sequences.push_back(std::move(all));
    return encoded;
  }
  // Two renderings a turn, of half of the conversation on average.
  Effort::require(whole.steps * static_cast<std::int64_t>(turns.size()), conversation);
  std::vector<LearntSequence> apart;  // of a template that writes earlier turns otherwise
  std::optional<std::int32_t> end_token;
  for (const std::size_t turn : turns) {
    const bool is_last = turn + 1 == conversation.messages.size();
    const RenderedChat until = is_last ? whole : render(conversation, turn + 1, false, effort);
    const Ids until_ids = is_last ? ids : token_ids(until, tokenizer_, effort.pieces);
    const std::size_t shared = is_last ? ids.size() : common_beginning(until_ids, ids);
    const Turn found = find_turn(conversation, turn, until, until_ids, shared, effort);
    ++encoded.turns;
    encoded.ended += found.end_token >= 0 ? 1 : 0;
    encoded.merged += found.merged ? 1 : 0;
    encoded.silent += found.silent ? 1 : 0;
    if (found.end_token >= 0) end_token = end_token && *end_token != found.end_token ? -1 : found.end_token;
    if (found.end > shared) encoded.rewritten = true;
    if (!encoded.rewritten) learn(all, found.begin, found.end, row.weights[turn]);
    LearntSequence& own = apart.emplace_back(LearntSequence{until_ids, std::vector<bool>(until_ids.size(), false), {}});
    learn(own, found.begin, found.end, row.weights[turn]);
  }
  encoded.end_token = end_token.value_or(-1);
  if (encoded.rewritten) {
    // Each turn is learnt behind the text that stands before it when the model is asked for it.
    encoded.sequences = std::move(apart);
  } else {
    encoded.sequences.push_back(std::move(all));
  }
  return encoded;
}

void ChatEncoder::weigh_turns(const ChatRow& row, LearntSequence& sequence, Effort& effort) const {
  const Conversation& conversation = row.conversation;
  for (std::size_t turn = 0; turn < row.weights.size(); ++turn) {
    if (row.weights[turn] == 1.0F) continue;
    // The turn is what all of the conversation has beyond the turns before it, up to what it has with the turn.
    std::size_t begin = 0;
    const auto require_shared = [&](const Turn& found, std::size_t shared) {
      if (found.end > shared)
        throw Error(
            "message {} has a weight of its own, but the chat template writes messages otherwise once others follow, "
            "so "
            "that its tokens are not found; learn the assistant's turns (data.learn), or take the weight out",
            turn + 1);
    };
    if (turn > 0) {
      const RenderedChat before = render(conversation, turn, false, effort);
      const Ids ids = token_ids(before, tokenizer_, effort.pieces);
      begin = common_beginning(ids, sequence.ids);
      require_shared(find_turn(conversation, turn - 1, before, ids, begin, effort), begin);
    }
    std::size_t end = sequence.ids.size();
    if (turn + 1 < row.weights.size()) {
      const RenderedChat until = render(conversation, turn + 1, false, effort);
      const Ids ids = token_ids(until, tokenizer_, effort.pieces);
      end = common_beginning(ids, sequence.ids);
      require_shared(find_turn(conversation, turn, until, ids, end, effort), end);
    }
    learn(sequence, std::min(begin, end), end, row.weights[turn]);
  }
}

ChatEncoder::Encoded ChatEncoder::encode_pair(const ChatRow& row) const {
  const auto content = [&](std::size_t message) {
    return jinja::text_of(*std::get<jinja::DictPointer>(row.conversation.messages[message])->find("content"));
  };
  RenderedChat chat{content(0), {}};
  const std::size_t prompt_bytes = chat.text.size();
  chat.text.append(content(1));
  PieceMemo pieces;
  const Ids text = token_ids(chat, tokenizer_, pieces);
  bool across = false;
  const std::size_t begin = tokens_before(chat, prompt_bytes, text, tokenizer_, pieces, across);
  LearntSequence sequence;
  sequence.ids = tokenizer_.with_special_tokens(text, std::size_t{1} << 40).ids;
  const auto place = std::search(sequence.ids.begin(), sequence.ids.end(), text.begin(), text.end());
  const auto offset = static_cast<std::size_t>(place - sequence.ids.begin());
  if (settings_.end_token >= 0 && (sequence.ids.empty() || sequence.ids.back() != settings_.end_token))
    sequence.ids.push_back(settings_.end_token);
  sequence.learnt.assign(sequence.ids.size(), settings_.turns == LearntTurns::all);
  learn(sequence, std::min(offset + begin, sequence.ids.size()), sequence.ids.size(), row.weights[1]);
  Encoded encoded;
  encoded.turns = 1;
  encoded.merged = across ? 1 : 0;
  encoded.silent = content(1).empty() ? 1 : 0;
  const bool ends = settings_.end_token >= 0 && sequence.ids.back() == settings_.end_token;
  encoded.ended = ends ? 1 : 0;
  if (ends) encoded.end_token = settings_.end_token;
  encoded.sequences.push_back(std::move(sequence));
  return encoded;
}

ChatEncoder::Encoded ChatEncoder::encode_row(const ChatRow& row) const {
  return row.is_pair && chat_ == nullptr ? encode_pair(row) : encode_conversation(row, turns_to_learn(row));
}

std::vector<LearntSequence> ChatEncoder::encode_whole(std::string_view json) const {
  if (settings_.pairs) return encode_whole_preference(json);
  return encode_row(parse_chat_row(json)).sequences;
}

bool has_something_to_learn(const LearntSequence& sequence) {
  return sequence.learnt.size() > 1 &&
         std::find(sequence.learnt.begin() + 1, sequence.learnt.end(), true) != sequence.learnt.end();
}

namespace {

LearntSequence piece_of(const LearntSequence& sequence, std::size_t begin, std::size_t end) {
  const auto place = [](const auto& from, std::size_t at) { return from.begin() + static_cast<std::ptrdiff_t>(at); };
  LearntSequence piece{{place(sequence.ids, begin), place(sequence.ids, end)},
                       {place(sequence.learnt, begin), place(sequence.learnt, end)},
                       {}};
  if (!sequence.weights.empty()) piece.weights = {place(sequence.weights, begin), place(sequence.weights, end)};
  return piece;
}

/// Runs of learnt tokens that `kept` pieces do not hold whole.
std::int64_t runs_not_whole(const LearntSequence& sequence, std::size_t piece, std::size_t kept_begin,
                            std::size_t kept_end) {
  std::int64_t runs = 0;
  for (std::size_t at = 0; at < sequence.learnt.size();) {
    if (!sequence.learnt[at]) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < sequence.learnt.size() && sequence.learnt[end]) ++end;
    const bool whole =
        at >= kept_begin && end <= kept_end && (at - kept_begin) / piece == (end - 1 - kept_begin) / piece;
    runs += whole ? 0 : 1;
    at = end;
  }
  return runs;
}

}  // namespace

void ChatEncoder::add_turns(const Encoded& encoded) const {
  add(ChatCount::turns, encoded.turns);
  add(ChatCount::ended_turns, encoded.ended);
  add(ChatCount::merged_turns, encoded.merged);
  add(ChatCount::rewritten, encoded.rewritten ? 1 : 0);
  add(ChatCount::silent_turns, encoded.silent);
  add(ChatCount::not_written, encoded.not_written ? 1 : 0);
  if (encoded.end_token >= 0) add(ChatCount::end_token_of_turns, 1 + encoded.end_token);
}

void ChatEncoder::add_kept(const LearntSequence& sequence) const {
  add(ChatCount::tokens, static_cast<std::int64_t>(sequence.ids.size()));
  add(ChatCount::learnt_tokens, std::count(sequence.learnt.begin() + 1, sequence.learnt.end(), true));
  add(ChatCount::weighted_tokens, std::count_if(sequence.weights.begin() + (sequence.weights.empty() ? 0 : 1),
                                                sequence.weights.end(), [](float weight) { return weight != 1.0F; }));
  if (!begin_token_) return;
  const bool begins = sequence.ids.front() == *begin_token_;
  add(ChatCount::without_beginning, begins ? 0 : 1);
  add(ChatCount::doubled_beginnings, begins && sequence.ids[1] == *begin_token_ ? 1 : 0);
}

LearntSequence ChatEncoder::cut(const LearntSequence& sequence) const {
  const std::size_t length = sequence.ids.size();
  const std::size_t most = settings_.max_length;
  const std::size_t begin = tokenizer_.cuts_left() ? length - most : 0;
  add(ChatCount::cut_turns, runs_not_whole(sequence, length, begin, begin + most));
  return piece_of(sequence, begin, begin + most);
}

std::vector<LearntSequence> ChatEncoder::encode(std::string_view json) const {
  if (settings_.pairs) return encode_preference(json);
  Encoded encoded = encode_row(parse_chat_row(json));
  add(ChatCount::rows, 1);
  add_turns(encoded);
  std::vector<LearntSequence> kept;
  bool any_to_learn = false;
  bool any_long = false;
  bool any_dropped = false;
  const std::size_t most = settings_.max_length;
  for (LearntSequence& sequence : encoded.sequences) {
    const std::size_t length = sequence.ids.size();
    add(ChatCount::longest, static_cast<std::int64_t>(length));
    if (!has_something_to_learn(sequence)) continue;
    any_to_learn = true;
    if (length <= most) {
      kept.push_back(std::move(sequence));
      continue;
    }
    any_long = true;
    switch (settings_.long_chats) {
      case LongChats::refuse:
        throw Error(
            "the conversation has {}, more than the {} of data.max_length; raise that, or have long conversations "
            "split, cut or dropped (data.long_documents)",
            counted(length, "token"), most);
      case LongChats::drop:
        any_dropped = true;
        break;
      case LongChats::cut:
        kept.push_back(cut(sequence));
        break;
      case LongChats::split:
        add(ChatCount::cut_turns, runs_not_whole(sequence, most, 0, length));
        for (std::size_t begin = 0; begin < length; begin += most)
          kept.push_back(piece_of(sequence, begin, std::min(begin + most, length)));
        break;
    }
  }
  std::erase_if(kept, [](const LearntSequence& sequence) { return !has_something_to_learn(sequence); });
  add(ChatCount::long_rows, any_long ? 1 : 0);
  add(ChatCount::dropped, any_dropped ? 1 : 0);
  add(ChatCount::nothing_to_learn, any_to_learn && (!kept.empty() || any_dropped) ? 0 : 1);
  add(ChatCount::sequences, static_cast<std::int64_t>(kept.size()));
  for (const LearntSequence& sequence : kept) add_kept(sequence);
  return kept;
}

}  // namespace temper
