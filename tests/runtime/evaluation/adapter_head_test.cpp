// Adapters whose head is another than their base's: what they are for is what they say, and the outputs are theirs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "model/adapters/peft_folder.h"
#include "runtime/evaluation/fitted_model.h"
#include "tests/data/temporary_folder.h"
#include "tests/runtime/evaluation/fitted_folder.h"
#include "tests/tiny_text_model.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::TemporaryFolder;
using testing_support::write_fitted_folder;
using Names = std::vector<std::string>;

class AdapterHead : public testing::Test {
 protected:
  /// Writes an adapter as PEFT does, for a head of so many outputs on the base of a folder, without temper.json.
  std::filesystem::path write(const std::filesystem::path& base, HeadKind head, std::int64_t outputs,
                              const Names& targets) {
    const ModelFolder folder(base);
    RunModel model(folder, {head, outputs}, -1.0, LoadOptions{.replace_head = true, .seed = 5}, *device_);
    LoraSettings settings;
    settings.rank = 2;
    settings.targets = {targets, false};
    Names drawn = model.report.initialized;
    drawn.insert(drawn.end(), model.report.replaced.begin(), model.report.replaced.end());
    add_trained_heads(settings, *model.model, drawn);
    const Lora lora = attach_lora(*model.model, *device_, settings, 1, "here");
    const std::filesystem::path adapter = folder_.path() / ("adapter-" + std::to_string(count_++));
    std::filesystem::create_directories(adapter);
    write_adapter({*model.model, *device_, lora, base.string(), {}}, adapter);
    return adapter;
  }
  /// Gives the base of language models another architecture by name.
  std::filesystem::path text_model(const std::string& architecture) {
    const std::filesystem::path base = folder_.path() / architecture;
    testing_support::write_text_model(base);
    nlohmann::json config = nlohmann::json::parse(read_text_file(base / "config.json"));
    config["architectures"] = {architecture};
    write_file_atomically(base / "config.json", config.dump());
    return base;
  }
  void expect(const std::filesystem::path& base, const std::filesystem::path& adapter, const std::string& task,
              const Names& labels) {
    FittedModel fitted(ModelChoice{base, {adapter}}, *device_);
    EXPECT_EQ(fitted.task().name, task);
    EXPECT_EQ(fitted.labels().names(), labels);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Device> device_ = make_cpu_device();
  int count_ = 0;
};

TEST_F(AdapterHead, ALanguageModelsAdapterMayClassify) {
  const std::filesystem::path base = text_model("GPT2LMHeadModel");
  expect(base, write(base, HeadKind::sequence, 3, {"c_attn"}), "sequence-classification",
         {"LABEL_0", "LABEL_1", "LABEL_2"});
  expect(base, write(base, HeadKind::sequence, 1, {"c_attn"}), "regression", {});
  expect(base, write(base, HeadKind::token, 4, {"c_attn"}), "token-classification",
         {"LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"});
  expect(base, write(base, HeadKind::causal_language_model, 0, {"c_attn"}), "causal-lm", {});
}

TEST_F(AdapterHead, AClassifiersAdapterMayGenerate) {
  const std::filesystem::path base = text_model("GPT2ForSequenceClassification");
  // Its head is tied to the embeddings, so there is nothing to bring.
  expect(base, write(base, HeadKind::causal_language_model, 0, {"c_attn"}), "causal-lm", {});
}

TEST_F(AdapterHead, OfAnotherNumberOfOutputsItIsTheAdapters) {
  TrainedUse use;
  use.task = "sequence-classification";
  use.text = "review";
  const std::filesystem::path base =
      write_fitted_folder(folder_.path(), task_named("sequence-classification"), {"no", "yes"}, use);
  expect(base, write(base, HeadKind::sequence, 2, {"query"}), "sequence-classification", {"no", "yes"});
  expect(base, write(base, HeadKind::sequence, 3, {"query"}), "sequence-classification",
         {"LABEL_0", "LABEL_1", "LABEL_2"});
  const std::filesystem::path words = write(base, HeadKind::token, 4, {"query"});
  expect(base, words, "token-classification", {"LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"});
  EXPECT_FALSE(FittedModel(ModelChoice{base, {words}}, *device_).trained().has_value())
      << "the base was trained for something else";
  EXPECT_EQ(FittedModel(ModelChoice{base, {write(base, HeadKind::sequence, 2, {"query"})}}, *device_).trained()->text,
            "review");
}

TEST_F(AdapterHead, HeadsThatAreNotComputedAreRefused) {
  const std::filesystem::path base = text_model("GPT2LMHeadModel");
  const std::filesystem::path adapter = write(base, HeadKind::causal_language_model, 0, {"c_attn"});
  nlohmann::json config = nlohmann::json::parse(read_text_file(adapter / "adapter_config.json"));
  config["task_type"] = "QUESTION_ANS";
  write_file_atomically(adapter / "adapter_config.json", config.dump());
  const std::string message = error_of([&] { FittedModel(ModelChoice{base, {adapter}}, *device_); });
  EXPECT_NE(message.find("adapter_config.json: \"task_type\" is \"QUESTION_ANS\""), std::string::npos) << message;
}

TEST_F(AdapterHead, AnAdapterOfAnotherBaseIsToldByItsFingerprint) {
  const std::filesystem::path base = text_model("GPT2LMHeadModel");
  const ModelFolder folder(base);
  RunModel model(folder, {HeadKind::causal_language_model, 0}, -1.0, LoadOptions{}, *device_);
  LoraSettings settings;
  settings.targets = {{"c_attn"}, false};
  model.lora = attach_lora(*model.model, *device_, settings, 1, "here");
  const AdapterBase bases[] = {{std::string(64, 'a'), model.files.fingerprint()},
                               {std::string(64, 'a'), std::string(64, 'b')},
                               {model.files.digest(), ""},
                               {std::string(64, 'a'), ""}};
  // With a fingerprint nothing else is read before the start; without one, all is.
  const bool fits[] = {true, false, true, false};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::filesystem::path adapter = folder_.path() / ("of-base-" + std::to_string(i));
    std::filesystem::create_directories(adapter);
    write_adapter({*model.model, *device_, *model.lora, base.string(), bases[i]}, adapter);
    const std::string message = error_of([&] { FittedModel(ModelChoice{base, {adapter}}, *device_); });
    EXPECT_EQ(message.empty(), fits[i]) << message;
    if (!fits[i]) {
      EXPECT_NE(message.find("was trained on a base model with SHA-256 aaaaaaaaaaaaaaaa"), std::string::npos)
          << message;
    }
  }
}

}  // namespace
}  // namespace temper
