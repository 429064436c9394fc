#include "runtime/probing/rate_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/counted.h"
#include "runtime/figures/svg_page.h"

namespace temper {
namespace {

constexpr double kPageWidth = 760.0;
constexpr double kPageHeight = 480.0;
constexpr double kLeft = 76.0;
constexpr double kRight = 736.0;
constexpr double kTop = 92.0;
constexpr double kBottom = 416.0;
constexpr const char* kTrainingColour = kBlue;
constexpr const char* kValidationColour = kVermilion;
constexpr const char* kAdviceColour = kGreenLine;

/// Which losses the picture shows, from the lowest to somewhat above that of the untrained model.
struct LossRange {
  double low = 0.0;
  double high = 1.0;
};

/// One of the two curves.
struct Series {
  const char* name;
  const char* colour;
  double start;
  std::vector<double> losses;  ///< of each rate; NaN where it diverged
};

std::vector<Series> series_of(const ProbedCurve& curve) {
  Series training{"training loss", kTrainingColour, curve.start.training, {}};
  Series validation{"validation loss", kValidationColour, curve.start.validation.value_or(0.0), {}};
  for (const ProbedRate& rate : curve.rates) {
    const bool finite = !rate.not_finite_step;
    training.losses.push_back(finite ? rate.end.training : std::nan(""));
    validation.losses.push_back(finite ? rate.end.validation.value_or(std::nan("")) : std::nan(""));
  }
  if (!curve.has_validation()) return {training};
  return {training, validation};
}

LossRange range_of(const std::vector<Series>& all) {
  double low = all.front().start;
  double start = all.front().start;
  for (const Series& series : all) {
    start = std::max(start, series.start);
    low = std::min(low, series.start);
    for (const double loss : series.losses)
      if (std::isfinite(loss)) low = std::min(low, loss);
  }
  const double span = std::max(start - low, 0.02 * std::abs(start) + 1e-6);
  return {low - 0.06 * span, start + 0.3 * span};
}

class RatePicture {
 public:
  RatePicture(const ProbedCurve& curve, const RateAdvice& advice)
      : curve_(curve),
        advice_(advice),
        series_(series_of(curve)),
        losses_(range_of(series_)),
        first_(std::log10(curve.rates.front().rate) - 0.2),
        last_(std::log10(curve.rates.back().rate) + 0.2) {}

  std::string draw() {
    page_.text(kLeft, 30, Anchor::start, 17, "Learning-rate probe");
    page_.text(kLeft, 50, Anchor::start, 13,
               fmt::format("{} of each of {}; training loss: mean of the last {}", counted(curve_.steps, "step"),
                           counted(curve_.rates.size(), "rate"), counted(curve_.last_steps, "step")));
    rate_axis();
    loss_axis();
    mark_advice();
    page_.rectangle(kLeft, kTop, kRight - kLeft, kBottom - kTop, R"(fill="none" stroke="#444444")");
    bool all_shown = true;
    for (std::size_t i = 0; i < series_.size(); ++i) {
      draw(series_[i], i);
      for (const double loss : series_[i].losses) all_shown = all_shown && is_shown(loss);
    }
    if (!all_shown) page_.text(kRight, kBottom + 48, Anchor::end, 11, "crosses: above the picture, or not finite");
    return page_.finish();
  }

 private:
  [[nodiscard]] double x_of(double logarithm) const {
    return kLeft + (logarithm - first_) / (last_ - first_) * (kRight - kLeft);
  }
  [[nodiscard]] double x_of(const ProbedRate& rate) const { return x_of(std::log10(rate.rate)); }
  [[nodiscard]] double y_of(double loss) const {
    return kBottom - (loss - losses_.low) / (losses_.high - losses_.low) * (kBottom - kTop);
  }
  [[nodiscard]] bool is_shown(double loss) const { return std::isfinite(loss) && loss <= losses_.high; }

  void rate_axis() {
    int labels = 0;
    for (int power = static_cast<int>(std::floor(first_)); power <= static_cast<int>(std::ceil(last_)); ++power)
      for (int digit = 1; digit < 10; ++digit) {
        const double place = power + std::log10(digit);
        if (place < first_ || place > last_) continue;
        const double x = x_of(place);
        if (digit > 1) {
          page_.line(x, kBottom, x, kBottom + 4, R"(stroke="#444444")");
          continue;
        }
        ++labels;
        page_.line(x, kTop, x, kBottom + 8, R"(stroke="#dddddd")");
        page_.text(x, kBottom + 23, Anchor::middle, 13, fmt::format("1e{}", power));
      }
    // Within one decade only the rates themselves tell where the axis is.
    if (labels < 2)
      for (const ProbedRate& rate : curve_.rates)
        page_.text(x_of(rate), kBottom + 23, Anchor::middle, 11, fmt::format("{}", rate.rate));
    page_.text((kLeft + kRight) / 2, kBottom + 48, Anchor::middle, 13, "learning rate (logarithmic)");
  }

  void loss_axis() {
    const double step = tick_step(losses_.high - losses_.low);
    const int digits = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
    for (auto i = static_cast<std::int64_t>(std::ceil(losses_.low / step));
         static_cast<double>(i) * step <= losses_.high; ++i) {
      const double loss = static_cast<double>(i) * step;
      page_.line(kLeft - 5, y_of(loss), kRight, y_of(loss), R"(stroke="#dddddd")");
      page_.text(kLeft - 9, y_of(loss) + 4.5, Anchor::end, 13, fmt::format("{:.{}f}", loss, digits));
    }
    page_.text(20, (kTop + kBottom) / 2, Anchor::middle, 13, "loss", kInk, -90.0);
  }

  void mark_advice() {
    if (!advice_.recommended) return;
    const ProbedRate& rate = curve_.rates[*advice_.recommended];
    const double x = x_of(rate);
    page_.line(x, kTop, x, kBottom,
               fmt::format(R"(stroke="{}" stroke-width="2" stroke-dasharray="7 4")", kAdviceColour));
    const Anchor anchor = x < (kLeft + kRight) / 2 ? Anchor::start : Anchor::end;
    page_.text(x, kTop - 8, anchor, 13, fmt::format("recommended: {}", rate.rate), kAdviceColour);
  }

  void draw(const Series& series, std::size_t place) {
    // Its key stands above the picture, on the right.
    const double key = 26.0 + 20.0 * static_cast<double>(place);
    page_.line(kRight - 150, key, kRight - 122, key, fmt::format(R"(stroke="{}" stroke-width="2")", series.colour));
    mark(kRight - 136, key, series.colour, place);
    page_.text(kRight - 114, key + 4.5, Anchor::start, 13, series.name);

    if (is_shown(series.start)) {
      page_.line(kLeft, y_of(series.start), kRight, y_of(series.start),
                 fmt::format(R"(stroke="{}" stroke-dasharray="2 3")", series.colour));
      if (place == 0) page_.text(kRight - 6, y_of(series.start) - 5, Anchor::end, 11, "untrained", series.colour);
    }
    std::vector<std::pair<double, double>> points;
    const auto end_line = [&] {
      page_.polyline(points, fmt::format(R"(stroke="{}" stroke-width="2")", series.colour));
      points.clear();
    };
    for (std::size_t i = 0; i < series.losses.size(); ++i) {
      const double loss = series.losses[i];
      if (!is_shown(loss)) {
        end_line();
        continue;
      }
      points.emplace_back(x_of(curve_.rates[i]), y_of(loss));
    }
    end_line();
    for (std::size_t i = 0; i < series.losses.size(); ++i) {
      const double x = x_of(curve_.rates[i]);
      if (is_shown(series.losses[i])) {
        mark(x, y_of(series.losses[i]), series.colour, place);
      } else {
        cross(x, kTop + 12.0 + 14.0 * static_cast<double>(place), series.colour);
      }
    }
  }

  /// A circle for the first curve, a square for the second: they differ without colours, too.
  void mark(double x, double y, const char* colour, std::size_t place) {
    const std::string fill = fmt::format(R"(fill="{}")", colour);
    if (place == 0)
      page_.circle(x, y, 4.5, fill);
    else
      page_.rectangle(x - 4, y - 4, 8, 8, fill);
  }
  void cross(double x, double y, const char* colour) {
    page_.path(fmt::format("M {:.1f} {:.1f} l 9 9 m 0 -9 l -9 9", x - 4.5, y - 4.5),
               fmt::format(R"(stroke="{}" stroke-width="2.5" fill="none")", colour));
  }

  const ProbedCurve& curve_;
  const RateAdvice& advice_;
  std::vector<Series> series_;
  LossRange losses_;
  double first_;  ///< logarithms at the ends of the axis
  double last_;
  SvgPage page_{kPageWidth, kPageHeight};
};

}  // namespace

std::string rate_curve_svg(const ProbedCurve& curve, const RateAdvice& advice) {
  return RatePicture(curve, advice).draw();
}

}  // namespace temper
