#include "runtime/run_data.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/error.h"
#include "data/table_reader.h"
#include "data/token_cache.h"

namespace temper {
namespace {

std::filesystem::path cache_folder(const Configuration& configuration) {
  if (!configuration.data.cache_dir.empty()) return configuration.data.cache_dir;
  return std::filesystem::path(configuration.output.dir) / "cache";
}

ColumnChoice columns_of(const Configuration& configuration, Task task) {
  return {configuration.data.text, configuration.data.text_pair,
          task == Task::masked_lm ? std::string() : configuration.data.label};
}

/// Takes the rows whose text's digest falls into the fraction out of `train` and gives them back as a table.
Table split_by_digest(Table& train, const std::string& text_column, double fraction) {
  const std::size_t column = column_index(train, text_column);
  Table kept{train.path, train.columns, {}, {}};
  Table split = kept;
  for (std::size_t i = 0; i < train.rows.size(); ++i) {
    const std::string_view text = train.rows[i][column];
    const double place = static_cast<double>(xxh3(std::as_bytes(std::span(text))) >> 11) * 0x1p-53;
    Table& target = place < fraction ? split : kept;
    target.rows.push_back(std::move(train.rows[i]));
    target.lines.push_back(train.lines[i]);
  }
  train = std::move(kept);
  return split;
}

/// The labels of the run: those that are configured, or those of the model if it names the same, or those of the data.
LabelSet choose_labels(const Configuration& configuration, Task task, const Table& train,
                       const std::vector<std::string>& model_labels) {
  if (task == Task::masked_lm || task == Task::regression) return LabelSet::from_names({});
  if (!configuration.data.labels.empty()) return LabelSet::from_names(configuration.data.labels);
  LabelSet collected = collect_labels(train, configuration.data.label, label_kind(task));
  std::vector<std::string> sorted = model_labels;
  std::vector<std::string> found = collected.names();
  std::sort(sorted.begin(), sorted.end());
  std::sort(found.begin(), found.end());
  return sorted == found ? LabelSet::from_names(model_labels) : collected;
}

/// Names of labels where the task has none would be passed over.
void refuse_needless_names(const DataSection& data, Task task) {
  if (!data.labels.empty() && (task == Task::regression || task == Task::masked_lm))
    throw usage_error("data.labels names {} label{}, but {} has none; take the key out", data.labels.size(),
                      data.labels.size() == 1 ? "" : "s", name_of(task));
}

}  // namespace

LabelKind label_kind(Task task) {
  switch (task) {
    case Task::sequence_classification:
      return LabelKind::single_class;
    case Task::regression:
      return LabelKind::regression;
    case Task::multi_label:
      return LabelKind::multi_label;
    case Task::token_classification:
      return LabelKind::token_class;
    case Task::masked_lm:
      break;
  }
  return LabelKind::none;
}

std::int64_t head_outputs(Task task, const LabelSet& labels) {
  return task == Task::regression ? 1 : static_cast<std::int64_t>(labels.size());
}

Dataset tokenize_table(const Table& table, const Configuration& configuration, Task task, const Tokenizer& tokenizer,
                       const LabelSet& labels, std::int64_t max_length, int threads, Communicator& communicator,
                       const std::function<void(const std::string&)>& say) {
  const ColumnChoice columns = columns_of(configuration, task);
  const TokenizeOptions options{static_cast<std::size_t>(max_length), threads, label_kind(task)};
  const auto rows = static_cast<std::int64_t>(table.rows.size());
  const std::filesystem::path folder = cache_folder(configuration);
  const std::string key = token_cache_key(table, columns, tokenizer, labels, options);

  if (configuration.data.cache) {
    std::optional<Dataset> cached = load_cached(folder, key);
    std::vector<std::int64_t> found{cached.has_value() ? 1 : 0};
    communicator.all_reduce(std::span(found), Reduction::min);
    if (found.front() == 1) return std::move(*cached);
  }
  const std::int64_t ranks = communicator.size();
  const std::int64_t begin = rows * communicator.rank() / ranks;
  const std::int64_t end = rows * (communicator.rank() + 1) / ranks;
  Dataset mine = tokenize_rows(table, columns, tokenizer, labels, options, begin, end);
  Dataset whole;
  if (ranks == 1) {
    whole = std::move(mine);
  } else {
    std::vector<Dataset> parts;
    for (const std::vector<std::byte>& bytes : communicator.all_gather_variable(serialize(mine)))
      parts.push_back(deserialize_dataset(bytes));
    whole = concatenate(parts);
  }
  if (configuration.data.cache) {
    const auto store = [&] {
      try {
        store_cached(folder, key, whole);
      } catch (const Error& error) {
        // The cache saves time; a run does without it.
        say(fmt::format("the tokenised rows are not cached: {}", error.what()));
      }
    };
    if (communicator.rank() == 0) store();
    communicator.barrier();
    // A folder of its own on each node gets an entry of its own.
    const NodeTopology& topology = communicator.topology();
    if (topology.node > 0 && topology.local_rank == 0 && !load_cached(folder, key)) store();
  }
  return whole;
}

DataSample sample_run_data(const Configuration& configuration, Task task, const Tokenizer& tokenizer,
                           const std::vector<std::string>& model_labels, std::int64_t max_length, int threads,
                           std::int64_t most_rows) {
  const DataSection& section = configuration.data;
  refuse_needless_names(section, task);
  const auto rows_of = [](const Table& table) { return static_cast<std::int64_t>(table.rows.size()); };
  Table train = read_table(section.train);
  DataSample sample{choose_labels(configuration, task, train, model_labels), {}, 0, 0, 0};
  if (!section.validation.empty()) {
    sample.validation_rows = rows_of(read_table(section.validation));
  } else if (section.validation_fraction > 0.0) {
    sample.validation_rows = rows_of(split_by_digest(train, section.text, section.validation_fraction));
  }
  if (!section.test.empty()) sample.test_rows = rows_of(read_table(section.test));
  sample.train_rows = rows_of(train);
  const std::int64_t kept = std::min(sample.train_rows, most_rows);
  for (std::int64_t i = 0; i < kept; ++i) {
    const auto from = static_cast<std::size_t>(i * sample.train_rows / kept);
    const auto to = static_cast<std::size_t>(i);
    if (from == to) continue;
    train.rows[to] = std::move(train.rows[from]);
    train.lines[to] = train.lines[from];
  }
  train.rows.resize(static_cast<std::size_t>(kept));
  train.lines.resize(static_cast<std::size_t>(kept));
  sample.train = tokenize_rows(train, columns_of(configuration, task), tokenizer, sample.labels,
                               {static_cast<std::size_t>(max_length), threads, label_kind(task)}, 0, kept);
  return sample;
}

RunData prepare_run_data(const Configuration& configuration, Task task, const Tokenizer& tokenizer,
                         const std::vector<std::string>& model_labels, std::int64_t max_length, int threads,
                         Communicator& communicator, const std::function<void(const std::string&)>& say) {
  const DataSection& section = configuration.data;
  refuse_needless_names(section, task);
  Table train = read_table(section.train);
  Table validation;
  Table test;
  if (!section.validation.empty()) {
    validation = read_table(section.validation);
  } else if (section.validation_fraction > 0.0) {
    validation = split_by_digest(train, section.text, section.validation_fraction);
  }
  if (!section.test.empty()) test = read_table(section.test);

  RunData data{choose_labels(configuration, task, train, model_labels), {}, {}, {}, {}, {}};
  const auto tokenize = [&](const Table& table) {
    if (table.rows.empty()) return Dataset();
    return tokenize_table(table, configuration, task, tokenizer, data.labels, max_length, threads, communicator, say);
  };
  data.train = tokenize(train);
  data.validation = tokenize(validation);
  data.test = tokenize(test);
  const auto add_file = [&](const char* role, const std::string& path, const Dataset& rows) {
    if (!path.empty())
      data.files.push_back({role, std::filesystem::path(path).filename().string(), sha256_file(path), rows.rows()});
  };
  add_file("train", section.train, data.train);
  add_file("validation", section.validation, data.validation);
  add_file("test", section.test, data.test);
  if (communicator.rank() == 0) {
    // The findings are for a person; one rank looks.
    const ColumnChoice columns = columns_of(configuration, task);
    const auto add = [&](std::vector<Finding> findings) {
      data.findings.insert(data.findings.end(), findings.begin(), findings.end());
    };
    add(diagnose_texts(train, columns));
    if (!validation.rows.empty()) add(diagnose_overlap(train, validation, "validation", columns));
    if (!test.rows.empty()) add(diagnose_overlap(train, test, "test", columns));
    if (task != Task::masked_lm && task != Task::regression) add(diagnose_labels(data.train, data.labels));
    add(diagnose_tokens(data.train, tokenizer, static_cast<std::size_t>(max_length)));
  }
  return data;
}

}  // namespace temper
