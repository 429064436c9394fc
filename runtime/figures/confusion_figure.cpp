// The confusion matrix as a picture.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/human_numbers.h"
#include "runtime/figures/final_figures.h"
#include "runtime/figures/svg_page.h"

namespace temper {
namespace {

/// More would be cells of a few pixels.
constexpr std::size_t kMostClassesDrawn = 40;
constexpr double kMostNameWidth = 150.0;
constexpr double kMatrixTop = 104.0;

using CountMatrix = std::vector<std::vector<std::int64_t>>;

/// White to the blue of this picture by the part of the row.
std::string shade(double part) {
  const auto mixed = [&](int full) { return static_cast<int>(std::lround(255.0 + part * (full - 255.0))); };
  return fmt::format("#{:02x}{:02x}{:02x}", mixed(0x00), mixed(0x4f), mixed(0x8f));
}

struct MatrixPlace {
  double left = 0.0;
  double cell = 0.0;
  double names = 0.0;  ///< room that the names of classes have

  [[nodiscard]] int name_size() const { return static_cast<int>(std::clamp(cell * 0.8, 8.0, 12.0)); }
};

void draw_matrix(SvgPage& page, const MatrixPlace& place, const CountMatrix& counts,
                 const std::vector<std::string>& labels, const std::string& title) {
  const double left = place.left;
  const double cell = place.cell;
  const std::size_t classes = counts.size();
  const double size = cell * static_cast<double>(classes);
  page.text(left, 78, Anchor::start, 13, title);
  page.text(left + size / 2, kMatrixTop - 8, Anchor::middle, 12, "predicted");
  const int name_size = place.name_size();
  const int count_size = static_cast<int>(std::clamp(cell * 0.25, 8.0, 14.0));
  for (std::size_t t = 0; t < classes; ++t) {
    const double y = kMatrixTop + static_cast<double>(t) * cell;
    std::int64_t of_truth = 0;
    for (const std::int64_t count : counts[t]) of_truth += count;
    page.text(left - 8, y + cell / 2 + name_size * 0.35, Anchor::end, name_size,
              cut_to_width(labels[t], name_size, place.names - 12));
    for (std::size_t p = 0; p < classes; ++p) {
      const double x = left + static_cast<double>(p) * cell;
      const double part = of_truth == 0 ? 0.0 : static_cast<double>(counts[t][p]) / static_cast<double>(of_truth);
      page.rectangle(x, y, cell, cell, fmt::format(R"(fill="{}" stroke="{}")", shade(part), kGrid));
      const std::string count = grouped(counts[t][p]);
      if (text_width(count, count_size) > cell - 2 || (classes > 2 && counts[t][p] == 0)) continue;
      const char* colour = part > 0.7 ? "#ffffff" : kInk;
      const bool has_part = cell >= 44.0 && of_truth > 0;
      page.text(x + cell / 2, y + cell / 2 + count_size * 0.35 - (has_part ? count_size * 0.5 : 0.0), Anchor::middle,
                count_size, count, colour);
      if (has_part)
        page.text(x + cell / 2, y + cell / 2 + count_size * 1.0, Anchor::middle, std::max(8, count_size - 3),
                  fmt::format("{:.0f} %", 100.0 * part), colour);
    }
  }
  for (std::size_t p = 0; p < classes; ++p)
    page.text(left + (static_cast<double>(p) + 0.5) * cell + name_size * 0.35, kMatrixTop + size + 8, Anchor::end,
              name_size, cut_to_width(labels[p], name_size, place.names - 12), kInk, -90.0);
}

/// By the threshold of the one class that is judged, of two.
std::optional<CountMatrix> by_threshold(const FigureRows& rows) {
  const std::vector<std::int64_t> judged = judged_classes(rows.outputs, rows.positive);
  if (rows.calibration == nullptr || rows.outputs.columns() != 2 || judged.size() != 1) return std::nullopt;
  const ClassThresholds* thresholds = rows.calibration->of(rows.labels[static_cast<std::size_t>(judged.front())]);
  if (thresholds == nullptr) return std::nullopt;
  const double threshold = thresholds->by(rows.calibration->rule);
  CountMatrix counts(2, std::vector<std::int64_t>(2, 0));
  for (std::int64_t row = 0; row < rows.outputs.rows(); ++row) {
    if (!rows.outputs.is_labelled(row)) continue;
    const bool called = rows.outputs.probability(row, judged.front()) >= threshold;
    const std::int64_t predicted = called ? judged.front() : 1 - judged.front();
    ++counts[static_cast<std::size_t>(rows.outputs.class_of(row))][static_cast<std::size_t>(predicted)];
  }
  return counts;
}

}  // namespace

std::optional<std::string> confusion_figure(const FigureRows& rows) {
  const CountMatrix& counts = rows.metrics.confusion;
  if (counts.size() < 2 || counts.size() > kMostClassesDrawn) return std::nullopt;
  const double cell = std::clamp(560.0 / static_cast<double>(counts.size()), 18.0, 110.0);
  const double size = cell * static_cast<double>(counts.size());
  const std::optional<CountMatrix> decided = by_threshold(rows);
  MatrixPlace first{0.0, cell, 40.0};
  for (const std::string& label : rows.labels)
    first.names = std::max(first.names, text_width(label, first.name_size()) + 14.0);
  first.names = std::min(first.names, kMostNameWidth);
  first.left = 44.0 + first.names;
  MatrixPlace second = first;
  second.left = first.left + size + 40.0 + first.names;
  const double height = kMatrixTop + size + first.names + 20.0;
  const double width = std::max((decided ? second : first).left + size + 32.0, 520.0);
  SvgPage page(width, height);
  page.text(24, 30, Anchor::start, 17, "Confusion matrix");
  page.text(24, 52, Anchor::start, 13,
            fmt::format("{} {}; percentages and shades are parts of the true class", grouped(rows.outputs.rows()),
                        rows.rows));
  page.text(30, kMatrixTop + size / 2, Anchor::middle, 12, "true", kInk, -90.0);
  draw_matrix(page, first, counts, rows.labels, "by the most probable class");
  if (decided) {
    const std::string& positive = rows.labels[static_cast<std::size_t>(judged_classes(rows.outputs, rows.positive)[0])];
    const double threshold = rows.calibration->of(positive)->by(rows.calibration->rule);
    draw_matrix(page, second, *decided, rows.labels,
                std::isfinite(threshold) ? fmt::format("by the threshold, {}", significant(threshold, 3))
                                         : std::string("by the threshold"));
  }
  return page.finish();
}

std::vector<std::pair<std::string, std::string>> final_figures(const FigureRows& rows) {
  std::vector<std::pair<std::string, std::string>> all{{"roc.svg", roc_figure(rows)},
                                                       {"calibration.svg", calibration_figure(rows)}};
  if (std::optional<std::string> confusion = confusion_figure(rows)) all.emplace_back("confusion.svg", *confusion);
  return all;
}

}  // namespace temper
