#include "tensor/array_bundle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "tests/distant_device.h"

namespace temper {
namespace {

class ArrayBundleTest : public testing::Test {
 protected:
  [[nodiscard]] const HostMemory& memory() const { return static_cast<const HostMemory&>(device_->memory()); }

  std::unique_ptr<Device> device_ = make_cpu_device();
};

std::uintptr_t address_of(const Tensor& tensor) { return reinterpret_cast<std::uintptr_t>(tensor.bytes()); }

TEST_F(ArrayBundleTest, BringsEveryArrayWithItsTypeAndShape) {
  const std::vector<std::int32_t> ids{1, -2, 3};
  const std::vector<float> targets{0.5F, -1.5F, 2.5F, 3.5F, 4.5F, 5.5F};
  const std::vector<std::uint32_t> names{4'000'000'000U};
  const std::vector<double> sums{1e300, -1e-300};
  const std::vector<BFloat16> halves{to_bfloat16(1.5F), to_bfloat16(-2.0F), to_bfloat16(3.0F)};
  Tensor ids_there;
  Tensor targets_there;
  Tensor names_there;
  Tensor sums_there;
  Tensor halves_there;
  ArrayBundle bundle;
  bundle.add(ids, ids_there);
  bundle.add(std::span<const float>(targets), {2, 3}, targets_there);
  bundle.add(halves, halves_there);
  bundle.add(names, names_there);
  bundle.add(sums, sums_there);
  EXPECT_FALSE(ids_there.defined()) << "not before upload";
  bundle.upload(*device_);
  EXPECT_EQ(device_->download<std::int32_t>(ids_there), ids);
  EXPECT_EQ(device_->download<float>(targets_there), targets);
  EXPECT_EQ(targets_there.shape(), (Shape{2, 3}));
  EXPECT_EQ(device_->download<std::uint32_t>(names_there), names);
  EXPECT_EQ(device_->download<double>(sums_there), sums);
  EXPECT_EQ(device_->download_as_f32(halves_there), (std::vector<float>{1.5F, -2.0F, 3.0F}));
  EXPECT_EQ(halves_there.shape(), Shape{3});
}

TEST_F(ArrayBundleTest, AlignsEveryArray) {
  // An odd number of two-byte elements leaves what follows on an odd address, were it not aligned.
  const std::vector<BFloat16> one(1);
  const std::vector<std::int32_t> many(17, 6);
  const std::vector<double> two(2, 0.5);
  std::vector<Tensor> there(6);
  ArrayBundle bundle;
  for (std::size_t i = 0; i < there.size(); i += 3) {
    bundle.add(one, there[i]);
    bundle.add(two, there[i + 1]);
    bundle.add(many, there[i + 2]);
  }
  bundle.upload(*device_);
  for (const Tensor& tensor : there) EXPECT_EQ(address_of(tensor) % 64, 0U);
  EXPECT_EQ(device_->download<double>(there[4]), two);
  EXPECT_EQ(device_->download<std::int32_t>(there[5]), many);
}

TEST_F(ArrayBundleTest, EmptyArraysAreDefinedAndHoldNothing) {
  const std::vector<std::int32_t> nothing;
  const std::vector<std::int32_t> something(16, 3);  // ends where the next would begin
  Tensor first;
  Tensor full;
  Tensor wide;
  Tensor last;
  ArrayBundle bundle;
  bundle.add(nothing, first);
  bundle.add(something, full);
  bundle.add(std::span<const float>(), {0, 7}, wide);
  bundle.add(nothing, last);
  bundle.upload(*device_);
  for (const Tensor* tensor : {&first, &wide, &last}) {
    EXPECT_TRUE(tensor->defined());
    EXPECT_EQ(tensor->size(), 0);
  }
  EXPECT_EQ(wide.columns(), 7);
  EXPECT_EQ(last.data<std::int32_t>(), last.span<std::int32_t>().data());
  EXPECT_EQ(device_->download<std::int32_t>(full), something);
}

TEST_F(ArrayBundleTest, AnEmptyArrayHasItsPlaceInTheBlockToo) {
  testing_support::DistantDevice distant;
  Tensor full;
  Tensor last;
  ArrayBundle bundle;
  bundle.add(std::vector<std::int32_t>(16, 3), full);  // ends where the next would begin
  bundle.add(std::vector<std::int32_t>(), last);
  bundle.upload(distant);
  EXPECT_TRUE(distant.distant_memory().holds(last.bytes(), 1));
  EXPECT_EQ(distant.uploads, 1);
}

TEST_F(ArrayBundleTest, ALastArrayOfAnOddNumberOfHalvesIsComplete) {
  const std::vector<BFloat16> halves{to_bfloat16(1.0F), to_bfloat16(2.0F), to_bfloat16(3.0F)};
  Tensor last;
  ArrayBundle bundle;
  bundle.add(halves, last);
  bundle.upload(*device_);
  EXPECT_EQ(device_->download_as_f32(last), (std::vector<float>{1.0F, 2.0F, 3.0F}));
}

TEST_F(ArrayBundleTest, OfNothingButEmptyArraysCanBeUploaded) {
  Tensor only;
  ArrayBundle bundle;
  bundle.add(std::vector<float>(), only);
  bundle.upload(*device_);
  EXPECT_TRUE(only.defined());
  EXPECT_EQ(only.size(), 0);
  ArrayBundle().upload(*device_);
}

TEST_F(ArrayBundleTest, TheBlockLivesAsLongAsOneOfItsTensors) {
  const std::size_t before = memory().use().in_use;
  Tensor kept;
  {
    const std::vector<float> values(1000, 2.5F);
    Tensor dropped;
    ArrayBundle bundle;
    bundle.add(values, dropped);
    bundle.add(values, kept);
    bundle.upload(*device_);
  }
  const std::size_t block = memory().use().in_use - before;
  EXPECT_GE(block, 8000U);
  // Were the block free, this would be written over it.
  const Tensor other = Tensor::empty(device_->memory(), {3000});
  device_->kernels().run(calls::Clear{.data = other.bytes(), .bytes = other.size_bytes()});
  EXPECT_EQ(device_->download<float>(kept), std::vector<float>(1000, 2.5F));
  const std::size_t with_other = memory().use().in_use;
  Tensor copy = kept.part(400, {10}, DType::f32);
  kept = Tensor();
  EXPECT_EQ(memory().use().in_use, with_other);
  EXPECT_EQ(device_->download<float>(copy), std::vector<float>(10, 2.5F));
  copy = Tensor();
  EXPECT_EQ(memory().use().in_use, with_other - block);
}

TEST_F(ArrayBundleTest, TheLastArrayIsWrittenWhereItBelongsIfTheHostReachesThere) {
  testing_support::DistantDevice distant;
  for (Device* device : {device_.get(), static_cast<Device*>(&distant)}) {
    const std::vector<std::int32_t> ids{1, 2, 3};
    Tensor ids_there;
    Tensor rows;
    const std::byte* written = nullptr;
    ArrayBundle bundle;
    bundle.add(ids, ids_there);
    bundle.add_last(
        {2, 3}, DType::bf16,
        [&](std::span<std::byte> room) {
          ASSERT_EQ(room.size(), 12U);
          written = room.data();
          std::ranges::fill(room, std::byte{0x40});  // bf16 of 0x4040 is 3
        },
        rows);
    EXPECT_EQ(written, nullptr) << "not before upload";
    Tensor none;
    EXPECT_THROW(bundle.add(ids, none), Error) << "nothing follows it";
    bundle.upload(*device);
    EXPECT_EQ(written == rows.bytes(), device->shares_host_memory());
    EXPECT_EQ(device->download<std::int32_t>(ids_there), ids);
    EXPECT_EQ(device->download_as_f32(rows), std::vector<float>(6, 3.0F));
    EXPECT_EQ(rows.shape(), (Shape{2, 3}));
  }
  EXPECT_EQ(distant.uploads, 1);
}

TEST_F(ArrayBundleTest, IsEmptyAfterwardsEvenIfItsLastArrayCouldNotBeRead) {
  testing_support::DistantDevice distant;
  for (Device* device : {device_.get(), static_cast<Device*>(&distant)}) {
    Tensor rows;
    ArrayBundle bundle;
    EXPECT_THROW(bundle.add_last({2}, DType::f32, {}, rows), Error) << "by nobody";
    bundle.add_last(
        {2}, DType::f32, [](std::span<std::byte> /*room*/) { throw Error("no such file"); }, rows);
    EXPECT_THROW(bundle.upload(*device), Error);
    EXPECT_FALSE(rows.defined());
    bundle.add(std::vector<float>{5.0F}, rows);
    bundle.upload(*device);
    EXPECT_EQ(device->download<float>(rows), std::vector<float>{5.0F});
  }
}

TEST_F(ArrayBundleTest, CanBeFilledAgain) {
  Tensor first;
  Tensor second;
  ArrayBundle bundle;
  bundle.add(std::vector<float>{1.0F}, first);
  bundle.upload(*device_);
  bundle.add(std::vector<float>{2.0F}, second);
  bundle.upload(*device_);
  EXPECT_EQ(first.data<float>()[0], 1.0F);
  EXPECT_EQ(second.data<float>()[0], 2.0F);
}

}  // namespace
}  // namespace temper
