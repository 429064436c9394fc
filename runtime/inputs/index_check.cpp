#include "runtime/inputs/index_check.h"

#include <algorithm>
#include <cstddef>
#include <variant>
#include <vector>

#include "base/counted.h"
#include "base/error.h"
#include "data/token_rows.h"

namespace temper {
namespace {

/// Some rows, and what they are called.
struct LookedAt {
  const Batch& batch;
  std::int64_t first;  ///< number of the first row
  const std::string& source;

  /// The row, counted from 1, that a token of the batch lies in.
  [[nodiscard]] std::int64_t row_of_token(std::size_t token) const {
    const auto& starts = batch.sequence_starts;
    const auto after = std::upper_bound(starts.begin(), starts.end(), static_cast<std::int64_t>(token));
    return first + (after - starts.begin());
  }
};

/// Place of the first value outside [0, limit), or the number of values. `allowed` is let through.
std::size_t first_outside(const std::vector<std::int32_t>& values, std::int64_t limit, std::int32_t allowed = 0) {
  const auto is_outside = [&](std::int32_t value) { return (value < 0 || value >= limit) && value != allowed; };
  return static_cast<std::size_t>(std::find_if(values.begin(), values.end(), is_outside) - values.begin());
}

void require_tokens(const LookedAt& rows, const IndexLimits& limits) {
  // Pixels index nothing.
  const auto* text = std::get_if<Tokens>(&rows.batch.content);
  if (text == nullptr) return;
  const std::size_t token = first_outside(text->ids, limits.tokens);
  if (token < text->ids.size())
    throw Error(
        "{}: row {} has a token of id {}, but the model has embeddings for {} tokens (vocab_size); take that token out "
        "of the texts, or give the model folder the tokenizer that belongs to its weights",
        rows.source, rows.row_of_token(token), text->ids[token], limits.tokens);
  if (limits.types == 0) return;
  const std::size_t type = first_outside(text->types, limits.types);
  if (type < text->types.size())
    throw Error(
        "{}: row {} has a token of type {}, but the model has {} of token types (type_vocab_size); for type 0 "
        "everywhere, as models without types have been trained, set \"model_input_names\": [\"input_ids\", "
        "\"attention_mask\"] in tokenizer_config.json",
        rows.source, rows.row_of_token(type), text->types[type], counted(limits.types, "row"));
}

void require_lengths(const LookedAt& rows, const IndexLimits& limits) {
  // Of images the model says how many tokens they have.
  if (std::holds_alternative<Pixels>(rows.batch.content)) return;
  const std::vector<std::int32_t>& starts = rows.batch.sequence_starts;
  for (std::size_t i = 1; i < starts.size(); ++i)
    if (const std::int64_t length = starts[i] - starts[i - 1]; length > limits.positions)
      throw Error("{}: row {} has {}, but the model has positions for {}; lower data.max_length to that", rows.source,
                  rows.first + static_cast<std::int64_t>(i), counted(length, "token"), limits.positions);
}

void require_labels(const LookedAt& rows, const IndexLimits& limits) {
  const std::vector<std::int32_t>& classes = rows.batch.classes;
  const bool of_tokens = classes.size() == rows.batch.positions.size();
  // A row that one forgot to label is no class of its own; a token may well have none.
  const std::size_t place = first_outside(classes, limits.outputs, of_tokens ? kUnlabelled : 0);
  if (place < classes.size())
    throw Error("{}: row {} has the class {}, but the head has {}; give the head as many labels as the data",
                rows.source, of_tokens ? rows.row_of_token(place) : rows.first + static_cast<std::int64_t>(place) + 1,
                classes[place], counted(limits.outputs, "output"));
}

}  // namespace

IndexLimits index_limits(const ModelConfig& config, const HeadRequest& head) {
  return {config.vocabulary_size, config.type_vocabulary_size, config.longest_sequence,
          is_over_vocabulary(head.kind) ? config.vocabulary_size : head.labels};
}

void require_token_indices(const ExampleSource& rows, const IndexLimits& limits, const std::string& source) {
  for_each_batch(
      rows,
      [&](const Batch& batch, std::int64_t first) {
        require_tokens({batch, first, source}, limits);
        require_lengths({batch, first, source}, limits);
        return true;
      },
      /*outline=*/true);
}

void require_indices(const ExampleSource& rows, const IndexLimits& limits, const std::string& source) {
  if (rows.target_width() != 0 && rows.target_width() != limits.outputs)
    throw Error("{}: the rows have {} each, but the head has {}; give the head as many as the data", source,
                counted(rows.target_width(), "target"), counted(limits.outputs, "output"));
  for_each_batch(
      rows,
      [&](const Batch& batch, std::int64_t first) {
        const LookedAt looked_at{batch, first, source};
        require_tokens(looked_at, limits);
        require_lengths(looked_at, limits);
        require_labels(looked_at, limits);
        return true;
      },
      /*outline=*/true);
}

void require_indices(const RunData& data, const Configuration& configuration, const ModelConfig& config) {
  const TaskSpec& task = task_named(configuration.model.task);
  const IndexLimits limits = index_limits(config, head_request(task, data.labels));
  const DataSection& section = configuration.data;
  require_indices(data.train_rows(), limits, section.train.text());
  require_indices(data.validation_rows(), limits,
                  (section.validation.empty() ? section.train : section.validation).text());
  require_indices(data.test_rows(), limits, section.test.text());
  for (std::size_t i = 0; i < data.sets.size(); ++i)
    require_indices(data.sets[i].images != nullptr ? data.sets[i].examples() : data.sets[i].rows, limits,
                    configuration.evaluate.sets[i].data.text());
}

}  // namespace temper
