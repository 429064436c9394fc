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

LabelReader::LabelReader(const Table& head, const ColumnChoice& columns, LabelKind kind)
    : kind_(kind),
      column_names_(columns.indicators.empty() ? std::vector<std::string>{columns.label} : columns.indicators),
      column_per_label_(!columns.indicators.empty()) {
  const bool of_classes = kind == LabelKind::single_class || kind == LabelKind::multi_label;
  if (column_per_label_ && !of_classes)
    throw Error("{}: data.label lists columns ({}), one per label; this task takes one column with the label",
                head.path.string(), name_list(column_names_));
  for (const std::string& name : column_names_) columns_.push_back(column_index(head, name));
  described_ = plural(columns_.size(), "column") + " " + name_list(column_names_);
  may_have_arrays_ = of_classes && !column_per_label_;
}

void LabelReader::look_at(const Table& chunk) {
  if (!may_have_arrays_) return;
  for (std::size_t row = 0; row < chunk.rows.size(); ++row) {
    if (other_ && certain_) return;
    const std::string& text = chunk.rows[row][columns_.front()];
    const ArrayForm form = form_of(text);
    if (array_length_ == 0) array_length_ = form.length;
    const auto note = [&](std::optional<Witness>& witness) {
      if (!witness) witness = {place_of(chunk, row), text};
    };
    if (form.length == 0 || form.length != array_length_)
      note(other_);
    else if (form.fractions)
      note(fractions_);
    else if (form.repeats)
      note(certain_);
  }
}

std::size_t LabelReader::indicators() const {
  if (column_per_label_) return columns_.size();
  if (other_) {
    if (!certain_) return 0;
    throw Error("{}: found {} in {}, expected {} numbers 0 or 1, one per label, as in {}", other_->place,
                quoted_name(other_->text), described_, array_length_, certain_->place);
  }
  if (array_length_ != 0 && fractions_)
    throw Error(
        "{}: found {} in {}, expected names of labels, or 0 and 1 for each of them; shares of labels cannot be "
        "trained on",
        fractions_->place, quoted_name(fractions_->text), described_);
  return array_length_;
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
  const std::size_t expected = column_per_label_ ? columns_.size() : array_length_;
  if (marks.size() != expected)
    throw Error("{} holds {}, expected {}, one per label", described_, counted(marks.size(), "number"), expected);
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

LabelCollector::LabelCollector(const Table& head, const ColumnChoice& columns, LabelKind kind)
    : path_(head.path), columns_(columns), reader_(head, columns, kind) {}

void LabelCollector::look_at(const Table& chunk) {
  if (!columns_.indicators.empty()) return;
  reader_.look_at(chunk);
  for (std::size_t row = 0; row < chunk.rows.size() && first_error_.empty(); ++row) {
    try {
      for (std::string& name : reader_.names(chunk.rows[row])) found_.insert(std::move(name));
    } catch (const Error& error) {
      first_error_ = fmt::format("{}: {}", place_of(chunk, row), error.what());
    }
  }
}

LabelSet LabelCollector::labels() const {
  if (!columns_.indicators.empty()) return LabelSet::from_names(columns_.indicators);
  if (const std::size_t indicators = reader_.indicators(); indicators > 0)
    throw Error(
        "{}: {} holds arrays of 0 and 1, one place for each of {} labels, and nothing says which; name them in order "
        "with data.labels = [\"...\", ...], or write the names of each row's labels (a|b, or [\"a\", \"b\"])",
        path_.string(), reader_.described(), indicators);
  if (!first_error_.empty()) throw Error("{}", first_error_);
  if (found_.empty())
    throw Error("{}: no row has a label in {}; check data.label", path_.string(), reader_.described());
  std::vector<std::string> names(found_.begin(), found_.end());
  if (std::all_of(names.begin(), names.end(), [](const std::string& name) { return parse_number(name).has_value(); }))
    std::stable_sort(names.begin(), names.end(),
                     [](const std::string& a, const std::string& b) { return *parse_number(a) < *parse_number(b); });
  return LabelSet::from_names(std::move(names));
}

}  // namespace temper
