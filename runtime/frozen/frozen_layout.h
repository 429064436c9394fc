// The layout of the frozen part's output: where each example of a data set is, and in which blocks it is computed.
//
// Blocks are a fixed cut of the rows of the data set, so an example is computed with the same shapes, and to the same
// bits, whichever rank does it, whatever batch it later falls into, and wherever a run was resumed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/example_source.h"
#include "model/model.h"
#include "tensor/device.h"

namespace temper {

struct FrozenLayout {
  /// Tokens of a block, more or less: blocks of one data set are of about the same size, and as many as any usual
  /// number of ranks shares evenly.
  static constexpr std::int64_t kBlockTokens = 2048;

  std::int64_t stages = 0;  ///< of the model, from below
  std::int64_t width = 0;
  DType type = DType::f32;                    ///< of the activations
  std::vector<std::int64_t> row_starts{0};    ///< [examples + 1] where each example's hidden rows begin
  std::vector<std::int64_t> block_starts{0};  ///< [blocks + 1] the first example of each block

  [[nodiscard]] std::int64_t rows() const { return row_starts.back(); }
  [[nodiscard]] std::int64_t blocks() const { return static_cast<std::int64_t>(block_starts.size()) - 1; }
  [[nodiscard]] std::int64_t examples() const { return block_starts.back(); }
  [[nodiscard]] std::int64_t row_bytes() const { return width * static_cast<std::int64_t>(size_of(type)); }
  [[nodiscard]] std::int64_t bytes() const { return rows() * row_bytes(); }
};

/// Of the lowest `stages` of the model. Every token has a row; above all stages only those have one that the model's
/// readout names.
FrozenLayout lay_out_frozen(const ExampleSource& data, const Model& model, std::int64_t stages, DType activations);

/// Collective in a phase. Names the content: SHA-256, in hexadecimal, of the frozen weights, the examples' tokens, the
/// layout, and of whatever else its bits depend on: the version of the program, the model's definition and the kind of
/// processor.
std::string frozen_content_key(const FrozenLayout& layout, const ExampleSource& data, const Model& model,
                               Device& device);

}  // namespace temper
