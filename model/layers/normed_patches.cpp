#include "model/layers/normed_patches.h"

#include <numeric>
#include <vector>

#include "model/layers/position_map.h"

namespace temper {
namespace {

/// What torch's norms have where nobody says otherwise.
constexpr float kTorchEpsilon = 1e-5F;

}  // namespace

NormedPatches::NormedPatches(const ParameterPlace& place, const NormedPatchesShape& shape)
    : shape_(shape),
      projection_(place, "patch_embeddings.projection", shape.width, shape.channels, shape.patch),
      norm_(place, "norm", shape.width, kTorchEpsilon),
      positions_(shape.positions
                     ? place.add("position_embeddings", {1, shape.grid.pixels(), shape.width}, Initialization::zeros())
                     : Variable()) {}

Variable NormedPatches::forward(Tape& tape, const PackedInput& input) const {
  const Variable normed = norm_(tape, projection_(tape, input.pixels));
  if (!positions_.defined()) return normed;
  const ImageExtent grid = projection_.grid(input.pixels);
  std::unique_ptr<Maps>& maps = maps_[{grid.height, grid.width}];
  if (maps == nullptr) {
    std::vector<std::int64_t> places(static_cast<std::size_t>(grid.pixels()));
    std::iota(places.begin(), places.end(), 0);
    maps =
        std::make_unique<Maps>(Maps{RowMap(shape_.grid.pixels(), resized_grid(shape_.grid, grid, Resampling::bicubic)),
                                    RowMap::of_places(grid.pixels(), places)});
  }
  return mix_rows(tape, normed, maps->patches, input.sequences(), mix_rows(tape, positions_, maps->positions, 1));
}

}  // namespace temper
