#include "model/layers/projected_embeddings.h"

#include <utility>

namespace temper {

ProjectedEmbeddings::ProjectedEmbeddings(std::unique_ptr<InputLayer> embeddings, Linear projection)
    : embeddings_(std::move(embeddings)), projection_(std::move(projection)) {}

Variable ProjectedEmbeddings::forward(Tape& tape, const PackedInput& input) const {
  return projection_(tape, embeddings_->forward(tape, input));
}

}  // namespace temper
