// Training asks the system for memory while it meets new shapes, and no more after that.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include "runtime/training_step.h"
#include "tests/model_fixture.h"
#include "tests/shared_data.h"
#include "tests/test_device.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::ModelFixture;

struct SystemMemory {
  long page_faults = 0;      ///< of this thread
  std::size_t heap = 0;      ///< bytes that the allocator has from the system
  std::int64_t tensors = 0;  ///< most bytes of tensors at once
};

SystemMemory look(const Device& device) {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto heap = mallinfo2();
  return {usage.ru_minflt + usage.ru_majflt, heap.arena + heap.hblkhd, device.peak_memory_bytes()};
}

/// The batch so many times over.
Batch repeated(const Batch& batch, int times) {
  Batch result;
  for (int i = 0; i < times; ++i) {
    const auto tokens = static_cast<std::int32_t>(result.ids.size());
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(result.ids, batch.ids);
    append(result.types, batch.types);
    append(result.positions, batch.positions);
    append(result.examples, batch.examples);
    append(result.classes, batch.classes);
    for (std::size_t s = 1; s < batch.sequence_starts.size(); ++s)
      result.sequence_starts.push_back(tokens + batch.sequence_starts[s]);
  }
  return result;
}

TEST(SteadyMemory, AStepAfterTheFirstTakesNothingFromTheSystem) {
  TEMPER_REQUIRE_SHARED(folder, "fixtures/models/bert-classification");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "skipped: a sanitizer keeps books of its own";
#endif
  Communicator& world = world_communicator();
  for (const DType activations : {DType::f32, DType::bf16}) {
    const auto device = make_test_device();
    if (activations == DType::bf16 && !device->has_bf16()) continue;
    const ModelFixture fixture(folder);
    const auto model = fixture.load(*device);
    TrainingStepSettings settings;
    settings.grains = world.size();
    settings.clip_norm = 1.0;
    settings.activations = activations;
    settings.rate_factors.assign(model->parameters().all().size(), 1.0);
    TrainingStep step(*model, *device, world, settings);
    // Large enough that each tensor of activations is many pages: 40 times 30 tokens, and fewer.
    std::vector<Step> batches;
    for (const int times : {40, 25, 33}) {
      Step batch;
      batch.grains = {{repeated(fixture.batch, times)}};
      batches.push_back(batch);
    }
    for (std::int64_t number = 0; number < 30; ++number)
      step.run(batches[static_cast<std::size_t>(number) % batches.size()], number, 1e-3, {});
    const SystemMemory before = look(*device);
    for (std::int64_t number = 30; number < 60; ++number)
      step.run(batches[static_cast<std::size_t>(number) % batches.size()], number, 1e-3, {});
    const SystemMemory after = look(*device);
    EXPECT_EQ(after.page_faults, before.page_faults) << name_of(activations);
    EXPECT_EQ(after.heap, before.heap) << name_of(activations);
    EXPECT_EQ(after.tensors, before.tensors) << name_of(activations);
  }
}

}  // namespace
}  // namespace temper
