// Small tokenizer.json files that the tests write themselves.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tokenizer/tokenizer.h"

namespace temper::testing_support {

/// A file that is gone at the end of the test.
class TokenizerFileOnDisk {
 public:
  explicit TokenizerFileOnDisk(std::string_view content) {
    path_ = std::filesystem::temp_directory_path() /
            ("temper_tokenizer_" + std::to_string(::getpid()) + "_" + std::to_string(++count()) + ".json");
    write_file_atomically(path_, content);
  }
  ~TokenizerFileOnDisk() { std::filesystem::remove(path_); }
  TokenizerFileOnDisk(const TokenizerFileOnDisk&) = delete;
  TokenizerFileOnDisk& operator=(const TokenizerFileOnDisk&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  static int& count() {
    static int files = 0;
    return files;
  }
  std::filesystem::path path_;
};

inline std::unique_ptr<Tokenizer> tokenizer_of(const nlohmann::json& content) {
  const TokenizerFileOnDisk file(content.dump());
  return Tokenizer::load(file.path());
}

/// The message with which loading a file of this content fails; empty if it does not.
inline std::string load_error(std::string_view content) {
  const TokenizerFileOnDisk file(content);
  try {
    Tokenizer::load(file.path());
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

inline nlohmann::json added_token(std::string content, int id, bool special) {
  return {{"id", id},        {"content", std::move(content)}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", !special},        {"special", special}};
}

/// A lower-casing BERT of 34 tokens.
inline nlohmann::json small_bert() {
  const std::vector<std::string> tokens = {
      "[PAD]",  "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "##ting", "un",   "##believ",
      "##able", "a",     "##a",   "##b",   ".",      ",",   "!",   "'",   "t",   "don",    "cafe", "strasse",
      "北",     "京",    "2",     "##0",   "##2",    "$",   "n't", "[",   "]",   "ss"};
  nlohmann::json vocabulary = nlohmann::json::object();
  for (std::size_t id = 0; id < tokens.size(); ++id) vocabulary[tokens[id]] = id;
  return nlohmann::json{
      {"version", "1.0"},
      {"truncation", {{"direction", "Right"}, {"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}}},
      {"padding",
       {{"strategy", {{"Fixed", 64}}},
        {"direction", "Right"},
        {"pad_to_multiple_of", nullptr},
        {"pad_id", 0},
        {"pad_type_id", 0},
        {"pad_token", "[PAD]"}}},
      {"added_tokens",
       {added_token("[PAD]", 0, true), added_token("[UNK]", 1, true), added_token("[CLS]", 2, true),
        added_token("[SEP]", 3, true), added_token("[MASK]", 4, true)}},
      {"normalizer",
       {{"type", "BertNormalizer"},
        {"clean_text", true},
        {"handle_chinese_chars", true},
        {"strip_accents", nullptr},
        {"lowercase", true}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "[CLS]"}, {"type_id", 0}}}},
          {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
          {{"SpecialToken", {{"id", "[SEP]"}, {"type_id", 0}}}}}},
        {"pair",
         {{{"SpecialToken", {{"id", "[CLS]"}, {"type_id", 0}}}},
          {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
          {{"SpecialToken", {{"id", "[SEP]"}, {"type_id", 0}}}},
          {{"Sequence", {{"id", "B"}, {"type_id", 1}}}},
          {{"SpecialToken", {{"id", "[SEP]"}, {"type_id", 1}}}}}},
        {"special_tokens",
         {{"[CLS]", {{"id", "[CLS]"}, {"ids", {2}}, {"tokens", {"[CLS]"}}}},
          {"[SEP]", {{"id", "[SEP]"}, {"ids", {3}}, {"tokens", {"[SEP]"}}}}}}}},
      {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", "[UNK]"},
        {"continuing_subword_prefix", "##"},
        {"max_input_chars_per_word", 10},
        {"vocab", vocabulary}}}};
}

/// A byte-level BPE like RoBERTa's: 4 special tokens, the 256 bytes in their order, 8 merges, and <mask>.
inline nlohmann::json small_roberta() {
  nlohmann::json vocabulary = {{"<s>", 0}, {"<pad>", 1}, {"</s>", 2}, {"<unk>", 3}};
  int id = 4;
  char32_t beyond = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const char32_t c = printable ? byte : beyond++;
    std::string character;
    if (c < 0x80) {
      character += static_cast<char>(c);
    } else {
      character += static_cast<char>(0xC0 | (c >> 6));
      character += static_cast<char>(0x80 | (c & 0x3F));
    }
    vocabulary[character] = id++;
  }
  nlohmann::json merges = nlohmann::json::array();
  for (const auto& [first, second] : std::vector<std::pair<std::string, std::string>>{
           {"Ġ", "t"}, {"h", "e"}, {"Ġt", "he"}, {"a", "b"}, {"ab", "ab"}, {"b", "a"}, {"Ġ", "Ġ"}, {"Ã", "©"}}) {
    merges.push_back({first, second});
    vocabulary[first + second] = id++;
  }
  nlohmann::json mask = added_token("<mask>", id, true);
  mask["lstrip"] = true;
  return nlohmann::json{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens",
       {added_token("<s>", 0, true), added_token("<pad>", 1, true), added_token("</s>", 2, true),
        added_token("<unk>", 3, true), mask}},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
      {"post_processor",
       {{"type", "RobertaProcessing"},
        {"sep", {"</s>", 2}},
        {"cls", {"<s>", 0}},
        {"trim_offsets", true},
        {"add_prefix_space", false}}},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", ""},
        {"end_of_word_suffix", ""},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", vocabulary},
        {"merges", merges}}}};
}

}  // namespace temper::testing_support
