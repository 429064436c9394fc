// What the tokenizers library (0.23.3) makes of the same texts stands here in letters.
#include "data/tokenizer/byte_pair_training.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/trained_tokenizer.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using Merges = std::vector<std::string>;

const std::vector<std::string> kTexts = {"low lower lowest\n",    "new newer newest, new!\n", "\n",
                                         " wide wider  widest\n", "it's naïve: naïve\n",      "aaaa aaa aab aab\n"};
const Merges kMerges = {"a a",   "Ġ n",    "e w",     "d e",      "i de",     "l o",      "s t",     "w ide",
                        "Ġ aa",  "Ġ wide", "Ġn ew",   "lo w",     "a Ã",      "e r",      "e st",    "v e",
                        "¯ ve",  "Ġ low",  "Ġn aÃ",   "Ġaa b",    "ĠnaÃ ¯ve", "' s",      "i t",     "n ew",
                        "aa aa", "Ġaa a",  "Ġwide r", "Ġwide st", "Ġnew er",  "Ġnew est", "Ġlow er", "Ġlow est"};

WordCounts count(const std::vector<std::string>& texts, const WordSplit& split = {}) {
  const std::unique_ptr<PreTokenizer> words = make_word_split(split);
  WordCounts counts;
  std::vector<std::string_view> found;
  std::string buffer;
  for (const std::string& text : texts) {
    const std::string_view prepared = words->prepare(text, true, buffer);
    found.reserve(prepared.size() + 1);
    for (std::size_t at = 0; at < prepared.size();) {
      at = words->next_words(prepared, at, found);
      for (const std::string_view word : found) counts.add(word);
    }
  }
  return counts;
}

BytePairs learn(const std::vector<std::string>& texts, const BytePairSettings& settings, const WordSplit& split = {}) {
  const WordCounts counts = count(texts, split);
  return learn_byte_pairs(counts.sorted(), settings);
}

Merges merges_of(const BytePairs& pairs) {
  Merges merges;
  for (const auto& [first, second] : pairs.merges) merges.push_back(pairs.tokens[first] + " " + pairs.tokens[second]);
  return merges;
}

BytePairSettings asking_for(std::int64_t vocabulary, std::vector<std::string> special, bool all_bytes) {
  BytePairSettings settings;
  settings.vocabulary = vocabulary;
  settings.special_tokens = std::move(special);
  settings.all_bytes = all_bytes;
  return settings;
}

TEST(BytePairTraining, MergesAreThoseOfTheLibrary) {
  const BytePairs pairs = learn(kTexts, asking_for(290, {"<|endoftext|>"}, true));
  EXPECT_EQ(merges_of(pairs), kMerges);
  EXPECT_EQ(pairs.tokens.size(), 289U);
  EXPECT_EQ(pairs.tokens[0], "<|endoftext|>");
  EXPECT_EQ(pairs.tokens[1], "!");
  EXPECT_EQ(pairs.tokens[65], "a");
  EXPECT_EQ(pairs.tokens[288], "Ġlowest");
}

TEST(BytePairTraining, VocabularyEndsTheMerges) {
  const BytePairs pairs = learn(kTexts, asking_for(267, {"<|endoftext|>"}, true));
  EXPECT_EQ(merges_of(pairs), Merges(kMerges.begin(), kMerges.begin() + 10));
  EXPECT_EQ(pairs.tokens.size(), 267U);
}

TEST(BytePairTraining, RarePairsAreNotMerged) {
  BytePairSettings settings = asking_for(60, {"<s>", "lowe"}, false);
  settings.min_frequency = 2;
  const BytePairs pairs = learn(kTexts, settings);
  EXPECT_EQ(merges_of(pairs), Merges(kMerges.begin(), kMerges.begin() + 21));
  EXPECT_EQ(pairs.tokens.size(), 44U);
}

TEST(BytePairTraining, AlphabetOfTheTextsIsInTheOrderOfItsCharacters) {
  const BytePairs pairs = learn(kTexts, asking_for(21, {}, false));
  const std::vector<std::string> expected = {"!", "'", ",", ":", "a", "b", "d", "e", "i", "l", "n",
                                             "o", "r", "s", "t", "v", "w", "¯", "Ã", "Ċ", "Ġ"};
  EXPECT_EQ(pairs.tokens, expected);
}

TEST(BytePairTraining, MergeThatMakesASpecialTokenKeepsItsId) {
  const BytePairs pairs = learn(kTexts, asking_for(40, {"<s>", "low", "aaaa"}, false));
  // Its id is low, so pairs with it come before others that are as frequent.
  Merges expected(kMerges.begin(), kMerges.begin() + 12);
  for (const char* merge : {"low e", "a Ã", "v e", "¯ ve", "Ġ lowe"}) expected.emplace_back(merge);
  EXPECT_EQ(merges_of(pairs), expected);
  EXPECT_EQ(pairs.tokens.size(), 40U);
  EXPECT_EQ(std::count(pairs.tokens.begin(), pairs.tokens.end(), "low"), 1);
}

TEST(BytePairTraining, SpaceIsPutBeforeTexts) {
  const BytePairs pairs = learn({"ab cd", "ab cd"}, asking_for(300, {}, true), {"gpt2", true});
  EXPECT_EQ(merges_of(pairs), (Merges{"a b", "c d", "Ġ ab", "Ġ cd"}));
}

TEST(BytePairTraining, NeitherOrderNorSharingOfTheCountingMatters) {
  WordCounts backwards = count({kTexts.rbegin(), kTexts.rend()});
  WordCounts parts = count({kTexts.begin(), kTexts.begin() + 2});
  parts.add_all(count({kTexts.begin() + 2, kTexts.end()}));
  const BytePairSettings settings = asking_for(290, {"<|endoftext|>"}, true);
  EXPECT_EQ(merges_of(learn_byte_pairs(backwards.sorted(), settings)), kMerges);
  EXPECT_EQ(merges_of(learn_byte_pairs(parts.sorted(), settings)), kMerges);
}

TEST(BytePairTraining, CountsSurviveGrowing) {
  WordCounts counts;
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 20000; ++i) counts.add("w" + std::to_string(i), i + 1);
  ASSERT_EQ(counts.size(), 20000U);
  for (const CountedWord& word : counts.sorted())
    EXPECT_EQ(word.count, 3 * (std::stoll(std::string(word.word.substr(1))) + 1));
}

TEST(BytePairTraining, VocabularyBelowTheAlphabetIsRefused) {
  const std::string error = testing_support::error_of([] { learn(kTexts, asking_for(256, {"<|endoftext|>"}, true)); });
  EXPECT_HAS(error, "a vocabulary of 256 is too small: 1 special token and 256 bytes of the alphabet make 257");
}

TEST(TrainedTokenizer, ReadsBackAndCutsTextsAsTheLibraryDoes) {
  const BytePairSettings settings = asking_for(290, {"<|endoftext|>"}, true);
  const WordSplit split;
  const TrainedTokenizerFiles files =
      trained_tokenizer_files(learn(kTexts, settings), settings, split, {{"eos_token", "<|endoftext|>"}});
  const testing_support::TemporaryFolder folder;
  const std::unique_ptr<Tokenizer> tokenizer = Tokenizer::load(folder.file("tokenizer.json", files.tokenizer_json));
  EXPECT_EQ(tokenizer->encode_plain("lower newest\n<|endoftext|>"), (std::vector<std::int32_t>{268, 270, 286, 199, 0}));
  const std::string text = "\xF0\x9F\x98\x80 lowest\t...";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode_plain(text), false), text);
  EXPECT_EQ(tokenizer->vocabulary_size(), 289);
  EXPECT_TRUE(tokenizer->is_special(0));
  EXPECT_HAS(files.tokenizer_config_json, "\"eos_token\": \"<|endoftext|>\"");
}

TEST(TrainedTokenizer, EveryRuleOfSplittingReadsBack) {
  for (const std::string& rule : word_split_rules()) {
    const BytePairSettings settings = asking_for(280, {}, true);
    const BytePairs pairs = learn(kTexts, settings, {rule, false});
    const testing_support::TemporaryFolder folder;
    const TrainedTokenizerFiles files = trained_tokenizer_files(pairs, settings, {rule, false}, {});
    const std::unique_ptr<Tokenizer> tokenizer = Tokenizer::load(folder.file("tokenizer.json", files.tokenizer_json));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode_plain(kTexts[1]), false), kTexts[1]) << rule;
  }
  EXPECT_HAS(testing_support::error_of([] {
               make_word_split({"gpt3", false});
             }),
             "expected one of gpt2, llama3, qwen2");
}

}  // namespace
}  // namespace temper
