// Receiver operating characteristics.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/human_numbers.h"
#include "runtime/figures/final_figures.h"
#include "runtime/figures/svg_page.h"

namespace temper {
namespace {

constexpr UnitPlot kRocPlot{72.0, 76.0, 552.0, 556.0};
constexpr double kKeyLeft = 580.0;
constexpr double kRocPageWidth = 860.0;
constexpr double kRocPageHeight = 620.0;
constexpr double kKeyWidth = kRocPageWidth - kKeyLeft - 16.0;

struct CurveStyle {
  const char* colour;
  const char* dashes;  ///< empty: the first of two classes of this colour, whose mark is hollow; the other's is filled
};
constexpr std::array<CurveStyle, 8> kCurveStyles{{{kBlue, ""},
                                                  {kVermilion, ""},
                                                  {kGreenLine, ""},
                                                  {"#cc79a7", ""},
                                                  {kBlue, "6 3"},
                                                  {kVermilion, "6 3"},
                                                  {kGreenLine, "6 3"},
                                                  {"#cc79a7", "6 3"}}};

/// A judged class whose rows have both sides.
struct RocClass {
  std::int64_t column;
  const ClassMeasures* measures;
  double auroc;
};

double value_of(const ClassMeasures& measures, std::string_view name) {
  for (const auto& [known, value] : measures.values)
    if (known == name) return value;
  return std::nan("");
}

std::string with_interval(double value, const std::vector<NamedInterval>& intervals, std::string_view name) {
  for (const NamedInterval& entry : intervals)
    if (entry.name == name)
      return fmt::format("{:.3f} [{:.3f}, {:.3f}]", value, entry.interval.low, entry.interval.high);
  return fmt::format("{:.3f}", value);
}

/// Points of a curve on the page, without those on the straight line between their neighbours.
std::vector<std::pair<double, double>> outline(const RocCurve& curve) {
  std::vector<std::pair<double, double>> points;
  for (const RocPoint& point : curve.points) {
    // A tenth of a unit is the finest that is written.
    const auto rounded = [](double place) { return std::round(place * 10.0) / 10.0; };
    const std::pair next(rounded(kRocPlot.x(1.0 - curve.specificity(point))),
                         rounded(kRocPlot.y(curve.sensitivity(point))));
    if (!points.empty() && points.back() == next) continue;
    if (points.size() >= 2) {
      const auto& [x0, y0] = points[points.size() - 2];
      const auto& [x1, y1] = points.back();
      if ((x1 - x0) * (next.second - y1) == (next.first - x1) * (y1 - y0)) points.pop_back();
    }
    points.push_back(next);
  }
  return points;
}

}  // namespace

std::string roc_figure(const FigureRows& rows) {
  SvgPage page(kRocPageWidth, kRocPageHeight);
  std::vector<RocClass> classes;
  const std::vector<std::int64_t> judged = judged_classes(rows.outputs, rows.positive);
  for (std::size_t i = 0; i < judged.size() && i < rows.metrics.classes.size(); ++i) {
    const ClassMeasures& measures = rows.metrics.classes[i];
    const double auroc = value_of(measures, "auroc");
    if (!std::isnan(auroc)) classes.push_back({judged[i], &measures, auroc});
  }
  const std::size_t defined = classes.size();
  if (defined > kCurveStyles.size()) {
    std::stable_sort(classes.begin(), classes.end(),
                     [](const RocClass& a, const RocClass& b) { return a.auroc < b.auroc; });
    classes.resize(kCurveStyles.size());
  }

  page.text(kRocPlot.left, 30, Anchor::start, 17, "ROC curve");
  std::string subtitle = fmt::format("{} {}", grouped(rows.outputs.rows()), rows.rows);
  if (const std::int64_t groups = rows.outputs.group_count(); groups > 0)
    subtitle += fmt::format(" of {}", grouped(groups, "group"));
  if (judged.size() > 1) {
    double mean = std::nan("");
    for (const auto& [name, value] : rows.metrics.values)
      if (name == "auroc") mean = value;
    if (!std::isnan(mean))
      subtitle += fmt::format("; mean AUROC of the classes {}", with_interval(mean, rows.metrics.intervals, "auroc"));
    if (defined > classes.size()) subtitle += fmt::format("; shown: the {} lowest of {}", classes.size(), defined);
  }
  page.text(kRocPlot.left, 52, Anchor::start, 13, cut_to_width(subtitle, 13, kRocPageWidth - kRocPlot.left - 16.0));
  kRocPlot.draw(page, "1 - specificity (called positive, of those that are not)",
                "sensitivity (called positive, of those that are)");
  page.line(kRocPlot.left, kRocPlot.bottom, kRocPlot.right, kRocPlot.top,
            fmt::format(R"(stroke="{}" stroke-dasharray="3 4")", kFrameColour));
  if (classes.empty()) page.text(kKeyLeft, kRocPlot.top + 14, Anchor::start, 13, "no class has rows on both sides");

  double key = kRocPlot.top + 12;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const RocClass& shown = classes[i];
    const CurveStyle& style = kCurveStyles[i];
    const std::string stroke =
        fmt::format(R"(stroke="{}" stroke-width="2"{})", style.colour,
                    *style.dashes == '\0' ? "" : fmt::format(R"( stroke-dasharray="{}")", style.dashes));
    page.polyline(outline(ranking_of(rows.outputs, shown.column).curve()), stroke);
    page.line(kKeyLeft, key - 4, kKeyLeft + 24, key - 4, stroke);
    page.text(kKeyLeft + 32, key, Anchor::start, 13, cut_to_width(shown.measures->label, 13, kKeyWidth - 32));
    page.text(kKeyLeft + 32, key + 17, Anchor::start, 12,
              "AUROC " + with_interval(shown.auroc, shown.measures->intervals, "auroc"));
    const double sensitivity = value_of(*shown.measures, "sensitivity");
    const double specificity = value_of(*shown.measures, "specificity");
    if (rows.calibration != nullptr && !std::isnan(sensitivity) && !std::isnan(specificity)) {
      const double threshold = rows.calibration->of(shown.measures->label)->by(rows.calibration->rule);
      const std::string mark = fmt::format(R"(fill="{}" stroke="{}" stroke-width="2.5")",
                                           *style.dashes == '\0' ? "#ffffff" : style.colour, style.colour);
      page.circle(kRocPlot.x(1.0 - specificity), kRocPlot.y(sensitivity), 5.0, mark);
      page.circle(kKeyLeft + 12, key + 29, 4.0, mark);
      page.text(kKeyLeft + 32, key + 33, Anchor::start, 12,
                std::isfinite(threshold) ? fmt::format("at {}: sens. {:.3f}, spec. {:.3f}", significant(threshold, 3),
                                                       sensitivity, specificity)
                                         : std::string("no threshold"));
      key += 16;
    }
    key += 40;
  }
  return page.finish();
}

}  // namespace temper
