#include "tests/tiny_text_model.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/places.h"

namespace temper::testing_support {
namespace {

using Json = nlohmann::ordered_json;

void write_json(const std::filesystem::path& file, const Json& json) { std::ofstream(file) << json.dump(1); }

Json tokenizer() {
  std::vector<std::string> tokens;
  for (char c = 'a'; c <= 'r'; ++c) tokens.emplace_back(1, c);
  // GPT-2's alphabet: a printable character for each byte.
  for (const char* token : {"\u0120", ".", "\u00C3", "\u00A9", "\u00E2", "\u0124", "\u00AC", "#", "1", "2", "3"})
    tokens.emplace_back(token);
  Json vocabulary;
  for (std::size_t id = 0; id < tokens.size(); ++id) vocabulary[tokens[id]] = id;
  const Json byte_level{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", Json::array({{{"id", tokens.size()},
                                         {"content", "<|endoftext|>"},
                                         {"single_word", false},
                                         {"lstrip", false},
                                         {"rstrip", false},
                                         {"normalized", false},
                                         {"special", true}}})},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocabulary},
            {"merges", Json::array()}}}};
}

}  // namespace

void write_text_model(const std::filesystem::path& folder, const std::string& generation) {
  namespace fs = std::filesystem;
  const fs::path fixture = source_directory() / "tests" / "fixtures" / "gpt2-causal";
  fs::create_directories(folder);
  fs::copy_file(fixture / "model.safetensors", folder / "model.safetensors", fs::copy_options::overwrite_existing);
  std::ifstream file(fixture / "config.json");
  Json config = Json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) config.erase(key);
  write_json(folder / "config.json", config);
  write_json(folder / "tokenizer.json", tokenizer());
  if (!generation.empty()) std::ofstream(folder / "generation_config.json") << generation;
}

void write_chat_model(const std::filesystem::path& folder, const std::string& chat_template) {
  write_text_model(folder);
  std::ofstream(folder / "chat_template.jinja") << chat_template;
  write_json(
      folder / "tokenizer_config.json",
      {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"eos_token", "<|endoftext|>"}, {"pad_token", "<|endoftext|>"}});
}

}  // namespace temper::testing_support
