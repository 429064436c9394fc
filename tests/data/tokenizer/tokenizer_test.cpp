#include "data/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

using testing_support::added_token;
using testing_support::load_error;
using testing_support::small_bert;
using testing_support::small_roberta;
using testing_support::tokenizer_of;
using testing_support::TokenizerFileOnDisk;
using Ids = std::vector<std::int32_t>;
constexpr std::size_t kLong = 512;

TEST(Tokenizer, PutsSpecialTokensAroundATextAndCutsItFromTheRight) {
  const auto tokenizer = tokenizer_of(small_bert());
  EXPECT_EQ(tokenizer->encode("the cat sat.", kLong).ids, (Ids{2, 5, 6, 7, 16, 3}));
  EXPECT_EQ(tokenizer->encode("the cat sat.", 5).ids, (Ids{2, 5, 6, 7, 3}));
  EXPECT_EQ(tokenizer->encode("the cat sat.", 3).types, (Ids{0, 0, 0}));
  EXPECT_EQ(tokenizer->encode("the [MASK] sat.", 4).ids, (Ids{2, 5, 4, 3}));
  EXPECT_EQ(tokenizer->encode("the cat sat.", 2).ids, (Ids{2, 3}));
}

TEST(Tokenizer, RefusesALimitBelowItsSpecialTokens) {
  const auto tokenizer = tokenizer_of(small_bert());
  EXPECT_THROW(tokenizer->encode("the", 1), Error);
  EXPECT_THROW(tokenizer->encode_pair("the", "cat", 2), Error);
}

struct PairCase {
  std::size_t max_length;
  std::string first;
  std::string second;
  Ids ids;
  Ids types;
};

TEST(Tokenizer, CutsTheLongerOfAPairFirst) {
  const auto tokenizer = tokenizer_of(small_bert());
  const std::string three = "the cat sat";
  const std::string four = "a . , !";
  const std::string five = "a . , ! '";
  const std::string two = "the cat";
  const std::vector<PairCase> cases = {
      {3, three, four, {2, 3, 3}, {0, 0, 1}},
      {4, three, four, {2, 3, 13, 3}, {0, 0, 1, 1}},
      {4, five, two, {2, 13, 3, 3}, {0, 0, 0, 1}},
      {6, three, four, {2, 5, 3, 13, 16, 3}, {0, 0, 0, 1, 1, 1}},
      {6, five, two, {2, 13, 16, 3, 5, 3}, {0, 0, 0, 0, 1, 1}},
      {8, five, two, {2, 13, 16, 17, 3, 5, 6, 3}, {0, 0, 0, 0, 0, 1, 1, 1}},
      {9, three, four, {2, 5, 6, 7, 3, 13, 16, 17, 3}, {0, 0, 0, 0, 0, 1, 1, 1, 1}},
      {20, three, four, {2, 5, 6, 7, 3, 13, 16, 17, 18, 3}, {0, 0, 0, 0, 0, 1, 1, 1, 1, 1}},
  };
  for (const PairCase& expected : cases) {
    const Encoding encoding = tokenizer->encode_pair(expected.first, expected.second, expected.max_length);
    EXPECT_EQ(encoding.ids, expected.ids) << expected.max_length;
    EXPECT_EQ(encoding.types, expected.types) << expected.max_length;
  }
}

TEST(Tokenizer, ProcessesAsRobertaBertOrNotAtAll) {
  const Encoding roberta = tokenizer_of(small_roberta())->encode_pair("the", "ab", kLong);
  EXPECT_EQ(roberta.ids, (Ids{0, 120, 261, 2, 2, 263, 2}));
  EXPECT_EQ(roberta.types, Ids(7, 0));
  auto content = small_bert();
  content["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};
  const Encoding bert = tokenizer_of(content)->encode_pair("the", "a", kLong);
  EXPECT_EQ(bert.ids, (Ids{2, 5, 3, 13, 3}));
  EXPECT_EQ(bert.types, (Ids{0, 0, 0, 1, 1}));
  content["post_processor"] = nullptr;
  const Encoding bare = tokenizer_of(content)->encode_pair("the", "a", kLong);
  EXPECT_EQ(bare.ids, (Ids{5, 13}));
  EXPECT_EQ(bare.types, (Ids{0, 1}));
}

TEST(Tokenizer, ProcessesInASequence) {
  const nlohmann::json bert = {{"type", "BertProcessing"}, {"sep", {"a", 1}}, {"cls", {"b", 2}}};
  nlohmann::json roberta = bert;
  roberta["type"] = "RobertaProcessing";
  const nlohmann::json byte_level = {{"type", "ByteLevel"}};
  const nlohmann::json a = {{"SpecialToken", {{"id", "a"}, {"type_id", 1}}}};
  const nlohmann::json first = {{"Sequence", {{"id", "A"}, {"type_id", 3}}}};
  const nlohmann::json second = {{"Sequence", {{"id", "B"}, {"type_id", 4}}}};
  const nlohmann::json pieces = {{"type", "TemplateProcessing"},
                                 {"single", {a, first}},
                                 {"pair", {first, a, second}},
                                 {"special_tokens", {{"a", {{"id", "a"}, {"ids", {1, 2}}, {"tokens", {"a", "b"}}}}}}};
  const auto with = [](const nlohmann::json& processors) {
    return tokenizer_of(
        {{"model", {{"type", "WordLevel"}, {"vocab", {{"?", 0}, {"a", 1}, {"b", 2}}}, {"unk_token", "?"}}},
         {"post_processor", {{"type", "Sequence"}, {"processors", processors}}}});
  };
  auto tokenizer = with(nlohmann::json::array());
  EXPECT_EQ(tokenizer->encode_pair("x", "y", kLong).types, (Ids{0, 1}));
  tokenizer = with({byte_level, bert, roberta});
  EXPECT_EQ(tokenizer->encode("x", kLong).ids, (Ids{2, 2, 0, 1, 1}));
  EXPECT_EQ(tokenizer->encode_pair("x", "y", kLong).ids, (Ids{2, 2, 0, 1, 1, 1, 0, 1, 1}));
  EXPECT_EQ(tokenizer->encode_pair("x", "y", kLong).types, (Ids{0, 0, 0, 0, 0, 0, 0, 0, 0}));
  tokenizer = with({pieces, bert});
  EXPECT_EQ(tokenizer->encode("x", kLong).ids, (Ids{2, 1, 2, 1, 0, 1}));
  EXPECT_EQ(tokenizer->encode("x", kLong).types, (Ids{0, 1, 1, 0, 3, 1}));
  EXPECT_EQ(tokenizer->encode_pair("x", "y", kLong).ids, (Ids{2, 0, 1, 1, 2, 1, 0, 1}));
  EXPECT_THROW(with({pieces, pieces}), Error);
}

TEST(Tokenizer, KeepsTheLimitWhereATemplateRepeatsAText) {
  const auto sequence = [](const char* id) { return nlohmann::json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
  auto content = small_bert();
  content["post_processor"] = {{"type", "TemplateProcessing"},
                               {"single", {sequence("A"), sequence("A")}},
                               {"pair", {sequence("A"), sequence("B"), sequence("A")}},
                               {"special_tokens", nlohmann::json::object()}};
  const auto tokenizer = tokenizer_of(content);
  EXPECT_EQ(tokenizer->encode("the cat sat", kLong).ids, (Ids{5, 6, 7, 5, 6, 7}));
  EXPECT_EQ(tokenizer->encode("the cat sat", 5).ids, (Ids{5, 6, 5, 6}));
  EXPECT_EQ(tokenizer->with_special_tokens(Ids{5, 6, 7}, 5).ids, (Ids{5, 6, 5, 6}));
  EXPECT_EQ(tokenizer->encode_pair("the", "cat sat", 4).ids, (Ids{5, 6, 7, 5}));
  EXPECT_EQ(tokenizer->encode_pair("the cat sat", "a . ,", 4).ids, (Ids{5, 13, 5}));
}

TEST(Tokenizer, KnowsItsVocabulary) {
  const TokenizerFileOnDisk file(small_roberta().dump());
  const auto tokenizer = Tokenizer::load(file.path());
  EXPECT_EQ(tokenizer->vocabulary_size(), 269);
  EXPECT_EQ(tokenizer->id_of("Ġthe"), 262);
  EXPECT_EQ(tokenizer->id_of("<mask>"), 268);
  EXPECT_EQ(tokenizer->id_of("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer->token(262), "Ġthe");
  EXPECT_EQ(tokenizer->token(268), "<mask>");
  EXPECT_EQ(tokenizer->token(269), "");
  EXPECT_TRUE(tokenizer->is_special(268));
  EXPECT_FALSE(tokenizer->is_special(262));
  EXPECT_EQ(tokenizer->digest(), sha256_hex(std::string_view(small_roberta().dump())));
}

TEST(AddedTokens, AreFoundAsTheirOptionsSay) {
  auto content = small_bert();
  auto mask = added_token("<mask>", 34, true);
  mask["lstrip"] = true;
  auto word = added_token("Cat", 35, false);  // is normalised, so it is found in any case
  word["single_word"] = true;
  auto right = added_token("<x>", 36, false);
  right["normalized"] = false;
  right["rstrip"] = true;
  content["added_tokens"].push_back(mask);
  content["added_tokens"].push_back(word);
  content["added_tokens"].push_back(right);
  content["added_tokens"].push_back(added_token("<x>y", 37, true));
  content["pre_tokenizer"] = nullptr;  // so that spaces show
  const auto tokenizer = tokenizer_of(content);
  EXPECT_EQ(tokenizer->vocabulary_size(), 38);
  EXPECT_EQ(tokenizer->encode_plain("the \u3000<mask>the"), (Ids{5, 34, 5}));
  EXPECT_EQ(tokenizer->encode_plain("the<mask> the"), (Ids{5, 34, 1}));
  EXPECT_EQ(tokenizer->encode_plain("CÁT"), Ids{35});
  EXPECT_EQ(tokenizer->encode_plain("the.cat!"), (Ids{1, 35, 18}));
  EXPECT_EQ(tokenizer->encode_plain("cats"), (Ids{6, 8}));
  EXPECT_EQ(tokenizer->encode_plain("<x> \t the<X>"), (Ids{36, 1}));
  EXPECT_EQ(tokenizer->encode_plain("<x>y<x>the"), (Ids{37, 36, 5}));  // the longest counts
  EXPECT_EQ(tokenizer->decode(Ids{34, 35, 36, 37}, true), "cat <x>");
}

TEST(AddedTokens, HaveTheOptionsThatComeLast) {
  auto content = small_bert();
  nlohmann::json plain = added_token("CAT", 34, false);
  plain["normalized"] = false;
  nlohmann::json special = added_token("CAT", 34, true);
  special["normalized"] = true;
  content["added_tokens"].push_back(special);
  content["added_tokens"].push_back(plain);
  const auto tokenizer = tokenizer_of(content);
  // In the normalised text it would be found as "cat", and cat is a word of the model.
  EXPECT_EQ(tokenizer->encode_plain("CAT cat"), (Ids{34, 6}));
  EXPECT_TRUE(tokenizer->is_special(34));
}

TEST(AddedTokens, DoNotTakeWhiteSpaceTwice) {
  auto content = small_bert();
  nlohmann::json spaces = added_token("  ", 34, false);
  spaces["lstrip"] = true;
  spaces["rstrip"] = true;
  spaces["normalized"] = false;
  content["added_tokens"].push_back(spaces);
  EXPECT_EQ(tokenizer_of(content)->encode_plain("a        cat"), (Ids{13, 34, 6}));
}

TEST(AddedTokens, AreNumberedAfterTheModel) {
  auto content = small_bert();
  content["added_tokens"].push_back(added_token("<new>", 99, true));
  const auto tokenizer = tokenizer_of(content);
  EXPECT_EQ(tokenizer->id_of("<new>"), 34);
  EXPECT_EQ(tokenizer->vocabulary_size(), 35);
}

TEST(Tokenizer, SharesItselfAmongThreads) {
  const auto tokenizer = tokenizer_of(small_roberta());
  const std::string text = "the abab <mask> ba don't é the";
  const Ids expected = tokenizer->encode_plain(text);
  std::vector<std::thread> threads;
  std::vector<int> differing(4, 0);
  threads.reserve(differing.size());
  for (int& count : differing)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += tokenizer->encode_plain(text) == expected ? 0 : 1;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(differing, std::vector<int>(4, 0));
}

std::string encode_error(std::string_view text) {
  try {
    tokenizer_of(small_bert())->encode(text, kLong);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(Tokenizer, NamesTheByteThatIsNotUtf8) {
  EXPECT_NE(encode_error("the cat \xFF sat").find("byte 0xFF at offset 8"), std::string::npos);
  EXPECT_NE(encode_error("the \xC0\xAF").find("offset 4"), std::string::npos);           // overlong
  EXPECT_NE(encode_error("\xED\xA0\x80").find("offset 0"), std::string::npos);           // surrogate
  EXPECT_NE(encode_error("é\xF4\x90\x80\x80").find("offset 2"), std::string::npos);      // above U+10FFFF
  EXPECT_NE(encode_error("twelve bytes\xE2\x82").find("offset 12"), std::string::npos);  // cut off
  EXPECT_EQ(encode_error("\xF0\x9F\x98\x80"), "");
}

/// Whether loading fails with a message that holds all the parts.
void expect_load_error(const nlohmann::json& content, const std::vector<std::string>& parts) {
  const std::string message = load_error(content.dump());
  for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(TokenizerErrors, NameWhatIsNotSupportedAndWhatIs) {
  auto content = small_bert();
  content["normalizer"]["type"] = "NFE";
  expect_load_error(content, {"normalizer", "\"NFE\"", "supported: BertNormalizer"});
  content = small_bert();
  content["pre_tokenizer"]["type"] = "Syllables";
  expect_load_error(content, {"pre_tokenizer", "\"Syllables\"", "BertPreTokenizer, ByteLevel"});
  content = small_bert();
  content["model"]["type"] = "Morphemes";
  expect_load_error(content, {"model", "\"Morphemes\"", "WordPiece, BPE"});
  content = small_bert();
  content["post_processor"]["type"] = "Template";
  expect_load_error(content, {"post_processor", "\"Template\"", "RobertaProcessing"});
  content = small_bert();
  content["decoder"]["type"] = "Fused";
  expect_load_error(content, {"decoder", "\"Fused\"", "WordPiece, ByteLevel"});
}

TEST(TokenizerErrors, RefuseWhatLiesTooDeep) {
  EXPECT_NE(load_error(std::string(100000, '[')).find("more than 100 deep"), std::string::npos);
}

TEST(TokenizerErrors, NameThePlaceOfAMistake) {
  auto content = small_bert();
  content["model"]["vocab"]["cat"] = -4;
  expect_load_error(content, {"model.vocab[\"cat\"]", "found -4"});
  content["model"]["vocab"]["cat"] = 1e12;
  expect_load_error(content, {"model.vocab[\"cat\"]"});
  content = small_bert();
  content["model"]["unk_token"] = "<none>";
  expect_load_error(content, {"model.unk_token", "<none>"});
  content = small_bert();
  content["model"].erase("vocab");
  expect_load_error(content, {"model.vocab", "missing"});
  content = small_bert();
  content["normalizer"]["lowercase"] = "yes";
  expect_load_error(content, {"normalizer.lowercase", "found \"yes\"", "expected true or false"});
  content = small_bert();
  content["post_processor"]["special_tokens"]["[SEP]"]["ids"] = {9999};
  expect_load_error(content, {"post_processor.special_tokens.[SEP].ids[0]", "found 9999", "from 0 to 33"});
  content = small_bert();
  content["added_tokens"][1].erase("content");
  expect_load_error(content, {"added_tokens[1].content", "missing"});
  content = small_roberta();
  content["model"]["merges"][2] = {"q", "qq"};
  expect_load_error(content, {"model.merges[2]", "\"qq\" is not in model.vocab"});
  content["model"]["merges"][2] = {"a", "b", "c"};
  expect_load_error(content, {"model.merges[2]", "3 parts"});
  content["model"]["merges"][2] = "ab";
  expect_load_error(content, {"model.merges[2]", "found \"ab\""});
  content["model"]["merges"][2] = 7;
  expect_load_error(content, {"model.merges[2]", "found 7"});
  EXPECT_NE(load_error("{\"model\": {\"vocab\": {\"a\": 0,").find("not valid JSON at byte"), std::string::npos);
  EXPECT_NE(load_error("[1, 2]").find("found [1,2], expected an object"), std::string::npos);
  EXPECT_NE(load_error("{}").find("model is missing"), std::string::npos);
  EXPECT_THROW(Tokenizer::load("no/such/tokenizer.json"), Error);
}

}  // namespace
}  // namespace temper
