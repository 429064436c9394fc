#include "runtime/explaining/fidelity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <variant>

#include "tests/model_fixture.h"

namespace temper {
namespace {

using testing_support::ModelFixture;

TEST(Fidelity, TakesTheMostMarkedPixels) {
  const RelevanceMap map{{2, 2}, {0.0, 1.0, 0.0, 0.0}};
  const std::vector<std::uint8_t> marked = most_marked(map, {4, 4}, 0.25);
  EXPECT_EQ(std::count(marked.begin(), marked.end(), 1), 4);
  EXPECT_EQ(marked, (std::vector<std::uint8_t>{0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(Fidelity, MarksNothingWhereNothingIsMarked) {
  const std::vector<std::uint8_t> marked = most_marked({{2, 2}, {0.0, 0.0, 0.0, 0.0}}, {4, 4}, 0.5);
  EXPECT_EQ(std::count(marked.begin(), marked.end(), 1), 0);
}

class FidelityOfModel : public testing::Test {
 protected:
  Fidelity measure(const RelevanceMap& map, double share) {
    return measure_fidelity(*model_, *device_, LossKind::binary_cross_entropy, fixture_.part_of_batch(0, 1), map, 2,
                            share);
  }
  std::unique_ptr<Device> device_ = make_cpu_device();
  ModelFixture fixture_{"vit-multilabel-image"};
  std::unique_ptr<Model> model_ = fixture_.load(*device_);
};

TEST_F(FidelityOfModel, IsAChangeOfTheProbabilityAndTheSameEachTime) {
  const RelevanceMap map{{2, 3}, {1.0, 0.0, 0.0, 0.5, 0.0, 0.0}};
  const Fidelity once = measure(map, 0.2);
  const Fidelity again = measure(map, 0.2);
  EXPECT_EQ(once.marked, again.marked);
  EXPECT_EQ(once.random, again.random);
  EXPECT_NE(once.marked, 0.0);
  EXPECT_NE(once.random, once.marked);
  for (const double fall : {once.marked, once.random}) {
    EXPECT_GE(fall, -1.0);
    EXPECT_LE(fall, 1.0);
  }
  EXPECT_NEAR(once.share, 0.2, 0.01);
}

// By hand: the image with a quarter of it set to the mean, in a batch of its own.
TEST_F(FidelityOfModel, ErasesToTheMeanOfTheImage) {
  const RelevanceMap map{{1, 2}, {1.0, 0.0}};
  const Batch whole = fixture_.part_of_batch(0, 1);
  const auto& pixels = std::get<Pixels>(whole.content);
  const auto channels = static_cast<std::size_t>(pixels.channels);
  std::vector<float> erased = pixels.values;
  const std::vector<std::uint8_t> part = most_marked(map, {pixels.height, pixels.width}, 0.25);
  for (std::size_t c = 0; c < channels; ++c) {
    double mean = 0.0;
    for (std::size_t i = c; i < erased.size(); i += channels) mean += pixels.values[i];
    mean /= static_cast<double>(part.size());
    for (std::size_t pixel = 0; pixel < part.size(); ++pixel)
      if (part[pixel] == 1) erased[pixel * channels + c] = static_cast<float>(mean);
  }
  const std::vector<std::vector<float>> images{pixels.values, erased};
  const auto probabilities = probabilities_of(*model_, *device_, LossKind::binary_cross_entropy, whole, images);
  EXPECT_DOUBLE_EQ(measure(map, 0.25).marked, probabilities[0][2] - probabilities[1][2]);
}

TEST_F(FidelityOfModel, OfNothingIsNothing) {
  const Fidelity fidelity = measure({{2, 3}, std::vector<double>(6, 0.0)}, 0.2);
  EXPECT_EQ(fidelity.share, 0.0);
  EXPECT_EQ(fidelity.marked, 0.0);
  EXPECT_EQ(fidelity.random, 0.0);
}

}  // namespace
}  // namespace temper
