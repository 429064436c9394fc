#include "data/chat/chat_row.h"

#include <gtest/gtest.h>

#include "tests/data/chat/chat_testing.h"

namespace temper {
namespace {

using testing_support::ChatTokenizer;
using testing_support::error_of;
using testing_support::kChatMl;
using testing_support::talk;

/// "user: a|assistant: b" of a row.
std::string said(const std::string& json) {
  std::string all;
  for (const jinja::Value& message : parse_chat_row(json).conversation.messages) {
    const jinja::Value* content = std::get<jinja::DictPointer>(message)->find("content");
    all += (all.empty() ? "" : "|") + role_of(message) + ": " + jinja::string_of(*content).bytes();
  }
  return all;
}

TEST(ChatRow, EveryFormIsRead) {
  const std::string expected = "user: a|assistant: b";
  EXPECT_EQ(said(talk({{"user", "a"}, {"assistant", "b"}})), expected);
  EXPECT_EQ(said(R"({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]})"), expected);
  EXPECT_EQ(said(R"({"prompt": "a", "completion": "b"})"), expected);
  EXPECT_EQ(
      said(R"({"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]})"),
      expected);
  EXPECT_EQ(said(R"({"instruction": "a", "input": "", "output": "b"})"), expected);
  EXPECT_EQ(said(R"({"instruction": "a", "input": "x", "output": "b", "system": "s"})"),
            "system: s|user: a\n\nx|assistant: b");
  EXPECT_EQ(said(R"({"instruction": "a", "output": "b", "history": [["q", "r"]]})"),
            "user: q|assistant: r|user: a|assistant: b");
}

TEST(ChatRow, PromptsAreNotLearntAndWeightsAreHeard) {
  const ChatRow prompt = parse_chat_row(
      R"({"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
          "completion": [{"role": "assistant", "content": "d"}]})");
  EXPECT_EQ(prompt.may_be_learnt, (std::vector<bool>{false, false, false, true}));
  const ChatRow weighed = parse_chat_row(
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0},
          {"role": "assistant", "content": "c", "weight": 1}, {"role": "assistant", "content": "d", "train": false}]})");
  EXPECT_EQ(weighed.may_be_learnt, (std::vector<bool>{true, false, true, false}));
}

TEST(ChatRow, WhatIsNoConversationIsRefused) {
  const auto refusal = [](const char* json) { return error_of([&] { (void)parse_chat_row(json); }); };
  EXPECT_EQ(refusal(R"({"messages": []})"),
            "Cannot apply chat template to an empty conversation. Provide at least one message.");
  EXPECT_EQ(refusal(R"({"messages": [{"content": "a"}]})"),
            "message 1 has no role; expected {\"role\": \"user\", \"content\": \"...\"}");
  EXPECT_EQ(refusal(R"({"messages": "a"})"), "found a text in \"messages\", expected a list");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "user", "content": 7}]})"),
            "message 1 has a number as its content, expected a text, a list of parts, or null");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]})"),
            "message 1 has the weight 0.5, expected 0 (it is not learnt) or 1 (it is)");
  EXPECT_NE(refusal(R"({"text": "a"})").find("is no conversation: found \"text\""), std::string::npos);
  EXPECT_NE(refusal(R"([1)"), "");
}

TEST(ChatEncoder, OnlyWhatIsAskedForIsLearnt) {
  const ChatTokenizer chat(kChatMl);
  const std::string row = talk({{"user", "a"}, {"assistant", "b"}, {"tool", "c"}, {"assistant", "d"}});
  ChatSettings last;
  last.turns = LearntTurns::last;
  EXPECT_EQ(chat.marked(chat.encoder(last), row).front(),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>tool\nc<|im_end|>\n"
            "<|im_start|>assistant\n[d<|im_end|>]\n");
  ChatSettings tools;
  tools.roles = {"tool"};
  EXPECT_EQ(chat.marked(chat.encoder(tools), row).front(),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n[<|im_start|>tool\nc<|im_end|>]\n"
            "<|im_start|>assistant\nd<|im_end|>\n");
}

TEST(ChatEncoder, EndThatTheTemplateWritesOnceForAllIsNotOfEarlierTurns) {
  const ChatTokenizer chat(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<s>\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% else %}{{ eos_token }}{% endif %}");
  EXPECT_EQ(chat.marked(chat.encoder(), talk({{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}})),
            (std::vector<std::string>{"<|im_start|>user\na<s>\n<|im_start|>assistant\n[b<s>]\n<|im_start|>user\nc<s>\n"
                                      "<|im_start|>assistant\n[d<s>\n<|im_end|>]"}));
}

TEST(ChatEncoder, PairsWithoutATemplateAreOneText) {
  const ChatTokenizer chat("");
  ChatSettings settings;
  settings.max_length = 100;
  settings.end_token = *chat.tokenizer().id_of("<|im_end|>");
  const ChatEncoder encoder(chat.tokenizer(), nullptr, settings);
  EXPECT_EQ(chat.marked(encoder, R"({"prompt": "the a ", "completion": "b."})").front(), "the a [b.<|im_end|>]");
  EXPECT_THROW((void)encoder.encode(talk({{"user", "a"}, {"assistant", "b"}})), Error);
}

TEST(ChatTemplate, ModelWithoutOneIsToldWhatToDo) {
  const ChatTokenizer chat("");
  EXPECT_NE(error_of([&] { (void)chat.chat(); }).find("has no chat template"), std::string::npos);
}

TEST(ChatTemplate, RefusalNamesTemplateLineAndReason) {
  const ChatTokenizer chat(
      "{% for m in messages %}\n{% if m.role == 'critic' %}{{ raise_exception('no critics') }}{% endif %}"
      "{{ m.content }}{% endfor %}");
  const std::string refusal = error_of([&] { (void)chat.encoder().encode(talk({{"critic", "a"}})); });
  EXPECT_NE(refusal.find("line 2) refuses the conversation: no critics"), std::string::npos) << refusal;
}

TEST(ChatTemplate, FilesAreLookedForAsTransformersDoes) {
  const ChatTokenizer chat("config", {{"chat_template.json", R"({"chat_template": "json"})"}});
  EXPECT_EQ(chat.chat()->render(parse_chat_row(talk({{"user", "a"}})).conversation, false).text.bytes(), "json");
  const ChatTokenizer jinja("config", {{"chat_template.jinja", "jinja"}});
  EXPECT_EQ(jinja.chat()->render(parse_chat_row(talk({{"user", "a"}})).conversation, false).text.bytes(), "jinja");
}

}  // namespace
}  // namespace temper
