// Models with adapters against PEFT: values, every gradient, what is trained after five steps, what is merged, and the
// folders that PEFT writes and reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "model/adapters/peft_folder.h"
#include "model/freezing.h"
#include "model/weights.h"
#include "runtime/steps/training_step.h"
#include "tensor/host_copy.h"
#include "tests/close_values.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using testing_support::expect_within;
using testing_support::largest;
using testing_support::ModelFixture;
using testing_support::values_of;
using Values = std::vector<float>;

std::string without(std::string text, const std::string& part) {
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part)) text.erase(at, part.size());
  return text;
}

/// What PEFT's file calls a parameter that it calls otherwise in memory.
std::string name_in_file(std::string name) {
  const std::string of_magnitudes = "lora_magnitude_vector.default.weight";
  if (name.ends_with(of_magnitudes)) name.erase(name.size() - std::string(".default.weight").size());
  return without(without(name, ".modules_to_save.default"), ".default");
}

std::map<std::string, const TensorView*> by_file_name(const SafetensorsFile& file, const std::string& prefix) {
  std::map<std::string, const TensorView*> tensors;
  for (const auto& [name, view] : file.tensors())
    if (name.starts_with(prefix)) tensors[name_in_file(name.substr(prefix.size()))] = &view;
  return tensors;
}

class AdapterParity : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    TEMPER_REQUIRE_FIXTURE(GetParam());
    fixture_.emplace(GetParam());
    load();
  }

  void load() {
    model_ = fixture_->load(*device_);
    lora_ = load_adapter(*model_, *device_, fixture_->folder / "adapter");
    apply_freezing(*model_, {});
  }

  [[nodiscard]] Values logits(const Model& model) const {
    Tape tape(*device_, Tape::Mode::evaluation);
    const DeviceBatch batch = to_device(fixture_->batch, model.readout(), {.labelled = true}, *device_);
    const Variable outputs = model.forward(tape, batch.input, batch.selection);
    return device_->download_as_f32(outputs.value());
  }

  void take_five_steps() {
    TrainingStepSettings settings;
    settings.clip_norm = 1.0;
    settings.optimizer.weight_decay = 0.01;
    settings.rate_factors.assign(model_->parameters().all().size(), 1.0);
    step_ = std::make_unique<TrainingStep>(*model_, *device_, *solo_, settings);
    for (std::int64_t number = 0; number < 5; ++number) {
      StepBatch batch;
      batch.grains = {{fixture_->batch}};
      step_->run(batch, number, 1e-3, {});
    }
  }

  std::unique_ptr<Device> device_ = make_test_device();
  std::unique_ptr<Communicator> solo_ = make_solo_communicator();
  std::optional<ModelFixture> fixture_;
  std::unique_ptr<Model> model_;
  Lora lora_;
  std::unique_ptr<TrainingStep> step_;  ///< the values lie in its arena
};

TEST_P(AdapterParity, LossAndGradientsMatchPeft) {
  const BatchUse use{.labelled = true, .trains_embeddings = true};
  const DeviceBatch batch = to_device(fixture_->batch, model_->readout(), use, *device_);
  std::int64_t leaf = 0;
  for (const Parameter& parameter : model_->parameters().all())
    if (parameter.trainable())
      parameter.variable.bind_gradient(Tensor::empty(device_->memory(), parameter.shape), leaf++);
  Tape tape(*device_, Tape::Mode::training);
  const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
  device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
  const Variable outputs = model_->forward(tape, batch.input, batch.selection, {.stages = model_->frozen_stages()});
  const Values expected_logits = fixture_->logits(true);
  expect_within(HostCopy(*device_, outputs.value()).values(), expected_logits, 1e-5 * largest(expected_logits),
                "logits");
  model_->loss_of(tape, outputs, batch.targets, sum);
  const std::vector<double> loss = device_->download<double>(sum);
  const double weight = loss[1];
  EXPECT_NEAR(loss[0] / weight, values_of<float>(fixture_->expected.tensors().at("loss")).front(), 2e-6);
  std::vector<std::int64_t> completed;
  tape.backward([&](std::int64_t slot) { completed.push_back(slot); });
  EXPECT_EQ(completed.size(), static_cast<std::size_t>(leaf));

  const auto gradients = by_file_name(fixture_->expected, "grad.");
  std::set<std::string> compared;
  for (const TrainedInAdapter& trained : lora_.trained) {
    const Parameter& parameter = *model_->parameters().find(trained.parameter);
    ASSERT_TRUE(parameter.trainable()) << trained.parameter;
    ASSERT_TRUE(gradients.contains(trained.form.name)) << trained.form.name;
    compared.insert(trained.form.name);
    const Values expected = parameter_values(*gradients.at(trained.form.name), trained.form, parameter.shape);
    Values actual = device_->download_as_f32(parameter.variable.gradient());
    for (float& value : actual) value = static_cast<float>(value / weight);
    expect_within(actual, expected, std::max(3e-5 * largest(expected), 1e-7), trained.form.name);
  }
  EXPECT_EQ(compared.size(), gradients.size());
  for (const Parameter& parameter : model_->parameters().all())
    EXPECT_EQ(parameter.variable.gradient().defined(), parameter.trainable()) << parameter.name;
}

TEST_P(AdapterParity, FiveStepsMatchPeftAndSoDoesWhatIsMerged) {
  take_five_steps();
  const SafetensorsFile after(fixture_->folder / "after_steps.safetensors");
  const auto stepped = by_file_name(after, "");
  const auto gradients = by_file_name(fixture_->expected, "grad.");
  for (const TrainedInAdapter& trained : lora_.trained) {
    const Parameter& parameter = *model_->parameters().find(trained.parameter);
    double bound = 5e-5;
    for (const auto& [name, apart] : fixture_->undetermined)
      if (name_in_file(name) == trained.form.name) bound = std::max(bound, 3.0 * apart);
    Values actual = device_->download_as_f32(parameter.variable.value());
    const Values expected = parameter_values(*stepped.at(trained.form.name), trained.form, parameter.shape);
    // AdamW follows the sign of a gradient that is nothing, as that of a bias of keys.
    const Values gradient = parameter_values(*gradients.at(trained.form.name), trained.form, parameter.shape);
    for (std::size_t i = 0; i < actual.size(); ++i)
      if (fixture_->is_rounding(std::span(gradient).subspan(i, 1))) actual[i] = expected[i];
    expect_within(actual, expected, bound, trained.form.name);
  }
  const Values unmerged = logits(*model_);
  merge_lora(*model_, *device_, lora_, TiedHead::change);
  for (const Parameter& parameter : model_->parameters().all()) {
    EXPECT_NE(parameter.role, ParameterRole::adapter);
    EXPECT_FALSE(parameter.is_base);
  }
  if (!model_->has_tied_head()) expect_within(logits(*model_), unmerged, 1e-5 * largest(unmerged), "merged logits");
  if (!std::filesystem::exists(fixture_->folder / "merged_after_steps.safetensors")) return;
  const SafetensorsFile merged(fixture_->folder / "merged_after_steps.safetensors");
  std::size_t compared = 0;
  const StoredWeights weights(*model_, *device_);
  for (const TensorToWrite& tensor : weights.tensors()) {
    const auto found = merged.tensors().find(tensor.name);
    if (found == merged.tensors().end()) continue;
    if (++compared; lora_.settings.bias != LoraBias::none && tensor.name.ends_with(".bias")) continue;  // as above
    expect_within(tensor.values, values_of<float>(found->second), 1e-4, tensor.name);
  }
  EXPECT_GE(compared + 1, weights.tensors().size()) << "all but a name of a tied weight";
}

TEST_P(AdapterParity, TheFolderIsWrittenAsPeftWritesIt) {
  const testing_support::TestFolder folder;
  write_adapter({*model_, *device_, lora_, "", {std::string(64, 'a'), std::string(64, 'c')}}, folder.path());
  const SafetensorsFile written(folder.path() / "adapter_model.safetensors");
  const SafetensorsFile original(fixture_->folder / "adapter/adapter_model.safetensors");
  std::size_t compared = 0;
  for (const auto& [name, view] : original.tensors()) {
    // Of a wrapper that is PEFT's own.
    if (name.ends_with(".modules_to_save.bias") || name.ends_with(".original_module.bias")) continue;
    ++compared;
    ASSERT_TRUE(written.tensors().contains(name)) << name;
    EXPECT_EQ(written.tensors().at(name).shape, view.shape) << name;
    Values values(static_cast<std::size_t>(*element_count(view.shape)));
    to_f32(view, values);
    EXPECT_EQ(values_of<float>(written.tensors().at(name)), values) << name;
  }
  EXPECT_EQ(written.tensors().size(), compared);
  const AdapterBase known = base_of_adapter(folder.path());
  EXPECT_EQ(known.digest, std::string(64, 'a'));
  EXPECT_THROW(require_base(known, std::string(64, 'b'), folder.path(), "other"), Error);
  EXPECT_THROW(require_fingerprint(known, std::string(64, 'b'), folder.path(), "other"), Error);
  EXPECT_NO_THROW(require_fingerprint(known, std::string(64, 'c'), folder.path(), "other"));

  const auto read_json = [](const std::filesystem::path& file) {
    std::ifstream stream(file);
    return nlohmann::json::parse(stream);
  };
  EXPECT_EQ(read_json(folder.path() / "adapter_config.json"),
            read_json(fixture_->folder / "adapter/adapter_config.json"));
  // What settings say by themselves has the same keys and, but for the order of names, the same values.
  Lora fresh = lora_;
  fresh.settings.peft_config.clear();
  nlohmann::json own = nlohmann::json::parse(peft_config_text(fresh, model_->head_request().kind, ""));
  nlohmann::json theirs = read_json(fixture_->folder / "adapter/adapter_config.json");
  for (nlohmann::json* config : {&own, &theirs}) {
    // A list may be one value, and of a task without a name PEFT says which class it was.
    for (const char* ignored :
         {"init_lora_weights", "peft_version", "layers_to_transform", "layers_pattern", "auto_mapping"})
      config->erase(ignored);
    if (config->at("target_modules").is_array())
      std::sort(config->at("target_modules").begin(), config->at("target_modules").end());
    if (config->at("exclude_modules").is_array())
      std::sort(config->at("exclude_modules").begin(), config->at("exclude_modules").end());
  }
  EXPECT_EQ(own, theirs);

  const Values before = logits(*model_);
  model_ = fixture_->load(*device_);
  lora_ = load_adapter(*model_, *device_, folder.path());
  EXPECT_EQ(logits(*model_), before);
}

INSTANTIATE_TEST_SUITE_P(Adapters, AdapterParity, testing::ValuesIn(testing_support::adapter_fixtures()),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
