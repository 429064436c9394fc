// Ops over the rows of images (tensor/calls/image_rows.h).
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/constant_array.h"
#include "tensor/kernels.h"
#include "tensor/tape.h"

namespace temper {

/// One row of a mixture: what it is made of, in the order of the sum.
struct MixedRow {
  std::vector<std::int32_t> sources = {};
  std::vector<float> weights = {};  ///< as many

  void add(std::int64_t source, float weight = 1.0F) {
    sources.push_back(static_cast<std::int32_t>(source));
    weights.push_back(weight);
  }
};

/// A mixture of rows and its transposed, on whichever device asks for them.
class RowMap {
 public:
  /// Throws Error for a source outside [0, rows_in).
  RowMap(std::int64_t rows_in, const std::vector<MixedRow>& rows);
  /// Row r is row sources[r].
  static RowMap of_places(std::int64_t rows_in, const std::vector<std::int64_t>& sources);

  [[nodiscard]] std::int64_t rows_in() const { return rows_in_; }
  [[nodiscard]] std::int64_t rows_out() const { return rows_out_; }

  /// Its arrays on a device, with what keeps them there.
  struct OnDevice {
    Tensor starts;
    Tensor sources;
    Tensor weights;
    std::int64_t rows_in = 0;
    std::int64_t rows_out = 0;

    [[nodiscard]] RowMixture mixture() const {
      return {starts.data<std::int32_t>(),
              sources.data<std::int32_t>(),
              weights.data<float>(),
              rows_in,
              rows_out,
              weights.size()};
    }
  };
  [[nodiscard]] OnDevice on(Device& device) const { return there_.on(device, rows_in_, rows_out_); }
  /// The way back: rows_out() rows to rows_in().
  [[nodiscard]] OnDevice transposed_on(Device& device) const { return back_.on(device, rows_out_, rows_in_); }

 private:
  struct Arrays {
    ConstantArray<std::int32_t> starts;
    ConstantArray<std::int32_t> sources;
    ConstantArray<float> weights;

    Arrays() = default;
    explicit Arrays(const std::vector<MixedRow>& rows);
    [[nodiscard]] OnDevice on(Device& device, std::int64_t rows_in, std::int64_t rows_out) const;
  };

  std::int64_t rows_in_;
  std::int64_t rows_out_;
  Arrays there_;
  Arrays back_;
};

/// How large images and their patches are, in pixels.
struct PatchShape {
  std::int64_t height;
  std::int64_t width;
  std::int64_t patch_height;
  std::int64_t patch_width;

  [[nodiscard]] std::int64_t rows() const { return height / patch_height; }
  [[nodiscard]] std::int64_t columns() const { return width / patch_width; }
  [[nodiscard]] std::int64_t patches() const { return rows() * columns(); }
};

/// pixels f32 [images * height * width, channels] -> [images * patches, channels * patch_height * patch_width] of the
/// type of activations, which needs no gradient. Throws Error where they are not those of whole images.
Variable patches(Tape& tape, const Tensor& pixels, const PatchShape& shape);

/// Of each image map x + added: x of images * map.rows_in() rows, side by side however the shape cuts them (a parameter
/// [1, rows, width] is one image), added f32 [map.rows_out(), columns] or undefined -> [images * map.rows_out() /
/// joined, columns * joined], `joined` rows being put beside each other. Of the type of x.
Variable mix_rows(Tape& tape, const Variable& x, const RowMap& map, std::int64_t images, const Variable& added = {},
                  std::int64_t joined = 1);

/// x, of which whole images are dropped and the others scaled: x [images * rows, columns], examples u32 [images].
/// Returns x itself where inactive.
Variable drop_images(Tape& tape, const Variable& x, const Tensor& examples, const Dropout& dropout);

/// x times factors [columns], a parameter.
Variable scale_columns(Tape& tape, const Variable& x, const Variable& factors);

}  // namespace temper
