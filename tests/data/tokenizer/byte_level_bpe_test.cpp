#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

using testing_support::small_roberta;
using testing_support::tokenizer_of;
using Ids = std::vector<std::int32_t>;

std::string repeated(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

// Expected ids are what the Hugging Face library gives for the same file.
TEST(ByteLevelBpe, EncodesAsTheReferenceAndDecodesToTheText) {
  const auto tokenizer = tokenizer_of(small_roberta());
  const std::vector<std::pair<std::string, Ids>> cases = {
      {"the the", {120, 261, 262}},
      {"abab ba  the", {264, 36, 265, 36, 262}},
      {" the", {262}},
      {"the's 're don't 'LL", {120, 261, 43, 119, 36, 43, 118, 105, 36, 104, 115, 114, 43, 120, 36, 43, 80, 80}},
      {"x  the \t\n the", {124, 36, 262, 36, 13, 14, 262}},
      {"aba", {263, 101}},
      {"ababab", {264, 263}},
      {"é", {267}},
      {"é\u0301", {267, 208, 133}},
      {"  ", {266}},
      {"", {}},
      {"12 a1b2", {53, 54, 36, 101, 53, 102, 54}},
      {"\u2003the", {230, 132, 135, 120, 261}},
      {"a\u00a0\u00a0the", {101, 198, 164, 198, 164, 120, 261}},
      {"!!the??", {37, 37, 120, 261, 67, 67}},
      {"a  ", {101, 266}},
      {"\n\nthe", {14, 14, 120, 261}},
      {"\u00b2\u0967x", {198, 182, 228, 169, 171, 124}},
  };
  for (const auto& [text, ids] : cases) {
    EXPECT_EQ(tokenizer->encode_plain(text), ids) << text;
    EXPECT_EQ(tokenizer->decode(ids, true), text);
  }
}

TEST(ByteLevelBpe, MergesLongWordsAsShortOnes) {
  const auto tokenizer = tokenizer_of(small_roberta());
  EXPECT_EQ(tokenizer->encode_plain(repeated("ab", 40)), Ids(20, 264));
  Ids expected(100, 264);
  expected.push_back(263);
  expected.push_back(101);
  EXPECT_EQ(tokenizer->encode_plain(repeated("ab", 201) + "a"), expected);
}

TEST(ByteLevelBpe, TreatsTextsAsIfAfterASpaceWhereTold) {
  auto prefixed = small_roberta();
  prefixed["pre_tokenizer"]["add_prefix_space"] = true;
  const auto tokenizer = tokenizer_of(prefixed);
  EXPECT_EQ(tokenizer->encode_plain("the"), Ids{262});
  EXPECT_EQ(tokenizer->encode_plain(" the"), Ids{262});
  EXPECT_EQ(tokenizer->encode_plain(""), Ids{});
  EXPECT_EQ(tokenizer->encode_plain("the<mask>the"), (Ids{262, 268, 262}));
}

TEST(ByteLevelBpe, TakesTheTextAsOneWordWithoutTheExpression) {
  auto whole = small_roberta();
  whole["model"]["merges"].push_back({"b", "Ġthe"});
  whole["model"]["vocab"]["bĠthe"] = 268;
  EXPECT_EQ(tokenizer_of(whole)->encode_plain("b the"), (Ids{102, 262}));
  whole["pre_tokenizer"]["use_regex"] = false;
  EXPECT_EQ(tokenizer_of(whole)->encode_plain("b the"), Ids{268});
}

TEST(ByteLevelBpe, ReadsMergesInEitherForm) {
  auto lines = small_roberta();
  for (auto& merge : lines["model"]["merges"]) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  lines["model"].erase("type");  // as files written before 2021
  EXPECT_EQ(tokenizer_of(lines)->encode_plain("abab the"), (Ids{264, 262}));
}

TEST(ByteLevelBpe, LooksUpWholeWordsFirstWhereTold) {
  auto whole = small_roberta();
  whole["model"]["vocab"]["Ġzz"] = 268;
  EXPECT_EQ(tokenizer_of(whole)->encode_plain("x zz"), (Ids{124, 36, 126, 126}));
  whole["model"]["ignore_merges"] = true;
  EXPECT_EQ(tokenizer_of(whole)->encode_plain("x zz"), (Ids{124, 268}));
}

TEST(ByteLevelBpe, StandsInForBytesWithoutAToken) {
  auto partial = small_roberta();
  partial["model"]["vocab"].erase("z");
  EXPECT_EQ(tokenizer_of(partial)->encode_plain("xzzy"), (Ids{124, 125}));
  partial["model"]["unk_token"] = "<unk>";
  EXPECT_EQ(tokenizer_of(partial)->encode_plain("xzzy"), (Ids{124, 3, 3, 125}));
  partial["model"]["fuse_unk"] = true;
  EXPECT_EQ(tokenizer_of(partial)->encode_plain("xzzy"), (Ids{124, 3, 125}));
}

TEST(ByteLevelDecoder, ReplacesBytesThatFormNoCharacter) {
  const auto tokenizer = tokenizer_of(small_roberta());
  EXPECT_EQ(tokenizer->decode(Ids{4 + 0xC3, 5}, true), "\uFFFD\x01");
  EXPECT_EQ(tokenizer->decode(Ids{4 + 0xE2, 4 + 0x82, 4 + 0xAC, 4 + 0xE2, 4 + 0x82}, true), "€\uFFFD");
}

}  // namespace
}  // namespace temper
