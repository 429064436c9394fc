// Models of timm against PyTorch: logits, loss, every gradient, a step, and the tensors of an export.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "model/freezing.h"
#include "model/weights.h"
#include "runtime/steps/training_step.h"
#include "tensor/host_copy.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using testing_support::values_of;

class TimmParity : public testing::TestWithParam<std::string> {
 protected:
  std::vector<float> logits(const Model& model) {
    const DeviceBatch batch = to_device(fixture_.batch, model.readout(), {.labelled = false}, *device_);
    Tape tape(*device_, Tape::Mode::evaluation);
    const Variable outputs = model.forward(tape, batch.input, batch.selection);
    return device_->download_as_f32(outputs.value());
  }

  ModelFixture fixture_{GetParam()};
  std::unique_ptr<Device> device_ = make_test_device();
};

void expect_close(std::span<const float> actual, std::span<const float> expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_LE(std::abs(actual[i] - expected[i]), 1e-5 * (1.0 + std::abs(expected[i]))) << what << " at " << i;
}

TEST_P(TimmParity, LogitsGradientsAndAStepAreThoseOfPyTorch) {
  const auto model = fixture_.load(*device_);
  expect_close(logits(*model), values_of<float>(fixture_.expected.tensors().at("logits")), "logits");

  apply_freezing(*model, {});
  const DeviceBatch batch = to_device(fixture_.batch, model->readout(), {.labelled = true}, *device_);
  std::int64_t leaf = 0;
  for (const Parameter& parameter : model->parameters().all())
    if (parameter.trainable())
      parameter.variable.bind_gradient(Tensor::empty(device_->memory(), parameter.shape), leaf++);
  Tape tape(*device_, Tape::Mode::training);
  const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
  device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
  model->loss(tape, batch.input, batch.selection, batch.targets, sum);
  tape.backward([](std::int64_t) {});
  const std::vector<double> loss = device_->download<double>(sum);
  const double expected_loss = values_of<float>(fixture_.expected.tensors().at("loss")).front();
  EXPECT_NEAR(loss[0] / loss[1], expected_loss, 1e-5 * (1.0 + std::abs(expected_loss)));

  std::ifstream file(fixture_.folder / "fixture.json");
  const nlohmann::json facts = nlohmann::json::parse(file);
  const double rate = facts.at("rate").get<double>() / loss[1];
  for (const Parameter& parameter : model->parameters().all()) {
    if (!parameter.trainable()) continue;
    const auto expected = fixture_.values_as_stored(fixture_.expected, "grad.", model->names(), parameter);
    ASSERT_TRUE(expected.has_value()) << parameter.name;
    const HostCopy gradient(*device_, parameter.variable.gradient());
    ASSERT_EQ(gradient.values().size(), expected->size()) << parameter.name;
    double most = 0.0;
    for (const float value : *expected) most = std::max(most, static_cast<double>(std::abs(value)));
    const double bound = fixture_.is_rounding(*expected) ? 1e-6 : 2e-5 * most;
    for (std::size_t i = 0; i < expected->size(); ++i)
      ASSERT_LE(std::abs(gradient.values()[i] / loss[1] - (*expected)[i]), bound) << parameter.name << " at " << i;
    std::vector<float> stepped = device_->download_as_f32(parameter.variable.value());
    for (std::size_t i = 0; i < stepped.size(); ++i)
      stepped[i] -= static_cast<float>(rate * static_cast<double>(gradient.values()[i]));
    parameter.variable.set_value(device_->upload(std::span<const float>(stepped), parameter.shape));
  }
  std::vector<float> after;
  for (const auto& row : facts.at("logits_after_step"))
    for (const auto& value : row) after.push_back(value.get<float>());
  expect_close(logits(*model), after, "logits after a step");
}

TEST_P(TimmParity, AnExportHasTimmsTensors) {
  const auto model = fixture_.load(*device_);
  const StoredWeights stored(*model, *device_);
  // Gradients have the names that timm has today, whatever the file has.
  std::map<std::string, const TensorToWrite*> tensors;
  for (const TensorToWrite& tensor : stored.tensors()) tensors[tensor.name] = &tensor;
  for (const auto& [name, view] : fixture_.expected.tensors()) {
    if (!name.starts_with("grad.")) continue;
    ASSERT_TRUE(tensors.contains(name.substr(5))) << name;
    EXPECT_EQ(tensors[name.substr(5)]->shape, view.shape) << name;
  }
  EXPECT_EQ(tensors.size(), fixture_.weights.names().size());
  for (const auto& [name, tensor] : tensors) {
    const TensorView* view = fixture_.weights.find(name);
    if (view == nullptr || view->shape != tensor->shape) {
      EXPECT_EQ(GetParam(), "timm-swin-old") << name;
      continue;
    }
    EXPECT_TRUE(std::equal(view->bytes.begin(), view->bytes.end(), tensor->bytes().begin(), tensor->bytes().end()))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TimmParity, testing::ValuesIn(testing_support::timm_fixtures()),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
