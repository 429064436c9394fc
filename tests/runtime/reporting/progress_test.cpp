#include "runtime/reporting/progress.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/human_numbers.h"
#include "tests/runtime/screen.h"

namespace temper {
namespace {

using testing_support::Screen;

/// Sets NO_COLOR to `value` for its lifetime; empty means that colours are welcome.
class NoColour {
 public:
  explicit NoColour(const char* value) {
    if (const char* before = std::getenv("NO_COLOR")) before_ = before;
    ::setenv("NO_COLOR", value, 1);
  }
  ~NoColour() { before_ ? ::setenv("NO_COLOR", before_->c_str(), 1) : ::unsetenv("NO_COLOR"); }
  NoColour(const NoColour&) = delete;
  NoColour& operator=(const NoColour&) = delete;

 private:
  std::optional<std::string> before_;
};

std::size_t columns_of(const std::string& text) {
  std::size_t columns = 0;
  for (const char c : text) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return columns;
}

constexpr ProgressLine kLine = {/*step=*/40,
                                /*total_steps=*/469,
                                /*epoch=*/0.0853,
                                /*loss=*/4.8689,
                                /*learning_rate=*/1.7e-4,
                                /*gradient_norm=*/2.31,
                                /*examples_per_second=*/312.4,
                                /*tokens_per_second=*/4021.3,
                                /*seconds_left=*/80.2};

const Metrics kMetrics = {{{"loss", 0.5123}, {"accuracy", 0.874}, {"macro_f1", 0.861}}, {}};

TEST(ProgressOnAFile, PrintsAPlainLine) {
  const Screen screen;
  Progress progress(screen.stream(), /*terminal=*/false, 80);
  progress.update(kLine);
  EXPECT_EQ(screen.bytes(),
            "step 40/469  epoch 0.09  loss 4.87  lr 1.7e-04  grad 2.3  312 ex/s  4,021 tok/s  eta 1m 20s\n");
}

TEST(ProgressOnAFile, CountsImages) {
  const Screen screen;
  Progress progress(screen.stream(), /*terminal=*/false, 80);
  progress.count_images();
  progress.update(kLine);
  EXPECT_EQ(screen.bytes(), "step 40/469  epoch 0.09  loss 4.87  lr 1.7e-04  grad 2.3  312 images/s  eta 1m 20s\n");
}

TEST(ProgressOnAFile, PrintsEveryMetricAndMessageOnItsLine) {
  const Screen screen;
  Progress progress(screen.stream(), /*terminal=*/false, 20);
  progress.message("reading data/train.csv");
  progress.evaluation(1.0, kMetrics, /*best=*/true);
  progress.evaluation(2.0, kMetrics, /*best=*/false);
  progress.finish();
  EXPECT_EQ(screen.bytes(),
            "reading data/train.csv\n"
            "evaluation  epoch 1.00  loss 0.5123  accuracy 0.8740  macro_f1 0.8610  best\n"
            "evaluation  epoch 2.00  loss 0.5123  accuracy 0.8740  macro_f1 0.8610\n");
}

TEST(ProgressOnATerminal, FitsAnyWidthAndNeverWritesTheLastColumn) {
  for (const int columns : {1, 5, 20, 40, 60, 80, 100, 140, 200}) {
    const Screen screen;
    Progress progress(screen.stream(), /*terminal=*/true, columns);
    progress.update(kLine);
    EXPECT_LT(columns_of(screen.lines().back()), static_cast<std::size_t>(columns)) << columns;
  }
}

TEST(ProgressOnATerminal, DropsFieldsFromTheRightWhenNarrow) {
  const auto shown = [](int columns) {
    const Screen screen;
    Progress progress(screen.stream(), /*terminal=*/true, columns);
    progress.update(kLine);
    return screen.lines().back();
  };
  const std::string wide = shown(140);
  EXPECT_NE(wide.find("40/469  eta 1m 20s  loss 4.87  312 ex/s  lr 1.7e-04  4,021 tok/s  grad 2.3  epoch 0.09"),
            std::string::npos)
      << wide;
  const std::string narrow = shown(60);
  EXPECT_NE(narrow.find("loss 4.87"), std::string::npos) << narrow;
  EXPECT_EQ(narrow.find("tok/s"), std::string::npos) << narrow;
  EXPECT_EQ(shown(20).find("eta"), std::string::npos);
}

TEST(ProgressOnATerminal, FillsTheBarInEighthsOfAColumn) {
  const Screen screen;
  Progress progress(screen.stream(), /*terminal=*/true, 200);
  ProgressLine line = kLine;
  line.total_steps = 128;
  line.step = 37;  // of 32 columns: 9 and 2 eighths
  progress.update(line);
  EXPECT_NE(screen.lines().back().find(" 28% ▕█████████▎                      ▏"), std::string::npos)
      << screen.lines().back();
}

TEST(ProgressOnATerminal, PrintsAboveTheBar) {
  const Screen screen;
  Progress progress(screen.stream(), /*terminal=*/true, 90);
  progress.update(kLine);
  progress.message("saved step-40.h5\nand more");
  progress.evaluation(0.09, kMetrics, /*best=*/true);
  const std::vector<std::string> lines = screen.lines();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], "saved step-40.h5");
  EXPECT_EQ(lines[1], "and more");
  EXPECT_EQ(lines[2], "evaluation  epoch 0.09  loss 0.5123  accuracy 0.8740  macro_f1 0.8610  best");
  EXPECT_EQ(lines[3].rfind("  8% ▕", 0), 0U) << lines[3];
}

TEST(ProgressOnATerminal, EvaluationsKeepTheMarkAndDropMetricsWhenNarrow) {
  const Screen screen;
  Progress progress(screen.stream(), /*terminal=*/true, 60);
  progress.evaluation(1.0, kMetrics, /*best=*/true);
  EXPECT_EQ(screen.lines().front(), "evaluation  epoch 1.00  loss 0.5123  accuracy 0.8740  best");
}

TEST(ProgressOnATerminal, TheLastStepIsAlwaysDrawnAndKept) {
  const Screen screen;
  {
    Progress progress(screen.stream(), /*terminal=*/true, 80);
    ProgressLine line = kLine;
    for (line.step = 1; line.step <= line.total_steps; ++line.step) progress.update(line);
    progress.finish();
  }
  const std::vector<std::string> lines = screen.lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].rfind("100% ▕█", 0), 0U) << lines[0];
  EXPECT_EQ(lines[1], "");
}

TEST(ProgressOnATerminal, AnErrorStandsBelowTheBar) {
  const Screen screen;
  {
    Progress progress(screen.stream(), /*terminal=*/true, 80);
    progress.update(kLine);
  }
  EXPECT_EQ(screen.bytes().back(), '\n');
}

TEST(ProgressOnATerminal, HonoursNoColor) {
  const auto draw = [](const Screen& screen, const char* no_colour) {
    const NoColour set(no_colour);
    Progress progress(screen.stream(), /*terminal=*/true, 80);
    progress.update(kLine);
  };
  const Screen coloured;
  const Screen plain;
  draw(coloured, "");
  draw(plain, "1");
  EXPECT_NE(coloured.bytes().find("\x1b[36m"), std::string::npos);
  // The only escape left erases the rest of the line.
  EXPECT_EQ(plain.bytes().rfind('\x1b'), plain.bytes().find("\x1b[K"));
  EXPECT_EQ(plain.lines(), coloured.lines());
}

TEST(HumanNumbers, ThousandsAreGrouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(4021), "4,021");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(grouped(-123), "-123");
}

TEST(HumanNumbers, SignificantDigitsAreKept) {
  EXPECT_EQ(significant(4.8689, 3), "4.87");
  EXPECT_EQ(significant(4.8, 3), "4.80");
  EXPECT_EQ(significant(312.4, 3), "312");
  EXPECT_EQ(significant(4021.3, 3), "4,021");
  EXPECT_EQ(significant(0.01234, 3), "0.0123");
  EXPECT_EQ(significant(9.99, 2), "10");
  EXPECT_EQ(significant(0.0, 3), "0.00");
  EXPECT_EQ(significant(1.5e-7, 2), "1.5e-07");
  EXPECT_EQ(significant(std::numeric_limits<double>::quiet_NaN(), 3), "nan");
}

TEST(HumanNumbers, DurationsHaveTwoUnits) {
  EXPECT_EQ(human_duration(45.4), "45s");
  EXPECT_EQ(human_duration(59.6), "1m 00s");
  EXPECT_EQ(human_duration(80.0), "1m 20s");
  EXPECT_EQ(human_duration(3725.0), "1h 02m");
  EXPECT_EQ(human_duration(200000.0), "2d 07h");
  EXPECT_EQ(human_duration(-1.0), "?");
  EXPECT_EQ(human_duration(std::numeric_limits<double>::infinity()), "?");
}

}  // namespace
}  // namespace temper
