#include <algorithm>
#include <cstring>

#include "data/jinja/template_error.h"
#include "data/jinja/text_cutting.h"

namespace temper::jinja {

namespace {

/// Pays for a search that went over some bytes. Looking for a part of up to 256 bytes the C library may compare as many
/// at each place; longer ones it finds by the two-way algorithm, which compares each byte a few times.
void pay_search(Meter& meter, std::size_t bytes, std::size_t part) {
  constexpr std::size_t kShortPart = 256;
  const std::size_t comparisons = part > kShortPart ? 2 : 1 + part / 32;
  meter.spend(static_cast<std::int64_t>(bytes / 64 * comparisons) + 1);
}

std::string reversed(std::string_view text) { return {text.rbegin(), text.rend()}; }

}  // namespace

std::size_t find_part(Meter& meter, std::string_view text, std::string_view part, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const std::string_view rest = text.substr(from);
  const void* const found = ::memmem(rest.data(), rest.size(), part.data(), part.size());
  const std::size_t place = found == nullptr
                                ? std::string_view::npos
                                : from + static_cast<std::size_t>(static_cast<const char*>(found) - rest.data());
  pay_search(meter, found == nullptr ? rest.size() : place + part.size() - from, part.size());
  return place;
}

std::size_t find_last_part(Meter& meter, std::string_view text, std::string_view part) {
  if (part.size() > text.size()) return std::string_view::npos;
  meter.spend_text(4 * text.size());
  const std::size_t place = find_part(meter, reversed(text), reversed(part));
  return place == std::string_view::npos ? place : text.size() - place - part.size();
}

std::vector<Text> split_at(Meter& meter, const Text& text, std::string_view separator, std::int64_t most,
                           bool from_right) {
  std::vector<Text> pieces;
  const std::string& bytes = text.bytes();
  // From the right everything is found in the text turned round.
  const std::string backwards = from_right ? reversed(bytes) : std::string();
  const std::string part = from_right ? reversed(separator) : std::string(separator);
  const std::string_view searched = from_right ? backwards : bytes;
  const auto add = [&](std::size_t begin, std::size_t end) {
    meter.spend_new(1);
    pieces.push_back(from_right ? text.slice(bytes.size() - end, bytes.size() - begin) : text.slice(begin, end));
  };
  std::size_t begin = 0;
  while (most < 0 || static_cast<std::int64_t>(pieces.size()) < most) {
    const std::size_t at = find_part(meter, searched, part, begin);
    if (at == std::string::npos) break;
    add(begin, at);
    begin = at + part.size();
  }
  add(begin, bytes.size());
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::vector<Text> split_at_space(Meter& meter, const Text& text, std::int64_t most, bool from_right) {
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
  meter.spend_new(gaps.size());
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

std::vector<Text> split_lines(Meter& meter, const Text& text, bool keeps_ends) {
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
    meter.spend_new(1);
    lines.push_back(text.slice(begin, keeps_ends ? end : at));
    begin = at = end;
  }
  if (begin < bytes.size()) lines.push_back(text.slice(begin, bytes.size()));
  return lines;
}

Text replace_in(Meter& meter, const Text& text, std::string_view old, const Text& replacement, std::int64_t most) {
  Text out;
  const std::string& bytes = text.bytes();
  std::int64_t done = 0;
  if (old.empty()) {
    meter.spend_text(16 * bytes.size());
    const std::vector<std::size_t> starts = character_starts(bytes);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      meter.spend_text(replacement.size());
      if (most < 0 || done++ < most) out.append(replacement);
      if (i + 1 < starts.size()) out.append(text.slice(starts[i], starts[i + 1]));
    }
    return out;
  }
  std::size_t begin = 0;
  while (most < 0 || done < most) {
    const std::size_t at = find_part(meter, bytes, old, begin);
    if (at == std::string::npos) break;
    meter.spend_text(replacement.size());
    out.append(text.slice(begin, at));
    out.append(replacement);
    begin = at + old.size();
    ++done;
  }
  out.append(text.slice(begin, bytes.size()));
  return out;
}

Text align_text(Meter& meter, const Text& text, std::int64_t width, const Text& fill, char align) {
  if (width > static_cast<std::int64_t>(kLongestText)) throw limit_error("the template makes a text that is too long");
  meter.spend_text(text.size());
  const auto length = static_cast<std::int64_t>(count_characters(text.bytes()));
  if (width <= length) return text;
  meter.spend((width - length) / 16);
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
