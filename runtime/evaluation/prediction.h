// Predictions as JSON: one object per row.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/evaluation/embeddings.h"
#include "runtime/evaluation/fitted_model.h"

namespace temper {

struct PredictionOptions {
  std::vector<std::string> kept_columns;  ///< of the table, that go along
  bool all_columns = false;               ///< all but the text go along
  std::int64_t top = 0;                   ///< so many classes or candidates; 0: all classes, five candidates for a mask
  bool tokens = true;                     ///< list the tokens of words, too
  EmbeddingPooling embeddings = EmbeddingPooling::none;
  std::int64_t batch_size = 64;
  int threads = 1;
  std::function<bool()> stop_requested = [] { return false; };  ///< of this rank; asked before each batch
};

struct PredictedLines {
  std::string lines;
  std::int64_t unreadable_rows = 0;     ///< rows of pictures that are skipped
  std::vector<std::string> unreadable;  ///< why, a sentence each
  std::string fault;                    ///< of the picture that cannot be read and behind which lines end; else empty
  std::int64_t cut_rows = 0;   ///< rows that are longer than the largest length; of words: which therefore lack labels
  std::int64_t cut_words = 0;  ///< words that therefore have no label
};

/// Rows [begin, end) of the table, one line of JSON each, in order:
/// Of images "image", the path, stands in the place of "text".
///   sequence-classification  {"text", "label", "probability", "probabilities": {label: p}}
///   multi-label              {"text", "labels": [those with p above the threshold], "probabilities": {label: p}}
///   regression               {"text", "value"}, or "values": {name: value} of a model with several outputs
///   token-classification     {"text", "offsets", "words": [{"word", "label", "probability", "start", "end"}],
///                             "entities": [{"type", "text", "start", "end", "probability"}],
///                             "tokens": [{"token", "label", "probability"}]}
///   masked-lm                {"text", "masks": [[{"token", "probability"}, ... five]]}
///   causal-lm                {"text", "loss", "perplexity", "bits_per_byte", "predicted_tokens"}
/// Of a model that has a calibration, the first two also have what write_calibrated writes.
/// With embeddings, "embedding": [width] stands last (runtime/evaluation/embeddings.h); of a model without a head there
/// is nothing else.
/// Of pictures that cannot be read there are no lines where TableUse skips them; else lines end before the first one.
/// Kept columns stand behind "text", as text; one whose name is among the members above is called "input_" + name.
/// Throws Error for a column that is missing, and a usage Error for embeddings of running text, and of a first token
/// where the model reads images and has none. Where it was asked to stop, the last rows are missing.
PredictedLines predict_lines(FittedModel& fitted, const Table& table, const TableUse& use,
                             const PredictionOptions& options, Device& device, std::int64_t begin, std::int64_t end);

}  // namespace temper
