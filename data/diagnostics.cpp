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

std::string_view words_of(RareLabelAdvice advice) {
  switch (advice) {
    case RareLabelAdvice::class_weights:
      return "consider class weights, and judge by macro F1 rather than accuracy";
    case RareLabelAdvice::judge_classes:
      return "judge by macro F1 rather than accuracy";
    case RareLabelAdvice::judge_labels:
      return "judge by macro F1 rather than micro F1";
  }
  return "";
}

}  // namespace

TextNotes::TextNotes(const Table& head, const ColumnChoice& columns)
    : file_(head.path.string()), text_column_(columns.text), text_(column_index(head, columns.text)) {
  if (!columns.text_pair.empty()) pair_ = column_index(head, columns.text_pair);
  if (!columns.label.empty()) labels_.push_back(column_index(head, columns.label));
  for (const std::string& indicator : columns.indicators) labels_.push_back(column_index(head, indicator));
}

void TextNotes::look_at(const Table& chunk) {
  std::vector<Note> notes;
  for (const std::vector<std::string>& row : chunk.rows) {
    const std::string& text = row[text_];
    std::string label;
    for (const std::size_t column : labels_) label += std::to_string(row[column].size()) + ":" + row[column];
    notes.push_back(
        {pair_ ? digest(std::to_string(text.size()) + ":" + text + row[*pair_]) : digest(text), digest(label)});
    if (is_blank(text)) ++blank_;
  }
  rows_ += static_cast<std::int64_t>(notes.size());
  notes_.append(std::as_bytes(std::span(notes)));
}

std::vector<TextNotes::Note> TextNotes::part_of(std::uint64_t part, std::uint64_t parts) const {
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  std::vector<Note> all;
  std::vector<Note> some;
  for (std::uint64_t first = 0; first < notes_.size(); first += kPiece) {
    some.resize(static_cast<std::size_t>(std::min(kPiece, notes_.size() - first) / sizeof(Note)));
    notes_.read(first, std::as_writable_bytes(std::span(some)));
    for (const Note& note : some)
      if ((note.text >> 32U) * parts >> 32U == part) all.push_back(note);
  }
  std::sort(all.begin(), all.end());
  return all;
}

void TextNotes::for_each_part(
    const TextNotes* more,
    const std::function<void(std::span<const Note> notes, std::span<const Note> others)>& use) const {
  constexpr std::int64_t kNotesInPart = std::int64_t{1} << 20;
  const std::int64_t notes = rows_ + (more != nullptr ? more->rows_ : 0);
  const auto parts = static_cast<std::uint64_t>(notes / kNotesInPart + 1);
  for (std::uint64_t part = 0; part < parts; ++part)
    use(part_of(part, parts), more != nullptr ? more->part_of(part, parts) : std::vector<Note>());
}

std::vector<Finding> diagnose_texts(const TextNotes& train) {
  std::int64_t distinct = 0;
  std::int64_t conflicting = 0;
  train.for_each_part(nullptr, [&](std::span<const TextNotes::Note> notes, std::span<const TextNotes::Note>) {
    for (std::size_t first = 0; first < notes.size();) {
      std::size_t last = first;
      while (last + 1 < notes.size() && notes[last + 1].text == notes[first].text) ++last;
      ++distinct;
      conflicting += notes[first].label != notes[last].label ? 1 : 0;
      first = last + 1;
    }
  });
  const std::int64_t duplicates = train.rows() - distinct;
  const auto rows = static_cast<double>(train.rows());
  std::vector<Finding> findings;
  if (duplicates > 0)
    findings.push_back({Severity::note, "duplicates",
                        fmt::format("{}: {} of {} {} the text of an earlier row", train.file(), duplicates,
                                    counted(train.rows(), "row"), plural(duplicates, "repeats", "repeat")),
                        static_cast<double>(duplicates) / rows});
  if (conflicting > 0)
    findings.push_back({Severity::warning, "conflicting_labels",
                        fmt::format("{}: {} {} with different labels; at most one can be learnt", train.file(),
                                    counted(conflicting, "text"), plural(conflicting, "occurs", "occur")),
                        static_cast<double>(conflicting)});
  if (train.blank() > 0)
    findings.push_back(
        {Severity::warning, "empty_text",
         fmt::format("{}: {} of {} {} an empty text in column \"{}\"", train.file(), train.blank(),
                     counted(train.rows(), "row"), plural(train.blank(), "has", "have"), train.text_column()),
         static_cast<double>(train.blank()) / rows});
  return findings;
}

std::vector<Finding> diagnose_overlap(const TextNotes& train, const TextNotes& held_out, std::string_view role) {
  std::int64_t shared = 0;
  held_out.for_each_part(&train, [&](std::span<const TextNotes::Note> notes, std::span<const TextNotes::Note> known) {
    std::size_t next = 0;
    for (const TextNotes::Note& note : notes) {
      while (next < known.size() && known[next].text < note.text) ++next;
      shared += next < known.size() && known[next].text == note.text ? 1 : 0;
    }
  });
  if (shared == 0) return {};
  return {{Severity::warning, "leakage",
           fmt::format("{}: {} of {} {} {} {} a text that is in the training data too; {} metrics will be too good",
                       held_out.file(), shared, held_out.rows(), role, plural(held_out.rows(), "row"),
                       plural(shared, "has", "have"), role),
           static_cast<double>(shared) / static_cast<double>(held_out.rows())}};
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

std::vector<Finding> diagnose_labels(const TokenStore& train, const LabelSet& labels, RareLabelAdvice advice) {
  return diagnose_label_counts(label_counts(train, labels.size()), labels, advice);
}

std::vector<Finding> diagnose_label_counts(std::span<const std::int64_t> counts, const LabelSet& labels,
                                           RareLabelAdvice advice) {
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
         fmt::format("the label {} occurs {} and {} only {} in the training data; {}",
                     quoted_name(labels.names()[most]), counted(counts[most], "time"),
                     quoted_name(labels.names()[*rarest]), counted(counts[*rarest], "time"), words_of(advice)),
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
