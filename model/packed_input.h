// A batch as a model reads it: index tensors on the device, sequences packed one after the other.
#pragma once

#include <cstdint>

#include "model/key_value_cache.h"
#include "tensor/ops.h"
#include "tensor/tensor.h"

namespace temper {

/// The tokens whose last hidden state is read: by the loss, or by whoever predicts.
struct TokenSelection {
  Tensor rows;               ///< i32 [n], rows of the batch, ascending
  Tensor starts;             ///< i32 [sequences + 1]: those of sequence s are starts[s] to starts[s + 1]
  Tensor examples;           ///< u32 [n], names of these rows for dropout
  Tensor positions;          ///< u32 [n]
  bool one_of_each = false;  ///< by the task, each sequence has exactly one

  /// Undefined: all tokens.
  [[nodiscard]] bool defined() const { return rows.defined(); }
  [[nodiscard]] TokenKeys names() const { return {examples.data<std::uint32_t>(), positions.data<std::uint32_t>()}; }
};

/// Images of one size, a row of numbers for each pixel: an image is as many rows of a matrix as it has pixels, line
/// after line, so that layers over rows (linear, norms) are the same for texts and images.
struct PixelInput {
  Tensor values;            ///< f32 [images * height * width, channels]; undefined where the hidden state is known
  std::int64_t height = 0;  ///< 0: the batch is of texts
  std::int64_t width = 0;
};

struct PackedInput {
  EmbeddingIndices indices;  ///< ids, positions (0.. in each sequence), types; i32 [tokens] each; undefined where the
                             ///< hidden state above the embeddings is known
  PixelInput pixels;         ///< of images, which have no indices: a sequence is an image, and its tokens are what the
                             ///< last hidden state has of it (ImageSizes::tokens)
  Tensor starts;             ///< i32 [sequences + 1]
  Tensor examples;           ///< u32 [sequences]: names the example for random numbers
  Tensor token_examples;     ///< u32 [tokens]
  Tensor token_positions;    ///< u32 [tokens]
  std::int64_t longest = 0;  ///< tokens of the longest sequence
  /// Of a pass over tokens that go on with texts: positions then count from the beginning of the text, and so do those
  /// of a selection.
  CachedPast past = {};

  [[nodiscard]] std::int64_t tokens() const { return token_examples.size(); }
  [[nodiscard]] std::int64_t sequences() const { return examples.size(); }
  [[nodiscard]] PackedSequences packed() const {
    return {tokens(), sequences(), starts.data<std::int32_t>(), examples.data<std::uint32_t>(), longest};
  }
  /// With the selected tokens as the query subset. Of a pass that goes on with texts: the sequences of the cache.
  [[nodiscard]] PackedSequences packed(const TokenSelection& query_rows) const {
    PackedSequences sequences = packed();
    if (past.defined()) {
      sequences.tokens = past.tokens;
      sequences.starts = past.starts.data<std::int32_t>();
      sequences.lengths = past.lengths.data<std::int32_t>();
      sequences.longest = past.longest;
      sequences.query_starts = starts.data<std::int32_t>();
      sequences.query_positions = token_positions.data<std::uint32_t>();
    }
    if (query_rows.defined()) {
      sequences.query_starts = query_rows.starts.data<std::int32_t>();
      sequences.query_positions = query_rows.positions.data<std::uint32_t>();
    }
    return sequences;
  }
  [[nodiscard]] TokenKeys token_names() const {
    return {token_examples.data<std::uint32_t>(), token_positions.data<std::uint32_t>()};
  }
  [[nodiscard]] TokenKeys names_of(const TokenSelection& selection) const {
    return selection.defined() ? selection.names() : token_names();
  }
};

}  // namespace temper
