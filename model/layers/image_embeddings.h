// The input layer of vision transformers: patches, learnt tokens before them, and positions (Dosovitskiy et al.: "An
// image is worth 16x16 words: transformers for image recognition at scale", 2021).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/input_layer.h"
#include "model/layers/patch_projection.h"
#include "model/layers/position_map.h"

namespace temper {

struct ImageEmbeddingShape {
  std::int64_t channels;
  ImageExtent grid;  ///< of patches, for which there are positions
  ImageExtent patch;
  std::int64_t width;
  bool distillation_token = false;  ///< behind the class token; has a position as that does
  std::int64_t registers = 0;       ///< tokens behind these, without positions
  bool class_position = true;       ///< the class token and the one for distillation have positions
  bool mask_token = false;          ///< of pre-training; kept, and never read
  bool one_size = false;            ///< who reads files takes images of the size alone that the positions are of
  Resampling resampling = Resampling::bicubic;
  double dropout = 0.0;

  /// Tokens before the patches.
  [[nodiscard]] std::int64_t first_patch() const { return class_tokens() + registers; }
  [[nodiscard]] std::int64_t class_tokens() const { return distillation_token ? 2 : 1; }
  [[nodiscard]] std::int64_t positioned_tokens() const { return class_position ? class_tokens() : 0; }
};

class ImageEmbeddings final : public InputLayer {
 public:
  /// Adds "cls_token", "distillation_token", "mask_token", "register_tokens", "patch_embeddings.projection" and
  /// "position_embeddings", as far as the shape has them.
  ImageEmbeddings(const ParameterPlace& place, const ImageEmbeddingShape& shape);

  /// Tokens of an image are the learnt ones, and then its patches line after line. Positions are resized to the grid of
  /// the batch.
  Variable forward(Tape& tape, const PackedInput& input) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return 1; }
  [[nodiscard]] std::optional<ResizedTable> resized_table(Device& device, ImageExtent extent) const override;

 private:
  /// Where rows of tokens come from, for images of one size.
  struct Maps {
    RowMap positions;    ///< of the table of positions
    RowMap class_token;  ///< of one row each
    RowMap distillation;
    RowMap registers;
    RowMap patches;  ///< of the patches
  };
  const Maps& maps_of(ImageExtent grid) const;
  /// What the positions of a grid of this size are made of, those of class tokens first.
  [[nodiscard]] std::vector<MixedRow> positions_of(ImageExtent grid) const;
  /// What is added to the patches and stands before them: [tokens, width].
  Variable table(Tape& tape, const Maps& maps) const;

  ImageEmbeddingShape shape_;
  Variable class_token_;
  Variable distillation_token_;
  Variable mask_token_;
  Variable registers_;
  PatchProjection projection_;
  Variable positions_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, std::unique_ptr<Maps>> maps_;  ///< by height and width
};

}  // namespace temper
