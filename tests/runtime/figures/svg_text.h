// What a test wants to know of an SVG picture: whether it is well-formed, and where its texts stand.
#pragma once

#include <algorithm>
#include <cctype>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/figures/svg_page.h"

namespace temper::testing_support {

/// An element that begins at `place`: a name, attributes with their quotes, and how it ends; false where it is none.
struct Element {
  std::string name;
  bool closes = false;  ///< </name>
  bool empty = false;   ///< <name ... />
  std::size_t end = 0;  ///< behind it
};

inline bool read_element(const std::string& xml, std::size_t place, Element& element) {
  const auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == ':'; };
  const auto name_at = [&](std::size_t& at) {
    const std::size_t first = at;
    while (at < xml.size() && is_name(xml[at])) ++at;
    return xml.substr(first, at - first);
  };
  std::size_t at = place + 1;
  element.closes = at < xml.size() && xml[at] == '/';
  if (element.closes) ++at;
  element.name = name_at(at);
  while (at < xml.size() && xml[at] == ' ') {
    ++at;
    if (name_at(at).empty()) break;
    if (xml.compare(at, 2, "=\"") != 0) return false;
    const std::size_t quote = xml.find_first_of("\"<", at + 2);
    if (quote == std::string::npos || xml[quote] != '"') return false;
    at = quote + 1;
  }
  element.empty = at < xml.size() && xml[at] == '/';
  if (element.empty) ++at;
  element.end = at + 1;
  return !element.name.empty() && at < xml.size() && xml[at] == '>';
}

/// What keeps a text from being well-formed XML, as far as we write it: elements that do not close, attributes without
/// quotes, characters that would have to be escaped. Empty: nothing.
inline std::string fault_of(const std::string& xml) {
  std::vector<std::string> open;
  std::size_t place = xml.find("?>");
  if (!xml.starts_with("<?xml") || place == std::string::npos) return "no declaration";
  for (place += 2; place < xml.size();) {
    if (xml[place] == '>') return "a character that is not escaped";
    if (xml[place] == '&') {
      const std::size_t end = xml.find(';', place);
      const std::vector<std::string> known{"&amp;", "&lt;", "&gt;", "&quot;"};
      if (end == std::string::npos || std::ranges::count(known, xml.substr(place, end + 1 - place)) == 0)
        return "a character that is not escaped";
    }
    if (xml[place] != '<') {
      ++place;
      continue;
    }
    Element element;
    if (!read_element(xml, place, element)) return "no element: " + xml.substr(place, 80);
    if (element.closes) {
      if (open.empty() || open.back() != element.name) return "closes what is not open: " + element.name;
      open.pop_back();
    } else if (!element.empty) {
      open.push_back(element.name);
    }
    place = element.end;
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

inline std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

/// The room that a text takes, as wide as it can be.
struct TextBox {
  std::string words;
  double left;
  double top;
  double right;
  double bottom;
};

inline std::vector<TextBox> text_boxes(const std::string& svg) {
  static const std::regex kText(
      R"re(<text x="([-0-9.]+)" y="([-0-9.]+)" text-anchor="([a-z]+)" font-size="([0-9]+)" fill="[^"]*"( transform="rotate\(-90[^"]*")?>([^<]*)</text>)re");
  std::vector<TextBox> boxes;
  std::istringstream lines(svg);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!line.starts_with("<text ") || !std::regex_match(line, match, kText)) continue;
    const double x = std::stod(match[1]);
    const double y = std::stod(match[2]);
    const int size = std::stoi(match[4]);
    std::string words = std::regex_replace(match[6].str(), std::regex("&[a-z]+;"), "&");
    const double width = text_width(words, size);
    const double before = match[3] == "start" ? 0.0 : match[3] == "middle" ? width / 2 : width;
    if (match[5].length() > 0)
      boxes.push_back({words, x - 0.75 * size, y + before - width, x + 0.2 * size, y + before});
    else
      boxes.push_back({words, x - before, y - 0.75 * size, x - before + width, y + 0.2 * size});
  }
  return boxes;
}

/// Two texts of which one stands upon the other, or one that leaves the page; empty: none.
inline std::string text_fault(const std::string& svg) {
  std::smatch size;
  const std::string head = svg.substr(0, 400);
  if (!std::regex_search(head, size, std::regex("<svg [^>]*width=\"([0-9.]+)\" height=\"([0-9.]+)\"")))
    return "no size of the page";
  const std::vector<TextBox> boxes = text_boxes(svg);
  if (boxes.size() != count(svg, "<text ")) return "a text of another form";
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const TextBox& one = boxes[i];
    if (one.left < 0 || one.top < 0 || one.right > std::stod(size[1]) || one.bottom > std::stod(size[2]))
      return "leaves the page: " + one.words;
    for (std::size_t j = 0; j < i; ++j) {
      const TextBox& other = boxes[j];
      if (one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom)
        return one.words + " stands upon " + other.words;
    }
  }
  return "";
}

}  // namespace temper::testing_support
