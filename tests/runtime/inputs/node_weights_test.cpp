#include "runtime/inputs/node_weights.h"

#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "tests/world.h"

namespace temper {
namespace {

class NodeWeightsTest : public testing::Test {
 protected:
  void SetUp() override {
    room_ = make_node_weights(world_);
    if (world_.size() == 1) {
      EXPECT_EQ(room_, nullptr) << "who is alone converts into memory of its own";
      GTEST_SKIP() << "skipped: one rank shares with nobody";
    }
    ASSERT_NE(room_, nullptr);
  }

  static void fill(std::size_t i, std::span<std::byte> bytes) {
    std::fill(bytes.begin(), bytes.end(), static_cast<std::byte>(i + 1));
  }

  Communicator& world_ = world_communicator();
  std::unique_ptr<SharedWeightRoom> room_;
  const std::vector<SharedWeightRoom::Want> wanted_{
      {{3, 5}, DType::f32}, {{2000, 3}, DType::bf16}, {{7}, DType::f32}, {{0}, DType::f32}, {{64, 64}, DType::f32}};
};

TEST_F(NodeWeightsTest, EachIsConvertedOnceAndSeenByAll) {
  std::vector<std::int64_t> filled(wanted_.size(), 0);
  const std::vector<Tensor> tensors = room_->make(wanted_, [&](std::size_t i, std::span<std::byte> bytes) {
    fill(i, bytes);
    ++filled[i];
  });
  ASSERT_EQ(tensors.size(), wanted_.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(tensors[i].shape(), wanted_[i].shape);
    EXPECT_EQ(tensors[i].type(), wanted_[i].type);
    const auto* bytes = static_cast<const std::byte*>(tensors[i].bytes());
    EXPECT_TRUE(std::all_of(bytes, bytes + tensors[i].size_bytes(), [i](std::byte byte) {
      return byte == static_cast<std::byte>(i + 1);
    })) << i;
  }
  world_.all_reduce(std::span(filled), Reduction::sum);
  for (const std::int64_t times : filled) EXPECT_EQ(times, world_.topology().nodes);
}

TEST_F(NodeWeightsTest, TheLastRankThatLetsGoGivesThePagesBack) {
  std::vector<Tensor> tensors = room_->make(wanted_, fill);
  const auto* bytes = static_cast<const std::byte*>(tensors.back().bytes());
  const bool leads = world_.topology().local_rank == 0;
  if (!leads) tensors.back() = Tensor();
  world_.barrier();
  EXPECT_EQ(bytes[0], static_cast<std::byte>(wanted_.size())) << "one rank still has it";
  world_.barrier();
  tensors.back() = Tensor();
  world_.barrier();
  EXPECT_EQ(bytes[0], std::byte{0});
}

TEST_F(NodeWeightsTest, NothingTakesNoRoom) {
  EXPECT_TRUE(room_->make({}, fill).empty());
  EXPECT_EQ(room_->note(), "");
}

/// No /dev/shm has so much; it is address space that nobody touches.
TEST_F(NodeWeightsTest, WithoutRoomEachRankHasItsOwn) {
  struct statvfs room {};
  if (::statvfs("/dev/shm", &room) != 0 || room.f_bavail * room.f_frsize > std::uint64_t{1} << 34)
    GTEST_SKIP() << "skipped: more than this test may ask for is free in /dev/shm";
  // Somewhat more than there is. No page of it is ever touched.
  constexpr std::int64_t kWidth = 1 << 16;
  const auto rows = static_cast<std::int64_t>(room.f_bavail * room.f_frsize / sizeof(float) / kWidth) + 1024;
  const std::vector<SharedWeightRoom::Want> too_much{{{rows, kWidth}, DType::f32}};
  int filled = 0;
  const std::vector<Tensor> tensors = room_->make(too_much, [&](std::size_t, std::span<std::byte>) { ++filled; });
  EXPECT_EQ(tensors.size(), 1U);
  EXPECT_EQ(filled, 1) << "by every rank";
  EXPECT_NE(room_->note().find("MiB free"), std::string::npos);
}

TEST_F(NodeWeightsTest, WhatOneRankCannotConvertAllRefuse) {
  EXPECT_THROW((void)room_->make(wanted_,
                                 [](std::size_t i, std::span<std::byte> bytes) {
                                   if (i == 1) throw Error("damaged");
                                   fill(i, bytes);
                                 }),
               Error);
}

}  // namespace
}  // namespace temper
