// The labels of a table's rows, in whichever form they are written: names, arrays of 0 and 1, or one column per label.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "data/tables/label_values.h"
#include "data/tables/table.h"

namespace temper {

/// What its functions throw says what is wrong with a row but not where it stands. The table must outlive it.
///
/// Arrays are taken for indicators of labels if every row has one of the same length, at least 2, of 0 and 1 alone.
class LabelReader {
 public:
  /// Throws Error for a missing column; for rows of which some have indicators and others not, or of another length,
  /// with the line; for arrays of fractions; and for one column per label where the kind is neither one nor several
  /// classes.
  LabelReader(const Table& table, const ColumnChoice& columns, LabelKind kind);

  /// Labels that a row has an indicator for; 0 where rows name their labels.
  [[nodiscard]] std::size_t indicators() const { return indicators_; }
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
  void find_form(const Table& table);
  void require_label(const std::string& label) const;

  LabelKind kind_;
  std::vector<std::size_t> columns_;
  std::vector<std::string> column_names_;
  bool column_per_label_;
  std::size_t indicators_ = 0;
  std::string described_;
};

}  // namespace temper
