#include "model/blocks/merging_block.h"

#include <utility>
#include <vector>

namespace temper {
namespace {

constexpr std::int64_t kMerged = 4;
/// What torch's norms have where nobody says otherwise.
constexpr float kEpsilonOfMerging = 1e-5F;

/// The rows of each new place one after the other: a column of two, and then the one beside it.
std::unique_ptr<RowMap> quarters(ImageExtent grid) {
  std::vector<MixedRow> rows;
  for (std::int64_t line = 0; line < grid.height; line += 2)
    for (std::int64_t column = 0; column < grid.width; column += 2)
      for (std::int64_t part = 0; part < kMerged; ++part) {
        MixedRow& row = rows.emplace_back();
        const std::int64_t down = line + part % 2;
        const std::int64_t across = column + part / 2;
        if (down < grid.height && across < grid.width) row.add(down * grid.width + across);
      }
  return std::make_unique<RowMap>(grid.pixels(), rows);
}

}  // namespace

MergingBlock::MergingBlock(std::unique_ptr<const Block> block, const ParameterPlace& place, std::int64_t width,
                           StageGrid grid)
    : block_(std::move(block)),
      grid_(grid),
      norm_(place, "norm", kMerged * width, kEpsilonOfMerging),
      reduction_(place, "reduction", 2 * width, kMerged * width, Linear::Bias::none) {}

Variable MergingBlock::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                               const TokenSelection& selection, std::uint32_t dropout_place) const {
  const Variable above = block_->forward(tape, input, hidden, selection, dropout_place);
  const ImageExtent grid = grid_.of(input.pixels);
  std::unique_ptr<RowMap>& map = maps_[{grid.height, grid.width}];
  if (map == nullptr) map = quarters(grid);
  return reduction_(tape, norm_(tape, mix_rows(tape, above, *map, input.sequences(), {}, kMerged)));
}

}  // namespace temper
