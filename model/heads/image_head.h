// A head over whole images: the norm that ends the network, a row of each image, and a classifier.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "model/head.h"
#include "model/layers/layer_norm.h"
#include "model/layers/linear.h"
#include "tensor/ops/image_rows.h"

namespace temper {

/// What is read of the tokens of an image.
enum class ImagePooling : std::uint8_t {
  first,              ///< the class token
  mean,               ///< of all tokens
  first_and_patches,  ///< the class token, and beside it the mean of the patches: twice the width
  first_two           ///< the class token and the one for distillation, each by a classifier of its own: their mean
};

class ImageHead final : public Head {
 public:
  /// Adds `classifier`, of first_two `classifier`_distilled too. `norm` has been added before, as a part of the
  /// network; `first_patch`: tokens before the patches, of first_and_patches.
  ImageHead(const ParameterPlace& place, LayerNorm norm, const std::string& classifier, std::int64_t width,
            const HeadRequest& request, ImagePooling pooling, std::int64_t first_patch = 0);

  Variable outputs(Tape& tape, const HeadInput& input) const override;
  Variable normed(Tape& tape, const Variable& hidden) const override { return norm_(tape, hidden); }

 private:
  /// Of images with so many tokens: what the classifier reads.
  const RowMap& map_of(std::int64_t tokens) const;
  /// What the classifier of token `token` makes of the images.
  Variable of_token(Tape& tape, const Variable& normed, std::int64_t images, std::int64_t token) const;

  ImagePooling pooling_;
  std::int64_t first_patch_;
  LayerNorm norm_;
  Linear classifier_;
  std::optional<Linear> distilled_;
  mutable std::map<std::int64_t, std::unique_ptr<RowMap>> maps_;                                 ///< by tokens
  mutable std::map<std::pair<std::int64_t, std::int64_t>, std::unique_ptr<RowMap>> token_maps_;  ///< and the token read
};

}  // namespace temper
