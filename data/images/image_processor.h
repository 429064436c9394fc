// What a model wants to see: how pictures become the pixels of its input layer. Read from the preprocessor_config.json
// of a Hugging Face folder, or from what config.json says of a timm model, and written back by the export.
//
// The values are those of the processors of transformers that use Pillow (their names end in "Pil" since 5.0; the
// others resize with torchvision, whose 8-bit results differ from Pillow's by 1 here and there).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/image_extent.h"
#include "data/images/resize.h"
#include "data/pictures/picture.h"

namespace temper {

/// How the size of a picture becomes the size of the resized one.
enum class ResizeRule : std::uint8_t {
  none,           ///< it stays, and has to be `size` where nothing is cropped
  exact,          ///< `size`, whatever that does to the proportions
  shortest_edge,  ///< the shorter edge gets `edge` pixels, the other one keeps the proportions (rounded down)
};

struct ImageProcessor {
  ResizeRule resize_rule = ResizeRule::exact;
  ImageExtent size;       ///< of ResizeRule::exact and none
  std::int64_t edge = 0;  ///< of ResizeRule::shortest_edge
  ResizeFilter filter = ResizeFilter::bilinear;
  ImageExtent crop;  ///< what is kept of the middle after resizing, black where there is nothing; 0: all
  /// What a sample of 8 bits is multiplied with; 1 where it stays as it is. Samples of other types count as if white
  /// were 255.
  double scale = 1.0 / 255.0;
  /// [channels], or one value for all of them, of what has been scaled; empty: as they are.
  std::vector<double> mean;
  std::vector<double> deviation;
  /// ConvNeXt's rule, which only has `edge`: below 384 pixels the shorter edge gets edge / crop_share and the middle is
  /// kept, from 384 on nothing is cut off; size, crop and rule say what follows from it. 0: not this rule.
  double crop_share = 0.0;
  /// timm's rule: before the middle is kept, an edge has floor(what is kept / crop_pct), and where the middle lies
  /// between two pixels the even one counts. This is crop_pct; 0: not this rule.
  double timm_share = 0.0;
  std::string source;    ///< what all this comes from, for the user: a file, or the defaults that were taken and why
  std::string document;  ///< the JSON that it was read from; empty: none. Of timm's rule: pretrained_cfg

  /// Of what the model sees.
  [[nodiscard]] ImageExtent extent() const { return crop.pixels() > 0 ? crop : size; }
  /// Makes the model see pictures of another size: what is cut off at the edges stays the same share. Throws Error
  /// (usage) for sizes below 1 or above 16,384, and where ConvNeXt's rule would have to give another shape than a
  /// square.
  void set_extent(ImageExtent extent);
  /// preprocessor_config.json: what was read, with the keys that are not known here, and the sizes that are used.
  [[nodiscard]] std::string to_json() const;
  /// Of timm's rule: "pretrained_cfg" with the size that is used, and all that decides what the model sees.
  [[nodiscard]] std::string to_pretrained_cfg() const;
};

/// Of a model folder. `config`: the text of config.json that the model was read from. Keys that
/// preprocessor_config.json leaves out have the values of the class that it names. Without the file: what config.json's
/// `pretrained_cfg` says (timm), else the size that the model has in config.json (`image_size`, else 224) with nothing
/// cut off, since nobody said that edges do not matter, and the filter, mean and deviation with which published models
/// of its type were trained: bilinear and 0.5 of ViT, bicubic and those of ImageNet of all others; 0.5 where the model
/// sees one channel. Where a file has pictures keep their proportions and cuts nothing off, their middle is kept: all
/// pictures of a batch have one size. Throws Error, with file and key, for values of the wrong kind, sizes below 1 or
/// above 16,384, deviations of 0, unknown filters, and what is not done here (padding, a longest edge).
ImageProcessor read_image_processor(const std::filesystem::path& folder, const std::string& config);

/// The same of the texts of the two files; an empty one is absent. `place` begins what errors say.
ImageProcessor parse_image_processor(const std::string& preprocessor_config, const std::string& config,
                                     const std::string& place);

/// What a picture of this size is resized to, before anything is cut off.
ImageExtent resized_extent(ImageExtent extent, const ImageProcessor& processor);

/// The share of a picture of this size that is cut off at its edges, 0 to 1.
double cut_share(ImageExtent extent, const ImageProcessor& processor);

/// The picture resized and cropped: what the model sees. Bytes of black 0 and white 255 stay bytes; all other samples
/// are in_byte_range first (colour.h).
Picture fitted(const Picture& picture, const ImageProcessor& processor);

/// The last steps: a picture of the right size becomes values of `out` [height, width, channels]: RGB to grey by
/// Pillow's weights (ITU-R 601-2) before, grey to RGB by repeating it, scaled, normalised. Throws Error where `out` has
/// another size, or mean and deviation are of other channels.
void normalize_pixels(const Picture& picture, const ImageProcessor& processor, std::int64_t channels,
                      std::span<float> out);

/// What evaluation sees: both of the above, `out` [extent().height, extent().width, channels].
void to_pixels(const Picture& picture, const ImageProcessor& processor, std::int64_t channels, std::span<float> out);

}  // namespace temper
