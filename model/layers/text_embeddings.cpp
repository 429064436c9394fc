#include "model/layers/text_embeddings.h"

#include "model/layers/low_rank.h"
#include "tensor/ops.h"

namespace temper {

Variable add_embedding(const ParameterPlace& place, const std::string& name, std::int64_t entries, std::int64_t width) {
  return place.within(name).add("weight", {entries, width}, place.weights);
}

TextEmbeddings::TextEmbeddings(const ParameterPlace& place, const TextEmbeddingNames& names,
                               const TextEmbeddingShape& shape)
    : words_(place.within(names.words).add_matrix("weight", shape.vocabulary, shape.width)),
      words_module_(place.list.add_module(place.prefix + names.words, AdaptableModule::Kind::embedding)),
      positions_(shape.positions > 0 ? add_embedding(place, names.positions, shape.positions, shape.width)
                                     : Variable()),
      types_(shape.types > 0 ? add_embedding(place, names.types, shape.types, shape.width) : Variable()),
      projection_(shape.projected_width > 0
                      ? std::optional<Linear>(
                            Linear(place, names.projection, shape.projected_width, shape.width, Linear::Bias::none))
                      : std::nullopt),
      position_offset_(shape.position_offset),
      scale_(shape.scale),
      dropout_(shape.dropout) {
  const std::int64_t width = shape.projected_width > 0 ? shape.projected_width : shape.width;
  if (!names.norm.empty()) norm_.emplace(place, names.norm, width, shape.epsilon, shape.norm_bias);
}

Variable TextEmbeddings::forward(Tape& tape, const PackedInput& input) const {
  Variable embedded = embedding_sum(tape, input.indices, words_, positions_, position_offset_, types_);
  if (words_module_->adapter != nullptr) embedded = words_module_->adapter->adapted(tape, input.indices, embedded);
  if (scale_ != 1.0F) embedded = scale(tape, embedded, scale_);
  if (projection_) embedded = (*projection_)(tape, embedded);
  if (norm_) embedded = (*norm_)(tape, embedded);
  return dropout(tape, embedded, input.token_names(), tape.dropout(dropout_, 0));
}

}  // namespace temper
