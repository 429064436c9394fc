// A vector for each row: what a model makes of it before the head, for search and for clustering.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "model/model.h"
#include "runtime/steps/device_batch.h"
#include "tensor/device.h"

namespace temper {

enum class EmbeddingPooling : std::uint8_t {
  none,
  mean,   ///< of the last hidden state of all tokens of a row, special ones among them
  first,  ///< the last hidden state of its first token
};

/// What a user calls them; of `none` nobody asks.
inline constexpr std::array<std::string_view, 3> kEmbeddingPoolings{"", "mean", "first"};

/// The pooling of a name that is one of these.
EmbeddingPooling embedding_pooling(std::string_view name);

/// [sequences][width], each of length 1 (or all zeros): the last hidden state, as transformers has it
/// (Model::last_hidden_state), pooled in f64. `below`: what is known of the lowest stages. A row's vector does not
/// depend on the rows beside it.
std::vector<std::vector<float>> embeddings_of(const Model& model, Device& device, const Batch& host,
                                              const DeviceBatch& batch, DType activations, EmbeddingPooling pooling,
                                              const FrozenPart& below);

}  // namespace temper
