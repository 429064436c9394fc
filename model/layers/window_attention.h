// Attention within windows of an image, which lie shifted in every second block, with a learnt number for each way from
// one place of a window to another (Liu et al.: "Swin transformer: hierarchical vision transformer using shifted
// windows", 2021).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/image_extent.h"
#include "model/layers/attention_layer.h"
#include "model/layers/linear.h"
#include "tensor/ops/image_rows.h"

namespace temper {

/// How the grid of a stage comes from the pixels: patches, and then so many times half of it, rounded up.
struct StageGrid {
  ImageExtent patch;
  std::int64_t halvings = 0;

  [[nodiscard]] ImageExtent of(std::int64_t height, std::int64_t width) const {
    ImageExtent grid{height / patch.height, width / patch.width};
    for (std::int64_t i = 0; i < halvings; ++i) grid = {(grid.height + 1) / 2, (grid.width + 1) / 2};
    return grid;
  }
  [[nodiscard]] ImageExtent of(const PixelInput& pixels) const { return of(pixels.height, pixels.width); }
};

struct WindowAttentionNames {
  std::string query;
  std::string key;
  std::string value;
  std::string bias_table;
  std::string output;
};

struct WindowAttentionShape {
  std::int64_t width;
  std::int64_t heads;
  std::int64_t window;  ///< places along a side
  bool shifted;         ///< by half a window, unless one window holds all
  Linear::Bias input_bias;
  StageGrid grid;
};

class WindowAttention final : public AttentionLayer {
 public:
  /// Adds the four layers, and the table [(2 window - 1)^2, heads] between them.
  WindowAttention(const ParameterPlace& place, const WindowAttentionNames& names, const WindowAttentionShape& shape);

  /// Of all tokens of each image, line after line; none are selected. A grid that windows do not fill is padded with
  /// zeros at the right and at the bottom, which are seen as all others are.
  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const Variable& query_rows,
                   const TokenSelection& selection, std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return 0; }

 private:
  /// What goes by the grid alone.
  struct Maps {
    std::int64_t window;  ///< places along a side, here
    RowMap to_windows;    ///< tokens -> windows, one after the other
    RowMap from_windows;
    RowMap bias;                ///< the table's numbers -> those of a window's pairs
    RowMap each_window;         ///< the window's rows -> those of all windows
    RowMap each_image;          ///< nothing -> the rows of all windows: what is added to it is all
    ConstantArray<float> mask;  ///< [rows of all windows, heads * buckets]; empty: everybody is seen
    ConstantArray<std::int32_t> buckets;

    [[nodiscard]] std::int64_t places() const { return window * window; }
  };
  const Maps& maps_of(ImageExtent grid) const;
  [[nodiscard]] std::unique_ptr<Maps> make_maps(ImageExtent grid) const;
  /// What is added to the scores: rows as those of all windows of all images.
  DistanceTerms terms(Tape& tape, const Maps& maps, std::int64_t images) const;
  /// i32 [windows + 1]: where windows of so many places begin.
  Tensor window_starts(Device& device, std::int64_t windows, std::int64_t places) const;

  WindowAttentionShape shape_;
  Linear query_;
  Linear key_;
  Linear value_;
  Variable table_;
  Linear output_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, std::unique_ptr<Maps>> maps_;  ///< by height and width
  mutable std::map<std::pair<std::int64_t, std::int64_t>, ConstantArray<std::int32_t>> starts_;
};

}  // namespace temper
