#include "data/jinja/text.h"

#include <unicode/uchar.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <set>

#include "data/jinja/template_error.h"
#include "data/tokenizer/utf8.h"

namespace temper::jinja {

void Text::require_room(std::size_t bytes) const {
  if (bytes_.size() + bytes > kLongestText)
    throw limit_error(fmt::format("the template makes a text of more than {} MiB", kLongestText >> 20));
}

void Text::append(const Text& other) {
  if (other.empty()) return;
  require_room(other.size());
  const bool ends_in_data = turns_.size() % 2 == 1;
  const bool begins_in_data = !other.turns_.empty() && other.turns_.front() == 0;
  const auto size = static_cast<std::uint32_t>(bytes_.size());
  if (ends_in_data != begins_in_data) turns_.push_back(size);
  for (const std::uint32_t turn : other.turns_)
    if (turn != 0) turns_.push_back(size + turn);
  bytes_ += other.bytes_;
}

void Text::append(std::string_view bytes, bool from_data) {
  if (bytes.empty()) return;
  require_room(bytes.size());
  if ((turns_.size() % 2 == 1) != from_data) turns_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  bytes_ += bytes;
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text part;
  end = std::min(end, bytes_.size());
  if (begin >= end) return part;
  part.bytes_ = bytes_.substr(begin, end - begin);
  const auto after = std::upper_bound(turns_.begin(), turns_.end(), static_cast<std::uint32_t>(begin));
  if ((after - turns_.begin()) % 2 == 1) part.turns_.push_back(0);
  for (auto turn = after; turn != turns_.end() && *turn < end; ++turn)
    part.turns_.push_back(*turn - static_cast<std::uint32_t>(begin));
  return part;
}

bool Text::from_data(std::size_t byte) const {
  const auto after = std::upper_bound(turns_.begin(), turns_.end(), static_cast<std::uint32_t>(byte));
  return (after - turns_.begin()) % 2 == 1;
}

std::vector<Text::Run> Text::runs() const {
  std::vector<Run> runs;
  std::size_t begin = 0;
  bool data = false;
  const auto add = [&](std::size_t end) {
    if (begin < end) runs.push_back({std::string_view(bytes_).substr(begin, end - begin), data});
    begin = end;
  };
  for (const std::uint32_t turn : turns_) {
    add(turn);
    data = !data;
  }
  add(bytes_.size());
  return runs;
}

std::vector<std::pair<std::size_t, std::size_t>> Text::data_spans() const {
  std::vector<std::pair<std::size_t, std::size_t>> spans;
  for (std::size_t i = 0; i < turns_.size(); i += 2)
    spans.emplace_back(turns_[i], i + 1 < turns_.size() ? turns_[i + 1] : bytes_.size());
  return spans;
}

std::size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

std::vector<std::size_t> character_starts(std::string_view bytes) {
  std::vector<std::size_t> starts;
  starts.reserve(bytes.size() + 1);
  for (std::size_t at = 0; at < bytes.size(); at += character_bytes(bytes[at])) starts.push_back(at);
  starts.push_back(bytes.size());
  return starts;
}

std::size_t count_characters(std::string_view bytes) {
  return static_cast<std::size_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

char32_t character_at(std::string_view bytes, std::size_t offset) { return decode_utf8(bytes.data() + offset).value; }

void append_character(char32_t c, std::string& bytes) { append_utf8(c, bytes); }

bool is_python_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  switch (u_charType(static_cast<UChar32>(c))) {
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_SURROGATE:
    case U_PRIVATE_USE_CHAR:
    case U_UNASSIGNED:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
    case U_SPACE_SEPARATOR:
      return false;
    default:
      return true;
  }
}

namespace {

std::u16string utf16_of(std::string_view bytes) {
  std::u16string text;
  for (std::size_t at = 0; at < bytes.size(); at += character_bytes(bytes[at])) {
    const char32_t c = character_at(bytes, at);
    if (c >= 0x10000) {
      text += static_cast<char16_t>(0xD800 + ((c - 0x10000) >> 10));
      text += static_cast<char16_t>(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      text += static_cast<char16_t>(c);
    }
  }
  return text;
}

std::string utf8_of(std::u16string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char32_t c = text[i];
    if (c >= 0xD800 && c < 0xDC00 && i + 1 < text.size() && text[i + 1] >= 0xDC00 && text[i + 1] < 0xE000)
      c = 0x10000 + ((c - 0xD800) << 10) + (text[++i] - 0xDC00U);
    append_character(c, bytes);
  }
  return bytes;
}

template <typename Convert>
std::string converted_case(std::string_view bytes, Convert convert) {
  const std::u16string from = utf16_of(bytes);
  std::u16string to(from.size() * 3 + 8, u'\0');
  UErrorCode status = U_ZERO_ERROR;
  const std::int32_t length = convert(to.data(), static_cast<std::int32_t>(to.size()), from.data(),
                                      static_cast<std::int32_t>(from.size()), &status);
  if (U_FAILURE(status) != 0 || length < 0) return std::string(bytes);
  return utf8_of(std::u16string_view(to).substr(0, static_cast<std::size_t>(length)));
}

std::string upper_case_of(std::string_view bytes) {
  return converted_case(bytes, [](char16_t* to, std::int32_t room, const char16_t* from, std::int32_t length,
                                  UErrorCode* status) { return u_strToUpper(to, room, from, length, "", status); });
}

std::string lower_case_of(std::string_view bytes) {
  return converted_case(bytes, [](char16_t* to, std::int32_t room, const char16_t* from, std::int32_t length,
                                  UErrorCode* status) { return u_strToLower(to, room, from, length, "", status); });
}

std::string folded_case_of(std::string_view bytes) {
  return converted_case(bytes, [](char16_t* to, std::int32_t room, const char16_t* from, std::int32_t length,
                                  UErrorCode* status) { return u_strFoldCase(to, room, from, length, 0, status); });
}

/// The title case of one character.
std::string title_case_of(std::string_view character) {
  return converted_case(
      character, [](char16_t* to, std::int32_t room, const char16_t* from, std::int32_t length, UErrorCode* status) {
        return u_strToTitle(to, room, from, length, nullptr, "", status);
      });
}

bool is_cased(char32_t c) { return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED) != 0; }

std::string with_characters_changed(std::string_view bytes, Casing casing, bool& behind_letter, bool& at_first) {
  std::string changed;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = character_bytes(bytes[at]);
    const std::string_view character = bytes.substr(at, length);
    const char32_t c = character_at(bytes, at);
    at += length;
    if (casing == Casing::swap) {
      changed += u_isUUppercase(static_cast<UChar32>(c)) != 0 ? lower_case_of(character) : upper_case_of(character);
      continue;
    }
    const bool begins = casing == Casing::title ? !behind_letter : at_first;
    changed += begins ? title_case_of(character) : lower_case_of(character);
    behind_letter = is_cased(c);
    at_first = false;
  }
  return changed;
}

}  // namespace

Text with_case(const Text& text, Casing casing) {
  Text changed;
  changed.is_markup = text.is_markup;
  bool behind_letter = false;
  bool at_first = true;
  for (const Text::Run& run : text.runs()) {
    switch (casing) {
      case Casing::upper:
        changed.append(upper_case_of(run.bytes), run.from_data);
        break;
      case Casing::lower:
        changed.append(lower_case_of(run.bytes), run.from_data);
        break;
      case Casing::fold:
        changed.append(folded_case_of(run.bytes), run.from_data);
        break;
      case Casing::capitalize:
      case Casing::title:
      case Casing::swap:
        changed.append(with_characters_changed(run.bytes, casing, behind_letter, at_first), run.from_data);
        break;
    }
  }
  return changed;
}

bool is_lower_case(std::string_view bytes) {
  bool cased = false;
  for (std::size_t at = 0; at < bytes.size(); at += character_bytes(bytes[at])) {
    const auto c = static_cast<UChar32>(character_at(bytes, at));
    if (u_isUUppercase(c) != 0 || u_istitle(c) != 0) return false;
    cased = cased || u_isULowercase(c) != 0;
  }
  return cased;
}

bool is_upper_case(std::string_view bytes) {
  bool cased = false;
  for (std::size_t at = 0; at < bytes.size(); at += character_bytes(bytes[at])) {
    const auto c = static_cast<UChar32>(character_at(bytes, at));
    if (u_isULowercase(c) != 0 || u_istitle(c) != 0) return false;
    cased = cased || u_isUUppercase(c) != 0;
  }
  return cased;
}

bool all_characters(std::string_view bytes, bool (*has)(char32_t c)) {
  if (bytes.empty()) return false;
  for (std::size_t at = 0; at < bytes.size(); at += character_bytes(bytes[at]))
    if (!has(character_at(bytes, at))) return false;
  return true;
}

bool is_alphabetic(char32_t c) { return u_isalpha(static_cast<UChar32>(c)) != 0; }

bool is_decimal(char32_t c) { return u_charType(static_cast<UChar32>(c)) == U_DECIMAL_DIGIT_NUMBER; }

bool is_digit(char32_t c) {
  const int type = u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE);
  return type == U_NT_DECIMAL || type == U_NT_DIGIT;
}

bool is_numeric_character(char32_t c) {
  return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

bool is_word(char32_t c) { return c == '_' || is_alphabetic(c) || is_numeric_character(c); }

Text strip(const Text& text, const std::string* characters, bool left, bool right) {
  std::set<char32_t> taken;
  if (characters != nullptr)
    for (std::size_t at = 0; at < characters->size(); at += character_bytes((*characters)[at]))
      taken.insert(character_at(*characters, at));
  const auto goes = [&](char32_t c) { return characters == nullptr ? is_python_space(c) : taken.contains(c); };
  const std::string_view bytes = text.bytes();
  std::size_t begin = 0;
  std::size_t end = bytes.size();
  while (left && begin < end && goes(character_at(bytes, begin))) begin += character_bytes(bytes[begin]);
  while (right && begin < end) {
    std::size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(bytes[last]) & 0xC0) == 0x80) --last;
    if (!goes(character_at(bytes, last))) break;
    end = last;
  }
  Text stripped = text.slice(begin, end);
  stripped.is_markup = text.is_markup;
  return stripped;
}

}  // namespace temper::jinja
