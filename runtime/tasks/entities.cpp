#include "runtime/tasks/entities.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::string_view kPrefixes = "BIES";
/// What seqeval calls the type of a label that is a prefix alone, and of O.
constexpr std::string_view kBareType = "_";

bool has_prefix(std::string_view name) { return name.starts_with("B-") || name.starts_with("I-"); }

bool is_bare(std::string_view name) {
  return name.size() == 1 && (name == "O" || kPrefixes.find(name.front()) != std::string_view::npos);
}

/// Bytes of the character that a UTF-8 text begins with.
std::size_t first_character(std::string_view text) {
  std::size_t bytes = text.empty() ? 0 : 1;
  while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) ++bytes;
  return bytes;
}

/// Without the first character and up to the first '-' behind it; all of that where there is none.
std::string type_of(std::string_view name) {
  std::string_view rest = name.substr(first_character(name));
  if (const std::size_t dash = rest.find('-'); dash != std::string_view::npos) rest.remove_prefix(dash + 1);
  return std::string(rest.empty() ? kBareType : rest);
}

struct PrecisionRecallF1 {
  double precision;
  double recall;
  double f1;
};

PrecisionRecallF1 scores(std::int64_t right, std::int64_t predicted, std::int64_t true_ones) {
  const auto ratio = [](std::int64_t numerator, std::int64_t denominator) {
    return denominator == 0 ? 0.0 : static_cast<double>(numerator) / static_cast<double>(denominator);
  };
  return {ratio(right, predicted), ratio(right, true_ones), ratio(2 * right, predicted + true_ones)};
}

}  // namespace

EntityLabels::EntityLabels(const std::vector<std::string>& names) {
  const bool all_bare = std::all_of(names.begin(), names.end(), is_bare);
  have_prefixes_ = std::any_of(names.begin(), names.end(), has_prefix) ||
                   (all_bare && std::any_of(names.begin(), names.end(), [](const auto& name) { return name != "O"; }));
  std::vector<std::string> type_names;
  for (const std::string& name : names) type_names.push_back(have_prefixes_ ? type_of(name) : name);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] != "O") types_.push_back(type_names[i]);
  std::sort(types_.begin(), types_.end());
  types_.erase(std::unique(types_.begin(), types_.end()), types_.end());
  const auto place_of = [&](std::string_view type) {
    const auto found = std::find(types_.begin(), types_.end(), type);
    return static_cast<std::size_t>(found - types_.begin());
  };
  outside_type_ = have_prefixes_ ? place_of(kBareType) : types_.size();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const char first = names[i].empty() ? 'O' : names[i].front();
    const char tag = static_cast<unsigned char>(first) < 0x80 ? first : '?';
    labels_.push_back(names[i] == "O" ? Label{'O', outside_type_} : Label{tag, place_of(type_names[i])});
  }
}

EntityLabels::Label EntityLabels::label(std::int32_t id) const {
  return id < 0 ? Label{'O', outside_type_} : labels_.at(static_cast<std::size_t>(id));
}

std::vector<EntitySpan> EntityLabels::find(std::span<const std::int32_t> labels) const {
  std::vector<EntitySpan> found;
  const auto words = static_cast<std::int64_t>(labels.size());
  Label before{'O', outside_type_};
  std::int64_t begin = 0;
  // One word further, since an O behind the last closes what is open there.
  for (std::int64_t i = 0; i <= words; ++i) {
    const Label here = label(i < words ? labels[static_cast<std::size_t>(i)] : -1);
    const bool other_type = before.type != here.type;
    if (!have_prefixes_) {
      if (other_type && before.type != outside_type_) found.push_back({before.type, begin, i});
      if (other_type) begin = i;
      before = here;
      continue;
    }
    // A tag that is none of B, I, E, S and O is inside an entity too (conlleval.pl; seqeval's end_of_chunk).
    const bool was_outside = before.tag == 'O' || before.tag == '.';
    const bool was_last = before.tag == 'E' || before.tag == 'S';
    const bool was_inside = before.tag == 'B' || before.tag == 'I';
    const bool cut = here.tag == 'B' || here.tag == 'S' || here.tag == 'O';
    if (was_last || (was_inside && cut) || (!was_outside && other_type)) found.push_back({before.type, begin, i});
    const bool is_first = here.tag == 'B' || here.tag == 'S';
    const bool goes_on = here.tag == 'E' || here.tag == 'I';
    const bool is_outside = here.tag == 'O' || here.tag == '.';
    if (is_first || (goes_on && (was_last || before.tag == 'O')) || (!is_outside && other_type)) begin = i;
    before = here;
  }
  return found;
}

std::optional<EntityLabels> entity_labels(LabelKind kind, const std::vector<std::string>& names) {
  if (kind != LabelKind::token_class) return std::nullopt;
  EntityLabels labels(names);
  return labels.have_prefixes() ? std::optional(std::move(labels)) : std::nullopt;
}

void EntityCounts::resize(std::size_t types) {
  for (auto* counts : {&right, &predicted, &true_ones}) counts->assign(types, 0);
}

void EntityCounts::add(const EntityLabels& labels, std::span<const std::int32_t> truths,
                       std::span<const std::int32_t> predictions) {
  const std::vector<EntitySpan> expected = labels.find(truths);
  const std::vector<EntitySpan> found = labels.find(predictions);
  for (const EntitySpan& entity : expected) ++true_ones.at(entity.type);
  for (const EntitySpan& entity : found) {
    ++predicted.at(entity.type);
    if (std::find(expected.begin(), expected.end(), entity) != expected.end()) ++right[entity.type];
  }
}

std::vector<std::int64_t> EntityCounts::flat() const {
  std::vector<std::int64_t> all;
  for (const auto* counts : {&right, &predicted, &true_ones}) all.insert(all.end(), counts->begin(), counts->end());
  return all;
}

void EntityCounts::set_flat(std::span<const std::int64_t> counts) {
  const std::size_t types = right.size();
  if (counts.size() != 3 * types)
    throw Error("reduced counts of entities: found {} numbers, expected {}", counts.size(), 3 * types);
  for (auto* part : {&right, &predicted, &true_ones}) {
    part->assign(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(types));
    counts = counts.subspan(types);
  }
}

std::vector<std::string> entity_metric_names() { return {"entity_f1", "entity_precision", "entity_recall"}; }

Metrics with_entities(Metrics metrics, const EntityLabels& labels, const EntityCounts& counts) {
  const PrecisionRecallF1 all = scores(sum_of(counts.right), sum_of(counts.predicted), sum_of(counts.true_ones));
  const std::vector<std::string> names = entity_metric_names();
  const std::vector<std::pair<std::string, double>> values{
      {names[0], all.f1}, {names[1], all.precision}, {names[2], all.recall}};
  metrics.values.insert(metrics.values.begin() + (metrics.values.empty() ? 0 : 1), values.begin(), values.end());
  for (std::size_t type = 0; type < labels.types().size(); ++type) {
    const std::int64_t support = counts.true_ones[type];
    if (support == 0 && counts.predicted[type] == 0) continue;
    const PrecisionRecallF1 own = scores(counts.right[type], counts.predicted[type], support);
    metrics.entities.push_back({labels.types()[type], own.precision, own.recall, own.f1, support});
  }
  return metrics;
}

}  // namespace temper
