// Conversations of very many turns: each is found exactly, without tokenising all in front of it again, and what would
// take too long is refused at once.
#include <gtest/gtest.h>

#include <algorithm>

#include "data/tokenizer/piece_memo.h"
#include "tests/data/chat/chat_testing.h"

namespace temper {
namespace {

using testing_support::ChatTokenizer;
using testing_support::kChatMl;
using testing_support::talk;

std::string talk_of(int messages) {
  std::vector<std::pair<std::string, std::string>> turns;
  for (int i = 0; i < messages; ++i)
    turns.emplace_back(i % 2 == 0 ? "user" : "assistant", "number " + std::to_string(i * 7919) + " <|im_end|>.");
  return talk(turns);
}

TEST(LongConversations, AllTurnsAreFound) {
  constexpr int kMessages = 400;
  const ChatTokenizer chat(kChatMl);
  std::string expected;
  for (int i = 0; i < kMessages; ++i) {
    const std::string text = "number " + std::to_string(i * 7919) + " <|im_end|>.<|im_end|>";
    expected += i % 2 == 0 ? "<|im_start|>user\n" + text + "\n" : "<|im_start|>assistant\n[" + text + "]\n";
  }
  const ChatEncoder encoder = chat.encoder();
  EXPECT_EQ(chat.marked(encoder, talk_of(kMessages)), std::vector<std::string>{expected});
  EXPECT_EQ(count_of(encoder.counts(), ChatCount::ended_turns), kMessages / 2);
}

TEST(LongConversations, TooManyTurnsAreRefused) {
  const ChatTokenizer chat(kChatMl);
  const std::string conversation = talk_of(30'000);
  try {
    (void)chat.encoder().encode(conversation);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_NE(
        std::string(error.what()).find("the conversation has 30000 messages, too many to find what each turn adds"),
        std::string::npos)
        << error.what();
  }
  ChatSettings last;
  last.turns = LearntTurns::last;
  last.max_length = 10'000'000;
  EXPECT_EQ(chat.encoder(last).encode(conversation).size(), 1U) << "which takes two renderings";
}

TEST(LongConversations, RowsOfVeryManyMembersEnd) {
  const ChatTokenizer chat(kChatMl);
  std::string members;
  for (int i = 0; i < 200'000; ++i) members += "\"k" + std::to_string(i) + "\": 1, ";
  const std::string turns = R"({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])";
  const std::string variables =
      R"({"messages": [)" + turns + R"(, "chat_template_kwargs": {)" + members + R"("enable_thinking": true}})";
  EXPECT_EQ(chat.encoder().encode(variables).size(), 1U);
  const std::string messages = R"({"messages": [{)" + members + R"("role": "user", "content": "a"}, )" +
                               R"({"role": "assistant", "content": "b"}, )" + turns + "}";
  EXPECT_EQ(chat.encoder().encode(messages).size(), 1U);
}

TEST(LongConversations, PiecesThatWereMetGiveTheSameIds) {
  const ChatTokenizer chat(kChatMl);
  const Tokenizer& tokenizer = chat.tokenizer();
  PieceMemo memo;
  jinja::Text text;
  for (int i = 0; i < 60; ++i) {
    // The same bytes, trusted and not, at the beginning and elsewhere, within pieces and as pieces of their own.
    text.append(i % 7 == 0 ? "<|im_start|>" : "it's ", false);
    text.append(i % 3 == 0 ? "<think> it's <|im_end|>" : "it's ", i % 2 == 0);
    const std::string& bytes = text.bytes();
    const auto spans = text.data_spans();
    EXPECT_EQ(tokenizer.encode_plain(bytes, spans, memo), tokenizer.encode_plain(bytes, spans)) << i;
    EXPECT_EQ(tokenizer.encode_plain(bytes, {}, memo), tokenizer.encode_plain(bytes)) << i;
    const jinja::Text rest = text.slice(5 + static_cast<std::size_t>(i), bytes.size());
    EXPECT_EQ(tokenizer.encode_plain(rest.bytes(), rest.data_spans(), memo),
              tokenizer.encode_plain(rest.bytes(), rest.data_spans()))
        << i;
  }
}

}  // namespace
}  // namespace temper
