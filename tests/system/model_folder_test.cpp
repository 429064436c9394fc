// Whole runs on model folders as they are found: other files for the weights, tokenizers whose files disagree.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "model/huggingface/safetensors.h"
#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class ModelFolders : public TinyRun {
 protected:
  Json report(const Outcome& outcome) {
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return Json::parse(outcome.last_line(), nullptr, /*allow_exceptions=*/false);
  }
  [[nodiscard]] Json read_json(const std::string& name) const { return Json::parse(read(path(name))); }
  [[nodiscard]] Outcome eval(const std::string& model, std::vector<std::string> more = {}) const {
    Invocation invocation;
    invocation.arguments = {"eval", model, "data/test.csv", "--json", "--max-length", "32"};
    invocation.arguments.insert(invocation.arguments.end(), more.begin(), more.end());
    invocation.folder = folder_;
    return run(invocation);
  }
};

std::string number(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value & 0xff);
  return text;
}

std::string text(const std::string& value) { return "X" + number(value.size(), 4) + value; }

std::string integer(std::int64_t value) { return "J" + number(static_cast<std::uint64_t>(value), 4); }

/// The pickle of a dictionary of f32 tensors, the i-th in the storage of that number.
std::string pickle_of(const std::map<std::string, TensorView>& tensors) {
  std::string pickle = "\x80\x02}(";
  int storage = 0;
  for (const auto& [name, tensor] : tensors) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : tensor.shape) elements *= extent;
    pickle += text(name) + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" +
              text(std::to_string(storage++)) + text("cpu") + integer(elements) + "tQ" + integer(0) + "(";
    for (const std::int64_t extent : tensor.shape) pickle += integer(extent);
    pickle += "t(";
    std::int64_t stride = elements;
    for (const std::int64_t extent : tensor.shape) pickle += integer(stride /= extent);
    pickle +=
        "t\x89"
        "ccollections\nOrderedDict\n)RtR";
  }
  return pickle + "u.";
}

/// An archive of stored entries.
std::string zip_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string archive;
  std::string directory;
  for (const auto& [name, content] : entries) {
    const std::string sizes = number(0, 4) + number(content.size(), 4) + number(content.size(), 4);
    const std::string lengths = number(name.size(), 2) + number(0, 2);
    directory += "PK\x01\x02" + number(0, 12) + sizes + lengths + number(0, 10) + number(archive.size(), 4) + name;
    archive += "PK\x03\x04" + number(0, 10) + sizes + lengths + name + content;
  }
  const std::string counts = number(entries.size(), 2) + number(entries.size(), 2);
  return archive + directory + "PK\x05\x06" + number(0, 4) + counts + number(directory.size(), 4) +
         number(archive.size(), 4) + number(0, 2);
}

TEST_F(ModelFolders, WeightsOfPyTorchTrainAsSafetensorsDo) {
  report(train("safetensors", {"train.epochs=1"}));
  std::vector<std::pair<std::string, std::string>> entries;
  {
    const SafetensorsFile stored(path("model/model.safetensors"));
    entries.emplace_back("pytorch_model/data.pkl", pickle_of(stored.tensors()));
    entries.emplace_back("pytorch_model/byteorder", "little");
    for (const auto& [name, tensor] : stored.tensors())
      entries.emplace_back("pytorch_model/data/" + std::to_string(entries.size() - 2),
                           std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()));
  }
  write("model/pytorch_model.bin", zip_of(entries));
  Invocation inspect;
  inspect.arguments = {"inspect", "model/pytorch_model.bin", "--json"};
  inspect.folder = folder_;
  const Json inspected = report(run(inspect));
  EXPECT_EQ(inspected["kind"], "pytorch");
  EXPECT_EQ(inspected["tensor_count"], entries.size() - 2);
  std::filesystem::remove(path("model/model.safetensors"));
  report(train("pytorch", {"train.epochs=1"}));
  EXPECT_TRUE(weights("pytorch") == weights("safetensors"));
}

TEST_F(ModelFolders, ADisagreementIsFollowedSaidAndNotExported) {
  write("model/tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false})");
  const Outcome outcome = train("out", {"train.epochs=1"});
  const Json result = report(outcome);
  EXPECT_NE(outcome.err.find("do_lower_case is false (tokenizer.json: true)"), std::string::npos) << outcome.err;
  EXPECT_EQ(read_json("out/model/tokenizer.json")["normalizer"]["lowercase"], false);
  EXPECT_EQ(read_json("out/model/tokenizer_config.json")["do_lower_case"], false);
  const Outcome measured = eval("out/model");
  EXPECT_EQ(report(measured)["accuracy"], result["test"]["accuracy"]);
  EXPECT_EQ(measured.err.find("do_lower_case"), std::string::npos) << measured.err;
}

TEST_F(ModelFolders, AVocabularyAloneIsEnough) {
  report(train("whole", {"train.epochs=1"}));
  const Json vocabulary = read_json("model/tokenizer.json")["model"]["vocab"];
  // The vocabulary has "a" twice; of the two the last counts, in both forms.
  std::size_t size = 0;
  for (const Json& id : vocabulary) size = std::max(size, id.get<std::size_t>() + 1);
  std::vector<std::string> words(size, "a");
  for (const auto& [word, id] : vocabulary.items()) words[id.get<std::size_t>()] = word;
  std::string lines;
  for (const std::string& word : words) lines += word + "\n";
  write("model/vocab.txt", lines);
  std::filesystem::remove(path("model/tokenizer.json"));
  report(train("vocabulary", {"train.epochs=1"}));
  EXPECT_TRUE(weights("vocabulary") == weights("whole"));
  EXPECT_EQ(read_json("vocabulary/model/tokenizer.json")["model"]["vocab"], vocabulary);
}

TEST_F(ModelFolders, TextsAreCutOnTheSideThatIsAskedFor) {
  const Outcome outcome = train("left", {"train.epochs=1", "data.truncate=left", "data.max_length=8"});
  report(outcome);
  EXPECT_NE(outcome.err.find("before the last of them is cut off"), std::string::npos) << outcome.err;
  EXPECT_EQ(read_json("left/model/tokenizer_config.json")["truncation_side"], "left");
  report(train("right", {"train.epochs=1", "data.max_length=8"}));
  EXPECT_FALSE(weights("left") == weights("right"));
}

TEST_F(ModelFolders, TypesBeyondTheTableAreRefused) {
  write("data/pairs.csv", "text,second,label\ngood day,bad road,positive\nawful,nice,negative\n");
  Json config = read_json("model/config.json");
  config["type_vocab_size"] = 1;
  write("model/config.json", config.dump());
  const Outcome trained =
      train("pairs", {"data.train=data/pairs.csv", "data.text_pair=second", "data.validation=\"\"", "data.test=\"\""});
  EXPECT_EQ(trained.status, 1);
  EXPECT_NE(trained.err.find("type_vocab_size"), std::string::npos) << trained.err;
}

}  // namespace
}  // namespace temper::system_tests
