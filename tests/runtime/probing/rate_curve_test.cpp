#include "runtime/probing/rate_curve.h"

#include <gtest/gtest.h>

#include <limits>
#include <regex>
#include <vector>

#include "tests/runtime/probing/probed.h"

namespace temper {
namespace {

using testing_support::probed;

constexpr double kNotFinite = std::numeric_limits<double>::quiet_NaN();

std::string drawn(const ProbedCurve& curve) { return rate_curve_svg(curve, advise(curve)); }

/// What keeps a text from being well-formed XML, as far as we write it: elements that do not close, attributes without
/// quotes, characters that would have to be escaped. Empty: nothing.
std::string fault_of(const std::string& xml) {
  static const std::regex kTag(R"re(<(/?)([a-z]+)((?: [a-zA-Z][-a-zA-Z0-9:]*="[^"<&]*")*) ?(/?)>)re");
  std::vector<std::string> open;
  std::size_t place = xml.find("?>");
  if (!xml.starts_with("<?xml") || place == std::string::npos) return "no declaration";
  for (place += 2; place < xml.size();) {
    if (xml[place] == '&' || xml[place] == '>') return "a character that is not escaped";
    if (xml[place] != '<') {
      ++place;
      continue;
    }
    std::smatch match;
    const std::string rest = xml.substr(place);
    if (!std::regex_search(rest, match, kTag, std::regex_constants::match_continuous))
      return "no element: " + rest.substr(0, 80);
    if (match[1].length() > 0) {
      if (open.empty() || open.back() != match[2]) return "closes what is not open: " + match.str();
      open.pop_back();
    } else if (match[4].length() == 0) {
      open.push_back(match[2]);
    }
    place += match.length();
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

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
