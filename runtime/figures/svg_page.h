// A picture as SVG 1.1: a document of its own that needs nothing beside it. The same bytes for the same calls.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace temper {

/// Colours that people with any colour vision tell apart (Okabe, Ito, 2008), the darker ones first.
inline constexpr const char* kBlue = "#0072b2";
inline constexpr const char* kVermilion = "#d55e00";
inline constexpr const char* kGreenLine = "#007a5a";
inline constexpr const char* kInk = "#222222";
inline constexpr const char* kFrameColour = "#444444";
inline constexpr const char* kGrid = "#dddddd";

enum class Anchor : std::uint8_t { start, middle, end };

class SvgPage {
 public:
  SvgPage(double width, double height);

  /// `style`: attributes, such as stroke="#444444".
  void line(double x1, double y1, double x2, double y2, std::string_view style);
  void rectangle(double x, double y, double width, double height, std::string_view style);
  void circle(double x, double y, double radius, std::string_view style);
  /// Nothing of fewer than two points.
  void polyline(const std::vector<std::pair<double, double>>& points, std::string_view style);
  /// Any outline, in the language of SVG's paths.
  void path(std::string_view outline, std::string_view style);
  /// `words` may have any characters; those that XML reserves are escaped, and those that it forbids left out. `turn`:
  /// in degrees, clockwise around (x, y).
  void text(double x, double y, Anchor anchor, int size, std::string_view words, std::string_view colour = kInk,
            double turn = 0.0);

  /// The document; nothing more is drawn.
  [[nodiscard]] std::string finish();

 private:
  std::string svg_;
};

/// About how wide a text is in the page's font, in its units: never much more than this.
double text_width(std::string_view words, int size);
/// The text, or as much of its beginning as fits with an ellipsis behind it.
std::string cut_to_width(std::string_view words, int size, double width);

/// 1, 2 or 5 times a power of ten, so that there are about five of them in `span`.
double tick_step(double span);

/// A square or oblong in which both axes go from 0 to 1, with lines at every fifth.
struct UnitPlot {
  double left = 0.0;
  double top = 0.0;
  double right = 0.0;
  double bottom = 0.0;

  [[nodiscard]] double x(double value) const { return left + value * (right - left); }
  [[nodiscard]] double y(double value) const { return bottom - value * (bottom - top); }
  /// Grid, numbers, names of the axes and the frame.
  void draw(SvgPage& page, std::string_view x_name, std::string_view y_name) const;
};

}  // namespace temper
