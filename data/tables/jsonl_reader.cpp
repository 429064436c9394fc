#include "data/tables/jsonl_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/name_list.h"
#include "data/tables/json_text.h"

namespace temper {
namespace {

using Json = nlohmann::json;

/// What reads the arrays later recurses once per level, so a hostile line could otherwise exhaust the stack.
constexpr std::size_t kDeepestJson = 256;

/// A piece of a file that holds one value, and where it begins.
struct Piece {
  std::string_view text;
  std::size_t line = 1;
  std::size_t column = 1;  ///< in characters
};

std::string as_json(const std::string& text) { return Json(text).dump(); }

/// Takes the events of the parser and keeps each member's text. Numbers stay as they are written: as a double,
/// 12345678901234567890123 would lose its last digits.
class MemberTexts {
 public:
  std::vector<std::pair<std::string, std::string>> members;
  std::string error;             ///< what the parser says
  std::size_t error_offset = 0;  ///< bytes in front of the place
  bool out_of_range = false;
  bool nests_too_deeply = false;
  std::string other_kind;  ///< of a value that is no object

  bool null() { return scalar(open_.size() < 2 ? "" : "null", "null"); }
  bool boolean(bool value) { return scalar(value ? "true" : "false", "boolean"); }
  bool number_integer(std::int64_t value) { return scalar(std::to_string(value), "number"); }
  bool number_unsigned(std::uint64_t value) { return scalar(std::to_string(value), "number"); }
  bool number_float(double /*value*/, const std::string& digits) { return scalar(digits, "number"); }
  bool string(std::string& value) { return scalar(open_.size() < 2 ? value : as_json(value), "string"); }
  bool binary(Json::binary_t& /*value*/) { return false; }  // JSON text has none
  bool start_object(std::size_t /*size*/) { return open('{', "object"); }
  bool start_array(std::size_t /*size*/) { return open('[', "array"); }
  bool end_object() { return close('}'); }
  bool end_array() { return close(']'); }
  bool key(std::string& name) {
    if (open_.size() == 1) {
      members.emplace_back(name, std::string());
    } else {
      separate();
      text() += as_json(name) + ":";
      after_key_ = true;
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/, const Json::exception& exception) {
    out_of_range = dynamic_cast<const Json::out_of_range*>(&exception) != nullptr;
    error_offset = position > 0 ? position - 1 : 0;
    // Without its error number and its own idea of the place.
    const std::string_view message = exception.what();
    constexpr std::string_view kIntroduction = "syntax error";
    const std::size_t start = message.find(kIntroduction);
    error = start == std::string_view::npos ? message : message.substr(start);
    return false;
  }

 private:
  /// Of the member that is being read.
  std::string& text() { return members.back().second; }
  void separate() {
    if (open_.size() < 2 || after_key_) return;
    if (has_element_.back()) text() += ',';
    has_element_.back() = true;
  }
  bool scalar(const std::string& value, const char* kind) {
    if (open_.empty()) {
      other_kind = kind;
      return false;
    }
    separate();
    after_key_ = false;
    text() += value;
    return true;
  }
  bool open(char bracket, const char* kind) {
    if (open_.empty() && bracket != '{') {
      other_kind = kind;
      return false;
    }
    if (open_.size() >= kDeepestJson) {
      nests_too_deeply = true;
      return false;
    }
    if (!open_.empty()) {
      separate();
      text() += bracket;
    }
    after_key_ = false;
    open_ += bracket;
    has_element_.push_back(false);
    return true;
  }
  bool close(char bracket) {
    open_.pop_back();
    has_element_.pop_back();
    if (!open_.empty()) text() += bracket;
    return true;
  }

  std::string open_;               // brackets of what is being read, the object's own first
  std::vector<bool> has_element_;  // of each of them
  bool after_key_ = false;
};

/// Where a byte of the piece stands. The parser counts bytes; a reader counts characters.
Piece place_of_byte(const Piece& piece, std::size_t offset) {
  const std::string_view before = piece.text.substr(0, offset);
  const std::size_t line_end = before.rfind('\n');
  const std::string_view last = line_end == std::string_view::npos ? before : before.substr(line_end + 1);
  const auto characters = static_cast<std::size_t>(
      std::count_if(last.begin(), last.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  return {{},
          piece.line + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')),
          characters + (line_end == std::string_view::npos ? piece.column : 1)};
}

std::vector<std::pair<std::string, std::string>> members_of(const Piece& piece, const std::filesystem::path& name,
                                                            const char* hint) {
  MemberTexts texts;
  if (Json::sax_parse(piece.text.begin(), piece.text.end(), &texts)) return std::move(texts.members);
  if (texts.nests_too_deeply)
    throw Error("{}, line {}: the JSON nests more than {} levels deep", name.string(), piece.line, kDeepestJson);
  if (!texts.other_kind.empty())
    throw Error("{}, line {}: found a JSON {}, expected an object such as {{\"text\": \"...\", \"label\": \"...\"}}{}",
                name.string(), piece.line, texts.other_kind, hint);
  if (texts.out_of_range)
    throw Error("{}, line {}: holds a number that is beyond the range of a 64-bit floating-point number", name.string(),
                piece.line);
  const Piece place = place_of_byte(piece, std::min(texts.error_offset, piece.text.size()));
  throw Error("{}, line {}, column {}: is not JSON: {}{}", name.string(), place.line, place.column, texts.error,
              texts.error_offset >= piece.text.size() ? hint : "");
}

/// Makes rows of objects that come one after the other.
class ObjectReader : public RowReader {
 protected:
  ObjectReader(const std::filesystem::path& name, const char* expected) : RowReader(name), expected_(expected) {}

  void read_object(const Piece& piece, const char* hint, std::vector<std::string>& row) {
    std::vector<std::pair<std::string, std::string>> members = members_of(piece, head_.path, hint);
    if (first_line_ == 0) {
      first_line_ = piece.line;
      for (const auto& [member, value] : members)
        if (columns_.emplace(member, head_.columns.size()).second) head_.columns.push_back(member);
    }
    row.assign(head_.columns.size(), std::string());
    std::vector<bool> found(row.size());
    for (auto& [member, value] : members) {
      const auto column = columns_.find(member);
      if (column == columns_.end()) {
        note_late_member(member, piece.line);
        continue;
      }
      row[column->second] = std::move(value);
      found[column->second] = true;
    }
    for (std::size_t column = 0; column < found.size(); ++column)
      if (!found[column] && !head_.unusable.contains(head_.columns[column]))
        head_.unusable.emplace(head_.columns[column],
                               fmt::format("{}, line {}: the object has no member {}, which the first object has",
                                           head_.path.string(), piece.line, quoted_name(head_.columns[column])));
    line_ = piece.line;
  }

  /// False, at the end of the text.
  [[nodiscard]] bool ended() const {
    if (first_line_ == 0) throw Error("{}: the file is empty, expected {}", head_.path.string(), expected_);
    return false;
  }

 private:
  /// A member that the first object lacks is no column; who asks for it is told of that object.
  void note_late_member(const std::string& member, std::size_t line) {
    constexpr std::size_t kMostNames = 1000;
    if (head_.unusable.size() >= kMostNames || head_.unusable.contains(member)) return;
    head_.unusable.emplace(member, fmt::format("{}, line {}: the object has no member {}, which that in line {} has",
                                               head_.path.string(), first_line_, quoted_name(member), line));
  }

  const char* expected_;
  std::size_t first_line_ = 0;
  std::unordered_map<std::string, std::size_t> columns_;
};

/// Walks over a text and knows where it stands.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_{text, 1, 1} {}
  void skip_blanks() { advance(std::min(rest_.text.find_first_not_of(kJsonBlanks), rest_.text.size())); }
  void advance(std::size_t bytes) {
    const Piece place = place_of_byte(rest_, bytes);
    rest_ = {rest_.text.substr(bytes), place.line, place.column};
  }
  [[nodiscard]] bool at(char c) const { return rest_.text.starts_with(c); }
  [[nodiscard]] bool at_end() const { return rest_.text.empty(); }
  [[nodiscard]] Piece piece(std::size_t bytes) const { return {rest_.text.substr(0, bytes), rest_.line, rest_.column}; }
  [[nodiscard]] std::string_view text() const { return rest_.text; }

 private:
  Piece rest_;
};

class LineReader final : public ObjectReader {
 public:
  LineReader(std::string_view text, const std::filesystem::path& name)
      : ObjectReader(name, "one JSON object per line"), bytes_(text.size()), rest_(without_byte_order_mark(text)) {
    require_line_feeds(text, name);
  }

  bool next(std::vector<std::string>& fields) override {
    while (!rest_.empty()) {
      ++number_;
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      const std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      const std::size_t begin = line.find_first_not_of(kJsonBlanks);
      if (begin == std::string_view::npos) continue;
      read_object({line, number_, 1},
                  line[begin] == '[' ? "; write one object per line, or give a file that is one JSON array "
                                       "the extension .json"
                                     : "; a file of JSON lines holds one whole object per line",
                  fields);
      return true;
    }
    return ended();
  }

  [[nodiscard]] std::size_t taken() const override { return bytes_ - rest_.size(); }

 private:
  std::size_t bytes_;
  std::string_view rest_;
  std::size_t number_ = 0;
};

class ArrayReader final : public ObjectReader {
 public:
  ArrayReader(std::string_view text, const std::filesystem::path& name)
      : ObjectReader(name, "an array of objects"), bytes_(text.size()), cursor_(without_byte_order_mark(text)) {
    cursor_.skip_blanks();
    if (!cursor_.at('[')) fail("[");
    cursor_.advance(1);
  }

  bool next(std::vector<std::string>& fields) override {
    cursor_.skip_blanks();
    if (cursor_.at(']')) {
      cursor_.advance(1);
      cursor_.skip_blanks();
      if (!cursor_.at_end()) fail("the end of the file behind the array");
      return ended();
    }
    if (line_ != 0) {
      if (!cursor_.at(',')) fail("a comma or ] behind an object");
      cursor_.advance(1);
      cursor_.skip_blanks();
    }
    if (!cursor_.at('{')) fail("an object ({)");
    const std::size_t length = bracketed_length(cursor_.text());
    read_object(cursor_.piece(length), "", fields);
    cursor_.advance(length);
    return true;
  }

  [[nodiscard]] std::size_t taken() const override { return bytes_ - cursor_.text().size(); }

 private:
  [[noreturn]] void fail(const char* expected) const {
    throw Error("{}, line {}, column {}: expected {}; a .json file holds one array of objects", head_.path.string(),
                cursor_.piece(0).line, cursor_.piece(0).column, expected);
  }

  std::size_t bytes_;
  Cursor cursor_;
};

}  // namespace

std::unique_ptr<RowReader> jsonl_rows(std::string_view text, const std::filesystem::path& name) {
  return std::make_unique<LineReader>(text, name);
}

std::unique_ptr<RowReader> json_rows(std::string_view text, const std::filesystem::path& name) {
  const std::string_view content = without_byte_order_mark(text);
  const std::size_t begin = content.find_first_not_of(kJsonBlanks);
  if (begin != std::string_view::npos && content[begin] == '{') return jsonl_rows(text, name);
  return std::make_unique<ArrayReader>(text, name);
}

}  // namespace temper
