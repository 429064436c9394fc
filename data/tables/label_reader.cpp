#include "data/tables/label_reader.h"

#include <algorithm>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "data/tables/printed_list.h"

namespace temper {
namespace {

/// What the arrays of a column may be, by one row of it.
struct ArrayForm {
  std::size_t length = 0;  ///< 0: no array of numbers from 0 to 1
  bool fractions = false;
  bool repeats = false;  ///< names of labels would not
};

ArrayForm form_of(const std::string& text) {
  const std::optional<PrintedList> list = parse_printed_list(text);
  if (!list || list->elements.size() < 2) return {};
  ArrayForm form{list->elements.size(), false, false};
  bool seen[2] = {false, false};
  for (const std::optional<std::string>& element : list->elements) {
    const std::optional<bool> indicator = element ? parse_indicator(*element) : std::nullopt;
    const std::optional<double> number = element ? parse_number(*element) : std::nullopt;
    if (!indicator && (!number || *number < 0.0 || *number > 1.0)) return {};
    form.fractions = form.fractions || !indicator;
    if (indicator) form.repeats = std::exchange(seen[*indicator ? 1 : 0], true) || form.repeats;
  }
  return form;
}

}  // namespace

LabelReader::LabelReader(const Table& table, const ColumnChoice& columns, LabelKind kind)
    : kind_(kind),
      column_names_(columns.indicators.empty() ? std::vector<std::string>{columns.label} : columns.indicators),
      column_per_label_(!columns.indicators.empty()) {
  const bool of_classes = kind == LabelKind::single_class || kind == LabelKind::multi_label;
  if (column_per_label_ && !of_classes)
    throw Error("{}: data.label lists columns ({}), one per label; this task takes one column with the label",
                table.path.string(), name_list(column_names_));
  for (const std::string& name : column_names_) columns_.push_back(column_index(table, name));
  described_ = plural(columns_.size(), "column") + " " + name_list(column_names_);
  if (column_per_label_) {
    indicators_ = columns_.size();
  } else if (of_classes) {
    find_form(table);
  }
}

void LabelReader::find_form(const Table& table) {
  std::size_t length = 0;
  std::size_t certain = table.rows.size();  // a row that can be nothing but indicators
  std::optional<std::size_t> other;         // a row that has none
  std::optional<std::size_t> fractions;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const ArrayForm form = form_of(table.rows[row][columns_.front()]);
    if (length == 0) length = form.length;
    if (form.length == 0 || form.length != length) {
      if (!other) other = row;
    } else if (form.fractions) {
      if (!fractions) fractions = row;
    } else if (form.repeats && certain == table.rows.size()) {
      certain = row;
    }
    if (other && certain < table.rows.size()) break;
  }
  if (other) {
    if (certain == table.rows.size()) return;
    throw Error("{}: found {} in {}, expected {} numbers 0 or 1, one per label, as in {}", place_of(table, *other),
                quoted_name(table.rows[*other][columns_.front()]), described_, length, place_of(table, certain));
  }
  if (length == 0) return;
  if (fractions)
    throw Error(
        "{}: found {} in {}, expected names of labels, or 0 and 1 for each of them; shares of labels cannot be "
        "trained on",
        place_of(table, *fractions), quoted_name(table.rows[*fractions][columns_.front()]), described_);
  indicators_ = length;
}

void LabelReader::require_label(const std::string& label) const {
  if (is_blank(label)) throw Error("the label in {} is empty; give the row a label or take it out", described_);
}

std::vector<std::string> LabelReader::names(const std::vector<std::string>& row) const {
  const std::string& text = row[columns_.front()];
  std::vector<std::string> names;
  if (kind_ == LabelKind::token_class) {
    for (std::optional<std::string>& label : word_labels(row))
      if (label) names.push_back(*std::move(label));
    return names;
  }
  if (kind_ == LabelKind::multi_label) {
    names = split_labels(text);
  } else {
    // Of one class only what is clearly a list is one: "[0, 18]" may be the name of a class.
    const std::optional<PrintedList> list = parse_printed_list(text);
    if (list && list->elements.size() == 1 && (list->all_quoted || list->square_brackets)) {
      names.push_back(list->elements.front().value_or(""));
    } else if (list && list->all_quoted) {
      throw Error("{} in {} is a list of {}, expected one; model.task = \"multi-label\" takes several",
                  quoted_name(text), described_, counted(list->elements.size(), "label"));
    } else {
      names.push_back(text);
    }
    if (is_ignore_index(names.front()))
      throw Error("the label in {} is {}, which stands for no label; give the row a label or take it out", described_,
                  names.front());
  }
  for (const std::string& name : names) require_label(name);
  return names;
}

std::vector<std::optional<std::string>> LabelReader::word_labels(const std::vector<std::string>& row) const {
  std::vector<std::optional<std::string>> labels = split_word_labels(row[columns_.front()]);
  for (const std::optional<std::string>& label : labels)
    if (label) require_label(*label);
  return labels;
}

std::vector<bool> LabelReader::marks(const std::vector<std::string>& row) const {
  std::vector<bool> marks;
  const auto add = [&](const std::string& text, const std::string& where) {
    const std::optional<bool> mark = parse_indicator(text);
    if (!mark) throw Error("found {} in {}, expected 0 or 1", quoted_name(text), where);
    marks.push_back(*mark);
  };
  if (column_per_label_) {
    for (std::size_t i = 0; i < columns_.size(); ++i) add(row[columns_[i]], "column " + quoted_name(column_names_[i]));
  } else {
    const std::optional<PrintedList> list = parse_printed_list(row[columns_.front()]);
    if (list)
      for (const std::optional<std::string>& element : list->elements) add(element.value_or(""), described_);
  }
  if (marks.size() != indicators_)
    throw Error("{} holds {}, expected {}, one per label", described_, counted(marks.size(), "number"), indicators_);
  const auto ones = std::count(marks.begin(), marks.end(), true);
  if (kind_ == LabelKind::single_class && ones != 1)
    throw Error("{} of the labels in {} {} 1, expected exactly one; model.task = \"multi-label\" takes any number",
                ones, described_, plural(ones, "is", "are"));
  return marks;
}

std::vector<std::string> LabelReader::numbers(const std::vector<std::string>& row) const {
  const std::string& text = row[columns_.front()];
  const std::optional<PrintedList> list = parse_printed_list(text);
  return list || text.find('|') != std::string::npos ? split_labels(text) : std::vector<std::string>{text};
}

}  // namespace temper
