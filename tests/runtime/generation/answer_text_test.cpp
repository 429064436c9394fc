#include "runtime/generation/answer_text.h"

#include <gtest/gtest.h>

#include "tests/data/temporary_folder.h"
#include "tests/tiny_text_model.h"

namespace temper {
namespace {

using Ids = std::vector<std::int32_t>;

class AnswerTexts : public testing::Test {
 protected:
  AnswerTexts() { testing_support::write_text_model(folder_.path()); }

  /// What is given for each of the tokens, and at the end.
  std::vector<std::string> pieces(const Ids& ids, const std::vector<std::string>& stops = {}) {
    AnswerText text(*tokenizer(), Ids{0, 1}, stops);
    std::vector<std::string> given;
    for (const std::int32_t id : ids) given.push_back(text.add(id));
    stopped_ = text.stopped();
    given.push_back(text.finish());
    text_ = text.text();
    return given;
  }
  const std::unique_ptr<Tokenizer>& tokenizer() {
    if (tokenizer_ == nullptr) tokenizer_ = Tokenizer::load(folder_.path() / "tokenizer.json");
    return tokenizer_;
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  bool stopped_ = false;
  std::string text_;
};

using Pieces = std::vector<std::string>;

TEST_F(AnswerTexts, ACharacterIsGivenWhenItsLastByteHasCome) {
  EXPECT_EQ(pieces({0, 22, 23, 24, 20, 21, 2}), (Pieces{"a", "", "", "\u20AC", "", "\u00E9", "c", ""}));
}

TEST_F(AnswerTexts, BytesThatMakeNoCharacterAreReplacedOnceThatIsCertain) {
  EXPECT_EQ(pieces({22, 23, 0}), (Pieces{"", "", "\uFFFDa", ""}));
  EXPECT_EQ(pieces({1, 22, 23}), (Pieces{"b", "", "", "\uFFFD"}));
}

TEST_F(AnswerTexts, AStopTextOfSeveralTokensIsNeverGiven) {
  EXPECT_EQ(pieces({0, 25, 25, 1, 2}, {"##b"}), (Pieces{"a", "", "", "", "", ""}));
  EXPECT_TRUE(stopped_);
  EXPECT_EQ(text_, "a");
}

TEST_F(AnswerTexts, WhatOnlyBeginsLikeAStopTextIsGivenLater) {
  EXPECT_EQ(pieces({0, 25, 25, 25, 2}, {"##b"}), (Pieces{"a", "", "", "#", "##c", ""}));
  EXPECT_FALSE(stopped_);
  EXPECT_EQ(pieces({0, 25}, {"##b"}), (Pieces{"a", "", "#"}));
}

TEST_F(AnswerTexts, TheFirstOfSeveralStopTextsEndsTheAnswer) {
  (void)pieces({0, 1, 2, 3}, {"d", "bc"});
  EXPECT_EQ(text_, "a");
  EXPECT_TRUE(stopped_);
}

TEST_F(AnswerTexts, AStopTextMayEndWithinACharacterOfBytes) {
  (void)pieces({0, 22, 23, 24}, {"\u20AC"});
  EXPECT_EQ(text_, "a");
  EXPECT_TRUE(stopped_);
}

TEST_F(AnswerTexts, ALongAnswerIsTheDecodingOfItsTokens) {
  Ids ids;
  for (int i = 0; i < 700; ++i) ids.push_back((i * 7 + i / 9) % 30);
  std::string joined;
  for (const std::string& piece : pieces(ids)) joined += piece;
  EXPECT_EQ(joined, tokenizer()->decode(ids, true));
  EXPECT_EQ(text_, joined);
}

}  // namespace
}  // namespace temper
