// Values of transformers 5.24's logits processors on logits that are multiples of 1/16.
#include "runtime/generation/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace temper {
namespace {

const std::vector<float> kLogits{-1.0F,    -1.1875F, -1.125F, 1.3125F,  -0.375F, 3.875F,
                                 -2.8125F, -1.5F,    1.25F,   -1.8125F, -1.125F, 1.375F};

void expect_left(const std::vector<TokenProbability>& left, const std::vector<double>& expected) {
  std::vector<double> found(expected.size());
  for (const TokenProbability& token : left) found[static_cast<std::size_t>(token.id)] = token.probability;
  for (std::size_t id = 0; id < expected.size(); ++id) {
    EXPECT_NEAR(found[id], expected[id], 2e-7) << "token " << id;
    EXPECT_EQ(found[id] > 0.0, expected[id] > 0.0) << "token " << id;
  }
}

SamplingSettings drawing(double temperature) {
  SamplingSettings settings;
  settings.temperature = temperature;
  return settings;
}

TEST(Sampling, TemperatureIsThatOfTransformers) {
  expect_left(tokens_left(kLogits, drawing(0.7)), {0.000872, 0.0006671, 0.0007294, 0.0237274, 0.0021296, 0.9227356,
                                                   6.55e-05, 0.0004269, 0.0217007, 0.0002732, 0.0007294, 0.0259433});
}

TEST(Sampling, TopKIsThatOfTransformers) {
  SamplingSettings settings = drawing(1.0);
  settings.top_k = 4;
  expect_left(tokens_left(kLogits, settings), {0, 0, 0, 0.0626092, 0, 0.8119279, 0, 0, 0.0588159, 0, 0, 0.0666471});
}

TEST(Sampling, TopPIsThatOfTransformers) {
  SamplingSettings settings = drawing(1.0);
  settings.top_p = 0.8;
  expect_left(tokens_left(kLogits, settings), {0, 0, 0, 0, 0, 0.9241418, 0, 0, 0, 0, 0, 0.0758582});
}

TEST(Sampling, MinPIsThatOfTransformers) {
  SamplingSettings settings = drawing(1.0);
  settings.min_p = 0.1;
  expect_left(tokens_left(kLogits, settings), {0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 0, 0});
}

TEST(Sampling, AllRulesTogetherAreAppliedInTransformersOrder) {
  std::vector<float> logits = kLogits;
  penalise_repetition(logits, std::vector<std::int32_t>{2, 5, 5}, 1.5);
  SamplingSettings settings = drawing(0.9);
  settings.top_k = 8;
  settings.top_p = 0.9;
  settings.min_p = 0.15;
  expect_left(tokens_left(logits, settings), {0, 0, 0, 0.1406642, 0, 0.5773289, 0, 0, 0.1312273, 0, 0, 0.1507797});
}

TEST(Sampling, TopKKeepsWhatIsAsLikelyAsTheLast) {
  SamplingSettings settings = drawing(1.0);
  settings.top_k = 2;
  EXPECT_EQ(tokens_left(std::vector<float>{1.0F, 3.0F, 1.0F, 0.0F}, settings).size(), 3U);
}

/// The nucleus is sorted piece by piece; here all of it is, naively.
TEST(Sampling, TheNucleusIsThatOfAWholeSort) {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal(0.0F, 1.5F);
  for (const double p : {0.1, 0.5, 0.9, 0.99, 0.9999}) {
    std::vector<float> logits(3000);
    for (float& logit : logits) logit = normal(generator);
    std::vector<double> weights;
    for (const float logit : logits) weights.push_back(std::exp(static_cast<double>(logit)));
    std::sort(weights.rbegin(), weights.rend());
    double sum = 0.0;
    for (const double weight : weights) sum += weight;
    std::size_t kept = 0;
    for (double before = 0.0; kept == 0 || before < p * sum; ++kept) before += weights[kept];
    SamplingSettings settings = drawing(1.0);
    settings.top_p = p;
    EXPECT_EQ(tokens_left(logits, settings).size(), kept) << p;
  }
}

TEST(Sampling, TakesTheLikeliestAtTemperatureZeroAndOfEqualsTheFirst) {
  std::vector<float> logits{1.0F, 4.0F, 4.0F};
  EXPECT_EQ(next_token(logits, std::vector<std::int32_t>{0}, drawing(0.0), PromptRandom(1, {})), 1);
}

TEST(Sampling, DrawsAsOftenAsTheProbabilitySays) {
  const std::vector<float> logits{0.0F, std::log(2.0F), std::log(5.0F)};
  const std::vector<std::int32_t> prompt{4, 2};
  std::vector<int> counts(3);
  constexpr int kDraws = 8000;
  for (int seed = 0; seed < kDraws; ++seed) {
    std::vector<float> changed = logits;
    const PromptRandom random(static_cast<std::uint64_t>(seed), prompt);
    ++counts[static_cast<std::size_t>(next_token(changed, prompt, drawing(1.0), random))];
  }
  // Five standard deviations.
  for (const auto& [id, p] : {std::pair{0, 0.125}, std::pair{1, 0.25}, std::pair{2, 0.625}})
    EXPECT_NEAR(counts[static_cast<std::size_t>(id)], p * kDraws, 5.0 * std::sqrt(p * (1.0 - p) * kDraws)) << id;
}

TEST(Sampling, RandomNumbersDependOnSeedPromptAndPosition) {
  const std::vector<std::int32_t> prompt{1, 2, 3};
  const PromptRandom random(7, prompt);
  EXPECT_EQ(random.at(3), PromptRandom(7, prompt).at(3));
  EXPECT_NE(random.at(3), random.at(4));
  EXPECT_NE(random.at(3), PromptRandom(8, prompt).at(3));
  EXPECT_NE(random.at(3), PromptRandom(7, std::vector<std::int32_t>{1, 3, 2}).at(3));
  EXPECT_NE(random.at(3), PromptRandom(7, std::vector<std::int32_t>{1, 2, 3, 0}).at(3));
}

}  // namespace
}  // namespace temper
