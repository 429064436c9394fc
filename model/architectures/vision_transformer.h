// What vision transformers have in common (Dosovitskiy et al. 2021): patches and learnt tokens through pre-norm blocks,
// a norm at the end, and a classifier over images. An architecture is a file that fills this in.
#pragma once

#include <cstdint>
#include <string>

#include "model/architectures/architecture.h"
#include "model/heads/image_head.h"
#include "model/layers/image_embeddings.h"

namespace temper {

/// Of the parameters of a block, within "encoder.layer.N".
struct VisionBlockNames {
  std::string attention_norm;
  std::string feed_forward_norm;
  std::string up;  ///< of a gated unit: of the one layer that gives both
  std::string down;
};

struct VisionTransformer {
  std::string model_type;
  std::string prefix;  ///< of all parameters: "vit."
  VisionBlockNames names;
  ImageEmbeddingShape embeddings;
  ImageExtent image;  ///< that the positions are of
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate_width = 0;
  std::string activation;
  float epsilon = 0.0F;
  bool query_bias = true;  ///< of queries, keys and values
  bool gated = false;      ///< feed-forward layers are gated units
  bool layer_scale = false;
  float layer_scale_value = 1.0F;  ///< of new ones
  float initializer_range = 0.02F;
  double attention_dropout = 0.0;
  double block_dropout = 0.0;  ///< on what layers give
  double drop_path = 0.0;
  bool drop_path_grows = false;  ///< from nothing in the first block; else all have it
  ImagePooling pooling = ImagePooling::first;
};

/// The keys that all of them have under the same names; `patch`: of their patches, where the file does not say.
VisionTransformer read_vision_transformer(const ConfigKeys& keys, std::int64_t patch, float epsilon);

ModelSizes sizes_of_vision_transformer(const VisionTransformer& model);
ModelParts make_vision_transformer(const VisionTransformer& model, const HeadRequest& request);

}  // namespace temper
