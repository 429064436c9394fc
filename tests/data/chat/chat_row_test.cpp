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
  EXPECT_EQ(prompt.is_prompt, (std::vector<bool>{true, true, true, false}));
  const ChatRow weighed = parse_chat_row(
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0},
          {"role": "assistant", "content": "c", "weight": 1}, {"role": "assistant", "content": "d", "train": false}]})");
  EXPECT_EQ(weighed.weights, (std::vector<float>{1.0F, 0.0F, 1.0F, 0.0F}));
  const ChatRow shares = parse_chat_row(
      R"({"system": "s", "messages": [{"role": "user", "content": "a", "weight": null}, {"role": "assistant", "content": "b",
          "weight": 0.25, "train": true}, {"role": "tool", "content": "c", "weight": 2}]})");
  EXPECT_EQ(shares.weights, (std::vector<float>{1.0F, 1.0F, 0.25F, 2.0F}));
}

TEST(ChatRow, WeightsThatAreNoneAreRefused) {
  const auto refusal = [](const std::string& member) {
    return error_of([&] {
      (void)parse_chat_row(R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", )" +
                           member + "}]}");
    });
  };
  EXPECT_EQ(refusal(R"("weight": -0.5)"),
            "message 2 has -0.5 as its weight, expected a number of at least 0, such as 0 (it is not learnt) or 0.5 "
            "(its tokens count half)");
  for (const char* value : {"-1", "1e300", "\"1\"", "true", "[1]", "NaN"})
    EXPECT_NE(refusal(std::string("\"weight\": ") + value), "") << value;
  EXPECT_EQ(refusal(R"("train": "no")"),
            "message 2 has a text as \"train\", expected true (it may be learnt) or false");
}

TEST(ChatRow, VariablesOfATemplateAreNoArgumentsOfTheCall) {
  const auto with = [](const std::string& variables) {
    return R"({"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": )" + variables + "}";
  };
  EXPECT_NE(error_of([&] {
              (void)parse_chat_row(with(R"({"messages": []})"));
            }).find("\"chat_template_kwargs\" has \"messages\", which is no variable of a template"),
            std::string::npos);
  for (const char* name : {"tools", "add_generation_prompt", "conversation", "chat_template", "continue_final_message"})
    EXPECT_NE(error_of([&] { (void)parse_chat_row(with(std::string("{\"") + name + "\": true}")); }), "") << name;
  EXPECT_EQ(parse_chat_row(with(R"({"enable_thinking": false, "eos_token": "x"})")).conversation.variables.size(), 2U)
      << "transformers lets variables stand in for special tokens";
  const ChatRow documents = parse_chat_row(with(R"({"documents": [{"title": "t", "text": "x"}]})"));
  EXPECT_TRUE(documents.conversation.variables.empty());
  EXPECT_TRUE(jinja::is_list(documents.conversation.documents));
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
  EXPECT_NE(refusal(R"({"text": "a"})").find("is no conversation: found \"text\""), std::string::npos);
  EXPECT_EQ(refusal(R"({"system": 5, "messages": [{"role": "user", "content": "a"}]})"),
            "found a number in \"system\", expected a text");
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

/// What capital letters, each a token, count in fourths: "A4" where one counts once, "A0" where it is not learnt.
std::string counts_of(const ChatTokenizer& chat, const LearntSequence& sequence) {
  std::string text;
  for (std::size_t i = 0; i < sequence.ids.size(); ++i) {
    const float weight = !sequence.learnt[i] ? 0.0F : sequence.weights.empty() ? 1.0F : sequence.weights[i];
    const std::string piece = chat.tokenizer().decode(std::span(sequence.ids).subspan(i, 1), false);
    if (piece.size() == 1 && piece[0] >= 'A' && piece[0] <= 'Z')
      text += piece + std::to_string(static_cast<int>(4.0F * weight));
  }
  return text;
}

TEST(ChatEncoder, TurnsCountByTheirWeights) {
  const ChatTokenizer chat(kChatMl);
  const std::string row =
      R"({"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B", "weight": 0.25},
          {"role": "user", "content": "C", "weight": 0.5}, {"role": "assistant", "content": "D"},
          {"role": "user", "content": "E", "train": false}, {"role": "assistant", "content": "F", "weight": 2}]})";
  EXPECT_EQ(counts_of(chat, chat.encoder().encode(row).front()), "A0B1C0D4E0F8");
  ChatSettings all;
  all.turns = LearntTurns::all;
  const ChatEncoder whole = chat.encoder(all);
  const LearntSequence sequence = whole.encode(row).front();
  EXPECT_EQ(counts_of(chat, sequence), "A4B1C2D4E0F8") << "every token, but as the row says";
  EXPECT_EQ(
      chat.marked(sequence),
      "[<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n<|im_start|>user\nC<|im_end|>\n"
      "<|im_start|>assistant\nD<|im_end|>\n]<|im_start|>user\nE<|im_end|>\n[<|im_start|>assistant\nF<|im_end|>\n]")
      << "a turn that is not trained on is left out with all that the template writes around it";
  EXPECT_GT(count_of(whole.counts(), ChatCount::weighted_tokens), 0);
  EXPECT_TRUE(chat.encoder().encode(talk({{"user", "A"}, {"assistant", "B"}})).front().weights.empty());
  const std::string pairs = R"({"prompt": [{"role": "user", "content": "A"}],
                                "completion": [{"role": "assistant", "content": "B", "weight": 0.5}]})";
  EXPECT_EQ(counts_of(chat, chat.encoder(all).encode(pairs).front()), "A4B2") << "a prompt is learnt where all is";
}

TEST(ChatEncoder, AWeightOfATurnThatIsWrittenOtherwiseIsRefusedWhereAllIsLearnt) {
  const ChatTokenizer chat(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + ('' if loop.last else 'old ') + m.content + "
      "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}");
  ChatSettings all;
  all.turns = LearntTurns::all;
  const std::string row = R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b",
      "weight": 0}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]})";
  EXPECT_NE(error_of([&] { (void)chat.encoder(all).encode(row); }).find("message 2 has a weight of its own"),
            std::string::npos);
  const std::string last = R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
      {"role": "user", "content": "c"}, {"role": "assistant", "content": "d", "weight": 0.5}]})";
  EXPECT_NE(error_of([&] { (void)chat.encoder(all).encode(last); }).find("message 4 has a weight of its own"),
            std::string::npos)
      << "else it would begin inside the message before";
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
