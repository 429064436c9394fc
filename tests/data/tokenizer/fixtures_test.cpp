// Tokenizers as published models have them, and every part in its forms, against what Hugging Face tokenizers gives.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "tests/shared_data.h"

namespace temper {
namespace {

using Ids = std::vector<std::int32_t>;
constexpr std::size_t kNoLimit = 1000000;

class TokenizerFixtures : public ::testing::TestWithParam<const char*> {};

template <typename Check>
int for_each_line(const std::filesystem::path& path, Check check) {
  std::ifstream lines(path);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) check(nlohmann::json::parse(line));
  return count;
}

TEST_P(TokenizerFixtures, GiveTheIdsAndTextsOfTheReference) {
  TEMPER_REQUIRE_SHARED(directory, std::string("fixtures/tokenizers/") + GetParam());
  const auto tokenizer = Tokenizer::load(directory / "tokenizer.json");
  const int cases = for_each_line(directory / "cases.jsonl", [&](const nlohmann::json& expected) {
    const auto text = expected["text"].get<std::string>();
    const auto plain = expected["ids_without_special_tokens"].get<Ids>();
    EXPECT_EQ(tokenizer->encode(text, kNoLimit).ids, expected["ids"].get<Ids>()) << text;
    EXPECT_EQ(tokenizer->encode_plain(text), plain) << text;
    EXPECT_EQ(tokenizer->decode(plain, true), expected["decoded"].get<std::string>());
  });
  EXPECT_GT(cases, 100);
  for_each_line(directory / "pairs.jsonl", [&](const nlohmann::json& expected) {
    const Encoding encoding =
        tokenizer->encode_pair(expected["first"].get<std::string>(), expected["second"].get<std::string>(), kNoLimit);
    EXPECT_EQ(encoding.ids, expected["ids"].get<Ids>()) << expected["first"];
    EXPECT_EQ(encoding.types, expected["type_ids"].get<Ids>()) << expected["first"];
  });
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerFixtures,
                         ::testing::Values("added-tokens", "albert-unigram", "bert-wordpiece", "bpe-continuing-prefix",
                                           "bpe-fused-unknown", "bpe-ignore-merges", "bpe-old-merges", "clip-bpe",
                                           "deberta-v3-unigram", "deepseek-byte-level-bpe", "gemma-bpe",
                                           "gpt-neox-byte-level-bpe", "gpt2-byte-level-bpe", "llama2-byte-fallback-bpe",
                                           "llama3-byte-level-bpe", "o200k-byte-level-bpe", "qwen2-byte-level-bpe",
                                           "roberta-byte-level-bpe", "sequence-post-sections", "smollm2-byte-level-bpe",
                                           "template-many-specials", "unigram-byte-fallback", "unigram-metaspace",
                                           "unigram-old-metaspace", "wordlevel", "wordpiece-cased",
                                           "xlm-roberta-unigram"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           for (char& c : name)
                             if (c == '-') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace temper
