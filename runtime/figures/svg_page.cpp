#include "runtime/figures/svg_page.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace temper {
namespace {

constexpr std::array<const char*, 3> kAnchors{"start", "middle", "end"};

/// Bytes of the UTF-8 character that begins with this one.
std::size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// Of an em, somewhat above Helvetica's.
double character_width(std::string_view character) {
  constexpr double kUsual = 0.58;
  constexpr double kIdeograph = 1.05;  // and whatever else takes three bytes or more
  if (character.size() > 2) return kIdeograph;
  if (character.size() == 2) return 0.7;
  const char c = character.front();
  if (std::string_view("il.,:;'|!").find(c) != std::string_view::npos) return 0.3;
  if (std::string_view("jtfr()[]I /-").find(c) != std::string_view::npos) return 0.38;
  if (std::string_view("mwMW%@").find(c) != std::string_view::npos) return 0.95;
  return c >= 'A' && c <= 'Z' ? 0.74 : kUsual;
}

std::string escaped(std::string_view words) {
  std::string text;
  for (const char c : words) {
    if (c == '&')
      text += "&amp;";
    else if (c == '<')
      text += "&lt;";
    else if (c == '>')
      text += "&gt;";
    else if (c == '"')
      text += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      text += c;
    else if (c == '\t' || c == '\n' || c == '\r')
      text += ' ';
  }
  return text;
}

}  // namespace

SvgPage::SvgPage(double width, double height) {
  svg_ = fmt::format(R"(<?xml version="1.0" encoding="UTF-8"?>)"
                     "\n"
                     R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" )"
                     R"(font-family="Helvetica, Arial, sans-serif" font-size="13" fill="{2}">)"
                     "\n",
                     width, height, kInk);
  rectangle(0, 0, width, height, R"(fill="#ffffff")");
}

void SvgPage::line(double x1, double y1, double x2, double y2, std::string_view style) {
  svg_ += fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" {}/>)"
                      "\n",
                      x1, y1, x2, y2, style);
}

void SvgPage::rectangle(double x, double y, double width, double height, std::string_view style) {
  svg_ += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" {}/>)"
                      "\n",
                      x, y, width, height, style);
}

void SvgPage::circle(double x, double y, double radius, std::string_view style) {
  svg_ += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" {}/>)"
                      "\n",
                      x, y, radius, style);
}

void SvgPage::polyline(const std::vector<std::pair<double, double>>& points, std::string_view style) {
  if (points.size() < 2) return;
  std::string places;
  for (const auto& [x, y] : points) places += fmt::format("{}{:.1f},{:.1f}", places.empty() ? "" : " ", x, y);
  svg_ += fmt::format("<polyline points=\"{}\" fill=\"none\" {}/>\n", places, style);
}

void SvgPage::path(std::string_view outline, std::string_view style) {
  svg_ += fmt::format("<path d=\"{}\" {}/>\n", outline, style);
}

void SvgPage::text(double x, double y, Anchor anchor, int size, std::string_view words, std::string_view colour,
                   double turn) {
  const std::string turned = turn == 0.0 ? "" : fmt::format(" transform=\"rotate({:.0f} {:.1f} {:.1f})\"", turn, x, y);
  svg_ += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-size="{}" fill="{}"{}>{}</text>)"
                      "\n",
                      x, y, kAnchors[static_cast<std::size_t>(anchor)], size, colour, turned, escaped(words));
}

std::string SvgPage::finish() {
  svg_ += "</svg>\n";
  return std::move(svg_);
}

double text_width(std::string_view words, int size) {
  double width = 0.0;
  for (std::size_t at = 0; at < words.size();) {
    const std::string_view character = words.substr(at, character_bytes(words[at]));
    width += character_width(character);
    at += character.size();
  }
  return width * size;
}

std::string cut_to_width(std::string_view words, int size, double width) {
  if (text_width(words, size) <= width) return std::string(words);
  constexpr const char* kEllipsis = "\u2026";
  const double left = width - 0.8 * size;
  double used = 0.0;
  std::size_t at = 0;
  while (at < words.size()) {
    const std::string_view character = words.substr(at, character_bytes(words[at]));
    used += character_width(character) * size;
    if (used > left) break;
    at += character.size();
  }
  return std::string(words.substr(0, at)) + kEllipsis;
}

double tick_step(double span) {
  const double power = std::pow(10.0, std::floor(std::log10(span / 5.0)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power * 5.5 >= span) return factor * power;
  return 10.0 * power;
}

void UnitPlot::draw(SvgPage& page, std::string_view x_name, std::string_view y_name) const {
  constexpr int kParts = 5;
  const std::string grid = fmt::format(R"(stroke="{}")", kGrid);
  for (int i = 0; i <= kParts; ++i) {
    const double value = static_cast<double>(i) / kParts;
    const std::string number = fmt::format("{:.1f}", value);
    page.line(x(value), top, x(value), bottom + 5, grid);
    page.line(left - 5, y(value), right, y(value), grid);
    page.text(x(value), bottom + 20, Anchor::middle, 13, number);
    page.text(left - 9, y(value) + 4.5, Anchor::end, 13, number);
  }
  page.text((left + right) / 2, bottom + 42, Anchor::middle, 13, x_name);
  page.text(left - 44, (top + bottom) / 2, Anchor::middle, 13, y_name, kInk, -90.0);
  page.rectangle(left, top, right - left, bottom - top, fmt::format(R"(fill="none" stroke="{}")", kFrameColour));
}

}  // namespace temper
