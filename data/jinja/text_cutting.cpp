#include <algorithm>

#include "data/jinja/text_cutting.h"

namespace temper::jinja {

std::vector<Text> split_at(const Text& text, const std::string& separator, std::int64_t most, bool from_right) {
  std::vector<Text> pieces;
  const std::string& bytes = text.bytes();
  if (from_right) {
    std::size_t end = bytes.size();
    while (most < 0 || static_cast<std::int64_t>(pieces.size()) < most) {
      if (end < separator.size()) break;
      const std::size_t at = bytes.rfind(separator, end - separator.size());
      if (at == std::string::npos) break;
      pieces.push_back(text.slice(at + separator.size(), end));
      end = at;
    }
    pieces.push_back(text.slice(0, end));
    std::reverse(pieces.begin(), pieces.end());
    return pieces;
  }
  std::size_t begin = 0;
  while (most < 0 || static_cast<std::int64_t>(pieces.size()) < most) {
    const std::size_t at = bytes.find(separator, begin);
    if (at == std::string::npos) break;
    pieces.push_back(text.slice(begin, at));
    begin = at + separator.size();
  }
  pieces.push_back(text.slice(begin, bytes.size()));
  return pieces;
}

std::vector<Text> split_at_space(const Text& text, std::int64_t most, bool from_right) {
  std::vector<Text> pieces;
  const Text rest = strip(text, nullptr, true, true);
  const std::string& bytes = rest.bytes();
  if (bytes.empty()) return pieces;
  // Where white space begins and ends.
  std::vector<std::pair<std::size_t, std::size_t>> gaps;
  for (std::size_t at = 0; at < bytes.size(); at += character_bytes(bytes[at])) {
    if (!is_python_space(character_at(bytes, at))) continue;
    const std::size_t end = at + character_bytes(bytes[at]);
    if (!gaps.empty() && gaps.back().second == at) {
      gaps.back().second = end;
    } else {
      gaps.emplace_back(at, end);
    }
  }
  if (most >= 0 && static_cast<std::int64_t>(gaps.size()) > most) {
    const auto kept = static_cast<std::ptrdiff_t>(most);
    if (from_right) {
      gaps.erase(gaps.begin(), gaps.end() - kept);
    } else {
      gaps.erase(gaps.begin() + kept, gaps.end());
    }
  }
  // What is not cut keeps the white space at its outer end.
  const Text& all = rest;
  std::size_t begin = 0;
  for (const auto& [gap_begin, gap_end] : gaps) {
    pieces.push_back(all.slice(begin, gap_begin));
    begin = gap_end;
  }
  pieces.push_back(all.slice(begin, bytes.size()));
  if (most >= 0 && !from_right && static_cast<std::int64_t>(gaps.size()) == most) {
    // Python takes no white space off the end of the last piece once it has stopped cutting.
    const Text left = strip(text, nullptr, true, false);
    pieces.back() = left.slice(begin, left.size());
  }
  if (most >= 0 && from_right && static_cast<std::int64_t>(gaps.size()) == most) {
    const Text right = strip(text, nullptr, false, true);
    const std::size_t end = pieces.front().size() + (right.size() - rest.size());
    pieces.front() = right.slice(0, end);
  }
  return pieces;
}

std::vector<Text> split_lines(const Text& text, bool keeps_ends) {
  std::vector<Text> lines;
  const std::string& bytes = text.bytes();
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const char32_t c = character_at(bytes, at);
    std::size_t end = at + character_bytes(bytes[at]);
    const bool ends = (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!ends) {
      at = end;
      continue;
    }
    if (c == '\r' && end < bytes.size() && bytes[end] == '\n') ++end;
    lines.push_back(text.slice(begin, keeps_ends ? end : at));
    begin = at = end;
  }
  if (begin < bytes.size()) lines.push_back(text.slice(begin, bytes.size()));
  return lines;
}

Text replace_in(const Text& text, const std::string& old, const Text& replacement, std::int64_t most) {
  Text out;
  const std::string& bytes = text.bytes();
  std::int64_t done = 0;
  if (old.empty()) {
    const std::vector<std::size_t> starts = character_starts(bytes);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      if (most < 0 || done++ < most) out.append(replacement);
      if (i + 1 < starts.size()) out.append(text.slice(starts[i], starts[i + 1]));
    }
    return out;
  }
  std::size_t begin = 0;
  while (most < 0 || done < most) {
    const std::size_t at = bytes.find(old, begin);
    if (at == std::string::npos) break;
    out.append(text.slice(begin, at));
    out.append(replacement);
    begin = at + old.size();
    ++done;
  }
  out.append(text.slice(begin, bytes.size()));
  return out;
}

Text align_text(const Text& text, std::int64_t width, const Text& fill, char align) {
  const auto length = static_cast<std::int64_t>(count_characters(text.bytes()));
  if (width <= length) return text;
  const std::int64_t room = width - length;
  // str.center puts the odd blank on the left where the width is odd as well.
  const std::int64_t before = align == '<' ? 0 : align == '>' ? room : room / 2 + (room & width & 1);
  Text out;
  for (std::int64_t i = 0; i < before; ++i) out.append(fill);
  out.append(text);
  for (std::int64_t i = before; i < room; ++i) out.append(fill);
  return out;
}

}  // namespace temper::jinja
