// What each kind of normalizer makes of a text, as Hugging Face tokenizers 0.23.3 gives it.
#include "data/tokenizer/normalizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

std::string normal_form(const nlohmann::json& part, std::string_view text, bool* from_start = nullptr) {
  const nlohmann::json document = {{"normalizer", part}};
  const auto normalizer = make_normalizer({document, "tokenizer.json", ""});
  std::string normalized = "left over";
  const bool kept = normalizer->normalize(text, normalized);
  if (from_start != nullptr) *from_start = kept;
  return normalized;
}

struct NormalizerCase {
  std::string_view part;
  std::string_view text;
  std::string_view normalized;
};

const NormalizerCase kNormalizerCases[] = {
    // clang-format off
    {R"({"type": "NFC"})", "e\xCC\x81 \xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8 \xEF\xAC\x81", "\xC3\xA9 \xEA\xB0\x81 \xEF\xAC\x81"},
    {R"({"type": "NFD"})", "\xC3\xA9\xEA\xB0\x80\xCD\x84 q\xCC\x87\xCC\xA3", "e\xCC\x81\xE1\x84\x80\xE1\x85\xA1\xCC\x88\xCC\x81 q\xCC\xA3\xCC\x87"},
    {R"({"type": "NFKC"})", "\xEF\xAC\x81\xE2\x91\xA0\xE3\x8C\x94\xEF\xBD\xB1 e\xCC\x81 \xE3\x8B\xBF", "fi1\xE3\x82\xAD\xE3\x83\xAD\xE3\x82\xA2 \xC3\xA9 \xE3\x8B\xBF"},
    {R"({"type": "NFKD"})", "\xEF\xAC\x81\xE2\x91\xA0\xE3\x8C\x94\xC3\xA9\xC2\xB2", "fi1\xE3\x82\xAD\xE3\x83\xAD""e\xCC\x81""2"},
    {R"({"type": "NFD"})", "a\xE1\xB7\xB9\xCC\xA3 a\xE1\xB7\xB5\xCC\xA3", "a\xE1\xB7\xB9\xCC\xA3 a\xCC\xA3\xE1\xB7\xB5"},
    {R"({"type": "NFC"})", "\xF0\x91\xA4\xB5\xF0\x91\xA4\xB0 \xEA\xB0\x80\xCC\x81", "\xF0\x91\xA4\xB5\xF0\x91\xA4\xB0 \xEA\xB0\x80\xCC\x81"},
    {R"({"type": "Lowercase"})", "\xCE\xA3\xCE\x8A\xCE\xA3\xCE\xA5\xCE\xA6\xCE\x9F\xCE\xA3 \xC4\xB0I \xC7\x85 \xE1\xBA\x9E \xEA\x9F\x90", "\xCF\x83\xCE\xAF\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x83 i\xCC\x87i \xC7\x86 \xC3\x9F \xEA\x9F\x91"},
    {R"({"type": "StripAccents"})", "e\xCC\x81""a\xE2\x83\x9D""b \xCC\x81""c \xE1\xB7\xB9", "eab c \xE1\xB7\xB9"},
    {R"({"type": "Strip", "strip_left": true, "strip_right": true})", " \xE3\x80\x80\t a b \n", "a b"},
    {R"({"type": "Strip", "strip_left": true, "strip_right": false})", "  a ", "a "},
    {R"({"type": "Nmt"})", "a\x01""b\tc\xE2\x80\x8B""d\xEF\xBB\xBF\xE2\x96\x81""e\xC2\x85""f\x7F", "ab c d  e\xC2\x85""f"},
    {R"({"type": "Prepend", "prepend": "▁"})", "ab", "\xE2\x96\x81""ab"},
    {R"({"type": "Prepend", "prepend": "▁"})", "", ""},
    {R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})", " a  b ", "\xE2\x96\x81""a\xE2\x96\x81\xE2\x96\x81""b\xE2\x96\x81"},
    {R"({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})", "a   b  c d", "a b c d"},
    {R"({"type": "Replace", "pattern": {"Regex": "x*"}, "content": "-"})", "abxc", "-a-b-c-"},
    {R"({"type": "Replace", "pattern": {"String": ""}, "content": "-"})", "n\xC3\xA9", "-n-\xC3\xA9-"},
    {R"({"type": "ByteLevel"})", "\xC3\xA9 a\n", "\xC3\x83\xC2\xA9\xC4\xA0""a\xC4\x8A"},
    {R"({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]})", "\xC3\x89T\xC3\x89 \xC3\x85ngstr\xC3\xB6m", "ete angstrom"},
    {R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})", "ABC", "abc"},
    {R"({"type": "Sequence", "normalizers": []})", "ABC", "ABC"},
    {R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true})", "a\xE1\xB7\xB9\xCC\x9B\x7F""B\xC2\xA0\xE5\x8C\x97\xE4\xBA\xAC", "a\xE1\xB7\xB9""b  \xE5\x8C\x97  \xE4\xBA\xAC "},
    // clang-format on
};

TEST(Normalizers, GiveWhatTheReferenceGives) {
  for (const NormalizerCase& c : kNormalizerCases)
    EXPECT_EQ(normal_form(nlohmann::json::parse(c.part), c.text), c.normalized) << c.part;
}

TEST(Normalizers, KnowWhetherTheBeginningOfATextIsKept) {
  const auto keeps = [](const nlohmann::json& part, std::string_view text) {
    bool from_start = false;
    normal_form(part, text, &from_start);
    return from_start;
  };
  const nlohmann::json strip = {{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}};
  EXPECT_TRUE(keeps(strip, "a "));
  EXPECT_FALSE(keeps(strip, " a"));
  EXPECT_FALSE(keeps({{"type", "StripAccents"}},
                     "\xCC\x81"
                     "a"));
  EXPECT_FALSE(keeps({{"type", "Nmt"}},
                     "\x01"
                     "a"));
  const nlohmann::json quotes = {{"type", "Replace"}, {"pattern", {{"String", "``"}}}, {"content", "\""}};
  EXPECT_TRUE(keeps(quotes, "a``"));
  EXPECT_FALSE(keeps(quotes, "``a"));
  EXPECT_FALSE(keeps({{"type", "Sequence"}, {"normalizers", {strip, {{"type", "NFC"}}}}}, " a"));
}

/// A map of five rules: ﬁ to fi, ① to 1, e with U+0301 to E, tab to space, U+200B to nothing.
constexpr std::string_view kSmallMap =
    "vAMAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACQUAAAcAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAFAACAgQUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACsBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAgAQAAAAAAABlBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAACRBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAADMBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgIEFAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAKAFAAADAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAA4gQAAAAAAAAAAAAAAAAAAAAAAACLBQAACQAAgAAAAAAAAAAAAAAAAAAAAADvBAAAZmkAMQBFACAAAA==";

TEST(Normalizers, ReplaceGraphemesByAPrecompiledMap) {
  const nlohmann::json part = {{"type", "Precompiled"}, {"precompiled_charsmap", kSmallMap}};
  EXPECT_EQ(normal_form(part,
                        "\xEF\xAC\x81n\xE2\x91\xA0"
                        "e\xCC\x81"),
            "fin1E");
  EXPECT_EQ(normal_form(part, "e\xCC\x81\xCC\xA3 e"), "E e");
  EXPECT_EQ(normal_form(part,
                        "a\tb\xE2\x80\x8B"
                        "c"),
            "a bc");
  EXPECT_EQ(normal_form(part, "\x0D\n\xE2\x91\xA0\xCC\x81"), "\x0D\n1");
  EXPECT_EQ(normal_form(part, "\xC3\xA9\xE2\x91\xA0\xE2\x91\xA0\xE2\x83\x9D"),
            "\xC3\xA9"
            "11\xE2\x83\x9D");
  EXPECT_EQ(normal_form(part, "\t\xCC\x81x"), " \xCC\x81x");
}

TEST(Normalizers, NameWhatIsWrong) {
  const auto message = [](const nlohmann::json& part) -> std::string {
    try {
      normal_form(part, "a");
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  EXPECT_NE(message({{"type", "NFE"}}).find("supported: BertNormalizer, Sequence, NFC"), std::string::npos);
  EXPECT_NE(message({{"type", "Prepend"}}).find("normalizer.prepend is missing"), std::string::npos);
  EXPECT_NE(message({{"type", "Replace"}, {"pattern", "a"}, {"content", ""}}).find("found \"a\", expected"),
            std::string::npos);
  EXPECT_NE(message({{"type", "Replace"}, {"pattern", {{"Regex", "(?<x"}}}, {"content", ""}})
                .find("normalizer.pattern.Regex: the regular expression \"(?<x\" has its end too early"),
            std::string::npos);
  for (const std::string map : {"", "AAAA", "????", "/////w==", "CAAAAAAAAAAA"})
    EXPECT_NE(message({{"type", "Precompiled"}, {"precompiled_charsmap", map}}).find("precompiled_charsmap: found"),
              std::string::npos)
        << map;
}

}  // namespace
}  // namespace temper
