// The input layer of Swin: patches through a norm, with positions where a model has them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "model/input_layer.h"
#include "model/layers/layer_norm.h"
#include "model/layers/patch_projection.h"
#include "tensor/ops/image_rows.h"

namespace temper {

struct NormedPatchesShape {
  std::int64_t channels;
  ImageExtent grid;  ///< of patches, that positions are of
  ImageExtent patch;
  std::int64_t width;
  bool positions;
};

class NormedPatches final : public InputLayer {
 public:
  /// Adds "patch_embeddings.projection", "norm" and, if there are positions, "position_embeddings".
  NormedPatches(const ParameterPlace& place, const NormedPatchesShape& shape);

  /// [images * patches, width]. Positions are resized to the grid of the batch.
  Variable forward(Tape& tape, const PackedInput& input) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return 0; }

 private:
  struct Maps {
    RowMap positions;
    RowMap patches;  ///< each is itself
  };

  NormedPatchesShape shape_;
  PatchProjection projection_;
  LayerNorm norm_;
  Variable positions_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, std::unique_ptr<Maps>> maps_;  ///< by height and width
};

}  // namespace temper
