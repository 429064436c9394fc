#include "data/tokenizer/ggml_vocabulary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/tokenizer/tokenizer_export.h"

namespace temper {
namespace {

using Ids = std::vector<std::int32_t>;

/// Like the fixtures' files: BPE over bytes, digits apart.
GgmlVocabulary small_byte_level() {
  GgmlVocabulary vocabulary;
  vocabulary.place = "tiny.gguf";
  vocabulary.model = "gpt2";
  vocabulary.pre = "smollm";
  vocabulary.tokens = {"<|end|>", "<|start|>", "t", "h", "e", "a", "1", "2", "\u0120", "\u0120a", "th", "the"};
  vocabulary.types = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  vocabulary.merges = {"t h", "th e", "\u0120 a"};
  vocabulary.bos = 1;
  vocabulary.eos = 0;
  return vocabulary;
}

GgmlVocabulary small_sentence_piece() {
  GgmlVocabulary vocabulary;
  vocabulary.place = "tiny.gguf";
  vocabulary.model = "llama";
  vocabulary.tokens = {"<unk>", "<s>", "</s>", "<0x21>", "\u2581", "a", "b", "ab", "\u2581a", "\u2581ab"};
  vocabulary.types = {2, 3, 3, 6, 1, 1, 1, 1, 1, 1};
  vocabulary.scores = {0, 0, 0, 0, -100, -101, -102, -1, -3, -2};
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  return vocabulary;
}

std::unique_ptr<Tokenizer> tokenizer_of_vocabulary(const GgmlVocabulary& vocabulary) {
  return Tokenizer::from_file(tokenizer_folder_of(vocabulary).file);
}

std::string refusal_of(const GgmlVocabulary& vocabulary) {
  try {
    tokenizer_of_vocabulary(vocabulary);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(GgmlVocabulary, ByteLevelCutsDigitsApartWhereThePreTokenizerSaysSo) {
  const auto tokenizer = tokenizer_of_vocabulary(small_byte_level());
  EXPECT_EQ(tokenizer->encode_plain("the a12<|end|>"), (Ids{11, 9, 6, 7, 0}));
  EXPECT_EQ(tokenizer->encode("the", 10).ids, (Ids{11}));
  EXPECT_EQ(tokenizer->decode(Ids{11, 9, 6, 0}, true), "the a1");
  GgmlVocabulary merged = small_byte_level();
  merged.tokens.emplace_back("12");
  merged.types.push_back(1);
  merged.merges.emplace_back("1 2");
  EXPECT_EQ(tokenizer_of_vocabulary(merged)->encode_plain("12"), (Ids{6, 7}));
  merged.pre = "gpt-2";
  EXPECT_EQ(tokenizer_of_vocabulary(merged)->encode_plain("12"), (Ids{12}));
}

TEST(GgmlVocabulary, SpecialTokensStandWhereTheFlagsPutThem) {
  GgmlVocabulary vocabulary = small_byte_level();
  vocabulary.add_bos = true;
  vocabulary.add_eos = true;
  EXPECT_EQ(tokenizer_of_vocabulary(vocabulary)->encode("the", 10).ids, (Ids{1, 11, 0}));
  vocabulary.add_bos.reset();
  vocabulary.add_eos.reset();
  vocabulary.pre = "llama-bpe";  // which has one at the beginning unless the file says otherwise
  EXPECT_EQ(tokenizer_of_vocabulary(vocabulary)->encode("the", 10).ids, (Ids{1, 11}));
}

TEST(GgmlVocabulary, SentencePieceMergesByScoreAndFallsBackToBytes) {
  const auto tokenizer = tokenizer_of_vocabulary(small_sentence_piece());
  EXPECT_EQ(tokenizer->encode("ab", 10).ids, (Ids{1, 9}));
  EXPECT_EQ(tokenizer->encode_plain("ab a!"), (Ids{9, 8, 3}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 9, 8, 3}, true), "ab a!");
  GgmlVocabulary vocabulary = small_sentence_piece();
  vocabulary.add_space_prefix = false;
  vocabulary.add_bos = false;
  EXPECT_EQ(tokenizer_of_vocabulary(vocabulary)->encode("ab", 10).ids, (Ids{7}));
}

/// What no merge makes is found in texts as it stands, and nowhere else.
TEST(GgmlVocabulary, TokensOfTheUserWithoutARankAreNotMadeOfOthers) {
  GgmlVocabulary vocabulary = small_sentence_piece();
  vocabulary.add_space_prefix = false;
  vocabulary.tokens.emplace_back("ba");
  vocabulary.types.push_back(static_cast<std::int32_t>(GgmlTokenType::user_defined));
  vocabulary.scores.push_back(-102);
  EXPECT_EQ(tokenizer_of_vocabulary(vocabulary)->encode_plain("bba"), (Ids{6, 10})) << "as it stands";
  vocabulary.tokens.back() = "\u2581\u2581";
  EXPECT_EQ(tokenizer_of_vocabulary(vocabulary)->encode_plain("  "), (Ids{4, 4}));
  vocabulary.scores.back() = -50;
  EXPECT_EQ(tokenizer_of_vocabulary(vocabulary)->encode_plain("  "), (Ids{10})) << "made by a merge";
}

TEST(GgmlVocabulary, ExportGivesTheVocabularyBack) {
  for (GgmlVocabulary vocabulary : {small_byte_level(), small_sentence_piece()}) {
    vocabulary.chat_template = "{{ messages }}";
    const TokenizerFolder folder = tokenizer_folder_of(vocabulary);
    const auto tokenizer = tokenizer_of_vocabulary(vocabulary);
    const auto rows = static_cast<std::int64_t>(vocabulary.tokens.size());
    const GgmlVocabulary exported = ggml_vocabulary_of(folder, *tokenizer, rows + 2);
    EXPECT_EQ(exported.model, vocabulary.model);
    EXPECT_EQ(exported.merges, vocabulary.merges);
    EXPECT_EQ(exported.chat_template, "{{ messages }}");
    EXPECT_EQ(exported.bos, vocabulary.bos);
    EXPECT_EQ(exported.eos, vocabulary.eos);
    ASSERT_EQ(exported.tokens.size(), vocabulary.tokens.size() + 2);
    EXPECT_TRUE(std::equal(vocabulary.tokens.begin(), vocabulary.tokens.end(), exported.tokens.begin()));
    EXPECT_TRUE(std::equal(vocabulary.types.begin(), vocabulary.types.end(), exported.types.begin()));
    EXPECT_EQ(exported.types.back(), 5);
    const auto again = tokenizer_of_vocabulary(exported);
    const std::vector<const char*> texts = vocabulary.model == "llama"
                                               ? std::vector<const char*>{"ab a!", "aab abb"}
                                               : std::vector<const char*>{"the a12<|end|>", "2 the"};
    for (const char* text : texts) EXPECT_EQ(again->encode(text, 100).ids, tokenizer->encode(text, 100).ids) << text;
  }
}

/// Behind each document of running text.
TEST(GgmlVocabulary, SaysWhatEndsAText) {
  GgmlVocabulary vocabulary = small_byte_level();
  EXPECT_EQ(tokenizer_of_vocabulary(vocabulary)->end_token(), "<|end|>");
  vocabulary.eos.reset();
  EXPECT_EQ(tokenizer_of_vocabulary(vocabulary)->end_token(), "");
}

/// A folder for transformers is made of it as well.
TEST(GgmlVocabulary, TokenizerJsonTokenisesAlike) {
  const GgmlVocabulary vocabulary = small_byte_level();
  const auto tokenizer = tokenizer_of_vocabulary(vocabulary);
  const auto files = tokenizer_files(tokenizer_folder_of(vocabulary), *tokenizer);
  const auto document = nlohmann::json::parse(files.at("tokenizer.json"));
  EXPECT_EQ(document["model"]["vocab"]["the"], 11);
  EXPECT_EQ(document["added_tokens"][1]["content"], "<|start|>");
  const auto config = nlohmann::json::parse(files.at("tokenizer_config.json"));
  EXPECT_EQ(config["eos_token"], "<|end|>");
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
}

TEST(GgmlVocabulary, MistakesAreNamed) {
  GgmlVocabulary vocabulary = small_byte_level();
  vocabulary.types.pop_back();
  EXPECT_NE(refusal_of(vocabulary).find("token_type has 11 elements"), std::string::npos);
  vocabulary = small_byte_level();
  vocabulary.eos = 4096;
  EXPECT_NE(refusal_of(vocabulary).find("eos_token_id is 4096"), std::string::npos);
  vocabulary = small_byte_level();
  vocabulary.merges.emplace_back("x y z");
  EXPECT_NE(refusal_of(vocabulary).find("merge 3"), std::string::npos);
  vocabulary = small_byte_level();
  vocabulary.pre = "of-tomorrow";
  EXPECT_NE(refusal_of(vocabulary).find("of-tomorrow"), std::string::npos);
  vocabulary = small_byte_level();
  vocabulary.model = "t5";
  EXPECT_NE(refusal_of(vocabulary).find("t5"), std::string::npos);
  vocabulary = small_byte_level();
  vocabulary.tokens[2] = "\xff";
  EXPECT_NE(refusal_of(vocabulary).find("token 2"), std::string::npos);
  vocabulary = small_sentence_piece();
  vocabulary.scores.clear();
  EXPECT_NE(refusal_of(vocabulary).find("scores is missing"), std::string::npos);
}

}  // namespace
}  // namespace temper
