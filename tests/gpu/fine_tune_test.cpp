// Whole optimizer steps on GPUs, on any number of ranks: f32 against PyTorch and the CPU, bf16 against f32, and the
// same bits again.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "comm/nccl_communicator.h"
#include "data/sampler.h"
#include "model/freezing.h"
#include "runtime/steps/training_step.h"
#include "tensor/cuda_device.h"
#include "tensor/host_copy.h"
#include "tests/model_fixture.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using testing_support::values_of;
using Weights = std::map<std::string, std::vector<float>>;

/// Sequences [begin, end) of a batch.
Batch sequences_of(const Batch& whole, std::size_t begin, std::size_t end) {
  Batch part;
  part.target_width = whole.target_width;
  for (std::size_t s = begin; s < end; ++s) {
    const auto first = static_cast<std::size_t>(whole.sequence_starts[s]);
    const auto last = static_cast<std::size_t>(whole.sequence_starts[s + 1]);
    const auto append = [](auto& to, const auto& from, std::size_t at, std::size_t behind) {
      to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(at),
                from.begin() + static_cast<std::ptrdiff_t>(behind));
    };
    append(part.text().ids, whole.text().ids, first, last);
    append(part.text().types, whole.text().types, first, last);
    if (part.target_width > 0) {
      const auto width = static_cast<std::size_t>(part.target_width);
      append(part.targets, whole.targets, s * width, (s + 1) * width);
    } else if (whole.classes.size() == whole.text().ids.size()) {
      append(part.classes, whole.classes, first, last);
    } else {
      part.classes.push_back(whole.classes[s]);
    }
    for (std::size_t t = first; t < last; ++t) part.positions.push_back(static_cast<std::int32_t>(t - first));
    part.sequence_starts.push_back(static_cast<std::int32_t>(part.text().ids.size()));
    part.examples.push_back(whole.examples[s]);
  }
  return part;
}

struct Setting {
  DType activations = DType::f32;
  SumOrder sum_order = SumOrder::fixed;
  bool nccl = true;
  double dropout = 0.0;
  bool graphs = false;
  std::size_t micro_batches = 1;
};

class GpuFineTune : public testing::Test {
 protected:
  static constexpr int kGrains = 3;

  /// Five steps on the fixture, one sequence a grain, on all ranks. The trained weights.
  Weights fine_tune(const std::string& name, Device& device, const Setting& setting) {
    ModelFixture fixture(name);
    fixture.dropout = setting.dropout;
    const auto model = fixture.load(device);
    apply_freezing(*model, fixture.frozen);
    std::unique_ptr<NcclCommunicator> nccl;
    if (auto* cuda = dynamic_cast<CudaDevice*>(&device); cuda != nullptr && setting.nccl && world_.size() > 1)
      nccl = make_nccl_communicator(world_, *cuda);

    TrainingStepSettings settings;
    settings.grains = kGrains;
    settings.clip_norm = 1.0;
    settings.optimizer.weight_decay = 0.01;
    settings.rate_factors.assign(model->parameters().all().size(), 1.0);
    settings.activations = setting.activations;
    settings.graphs = setting.graphs;
    settings.buckets.links.nccl = nccl.get();
    settings.buckets.sum_order = setting.sum_order;
    TrainingStep step(*model, device, world_, settings);
    const TreeNode own = step.buckets().own_grains();
    for (std::int64_t number = 0; number < 5; ++number) {
      StepBatch batch;
      for (int grain = own.begin; grain < own.end; ++grain) {
        const auto g = static_cast<std::size_t>(grain);
        batch.grains.emplace_back(setting.micro_batches, sequences_of(fixture.batch, g, g + 1));
      }
      outcome_ = step.run(batch, number, 1e-3, {});
    }
    const bool has_grains = own.begin < own.end;
    EXPECT_EQ(step.recorded_graphs() > 0, setting.graphs && has_grains);
    Weights weights;
    for (const Parameter& parameter : model->parameters().all()) {
      if (!parameter.trainable()) continue;
      const HostCopy value(device, parameter.variable.value());
      weights[parameter.name].assign(value.values().begin(), value.values().end());
    }
    step.release_values();
    return weights;
  }
  Weights on_gpu(const std::string& name, const Setting& setting) { return fine_tune(name, *gpu_, setting); }

  static void expect_close(const Weights& actual, const Weights& expected, double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (const auto& [name, values] : expected)
      for (std::size_t i = 0; i < values.size() && !testing_support::is_key_bias(name); ++i)
        ASSERT_NEAR(actual.at(name)[i], values[i], tolerance) << name << " at " << i;
  }

  Communicator& world_ = world_communicator();
  std::unique_ptr<CudaDevice> gpu_ = make_cuda_device(world_.topology().local_rank);
  StepOutcome outcome_;
};

TEST_F(GpuFineTune, MatchesPyTorchOnAnyNumberOfRanks) {
  Weights expected;
  const SafetensorsFile after(testing_support::fixture_folder("bert-frozen") / "after_steps.safetensors");
  for (const auto& [name, view] : after.tensors()) expected[name] = values_of<float>(view);
  for (const bool nccl : {true, false})
    for (const SumOrder order : {SumOrder::fixed, SumOrder::library})
      expect_close(on_gpu("bert-frozen", {DType::f32, order, nccl, 0.0}), expected, 1e-4);
}

TEST_F(GpuFineTune, DropsOutWhatTheCpuDropsOut) {
  const auto cpu = make_cpu_device();
  const Weights expected = fine_tune("bert-classification", *cpu, {DType::f32, SumOrder::fixed, false, 0.3});
  const double loss = outcome_.loss;
  const Weights actual = on_gpu("bert-classification", {DType::f32, SumOrder::fixed, true, 0.3});
  EXPECT_NEAR(outcome_.loss, loss, 1e-4 * loss);
  expect_close(actual, expected, 1e-4);
}

TEST_F(GpuFineTune, GivesTheSameBitsAgain) {
  for (const DType activations : {DType::f32, DType::bf16}) {
    const Setting setting{activations, SumOrder::fixed, true, 0.1};
    const Weights first = on_gpu("bert-classification", setting);
    EXPECT_TRUE(on_gpu("bert-classification", setting) == first) << name_of(activations);
    // Through the host the sums follow the same tree.
    EXPECT_TRUE(on_gpu("bert-classification", {activations, SumOrder::fixed, false, 0.1}) == first);
  }
}

TEST_F(GpuFineTune, GraphsGiveTheSameBits) {
  for (const DType activations : {DType::f32, DType::bf16})
    for (const std::string name : {"bert-classification", "bert-frozen"})
      for (const std::size_t micro_batches : {1U, 3U}) {
        Setting setting{activations, SumOrder::fixed, true, 0.2, false, micro_batches};
        const Weights expected = on_gpu(name, setting);
        setting.graphs = true;
        EXPECT_TRUE(on_gpu(name, setting) == expected)
            << name << " in " << name_of(activations) << ", " << micro_batches << " micro-batches";
      }
}

TEST_F(GpuFineTune, InBf16StaysNearF32) {
  for (const std::string name : {"bert-classification", "roberta-tokens", "distilbert-regression"}) {
    const Weights exact = on_gpu(name, {});
    const double loss = outcome_.loss;
    const Weights rounded = on_gpu(name, {DType::bf16, SumOrder::fixed, true, 0.0});
    // 8 bits of mantissa: a loss of the order of 1 moves by less than a hundredth.
    EXPECT_NEAR(outcome_.loss, loss, 1e-2 * (1.0 + loss)) << name;
    EXPECT_FALSE(rounded == exact) << "it was not computed in bf16";
    // Five steps of at most 1e-3 each: unlike gradients would take the elements apart by several of them.
    double same_way = 0.0;
    double all = 0.0;
    for (const auto& [parameter, values] : exact)
      for (std::size_t i = 0; i < values.size(); ++i, all += 1.0)
        same_way += std::abs(rounded.at(parameter)[i] - values[i]) < 1e-3 ? 1.0 : 0.0;
    EXPECT_GE(same_way, 0.95 * all) << name;
  }
}

}  // namespace
}  // namespace temper
