// The words that each kind of pre-tokenizer finds, as Hugging Face tokenizers 0.23.3 gives them.
#include "data/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

std::vector<std::string> words_of(const nlohmann::json& part, const std::string& text, bool at_start = true) {
  const nlohmann::json document = {{"pre_tokenizer", part}};
  const PreTokenization made = make_pre_tokenizer({document, "tokenizer.json", ""}, false);
  std::string buffer;
  const std::string prepared(made.pre_tokenizer->prepare(text, at_start, buffer));
  std::vector<std::string> found;
  std::vector<std::string_view> batch;
  batch.reserve(3);  // several batches
  for (std::size_t position = 0; position < prepared.size();) {
    position = made.pre_tokenizer->next_words(prepared, position, batch);
    found.insert(found.end(), batch.begin(), batch.end());
  }
  return found;
}

struct SplitCase {
  std::string_view part;
  std::string text;
  std::vector<std::string> words;
};

const SplitCase kSplitCases[] = {
    // clang-format off
    {R"({"type": "Whitespace"})",
     "Hey, you_x2 \xC2\xBD\xC2\xB2! \xC3\xA9\xCC\x81""a  \xE2\x80\x8D\xE5\x8C\x97",
     {"Hey", ",", "you_x2", "\xC2\xBD\xC2\xB2!", "\xC3\xA9\xCC\x81""a", "\xE2\x80\x8D\xE5\x8C\x97"}},
    {R"({"type": "WhitespaceSplit"})",
     " a\xE3\x80\x80""b\nc ",
     {"a", "b", "c"}},
    {R"({"type": "Digits", "individual_digits": true})",
     "ab12c\xD9\xA3\xC2\xBD",
     {"ab", "1", "2", "c", "\xD9\xA3", "\xC2\xBD"}},
    {R"({"type": "Digits", "individual_digits": false})",
     "ab12c\xD9\xA3\xC2\xBD""d",
     {"ab", "12", "c", "\xD9\xA3\xC2\xBD", "d"}},
    {R"({"type": "CharDelimiterSplit", "delimiter": "▁"})",
     "\xE2\x96\x81""a\xE2\x96\x81\xE2\x96\x81""b",
     {"a", "b"}},
    {R"({"type": "UnicodeScripts"})",
     " \xE3\x81\xA9\xE3\x81\x93\xE3\x81\xA7\xE7\x94\x9F\xE3\x82\x8C \xD0\x94\xD0\xB0 abc \xE3\x83\xBC\xE3\x80\x82""1",
     {"\xE3\x81\xA9\xE3\x81\x93\xE3\x81\xA7\xE7\x94\x9F\xE3\x82\x8C ", "\xD0\x94\xD0\xB0 ", "abc ", "\xE3\x83\xBC", "\xE3\x80\x82""1"}},
    {R"({"type": "FixedLength", "length": 3})",
     "abcd\xC3\xA9""fg",
     {"abc", "d\xC3\xA9""f", "g"}},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})",
     "a  b ",
     {"\xE2\x96\x81""a", "\xE2\x96\x81", "\xE2\x96\x81""b", "\xE2\x96\x81"}},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true})",
     "a b",
     {"a", "\xE2\x96\x81""b"}},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})",
     " a b",
     {"\xE2\x96\x81""a\xE2\x96\x81""b"}},
    {R"({"type": "Metaspace", "replacement": "▁", "add_prefix_space": true})",
     "a b",
     {"\xE2\x96\x81""a", "\xE2\x96\x81""b"}},
    {R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}]})",
     "a b_c",
     {"\xE2\x96\x81""a", "\xE2\x96\x81""b_c"}},
    {R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}]})",
     "a b",
     {"\xE2\x96\x81""a", "b"}},
    {R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}]})",
     " a b",
     {"a", "b"}},
    {R"({"type": "Sequence", "pretokenizers": []})",
     "a b",
     {"a b"}},
    {R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}]})",
     "a1 b",
     {"a", "1", " b"}},
    {R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]})",
     "\xC3\xA9 12 x1",
     {"\xC3\x83\xC2\xA9", "\xC4\xA0", "1", "2", "\xC4\xA0x", "1"}},
    {R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false}, {"type": "Split", "pattern": {"String": "Ġ"}, "behavior": "MergedWithNext", "invert": false}]})",
     "\xC3\xA9 b",
     {"\xC4\xA0\xC3\x83\xC2\xA9", "\xC4\xA0""b"}},
    {R"({"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false})",
     "I'Ll  don't  x\n\n 1234567\xC3\xA9\xC2\xBD ,.;!\x0D\n  end\xE3\x80\x80 ",
     {"I", "'Ll", " ", " don", "'t", " ", " x", "\n\n", " ", "123", "456", "7", "\xC3\xA9", "\xC2\xBD", " ,.;!\x0D\n", " ", " end", "\xE3\x80\x80 "}},
    {R"({"type": "Split", "pattern": {"Regex": "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false})",
     "I'Ll  don't  x\n\n 1234567\xC3\xA9\xC2\xBD ,.;!\x0D\n  end\xE3\x80\x80 HTTPServer's \xC3\x80\xC3\x89\xC3\xA9 \xC7\x85""a",
     {"I'Ll", " ", " don't", " ", " x", "\n\n", " ", "123", "456", "7", "\xC3\xA9", "\xC2\xBD", " ,.;!\x0D\n", " ", " end", "\xE3\x80\x80", " HTTPServer's", " \xC3\x80\xC3\x89\xC3\xA9", " \xC7\x85""a"}},
    {R"({"type": "Split", "pattern": {"Regex": "\\s?\\p{P}+"}, "behavior": "Isolated", "invert": false})",
     "a ,b!? c",
     {"a", " ,", "b", "!?", " c"}},
    {R"({"type": "Split", "pattern": {"Regex": "[^\\s\\p{L}]+"}, "behavior": "Removed", "invert": true})",
     "a12 b!",
     {"12", "!"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Removed", "invert": false})",
     "--the-final--countdown-",
     {"the", "final", "countdown"}},
    {R"({"type": "Punctuation", "behavior": "Removed"})",
     "a..b,!c.$",
     {"a", "b", "c"}},
    {R"({"type": "Split", "pattern": {"Regex": "a*"}, "behavior": "Removed", "invert": false})",
     "baac",
     {"b", "c"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Isolated", "invert": false})",
     "--the-final--countdown-",
     {"-", "-", "the", "-", "final", "-", "-", "countdown", "-"}},
    {R"({"type": "Punctuation", "behavior": "Isolated"})",
     "a..b,!c.$",
     {"a", ".", ".", "b", ",", "!", "c", ".", "$"}},
    {R"({"type": "Split", "pattern": {"Regex": "a*"}, "behavior": "Isolated", "invert": false})",
     "baac",
     {"b", "aa", "c"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithPrevious", "invert": false})",
     "--the-final--countdown-",
     {"-", "-", "the-", "final-", "-", "countdown-"}},
    {R"({"type": "Punctuation", "behavior": "MergedWithPrevious"})",
     "a..b,!c.$",
     {"a.", ".", "b,", "!", "c.", "$"}},
    {R"({"type": "Split", "pattern": {"Regex": "a*"}, "behavior": "MergedWithPrevious", "invert": false})",
     "baac",
     {"baa", "c"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithNext", "invert": false})",
     "--the-final--countdown-",
     {"-", "-the", "-final", "-", "-countdown", "-"}},
    {R"({"type": "Punctuation", "behavior": "MergedWithNext"})",
     "a..b,!c.$",
     {"a", ".", ".b", ",", "!c", ".", "$"}},
    {R"({"type": "Split", "pattern": {"Regex": "a*"}, "behavior": "MergedWithNext", "invert": false})",
     "baac",
     {"b", "aac"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Contiguous", "invert": false})",
     "--the-final--countdown-",
     {"--", "the", "-", "final", "--", "countdown", "-"}},
    {R"({"type": "Punctuation", "behavior": "Contiguous"})",
     "a..b,!c.$",
     {"a", "..", "b", ",!", "c", ".$"}},
    {R"({"type": "Split", "pattern": {"Regex": "a*"}, "behavior": "Contiguous", "invert": false})",
     "baac",
     {"b", "aa", "c"}},
    // clang-format on
};

TEST(PreTokenizers, FindTheWordsThatTheReferenceFinds) {
  for (const SplitCase& c : kSplitCases) EXPECT_EQ(words_of(nlohmann::json::parse(c.part), c.text), c.words) << c.part;
}

TEST(PreTokenizers, PrependToTheFirstWordOfATextOnly) {
  using Parts = std::vector<std::string>;
  const nlohmann::json first = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}};
  EXPECT_EQ(words_of(first, "a b"), (Parts{"_a", "_b"}));
  EXPECT_EQ(words_of(first, "a b", false), (Parts{"a", "_b"}));
}

TEST(PreTokenizers, NameWhatIsWrong) {
  const auto message = [](const nlohmann::json& part) -> std::string {
    try {
      words_of(part, "a");
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  const auto says = [&](const nlohmann::json& part, std::string_view text) {
    EXPECT_NE(message(part).find(text), std::string::npos) << message(part);
  };
  says({{"type", "Splitter"}}, "supported: BertPreTokenizer, ByteLevel, Sequence, Metaspace");
  says({{"type", "Sequence"}, {"pretokenizers", {{{"type", "Whitespace"}}, {{"type", "X"}}}}}, "pretokenizers[1]");
  says({{"type", "CharDelimiterSplit"}, {"delimiter", "ab"}}, "expected a string of one character");
  says({{"type", "FixedLength"}, {"length", 0}}, "found 0");
  says({{"type", "Punctuation"}, {"behavior", "isolated"}}, "expected Removed, Isolated");
  says({{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}, {"prepend_scheme", "always"}},
       "expected never, as add_prefix_space is false");
}

}  // namespace
}  // namespace temper
