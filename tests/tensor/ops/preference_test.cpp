// The loss of pairs by logits that are there, by a layer without them, and by a double loop.
#include "tensor/ops/preference.h"

#include "base/error.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

struct PairCase {
  const char* name;
  std::vector<std::int32_t> lengths;  ///< tokens that count of each sequence
  std::int64_t classes;
  PreferenceTerms terms = {};
  LogitShape shape = {};
};

const std::vector<PairCase> kPairCases = {
    {"one pair", {3, 2}, 7},
    {"a pair one of whose answers has no token", {3, 0}, 7},
    {"several blocks of classes", {9, 5, 1, 4}, 3100, {PreferenceKind::sigmoid, 0.3}},
    {"several blocks of rows", {300, 400, 200, 100}, 131, {PreferenceKind::sigmoid, 0.05, 0.2}},
    {"normalised by length", {9, 5, 1, 4}, 50, {PreferenceKind::sigmoid, 2.0, 0.0, true}},
    {"ipo", {9, 5, 1, 4}, 50, {PreferenceKind::ipo, 0.2}},
    {"ipo, normalised, capped", {90, 500, 10, 40}, 50, {PreferenceKind::ipo, 0.2, 0.0, true}, {0.5F, 3.0F}},
};

class Preference : public testing_support::OpsGradient {
 protected:
  struct Parts {
    Variable x;
    Variable weight;
    Tensor labels;
    PreferencePairs pairs;
  };

  Parts parts_of(const PairCase& c) {
    std::vector<std::int32_t> starts{0};
    for (const std::int32_t length : c.lengths) starts.push_back(starts.back() + length);
    std::vector<std::int32_t> labels;
    for (std::int32_t row = 0; row < starts.back(); ++row)
      labels.push_back(static_cast<std::int32_t>((row * 7919 + 1) % c.classes));
    std::vector<double> references;
    for (std::size_t s = 0; s < c.lengths.size(); ++s)
      references.push_back(-1.5 * c.lengths[s] - static_cast<double>(s % 3));
    return {leaf(random({starts.back(), 8})),
            leaf(random({c.classes, 8}, 0.5F)),
            indices(labels),
            {indices(starts), indices(references)}};
  }

  /// [loss, pairs, right, margin] in double, of logits.
  std::vector<double> expected(const Parts& parts, const PairCase& c) {
    const float* const x = parts.x.value().data<float>();
    const float* const weight = parts.weight.value().data<float>();
    std::vector<double> ratios;
    std::int64_t row = 0;
    for (std::size_t s = 0; s < c.lengths.size(); ++s) {
      double log_probability = 0.0;
      for (std::int32_t token = 0; token < c.lengths[s]; ++token, ++row) {
        std::vector<double> logits;
        for (std::int64_t k = 0; k < c.classes; ++k) {
          double z = 0.0;
          for (std::int64_t i = 0; i < 8; ++i)
            z += static_cast<double>(x[row * 8 + i]) * static_cast<double>(weight[k * 8 + i]);
          z *= static_cast<double>(c.shape.scale);
          const double cap = c.shape.soft_cap;
          logits.push_back(cap > 0.0 ? cap * std::tanh(z / cap) : z);
        }
        const double largest = *std::max_element(logits.begin(), logits.end());
        double sum = 0.0;
        for (const double z : logits) sum += std::exp(z - largest);
        log_probability +=
            logits[static_cast<std::size_t>(parts.labels.data<std::int32_t>()[row])] - largest - std::log(sum);
      }
      const double tokens = c.terms.length_normalized ? std::max(1, c.lengths[s]) : 1.0;
      ratios.push_back((log_probability - parts.pairs.references.data<double>()[s]) / tokens);
    }
    std::vector<double> sums(4);
    for (std::size_t pair = 0; pair < ratios.size(); pair += 2) {
      const double u = ratios[pair] - ratios[pair + 1];
      const double z = c.terms.beta * u;
      const double wrong = c.terms.label_smoothing;
      sums[0] += c.terms.kind == PreferenceKind::ipo
                     ? (u - 0.5 / c.terms.beta) * (u - 0.5 / c.terms.beta)
                     : (1.0 - wrong) * std::log(1.0 + std::exp(-z)) + wrong * std::log(1.0 + std::exp(z));
      sums[1] += 1.0;
      sums[2] += u > 0.0 ? 1.0 : 0.0;
      sums[3] += z;
    }
    return sums;
  }

  std::vector<double> run(Tape& tape, const Parts& parts, const PairCase& c) {
    const Tensor sum = device_->zeros({4}, DType::f64);
    linear_preference_loss(tape, parts.x, parts.weight, Variable(), c.shape, parts.labels, parts.pairs, c.terms, sum);
    return device_->download<double>(sum);
  }
};

TEST_F(Preference, IsWhatADoubleLoopGives) {
  for (const PairCase& c : kPairCases) {
    SCOPED_TRACE(c.name);
    const Parts parts = parts_of(c);
    const std::vector<double> wanted = expected(parts, c);
    for (const Tape::Mode mode : {Tape::Mode::training, Tape::Mode::evaluation}) {
      Tape t = tape(mode);
      const std::vector<double> sums = run(t, parts, c);
      for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(sums[i], wanted[i], 1e-5 * (1.0 + std::abs(wanted[i]))) << i;
    }
  }
}

TEST_F(Preference, GradientMatchesCentralDifferences) {
  for (const PairCase& c : kPairCases) {
    SCOPED_TRACE(c.name);
    if (c.lengths.front() > 10) continue;
    const Parts parts = parts_of(c);
    Tape t = tape();
    (void)run(t, parts, c);
    t.backward();
    compare([&] { return expected(parts, c)[0]; }, {parts.x, parts.weight}, 2e-3);
  }
}

TEST_F(Preference, GivesTheSameWithLogitsOfAllRowsAndWithout) {
  for (const PairCase& c : kPairCases) {
    SCOPED_TRACE(c.name);
    if (c.shape.soft_cap > 0.0F) continue;
    const Parts parts = parts_of(c);
    Tape apart = tape();
    const Variable logits = linear(apart, parts.x, parts.weight, Variable());
    const Tensor sum = device_->zeros({4}, DType::f64);
    preference_loss(apart, logits, parts.labels, parts.pairs, c.terms, sum);
    apart.backward();
    const std::vector<float> dx = device_->download_as_f32(parts.x.gradient());
    const std::vector<float> d_weight = device_->download_as_f32(parts.weight.gradient());

    const Parts again{Variable(parts.x.value(), true), Variable(parts.weight.value(), true), parts.labels, parts.pairs};
    Tape fused = tape();
    const std::vector<double> sums = run(fused, again, c);
    fused.backward();
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(sums[i], sum.data<double>()[i], 1e-6 * (1.0 + std::abs(sums[i])));
    const auto expect_near = [](const std::vector<float>& actual, const std::vector<float>& wanted) {
      double largest = 0.0;
      for (const float value : wanted) largest = std::max(largest, std::abs(static_cast<double>(value)));
      for (std::size_t i = 0; i < actual.size(); ++i) ASSERT_NEAR(actual[i], wanted[i], 1e-5 * largest + 1e-12) << i;
    };
    expect_near(device_->download_as_f32(again.x.gradient()), dx);
    expect_near(device_->download_as_f32(again.weight.gradient()), d_weight);
  }
}

TEST_F(Preference, AModelThatIsItsOwnReferencePrefersNothing) {
  const PairCase c{"", {5, 3, 2, 7}, 60};
  Parts parts = parts_of(c);
  // The losses of the rows, as an evaluation has them.
  const RowLosses losses{Tensor::empty(device_->memory(), {17}, DType::f64)};
  Tape evaluation = tape(Tape::Mode::evaluation);
  linear_cross_entropy(evaluation, parts.x, parts.weight, Variable(), {}, parts.labels, {}, no_loss(), losses);
  const std::int32_t* const starts = parts.pairs.starts.data<std::int32_t>();
  for (std::int64_t s = 0; s < 4; ++s) {
    double log_probability = 0.0;
    for (std::int32_t row = starts[s]; row < starts[s + 1]; ++row) log_probability -= losses.losses.data<double>()[row];
    parts.pairs.references.data<double>()[s] = log_probability;
  }
  Tape t = tape();
  const std::vector<double> sums = run(t, parts, c);
  EXPECT_EQ(sums[0], 2.0 * std::log(2.0));
  EXPECT_EQ(sums[2], 0.0);
  EXPECT_EQ(sums[3], 0.0);
  t.backward();
}

TEST_F(Preference, RefusesWhatMakesNoPairs) {
  const PairCase c{"", {3, 2, 4}, 7};
  const Parts parts = parts_of(c);
  Tape t = tape();
  EXPECT_THROW((void)run(t, parts, c), Error);
}

}  // namespace
}  // namespace temper
