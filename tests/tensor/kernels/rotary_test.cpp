#include <omp.h>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

constexpr std::int64_t kHeads = 3;

std::vector<float> frequencies(std::int64_t pairs, double theta) {
  std::vector<float> result;
  for (std::int64_t i = 0; i < pairs; ++i)
    result.push_back(static_cast<float>(std::pow(theta, -static_cast<double>(i) / static_cast<double>(pairs))));
  return result;
}

/// In double, of angles that are products of f32, as PyTorch has them.
std::vector<double> rotated(const TestMatrix& x, std::int64_t head_width, const std::vector<std::uint32_t>& positions,
                            const std::vector<float>& frequencies, RotaryPairs layout, double scale) {
  std::vector<double> y = x.values();
  const auto pairs = static_cast<std::int64_t>(frequencies.size());
  for (std::int64_t i = 0; i < x.rows(); ++i) {
    for (std::int64_t head = 0; head < kHeads; ++head) {
      for (std::int64_t p = 0; p < pairs; ++p) {
        const float position = static_cast<float>(positions[static_cast<std::size_t>(i)]);
        const double angle = static_cast<double>(position * frequencies[static_cast<std::size_t>(p)]);
        const std::int64_t first = head * head_width + (layout == RotaryPairs::halves ? p : 2 * p);
        const std::int64_t second = first + (layout == RotaryPairs::halves ? pairs : 1);
        const auto a = static_cast<double>(x(i, first));
        const auto b = static_cast<double>(x(i, second));
        y[static_cast<std::size_t>(i * x.columns() + first)] = scale * (a * std::cos(angle) - b * std::sin(angle));
        y[static_cast<std::size_t>(i * x.columns() + second)] = scale * (a * std::sin(angle) + b * std::cos(angle));
      }
    }
  }
  return y;
}

class RotaryTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(RotaryTest);

TEST_P(RotaryTest, MatchesReferenceFarBeyondAnyContext) {
  const std::vector<std::uint32_t> positions{0, 1, 2, 511, 8191, 131'071, 1'048'575};
  for (const std::int64_t pairs : {1, 2, 3, 8, 16, 32}) {
    // Of some heads the last columns stay.
    for (const std::int64_t head_width : {2 * pairs, 2 * pairs + 3}) {
      for (const RotaryPairs layout : {RotaryPairs::halves, RotaryPairs::neighbours}) {
        for (const float scale : {1.0F, 1.3F}) {
          const std::int64_t width = kHeads * head_width;
          auto x = TestMatrix::random(7, width, 1, width + 5);
          const auto angles = frequencies(pairs, 10'000.0);
          const auto expected = rotated(x, head_width, positions, angles, layout, static_cast<double>(scale));
          kernels_.run(calls::Rotate{.x = x,
                                     .positions = positions.data(),
                                     .heads = kHeads,
                                     .frequencies = angles,
                                     .layout = layout,
                                     .scale = scale});
          expect_close(x.values(), expected, 2e-7);
          EXPECT_TRUE(x.gaps_untouched());
        }
      }
    }
  }
}

TEST_P(RotaryTest, SinesAreExactAllAround) {
  // Ones and zeros show cosine and sine themselves, in every eighth of several turns.
  constexpr std::int64_t kPairs = calls::Rotate::kMostPairs;
  std::vector<float> angles(kPairs);
  for (std::size_t i = 0; i < angles.size(); ++i) angles[i] = static_cast<float>(i) * 0.0731F;
  std::vector<std::uint32_t> positions(20);
  for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<std::uint32_t>(i * i);
  TestMatrix x(20, 2 * kPairs);
  for (std::int64_t row = 0; row < x.rows(); ++row) {
    for (std::int64_t i = 0; i < kPairs; ++i) {
      x(row, i) = 1.0F;
      x(row, kPairs + i) = 0.0F;
    }
  }
  kernels_.run(calls::Rotate{.x = x, .positions = positions.data(), .heads = 1, .frequencies = angles});
  for (std::int64_t row = 0; row < x.rows(); ++row) {
    for (std::int64_t i = 0; i < kPairs; ++i) {
      const float position = static_cast<float>(positions[static_cast<std::size_t>(row)]);
      const auto angle = static_cast<double>(position * angles[static_cast<std::size_t>(i)]);
      ASSERT_NEAR(x(row, i), std::cos(angle), 1e-7) << "cosine of " << angle;
      ASSERT_NEAR(x(row, kPairs + i), std::sin(angle), 1e-7) << "sine of " << angle;
    }
  }
}

TEST_P(RotaryTest, BackwardsTurnsBack) {
  const std::vector<std::uint32_t> positions{5, 600, 17};
  const auto angles = frequencies(9, 500.0);
  for (const RotaryPairs layout : {RotaryPairs::halves, RotaryPairs::neighbours}) {
    const auto x = TestMatrix::random(3, kHeads * 20, 1);
    auto turned = x;
    calls::Rotate call{
        .x = turned, .positions = positions.data(), .heads = kHeads, .frequencies = angles, .layout = layout};
    kernels_.run(call);
    call.backwards = true;
    kernels_.run(call);
    expect_close(turned.values(), x.values(), 3e-7);
  }
}

TEST_P(RotaryTest, BitsDependOnNeitherThreadsNorOtherRows) {
  const int before = omp_get_max_threads();
  const auto angles = frequencies(16, 10'000.0);
  std::vector<std::uint32_t> positions(600);
  for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<std::uint32_t>(i * 37 % 512);
  const auto x = TestMatrix::random(600, kHeads * 32, 1);
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    auto turned = x;
    kernels_.run(calls::Rotate{.x = turned, .positions = positions.data(), .heads = kHeads, .frequencies = angles});
    results.push_back(turned.values());
  }
  omp_set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  auto alone = x;
  const Rows rows = alone;
  kernels_.run(calls::Rotate{
      .x = rows.part(321, 1), .positions = positions.data() + 321, .heads = kHeads, .frequencies = angles});
  for (std::int64_t j = 0; j < x.columns(); ++j)
    ASSERT_EQ(static_cast<double>(alone(321, j)), results[0][static_cast<std::size_t>(321 * x.columns() + j)]);
}

/// Sequences of 2, 5 and 9 tokens, of which 3 are more than the usual length.
TEST_P(RotaryTest, LongSequencesTurnByOtherFrequencies) {
  const std::vector<std::int32_t> starts{0, 2, 7, 16};
  const std::vector<std::int32_t> lengths{2, 5, 9};
  const auto usual = frequencies(5, 100.0);
  const auto beyond = frequencies(5, 900.0);
  for (const float growth : {0.0F, 2.5F}) {
    std::vector<std::uint32_t> positions;
    for (const std::int32_t length : lengths) {
      for (std::int32_t t = 0; t < length; ++t) positions.push_back(static_cast<std::uint32_t>(100 + t));
    }
    for (const RotaryPairs layout : {RotaryPairs::halves, RotaryPairs::neighbours}) {
      const auto x = TestMatrix::random(16, kHeads * 10, 1);
      std::vector<double> expected;
      for (std::size_t s = 0; s < lengths.size(); ++s) {
        std::vector<float> own = lengths[s] > 4 ? beyond : usual;
        if (lengths[s] > 4) {
          const double grown = 1.0 + static_cast<double>(growth) * (lengths[s] / 4.0 - 1.0);
          for (std::size_t i = 0; i < own.size(); ++i)
            own[i] = static_cast<float>(own[i] * std::pow(grown, -static_cast<double>(i) / 4.0));
        }
        const auto all = rotated(x, 10, positions, own, layout, 1.0);
        expected.insert(expected.end(), all.begin() + starts[s] * x.columns(),
                        all.begin() + starts[s + 1] * x.columns());
      }
      auto turned = x;
      calls::Rotate call{.x = turned,
                         .positions = positions.data(),
                         .heads = kHeads,
                         .frequencies = usual,
                         .layout = layout,
                         .sequences = {.tokens = 16, .sequences = 3, .starts = starts.data(), .longest = 9},
                         .usual_length = 4,
                         .long_frequencies = beyond,
                         .growth = growth};
      kernels_.run(call);
      expect_close(turned.values(), expected, 1e-6);

      // Of each sequence the last token alone: the sequence's length counts, not how many of it there are.
      const std::vector<std::int32_t> query_starts{0, 1, 2, 3};
      TestMatrix last(3, x.columns());
      std::vector<double> expected_last;
      std::vector<std::uint32_t> last_positions;
      for (std::int64_t s = 0; s < 3; ++s) {
        const std::int64_t row = starts[static_cast<std::size_t>(s) + 1] - 1;
        for (std::int64_t j = 0; j < x.columns(); ++j) {
          last(s, j) = x(row, j);
          expected_last.push_back(turned(row, j));
        }
        last_positions.push_back(positions[static_cast<std::size_t>(row)]);
      }
      call.x = last;
      call.positions = last_positions.data();
      call.sequences.query_starts = query_starts.data();
      kernels_.run(call);
      EXPECT_EQ(last.values(), expected_last);
    }
  }
}

}  // namespace
}  // namespace temper
