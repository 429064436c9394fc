#include "model/huggingface/export.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "model/architectures/model_config.h"
#include "model/huggingface/weight_files.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/places.h"

namespace temper {
namespace {

using testing_support::expect_refusal;
using testing_support::TestFolder;
using FileNames = std::set<std::string>;

/// A base model in "base" beside which models are exported.
class Export : public testing::Test {
 protected:
  Export() {
    folder_.write("base/config.json",
                  R"({"model_type":"bert","architectures":["BertModel"],"hidden_size":24,"my_own_key":[1,2],)"
                  R"("torch_dtype":"float16","num_labels":7,"id2label":{"0":"old"},"label2id":{"old":0},)"
                  R"("problem_type":"regression"})");
    request_.tokenizer_files = {
        {"tokenizer.json", "{\"tokenizer\": true}"}, {"vocab.txt", "[PAD]\n"}, {"merges.txt", ""}};
    folder_.write("base/notes.txt", "stays here");
    request_.source_folder = folder_.path() / "base";
    request_.target_folder = folder_.path() / "tuned";
    request_.architecture = "BertForSequenceClassification";
    request_.outputs = 2;
    request_.labels = {"no", "yes"};
    request_.problem_type = "single_label_classification";
    request_.tensors = {{"classifier.weight", {2, 3}, weight_}, {"classifier.bias", {2}, bias_}};
    request_.model_card = "# A card\n";
    request_.trained_use = "{}";
  }

  [[nodiscard]] nlohmann::json exported_config() const {
    return nlohmann::json::parse(read_text_file(request_.target_folder / "config.json"));
  }
  /// Everything beside the target: an export must leave nothing else.
  void expect_siblings(const FileNames& names) const { EXPECT_EQ(folder_.names(), names); }

  TestFolder folder_;
  std::vector<float> weight_ = {1, 2, 3, 4, 5, 6};
  std::vector<float> bias_ = {7, 8};
  ExportRequest request_;
};

TEST_F(Export, WritesAWholeModelFolder) {
  export_model(request_);
  EXPECT_EQ(folder_.names("tuned"), (FileNames{"README.md", "config.json", "merges.txt", "model.safetensors",
                                               "temper.json", "tokenizer.json", "vocab.txt"}));
  expect_siblings({"base", "tuned"});
  EXPECT_EQ(read_text_file(request_.target_folder / "README.md"), "# A card\n");
  EXPECT_EQ(read_text_file(request_.target_folder / "tokenizer.json"), "{\"tokenizer\": true}");
  const SafetensorsFile weights(request_.target_folder / "model.safetensors");
  EXPECT_EQ(weights.metadata().at("format"), "pt");
  EXPECT_EQ(std::memcmp(weights.tensors().at("classifier.weight").bytes.data(), weight_.data(), 24), 0);
}

TEST_F(Export, ReplacesWhatTheConfigurationSaysOfTheHead) {
  export_model(request_);
  EXPECT_EQ(exported_config(), nlohmann::json::parse(R"({"model_type":"bert","hidden_size":24,"my_own_key":[1,2],
      "architectures":["BertForSequenceClassification"],"dtype":"float32","id2label":{"0":"no","1":"yes"},
      "label2id":{"no":0,"yes":1},"problem_type":"single_label_classification"})"));
  EXPECT_EQ(read_model_config(request_.target_folder).labels, request_.labels);
}

TEST_F(Export, NumbersTheLabelsWhereNoneAreGiven) {
  request_.labels.clear();
  request_.problem_type.clear();
  export_model(request_);
  EXPECT_EQ(exported_config()["id2label"], nlohmann::json::parse(R"({"0":"LABEL_0","1":"LABEL_1"})"));
  EXPECT_FALSE(exported_config().contains("problem_type"));
}

TEST_F(Export, ModelsWithoutClassesHaveNoLabels) {
  request_.labels.clear();
  request_.architecture = "BertForMaskedLM";
  request_.outputs.reset();
  export_model(request_);
  EXPECT_FALSE(exported_config().contains("id2label"));
  EXPECT_FALSE(exported_config().contains("label2id"));
}

TEST_F(Export, ReplacesAnOlderExportWhole) {
  export_model(request_);
  request_.tokenizer_files.erase("vocab.txt");
  request_.model_card = "# Another card\n";
  export_model(request_);
  EXPECT_EQ(read_text_file(request_.target_folder / "README.md"), "# Another card\n");
  EXPECT_FALSE(std::filesystem::exists(request_.target_folder / "vocab.txt"));
  expect_siblings({"base", "tuned"});
}

TEST_F(Export, LeavesModelsThatNoExportLeftThere) {
  folder_.write("tuned/config.json", "{}");
  folder_.write("tuned/model.safetensors", "somebody's");
  expect_refusal([&] { export_model(request_); }, {"tuned", "holds a model that no export left there"});
  EXPECT_EQ(read_text_file(request_.target_folder / "model.safetensors"), "somebody's");
}

TEST_F(Export, CreatesTheFoldersAboveAndUsesAnEmptyTarget) {
  request_.target_folder = folder_.path() / "runs" / "first" / "model" / "";
  std::filesystem::create_directories(request_.target_folder);
  export_model(request_);
  EXPECT_EQ(folder_.names("runs/first"), FileNames{"model"});
  EXPECT_TRUE(std::filesystem::exists(request_.target_folder / "model.safetensors"));
}

TEST_F(Export, AFailureLeavesTheOlderExport) {
  export_model(request_);
  request_.model_card = "# Another card\n";
  request_.tensors[1].shape = {3};
  expect_refusal([&] { export_model(request_); }, {"classifier.bias", "2 values"});
  EXPECT_EQ(read_text_file(request_.target_folder / "README.md"), "# A card\n");
  expect_siblings({"base", "tuned"});
}

TEST_F(Export, AFailureLeavesNothingWhereNothingWas) {
  request_.tensors[1].shape = {3};
  expect_refusal([&] { export_model(request_); }, {"classifier.bias"});
  expect_siblings({"base"});
}

TEST_F(Export, RemovesWhatAKilledExportLeft) {
  folder_.write(".tuned.temper-partial/model.safetensors", "half");
  export_model(request_);
  expect_siblings({"base", "tuned"});
}

TEST_F(Export, WritesHowToGenerateAndTemplatesOfChats) {
  request_.tokenizer_files["chat_template.jinja"] = "{{ messages }}";
  request_.tokenizer_files["additional_chat_templates/tool_use.jinja"] = "{{ tools }}";
  request_.generation_config = R"({"eos_token_id": [2, 5]})";
  export_model(request_);
  export_model(request_);  // in place of itself
  EXPECT_EQ(read_text_file(request_.target_folder / "generation_config.json"), request_.generation_config);
  EXPECT_EQ(read_text_file(request_.target_folder / "chat_template.jinja"), "{{ messages }}");
  EXPECT_EQ(folder_.names("tuned/additional_chat_templates"), FileNames{"tool_use.jinja"});
  folder_.write("tuned/additional_chat_templates/mine.txt", "years of work");
  expect_refusal([&] { export_model(request_); }, {"additional_chat_templates", "would be deleted"});
}

TEST_F(Export, NeverDeletesWhatIsNotAnExport) {
  folder_.write("tuned/thesis.tex", "years of work");
  expect_refusal([&] { export_model(request_); }, {"thesis.tex", "would be deleted", "another output folder"});
  EXPECT_EQ(folder_.names("tuned"), FileNames{"thesis.tex"});
  std::filesystem::remove(folder_.path() / "tuned" / "thesis.tex");
  folder_.write("tuned/vocab.txt/inner", "a folder that has a file's name");
  expect_refusal([&] { export_model(request_); }, {"vocab.txt", "would be deleted"});
}

TEST_F(Export, NeverReplacesItsOwnSource) {
  std::filesystem::remove(request_.source_folder / "notes.txt");
  request_.target_folder = folder_.path() / "base" / "." / "";
  expect_refusal([&] { export_model(request_); }, {"base model itself"});
  std::filesystem::create_directory_symlink(request_.source_folder, folder_.path() / "link");
  request_.target_folder = folder_.path() / "link";
  expect_refusal([&] { export_model(request_); }, {"base model itself"});
}

TEST_F(Export, RefusesTargetsThatCannotBeFolders) {
  folder_.write("tuned", "a file");
  expect_refusal([&] { export_model(request_); }, {"tuned", "is a file"});
  request_.target_folder = folder_.path() / "tuned" / "below";
  expect_refusal([&] { export_model(request_); }, {"tuned", "cannot be"});
  request_.target_folder = "/";
  expect_refusal([&] { export_model(request_); }, {"/"});
}

TEST_F(Export, RefusesLabelsThatDoNotFit) {
  request_.labels = {"one", "two", "three"};
  expect_refusal([&] { export_model(request_); }, {"3 labels", "2 rows"});
  request_.labels = {"same", "same"};
  expect_refusal([&] { export_model(request_); }, {"\"same\"", "twice"});
  request_.labels = {"\xff", "b"};
  expect_refusal([&] { export_model(request_); }, {"UTF-8"});
  expect_siblings({"base"});
}

TEST_F(Export, RefusesSourcesWithoutConfiguration) {
  request_.source_folder = folder_.path() / "absent";
  expect_refusal([&] { export_model(request_); }, {"absent/config.json", "no such file"});
}

TEST_F(Export, TheReferenceModelsSurviveARoundTrip) {
  const std::filesystem::path models = testing_support::source_directory() / "tests/fixtures";
  for (const char* name : {"bert-classification", "roberta-tokens", "distilbert-regression"}) {
    const WeightFiles before = WeightFiles::open(models / name);
    const ModelConfig config = read_model_config(models / name);
    ExportRequest request;
    request.source_folder = models / name;
    request.target_folder = folder_.path() / name;
    request.architecture = config.architectures.front();
    request.labels = config.labels;
    request.problem_type = config.problem_type;
    std::vector<std::vector<float>> values;
    for (const std::string& tensor : before.names()) {
      const TensorView& view = *before.find(tensor);
      to_f32(view, values.emplace_back(view.bytes.size() / size_in_bytes(view.type)));
      request.tensors.push_back({tensor, view.shape, values.back()});
    }
    export_model(request);
    const WeightFiles after = WeightFiles::open(request.target_folder);
    ASSERT_EQ(after.names(), before.names());
    for (const std::string& tensor : before.names()) {
      const TensorView& was = *before.find(tensor);
      const TensorView& is = *after.find(tensor);
      EXPECT_EQ(is.shape, was.shape);
      ASSERT_EQ(is.bytes.size(), was.bytes.size());
      EXPECT_EQ(std::memcmp(is.bytes.data(), was.bytes.data(), is.bytes.size()), 0) << name << " " << tensor;
    }
    EXPECT_EQ(nlohmann::json::parse(read_text_file(request.target_folder / "config.json")),
              nlohmann::json::parse(config.json));
  }
}

}  // namespace
}  // namespace temper
