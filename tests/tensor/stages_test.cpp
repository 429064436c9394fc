#include "tensor/stages.h"

#include <string>

#include <fmt/format.h>

#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

/// Writes down what it is told: "+2" before the forward pass of stage 2, "-2" after it, with "again" or "back".
class Diary final : public StageObserver {
 public:
  void before(std::int64_t stage, StagePass pass) override { entries += fmt::format("+{}{} ", stage, name(pass)); }
  void after(std::int64_t stage, StagePass pass, const Variable& output) override {
    entries += fmt::format("-{}{} ", stage, name(pass));
    EXPECT_EQ(output.defined(), pass != StagePass::backward);
  }
  std::string entries;

 private:
  static const char* name(StagePass pass) {
    return pass == StagePass::forward ? "" : pass == StagePass::again ? "again" : "back";
  }
};

class Stages : public testing_support::OpsGradient {
 protected:
  /// Through `count` layers from the first on, with an observer; the lowest `frozen` are not trained.
  std::string diary(std::int64_t count, std::int64_t frozen, const CheckpointPolicy& policy, Tape::Mode mode) {
    engine_.seed(5);
    std::vector<Variable> weights;
    for (std::int64_t i = 0; i < count; ++i) weights.emplace_back(random({4, 4}), i >= frozen);
    const Variable x(random({3, 4}));
    Tape t = tape(mode);
    Diary written;
    t.observe_stages(written);
    const Variable out = run_stages(t, 1, 1 + count, policy, x, [&](Tape& on, std::int64_t stage, const Variable& in) {
      return linear(on, in, weights[static_cast<std::size_t>(stage - 1)], Variable(), Activation::gelu);
    });
    if (out.requires_gradient()) {
      Tape::set_gradient(out, random({3, 4}));
      t.backward();
    }
    gradients_.emplace_back();
    for (const Variable& weight : weights)
      if (weight.gradient().defined())
        gradients_.back().insert(gradients_.back().end(), weight.gradient().span<float>().begin(),
                                 weight.gradient().span<float>().end());
    return written.entries;
  }

  std::vector<std::vector<float>> gradients_;
};

TEST_F(Stages, AreToldInTheirOrder) {
  EXPECT_EQ(diary(2, 0, {}, Tape::Mode::evaluation), "+1 -1 +2 -2 ");
  EXPECT_EQ(diary(2, 0, {}, Tape::Mode::training), "+1 -1 +2 -2 +2back -2back +1back -1back ");
}

TEST_F(Stages, WithNothingToTrainHaveNoBackwardPass) {
  EXPECT_EQ(diary(3, 2, {}, Tape::Mode::training), "+1 -1 +2 -2 +3 -3 +3back -3back ");
}

TEST_F(Stages, AreToldWhenTheyAreComputedAgain) {
  EXPECT_EQ(diary(3, 0, {.stages_between = 2}, Tape::Mode::training),
            "+1 -1 +2 -2 +3 -3 +3again -3again +3back -3back +1again -1again +2again -2again +2back -2back +1back "
            "-1back ");
  EXPECT_EQ(diary(3, 0, {.stages_between = 2, .kept_on_top = 2}, Tape::Mode::training),
            "+1 -1 +2 -2 +3 -3 +3back -3back +1again -1again +2again -2again +2back -2back +1back -1back ");
}

TEST_F(Stages, GiveTheSameGradientsWhateverIsKept) {
  for (const CheckpointPolicy& policy :
       {CheckpointPolicy{}, CheckpointPolicy{1, 0}, CheckpointPolicy{2, 2}, CheckpointPolicy{7, 0}})
    diary(5, 1, policy, Tape::Mode::training);
  for (const std::vector<float>& found : gradients_) EXPECT_EQ(found, gradients_.front());
  EXPECT_EQ(gradients_.front().size(), 4U * 16);
}

}  // namespace
}  // namespace temper
