// A batch as a model reads it: index tensors on the device, sequences packed one after the other.
#pragma once

#include <cstdint>

#include "tensor/ops.h"
#include "tensor/tensor.h"

namespace temper {

struct PackedInput {
  EmbeddingIndices indices;  ///< ids, positions (0.. in each sequence), types; i32 [tokens] each
  Tensor starts;             ///< i32 [sequences + 1]
  Tensor first_rows;         ///< i32 [sequences]: the row of each sequence's first token
  Tensor examples;           ///< u32 [sequences]: names the example for random numbers
  Tensor zero_positions;     ///< u32 [sequences], all 0: the position of first_rows
  Tensor token_examples;     ///< u32 [tokens]
  Tensor token_positions;    ///< u32 [tokens]
  std::int64_t longest = 0;  ///< tokens of the longest sequence

  [[nodiscard]] std::int64_t tokens() const { return indices.ids.size(); }
  [[nodiscard]] std::int64_t sequences() const { return examples.size(); }
  [[nodiscard]] PackedSequences packed() const {
    return {tokens(), sequences(), starts.data<std::int32_t>(), examples.data<std::uint32_t>(), longest};
  }
  [[nodiscard]] RowNames token_names() const {
    return {token_examples.data<std::uint32_t>(), token_positions.data<std::uint32_t>()};
  }
  [[nodiscard]] RowNames sequence_names() const {
    return {examples.data<std::uint32_t>(), zero_positions.data<std::uint32_t>()};
  }
};

}  // namespace temper
