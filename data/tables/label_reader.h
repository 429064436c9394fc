// The labels of a table's rows, in whichever form they are written: names, arrays of 0 and 1, or one column per label.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/tables/label_values.h"
#include "data/tables/labels.h"
#include "data/tables/table.h"

namespace temper {

/// What the functions that take a row throw says what is wrong with it but not where it stands.
///
/// Arrays are taken for indicators of labels if every row has one of the same length, at least 2, of 0 and 1 alone. So
/// all rows are looked at before marks() reads the first; the other functions need none of it.
class LabelReader {
 public:
  /// `head`: of the table, whose rows do not count. Throws Error for a missing column, and for one column per label
  /// where the kind is neither one nor several classes.
  LabelReader(const Table& head, const ColumnChoice& columns, LabelKind kind);

  /// Looks at rows of the table, a chunk behind the other.
  void look_at(const Table& chunk);
  /// Labels that a row has an indicator for; 0 where rows name their labels. Throws Error, with the line, for rows of
  /// which some have indicators and others not, or of another length; and for arrays of fractions.
  [[nodiscard]] std::size_t indicators() const;
  /// "column "label"", for messages.
  [[nodiscard]] const std::string& described() const { return described_; }

  /// Names of a row's label, labels or words' labels; words without one are left out. Throws Error for an empty one,
  /// for several of a single class, and as the functions of label_values.h do.
  [[nodiscard]] std::vector<std::string> names(const std::vector<std::string>& row) const;
  /// The label of each word of a row (split_word_labels), none of them empty.
  [[nodiscard]] std::vector<std::optional<std::string>> word_labels(const std::vector<std::string>& row) const;
  /// [indicators()] whether the row has each label; exactly one of a single class. Throws Error for other values.
  [[nodiscard]] std::vector<bool> marks(const std::vector<std::string>& row) const;
  /// The number, or numbers, of a regression as text.
  [[nodiscard]] std::vector<std::string> numbers(const std::vector<std::string>& row) const;

 private:
  /// A row that says what the arrays of all are.
  struct Witness {
    std::string place;
    std::string text;
  };

  void require_label(const std::string& label) const;

  LabelKind kind_;
  std::vector<std::size_t> columns_;
  std::vector<std::string> column_names_;
  bool column_per_label_;
  bool may_have_arrays_;
  std::size_t array_length_ = 0;      ///< of the first row that has an array; 0: none has
  std::optional<Witness> certain_;    ///< a row that can be nothing but indicators
  std::optional<Witness> other_;      ///< a row that has none
  std::optional<Witness> fractions_;  ///< a row that has shares of labels
  std::string described_;
};

/// Collects the labels that occur in the rows of a table.
class LabelCollector {
 public:
  /// Throws Error as the constructor of LabelReader.
  LabelCollector(const Table& head, const ColumnChoice& columns, LabelKind kind);
  void look_at(const Table& chunk);
  /// The labels of the rows that were looked at, sorted bytewise, or by value if all of them are numbers; of one column
  /// per label, these columns in their order. Throws Error as LabelReader::indicators; for arrays of 0 and 1, which
  /// name nothing; with its line, for a row of a single class without a label, and as LabelReader::names; and where no
  /// row has a label.
  [[nodiscard]] LabelSet labels() const;

 private:
  std::filesystem::path path_;
  ColumnChoice columns_;
  LabelReader reader_;
  std::set<std::string> found_;
  std::string first_error_;
};

}  // namespace temper
