#include "runtime/steps/placement.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace temper {
namespace {

/// Writes down what it is asked for, such as a placement that holds shards of each stage is.
class Recording final : public Placement {
 public:
  explicit Recording(std::vector<std::string>& log) : log_(log) {}
  [[nodiscard]] std::string_view name() const override { return "recording"; }
  void gather(std::int64_t stage) override { note("gather", stage); }
  void acquire(std::int64_t stage) override { note("acquire", stage); }
  void release(std::int64_t stage) override { note("release", stage); }

 private:
  void note(const char* what, std::int64_t stage) { log_.push_back(what + (" " + std::to_string(stage))); }

  std::vector<std::string>& log_;
};

using Log = std::vector<std::string>;

/// Four stages, which the recording placement holds all of.
class GatherAheadTest : public testing::Test {
 protected:
  GatherAhead make(std::int64_t recorded) { return {std::vector<std::vector<Placement*>>(4, {&recording_}), recorded}; }
  void run(GatherAhead& ahead, std::int64_t stage, StagePass pass) {
    ahead.before(stage, pass);
    log_.push_back((pass == StagePass::backward ? "backward " : "forward ") + std::to_string(stage));
    ahead.after(stage, pass, Variable());
  }
  /// A copy of what came since the last call.
  Log taken() { return std::exchange(log_, {}); }

  Log log_;
  Recording recording_{log_};
};

TEST_F(GatherAheadTest, EachStageIsGatheredBeforeTheOneBelowItRuns) {
  GatherAhead ahead = make(0);
  for (std::int64_t stage = 0; stage < 4; ++stage) run(ahead, stage, StagePass::forward);
  EXPECT_EQ(taken(), (Log{"gather 0", "acquire 0", "gather 1", "forward 0", "release 0",  //
                          "acquire 1", "gather 2", "forward 1", "release 1",              //
                          "acquire 2", "gather 3", "forward 2", "release 2",              //
                          "acquire 3", "forward 3"}))
      << "the topmost stays for the backward pass, which begins with it";
  for (std::int64_t stage = 4; stage-- > 0;) run(ahead, stage, StagePass::backward);
  EXPECT_EQ(taken(), (Log{"gather 2", "backward 3", "release 3",               //
                          "acquire 2", "gather 1", "backward 2", "release 2",  //
                          "acquire 1", "gather 0", "backward 1", "release 1",  //
                          "acquire 0", "backward 0", "release 0"}));
}

TEST_F(GatherAheadTest, WhatIsFrozenBelowIsNotGatheredForTheBackwardPass) {
  GatherAhead ahead = make(2);
  for (std::int64_t stage = 0; stage < 4; ++stage) run(ahead, stage, StagePass::forward);
  taken();
  for (const std::int64_t stage : {3, 2}) run(ahead, stage, StagePass::backward);
  EXPECT_EQ(taken(), (Log{"gather 2", "backward 3", "release 3", "acquire 2", "backward 2", "release 2"}));
}

TEST_F(GatherAheadTest, APassMayBeginAboveAFrozenPartThatIsKnown) {
  GatherAhead ahead = make(2);
  run(ahead, 2, StagePass::forward);
  EXPECT_EQ(taken(), (Log{"gather 2", "acquire 2", "gather 3", "forward 2", "release 2"}));
}

TEST_F(GatherAheadTest, WithoutABackwardPassTheTopmostIsLetGo) {
  GatherAhead ahead = make(4);
  for (std::int64_t stage = 0; stage < 4; ++stage) run(ahead, stage, StagePass::forward);
  EXPECT_EQ(log_.back(), "release 3");
}

TEST_F(GatherAheadTest, AnEvaluationLetsTheTopmostGoThoughItIsTrained) {
  GatherAhead ahead = make(0);
  ahead.before(3, StagePass::forward);
  float output = 0.0F;
  ahead.after(3, StagePass::forward, Variable(Tensor::view(&output, {1, 1})));
  EXPECT_EQ(log_.back(), "release 3");
}

TEST_F(GatherAheadTest, WhatIsReadIsThereMeanwhile) {
  GatherAhead ahead = make(0);
  for (const std::int64_t stage : {0, 3}) run(ahead, stage, StagePass::reading);
  EXPECT_EQ(taken(), (Log{"gather 0", "acquire 0", "forward 0", "release 0",  //
                          "gather 3", "acquire 3", "forward 3", "release 3"}));
}

TEST_F(GatherAheadTest, WhatRunsAgainStaysForItsBackwardPass) {
  GatherAhead ahead = make(0);
  for (std::int64_t stage = 0; stage < 4; ++stage) run(ahead, stage, StagePass::forward);
  run(ahead, 3, StagePass::backward);
  taken();
  // Stages 1 and 2 kept no activations between them.
  for (const std::int64_t stage : {1, 2}) run(ahead, stage, StagePass::again);
  for (const std::int64_t stage : {2, 1}) run(ahead, stage, StagePass::backward);
  EXPECT_EQ(taken(), (Log{"gather 1", "acquire 1", "gather 0", "forward 1",  //
                          "acquire 2", "forward 2",                          //
                          "backward 2", "release 2", "backward 1", "release 1"}))
      << "stage 2 was gathered while stage 3 ran, and 1 is not gathered twice";
}

TEST_F(GatherAheadTest, StagesThatNothingHoldsArePassedOver) {
  GatherAhead ahead({{}, {&recording_}}, 0);
  for (const std::int64_t stage : {0, 1}) run(ahead, stage, StagePass::forward);
  EXPECT_EQ(taken(), (Log{"gather 1", "forward 0", "acquire 1", "forward 1"}));
}

}  // namespace
}  // namespace temper
