// Training asks the system for memory while it meets new shapes, and no more after that.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include <array>

#include "model/freezing.h"
#include "runtime/steps/training_step.h"
#include "tests/model_fixture.h"
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
    const auto tokens = static_cast<std::int32_t>(result.text().ids.size());
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(result.text().ids, batch.text().ids);
    append(result.text().types, batch.text().types);
    append(result.positions, batch.positions);
    append(result.examples, batch.examples);
    append(result.classes, batch.classes);
    for (std::size_t s = 1; s < batch.sequence_starts.size(); ++s)
      result.sequence_starts.push_back(tokens + batch.sequence_starts[s]);
  }
  return result;
}

TEST(SteadyMemory, AStepAfterTheFirstTakesNothingFromTheSystem) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "skipped: a sanitizer keeps books of its own";
#endif
  Communicator& world = world_communicator();
  for (const DType activations : {DType::f32, DType::bf16}) {
    const auto device = make_test_device();
    if (activations == DType::bf16 && !device->has_bf16()) continue;
    const ModelFixture fixture("bert-classification");
    const auto model = fixture.load(*device);
    apply_freezing(*model, {});
    TrainingStepSettings settings;
    settings.grains = world.size();
    settings.clip_norm = 1.0;
    settings.activations = activations;
    settings.rate_factors.assign(model->parameters().all().size(), 1.0);
    TrainingStep step(*model, *device, world, settings);
    // Large enough that each tensor of activations is many pages: 160 times 22 tokens, and fewer.
    std::vector<StepBatch> batches;
    for (const int times : {160, 100, 132}) {
      StepBatch batch;
      batch.grains = {{repeated(fixture.batch, times)}};
      batches.push_back(batch);
    }
    // The allocator shifts small things about for a while before it comes to rest; the ranks look together.
    std::int64_t number = 0;
    std::array<std::int64_t, 3> taken{1, 1, 1};
    for (int attempt = 0; attempt < 10 && (taken[0] != 0 || taken[1] != 0); ++attempt) {
      const SystemMemory before = look(*device);
      for (int i = 0; i < 24; ++i, ++number)
        step.run(batches[static_cast<std::size_t>(number) % batches.size()], number, 1e-3, {});
      const SystemMemory after = look(*device);
      taken = {after.page_faults - before.page_faults, static_cast<std::int64_t>(after.heap - before.heap),
               after.tensors - before.tensors};
      world.all_reduce(std::span(taken), Reduction::max);
    }
    EXPECT_EQ(taken[0], 0) << "page faults, " << name_of(activations);
    EXPECT_EQ(taken[1], 0) << "bytes of the heap, " << name_of(activations);
    EXPECT_EQ(taken[2], 0) << "bytes of tensors, " << name_of(activations);
  }
}

}  // namespace
}  // namespace temper
