#include "runtime/probing/rate_curve.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/runtime/figures/svg_text.h"
#include "tests/runtime/probing/probed.h"

namespace temper {
namespace {

using testing_support::count;
using testing_support::fault_of;
using testing_support::kNotFinite;
using testing_support::probed;

std::string drawn(const ProbedCurve& curve) { return rate_curve_svg(curve, advise(curve)); }

TEST(RateCurve, IsWellFormed) {
  const std::vector<ProbedCurve> curves{
      probed(2.0, {{1e-5, 1.98}, {1e-4, 1.8}, {1e-3, 1.0}, {1e-2, 1.5}}),
      probed(2.0, {{1e-5, 1.98}, {1e-4, 1.8}, {1e-3, 1.0}, {1e-2, kNotFinite}}, true),
      probed(2.0, {{1e-4, kNotFinite}, {1e-3, kNotFinite}}),
      probed(0.0, {{1e-4, 0.0}, {1e-3, 0.0}}),
      probed(-3.0, {{1e-4, -3.5}, {1e-3, 1e30}}, true),
      probed(1e-9, {{1e-4, 1e-10}, {1.1e-4, 5e-10}}),
  };
  for (const ProbedCurve& curve : curves) {
    const std::string svg = drawn(curve);
    EXPECT_EQ(fault_of(svg), "") << svg;
    EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
    EXPECT_EQ(svg.find("inf"), std::string::npos) << svg;
    EXPECT_EQ(svg, drawn(curve));
  }
  EXPECT_NE(fault_of("<?xml?><svg><g></svg>"), "") << "the check itself";
  EXPECT_NE(fault_of("<?xml?><svg a=1></svg>"), "");
}

TEST(RateCurve, ShowsAxesAndTheAdvice) {
  const std::string svg = drawn(probed(2.0, {{1e-5, 1.98}, {1e-4, 1.8}, {1e-3, 1.0}, {1e-2, 1.5}}));
  for (const char* word : {">1e-5<", ">1e-4<", ">1e-3<", ">1e-2<", ">learning rate (logarithmic)<", ">loss<",
                           ">training loss<", ">untrained<", ">recommended: 0.001<", ">1.0<", ">2.0<"})
    EXPECT_NE(svg.find(word), std::string::npos) << word << "\n" << svg;
  EXPECT_EQ(svg.find("validation loss"), std::string::npos);
  EXPECT_EQ(count(svg, "<circle"), 5U) << "four rates, and the key";
  EXPECT_EQ(count(svg, "<polyline"), 1U);
  EXPECT_EQ(svg.find("crosses"), std::string::npos);
}

TEST(RateCurve, ShowsWhatDivergedAtTheUpperEdge) {
  const std::string svg = drawn(probed(2.0, {{1e-4, 1.8}, {1e-3, 1.0}, {1e-2, 50.0}, {1e-1, kNotFinite}}));
  EXPECT_EQ(count(svg, "<path"), 2U);
  EXPECT_EQ(count(svg, "<circle"), 3U);
  EXPECT_NE(svg.find("crosses: above the picture, or not finite"), std::string::npos);
}

TEST(RateCurve, HasBothLossesWhereThereAreTwo) {
  const std::string svg = drawn(probed(2.0, {{0.1, 1.9}, {0.2, 1.5}, {0.3, 1.8}}, true));
  EXPECT_EQ(count(svg, "<polyline"), 2U);
  EXPECT_NE(svg.find(">validation loss<"), std::string::npos);
  EXPECT_NE(svg.find(">0.2<"), std::string::npos) << "within one decade the rates are named";
}

TEST(RateCurve, HasNoMarkWithoutAdvice) {
  EXPECT_EQ(drawn(probed(2.0, {{1e-4, 2.1}, {1e-3, 2.5}})).find("recommended"), std::string::npos);
}

}  // namespace
}  // namespace temper
