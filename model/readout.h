// Which tokens a head reads of the last hidden state. The head says it, and whoever lays out a batch or keeps hidden
// states asks the model; nobody goes by the task.
#pragma once

#include <cstdint>

namespace temper {

enum class ReadTokens : std::uint8_t {
  first,     ///< of each sequence
  last,      ///< of each sequence
  mean,      ///< of all tokens of each sequence
  labelled,  ///< those that carry a label; every token if none is labelled
  every,
};

struct Readout {
  ReadTokens tokens = ReadTokens::first;
  /// Of `last`: tokens of this id at the end of a sequence are passed over, as transformers does; below 0: none are.
  std::int32_t padding_id = -1;

  /// Whether each sequence gives one row, rather than each token that is read.
  [[nodiscard]] bool is_per_sequence() const {
    return tokens == ReadTokens::first || tokens == ReadTokens::last || tokens == ReadTokens::mean;
  }
  /// Whether the topmost block must give every token.
  [[nodiscard]] bool needs_every_token() const { return tokens == ReadTokens::mean || tokens == ReadTokens::every; }
  /// What is read of a batch without labels.
  [[nodiscard]] Readout without_labels() const {
    return tokens == ReadTokens::labelled ? Readout{ReadTokens::every} : *this;
  }

  friend bool operator==(const Readout&, const Readout&) = default;
};

}  // namespace temper
