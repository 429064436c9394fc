// Maps against those that PyTorch computes of the same models and images (transformers' classes in f64).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/explaining/attention_rollout.h"
#include "runtime/explaining/grad_cam.h"
#include "runtime/steps/device_batch.h"
#include "tests/model_fixture.h"

namespace temper {
namespace {

using testing_support::ModelFixture;

void expect_near(const std::vector<double>& values, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], tolerance) << i;
}

class MapOfFixture {
 public:
  explicit MapOfFixture(const std::string& name) : fixture_(name), model_(fixture_.load(*device_)) {}

  [[nodiscard]] ImageExtent grid() const { return fixture_.config.images.grid(fixture_.batch.image_extent()); }
  [[nodiscard]] DeviceBatch image(std::size_t number) const {
    return to_device(fixture_.part_of_batch(number, 1), model_->readout(), BatchUse{.labelled = false}, *device_);
  }
  [[nodiscard]] std::vector<double> grad_cam(std::size_t number, std::int64_t output) const {
    return temper::grad_cam(*model_, *device_, image(number), output, grid()).values;
  }
  [[nodiscard]] std::vector<double> rollout(std::size_t number) const {
    return attention_rollout(*model_, *device_, image(number), images(), grid()).values;
  }
  [[nodiscard]] const ImageSizes& images() const { return fixture_.config.images; }
  [[nodiscard]] Model& model() const { return *model_; }
  [[nodiscard]] Device& device() const { return *device_; }
  /// Weights of files are mapped and cannot be written to.
  void clear_queries() const {
    for (const Parameter& parameter : model_->parameters().all()) {
      if (parameter.name.find("query") == std::string::npos) continue;
      const Tensor zeros = Tensor::empty(device_->memory(), parameter.variable.shape());
      std::fill_n(zeros.data<float>(), zeros.size(), 0.0F);
      parameter.variable.set_value(zeros);
    }
  }

 private:
  std::unique_ptr<Device> device_ = make_cpu_device();
  ModelFixture fixture_;
  std::unique_ptr<Model> model_;
};

TEST(AttentionRollout, MatchesReferenceWithoutRegisters) {
  const MapOfFixture fixture("dinov2-registers-image");
  EXPECT_EQ(fixture.grid(), (ImageExtent{2, 3}));
  expect_near(fixture.rollout(0), {0.10021, 0.06567531, 0.08758244, 0.08821987, 0.07078423, 0.06504041}, 1e-6);
  expect_near(fixture.rollout(1), {0.05206819, 0.09311159, 0.07932371, 0.0983175, 0.09610854, 0.09690961}, 1e-6);
}

TEST(AttentionRollout, MatchesReferenceOfOddSizes) {
  const MapOfFixture fixture("vit-multilabel-image");
  expect_near(fixture.rollout(0), {0.1146599, 0.09936463, 0.101474, 0.1358135, 0.08790687, 0.1245225}, 1e-6);
  expect_near(fixture.rollout(1), {0.0921307, 0.1466541, 0.1378109, 0.1055664, 0.09336636, 0.08967959}, 1e-6);
}

// Both tokens are read, each by a classifier of its own: the mean of their rows, of timm's model.
TEST(AttentionRollout, OfADistilledModelBeginsAtBothTokens) {
  const MapOfFixture fixture("timm-deit-distilled");
  EXPECT_EQ(fixture.images().classified_tokens, 2);
  expect_near(fixture.rollout(0), {0.09577604, 0.07027125, 0.1074171, 0.07909235}, 1e-6);
  expect_near(fixture.rollout(1), {0.09010496, 0.06333997, 0.09948418, 0.09762047}, 1e-6);
}

TEST(AttentionRollout, MatchesReferenceOfPublishedShapes) {
  TEMPER_REQUIRE_FIXTURE("shared/vit-image");
  expect_near(MapOfFixture("shared/vit-image").rollout(0),
              {0.0517394, 0.0515736, 0.0513672, 0.0512851, 0.0519423, 0.0514055, 0.0514365, 0.0516452, 0.0508885,
               0.0516596, 0.0516601, 0.0511837, 0.0519009, 0.0514613, 0.051086, 0.0513959},
              1e-6);
  expect_near(MapOfFixture("shared/deit-image").rollout(1),
              {0.0469073, 0.0445476, 0.0473145, 0.0387476, 0.0430681, 0.0430592, 0.0480478, 0.0434087, 0.0479486,
               0.0391426, 0.0372031, 0.0465618, 0.0425236, 0.0326996, 0.0328056, 0.0342123},
              1e-6);
}

// Without queries everyone attends to everyone alike, so what a block keeps of a token halves.
TEST(AttentionRollout, OfUniformAttentionIsUniform) {
  const MapOfFixture fixture("vit-multilabel-image");
  fixture.clear_queries();
  const double flown = 1.0 - std::pow(0.5, static_cast<double>(fixture.model().stages() - 1));
  expect_near(fixture.rollout(0), std::vector<double>(6, flown / 7.0), 1e-12);
}

TEST(AttentionRollout, IsTheSameEachTimeAndRefusesAnotherGrid) {
  const MapOfFixture fixture("vit-multilabel-image");
  EXPECT_EQ(fixture.rollout(0), fixture.rollout(0));
  EXPECT_THROW((void)attention_rollout(fixture.model(), fixture.device(), fixture.image(0), fixture.images(), {2, 2}),
               Error);
}

TEST(GradCam, MatchesReferenceOfResNetOfOddSizes) {
  const MapOfFixture fixture("resnet-basic-image");
  EXPECT_EQ(fixture.grid(), (ImageExtent{3, 3}));
  expect_near(fixture.grad_cam(1, 0), {0, 0, 0, 0.03457879, 0.01277223, 0, 0.1088985, 0.04331982, 0.02351189}, 2e-6);
  expect_near(fixture.grad_cam(1, 3), {0, 0, 0, 0, 0, 0, 0, 0.07832663, 0.08765943}, 2e-6);
  EXPECT_EQ(fixture.grad_cam(1, 3), fixture.grad_cam(1, 3));
}

TEST(GradCam, MatchesReferenceThroughTheNormOfAConvNeXt) {
  const MapOfFixture fixture("convnext-image");
  EXPECT_EQ(fixture.grid(), (ImageExtent{4, 5}));
  expect_near(fixture.grad_cam(1, 2),
              {0.3415755, 0.5000103, 0, 0, 0,          0.2518413, 0, 0.2785254,  0.1976043, 0.2830787,
               0,         0,         0, 0, 0.08449004, 0,         0, 0.07460778, 0,         0.2223452},
              1e-5);
}

TEST(GradCam, MatchesReferenceOfSwin) {
  const MapOfFixture fixture("swin-image");
  EXPECT_EQ(fixture.grid().pixels(), 20);
  expect_near(fixture.grad_cam(1, 1),
              {0, 0, 0, 0.0009667925, 0,          0.01972986, 0.0327,     0.01550665, 0, 0, 0.01873316, 0,
               0, 0, 0, 0.05680842,   0.02011039, 0.03742459, 0.02188088, 0.03016235},
              2e-6);
}

TEST(GradCam, RefusesAnotherGrid) {
  const MapOfFixture fixture("resnet-basic-image");
  EXPECT_THROW((void)temper::grad_cam(fixture.model(), fixture.device(), fixture.image(0), 0, {2, 3}), Error);
}

TEST(GradCam, MatchesReferenceOfResNet) {
  TEMPER_REQUIRE_FIXTURE("shared/resnet-image");
  const MapOfFixture fixture("shared/resnet-image");
  EXPECT_EQ(fixture.grid(), (ImageExtent{2, 2}));
  expect_near(fixture.grad_cam(0, 0), {0.0699817, 0, 0, 0}, 2e-6);
  expect_near(fixture.grad_cam(0, 1), {0.0460952, 0.128323, 0, 0}, 2e-6);
  expect_near(fixture.grad_cam(1, 2), {0.103646, 0, 0, 0}, 2e-6);
}

TEST(GradCam, MatchesReferenceOfBottlenecks) {
  TEMPER_REQUIRE_FIXTURE("shared/resnet-bottleneck-image");
  expect_near(MapOfFixture("shared/resnet-bottleneck-image").grad_cam(1, 0),
              {0.00210352, 0.0227319, 0.0339942, 0.0210848, 0, 0, 0.00490165, 0, 0, 0.00537408, 0.00854594, 0.030193,
               0.00168606, 0, 0, 0},
              1e-6);
}

TEST(GradCam, MatchesReferenceOfConvNeXtThroughItsNorm) {
  TEMPER_REQUIRE_FIXTURE("shared/convnext-image");
  expect_near(MapOfFixture("shared/convnext-image").grad_cam(0, 2),
              {0.000226233, 0, 0, 0.00152457, 0, 0.00576232, 0.0248601, 0.0217871, 0, 0.0163506, 0, 0.0276392, 0, 0,
               0.0144958, 0.0184107},
              1e-6);
}

}  // namespace
}  // namespace temper
