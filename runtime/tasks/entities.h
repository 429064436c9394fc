// Entities in a row of labelled words: from labels such as B-PER and I-PER to spans, and from spans to counts that
// ranks can add. A row is read as seqeval reads it in its default mode, which follows conlleval: IOB1, IOB2, IOE and
// IOBES alike, and what fits none of them (an I- after O, a change of type inside) begins an entity of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/tables/label_values.h"
#include "runtime/tasks/metrics.h"

namespace temper {

/// Words [begin, end) of a row.
struct EntitySpan {
  std::size_t type = 0;  ///< of EntityLabels::types()
  std::int64_t begin = 0;
  std::int64_t end = 0;

  friend bool operator==(const EntitySpan&, const EntitySpan&) = default;
};

/// What the label names of a model say of entities.
class EntityLabels {
 public:
  explicit EntityLabels(const std::vector<std::string>& names);

  /// Whether the names follow a scheme: one begins with B- or I-, or all are O and bare B, I, E, S.
  [[nodiscard]] bool have_prefixes() const { return have_prefixes_; }
  /// What stands behind the prefix, sorted; "_" of a bare prefix. Without prefixes every name but O is a type.
  [[nodiscard]] const std::vector<std::string>& types() const { return types_; }
  /// The entities of a row, in order. `labels`: ids, one per word; a negative id stands for O. Where the names have no
  /// prefixes, each run of equal labels other than O is one.
  [[nodiscard]] std::vector<EntitySpan> find(std::span<const std::int32_t> labels) const;

 private:
  /// Tag: the first character of the name, 'O' for what is outside, '?' for a character that is no ASCII.
  struct Label {
    char tag = 'O';
    std::size_t type = 0;
  };
  [[nodiscard]] Label label(std::int32_t id) const;

  bool have_prefixes_ = false;
  std::size_t outside_type_ = 0;  ///< of a bare O; one beyond types() where no name has it
  std::vector<std::string> types_;
  std::vector<Label> labels_;
};

/// Of label names where they name entities: those of words whose names have prefixes.
std::optional<EntityLabels> entity_labels(LabelKind kind, const std::vector<std::string>& names);

/// Entities by type. Right is an entity of which type, begin and end are predicted.
struct EntityCounts {
  std::vector<std::int64_t> right;      ///< [types]
  std::vector<std::int64_t> predicted;  ///< [types]
  std::vector<std::int64_t> true_ones;  ///< [types]

  /// Sets the number of types and all counts to 0.
  void resize(std::size_t types);
  /// Counts one row: `truths` and `predictions` are ids, one per word that has a label.
  void add(const EntityLabels& labels, std::span<const std::int32_t> truths, std::span<const std::int32_t> predictions);
  /// The counts as one vector, the same length on every rank, for an all-reduce by sum.
  [[nodiscard]] std::vector<std::int64_t> flat() const;
  /// Throws Error unless there are as many as flat() gives.
  void set_flat(std::span<const std::int64_t> counts);
};

/// Names of the metrics that with_entities adds.
std::vector<std::string> entity_metric_names();

/// The metrics with entity_f1, entity_precision and entity_recall over all types (micro averages: seqeval's f1_score,
/// precision_score, recall_score) behind the loss, and with the scores of each type that occurs.
Metrics with_entities(Metrics metrics, const EntityLabels& labels, const EntityCounts& counts);

}  // namespace temper
