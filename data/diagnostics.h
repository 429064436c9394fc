// Problems that spoil a fine-tune without an error: rare classes, the same text in training and test data, truncated
// texts, tokens that the network has never seen.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/spool.h"
#include "data/tables/labels.h"
#include "data/tables/table.h"
#include "data/token_store.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

enum class Severity { note, warning };

struct Finding {
  Severity severity = Severity::note;
  std::string name;      ///< one word for programs, such as "class_imbalance"
  std::string sentence;  ///< for the user: what was found, where, and what to do
  double value = 0.0;    ///< the ratio, share or count that the sentence tells
};

/// What is noted of the texts of a table, whose chunks it is shown one after the other: digests of 64 bits, which are
/// enough to count by.
class TextNotes {
 public:
  /// `head`: of the table. Throws Error for a missing column.
  TextNotes(const Table& head, const ColumnChoice& columns);
  void look_at(const Table& chunk);

  /// What identifies the text of a row, or the pair of its texts; and its label as it is written. Of rows without
  /// labels, all the same.
  struct Note {
    std::uint64_t text = 0;
    std::uint64_t label = 0;
    friend auto operator<=>(const Note&, const Note&) = default;
  };
  /// Calls `use` with all notes, sorted, a part after the other; equal texts are in one part. `more`: those of another
  /// table are cut at the same places, and come along.
  void for_each_part(const TextNotes* more,
                     const std::function<void(std::span<const Note> notes, std::span<const Note> others)>& use) const;

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t blank() const { return blank_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& text_column() const { return text_column_; }

 private:
  /// Those whose text falls into part `part` of `parts`, sorted.
  [[nodiscard]] std::vector<Note> part_of(std::uint64_t part, std::uint64_t parts) const;

  std::string file_;
  std::string text_column_;
  std::size_t text_;
  std::optional<std::size_t> pair_;
  std::vector<std::size_t> labels_;
  std::int64_t rows_ = 0;
  std::int64_t blank_ = 0;
  Spool notes_;
};

/// duplicates: rows of `train` whose text occurs before; conflicting_labels: texts that occur with different labels;
/// empty_text: rows whose text is empty or blank.
std::vector<Finding> diagnose_texts(const TextNotes& train);

/// leakage: rows of `held_out` whose text occurs in `train`. `role` names it: "validation" or "test".
std::vector<Finding> diagnose_overlap(const TextNotes& train, const TextNotes& held_out, std::string_view role);

/// labels_alike: names that a person would take for the same (look_alikes.h); labels_joined: names of several labels
/// with another separator than '|' between them; one_label: words of which all have the same label.
std::vector<Finding> diagnose_label_names(const LabelSet& labels, LabelKind kind);

/// What may be done about rare labels.
enum class RareLabelAdvice : std::uint8_t {
  class_weights,  ///< of one class each: weigh them, and judge by a figure that rare ones count in
  judge_classes,  ///< of one class each that are weighted already
  judge_labels,   ///< of several labels, whose loss takes no weights
};

/// class_imbalance: the most frequent class has ten times as many rows as the least frequent, or more; unused_label: a
/// label that no row has. Of single and multiple labels and of words' classes.
std::vector<Finding> diagnose_labels(const TokenStore& train, const LabelSet& labels, RareLabelAdvice advice);
/// The same of counts: how often each label occurs.
std::vector<Finding> diagnose_label_counts(std::span<const std::int64_t> counts, const LabelSet& labels,
                                           RareLabelAdvice advice);

/// truncated: rows that fill the length limit, which almost always means that they were cut; unknown_tokens: the share
/// of tokens that stand for what the vocabulary lacks.
std::vector<Finding> diagnose_tokens(const TokenStore& train, const Tokenizer& tokenizer, std::size_t max_length);

}  // namespace temper
