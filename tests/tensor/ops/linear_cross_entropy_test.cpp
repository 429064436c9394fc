// The output layer and its loss in one, against the two one after the other, and against a double loop.
#include "tensor/ops/linear_cross_entropy.h"

#include "base/error.h"
#include "tensor/ops/activation.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

struct LossCase {
  const char* name;
  std::int64_t rows;
  std::int64_t width;
  std::int64_t classes;
  LogitShape shape = {};
  CrossEntropyTerms terms = {};
  bool bias = false;
  bool weighted = false;
};

/// One block and several, of rows and of classes; nothing a multiple of anything.
const std::vector<LossCase> kCases = {
    {"one row", 1, 5, 7},
    {"one class", 3, 4, 1},
    {"plain", 37, 24, 211},
    {"several blocks of classes", 70, 16, 7001},
    {"several blocks of rows", 1035, 8, 131},
    {"scaled", 33, 24, 3073, {.scale = 0.0625F}},
    {"capped", 33, 24, 3100, {.soft_cap = 3.0F}},
    {"scaled and capped, with all terms and a bias", 45, 24, 3333, {0.5F, 2.0F}, {0.1F, 1e-2F}, true},
    {"smoothed", 45, 24, 211, {}, {.label_smoothing = 0.2F}},
    {"z-loss", 45, 24, 6200, {}, {.z_loss = 3e-2F}},
    {"bias", 45, 24, 3200, {}, {}, true},
    {"rows with weights", 45, 24, 211, {}, {}, false, true},
    {"weights, several blocks of rows, all terms and a bias", 1035, 8, 3131, {0.5F, 2.0F}, {0.1F, 1e-2F}, true, true},
};

struct Losses {
  double sum = 0.0;
  double weight = 0.0;
  std::vector<double> of_rows;
  std::vector<std::int32_t> predicted;
};

class LinearCrossEntropy : public testing_support::OpsGradient {
 protected:
  struct Parts {
    Variable x;
    Variable weight;
    Variable bias;
    Tensor labels;
    Tensor row_weights;  ///< undefined where rows have none

    [[nodiscard]] CrossEntropyTerms terms_of(const LossCase& c) const {
      CrossEntropyTerms terms = c.terms;
      if (row_weights.defined()) terms.row_weights = row_weights.data<float>();
      return terms;
    }
  };

  /// A fifth of the rows without a label.
  Parts parts_of(const LossCase& c, DType type = DType::f32) {
    Parts parts{leaf(random({c.rows, c.width})), leaf(random({c.classes, c.width}, 0.5F)), Variable(), Tensor(),
                Tensor()};
    if (c.bias) parts.bias = leaf(random({c.classes}));
    std::vector<std::int32_t> labels;
    for (std::int64_t row = 0; row < c.rows; ++row)
      labels.push_back(row % 5 == 3 ? -100 : static_cast<std::int32_t>((row * 7919 + 1) % c.classes));
    parts.labels = indices(labels);
    if (c.weighted) {
      // One of them 0, as of a row that does not count.
      parts.row_weights = random({c.rows});
      for (std::int64_t row = 0; row < c.rows; ++row) {
        float& weight = parts.row_weights.data<float>()[row];
        weight = row % 7 == 2 ? 0.0F : 0.25F + std::abs(weight);
      }
    }
    if (type == DType::bf16) {
      parts.x = leaf(in_bf16(parts.x.value()));
      parts.weight.set_compute_copy(in_bf16(parts.weight.value()));
    }
    return parts;
  }
  Tensor in_bf16(const Tensor& values) {
    Tensor rounded = Tensor::empty(device_->memory(), values.shape(), DType::bf16);
    device_->kernels().run(calls::Copy{.x = values.as_rows(), .y = rounded.as_rows()});
    return rounded;
  }

  Losses run(Tape& tape, const Parts& parts, const LossCase& c) {
    const std::int64_t rows = parts.x.value().rows();
    const RowLosses of_rows{Tensor::empty(device_->memory(), {rows}, DType::f64),
                            Tensor::empty(device_->memory(), {rows}, DType::i32)};
    const Tensor sum = no_loss();
    linear_cross_entropy(tape, parts.x, parts.weight, parts.bias, c.shape, parts.labels, parts.terms_of(c), sum,
                         of_rows);
    return {sum.data<double>()[0], sum.data<double>()[1], device_->download<double>(of_rows.losses),
            device_->download<std::int32_t>(of_rows.predicted)};
  }

  /// In double, from what products read.
  Losses expected(const Parts& parts, const LossCase& c) {
    const std::vector<float> x = device_->download_as_f32(parts.x.value());
    const std::vector<float> weight = device_->download_as_f32(parts.weight.compute_copy());
    Losses losses;
    for (std::int64_t row = 0; row < c.rows; ++row) {
      std::vector<double> logits;
      for (std::int64_t k = 0; k < c.classes; ++k) {
        double z = c.bias ? static_cast<double>(parts.bias.value().data<float>()[k]) : 0.0;
        for (std::int64_t i = 0; i < c.width; ++i)
          z += static_cast<double>(x[static_cast<std::size_t>(row * c.width + i)]) *
               static_cast<double>(weight[static_cast<std::size_t>(k * c.width + i)]);
        z *= static_cast<double>(c.shape.scale);
        const double cap = c.shape.soft_cap;
        logits.push_back(cap > 0.0 ? cap * std::tanh(z / cap) : z);
      }
      const auto largest = std::max_element(logits.begin(), logits.end());
      losses.predicted.push_back(static_cast<std::int32_t>(largest - logits.begin()));
      double exponentials = 0.0;
      double total = 0.0;
      for (const double z : logits) {
        exponentials += std::exp(z - *largest);
        total += z;
      }
      const double log_z = *largest + std::log(exponentials);
      const std::int32_t label = parts.labels.data<std::int32_t>()[row];
      const double smoothing = c.terms.label_smoothing;
      double loss = 0.0;
      if (label >= 0) {
        loss = log_z - (1.0 - smoothing) * logits[static_cast<std::size_t>(label)] -
               smoothing / static_cast<double>(c.classes) * total + static_cast<double>(c.terms.z_loss) * log_z * log_z;
        const double row_weight =
            parts.row_weights.defined() ? static_cast<double>(parts.row_weights.data<float>()[row]) : 1.0;
        loss *= row_weight;
        losses.weight += row_weight;
      }
      losses.of_rows.push_back(loss);
      losses.sum += loss;
    }
    return losses;
  }

  static std::vector<float> gradient_of(Device& device, const Variable& variable) {
    return device.download_as_f32(variable.gradient());
  }
  static void expect_near(const std::vector<float>& actual, const std::vector<float>& wanted, double tolerance,
                          const char* what) {
    ASSERT_EQ(actual.size(), wanted.size()) << what;
    double largest = 0.0;
    for (const float value : wanted) largest = std::max(largest, std::abs(static_cast<double>(value)));
    for (std::size_t i = 0; i < actual.size(); ++i)
      ASSERT_NEAR(actual[i], wanted[i], tolerance * largest) << what << ", element " << i;
  }
};

TEST_F(LinearCrossEntropy, IsWhatADoubleLoopGives) {
  for (const LossCase& c : kCases) {
    SCOPED_TRACE(c.name);
    for (const DType type : {DType::f32, DType::bf16}) {
      if (type == DType::bf16 && !device_->has_bf16()) continue;
      const Parts parts = parts_of(c, type);
      const Losses wanted = expected(parts, c);
      for (const Tape::Mode mode : {Tape::Mode::training, Tape::Mode::evaluation}) {
        Tape t(*device_, mode, {}, type);
        const Losses losses = run(t, parts, c);
        EXPECT_NEAR(losses.sum, wanted.sum, 2e-6 * std::abs(wanted.sum) + 1e-6);
        EXPECT_DOUBLE_EQ(losses.weight, wanted.weight);
        for (std::size_t i = 0; i < wanted.of_rows.size(); ++i)
          ASSERT_NEAR(losses.of_rows[i], wanted.of_rows[i], 1e-5 * (1.0 + std::abs(wanted.of_rows[i]))) << "row " << i;
        EXPECT_EQ(losses.predicted, wanted.predicted);
        t.backward();
      }
    }
  }
}

TEST_F(LinearCrossEntropy, LeavesTheGradientsOfLayerAndLossOneAfterTheOther) {
  for (const LossCase& c : kCases) {
    SCOPED_TRACE(c.name);
    const Parts parts = parts_of(c);
    Tape apart = tape();
    Variable logits = linear(apart, parts.x, parts.weight, parts.bias);
    if (c.shape.soft_cap > 0.0F) {
      logits = activated(apart, scale(apart, logits, c.shape.scale / c.shape.soft_cap), Activation::tanh);
      logits = scale(apart, logits, c.shape.soft_cap);
    } else if (c.shape.scale != 1.0F) {
      logits = scale(apart, logits, c.shape.scale);
    }
    const Tensor sum = no_loss();
    cross_entropy(apart, logits, parts.labels, Tensor(), parts.terms_of(c), sum);
    apart.backward();
    const double loss = sum.data<double>()[0];
    const std::vector<float> dx = gradient_of(*device_, parts.x);
    const std::vector<float> d_weight = gradient_of(*device_, parts.weight);
    const std::vector<float> d_bias = c.bias ? gradient_of(*device_, parts.bias) : std::vector<float>();

    // Gradients that are there are added to.
    Tape fused = tape();
    EXPECT_NEAR(run(fused, parts, c).sum, loss, 2e-6 * std::abs(loss) + 1e-6);
    fused.backward();
    const auto twice = [](std::vector<float> values) {
      for (float& value : values) value *= 2.0F;
      return values;
    };
    expect_near(gradient_of(*device_, parts.x), twice(dx), 5e-6, "x");
    expect_near(gradient_of(*device_, parts.weight), twice(d_weight), 5e-6, "weight");
    if (c.bias) expect_near(gradient_of(*device_, parts.bias), twice(d_bias), 5e-6, "bias");
  }
}

TEST_F(LinearCrossEntropy, WeightsOfOneLeaveTheBitsAsTheyAre) {
  const LossCase c{"", 45, 24, 211, {0.7F, 2.5F}, {0.1F, 1e-2F}, true};
  const Parts all = parts_of(c);
  std::vector<std::vector<float>> gradients;
  for (const bool weighted : {false, true}) {
    // Leaves of their own, so that no gradient is added to.
    Parts parts{leaf(all.x.value()), leaf(all.weight.value()), leaf(all.bias.value()), all.labels, {}};
    if (weighted) {
      parts.row_weights = random({c.rows});
      std::fill_n(parts.row_weights.data<float>(), c.rows, 1.0F);
    }
    Tape t = tape();
    (void)run(t, parts, c);
    t.backward();
    gradients.push_back(gradient_of(*device_, parts.weight));
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST_F(LinearCrossEntropy, GradientMatchesCentralDifferences) {
  for (const bool weighted : {false, true}) {
    const LossCase c{"", 11, 12, 3083, {0.7F, 2.5F}, {0.1F, 1e-2F}, true, weighted};
    const Parts parts = parts_of(c);
    Tape t = tape();
    (void)run(t, parts, c);
    t.backward();
    const auto value = [&] {
      Tape fresh = tape(Tape::Mode::evaluation);
      return run(fresh, parts, c).sum;
    };
    compare(value, {parts.x, parts.weight, parts.bias}, 2e-3);
  }
}

TEST_F(LinearCrossEntropy, RoundsTheGradientOfActivationsInBf16Once) {
  if (!device_->has_bf16()) GTEST_SKIP() << "no bf16 here";
  const LossCase c{"", 600, 40, 7000, {}, {0.1F, 1e-3F}, true};
  const Parts parts = parts_of(c, DType::bf16);
  Tape t(*device_, Tape::Mode::training, {}, DType::bf16);
  (void)run(t, parts, c);
  t.backward();
  // The same numbers in f32.
  Parts wide = parts;
  const auto widened = [&](const Tensor& values) {
    Tensor wide_values = Tensor::empty(device_->memory(), values.shape());
    device_->kernels().run(calls::Copy{.x = values.as_rows(), .y = wide_values.as_rows()});
    return leaf(wide_values);
  };
  wide.x = widened(parts.x.value());
  wide.weight = widened(parts.weight.compute_copy());
  wide.bias = leaf(parts.bias.value());
  Tape exact = tape();
  (void)run(exact, wide, c);
  exact.backward();
  EXPECT_EQ(parts.x.gradient().type(), DType::bf16);
  expect_near(gradient_of(*device_, parts.x), gradient_of(*device_, wide.x), 8e-3, "x");
  expect_near(gradient_of(*device_, parts.weight), gradient_of(*device_, wide.weight), 4e-3, "weight");
  expect_near(gradient_of(*device_, parts.bias), gradient_of(*device_, wide.bias), 4e-3, "bias");
}

TEST_F(LinearCrossEntropy, ARowsLossHasTheSameBitsWhateverIsBatchedWithIt) {
  const LossCase c{"", 700, 48, 6500, {0.5F, 4.0F}, {}, true};
  for (const DType type : {DType::f32, DType::bf16}) {
    if (type == DType::bf16 && !device_->has_bf16()) continue;
    const Parts all = parts_of(c, type);
    Tape t(*device_, Tape::Mode::evaluation, {}, type);
    const Losses together = run(t, all, c);
    for (const auto& [first, count] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {5, 33}, {100, 300}, {640, 60}}) {
      Parts some = all;
      some.x = Variable(all.x.value().row_range(first, count));
      some.labels = indices(std::vector<std::int32_t>(all.labels.data<std::int32_t>() + first,
                                                      all.labels.data<std::int32_t>() + first + count));
      const Losses alone = run(t, some, c);
      for (std::int64_t i = 0; i < count; ++i)
        ASSERT_EQ(alone.of_rows[static_cast<std::size_t>(i)], together.of_rows[static_cast<std::size_t>(first + i)])
            << "row " << first + i << " of " << count << " in " << name_of(type);
    }
    // In training blocks have other rows.
    Tape training(*device_, Tape::Mode::training, {}, type);
    EXPECT_EQ(run(training, all, c).of_rows, together.of_rows);
    training.backward();
  }
}

TEST_F(LinearCrossEntropy, WritesOnlyTheGradientsThatAreWanted) {
  const LossCase c{"", 40, 16, 3500, {}, {}, true};
  const Parts whole = parts_of(c);
  Tape t = tape();
  (void)run(t, whole, c);
  t.backward();
  for (int wanted = 1; wanted < 8; ++wanted) {
    const auto variable = [&](const Variable& of, int bit) { return Variable(of.value(), (wanted & bit) != 0); };
    const Parts parts{variable(whole.x, 1), variable(whole.weight, 2), variable(whole.bias, 4), whole.labels, {}};
    Tape again = tape();
    (void)run(again, parts, c);
    again.backward();
    for (const auto& [mine, of_all] :
         {std::pair{parts.x, whole.x}, {parts.weight, whole.weight}, {parts.bias, whole.bias}}) {
      EXPECT_EQ(mine.gradient().defined(), mine.requires_gradient());
      if (!mine.requires_gradient()) continue;
      EXPECT_EQ(gradient_of(*device_, mine), gradient_of(*device_, of_all));
    }
  }
}

TEST_F(LinearCrossEntropy, OfNoRowsIsNothing) {
  const Parts parts{Variable(Tensor::empty(device_->memory(), {0, 8}), true),
                    leaf(random({9, 8})),
                    Variable(),
                    Tensor::empty(device_->memory(), {0}, DType::i32),
                    {}};
  Tape t = tape();
  const Losses losses = run(t, parts, {"", 0, 8, 9});
  EXPECT_EQ(losses.sum, 0.0);
  EXPECT_EQ(losses.weight, 0.0);
  t.backward();
  for (const float value : gradient_of(*device_, parts.weight)) EXPECT_EQ(value, 0.0F);
}

TEST_F(LinearCrossEntropy, RefusesALabelThatNoClassHas) {
  const LossCase c{"", 3, 4, 5};
  const Parts parts = parts_of(c);
  parts.labels.data<std::int32_t>()[1] = 5;
  Tape t = tape();
  EXPECT_THROW((void)run(t, parts, c), Error);
}

TEST_F(LinearCrossEntropy, TellsWhenGradientsAreComplete) {
  const LossCase c{"", 9, 4, 50};
  const Parts parts = parts_of(c);
  parts.weight.bind_gradient(Tensor::empty(device_->memory(), parts.weight.shape()), 7);
  Tape t = tape();
  (void)run(t, parts, c);
  std::vector<std::int64_t> completed;
  t.backward([&](std::int64_t l) { completed.push_back(l); });
  EXPECT_EQ(completed, (std::vector<std::int64_t>{7}));
}

TEST_F(LinearCrossEntropy, NeverHoldsAllLogits) {
  for (const std::int64_t classes : {1000, 50257, 256000}) {
    const LogitBlocks kept = LogitBlocks::of(4096, classes, true, true);
    EXPECT_LE(kept.rows * classes * 4, std::int64_t{64} << 20) << classes;
    EXPECT_GE(kept.rows, 32);
    const LogitBlocks passing = LogitBlocks::of(4096, classes, false, true);
    EXPECT_LE(passing.rows * std::min(passing.classes, classes) * 4, std::int64_t{16} << 20);
  }
  EXPECT_EQ(LogitBlocks::of(1, 10, true, true).rows, 1);
}

}  // namespace
}  // namespace temper
