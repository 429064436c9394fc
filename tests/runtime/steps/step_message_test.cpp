// Runs alone and under mpirun.
#include "runtime/steps/step_message.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/world.h"

namespace temper {
namespace {

TEST(StepMessage, GivesTheSameBitsWhoeverBringsWhat) {
  Communicator& world = world_communicator();
  constexpr int kNumbers = 1000;
  const auto number = [](int i) { return std::exp(std::sin(static_cast<double>(i)) * 20.0); };
  StepMessage alone;
  StepMessage shared;
  for (int i = 0; i < kNumbers; ++i) {
    alone.squares.add(number(i));
    alone.loss.add(-number(i + 1));
    alone.weight.add(static_cast<double>(i));
    if (i * 7 % world.size() != world.rank()) continue;
    shared.squares.add(number(i));
    shared.loss.add(-number(i + 1));
    shared.weight.add(static_cast<double>(i));
  }
  shared.tokens = 3 + world.rank();
  shared.share(world);
  EXPECT_EQ(shared.squares.value(), alone.squares.value());
  EXPECT_EQ(shared.loss.value(), alone.loss.value());
  EXPECT_EQ(shared.weight.value(), kNumbers * (kNumbers - 1) / 2);
  const int ranks = world.size();
  EXPECT_EQ(shared.tokens, 3 * ranks + ranks * (ranks - 1) / 2);
  EXPECT_FALSE(shared.stop);
  EXPECT_FALSE(shared.save);
}

TEST(StepMessage, TellsAllWhatOneWishes) {
  Communicator& world = world_communicator();
  for (int wishing = 0; wishing < world.size(); ++wishing) {
    StepMessage stop;
    stop.stop = world.rank() == wishing;
    stop.share(world);
    EXPECT_TRUE(stop.stop);
    EXPECT_FALSE(stop.save);
    StepMessage save;
    save.save = world.rank() == wishing;
    save.share(world);
    EXPECT_TRUE(save.save);
    EXPECT_FALSE(save.stop);
  }
}

TEST(StepMessage, TellsAllThatOneHasNoNumber) {
  Communicator& world = world_communicator();
  StepMessage message;
  message.loss.add(world.rank() == world.size() - 1 ? std::numeric_limits<double>::quiet_NaN() : 1.0);
  message.squares.add(world.rank() == 0 ? std::numeric_limits<double>::infinity() : 1.0);
  message.share(world);
  EXPECT_TRUE(std::isnan(message.loss.value()));
  EXPECT_TRUE(std::isinf(message.squares.value()));
}

}  // namespace
}  // namespace temper
