#include "runtime/figures/final_figures.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/counter_random.h"
#include "runtime/figures/svg_page.h"
#include "runtime/tasks/row_scores.h"
#include "tests/runtime/figures/svg_text.h"
#include "tests/runtime/tasks/row_outputs_fixture.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::count;
using testing_support::fault_of;
using testing_support::text_fault;

/// A model that is too sure of itself on rows of some classes.
struct FiguresOf {
  FiguresOf(std::int64_t rows, std::vector<std::string> names, bool several, bool calibrated = true)
      : labels(std::move(names)), outputs(rows, static_cast<std::int64_t>(labels.size()), several, {}) {
    const std::size_t columns = labels.size();
    metrics.confusion.assign(several ? 0 : columns, std::vector<std::int64_t>(columns, 0));
    for (std::int64_t row = 0; row < rows; ++row) {
      CounterRandom random{3, static_cast<std::uint64_t>(row)};
      const auto truth = static_cast<std::int32_t>(random.below(columns + 1) % columns);
      std::vector<float> logits;
      std::vector<float> truths;
      for (std::size_t c = 0; c < columns; ++c) {
        const bool is = several ? random.uniform() < 0.3 : static_cast<std::int32_t>(c) == truth;
        truths.push_back(is ? 1.0F : 0.0F);
        logits.push_back(static_cast<float>(8.0 * (random.uniform() - 0.5) + (is ? 2.5 : 0.0)));
      }
      if (several) {
        outputs.put(row, logits, truths);
      } else {
        outputs.put(row, logits, truth);
        ++metrics.confusion[static_cast<std::size_t>(truth)]
                           [static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())];
      }
    }
    const std::unique_ptr<Communicator> communicator = make_solo_communicator();
    metrics.values = row_measures(outputs, -1, nullptr);
    if (calibrated) calibration = fit_calibration(outputs, labels, {}, *communicator);
    add_row_measures(metrics, outputs, labels, {.resamples = 20}, calibration, *communicator);
  }

  /// With TEMPER_FIGURES naming a folder, they are written there, to be looked at.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> draw(const std::string& name) const {
    const auto figures =
        final_figures({outputs, labels, -1, metrics, calibration ? &*calibration : nullptr, "test rows"});
    if (const char* folder = std::getenv("TEMPER_FIGURES"); folder != nullptr)
      for (const auto& [file, svg] : figures) std::ofstream(std::string(folder) + "/" + name + "-" + file) << svg;
    return figures;
  }

  std::vector<std::string> labels;
  RowOutputs outputs;
  Metrics metrics;
  std::optional<Calibration> calibration;
};

std::vector<std::string> numbered(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

void expect_legible(const FiguresOf& figures, const std::string& name) {
  for (const auto& [file, svg] : figures.draw(name)) {
    EXPECT_EQ(fault_of(svg), "") << name << " " << file;
    EXPECT_EQ(text_fault(svg), "") << name << " " << file;
  }
}

TEST(FinalFigures, AreLegible) {
  expect_legible({400, {"normal", "pneumonia"}, false}, "two");
  expect_legible({400, {"normal", "pneumonia"}, false, false}, "two-without");
  expect_legible({300, numbered(5), false}, "five");
  expect_legible({3000, numbered(30), false}, "thirty");
  expect_legible({300, numbered(14), true}, "labels");
  expect_legible({12000, {"no", "yes"}, false, false}, "twelve-thousand");
}

TEST(FinalFigures, NamesOfAnyKindAreLegible) {
  const std::string long_name = "pleural effusion with a name that goes on and on until it is cut";
  expect_legible({300, {"a < b & \"c\"", long_name, "肺炎と胸水と心拡大と気胸と無気肺と結節と腫瘤"}, false}, "names");
  expect_legible({300, {"a < b & \"c\"", long_name, "肺炎と胸水と心拡大と気胸と無気肺と結節と腫瘤"}, true},
                 "label-names");
}

TEST(FinalFigures, AreDrawnOfFewRows) {
  expect_legible({1, {"no", "yes"}, false}, "one-row");
  expect_legible({2, {"no", "yes"}, false}, "two-rows");
  expect_legible({1, {"x"}, true}, "one-label");
}

TEST(FinalFigures, MarkTheThresholdOfEachCurve) {
  const FiguresOf figures(400, {"normal", "pneumonia"}, false);
  const std::string roc =
      roc_figure({figures.outputs, figures.labels, -1, figures.metrics, &*figures.calibration, "test rows"});
  EXPECT_EQ(count(roc, "<circle "), 2U) << "on the curve and in its key";
  EXPECT_EQ(count(roc, "<polyline "), 1U);
  EXPECT_EQ(count(roc, "AUROC 0."), 1U);
  const auto threshold = figures.calibration->thresholds.front().youden;
  const DetectionRates rates = ranking_of(figures.outputs, 1).rates(threshold);
  const std::string place = fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}")", 72.0 + 480.0 * (1.0 - rates.specificity),
                                        556.0 - 480.0 * rates.sensitivity);
  EXPECT_EQ(count(roc, place), 1U) << place;
}

TEST(FinalFigures, ShowTheLowestOfManyCurves) {
  const FiguresOf figures(300, numbered(14), true);
  const std::string roc = figures.draw("labels").front().second;
  EXPECT_EQ(count(roc, "<polyline "), 8U);
  EXPECT_EQ(count(roc, "the 8 lowest of 14"), 1U);
}

TEST(FinalFigures, MarksOfTwoCurvesOfOneColourDiffer) {
  const FiguresOf figures(400, numbered(8), true);
  const std::string roc = figures.draw("eight").front().second;
  for (const char* colour : {kBlue, kVermilion, kGreenLine}) {
    EXPECT_EQ(count(roc, fmt::format(R"(fill="#ffffff" stroke="{}" stroke-width="2.5")", colour)), 2U) << colour;
    EXPECT_EQ(count(roc, fmt::format(R"(fill="{0}" stroke="{0}" stroke-width="2.5")", colour)), 2U) << colour;
  }
}

TEST(FinalFigures, ThereIsNoConfusionOfLabelsNorOfManyClasses) {
  EXPECT_EQ(FiguresOf(20, {"x", "y"}, true).draw("xy").size(), 2U);
  EXPECT_EQ(FiguresOf(100, numbered(41), false).draw("many").size(), 2U);
  EXPECT_EQ(FiguresOf(100, numbered(40), false).draw("forty").size(), 3U);
}

TEST(FinalFigures, TheConfusionByThresholdCountsEachRow) {
  const FiguresOf figures(400, {"normal", "pneumonia"}, false);
  const std::string svg =
      *confusion_figure({figures.outputs, figures.labels, -1, figures.metrics, &*figures.calibration, "test rows"});
  EXPECT_EQ(count(svg, "by the threshold"), 1U);
  const double sensitivity = figures.metrics.value("sensitivity");
  const auto positives = static_cast<double>(figures.metrics.classes.front().positives);
  EXPECT_GE(count(svg, fmt::format(">{:.0f}<", sensitivity * positives)), 1U);
}

TEST(SvgPage, TextsThatAreCutEndInAnEllipsis) {
  EXPECT_EQ(cut_to_width("short", 12, 200), "short");
  const std::string cut = cut_to_width("a name that is far too long for its place", 12, 100);
  EXPECT_TRUE(cut.ends_with("\u2026"));
  EXPECT_LE(text_width(cut, 12), 100);
  EXPECT_EQ(cut_to_width("\u80ba\u708e\u80ba\u708e", 10, 30), "\u80ba\u708e\u2026") << "characters stay whole";
}

}  // namespace
}  // namespace temper
