#include "data/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/counted.h"
#include "base/digest.h"
#include "base/name_list.h"
#include "data/tables/blanks.h"
#include "data/tables/look_alikes.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

constexpr double kImbalance = 10.0;     // from here on a loss without class weights tends to ignore the rare class
constexpr double kManyTruncated = 0.1;  // share of rows
constexpr double kManyUnknown = 0.01;   // share of tokens

std::uint64_t digest(std::string_view text) { return xxh3(std::as_bytes(std::span(text))); }

/// What identifies the text of a row, or the pair of its texts: 64 bits are enough to count by.
class RowText {
 public:
  RowText(const Table& table, const ColumnChoice& columns) : table_(table), text_(column_index(table, columns.text)) {
    if (!columns.text_pair.empty()) pair_ = column_index(table, columns.text_pair);
  }
  [[nodiscard]] std::uint64_t identity(std::size_t row) const {
    const std::string& text = table_.rows[row][text_];
    if (!pair_) return digest(text);
    return digest(std::to_string(text.size()) + ":" + text + table_.rows[row][*pair_]);
  }
  [[nodiscard]] bool is_blank(std::size_t row) const { return temper::is_blank(table_.rows[row][text_]); }

 private:
  const Table& table_;
  std::size_t text_;
  std::optional<std::size_t> pair_;
};

/// What identifies the label of a row, as it is written; of rows without labels, all the same.
class RowLabel {
 public:
  RowLabel(const Table& table, const ColumnChoice& columns) : table_(table) {
    if (!columns.label.empty()) columns_.push_back(column_index(table, columns.label));
    for (const std::string& indicator : columns.indicators) columns_.push_back(column_index(table, indicator));
  }
  [[nodiscard]] std::uint64_t identity(std::size_t row) const {
    std::string label;
    for (const std::size_t column : columns_)
      label += std::to_string(table_.rows[row][column].size()) + ":" + table_.rows[row][column];
    return digest(label);
  }

 private:
  const Table& table_;
  std::vector<std::size_t> columns_;
};

/// The names, and where a reader could not see how they differ, the code points that do.
std::string listed_alike(const std::vector<std::string>& names) {
  const auto is_ascii = [](const std::string& name) {
    return std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  };
  const bool all_ascii = std::all_of(names.begin(), names.end(), is_ascii);
  std::size_t same = names.front().size();
  for (const std::string& name : names)
    same = std::min(
        same,
        static_cast<std::size_t>(
            std::mismatch(name.begin(), name.end(), names.front().begin(), names.front().end()).first - name.begin()));
  while (same > 0 && same < names.front().size() && (static_cast<unsigned char>(names.front()[same]) & 0xC0) == 0x80)
    --same;
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : " and ") + quoted_name(name);
    if (all_ascii) continue;
    std::string points;
    constexpr int kShown = 2;
    std::size_t at = std::min(same, name.size());
    for (int i = 0; i < kShown && at < name.size(); ++i) {
      const CodePoint c = decode_utf8(name.data() + at);
      points += fmt::format("{}U+{:04X}", i == 0 ? "" : " ", static_cast<std::uint32_t>(c.value));
      at += c.bytes;
    }
    list += fmt::format(" ({})", points.empty() ? "the end" : points);
  }
  return list;
}

/// What stands between commas, semicolons, slashes and tabs, without the blanks around it.
std::vector<std::string> parts_of(std::string_view name) {
  constexpr std::string_view kSeparators = ",;/\t";
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = name.find_first_of(kSeparators);
    parts.emplace_back(trimmed(name.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    name.remove_prefix(end + 1);
  }
}

/// Names that other separators cut into names: each part is a name itself, or a part of another name, too.
std::vector<std::string> names_of_several(const std::vector<std::string>& names) {
  std::map<std::string, int> occurrences;
  for (const std::string& name : names) {
    const std::vector<std::string> parts = parts_of(name);
    for (const std::string& part : std::set<std::string>(parts.begin(), parts.end())) ++occurrences[part];
  }
  std::vector<std::string> found;
  for (const std::string& name : names) {
    const std::vector<std::string> parts = parts_of(name);
    if (parts.size() > 1 && std::all_of(parts.begin(), parts.end(), [&](const std::string& part) {
          return !part.empty() && occurrences[part] > 1;
        }))
      found.push_back(name);
  }
  return found;
}

std::string percent(double share) { return fmt::format("{:.3g} %", 100.0 * share); }

/// How often each label occurs.
std::vector<std::int64_t> label_counts(const TokenStore& rows, std::size_t labels) {
  std::vector<std::int64_t> counts(labels);
  rows.scan(rows.classes(), [&](std::span<const std::int32_t> piece, std::size_t) {
    for (const std::int32_t label : piece)
      if (label >= 0 && std::cmp_less(label, labels)) ++counts[static_cast<std::size_t>(label)];
    return true;
  });
  if (!std::cmp_equal(rows.target_width(), labels)) return counts;
  rows.scan(rows.targets(), [&](std::span<const float> piece, std::size_t first) {
    for (std::size_t i = 0; i < piece.size(); ++i) counts[(first + i) % labels] += piece[i] > 0.5F ? 1 : 0;
    return true;
  });
  return counts;
}

}  // namespace

std::vector<Finding> diagnose_texts(const Table& train, const ColumnChoice& columns) {
  const RowText texts(train, columns);
  const RowLabel labels(train, columns);
  std::unordered_map<std::uint64_t, std::uint64_t> label_of;
  std::unordered_set<std::uint64_t> conflicting;
  std::int64_t duplicates = 0;
  std::int64_t blank = 0;
  for (std::size_t row = 0; row < train.rows.size(); ++row) {
    if (texts.is_blank(row)) ++blank;
    const std::uint64_t text = texts.identity(row);
    const std::uint64_t label = labels.identity(row);
    const auto [known, is_new] = label_of.emplace(text, label);
    if (is_new) continue;
    ++duplicates;
    if (known->second != label) conflicting.insert(text);
  }
  const std::string file = train.path.string();
  const auto rows = static_cast<double>(train.rows.size());
  std::vector<Finding> findings;
  if (duplicates > 0)
    findings.push_back({Severity::note, "duplicates",
                        fmt::format("{}: {} of {} {} the text of an earlier row", file, duplicates,
                                    counted(train.rows.size(), "row"), plural(duplicates, "repeats", "repeat")),
                        static_cast<double>(duplicates) / rows});
  if (!conflicting.empty())
    findings.push_back({Severity::warning, "conflicting_labels",
                        fmt::format("{}: {} {} with different labels; at most one can be learnt", file,
                                    counted(conflicting.size(), "text"), plural(conflicting.size(), "occurs", "occur")),
                        static_cast<double>(conflicting.size())});
  if (blank > 0)
    findings.push_back({Severity::warning, "empty_text",
                        fmt::format("{}: {} of {} {} an empty text in column \"{}\"", file, blank,
                                    counted(train.rows.size(), "row"), plural(blank, "has", "have"), columns.text),
                        static_cast<double>(blank) / rows});
  return findings;
}

std::vector<Finding> diagnose_overlap(const Table& train, const Table& held_out, std::string_view role,
                                      const ColumnChoice& columns) {
  std::unordered_set<std::uint64_t> known;
  const RowText train_texts(train, columns);
  for (std::size_t row = 0; row < train.rows.size(); ++row) known.insert(train_texts.identity(row));
  const RowText texts(held_out, columns);
  std::int64_t shared = 0;
  for (std::size_t row = 0; row < held_out.rows.size(); ++row) shared += known.contains(texts.identity(row)) ? 1 : 0;
  if (shared == 0) return {};
  return {{Severity::warning, "leakage",
           fmt::format("{}: {} of {} {} {} {} a text that is in the training data too; {} metrics will be too good",
                       held_out.path.string(), shared, held_out.rows.size(), role, plural(held_out.rows.size(), "row"),
                       plural(shared, "has", "have"), role),
           static_cast<double>(shared) / static_cast<double>(held_out.rows.size())}};
}

std::vector<Finding> diagnose_label_names(const LabelSet& labels, LabelKind kind) {
  constexpr std::size_t kShown = 8;
  std::vector<Finding> findings;
  const std::vector<std::vector<std::string>> groups = names_that_look_alike(labels.names());
  std::string listed;
  for (std::size_t i = 0; i < std::min(kShown, groups.size()); ++i)
    listed += (i == 0 ? "" : "; ") + listed_alike(groups[i]);
  if (groups.size() > kShown) listed += fmt::format("; and {} more", groups.size() - kShown);
  if (!groups.empty())
    findings.push_back({Severity::warning, "labels_alike",
                        fmt::format("labels look alike, but each is one of its own: {}; write them in one way if they "
                                    "mean the same",
                                    listed),
                        static_cast<double>(groups.size())});
  if (kind == LabelKind::multi_label) {
    const std::vector<std::string> joined = names_of_several(labels.names());
    if (!joined.empty())
      findings.push_back(
          {Severity::warning, "labels_joined",
           fmt::format("{} {} one label, though {} parts are labels, too; labels of a row stand between '|', as in {}",
                       name_list(joined), plural(joined.size(), "is", "are each"),
                       plural(joined.size(), "its", "their"),
                       quoted_name(fmt::format("{}", fmt::join(parts_of(joined.front()), "|")))),
           static_cast<double>(joined.size())});
  }
  if (kind == LabelKind::token_class && labels.size() == 1)
    findings.push_back({Severity::warning, "one_label",
                        fmt::format("all words have the label {}; there is nothing to tell apart",
                                    quoted_name(labels.names().front())),
                        1.0});
  return findings;
}

std::vector<Finding> diagnose_labels(const TokenStore& train, const LabelSet& labels) {
  return diagnose_label_counts(label_counts(train, labels.size()), labels);
}

std::vector<Finding> diagnose_label_counts(std::span<const std::int64_t> counts, const LabelSet& labels) {
  if (labels.size() == 0) return {};
  std::vector<Finding> findings;
  std::vector<std::string> unused;
  std::optional<std::size_t> rarest;
  for (std::size_t label = 0; label < counts.size(); ++label) {
    if (counts[label] == 0) {
      unused.push_back(labels.names()[label]);
    } else if (!rarest || counts[label] < counts[*rarest]) {
      rarest = label;
    }
  }
  if (!unused.empty())
    findings.push_back(
        {Severity::warning, "unused_label",
         fmt::format("no training row has the {} {}; the model cannot learn {}", plural(unused.size(), "label"),
                     name_list(unused), unused.size() == 1 ? "it" : "them"),
         static_cast<double>(unused.size())});
  if (!rarest) return findings;
  const auto most = static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
  const double ratio = static_cast<double>(counts[most]) / static_cast<double>(counts[*rarest]);
  if (ratio >= kImbalance)
    findings.push_back(
        {Severity::warning, "class_imbalance",
         fmt::format("the label {} occurs {} and {} only {} in the training data; consider class weights, "
                     "and judge by macro F1 rather than accuracy",
                     quoted_name(labels.names()[most]), counted(counts[most], "time"),
                     quoted_name(labels.names()[*rarest]), counted(counts[*rarest], "time")),
         ratio});
  return findings;
}

std::vector<Finding> diagnose_tokens(const TokenStore& train, const Tokenizer& tokenizer, std::size_t max_length) {
  std::vector<Finding> findings;
  std::int64_t full = 0;
  std::int64_t before = 0;
  train.scan(train.starts(), [&](std::span<const std::int64_t> starts, std::size_t) {
    for (const std::int64_t start : starts)
      full += std::cmp_equal(start - std::exchange(before, start), max_length) ? 1 : 0;
    return true;
  });
  if (full > 0) {
    const double share = static_cast<double>(full) / static_cast<double>(train.rows());
    findings.push_back(
        {share >= kManyTruncated ? Severity::warning : Severity::note, "truncated",
         fmt::format("{} of {} training {} ({}) {} the limit of {}; what lies {} is cut off", full, train.rows(),
                     plural(train.rows(), "row"), percent(share), plural(full, "reaches", "reach"),
                     counted(max_length, "token"), tokenizer.cuts_left() ? "before the last of them" : "beyond it"),
         share});
  }
  std::optional<std::int32_t> unknown;
  for (const std::string_view name : {"[UNK]", "<unk>"})
    if (!unknown) unknown = tokenizer.id_of(name);
  if (!unknown) return findings;
  std::int64_t count = 0;
  train.scan(train.ids(), [&](std::span<const std::int32_t> ids, std::size_t) {
    count += std::count(ids.begin(), ids.end(), *unknown);
    return true;
  });
  if (count > 0) {
    const double share = static_cast<double>(count) / static_cast<double>(train.tokens());
    findings.push_back(
        {share >= kManyUnknown ? Severity::warning : Severity::note, "unknown_tokens",
         fmt::format("{} of {} training {} ({}) {} not in the tokenizer's vocabulary", count, train.tokens(),
                     plural(train.tokens(), "token"), percent(share), plural(count, "is", "are")),
         share});
  }
  return findings;
}

}  // namespace temper
