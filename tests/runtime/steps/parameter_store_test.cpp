#include "runtime/steps/parameter_store.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/freezing.h"
#include "tests/distant_device.h"
#include "tests/model_fixture.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::DistantDevice;
using testing_support::ModelFixture;

using NamedValues = std::map<std::string, std::vector<float>>;

class ParameterStoreTest : public testing::Test {
 protected:
  static NamedValues values_of(const Model& model, Device& device) {
    NamedValues values;
    for (const Parameter& parameter : model.parameters().all())
      values[parameter.name] = device.download<float>(parameter.variable.value());
    return values;
  }
  [[nodiscard]] static StoreSettings small_buckets() { return {.bucket_elements = ArenaLayout::kChunk}; }

  Communicator& world_ = world_communicator();
  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_F(ParameterStoreTest, KeepsValuesInTheArenaAndGivesThemBack) {
  const ModelFixture fixture("bert-frozen");
  DistantDevice distant;
  for (Device* device : {device_.get(), static_cast<Device*>(&distant)}) {
    const auto model = fixture.load(*device);
    apply_freezing(*model, fixture.frozen);
    const NamedValues before = values_of(*model, *device);
    ParameterStore store(*model, *device, world_, small_buckets());
    EXPECT_EQ(values_of(*model, *device), before);
    const auto slots = store.parameter_of_slot();
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      const Parameter& parameter = model->parameters().all()[slots[slot]];
      EXPECT_EQ(parameter.variable.value().data<float>(), store.parameters() + store.layout().slots()[slot].begin);
      EXPECT_TRUE(slot == 0 || slots[slot] < slots[slot - 1]) << "backward ends with what forward met first";
    }
    store.release();
    EXPECT_EQ(values_of(*model, *device), before);
    for (const std::size_t index : slots) EXPECT_TRUE(model->parameters().all()[index].variable.value().owns_memory());
  }
}

TEST_F(ParameterStoreTest, FrozenWeightsStayInTheMappedFileWhereTheHostReadsIt) {
  const ModelFixture fixture("bert-frozen");
  DistantDevice distant;
  for (Device* device : {device_.get(), static_cast<Device*>(&distant)}) {
    const auto model = fixture.load(*device);
    apply_freezing(*model, fixture.frozen);
    const ParameterStore store(*model, *device, world_, small_buckets());
    bool any = false;
    for (std::size_t i = 0; i < model->parameters().all().size(); ++i) {
      const Parameter& parameter = model->parameters().all()[i];
      const bool mapped = device == device_.get() && !parameter.trainable();
      EXPECT_EQ(store.placement_of(i), mapped ? "mapped" : "replicated") << parameter.name;
      any |= mapped;
      if (mapped) {
        EXPECT_EQ(parameter.variable.value().bytes(),
                  static_cast<const void*>(fixture.weights.find(parameter.name)->bytes.data()));
      }
    }
    EXPECT_EQ(any, device == device_.get());
  }
}

TEST_F(ParameterStoreTest, WhatAnEarlierPhaseTrainedIsHeldByEachRank) {
  const ModelFixture fixture("bert-frozen");
  const auto model = fixture.load(*device_);
  apply_freezing(*model, {});
  ParameterStore(*model, *device_, world_, small_buckets()).release();
  apply_freezing(*model, fixture.frozen);
  const ParameterStore store(*model, *device_, world_, small_buckets());
  for (std::size_t i = 0; i < model->parameters().all().size(); ++i) EXPECT_EQ(store.placement_of(i), "replicated");
}

TEST_F(ParameterStoreTest, SharesWhatEachRankWroteAndReadsAnyPart) {
  const ModelFixture fixture("bert-classification");
  DistantDevice distant;
  for (Device* device : {device_.get(), static_cast<Device*>(&distant)}) {
    const auto model = fixture.load(*device);
    apply_freezing(*model, {});
    ParameterStore store(*model, *device, world_, small_buckets());
    const auto value_of = [](std::size_t slot, std::int64_t element) {
      return static_cast<float>(static_cast<std::int64_t>(slot) * 1000 + element % 997);
    };
    for (const ParameterStore::OwnSlice& slice : store.own_slices()) {
      std::vector<float> values;
      for (std::int64_t i = 0; i < slice.size; ++i) values.push_back(value_of(slice.slot, slice.begin + i));
      device->upload(values.data(), store.parameters() + store.layout().slots()[slice.slot].begin + slice.begin,
                     values.size() * sizeof(float));
    }
    store.share(SharedRows::all);
    store.wait();
    const auto slots = store.parameter_of_slot();
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      const std::int64_t size = store.layout().slots()[slot].size;
      const HostCopy part = store.read(slots[slot], {size / 3, size});
      ASSERT_EQ(part.values().size(), static_cast<std::size_t>(size - size / 3));
      for (std::int64_t i = size / 3; i < size; ++i)
        ASSERT_EQ(part.values()[static_cast<std::size_t>(i - size / 3)], value_of(slot, i)) << slot << ", " << i;
    }
    world_.barrier();
  }
}

TEST_F(ParameterStoreTest, SlicesOfAllRanksAreTheTrainableParameters) {
  const ModelFixture fixture("bert-frozen");
  const auto model = fixture.load(*device_);
  apply_freezing(*model, fixture.frozen);
  const ParameterStore store(*model, *device_, world_, small_buckets());
  std::vector<std::int64_t> owned(store.parameter_of_slot().size());
  for (const ParameterStore::OwnSlice& slice : store.own_slices()) owned[slice.slot] += slice.size;
  world_.all_reduce(std::span(owned), Reduction::sum);
  for (std::size_t slot = 0; slot < owned.size(); ++slot) EXPECT_EQ(owned[slot], store.layout().slots()[slot].size);
}

TEST_F(ParameterStoreTest, GivesWorkingCopiesToFrozenParametersToo) {
  const ModelFixture fixture("bert-frozen");
  const auto model = fixture.load(*device_);
  apply_freezing(*model, fixture.frozen);
  StoreSettings settings = small_buckets();
  settings.activations = DType::bf16;
  ParameterStore store(*model, *device_, world_, settings);
  ASSERT_NE(store.compute_copy(), nullptr);
  for (const Parameter& parameter : model->parameters().all()) {
    const auto values = parameter.variable.value().span<float>();
    const auto rounded = parameter.variable.compute_copy().span<BFloat16>();
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(rounded[i].bits, to_bfloat16(values[i]).bits) << parameter.name;
  }
  const auto other = fixture.load(*device_);
  EXPECT_EQ(ParameterStore(*other, *device_, world_, small_buckets()).compute_copy(), nullptr)
      << "f32 is read as it is";
}

TEST_F(ParameterStoreTest, ATableIsSparseWhereTheHostKnowsItsRows) {
  const ModelFixture fixture("bert-classification");
  const auto model = fixture.load(*device_);
  apply_freezing(*model, {});
  StoreSettings settings = small_buckets();
  EXPECT_FALSE(ParameterStore(*model, *device_, world_, settings).table().has_value()) << "nobody said which rows";
  settings.updated_rows = RowSet(model->token_table().shape()[0]);
  settings.updated_rows->insert(3);
  {
    const auto other = fixture.load(*device_);
    apply_freezing(*other, {});
    const ParameterStore store(*other, *device_, world_, settings);
    ASSERT_TRUE(store.table().has_value());
    EXPECT_EQ(store.table()->trained, *settings.updated_rows);
    const std::size_t index = store.parameter_of_slot()[static_cast<std::size_t>(store.table()->slot)];
    EXPECT_EQ(other->parameters().all()[index].variable, other->token_table());
  }
  DistantDevice distant;
  const auto far = fixture.load(distant);
  apply_freezing(*far, {});
  EXPECT_FALSE(ParameterStore(*far, distant, world_, settings).table().has_value());
}

TEST_F(ParameterStoreTest, ObservesTheModelUntilItsEnd) {
  const ModelFixture fixture("bert-frozen");
  const auto model = fixture.load(*device_);
  apply_freezing(*model, fixture.frozen);
  auto first = std::make_unique<ParameterStore>(*model, *device_, world_, small_buckets());
  EXPECT_EQ(model->stage_observer(), &first->stages());
  first->release();
  EXPECT_EQ(model->stage_observer(), nullptr);
  {
    ParameterStore second(*model, *device_, world_, small_buckets());
    first.reset();
    EXPECT_EQ(model->stage_observer(), &second.stages()) << "an earlier store takes nothing away";
  }
  EXPECT_EQ(model->stage_observer(), nullptr);
}

TEST_F(ParameterStoreTest, ObservesTheStagesOfAPass) {
  const ModelFixture fixture("bert-frozen");
  const auto model = fixture.load(*device_);
  apply_freezing(*model, fixture.frozen);
  const NamedValues before = values_of(*model, *device_);
  ParameterStore store(*model, *device_, world_, small_buckets());
  const std::int64_t head = model->stages();
  for (std::int64_t stage = 0; stage <= head; ++stage) {
    store.stages().before(stage, StagePass::forward);
    store.stages().after(stage, StagePass::forward, Variable());
  }
  for (std::int64_t stage = head; stage >= model->frozen_stages(); --stage) {
    store.stages().before(stage, StagePass::backward);
    store.stages().after(stage, StagePass::backward, Variable());
  }
  EXPECT_EQ(values_of(*model, *device_), before) << "what is here all the time stays where it is";
}

}  // namespace
}  // namespace temper
