#include "model/layers/image_embeddings.h"

#include <cstddef>
#include <utility>
#include <vector>

namespace temper {
namespace {

Variable token_if(bool wanted, const ParameterPlace& place, const char* name, std::int64_t count, std::int64_t width) {
  return wanted ? place.add(name, {1, count, width}, place.weights) : Variable();
}

/// Nothing trains it, and files keep it as they have it.
Variable mask_token_if(bool wanted, ParameterPlace place, std::int64_t width) {
  place.role = ParameterRole::statistic;
  return wanted ? place.add("mask_token", {1, width}, Initialization::zeros()) : Variable();
}

/// Rows [first, first + count) of `rows` are rows 0 to count - 1, the others nothing.
RowMap placed(std::int64_t rows, std::int64_t first, std::int64_t count) {
  std::vector<MixedRow> mixed(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < count; ++i) mixed[static_cast<std::size_t>(first + i)].add(i);
  return RowMap(count, mixed);
}

}  // namespace

ImageEmbeddings::ImageEmbeddings(const ParameterPlace& place, const ImageEmbeddingShape& shape)
    : shape_(shape),
      class_token_(token_if(true, place, "cls_token", 1, shape.width)),
      distillation_token_(token_if(shape.distillation_token, place, "distillation_token", 1, shape.width)),
      mask_token_(mask_token_if(shape.mask_token, place, shape.width)),
      registers_(token_if(shape.registers > 0, place, "register_tokens", shape.registers, shape.width)),
      projection_(place, "patch_embeddings.projection", shape.width, shape.channels, shape.patch),
      positions_(
          token_if(true, place, "position_embeddings", shape.positioned_tokens() + shape.grid.pixels(), shape.width)) {}

std::vector<MixedRow> ImageEmbeddings::positions_of(ImageExtent grid) const {
  const std::int64_t positioned = shape_.positioned_tokens();
  std::vector<MixedRow> positions(static_cast<std::size_t>(positioned));
  for (std::int64_t token = 0; token < positioned; ++token) positions[static_cast<std::size_t>(token)].add(token);
  for (MixedRow& row : resized_grid(shape_.grid, grid, shape_.resampling)) {
    for (std::int32_t& source : row.sources) source += static_cast<std::int32_t>(positioned);
    positions.push_back(std::move(row));
  }
  return positions;
}

std::optional<ResizedTable> ImageEmbeddings::resized_table(Device& device, ImageExtent extent) const {
  const ImageExtent grid{extent.height / shape_.patch.height, extent.width / shape_.patch.width};
  if (!shape_.one_size || grid.pixels() == 0 || grid == shape_.grid) return std::nullopt;
  Tape tape(device, Tape::Mode::evaluation);
  const RowMap map(shape_.positioned_tokens() + shape_.grid.pixels(), positions_of(grid));
  const Tensor rows = mix_rows(tape, positions_, map, 1).value();
  return ResizedTable{positions_, rows.part(0, {1, map.rows_out(), shape_.width}, rows.type())};
}

const ImageEmbeddings::Maps& ImageEmbeddings::maps_of(ImageExtent grid) const {
  std::unique_ptr<Maps>& known = maps_[{grid.height, grid.width}];
  if (known != nullptr) return *known;
  const std::int64_t positioned = shape_.positioned_tokens();
  const std::int64_t first = shape_.first_patch();
  const std::int64_t tokens = first + grid.pixels();
  std::vector<MixedRow> positions = positions_of(grid);
  // Registers have none.
  positions.insert(positions.begin() + static_cast<std::ptrdiff_t>(positioned),
                   static_cast<std::size_t>(first - positioned), MixedRow());
  known = std::make_unique<Maps>(Maps{RowMap(positioned + shape_.grid.pixels(), positions), placed(tokens, 0, 1),
                                      placed(tokens, 1, 1), placed(tokens, shape_.class_tokens(), shape_.registers),
                                      placed(tokens, first, grid.pixels())});
  return *known;
}

Variable ImageEmbeddings::table(Tape& tape, const Maps& maps) const {
  Variable all = mix_rows(tape, positions_, maps.positions, 1);
  all = mix_rows(tape, class_token_, maps.class_token, 1, all);
  if (distillation_token_.defined()) all = mix_rows(tape, distillation_token_, maps.distillation, 1, all);
  if (registers_.defined()) all = mix_rows(tape, registers_, maps.registers, 1, all);
  return all;
}

Variable ImageEmbeddings::forward(Tape& tape, const PackedInput& input) const {
  const Maps& maps = maps_of(projection_.grid(input.pixels));
  const Variable projected = projection_(tape, input.pixels);
  const Variable tokens = mix_rows(tape, projected, maps.patches, input.sequences(), table(tape, maps));
  return dropout(tape, tokens, input.token_names(), tape.dropout(shape_.dropout, 0));
}

}  // namespace temper
