// The text that each kind of decoder makes of tokens, as Hugging Face tokenizers 0.23.3 gives it.
#include "data/tokenizer/decoder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace temper {
namespace {

struct DecoderCase {
  std::string_view part;
  std::vector<std::string> tokens;
  std::string text;
};

const DecoderCase kDecoderCases[] = {
    // clang-format off
    {R"({"type": "BPEDecoder", "suffix": "</w>"})", {"a</w>", "b", "c</w>"}, "a bc"},
    {R"({"type": "ByteFallback"})", {"<0xE5>", "<0x8C>", "<0x97>", "x", "<0xE5>", "<0x8C>", "y", "<0x61>"}, "\xE5\x8C\x97x\xEF\xBF\xBD\xEF\xBF\xBDya"},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})", {"\xE2\x96\x81""a\xE2\x96\x81", "\xE2\x96\x81""b"}, "a b"},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true})", {"\xE2\x96\x81""a", "\xE2\x96\x81""b"}, " a b"},
    {R"({"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true})", {"a", "a", "<pad>", "a", "|", "|", "b"}, "aa b"},
    {R"({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})", {"\xE2\x96\x81\xE2\x96\x81Hi", "\xE2\x96\x81", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>"}, " Hi \xF0\x9F\x99\x82"},
    {R"({"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"})", {"aac", "ca"}, "bccb"},
    {R"({"type": "Strip", "content": "a", "start": 2, "stop": 1})", {"aaabaa", "b"}, "abab"},
    {R"({"type": "WordPiece", "prefix": "##", "cleanup": true})", {"do", "##n", "n't", "."}, "donn't."},
    {R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})", {"\xC3\x83\xC2\xA9", "\xC4\xA0""a", "\xC3\xAF\xC2\xBC"}, "\xC3\xA9 a\xEF\xBF\xBD"},
    {R"(null)", {"a", "b"}, "a b"},
    // clang-format on
};

TEST(Decoders, GiveTheTextThatTheReferenceGives) {
  for (const DecoderCase& c : kDecoderCases) {
    const nlohmann::json document = {{"decoder", nlohmann::json::parse(c.part)}};
    std::string text;
    for (const std::string& piece : make_decoder({document, "tokenizer.json", ""})->decode(c.tokens)) text += piece;
    EXPECT_EQ(text, c.text) << c.part;
  }
}

}  // namespace
}  // namespace temper
