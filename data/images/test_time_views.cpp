#include <algorithm>

#include "base/error.h"
#include "data/images/augmentation.h"
#include "data/images/colour.h"
#include "data/images/geometry.h"

namespace temper {
namespace {

/// What is cut off at both edges together, of pictures whose processor cuts off nothing: 256 pixels for 224.
constexpr std::int64_t kEnlargedEighths = 8;
constexpr std::int64_t kKeptEighths = 7;

/// The size of which corners are taken.
ImageExtent cornered_extent(ImageExtent extent, const ImageProcessor& processor) {
  const ImageExtent seen = processor.extent();
  const ImageExtent whole = resized_extent(extent, processor);
  if (processor.crop.pixels() > 0 && whole != seen) return whole;
  return {seen.height * kEnlargedEighths / kKeptEighths, seen.width * kEnlargedEighths / kKeptEighths};
}

}  // namespace

std::vector<PictureView> test_time_views(std::string_view name) {
  if (name == "none") return {PictureView::whole};
  if (name == "flip") return {PictureView::whole, PictureView::flipped};
  if (name == "five-crops")
    return {PictureView::top_left, PictureView::top_right, PictureView::bottom_left, PictureView::bottom_right,
            PictureView::centre};
  throw usage_error("\"{}\" are no views of a picture, expected none, flip or five-crops", name);
}

Picture viewed(const Picture& picture, const ImageProcessor& processor, PictureView view) {
  if (view == PictureView::whole) return fitted(picture, processor);
  if (view == PictureView::flipped) return mirrored(fitted(picture, processor));
  const ImageExtent whole = cornered_extent(picture.extent, processor);
  const ImageExtent seen = processor.extent();
  const std::int64_t down = whole.height - seen.height;
  const std::int64_t right = whole.width - seen.width;
  PixelRectangle kept{0, 0, seen};
  if (view == PictureView::bottom_left || view == PictureView::bottom_right) kept.top = down;
  if (view == PictureView::top_right || view == PictureView::bottom_right) kept.left = right;
  if (view == PictureView::centre) {
    kept.top = down / 2;
    kept.left = right / 2;
  }
  return resized_part(in_byte_range(picture), whole, processor.filter, kept);
}

}  // namespace temper
