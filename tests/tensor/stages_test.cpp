#include "tensor/stages.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

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

/// Layers of a norm, a gated unit and a product, as decoders have them.
class LettingGo : public testing_support::OpsGradient {
 protected:
  static constexpr std::int64_t kWidth = 8;
  static constexpr std::int64_t kStages = 3;

  void SetUp() override {
    engine_.seed(11);
    for (std::int64_t i = 0; i < kStages; ++i)
      layers_.push_back({parameter({kWidth}), parameter({2 * kWidth, kWidth}), parameter({kWidth, kWidth})});
    x_ = Variable(random({5, kWidth}));
    seed_ = random({5, kWidth});
  }
  /// Gradients of all weights; each layer is a stage, or the model has none, so that nothing is let go of.
  std::vector<float> gradients(bool has_stages, bool turns) {
    Tape t = tape(Tape::Mode::training);
    Variable hidden = x_;
    for (std::int64_t i = 0; i < kStages; ++i) {
      const auto body = [&](Tape& on) { return layer(on, layers_[static_cast<std::size_t>(i)], hidden, turns); };
      hidden = has_stages ? t.stage(i, body) : body(t);
    }
    kept_ = static_cast<const HostMemory&>(device_->memory()).use().in_use;
    const Tensor seed = Tensor::empty(device_->memory(), seed_.shape());  // which may be written over
    std::copy_n(seed_.data<float>(), seed_.size(), seed.data<float>());
    Tape::set_gradient(hidden, seed);
    t.backward();
    std::vector<float> all;
    for (Layer& one : layers_) {
      for (Variable* weight : {&one.norm, &one.up, &one.down}) {
        const auto gradient = weight->gradient().span<float>();
        all.insert(all.end(), gradient.begin(), gradient.end());
        *weight = Variable(weight->value(), true);
      }
    }
    return all;
  }

  std::size_t kept_ = 0;  ///< bytes when the backward pass begins

 private:
  struct Layer {
    Variable norm;
    Variable up;
    Variable down;
  };
  Variable parameter(const Shape& shape) { return Variable(random(shape), true); }
  static Variable layer(Tape& on, const Layer& layer, const Variable& in, bool turns) {
    static constexpr std::array<std::uint32_t, 5> kPositions{0, 1, 2, 3, 4};
    const Variable normed = layer_norm(on, in, Variable(), layer.norm, Variable(), 1e-5F, {}, {});
    if (turns) rotate(on, normed, {0, 2, kWidth / 2}, kPositions.data(), {.frequencies = {1.0F, 0.5F}}, {});
    const Variable passed = gated(on, linear(on, normed, layer.up, Variable()), Activation::silu);
    return add(on, linear(on, passed, layer.down, Variable()), in);
  }

  std::vector<Layer> layers_;
  Variable x_;
  Tensor seed_;
};

TEST_F(LettingGo, OfWhatIsComputedAgainGivesTheSameGradientsInLessMemory) {
  const std::vector<float> expected = gradients(/*has_stages=*/false, /*turns=*/false);
  const std::size_t everything = kept_;
  EXPECT_EQ(gradients(/*has_stages=*/true, /*turns=*/false), expected);
  // A norm's and a gated unit's output per stage.
  EXPECT_GE(everything - kept_, kStages * 2 * 5 * kWidth * sizeof(float));
}

TEST_F(LettingGo, KeepsWhatWasChangedInPlace) {
  const std::vector<float> expected = gradients(/*has_stages=*/false, /*turns=*/true);
  const std::size_t everything = kept_;
  EXPECT_EQ(gradients(/*has_stages=*/true, /*turns=*/true), expected);
  const std::size_t saved = everything - kept_;
  EXPECT_GE(saved, kStages * 5 * kWidth * sizeof(float));
  EXPECT_LT(saved, kStages * 2 * 5 * kWidth * sizeof(float));
}

}  // namespace
}  // namespace temper
