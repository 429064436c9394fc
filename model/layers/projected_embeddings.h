// Embeddings that are narrower than the blocks, and the linear layer between them (Lan et al.: "ALBERT: a lite BERT for
// self-supervised learning of language representations", 2020, 3.1).
#pragma once

#include <cstdint>
#include <memory>

#include "model/input_layer.h"
#include "model/layers/linear.h"

namespace temper {

class ProjectedEmbeddings final : public InputLayer {
 public:
  /// `projection` takes what `embeddings` gives.
  ProjectedEmbeddings(std::unique_ptr<InputLayer> embeddings, Linear projection);

  Variable forward(Tape& tape, const PackedInput& input) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return embeddings_->dropout_places(); }
  [[nodiscard]] Variable token_table() const override { return embeddings_->token_table(); }

 private:
  std::unique_ptr<InputLayer> embeddings_;
  Linear projection_;
};

}  // namespace temper
