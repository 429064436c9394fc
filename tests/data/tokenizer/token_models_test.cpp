// The ids that each kind of model gives a text taken as one word, as Hugging Face tokenizers 0.23.3 gives them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "data/tokenizer/score_number.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

using testing_support::tokenizer_of;

struct TokenModelCase {
  std::string_view model;
  std::string text;
  std::vector<std::int32_t> ids;
};

const TokenModelCase kTokenModelCases[] = {
    // clang-format off
    {R"({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": {"a": 0, "b": 1, "ab": 2, "▁": 3}, "merges": [["a", "b"]]})", "ab\xE2\x96\x81xab", {2, 3, 2}},
    {R"({"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]]})", "xyabzz", {0, 0, 3, 0, 0}},
    {R"({"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": false, "ignore_merges": false, "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]]})", "xyabzz", {0, 3, 0}},
    {R"({"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false, "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "<0xC3>": 4, "<0xA9>": 5}, "merges": [["a", "b"]]})", "\xC3\xA9""abx\xC3\xA9y", {4, 5, 3, 4, 5, 0}},
    {R"({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "##", "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": {"a": 0, "##a": 1, "##b": 2, "ab": 3, "##bb": 4, "abb": 5, "b": 6}, "merges": [["a", "##b"], ["##b", "##b"], ["ab", "##b"]]})", "abba", {5, 1}},
    {R"({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": {"a": 0, "b": 1, "a</w>": 2, "b</w>": 3, "ab</w>": 4, "aab</w>": 5}, "merges": [["a", "b</w>"], ["a", "ab</w>"]]})", "aabab", {0, 0, 1, 4}},
    {R"({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true, "vocab": {"a": 0, "b": 1, "c": 2, "abc": 3}, "merges": []})", "abc", {3}},
    {R"({"type": "BPE", "dropout": 0.0, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["#version: 0.2", "a b"]})", "abab", {2, 2}},
    {R"({"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": [["<unk>", 0.0], ["a", -1.0], ["b", -2.0], ["ab", -2.5], ["abb", -4.6], ["bb", -3.0]]})", "abbbxyab<unk>a", {3, 5, 0, 3, 0, 1}},
    {R"({"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": [["<unk>", 0.0], ["<0xC3>", 0.0], ["<0xA9>", 0.0], ["a", -1.5], ["xx", -9.0]]})", "\xC3\xA9""a\xC3\xA9xxx", {1, 2, 3, 0, 4}},
    {R"({"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": [["<unk>", 0.0], ["      ", -7.006113246115455], [" ", -3], ["x", -1.5]]})", "x                 ", {3, 2, 2, 2, 2, 2, 1, 1}},
    {R"({"type": "WordLevel", "vocab": {"<unk>": 0, "ab": 1, "x": 2}, "unk_token": "<unk>"})", "ab", {1}},
    {R"({"type": "WordLevel", "vocab": {"<unk>": 0, "ab": 1, "x": 2}, "unk_token": "<unk>"})", "abx", {0}},
    // clang-format on
};

TEST(TokenModels, GiveTheIdsThatTheReferenceGives) {
  for (const TokenModelCase& c : kTokenModelCases) {
    const auto tokenizer = tokenizer_of({{"model", nlohmann::json::parse(c.model)}});
    EXPECT_EQ(tokenizer->encode_plain(c.text), c.ids) << c.model;
  }
}

TEST(TokenModels, WholeTextsAreCutOnlyWhereNoMergeReaches) {
  struct CutCase {
    std::vector<std::pair<std::string, std::string>> merges;
    std::vector<std::int32_t> ids;  // of the tokenizers library (0.23.3)
  };
  const std::vector<CutCase> cases = {
      {{{"t", "h"}, {"th", "e"}, {"▁", "the"}, {"▁", "▁"}, {"▁", "b"}},
       {9, 12, 2, 6, 11, 2, 6, 10, 1, 6, 2, 3, 7, 10, 1, 0, 10, 12, 2, 8}},
      {{{"t", "h"}, {"th", "e"}, {"e", "▁"}, {"▁", "the"}, {"▁", "▁"}, {"▁", "b"}},
       {9, 13, 2, 6, 12, 2, 6, 11, 1, 6, 2, 3, 7, 11, 1, 0, 11, 13, 2, 8}},
      {{{"t", "h"}, {"th", "e"}, {"<unk>", "▁"}, {"▁", "b"}},
       {9, 11, 2, 6, 1, 1, 2, 6, 1, 9, 1, 6, 2, 3, 7, 1, 9, 1, 10, 9, 11, 2, 8}},
  };
  for (const CutCase& c : cases) {
    nlohmann::json vocabulary = nlohmann::json::object();
    for (const char* character : {"<unk>", "▁", "a", "b", "e", "h", "t", "."})
      vocabulary.emplace(character, vocabulary.size());
    nlohmann::json merges = nlohmann::json::array();
    for (const auto& [first, second] : c.merges) {
      merges.push_back({first, second});
      vocabulary.emplace(first + second, vocabulary.size());
    }
    const auto tokenizer =
        tokenizer_of({{"normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}},
                      {"model",
                       {{"type", "BPE"},
                        {"unk_token", "<unk>"},
                        {"fuse_unk", true},
                        {"byte_fallback", false},
                        {"vocab", vocabulary},
                        {"merges", merges}}}});
    EXPECT_EQ(tokenizer->encode_plain("the bat  at the tab. the ééé the bath"), c.ids);
  }
}

TEST(TokenModels, NameWhatTheyDoNotKnow) {
  const auto message = [](const nlohmann::json& model, std::string_view text) -> std::string {
    try {
      tokenizer_of({{"model", model}})->encode_plain(text);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  const auto says = [&](const nlohmann::json& model, std::string_view text) {
    EXPECT_NE(message(model, "xa").find(text), std::string::npos) << message(model, "xa");
  };
  const nlohmann::json scored = nlohmann::json::array({{"a", -1.0}, {"b", -2.0}});
  nlohmann::json broken = scored;
  broken[1] = nlohmann::json::array({"b"});
  says({{"type", "WordLevel"}, {"vocab", {{"a", 0}}}, {"unk_token", "?"}}, "model.unk_token: found \"?\"");
  says({{"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", nlohmann::json::array()}, {"unk_token", "?"}},
       "which is not in model.vocab, but \"xa\" has characters without a token");
  says({{"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", nlohmann::json::array()}, {"dropout", 0.1}},
       "model.dropout: found 0.1, expected null or 0");
  says({{"type", "Unigram"}, {"vocab", scored}, {"unk_id", nullptr}}, "model.unk_id is null");
  says({{"type", "Unigram"}, {"vocab", scored}, {"unk_id", 2}}, "model.unk_id: found 2");
  says({{"type", "Unigram"}, {"vocab", broken}, {"unk_id", 0}}, "model.vocab[1]: found [\"b\"]");
  says({{"type", "Unigram"}, {"vocab", {{"a", 0}}}, {"unk_id", 0}}, "expected a list of tokens with scores");
  says({{"type", "WordLevel"}, {"vocab", scored}}, "expected an object of tokens and ids");
  says({{"type", "Markov"}, {"vocab", {{"a", 0}}}}, "supported: WordPiece, BPE, Unigram, WordLevel");
}

TEST(ScoreNumber, DividesDigitsByAPowerOfTen) {
  EXPECT_EQ(score_of("-1.5"), -1.5);
  EXPECT_EQ(score_of("12"), 12.0);
  EXPECT_EQ(score_of("25e-1"), 2.5);
  EXPECT_EQ(score_of("2.5E+3"), 2500.0);
  EXPECT_EQ(score_of("0.0"), 0.0);
  EXPECT_EQ(score_of("-7.006113246115455"), -(7006113246115455.0 / 1e15));
  EXPECT_EQ(score_of("3.99999999999999999999999"), 39999999999999999999.0 / 1e19);
  EXPECT_EQ(score_of("1e-400"), 0.0);
}

}  // namespace
}  // namespace temper
