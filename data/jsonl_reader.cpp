#include "data/jsonl_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

/// Writing JSON recurses once a level, so a hostile line could otherwise exhaust the stack.
constexpr int kDeepest = 256;

bool nests_too_deeply(std::string_view line) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

/// What the parser says, without its error number and its own idea of the place.
std::string reason_of(const Json::parse_error& error) {
  const std::string_view message = error.what();
  constexpr std::string_view kIntroduction = "syntax error";
  const std::size_t start = message.find(kIntroduction);
  return std::string(start == std::string_view::npos ? message : message.substr(start));
}

Json parse_object(std::string_view line, const std::filesystem::path& name, std::size_t number) {
  if (nests_too_deeply(line))
    throw Error("{}, line {}: the JSON nests more than {} levels deep", name.string(), number, kDeepest);
  try {
    Json object = Json::parse(line);
    if (!object.is_object())
      throw Error("{}, line {}: found a JSON {}, expected an object such as {{\"text\": \"...\", \"label\": \"...\"}}",
                  name.string(), number, object.type_name());
    return object;
  } catch (const Json::parse_error& error) {
    // The parser counts bytes; a reader counts characters.
    const std::string_view before = line.substr(0, error.byte > 0 ? error.byte - 1 : 0);
    const auto column = 1 + std::count_if(before.begin(), before.end(),
                                          [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    throw Error("{}, line {}, column {}: is not JSON: {}", name.string(), number, column, reason_of(error));
  } catch (const Json::out_of_range&) {
    throw Error("{}, line {}: holds a number that is beyond the range of a 64-bit floating-point number", name.string(),
                number);
  }
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return {};
  return value.dump();
}

}  // namespace

Table parse_jsonl(std::string_view text, const std::filesystem::path& name) {
  require_utf8_file(text, name);
  text = without_byte_order_mark(text);
  Table table;
  table.path = name;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Json object = parse_object(line, name, number);
    if (table.rows.empty())
      for (const auto& member : object.items()) table.columns.push_back(member.key());
    std::vector<std::string> row;
    row.reserve(table.columns.size());
    for (const std::string& column : table.columns) {
      const auto member = object.find(column);
      if (member == object.end())
        throw Error("{}, line {}: the object has no member \"{}\", which the first object has", name.string(), number,
                    column);
      row.push_back(text_of(*member));
    }
    table.rows.push_back(std::move(row));
    table.lines.push_back(number);
  }
  if (table.rows.empty()) throw Error("{}: the file is empty, expected one JSON object a line", name.string());
  return table;
}

Table read_jsonl(const std::filesystem::path& path) { return parse_jsonl(MappedFile(path).text(), path); }

}  // namespace temper
