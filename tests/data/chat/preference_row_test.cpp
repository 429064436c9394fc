// Pairs of answers in the forms that people have them, and their tokens.
#include "data/chat/preference_row.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "data/paired_rows.h"
#include "tests/data/chat/chat_testing.h"

namespace temper {
namespace {

using testing_support::ChatTokenizer;
using testing_support::kChatMl;
using OrderedJson = nlohmann::ordered_json;
using Texts = std::vector<std::string>;

OrderedJson said(const char* role, const char* content) { return {{"role", role}, {"content", content}}; }

ChatSettings of_pairs(std::size_t max_length = 0, LongChats long_chats = LongChats::split) {
  ChatSettings settings;
  settings.pairs = true;
  settings.max_length = max_length;
  settings.long_chats = long_chats;
  return settings;
}

std::string refusal(const std::string& json) {
  try {
    (void)parse_preference_row(json);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const Texts kBoth{"<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\n[b.<|im_end|>]\n",
                  "<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\n[c.<|im_end|>]\n"};

TEST(PreferenceRow, EveryFormGivesTheSameTwoSequences) {
  const OrderedJson user = said("user", "a?");
  const OrderedJson good = said("assistant", "b.");
  const OrderedJson bad = said("assistant", "c.");
  const ChatTokenizer chat(kChatMl);
  for (const OrderedJson& row : std::vector<OrderedJson>{
           {{"prompt", "a?"}, {"chosen", "b."}, {"rejected", "c."}},
           {{"prompt", {user}}, {"chosen", {good}}, {"rejected", {bad}}},
           {{"prompt", {user}}, {"chosen", "b."}, {"rejected", "c."}},
           {{"prompt", "a?"}, {"chosen", {good}}, {"rejected", {bad}}},
           {{"prompt", "a?"}, {"chosen", good}, {"rejected", bad}},
           {{"messages", {user}}, {"chosen", "b."}, {"rejected", bad}},
           {{"chosen", {user, good}}, {"rejected", {user, bad}}},
           {{"prompt", "a?"}, {"chosen", {user, good}}, {"rejected", {user, bad}}, {"score_chosen", 7.5}},
           {{"prompt", {user}}, {"chosen", {user, good}}, {"rejected", {user, bad}}},
           {{"conversations", {{{"from", "human"}, {"value", "a?"}}}},
            {"chosen", {{"from", "gpt"}, {"value", "b."}}},
            {"rejected", {{"from", "gpt"}, {"value", "c."}}}},
           {{"instruction", "a?"}, {"input", ""}, {"chosen", "b."}, {"rejected", "c."}},
           {{"question", "a?"}, {"chosen", "b."}, {"rejected", "c."}},
           {{"input", {{"messages", {user}}}}, {"preferred_output", {good}}, {"non_preferred_output", {bad}}}})
    EXPECT_EQ(chat.marked(chat.encoder(of_pairs()), row.dump()), kBoth) << row.dump();
}

TEST(PreferenceRow, OfLongerConversationsTheLastAnswersAreLearntAlone) {
  const ChatTokenizer chat(kChatMl);
  const OrderedJson before = {said("system", "s"), said("user", "a?"), said("assistant", "b."), said("user", "c?")};
  OrderedJson chosen = before;
  chosen.push_back(said("assistant", "d."));
  OrderedJson rejected = before;
  rejected.push_back(said("assistant", "e."));
  const std::string prompt =
      "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\nb.<|im_end|>\n"
      "<|im_start|>user\nc?<|im_end|>\n<|im_start|>assistant\n";
  const Texts both{prompt + "[d.<|im_end|>]\n", prompt + "[e.<|im_end|>]\n"};
  for (const OrderedJson& row : std::vector<OrderedJson>{{{"chosen", chosen}, {"rejected", rejected}},
                                                         {{"prompt", before}, {"chosen", "d."}, {"rejected", "e."}},
                                                         {{"system", "s"},
                                                          {"messages", OrderedJson(before.begin() + 1, before.end())},
                                                          {"chosen", "d."},
                                                          {"rejected", "e."}}})
    EXPECT_EQ(chat.marked(chat.encoder(of_pairs()), row.dump()), both) << row.dump();
}

TEST(PreferenceRow, TextsWithoutATemplateAreLearntBehindTheirPrompt) {
  const ChatTokenizer chat("");
  ChatSettings settings = of_pairs(1000);
  settings.end_token = *chat.tokenizer().id_of("<|im_end|>");
  const ChatEncoder encoder(chat.tokenizer(), nullptr, settings);
  const Texts both{"Q: a[ b.<|im_end|>]", "Q: a[ c.<|im_end|>]"};
  EXPECT_EQ(chat.marked(encoder, R"({"prompt": "Q: a", "chosen": " b.", "rejected": " c."})"), both);
  const char* whole = R"({"chosen": "Q: a b.", "rejected": "Q: a c."})";
  EXPECT_EQ(chat.marked(encoder, whole), both) << "the prompt is implicit";
  const ChatTokenizer with_template(kChatMl);
  const ChatEncoder of_template = with_template.encoder(of_pairs());
  EXPECT_THROW((void)of_template.encode(whole), Error) << "what they begin with is no message";
}

TEST(PreferenceRow, ToolsMayStandWithTheMessagesOfTheInput) {
  const PreferenceRow row = parse_preference_row(
      R"({"input": {"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]},
          "preferred_output": [{"role": "assistant", "content": "b"}],
          "non_preferred_output": [{"role": "assistant", "content": "c"}]})");
  EXPECT_TRUE(jinja::is_list(row.chosen.conversation.tools));
  EXPECT_TRUE(jinja::is_list(row.rejected.conversation.tools));
}

TEST(PreferenceRow, WhatIsNoPairIsRefused) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"prompt": "a", "completion": "b"})", "is no pair of answers: found \"prompt\", \"completion\", expected"},
      {R"({"prompt": "a", "chosen": "b", "rejected": null})", "expected \"chosen\" and \"rejected\""},
      {R"({"prompt": "a", "chosen": 1, "rejected": "c"})", "found neither a text nor messages in \"chosen\""},
      {R"({"prompt": 7, "chosen": "b", "rejected": "c"})", "in \"prompt\", expected a text or a list of messages"},
      {R"({"prompt": "a", "chosen": [], "rejected": []})", "has an empty list in \"chosen\""},
      {R"([1])", "is no object"},
      {R"({"chosen": "b", "rejected": "c"})", "begin with different words"},
      {R"({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
           "rejected": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "b"}]})",
       "begin with different messages"},
      {R"({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
           "rejected": [{"role": "user", "content": "a"}]})",
       "has no answer in \"rejected\""},
      {R"({"prompt": "z", "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
           "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]})",
       "a text in \"prompt\" that no message says"},
      {R"({"prompt": [{"role": "user", "content": "z"}],
           "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
           "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]})",
       "which are whole conversations, do not begin with"},
      {R"({"prompt": "a", "chosen": [{"role": "assistant", "content": "b", "weight": 0.5}],
           "rejected": [{"role": "assistant", "content": "c"}]})",
       "a message has the weight 0.5"}};
  for (const auto& [row, message] : cases)
    EXPECT_NE(refusal(row).find(message), std::string::npos) << row << "\n" << refusal(row);
}

TEST(PreferenceRow, PairsThatTeachNothingAreLeftOutAndCounted) {
  const ChatTokenizer chat(kChatMl);
  const ChatEncoder encoder = chat.encoder(of_pairs());
  const auto gives = [&](const char* row) { return encoder.encode(row).size(); };
  EXPECT_EQ(gives(R"({"prompt": "a?", "chosen": "b.", "rejected": "c."})"), 2U);
  EXPECT_EQ(gives(R"({"prompt": "a?", "chosen": "b.", "rejected": "b."})"), 0U);
  EXPECT_EQ(gives(R"({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
                      "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})"),
            0U);
  EXPECT_EQ(gives(R"({"prompt": "a?", "chosen": "", "rejected": "c."})"), 0U);
  EXPECT_EQ(gives(R"({"messages": [{"role": "user", "content": "a"}], "chosen": "b",
                      "rejected": {"role": "assistant", "content": null}})"),
            0U);
  EXPECT_EQ(gives(R"({"prompt": "a?", "chosen": [{"role": "assistant", "content": "b", "train": false}],
                      "rejected": [{"role": "assistant", "content": "c"}]})"),
            0U);
  const ChatCounts counts = encoder.counts();
  EXPECT_EQ(count_of(counts, ChatCount::rows), 6);
  EXPECT_EQ(count_of(counts, ChatCount::nothing_to_learn), 1);
  EXPECT_EQ(count_of(counts, ChatCount::equal_pairs), 2);
  EXPECT_EQ(count_of(counts, ChatCount::empty_answers), 2);
  EXPECT_EQ(count_of(counts, ChatCount::sequences), 2);
  EXPECT_EQ(count_of(counts, ChatCount::learnt_tokens), 2 * count_of(counts, ChatCount::chosen_tokens));
}

TEST(PreferenceRow, LongPairsAreCutDroppedOrRefused) {
  const ChatTokenizer chat(kChatMl);
  const char* const row = R"({"prompt": "a?", "chosen": "b.", "rejected": "c c c c c c c c."})";
  const std::size_t chosen = chat.encoder(of_pairs()).encode(row)[0].ids.size();
  const ChatEncoder cuts = chat.encoder(of_pairs(chosen, LongChats::cut));
  const std::vector<LearntSequence> both = cuts.encode(row);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[1].ids.size(), chosen);
  EXPECT_EQ(count_of(cuts.counts(), ChatCount::long_rows), 1);
  EXPECT_EQ(count_of(cuts.counts(), ChatCount::cut_turns), 1);
  const ChatEncoder drops = chat.encoder(of_pairs(chosen, LongChats::drop));
  EXPECT_TRUE(drops.encode(row).empty());
  EXPECT_EQ(count_of(drops.counts(), ChatCount::dropped), 1);
  EXPECT_THROW((void)chat.encoder(of_pairs(chosen, LongChats::refuse)).encode(row), Error);
  // Where the answers begin behind what is kept, there is nothing to tell them apart by.
  const ChatEncoder short_ones = chat.encoder(of_pairs(4, LongChats::cut));
  EXPECT_TRUE(short_ones.encode(row).empty());
  EXPECT_EQ(count_of(short_ones.counts(), ChatCount::nothing_to_learn), 1);
}

TEST(PairedRows, StaySideBySideUnderTheirOwnNames) {
  TokenRows rows;
  rows.ids = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  rows.types.resize(9);
  rows.starts = {0, 2, 5, 6, 9};
  rows.classes = {2, -100, 4, 5, -100, -100, 8, 9, -100};
  PairedRows pairs{TokenStore(rows)};
  ASSERT_EQ(pairs.rows(), 2);
  EXPECT_EQ(pairs.cost(0), 5);
  EXPECT_EQ(pairs.cost(1), 4);
  const std::vector<std::int64_t> order{1, 0};
  EXPECT_EQ(pairs.read(order, 0).references, (std::vector<double>{0.0, 0.0, 0.0, 0.0}));
  pairs.compare_with({-1.0, -2.0, -3.0, -4.0});
  const Batch batch = pairs.read(order, 0);
  EXPECT_EQ(batch.text().ids, (std::vector<std::int32_t>{6, 7, 8, 9, 1, 2, 3, 4, 5}));
  EXPECT_EQ(batch.positions, (std::vector<std::int32_t>{0, 0, 1, 2, 0, 1, 0, 1, 2}));
  EXPECT_EQ(batch.examples, (std::vector<std::uint32_t>{2, 3, 0, 1}));
  EXPECT_EQ(batch.references, (std::vector<double>{-3.0, -4.0, -1.0, -2.0}));
  EXPECT_THROW(pairs.compare_with({-1.0}), Error);
  rows.starts = {0, 2, 5, 9};
  EXPECT_THROW(PairedRows{TokenStore(rows)}, Error);
}

}  // namespace
}  // namespace temper
