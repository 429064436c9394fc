// Whole encoders with train.checkpoint_activations: every gradient bit for bit as without it, in less memory.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "data/token_rows.h"
#include "model/architectures/registry.h"
#include "model/freezing.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/device_batch.h"
#include "tests/test_device.h"

namespace temper {
namespace {

constexpr std::int64_t kLayers = 5;
constexpr std::int32_t kVocabulary = 50;

ModelConfig small_bert() {
  return parse_model_config(
      fmt::format(R"({{"model_type":"bert","vocab_size":{},"hidden_size":32,"num_hidden_layers":{},)"
                  R"("num_attention_heads":2,"intermediate_size":128,"max_position_embeddings":40,)"
                  R"("initializer_range":0.2}})",
                  kVocabulary, kLayers),
      "");
}

/// Sequences of 40, 9, 23 and 1 tokens; every third token carries a label where tokens do.
Batch batch_for(HeadKind kind) {
  Batch batch;
  for (const int length : {40, 9, 23, 1}) {
    for (int i = 0; i < length; ++i) {
      batch.text().ids.push_back((7 * i + length) % kVocabulary);
      batch.text().types.push_back(i % 2);
      batch.positions.push_back(i);
      if (kind != HeadKind::sequence) batch.classes.push_back(i % 3 == 0 ? i % 5 : kUnlabelled);
    }
    batch.examples.push_back(static_cast<std::uint32_t>(length));
    batch.sequence_starts.push_back(static_cast<std::int32_t>(batch.text().ids.size()));
    if (kind == HeadKind::sequence) batch.classes.push_back(length % 5);
  }
  return batch;
}

struct Pass {
  std::vector<double> loss;
  std::vector<std::vector<float>> gradients;
  std::vector<std::int64_t> completed;
  std::int64_t peak = 0;  ///< bytes, above the parameters and their gradients
};

class CheckpointActivations : public testing::TestWithParam<std::int64_t> {
 protected:
  /// Forward and backward of two micro-batches.
  static Pass run(HeadKind kind, std::int64_t interval, const std::vector<std::string>& freeze = {},
                  DType type = DType::f32) {
    const auto device = make_test_device();
    const auto model = make_model(small_bert(), {kind, 5, {.label_smoothing = 0.1F}});
    model->checkpoint_activations(interval);
    for (const Parameter& parameter : model->parameters().all()) {
      std::vector<float> values(static_cast<std::size_t>(parameter.size()));
      initialize(values, parameter.shape, parameter.initialization, 1, parameter.name);
      parameter.variable.set_value(device->upload(std::span<const float>(values), parameter.shape));
    }
    apply_freezing(*model, freeze);
    ensure_compute_copies(*model, *device, type);
    std::int64_t leaf = 0;
    for (const Parameter& parameter : model->parameters().all())
      if (parameter.trainable())
        parameter.variable.bind_gradient(Tensor::empty(device->memory(), parameter.shape), leaf++);
    const BatchUse use{.labelled = true, .trains_embeddings = true};
    const DeviceBatch batch = to_device(batch_for(kind), model->readout(), use, *device);
    const Tensor sum = Tensor::empty(device->memory(), {2}, DType::f64);
    device->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
    Pass pass;
    const std::int64_t before = device->peak_memory_bytes();
    for (const std::uint32_t step : {0U, 1U}) {
      Tape tape(*device, Tape::Mode::training, {step, 2}, type);
      model->loss(tape, batch.input, batch.selection, batch.targets, sum);
      tape.backward([&](std::int64_t slot) { pass.completed.push_back(slot); });
    }
    EXPECT_EQ(pass.completed.size(), static_cast<std::size_t>(2 * leaf));
    pass.peak = device->peak_memory_bytes() - before;
    pass.loss = device->download<double>(sum);
    for (const Parameter& parameter : model->parameters().all())
      if (parameter.trainable()) pass.gradients.push_back(device->download<float>(parameter.variable.gradient()));
    return pass;
  }
};

TEST_P(CheckpointActivations, ChangesNoBit) {
  std::vector<DType> types{DType::f32};
  if (make_test_device()->has_bf16()) types.push_back(DType::bf16);
  for (const DType type : types)
    for (const HeadKind kind : {HeadKind::sequence, HeadKind::token, HeadKind::masked_language_model})
      for (const std::vector<std::string>& freeze : std::vector<std::vector<std::string>>{
               {}, {"embeddings", "encoder.layer.0-1"}, {"embeddings", "encoder.layer.1"}, {"*"}}) {
        const Pass expected = run(kind, 0, freeze, type);
        const Pass found = run(kind, GetParam(), freeze, type);
        const std::string what = std::string(class_suffix(kind)) + " in " + std::string(name_of(type)) + " without " +
                                 (freeze.empty() ? "nothing" : freeze.back());
        EXPECT_EQ(found.loss, expected.loss) << what;
        EXPECT_EQ(found.completed, expected.completed) << what;
        EXPECT_TRUE(found.gradients == expected.gradients) << what;
      }
}

INSTANTIATE_TEST_SUITE_P(Intervals, CheckpointActivations, testing::Values(1, 2, 3, kLayers, kLayers + 3));

TEST_F(CheckpointActivations, HoldsFewerActivationsAtOnce) {
  for (const HeadKind kind : {HeadKind::sequence, HeadKind::masked_language_model}) {
    const std::int64_t all = run(kind, 0).peak;
    const std::int64_t every = run(kind, 1).peak;
    const std::int64_t second = run(kind, 2).peak;
    EXPECT_LT(every, all / 2) << std::string(class_suffix(kind));
    EXPECT_LT(every, second) << std::string(class_suffix(kind));
    EXPECT_LT(second, all) << std::string(class_suffix(kind));
  }
}

/// A model that trains all of its parameters, each of them 0.01.
std::unique_ptr<Model> plain_model(HeadKind kind, Device& device) {
  std::unique_ptr<Model> model = make_model(small_bert(), HeadRequest{kind, 5});
  for (const Parameter& parameter : model->parameters().all()) {
    const std::vector<float> values(static_cast<std::size_t>(parameter.size()), 0.01F);
    parameter.variable.set_value(device.upload(std::span<const float>(values), parameter.shape));
  }
  apply_freezing(*model, {});
  return model;
}

TEST_F(CheckpointActivations, UnderALargeHeadTheLastBlockIsComputedAgainToo) {
  const auto device = make_test_device();
  const auto model = plain_model(HeadKind::masked_language_model, *device);
  model->checkpoint_activations(1);
  const DeviceBatch batch = to_device(batch_for(HeadKind::masked_language_model), model->readout(), {}, *device);
  Tape tape(*device, Tape::Mode::training, {1, 2});
  model->forward(tape, batch.input, batch.selection);
  constexpr std::size_t kHead = 3;
  EXPECT_EQ(tape.recorded(), 1 + kLayers + kHead) << "embeddings, layers, and the parts of the head";
}

}  // namespace
}  // namespace temper
