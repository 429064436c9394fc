#include "runtime/evaluation/embeddings.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "tensor/host_copy.h"

namespace temper {
namespace {

/// The mean of rows [begin, end) of a matrix, of length 1.
std::vector<float> normalized_mean(std::span<const float> matrix, std::size_t width, std::size_t begin,
                                   std::size_t end) {
  std::vector<double> sum(width);
  for (std::size_t row = begin; row < end; ++row)
    for (std::size_t column = 0; column < width; ++column) sum[column] += matrix[row * width + column];
  double squares = 0.0;
  for (const double value : sum) squares += value * value;
  const double factor = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
  std::vector<float> vector;
  vector.reserve(width);
  for (const double value : sum) vector.push_back(static_cast<float>(value * factor));
  return vector;
}

}  // namespace

EmbeddingPooling embedding_pooling(std::string_view name) {
  const auto* const place = std::find(kEmbeddingPoolings.begin(), kEmbeddingPoolings.end(), name);
  return place == kEmbeddingPoolings.end() ? EmbeddingPooling::none
                                           : static_cast<EmbeddingPooling>(place - kEmbeddingPoolings.begin());
}

std::vector<std::vector<float>> embeddings_of(const Model& model, Device& device, const Batch& host,
                                              const DeviceBatch& batch, DType activations, EmbeddingPooling pooling,
                                              const FrozenPart& below) {
  Tape tape(device, Tape::Mode::evaluation, {}, activations);
  const Tensor hidden = model.last_hidden_state(tape, batch.input, below).value();
  const HostCopy values(device, hidden);
  const auto width = static_cast<std::size_t>(hidden.columns());
  std::vector<std::vector<float>> vectors;
  for (std::size_t sequence = 0; sequence + 1 < host.sequence_starts.size(); ++sequence) {
    const auto begin = static_cast<std::size_t>(host.sequence_starts[sequence]);
    const auto end = static_cast<std::size_t>(host.sequence_starts[sequence + 1]);
    vectors.push_back(
        normalized_mean(values.values(), width, begin, pooling == EmbeddingPooling::first ? begin + 1 : end));
  }
  return vectors;
}

}  // namespace temper
