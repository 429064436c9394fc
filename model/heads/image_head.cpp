#include "model/heads/image_head.h"

#include <utility>
#include <vector>

namespace temper {

ImageHead::ImageHead(const ParameterPlace& place, LayerNorm norm, const std::string& classifier, std::int64_t width,
                     const HeadRequest& request, ImagePooling pooling, std::int64_t first_patch)
    : Head(Readout{pooling == ImagePooling::first ? ReadTokens::first : ReadTokens::mean}, request.loss),
      pooling_(pooling),
      first_patch_(first_patch),
      norm_(std::move(norm)),
      classifier_(place, classifier, request.labels, pooling == ImagePooling::first_and_patches ? 2 * width : width) {
  if (pooling == ImagePooling::first_two) distilled_.emplace(place, classifier + "_distilled", request.labels, width);
}

const RowMap& ImageHead::map_of(std::int64_t tokens) const {
  std::unique_ptr<RowMap>& known = maps_[tokens];
  if (known != nullptr) return *known;
  std::vector<MixedRow> rows;
  if (pooling_ == ImagePooling::first_and_patches) rows.emplace_back().add(0);
  MixedRow& mean = rows.emplace_back();
  for (std::int64_t token = first_patch_; token < tokens; ++token)
    mean.add(token, 1.0F / static_cast<float>(tokens - first_patch_));
  known = std::make_unique<RowMap>(tokens, rows);
  return *known;
}

Variable ImageHead::of_token(Tape& tape, const Variable& normed, std::int64_t images, std::int64_t token) const {
  const std::int64_t tokens = normed.value().rows() / images;
  std::unique_ptr<RowMap>& map = token_maps_[{tokens, token}];
  if (map == nullptr) {
    std::vector<MixedRow> row(1);
    row.front().add(token);
    map = std::make_unique<RowMap>(tokens, row);
  }
  return (token == 0 ? classifier_ : *distilled_)(tape, mix_rows(tape, normed, *map, images));
}

Variable ImageHead::outputs(Tape& tape, const HeadInput& input) const {
  const Variable normed = norm_(tape, input.hidden);
  if (pooling_ == ImagePooling::first) return classifier_(tape, normed);
  const std::int64_t images = input.batch.sequences();
  if (pooling_ == ImagePooling::first_two)
    return scale(tape, add(tape, of_token(tape, normed, images, 0), of_token(tape, normed, images, 1)), 0.5F);
  const RowMap& map = map_of(normed.value().rows() / images);
  return classifier_(tape, mix_rows(tape, normed, map, images, {}, map.rows_out()));
}

}  // namespace temper
