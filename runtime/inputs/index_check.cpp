#include "runtime/inputs/index_check.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/counted.h"
#include "base/error.h"

namespace temper {
namespace {

/// Place of the first value outside [0, limit), or the number of values. `allowed` is let through.
std::size_t first_outside(const TokenStore& rows, std::span<const std::int32_t> values, std::int64_t limit,
                          std::int32_t allowed = 0) {
  const auto is_outside = [&](std::int32_t value) { return (value < 0 || value >= limit) && value != allowed; };
  std::size_t place = values.size();
  rows.scan(values, [&](std::span<const std::int32_t> piece, std::size_t first) {
    const auto found = std::find_if(piece.begin(), piece.end(), is_outside);
    if (found == piece.end()) return true;
    place = first + static_cast<std::size_t>(found - piece.begin());
    return false;
  });
  return place;
}

/// The row, counted from 1, that a token lies in.
std::int64_t row_of_token(const TokenStore& rows, std::size_t token) {
  const auto after = std::upper_bound(rows.starts().begin(), rows.starts().end(), static_cast<std::int64_t>(token));
  return after - rows.starts().begin();
}

void require_tokens(const TokenStore& rows, const IndexLimits& limits, const std::string& source) {
  const std::size_t token = first_outside(rows, rows.ids(), limits.tokens);
  if (token < rows.ids().size())
    throw Error(
        "{}: row {} has a token of id {}, but the model has embeddings for {} tokens (vocab_size); take that token out "
        "of the texts, or give the model folder the tokenizer that belongs to its weights",
        source, row_of_token(rows, token), rows.ids()[token], limits.tokens);
  if (limits.types == 0) return;
  const std::size_t type = first_outside(rows, rows.types(), limits.types);
  if (type < rows.types().size())
    throw Error(
        "{}: row {} has a token of type {}, but the model has {} of token types (type_vocab_size); for type 0 "
        "everywhere, as models without types have been trained, set \"model_input_names\": [\"input_ids\", "
        "\"attention_mask\"] in tokenizer_config.json",
        source, row_of_token(rows, type), rows.types()[type], counted(limits.types, "row"));
}

void require_lengths(const TokenStore& rows, const IndexLimits& limits, const std::string& source) {
  std::int64_t start = 0;
  rows.scan(rows.starts(), [&](std::span<const std::int64_t> piece, std::size_t first) {
    for (std::size_t i = 0; i < piece.size(); ++i) {
      const std::int64_t length = piece[i] - std::exchange(start, piece[i]);
      // The start of a row is the end of the one before, which is called by this number.
      if (length > limits.positions)
        throw Error("{}: row {} has {}, but the model has positions for {}; lower data.max_length to that", source,
                    first + i, counted(length, "token"), limits.positions);
    }
    return true;
  });
}

void require_labels(const TokenStore& rows, const IndexLimits& limits, const std::string& source) {
  const bool of_tokens = rows.classes().size() == rows.ids().size();
  // A row that one forgot to label is no class of its own; a token may well have none.
  const std::size_t place = first_outside(rows, rows.classes(), limits.outputs, of_tokens ? kUnlabelled : 0);
  if (place < rows.classes().size())
    throw Error("{}: row {} has the class {}, but the head has {}; give the head as many labels as the data", source,
                of_tokens ? row_of_token(rows, place) : static_cast<std::int64_t>(place) + 1, rows.classes()[place],
                counted(limits.outputs, "output"));
  if (rows.target_width() != 0 && rows.target_width() != limits.outputs)
    throw Error("{}: the rows have {} each, but the head has {}; give the head as many as the data", source,
                counted(rows.target_width(), "target"), counted(limits.outputs, "output"));
}

}  // namespace

IndexLimits index_limits(const ModelConfig& config, const HeadRequest& head) {
  return {config.vocabulary_size, config.type_vocabulary_size, config.longest_sequence,
          is_over_vocabulary(head.kind) ? config.vocabulary_size : head.labels};
}

void require_token_indices(const TokenStore& rows, const IndexLimits& limits, const std::string& source) {
  require_tokens(rows, limits, source);
  require_lengths(rows, limits, source);
}

void require_indices(const TokenStore& rows, const IndexLimits& limits, const std::string& source) {
  require_token_indices(rows, limits, source);
  require_labels(rows, limits, source);
}

void require_indices(const RunData& data, const Configuration& configuration, const ModelConfig& config) {
  const TaskSpec& task = task_named(configuration.model.task);
  const IndexLimits limits = index_limits(config, head_request(task, data.labels));
  const DataSection& section = configuration.data;
  require_indices(data.train, limits, section.train.text());
  require_indices(data.validation, limits, (section.validation.empty() ? section.train : section.validation).text());
  require_indices(data.test, limits, section.test.text());
  for (std::size_t i = 0; i < data.sets.size(); ++i)
    require_indices(data.sets[i].rows, limits, configuration.evaluate.sets[i].data.text());
}

}  // namespace temper
