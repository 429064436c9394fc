#include "data/images/contact_sheet.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <variant>

#include "base/error.h"
#include "data/images/bitmap_font.h"
#include "data/images/colour.h"
#include "data/images/resize.h"

namespace temper {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;
constexpr std::int64_t kMargin = 12;
constexpr std::int64_t kTextScale = 2;
constexpr std::int64_t kTitleScale = 3;
constexpr std::size_t kMostLines = 6;  ///< of words, beneath a cell
constexpr std::uint8_t kPaper = 255;
constexpr std::uint8_t kInk = 20;
constexpr std::uint8_t kFrame = 190;

std::size_t bytes_of_characters(std::string_view text, std::int64_t characters) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    std::size_t next = bytes + 1;
    while (next < text.size() && characters_of(text.substr(bytes, next - bytes + 1)) == 1) ++next;
    if (characters-- == 0) break;
    bytes = next;
  }
  return bytes;
}

/// Lines of `width` characters at most, broken at blanks where there are any.
std::vector<std::string> broken_lines(std::string_view rest, std::int64_t width) {
  std::vector<std::string> lines;
  while (!rest.empty()) {
    std::size_t end = bytes_of_characters(rest, width);
    std::size_t next = end;
    if (end < rest.size()) {
      const std::size_t blank = rest.rfind(' ', end);
      if (blank != std::string_view::npos && blank > 0) {
        end = blank;
        next = blank + 1;
      }
    }
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(next);
  }
  return lines;
}

/// At most so many lines. The middle is left out where there are more: names of files often differ at their ends alone.
std::vector<std::string> broken_lines(std::string_view text, std::int64_t width, std::size_t most) {
  std::vector<std::string> lines = broken_lines(text, width);
  const std::int64_t all = characters_of(text);
  for (std::int64_t kept = std::min(all, width * static_cast<std::int64_t>(most)) - 3; lines.size() > most && kept > 0;
       --kept) {
    const std::int64_t head = kept / 3;
    const std::string shortened = std::string(text.substr(0, bytes_of_characters(text, head))) + "..." +
                                  std::string(text.substr(bytes_of_characters(text, all - (kept - head))));
    lines = broken_lines(shortened, width);
  }
  lines.resize(std::min(lines.size(), most));
  return lines;
}

/// Of all texts beneath a cell: the longest ones are shortened.
std::vector<std::string> lines_of_words(std::span<const std::string> words, std::int64_t width) {
  std::vector<std::vector<std::string>> of_words;
  std::size_t all = 0;
  for (const std::string& text : words) all += of_words.emplace_back(broken_lines(drawable(text), width)).size();
  while (all > kMostLines) {
    const auto longest = std::max_element(of_words.begin(), of_words.end(),
                                          [](const auto& a, const auto& b) { return a.size() < b.size(); });
    if (longest->size() <= 1) break;
    --all;
    const std::string text = drawable(words[static_cast<std::size_t>(longest - of_words.begin())]);
    *longest = broken_lines(text, width, longest->size() - 1);
  }
  std::vector<std::string> lines;
  for (std::vector<std::string>& text : of_words) lines.insert(lines.end(), text.begin(), text.end());
  lines.resize(std::min(lines.size(), kMostLines));
  return lines;
}

/// Its longer edge has `side` pixels. What is much enlarged shows its pixels, and does not look as if it had more.
Picture thumbnail(const Picture& picture, std::int64_t side) {
  const std::int64_t longer = std::max(picture.extent.height, picture.extent.width);
  const ImageExtent extent{std::max(std::int64_t{1}, picture.extent.height * side / longer),
                           std::max(std::int64_t{1}, picture.extent.width * side / longer)};
  const bool enlarged = side >= 2 * longer;
  return rgb_picture(resize(byte_picture(picture), extent, enlarged ? ResizeFilter::nearest : ResizeFilter::bilinear));
}

void fill(Picture& sheet, const PixelRectangle& area, std::uint8_t grey) {
  auto& samples = std::get<std::vector<std::uint8_t>>(sheet.samples);
  for (std::int64_t row = area.top; row < area.top + area.extent.height; ++row)
    std::fill_n(samples.begin() + (row * sheet.extent.width + area.left) * 3, area.extent.width * 3, grey);
}

void place(Picture& sheet, const Picture& picture, std::int64_t top, std::int64_t left) {
  fill(sheet, {top - 1, left - 1, {picture.extent.height + 2, picture.extent.width + 2}}, kFrame);
  const auto& from = std::get<std::vector<std::uint8_t>>(picture.samples);
  auto& to = std::get<std::vector<std::uint8_t>>(sheet.samples);
  for (std::int64_t row = 0; row < picture.extent.height; ++row)
    std::copy_n(from.begin() + row * picture.extent.width * 3, picture.extent.width * 3,
                to.begin() + ((top + row) * sheet.extent.width + left) * 3);
}

/// Where everything is.
struct SheetPlan {
  std::int64_t columns = 1;
  std::int64_t rows = 1;
  std::int64_t pictures = 1;                    ///< beneath each other in a cell
  std::int64_t left = 0;                        ///< of the first column
  std::int64_t top = 0;                         ///< of the first row
  std::vector<std::vector<std::string>> lines;  ///< of each cell
  std::vector<std::int64_t> heights;            ///< of each row
  ImageExtent extent;
};

SheetPlan plan_of(std::span<const ContactSheetCell> cells, const ContactSheetLayout& layout) {
  const auto count = static_cast<std::int64_t>(cells.size());
  SheetPlan plan;
  plan.columns = std::clamp(layout.columns, std::int64_t{1}, count);
  plan.rows = (count + plan.columns - 1) / plan.columns;
  std::int64_t longest_name = 0;
  for (const std::string& name : layout.row_names) longest_name = std::max(longest_name, characters_of(name));
  plan.left = kMargin + (longest_name > 0 ? longest_name * kCharacterWidth * kTextScale + kMargin : 0);
  plan.top = kMargin + (layout.title.empty() ? 0 : kLineHeight * kTitleScale + kMargin);
  const std::int64_t characters =
      std::max(std::int64_t{1}, (layout.side + kMargin / 2) / (kCharacterWidth * kTextScale));
  for (const ContactSheetCell& cell : cells) {
    if (cell.pictures.empty()) throw Error("a cell of a contact sheet has no picture");
    plan.pictures = std::max(plan.pictures, static_cast<std::int64_t>(cell.pictures.size()));
    plan.lines.push_back(lines_of_words(cell.words, characters));
  }
  std::int64_t height = plan.top;
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    std::size_t lines = 0;
    for (std::int64_t i = row * plan.columns; i < std::min(count, (row + 1) * plan.columns); ++i)
      lines = std::max(lines, plan.lines[static_cast<std::size_t>(i)].size());
    plan.heights.push_back(plan.pictures * (layout.side + kMargin / 2) +
                           static_cast<std::int64_t>(lines) * kLineHeight * kTextScale + kMargin);
    height += plan.heights.back();
  }
  plan.extent = {height, std::max(plan.left + plan.columns * (layout.side + kMargin),
                                  2 * kMargin + characters_of(layout.title) * kCharacterWidth * kTitleScale)};
  return plan;
}

}  // namespace

Picture contact_sheet(std::span<const ContactSheetCell> cells, const ContactSheetLayout& given) {
  ContactSheetLayout layout = given;
  layout.title = drawable(layout.title);
  for (std::string& name : layout.row_names) name = drawable(name);
  if (cells.empty()) throw Error("a contact sheet has no cells");
  if (layout.side < 8 || layout.side > 4096)
    throw Error("a contact sheet has pictures of {} pixels, expected 8 to 4096", layout.side);
  const SheetPlan plan = plan_of(cells, layout);
  if (plan.extent.pixels() > kMostPixels)
    throw Error("a contact sheet of {} pictures has {} x {} pixels, at most {} together; show fewer pictures",
                cells.size(), plan.extent.width, plan.extent.height, kMostPixels);
  Picture sheet{plan.extent, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(plan.extent.pixels() * 3), kPaper),
                0.0F, 255.0F};
  draw_text(sheet, kMargin, kMargin, layout.title, kTitleScale, kInk);
  std::int64_t top = plan.top;
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    for (std::size_t k = 0; k < std::min(layout.row_names.size(), static_cast<std::size_t>(plan.pictures)); ++k)
      draw_text(sheet,
                top + static_cast<std::int64_t>(k) * (layout.side + kMargin / 2) +
                    (layout.side - kLineHeight * kTextScale) / 2,
                kMargin, layout.row_names[k], kTextScale, kInk);
    for (std::int64_t column = 0; column < plan.columns; ++column) {
      const auto i = static_cast<std::size_t>(row * plan.columns + column);
      if (i >= cells.size()) break;
      const std::int64_t left = plan.left + column * (layout.side + kMargin);
      std::int64_t below = top;
      for (const Picture& picture : cells[i].pictures) {
        const Picture shown = layout.resizes ? thumbnail(picture, layout.side) : rgb_picture(byte_picture(picture));
        if (shown.extent.height > layout.side || shown.extent.width > layout.side)
          throw Error("a contact sheet for pictures of {} pixels has one of {} x {}", layout.side, shown.extent.width,
                      shown.extent.height);
        // What keeps its size stands above the beginning of its words.
        place(sheet, shown, below + (layout.side - shown.extent.height) / 2,
              left + (layout.resizes ? (layout.side - shown.extent.width) / 2 : 0));
        below += layout.side + kMargin / 2;
      }
      for (const std::string& line : plan.lines[i]) {
        draw_text(sheet, below, left, line, kTextScale, kInk);
        below += kLineHeight * kTextScale;
      }
    }
    top += plan.heights[static_cast<std::size_t>(row)];
  }
  return sheet;
}

}  // namespace temper
