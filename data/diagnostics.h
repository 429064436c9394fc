// What would spoil a fine-tune without an error: classes that hardly occur, the same text in training and test data,
// texts that are cut, tokens that the network never saw.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

/// duplicates: rows of `train` whose text occurs before; conflicting_labels: texts that occur with different labels;
/// empty_text: rows whose text is empty or blank.
std::vector<Finding> diagnose_texts(const Table& train, const ColumnChoice& columns);

/// leakage: rows of `held_out` whose text occurs in `train`. `role` names it: "validation" or "test".
std::vector<Finding> diagnose_overlap(const Table& train, const Table& held_out, std::string_view role,
                                      const ColumnChoice& columns);

/// labels_alike: names that a person would take for the same (look_alikes.h); labels_joined: names of several labels
/// with another separator than '|' between them; one_label: words of which all have the same label.
std::vector<Finding> diagnose_label_names(const LabelSet& labels, LabelKind kind);

/// class_imbalance: the most frequent class has ten times as many rows as the least frequent, or more; unused_label: a
/// label that no row has. Of single and multiple labels and of words' classes.
std::vector<Finding> diagnose_labels(const TokenStore& train, const LabelSet& labels);
/// The same of counts: how often each label occurs.
std::vector<Finding> diagnose_label_counts(std::span<const std::int64_t> counts, const LabelSet& labels);

/// truncated: rows that fill the length limit, which almost always means that they were cut; unknown_tokens: the share
/// of tokens that stand for what the vocabulary lacks.
std::vector<Finding> diagnose_tokens(const TokenStore& train, const Tokenizer& tokenizer, std::size_t max_length);

}  // namespace temper
