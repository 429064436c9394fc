// What the labels of a table's rows become: classes or targets, as batches carry them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/tables/label_reader.h"
#include "data/tables/labels.h"
#include "data/tables/table.h"

namespace temper {

/// What its functions throw of a row says what is wrong with it, but not where it stands.
class RowLabels {
 public:
  /// Of rows with one label, a set of labels, or numbers, one after the other; of words only class_of. `reader`: has
  /// looked at all rows of the table; it and `labels` must outlive this. Throws Error where rows have 0 or 1 for
  /// another number of labels than there are.
  RowLabels(const Table& table, const ColumnChoice& columns, const LabelReader& reader, const LabelSet& labels,
            LabelKind kind);

  /// Numbers of a row as targets; 0: it has a class, or none at all.
  [[nodiscard]] std::int32_t target_width() const { return target_width_; }
  /// Puts a row's class behind `classes`, or its [target_width()] numbers behind `targets`. Throws Error for a label
  /// that is not known, for what is no finite number, and as LabelReader does.
  void append(const std::vector<std::string>& row, std::vector<std::int32_t>& classes,
              std::vector<float>& targets) const;
  /// Throws Error, with the nearest name, for one that is not known.
  [[nodiscard]] std::int32_t class_of(const std::string& label) const;

 private:
  [[nodiscard]] std::int32_t row_class(const std::vector<std::string>& row) const;
  void append_label_set(const std::vector<std::string>& row, std::vector<float>& targets) const;
  void append_numbers(const std::vector<std::string>& row, std::vector<float>& targets) const;

  const LabelReader& reader_;
  const LabelSet& labels_;
  LabelKind kind_;
  std::int32_t target_width_ = 0;
  std::vector<std::size_t> ids_of_indicators_;  ///< empty: rows name their labels
};

}  // namespace temper
