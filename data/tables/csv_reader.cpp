#include "data/tables/csv_reader.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

/// Takes records off a text from its begin to its end.
class RecordReader {
 public:
  RecordReader(std::string_view text, const std::filesystem::path& name, char separator)
      : text_(text), name_(name), separator_(separator) {}

  /// The next record that is not an empty line; false at the end of the text.
  bool next(std::vector<std::string>& fields) {
    while (skip_line_end()) {
    }
    if (position_ == text_.size()) return false;
    first_line_ = line_;
    fields.clear();
    do {
      fields.push_back(at('"') ? quoted_field() : plain_field());
    } while (skip_separator());
    if (position_ < text_.size() && !skip_line_end())
      throw Error("{}, line {}: field {} goes on behind its closing quote; write a quote inside a field twice (\"\")",
                  name_.string(), line_, fields.size());
    return true;
  }

  /// Line where the last record began.
  [[nodiscard]] std::size_t first_line() const { return first_line_; }
  [[nodiscard]] std::size_t position() const { return position_; }

 private:
  [[nodiscard]] bool at(char c) const { return position_ < text_.size() && text_[position_] == c; }

  bool skip_separator() {
    if (!at(separator_)) return false;
    ++position_;
    return true;
  }

  /// Skips LF or CRLF, or a CR at the very end.
  bool skip_line_end() {
    const std::string_view rest = text_.substr(position_, 2);
    std::size_t length = 0;
    if (rest.starts_with('\n')) length = 1;
    if (rest == "\r\n") length = 2;
    if (rest == "\r") length = 1;
    position_ += length;
    if (length > 0) ++line_;
    return length > 0;
  }

  std::string plain_field() {
    const char stops[] = {separator_, '\n'};
    std::size_t end = std::min(text_.find_first_of(std::string_view(stops, 2), position_), text_.size());
    const bool at_line_end = end == text_.size() || text_[end] == '\n';
    if (at_line_end && end > position_ && text_[end - 1] == '\r') --end;
    std::string field(text_.substr(position_, end - position_));
    position_ = end;
    return field;
  }

  std::string quoted_field() {
    const std::size_t opened = line_;
    std::string field;
    ++position_;
    while (true) {
      const std::size_t quote = text_.find('"', position_);
      if (quote == std::string_view::npos)
        throw Error("{}, line {}: a quote is opened and never closed; close it, or write a quote inside a field twice",
                    name_.string(), opened);
      const std::string_view part = text_.substr(position_, quote - position_);
      line_ += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
      field += part;
      position_ = quote + 1;
      if (!at('"')) return field;
      field += '"';
      ++position_;
    }
  }

  std::string_view text_;
  std::filesystem::path name_;
  char separator_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
  std::size_t first_line_ = 1;
};

/// Two columns of one name are no fault until one of them is asked for.
void mark_columns_of_one_name(Table& table) {
  std::vector<std::string> sorted = table.columns;
  std::sort(sorted.begin(), sorted.end());
  for (auto twice = sorted.begin(); (twice = std::adjacent_find(twice, sorted.end())) != sorted.end(); ++twice)
    table.unusable.emplace(*twice,
                           fmt::format("{}: two columns are named \"{}\"; a column that is used needs a name of "
                                       "its own",
                                       table.path.string(), *twice));
}

/// A file of one column whose name holds other separators was most likely written with those.
void require_separator(const std::vector<std::string>& columns, const std::filesystem::path& name, char separator) {
  struct Separator {
    char character;
    const char* name;
  };
  constexpr std::array<Separator, 4> kSeparators = {{{',', "comma"}, {'\t', "tab"}, {';', "semicolon"}, {'|', "bar"}}};
  if (columns.size() != 1) return;
  const auto named = [&](char character) {
    return std::find_if(kSeparators.begin(), kSeparators.end(),
                        [&](const Separator& one) { return one.character == character; });
  };
  for (const Separator& other : kSeparators) {
    if (other.character == separator || columns.front().find(other.character) == std::string::npos) continue;
    const std::string remedy = other.character == '\t' ? "rename it to .tsv"
                               : other.character == ','
                                   ? "rename it to .csv"
                                   : fmt::format(
                                         "convert it (python3 -c \"import pandas; pandas.read_csv('{}', "
                                         "sep='{}').to_csv('new.csv', index=False)\")",
                                         name.string(), other.character);
    throw Error("{}: the separator in its first row is the {}, expected the {} (its only column would be \"{}\"); {}",
                name.string(), other.name, named(separator)->name, columns.front(), remedy);
  }
}

class CsvReader final : public RowReader {
 public:
  CsvReader(std::string_view text, const std::filesystem::path& name, char separator)
      : RowReader(name), records_(without_byte_order_mark(text), name, separator) {
    require_line_feeds(text, name);
    if (!records_.next(head_.columns))
      throw Error("{}: the file is empty, expected a first row that names the columns", name.string());
    require_separator(head_.columns, name, separator);
    mark_columns_of_one_name(head_);
  }

  bool next(std::vector<std::string>& fields) override {
    if (!records_.next(fields)) {
      if (line_ == 0)
        throw Error("{}: has a first row that names the columns but no row of data below it", head_.path.string());
      return false;
    }
    line_ = records_.first_line();
    if (fields.size() != head_.columns.size())
      throw Error("{}, line {}: the row has {} field{}, expected {} as in the first row{}", head_.path.string(), line_,
                  fields.size(), fields.size() == 1 ? "" : "s", head_.columns.size(),
                  fields.size() > head_.columns.size() ? "; put a field that holds the separator into quotes" : "");
    return true;
  }

  [[nodiscard]] std::size_t taken() const override { return records_.position(); }

 private:
  RecordReader records_;
};

}  // namespace

std::unique_ptr<RowReader> csv_rows(std::string_view text, const std::filesystem::path& name) {
  return std::make_unique<CsvReader>(text, name, ',');
}
std::unique_ptr<RowReader> tsv_rows(std::string_view text, const std::filesystem::path& name) {
  return std::make_unique<CsvReader>(text, name, '\t');
}

}  // namespace temper
