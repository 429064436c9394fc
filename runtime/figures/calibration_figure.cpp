// The reliability diagram.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/human_numbers.h"
#include "runtime/figures/final_figures.h"
#include "runtime/figures/svg_page.h"
#include "runtime/tasks/calibration.h"

namespace temper {
namespace {

constexpr UnitPlot kReliabilityPlot{72.0, 76.0, 472.0, 476.0};
constexpr double kCountsTop = 540.0;  // bars of how many there are
constexpr double kCountsBottom = 616.0;
constexpr double kCalibrationKeyLeft = 500.0;

/// Probabilities with one temperature.
struct ReliabilitySeries {
  CalibrationBins bins;
  const char* colour;
  bool round;  ///< marks differ without colours, too
  std::string name;
  std::string error;
};

std::string error_text(const FigureRows& rows, const char* name) {
  for (const auto& [known, value] : rows.metrics.values) {
    if (known != name) continue;
    const Interval* interval = rows.metrics.interval(name);
    if (interval == nullptr) return fmt::format("ECE {:.3f}", value);
    return fmt::format("ECE {:.3f} [{:.3f}, {:.3f}]", value, interval->low, interval->high);
  }
  return "";
}

void draw_points(SvgPage& page, const ReliabilitySeries& series) {
  std::vector<std::pair<double, double>> points;
  for (const CalibrationBin& bin : series.bins) {
    if (bin.count == 0) continue;
    const auto count = static_cast<double>(bin.count);
    points.emplace_back(kReliabilityPlot.x(bin.probability_sum / count),
                        kReliabilityPlot.y(static_cast<double>(bin.right) / count));
  }
  page.polyline(points, fmt::format(R"(stroke="{}" stroke-width="1.5")", series.colour));
  const std::string fill = fmt::format(R"(fill="{}")", series.colour);
  for (const auto& [x, y] : points) {
    if (series.round)
      page.circle(x, y, 4.5, fill);
    else
      page.rectangle(x - 4, y - 4, 8, 8, fill);
  }
}

}  // namespace

std::string calibration_figure(const FigureRows& rows) {
  SvgPage page(760, 672);
  std::vector<ReliabilitySeries> all;
  all.push_back(
      {RowErrors(rows.outputs).bins(), kBlue, true, "as they are", error_text(rows, "expected_calibration_error")});
  if (rows.calibration != nullptr)
    all.push_back({RowErrors(rows.outputs, rows.calibration->temperature).bins(), kVermilion, false,
                   fmt::format("temperature {}", significant(rows.calibration->temperature, 3)),
                   error_text(rows, "calibrated_expected_calibration_error")});

  const bool several = rows.outputs.several();
  page.text(kReliabilityPlot.left, 30, Anchor::start, 17, "Reliability diagram");
  page.text(kReliabilityPlot.left, 52, Anchor::start, 13,
            fmt::format("{} {}; {}", grouped(rows.outputs.rows()), rows.rows,
                        several ? "each label of each row" : "the most probable class of each"));
  kReliabilityPlot.draw(page, several ? "probability of the label, mean of each bin" : "probability, mean of each bin",
                        several ? "part that has the label" : "part that is right");
  page.line(kReliabilityPlot.left, kReliabilityPlot.bottom, kReliabilityPlot.right, kReliabilityPlot.top,
            fmt::format(R"(stroke="{}" stroke-dasharray="3 4")", kFrameColour));
  for (const ReliabilitySeries& series : all) draw_points(page, series);

  std::int64_t most = 1;
  for (const ReliabilitySeries& series : all)
    for (const CalibrationBin& bin : series.bins) most = std::max(most, bin.count);
  const double width = (kReliabilityPlot.right - kReliabilityPlot.left) / static_cast<double>(kCalibrationBins);
  const double bar = (width - 4.0) / static_cast<double>(all.size());
  for (std::size_t s = 0; s < all.size(); ++s)
    for (std::size_t b = 0; b < kCalibrationBins; ++b) {
      const double height =
          static_cast<double>(all[s].bins[b].count) / static_cast<double>(most) * (kCountsBottom - kCountsTop);
      const double left = kReliabilityPlot.left + static_cast<double>(b) * width + 2.0 + static_cast<double>(s) * bar;
      if (height > 0.0)
        page.rectangle(left, kCountsBottom - height, bar, height, fmt::format(R"(fill="{}")", all[s].colour));
    }
  page.line(kReliabilityPlot.left, kCountsBottom, kReliabilityPlot.right, kCountsBottom,
            fmt::format(R"(stroke="{}")", kFrameColour));
  page.text(kReliabilityPlot.left - 9, kCountsTop + 8, Anchor::end, 12, grouped(most));
  page.text(kReliabilityPlot.left - 9, kCountsBottom, Anchor::end, 12, "0");
  page.text((kReliabilityPlot.left + kReliabilityPlot.right) / 2, kCountsBottom + 24, Anchor::middle, 13,
            fmt::format("{} in each of {} bins", several ? "labels" : "rows", kCalibrationBins));

  double key = kReliabilityPlot.top + 12;
  for (const ReliabilitySeries& series : all) {
    const std::string fill = fmt::format(R"(fill="{}")", series.colour);
    page.line(kCalibrationKeyLeft, key - 4, kCalibrationKeyLeft + 24, key - 4,
              fmt::format(R"(stroke="{}" stroke-width="1.5")", series.colour));
    if (series.round)
      page.circle(kCalibrationKeyLeft + 12, key - 4, 4.5, fill);
    else
      page.rectangle(kCalibrationKeyLeft + 8, key - 8, 8, 8, fill);
    page.text(kCalibrationKeyLeft + 32, key, Anchor::start, 13, series.name);
    page.text(kCalibrationKeyLeft + 32, key + 17, Anchor::start, 12, series.error);
    key += 44;
  }
  return page.finish();
}

}  // namespace temper
