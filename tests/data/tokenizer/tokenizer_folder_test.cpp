#include "data/tokenizer/tokenizer_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_export.h"
#include "tests/data/tokenizer/tokenizer_json.h"
#include "tests/places.h"

namespace temper {
namespace {

using Json = nlohmann::json;
using testing_support::small_bert;
using testing_support::small_roberta;
using Ids = std::vector<std::int32_t>;

/// A model folder that is gone at the end of the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-folder-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void write(const std::string& name, const Json& content) const {
    std::ofstream(path_ / name) << (content.is_string() ? content.get<std::string>() : content.dump());
  }
  void write(const Json& files) const {
    for (const auto& [name, content] : files.items()) write(name, content);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  [[nodiscard]] std::string refusal() const {
    try {
      Tokenizer::from_file(read_tokenizer_folder(path_).file);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  [[nodiscard]] std::string notes() const {
    std::string all;
    for (const std::string& note : read_tokenizer_folder(path_).notes) all += note + "\n";
    return all;
  }

 private:
  std::filesystem::path path_;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Json reference() {
  return Json::parse(read_text_file(testing_support::source_directory() / "tests/data/tokenizer/folder_cases.json"));
}

std::unique_ptr<Tokenizer> tokenizer_of_folder(const TokenizerFolder& folder) {
  TokenizerFile file = folder.file;
  return Tokenizer::from_file(std::move(file));
}

void expect_ids(const Tokenizer& tokenizer, const Json& reference, const Json& expected, const std::string& name) {
  const auto limit = expected["limit"].get<std::size_t>();
  for (std::size_t i = 0; i < expected["ids"].size(); ++i)
    EXPECT_EQ(tokenizer.encode(reference["texts"][i].get<std::string>(), limit).ids, expected["ids"][i].get<Ids>())
        << name << ": " << reference["texts"][i];
  const Encoding pair =
      tokenizer.encode_pair(reference["pair"][0].get<std::string>(), reference["pair"][1].get<std::string>(), limit);
  EXPECT_EQ(pair.ids, expected["pair"].get<Ids>()) << name;
  EXPECT_EQ(pair.types, expected["types"].get<Ids>()) << name;
}

// The ids are those of transformers' AutoTokenizer (make_folder_cases.py).
TEST(TokenizerFolder, GivesTheIdsOfTransformers) {
  const Json cases = reference();
  ASSERT_GT(cases["cases"].size(), 25U);
  for (const Json& expected : cases["cases"]) {
    const Folder folder;
    folder.write(expected["files"]);
    const auto name = expected["name"].get<std::string>();
    expect_ids(*tokenizer_of_folder(read_tokenizer_folder(folder.path())), cases, expected, name);
  }
}

TEST(TokenizerFolder, IsWrittenInAgreementWithItself) {
  const Json cases = reference();
  for (const Json& expected : cases["cases"]) {
    const Folder folder;
    folder.write(expected["files"]);
    const TokenizerFolder read = read_tokenizer_folder(folder.path());
    const Folder exported;
    exported.write("config.json", expected["files"]["config.json"]);
    for (const auto& [file, content] : tokenizer_files(read, *tokenizer_of_folder(read)))
      exported.write(file, Json(content));
    const auto name = expected["name"].get<std::string>();
    EXPECT_EQ(exported.notes(), "") << name;
    const TokenizerFolder again = read_tokenizer_folder(exported.path());
    EXPECT_FALSE(again.changed) << name;
    EXPECT_TRUE(again.has_tokenizer_json) << name;
    const auto tokenizer = tokenizer_of_folder(again);
    expect_ids(*tokenizer, cases, expected, name);
    // What reads tokenizer.json alone, as the tokenizers library does, gives the same ids; the rest is settings.
    if (!read.file.cuts_left && read.file.token_types)
      expect_ids(*Tokenizer::load(exported.path() / "tokenizer.json"), cases, expected, name);
  }
}

TEST(TokenizerFolder, SaysWhatTheFilesDisagreeAbout) {
  const Folder folder;
  Json file = small_bert();
  file["model"]["max_input_chars_per_word"] = 100;
  folder.write("tokenizer.json", file);
  folder.write("config.json", {{"model_type", "bert"}});
  EXPECT_EQ(folder.notes(), "");
  folder.write("tokenizer_config.json", {{"tokenizer_class", "BertTokenizer"}, {"do_lower_case", false}});
  EXPECT_TRUE(has(folder.notes(), "tokenizer_config.json and tokenizer.json disagree"));
  EXPECT_TRUE(has(folder.notes(), "do_lower_case is false (tokenizer.json: true)")) << folder.notes();
  folder.write("tokenizer_config.json",
               {{"tokenizer_class", "BertTokenizer"}, {"additional_special_tokens", {"[E1]"}}});
  EXPECT_TRUE(has(folder.notes(), "\"[E1]\" is a token (tokenizer.json: not)")) << folder.notes();
  folder.write("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"do_lower_case", false}});
  EXPECT_TRUE(has(folder.notes(), "follows tokenizer.json")) << folder.notes();
  std::filesystem::remove(folder.path() / "tokenizer_config.json");
  file["normalizer"]["lowercase"] = false;
  file["post_processor"] = nullptr;
  folder.write("tokenizer.json", file);
  EXPECT_TRUE(has(folder.notes(), "has no tokenizer_config.json")) << folder.notes();
  EXPECT_TRUE(has(folder.notes(), "do_lower_case is true (tokenizer.json: false)")) << folder.notes();
  EXPECT_TRUE(has(folder.notes(), "a text becomes \"2:0 A:0 3:0\" (tokenizer.json: \"A:0\")")) << folder.notes();
}

TEST(TokenizerFolder, UsesTheFileWhereTheClassIsOfAnotherModel) {
  const Folder folder;
  folder.write("tokenizer.json", small_roberta());
  folder.write("config.json", {{"model_type", "bert"}});
  const TokenizerFolder read = read_tokenizer_folder(folder.path());
  EXPECT_FALSE(read.changed);
  EXPECT_TRUE(has(folder.notes(), "holds a BPE model")) << folder.notes();
  const auto tokenizer = tokenizer_of_folder(read);
  EXPECT_EQ(tokenizer->encode("the", 100).ids, testing_support::tokenizer_of(small_roberta())->encode("the", 100).ids);
  const Json config = Json::parse(tokenizer_files(read, *tokenizer).at("tokenizer_config.json"));
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
  for (const char* type : {"xlm-roberta", "camembert", "albert", "deberta-v2"}) {
    folder.write("config.json", {{"model_type", type}});
    const TokenizerFolder other = read_tokenizer_folder(folder.path());
    EXPECT_FALSE(other.changed) << type;
    EXPECT_TRUE(has(folder.notes(), "would make Unigram")) << folder.notes();
    const Json written = Json::parse(tokenizer_files(other, *tokenizer_of_folder(other)).at("tokenizer_config.json"));
    EXPECT_EQ(written["tokenizer_class"], "PreTrainedTokenizerFast") << type;
  }
}

TEST(TokenizerFolder, CutsOnTheSideThatIsAskedFor) {
  const Folder folder;
  folder.write("tokenizer.json", small_bert());
  folder.write("tokenizer_config.json", {{"tokenizer_class", "BertTokenizer"}, {"truncation_side", "left"}});
  const auto encode = [&](TruncationSide side) {
    return tokenizer_of_folder(read_tokenizer_folder(folder.path(), side))->encode("the cat sat", 4).ids;
  };
  EXPECT_EQ(encode(TruncationSide::as_tokenizer), (Ids{2, 6, 7, 3}));
  EXPECT_EQ(encode(TruncationSide::left), (Ids{2, 6, 7, 3}));
  EXPECT_EQ(encode(TruncationSide::right), (Ids{2, 5, 6, 3}));
  const auto tokenizer = tokenizer_of_folder(read_tokenizer_folder(folder.path()));
  EXPECT_EQ(tokenizer->with_special_tokens(Ids{5, 6, 7}, 4).ids, (Ids{2, 6, 7, 3}));
  EXPECT_EQ(tokenizer->encode_pair("the cat sat", "a the", 6).ids, (Ids{2, 6, 7, 3, 5, 3}));
}

TEST(TokenizerFolder, OtherSettingsAreAnotherDigest) {
  const Folder folder;
  folder.write("tokenizer.json", small_bert());
  const std::string plain = read_tokenizer_folder(folder.path()).file.digest;
  EXPECT_NE(read_tokenizer_folder(folder.path(), TruncationSide::left).file.digest, plain);
  folder.write("tokenizer_config.json", {{"tokenizer_class", "BertTokenizer"}, {"do_lower_case", false}});
  EXPECT_NE(read_tokenizer_folder(folder.path()).file.digest, plain);
  EXPECT_NE(read_tokenizer_folder(folder.path()).file.digest,
            read_tokenizer_folder(folder.path(), TruncationSide::left).file.digest);
}

TEST(TokenizerFolder, KeepsTheOldFilesThatStillHold) {
  const Folder folder;
  folder.write("tokenizer.json", small_bert());
  folder.write("tokenizer_config.json", {{"tokenizer_class", "BertTokenizerFast"}, {"model_max_length", 512}});
  folder.write("vocab.txt", "[PAD]\nanother\n");
  folder.write("special_tokens_map.json", {{"mask_token", "[MASK]"}});
  folder.write("added_tokens.json", {{"extra", 40}});
  const TokenizerFolder read = read_tokenizer_folder(folder.path());
  const auto files = tokenizer_files(read, *tokenizer_of_folder(read));
  std::vector<std::string> names;
  for (const auto& [name, content] : files) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"}));
  const Json config = Json::parse(files.at("tokenizer_config.json"));
  EXPECT_EQ(config["tokenizer_class"], "BertTokenizerFast");
  EXPECT_EQ(config["model_max_length"], 512);
  EXPECT_EQ(config["do_lower_case"], true);
  EXPECT_EQ(config["added_tokens_decoder"]["34"]["content"], "extra");
}

TEST(TokenizerFolder, ChatTemplatesGoAlong) {
  const Folder folder;
  folder.write("tokenizer.json", small_bert());
  std::ofstream(folder.path() / "chat_template.jinja") << "{{ messages }}\n";
  std::filesystem::create_directory(folder.path() / "additional_chat_templates");
  std::ofstream(folder.path() / "additional_chat_templates/tool_use.jinja") << "{{ tools }}";
  std::ofstream(folder.path() / "additional_chat_templates/notes.txt") << "not a template";
  const TokenizerFolder read = read_tokenizer_folder(folder.path());
  const auto files = tokenizer_files(read, *tokenizer_of_folder(read));
  EXPECT_EQ(files.at("chat_template.jinja"), "{{ messages }}\n");
  EXPECT_EQ(files.at("additional_chat_templates/tool_use.jinja"), "{{ tools }}");
  EXPECT_FALSE(files.contains("additional_chat_templates/notes.txt"));
}

TEST(TokenizerFolder, NoticesFilesThatChanged) {
  const Folder folder;
  folder.write("tokenizer.json", small_bert());
  const auto tokenizer = tokenizer_of_folder(read_tokenizer_folder(folder.path()));
  folder.write("tokenizer_config.json", {{"tokenizer_class", "BertTokenizer"}, {"do_lower_case", false}});
  EXPECT_THROW(tokenizer_files(read_tokenizer_folder(folder.path()), *tokenizer), Error);
}

TEST(TokenizerFolder, RefusesWhatItCannotMake) {
  const auto refusal = [](const Json& files) {
    const Folder folder;
    folder.write(files);
    return folder.refusal();
  };
  const Json bert = {{"model_type", "bert"}};
  EXPECT_TRUE(has(refusal({{"config.json", bert}}), "vocab.txt"));
  EXPECT_TRUE(has(refusal({{"config.json", bert}}), "save_pretrained"));
  EXPECT_TRUE(
      has(refusal({{"config.json", {{"model_type", "roberta"}}}, {"vocab.json", Json::object()}}), "merges.txt"));
  EXPECT_TRUE(has(refusal({{"config.json", bert}, {"spiece.model", "x"}}), "spiece.model is not read"));
  EXPECT_TRUE(
      has(refusal({{"vocab.txt", "a\n"}, {"tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"}}}}),
          "PreTrainedTokenizerFast"));
  EXPECT_TRUE(has(refusal({{"tokenizer.json", small_bert()},
                           {"tokenizer_config.json", {{"tokenizer_class", "BertJapaneseTokenizer"}}}}),
                  "BertJapaneseTokenizer"));
  EXPECT_TRUE(has(refusal({{"config.json", bert}, {"vocab.txt", "{\"version\": 1}\n"}}), "no \"[UNK]\" among its 1"));
  const auto with_config = [&](const Json& config) {
    Json whole = {{"tokenizer_class", "BertTokenizer"}};
    whole.update(config);
    return refusal({{"tokenizer.json", small_bert()}, {"tokenizer_config.json", whole}});
  };
  EXPECT_TRUE(has(with_config({{"do_lower_case", "no"}}), "do_lower_case: found \"no\", expected true or false"));
  EXPECT_TRUE(has(with_config({{"truncation_side", "middle"}}), "\"left\" or \"right\""));
  EXPECT_TRUE(has(with_config({{"split_special_tokens", true}}), "split_special_tokens"));
  EXPECT_TRUE(has(with_config({{"added_tokens_decoder", {{"x", {{"content", "a"}}}}}}), "added_tokens_decoder.x"));
  EXPECT_TRUE(has(refusal({{"tokenizer.json", small_bert()}, {"tokenizer_config.json", "{"}}), "not valid JSON"));
  EXPECT_TRUE(
      has(refusal({{"tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"}}), "git lfs pull"));
  EXPECT_TRUE(has(refusal({{"config.json", {{"model_type", "roberta"}}},
                           {"vocab.json", {{"a", 0}}},
                           {"merges.txt", "#version: 0.2\na b c\n"}}),
                  "merges.txt, line 2"));
}

}  // namespace
}  // namespace temper
