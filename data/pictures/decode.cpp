#include "data/pictures/decode.h"

#include <algorithm>

#include "data/pictures/orientation.h"
#include "data/pictures/picture_format.h"
#include "data/pictures/readers.h"

namespace temper {
namespace {

struct FormatReader {
  PictureFormat format;
  PictureFacts (*facts)(const PictureFile&, const DecodeOptions&);
  DecodedPicture (*read)(const PictureFile&, const DecodeOptions&);
};

constexpr FormatReader kFormatReaders[] = {
    {PictureFormat::png, png_facts, read_png},       {PictureFormat::jpeg, jpeg_facts, read_jpeg},
    {PictureFormat::tiff, tiff_facts, read_tiff},    {PictureFormat::dicom, dicom_facts, read_dicom},
    {PictureFormat::nifti, nifti_facts, read_nifti},
};

const FormatReader& reader_of(std::span<const std::byte> bytes, const std::string& name) {
  const PictureFormat format = format_of_content(bytes);
  const auto* found = std::find_if(std::begin(kFormatReaders), std::end(kFormatReaders),
                                   [&](const FormatReader& reader) { return reader.format == format; });
  if (found == std::end(kFormatReaders)) {
    const PictureFormat named = format_of_name(name);
    throw Error("{}: found {}; expected {} by its content; {}", name, describe_content(bytes),
                named == PictureFormat::unknown ? "a picture in PNG, JPEG, TIFF, DICOM or NIfTI"
                                                : fmt::format("a {} file, as its name says,", format_name(named)),
                bytes.empty() ? "copy or download it again" : "convert it, or take it out of the data");
  }
  return *found;
}

/// The format that the name says where it is another one, else empty.
std::string other_name(PictureFormat format, const std::string& name) {
  const PictureFormat named = format_of_name(name);
  return named == PictureFormat::unknown || named == format ? std::string() : std::string(format_name(named));
}

PictureFile file_of(std::span<const std::byte> bytes, const std::string& name, PictureFormat format) {
  const std::string named = other_name(format, name);
  return {
      bytes,
      named.empty() ? name : fmt::format("{} (named as {}, but {} by its content)", name, named, format_name(format)),
      format_name(format)};
}

void check_options(const DecodeOptions& options) {
  if (options.window.has_value() &&
      !(options.window->width > 0 && std::isfinite(options.window->width) && std::isfinite(options.window->centre)))
    throw usage_error(
        "A window of pictures has the centre {} and the width {}; expected finite numbers, the width above 0",
        options.window->centre, options.window->width);
  if (options.axis < 0 || options.axis > 2)
    throw usage_error("Slices are to be cut across axis {}; expected 0, 1 or 2", options.axis);
}

/// In the units of the file's values: what was turned over, they are turned over with.
void apply_window(DecodedPicture& decoded, const PictureWindow& window) {
  Picture& picture = decoded.picture;
  const double low = window.centre - window.width / 2;
  const double high = window.centre + window.width / 2;
  const double ends = static_cast<double>(picture.black) + static_cast<double>(picture.white);
  picture.black = static_cast<float>(decoded.facts.inverted ? ends - high : low);
  picture.white = static_cast<float>(decoded.facts.inverted ? ends - low : high);
}

/// One value that is no number would spoil all that it is averaged with.
std::int64_t replace_not_finite(Picture& picture) {
  auto* samples = std::get_if<std::vector<float>>(&picture.samples);
  std::int64_t found = 0;
  if (samples == nullptr) return found;
  for (float& value : *samples) {
    if (std::isfinite(value)) continue;
    value = value > 0 ? picture.white : picture.black;
    ++found;
  }
  return found;
}

}  // namespace

std::string megapixels(std::int64_t pixels) { return fmt::format("{:.6g}", static_cast<double>(pixels) / 1e6); }

void PictureFile::check_extent(const ImageExtent& extent, const DecodeOptions& options) const {
  if (extent.height < 1 || extent.width < 1)
    throw damaged(fmt::format("has {} x {} pixels, expected at least 1 x 1", extent.width, extent.height));
  if (extent.height > options.most_pixels / extent.width)
    throw refused(fmt::format("has {} x {} pixels, more than the limit of {} megapixels", extent.width, extent.height,
                              megapixels(options.most_pixels)),
                  kSmallerOrOther);
}

std::int64_t PictureFile::frame(std::int64_t frames, std::string_view called_frames,
                                const DecodeOptions& options) const {
  const std::int64_t wanted = options.frame.value_or(0);
  if (wanted < 0 || wanted >= frames)
    throw refused(frames == 1 ? fmt::format("holds one picture, and frame {} was asked for", wanted)
                              : fmt::format("has {} {}, and frame {} was asked for", frames, called_frames, wanted),
                  frames == 1 ? std::string("ask for frame 0, or for none (images.frame, --frame)")
                              : fmt::format("name one of 0 to {} by images.frame (--frame)", frames - 1));
  if (frames > 1 && !options.frame.has_value())
    throw refused(
        fmt::format("has {} {}, expected one picture in a file", frames, called_frames),
        fmt::format("say which by images.frame, 0 to {} (--frame of a command), or split it into files", frames - 1));
  return wanted;
}

DecodedPicture decode_picture(std::span<const std::byte> file, const std::string& name, const DecodeOptions& options) {
  check_options(options);
  const FormatReader& reader = reader_of(file, name);
  DecodedPicture decoded = reader.read(file_of(file, name, reader.format), options);
  decoded.facts.format = format_name(reader.format);
  decoded.facts.named_as = other_name(reader.format, name);
  // For grey DICOM has a rule of its own, which its reader follows.
  if (options.window.has_value() && (reader.format != PictureFormat::dicom || decoded.picture.channels == 3))
    apply_window(decoded, *options.window);
  Picture& picture = decoded.picture;
  if (!(picture.white > picture.black))
    picture.white =
        std::max(picture.black + 1.0F, std::nextafter(picture.black, std::numeric_limits<float>::infinity()));
  decoded.facts.not_finite = replace_not_finite(picture);
  turn_by_orientation(picture, decoded.facts.orientation);
  return decoded;
}

PictureFacts picture_facts(std::span<const std::byte> file, const std::string& name, const DecodeOptions& options) {
  check_options(options);
  const FormatReader& reader = reader_of(file, name);
  PictureFacts facts = reader.facts(file_of(file, name, reader.format), options);
  facts.format = format_name(reader.format);
  facts.named_as = other_name(reader.format, name);
  return facts;
}

}  // namespace temper
