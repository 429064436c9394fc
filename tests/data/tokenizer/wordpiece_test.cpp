#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "data/tokenizer/tokenizer.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

using testing_support::small_bert;
using testing_support::tokenizer_of;
using Ids = std::vector<std::int32_t>;

// Expected ids and texts are what the Hugging Face library gives for the same file.
struct WordpieceCase {
  std::string text;
  Ids ids;
  std::string decoded;
};

TEST(WordPiece, EncodesAndDecodesAsTheReference) {
  const auto tokenizer = tokenizer_of(small_bert());
  const std::vector<WordpieceCase> cases = {
      {"The cats sat.", {5, 6, 8, 7, 16}, "the cats sat."},
      {"Unbelievable!", {1, 18}, "!"},
      {"THE CAFÉ", {5, 22}, "the cafe"},
      {"Straße strasse STRASSE", {1, 23, 23}, "strasse strasse"},
      {"北京cat", {24, 25, 6}, "北 京 cat"},
      {"[MASK] the [CLS]", {4, 5, 2}, "the"},
      {"the\tcat\u00a0sat\u200b!", {5, 6, 7, 18}, "the cat sat!"},
      {std::string("a\0b \x01 \uFFFD", 9), {13, 15}, "ab"},
      {"2020 202 $2", {26, 27, 28, 27, 26, 27, 28, 29, 26}, "2020 202 $ 2"},
      {"don't", {21, 19, 20}, "don ' t"},
      {"", {}, ""},
      {"   ", {}, ""},
      {"[MASK]cat[mask]", {4, 6, 31, 1, 32}, "cat [ ]"},
      {"c\u0327afe\u0301 cafe\u0301", {22, 22}, "cafe cafe"},
      {"dog the", {1, 5}, "the"},
      {"the\u0085cat\u2028sat", {1, 7}, "sat"},  // U+0085 is a control character and no space
  };
  for (const WordpieceCase& expected : cases) {
    EXPECT_EQ(tokenizer->encode_plain(expected.text), expected.ids) << expected.text;
    EXPECT_EQ(tokenizer->decode(expected.ids, true), expected.decoded) << expected.text;
  }
}

TEST(WordPiece, CountsCharactersOfAWordNotBytes) {
  const auto tokenizer = tokenizer_of(small_bert());
  EXPECT_EQ(tokenizer->encode_plain("aaaaaaaaaa").size(), 10);
  EXPECT_EQ(tokenizer->encode_plain("aaaaaaaaaaa"), Ids{1});
  auto of_two_byte_letters = small_bert();
  of_two_byte_letters["model"]["vocab"]["я"] = 34;
  of_two_byte_letters["model"]["vocab"]["##я"] = 35;
  EXPECT_EQ(tokenizer_of(of_two_byte_letters)->encode_plain("яяяяяяяяяя").size(), 10);
  EXPECT_EQ(tokenizer_of(of_two_byte_letters)->encode_plain("яяяяяяяяяяя"), Ids{1});
}

TEST(WordPiece, GivesTheSameIdsFromItsCacheAsFromItsModel) {
  const auto tokenizer = tokenizer_of(small_bert());
  const std::string text = "the cats, unbelieved a2020! aabab sat";
  const Ids first = tokenizer->encode_plain(text);
  EXPECT_EQ(tokenizer->encode_plain(text), first);
  EXPECT_EQ(tokenizer_of(small_bert())->encode_plain(text), first);
}

TEST(WordPiece, ReadsMoreWordsThanFitInOneBatch) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "the cat ";
  const Ids ids = tokenizer_of(small_bert())->encode_plain(text);
  ASSERT_EQ(ids.size(), 6000);
  EXPECT_EQ(ids[5998], 5);
  EXPECT_EQ(ids[5999], 6);
}

TEST(BertNormalizer, KeepsCaseAndAccentsWhereTold) {
  auto cased = small_bert();
  cased["normalizer"]["lowercase"] = false;
  cased["model"]["vocab"]["É"] = 34;
  EXPECT_EQ(tokenizer_of(cased)->encode_plain("The É é the"), (Ids{1, 34, 1, 5}));
  cased["normalizer"]["strip_accents"] = true;
  cased["model"]["vocab"]["E"] = 35;
  EXPECT_EQ(tokenizer_of(cased)->encode_plain("É"), Ids{35});
}

TEST(BertNormalizer, LeavesIdeographsTogetherWhereTold) {
  auto together = small_bert();
  together["normalizer"]["handle_chinese_chars"] = false;
  together["model"]["vocab"]["北京"] = 34;
  EXPECT_EQ(tokenizer_of(together)->encode_plain("北京"), Ids{34});
}

TEST(WordPieceDecoder, CleansUpEnglishTokenByToken) {
  const auto tokenizer = tokenizer_of(small_bert());
  EXPECT_EQ(tokenizer->decode(Ids{5, 17, 6, 30, 18}, false), "the, catn't!");
  EXPECT_EQ(tokenizer->decode(Ids{2, 8, 8, 3, 999, -1}, false), "[CLS]ss [SEP]");
  auto raw = small_bert();
  raw["decoder"]["cleanup"] = false;
  EXPECT_EQ(tokenizer_of(raw)->decode(Ids{5, 17, 6, 30, 18}, false), "the , cat n't !");
  raw["decoder"] = nullptr;
  EXPECT_EQ(tokenizer_of(raw)->decode(Ids{5, 8}, false), "the ##s");
}

}  // namespace
}  // namespace temper
