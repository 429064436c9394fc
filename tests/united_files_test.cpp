// Files of a floor compile together (TEMPER_FILES_IN_UNIT): whichever of them share a unit, no two may define the same
// name in their unnamed namespaces. The compiler sees only the files of one unit, and a new file moves all after it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "tests/places.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

bool in_name(char character) { return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_'; }

/// The name that ends where `text` does; empty if it ends otherwise.
std::string last_name(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::size_t begin = text.size();
  while (begin > 0 && in_name(text[begin - 1])) --begin;
  return std::string(text.substr(begin));
}

/// "int, const std::map<K, V>&" for "int a, const std::map<K, V>& b = {})...": what tells overloads apart.
std::string parameter_types(std::string_view text) {
  std::string types;
  std::string piece;
  int depth = 0;
  for (const char character : text) {
    if (std::string_view("(<{[").find(character) != std::string_view::npos) ++depth;
    if (std::string_view(")>}]").find(character) != std::string_view::npos) --depth;
    if (depth < 0 || (depth == 0 && character == ',')) {
      piece = piece.substr(0, piece.find('='));
      const std::string name = last_name(piece);
      while (!piece.empty() && piece.back() == ' ') piece.pop_back();
      const std::string type = piece.substr(0, piece.size() - name.size());
      types += (type.find_first_not_of(' ') == std::string::npos ? name : type) + ",";
      piece.clear();
      if (depth < 0) break;
      continue;
    }
    if (character != ' ' || (!piece.empty() && piece.back() != ' ')) piece += character == '\n' ? ' ' : character;
  }
  std::erase(types, ' ');
  return types;
}

/// A line without the attributes that it begins with: [[noreturn]], [[nodiscard]].
std::string without_attributes(std::string line) {
  while (line.starts_with("[[") && line.find("]]") != std::string::npos) {
    line.erase(0, line.find("]]") + 2);
    line.erase(0, line.find_first_not_of(' '));
  }
  return line;
}

/// Whether a raw string is open behind a line, `open`: before it.
bool raw_string_is_open(std::string_view line, bool open) {
  for (std::size_t place = 0;; open = !open) {
    const std::string_view mark = open ? ")\"" : "R\"(";
    place = line.find(mark, place);
    if (place == std::string_view::npos) return open;
    place += mark.size();
  }
}

/// What the unnamed namespaces of a source define, by name (with its parameters' types if a function). An alias comes
/// with what it stands for: two that agree are no fault. Relies on the layout that clang-format gives.
std::map<std::string, std::string> unnamed_definitions(const std::string& source) {
  std::map<std::string, std::string> found;
  bool inside = false;
  bool in_raw_string = false;
  std::size_t end = 0;
  for (std::size_t begin = 0; begin < source.size(); begin = end + 1) {
    end = std::min(source.find('\n', begin), source.size());
    const std::string line = without_attributes(source.substr(begin, end - begin));
    const bool is_text = in_raw_string;
    in_raw_string = raw_string_is_open(line, in_raw_string);
    if (is_text) continue;
    if (line == "namespace {") inside = true;
    if (line.starts_with("}") && line.find("namespace") != std::string::npos) inside = false;
    if (!inside || line.empty() || line.starts_with("namespace {") || line.starts_with("template")) continue;
    if (!in_name(line[0])) continue;
    std::istringstream words(line);
    std::string first;
    std::string second;
    words >> first >> second;
    if (first == "using" || first == "namespace") {
      if (const std::size_t equals = line.find(" = "); equals != std::string::npos)
        found[last_name(line.substr(0, equals))] = line.substr(equals);
      continue;
    }
    if (first == "class" || first == "struct" || first == "union" || first == "enum") {
      if (second == "class") words >> second;
      std::erase_if(second, [](char character) { return !in_name(character); });
      found[second] = "";
      continue;
    }
    const std::size_t mark = line.find_first_of("=({[;");
    if (mark == std::string::npos) continue;
    const std::string name = last_name(std::string_view(line).substr(0, mark));
    if (name.empty()) continue;
    const bool function = line[mark] == '(';
    found[function ? name + "(" + parameter_types(std::string_view(source).substr(end - line.size() + mark + 1)) + ")"
                   : name] = "";
  }
  return found;
}

TEST(UnitedFiles, DefineEachNameOnce) {
  const fs::path root = testing_support::source_directory();
  for (const char* floor :
       {"base", "tensor", "comm", "data", "model", "runtime", "launch", "tests/base", "tests/tensor", "tests/comm",
        "tests/data", "tests/model", "tests/runtime", "tests/system", "tests/gpu"}) {
    std::map<std::string, std::pair<fs::path, std::string>> definitions;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / floor)) {
      const fs::path place = entry.path().lexically_relative(root);
      if (place.extension() != ".cpp" || place.string().find("cuda") != std::string::npos) continue;
      std::ifstream file(entry.path());
      const std::string source{std::istreambuf_iterator<char>(file), {}};
      if (source.find("#define HWY_TARGET_INCLUDE") != std::string::npos) continue;  // compiled alone
      for (const auto& [name, meaning] : unnamed_definitions(source)) {
        const auto [other, is_new] = definitions.try_emplace(name, place, meaning);
        EXPECT_TRUE(is_new || (!meaning.empty() && meaning == other->second.second))
            << place.string() << " and " << other->second.first.string() << " both define " << name
            << " in an unnamed namespace: share it, or give each a name that tells what it is";
      }
    }
    EXPECT_FALSE(definitions.empty()) << floor;
  }
}

TEST(UnitedFiles, DefinitionsAreSeen) {
  const auto found = unnamed_definitions(
      "int outside(int a) {\n}\nnamespace {\n\nusing Bytes = std::span<int>;\nconstexpr int kMost = f(4);\n"
      "int sum(const std::map<int, int>& a,\n        int b = 3) {\n  int local = 0;\n}\ntemplate <typename T>\n"
      "void none() {}\nenum class Kind { a };\nclass Reader final : public Base {\n};\n"
      "[[noreturn]] void fail(int a) {\n}\n[[nodiscard]] [[gnu::noinline]]\nint seven() {\n}\n"
      "std::map<int, int> table{{1, 2}};\nconst char* text = R\"(\nkey = 1;\n)\";\n}  // namespace\nint after = 1;\n");
  const std::map<std::string, std::string> expected{{"Bytes", " = std::span<int>;"},
                                                    {"Kind", ""},
                                                    {"Reader", ""},
                                                    {"fail(int,)", ""},
                                                    {"seven(,)", ""},
                                                    {"kMost", ""},
                                                    {"none(,)", ""},
                                                    {"table", ""},
                                                    {"text", ""},
                                                    {"sum(conststd::map<int,int>&,int,)", ""}};
  EXPECT_EQ(found, expected);
  EXPECT_EQ(unnamed_definitions("namespace {\nint f(long other) {"),
            unnamed_definitions("namespace {\nint f(long a) {"));
}

}  // namespace
}  // namespace temper
