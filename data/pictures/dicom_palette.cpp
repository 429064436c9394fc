#include "data/pictures/dicom_palette.h"

#include <dcmtk/config/osconfig.h>
// DCMTK wants its configuration before all of its headers.
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcitem.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace temper {
namespace {

constexpr std::int64_t kMostColours = 65'536;

struct ChannelTags {
  const char* name;
  DcmTagKey descriptor;
  DcmTagKey data;
};

/// What a descriptor says: how many colours, the value of the first, and bits.
struct PaletteDescriptor {
  std::int64_t colours;
  std::int64_t first;
  std::int64_t bits;

  bool operator==(const PaletteDescriptor&) const = default;
};

/// Unsigned numbers or signed ones, as the samples are.
std::int64_t descriptor_number(DcmItem& data, const ChannelTags& tags, unsigned long place, const PictureFile& file) {
  OFString text;
  std::int64_t value = 0;
  const bool is_there = data.findAndGetOFString(tags.descriptor, text, place).good();
  const char* const end = text.c_str() + text.length();
  if (!is_there || std::from_chars(text.c_str(), end, value).ptr != end || text.empty())
    throw file.refused(
        fmt::format("has no whole {}PaletteColorLookupTableDescriptor, which PALETTE COLOR needs", tags.name),
        "convert it to RGB or grey");
  return value;
}

PaletteDescriptor descriptor_of(DcmItem& data, const ChannelTags& tags, const PictureFile& file) {
  PaletteDescriptor descriptor{descriptor_number(data, tags, 0, file), descriptor_number(data, tags, 1, file),
                               descriptor_number(data, tags, 2, file)};
  // Of 16 bits, which 65536 needs one more of, and which may have been read as signed ones.
  descriptor.colours = (descriptor.colours + kMostColours) % kMostColours;
  if (descriptor.colours == 0) descriptor.colours = kMostColours;
  return descriptor;
}

/// Colours of 8 bits lie one in a word, or two.
std::vector<std::uint16_t> colours_of(DcmItem& data, const ChannelTags& tags, const PaletteDescriptor& descriptor,
                                      const PictureFile& file) {
  const Uint16* words = nullptr;
  unsigned long count = 0;
  if (data.findAndGetUint16Array(tags.data, words, &count).bad() || words == nullptr)
    throw file.refused(fmt::format("has no {}PaletteColorLookupTableData, which PALETTE COLOR needs (a palette in "
                                   "segments is not read)",
                                   tags.name),
                       "convert it to RGB or grey");
  const auto colours = static_cast<std::size_t>(descriptor.colours);
  std::vector<std::uint16_t> values(words, words + std::min<std::size_t>(count, colours));
  const bool are_pairs = descriptor.bits == 8 && count < colours;
  if (are_pairs) {
    values.clear();
    for (std::size_t i = 0; i < std::min<std::size_t>(colours, 2 * count); ++i)
      values.push_back(static_cast<std::uint16_t>(words[i / 2] >> (8 * (i % 2)) & 0xFF));
  }
  if (values.size() < colours)
    throw file.damaged(fmt::format("has {} words of {}PaletteColorLookupTableData, too few for {} colours of {} bits",
                                   count, tags.name, colours, descriptor.bits));
  if (descriptor.bits == 8 &&
      std::any_of(values.begin(), values.end(), [](std::uint16_t value) { return value > 255; }))
    throw file.damaged(fmt::format("has colours of more than 8 bits in {}PaletteColorLookupTableData", tags.name));
  return values;
}

template <typename Sample>
std::vector<Sample> painted(const DicomPalette& palette, std::size_t pixels,
                            const std::function<std::int64_t(std::size_t)>& stored) {
  std::vector<Sample> samples(pixels * palette.channels.size());
  const auto last = static_cast<std::int64_t>(palette.channels.front().size()) - 1;
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const auto colour = static_cast<std::size_t>(std::clamp<std::int64_t>(stored(pixel) - palette.first, 0, last));
    for (std::size_t channel = 0; channel < palette.channels.size(); ++channel)
      samples[pixel * palette.channels.size() + channel] = static_cast<Sample>(palette.channels[channel][colour]);
  }
  return samples;
}

}  // namespace

Picture DicomPalette::picture(ImageExtent extent, const std::function<std::int64_t(std::size_t)>& stored) const {
  const auto pixels = static_cast<std::size_t>(extent.pixels());
  if (bits == 8) return {extent, 3, painted<std::uint8_t>(*this, pixels, stored), 0.0F, 255.0F};
  return {extent, 3, painted<std::uint16_t>(*this, pixels, stored), 0.0F, 65535.0F};
}

DicomPalette read_dicom_palette(DcmItem& data, const PictureFile& file) {
  const std::array<ChannelTags, 3> tags = {
      ChannelTags{"Red", DCM_RedPaletteColorLookupTableDescriptor, DCM_RedPaletteColorLookupTableData},
      ChannelTags{"Green", DCM_GreenPaletteColorLookupTableDescriptor, DCM_GreenPaletteColorLookupTableData},
      ChannelTags{"Blue", DCM_BluePaletteColorLookupTableDescriptor, DCM_BluePaletteColorLookupTableData}};
  const PaletteDescriptor descriptor = descriptor_of(data, tags.front(), file);
  if (descriptor.bits != 8 && descriptor.bits != 16)
    throw file.damaged(fmt::format("has a palette of colours of {} bits, expected 8 or 16", descriptor.bits));
  DicomPalette palette;
  palette.first = descriptor.first;
  palette.bits = static_cast<int>(descriptor.bits);
  for (std::size_t channel = 0; channel < tags.size(); ++channel) {
    if (descriptor_of(data, tags[channel], file) != descriptor)
      throw file.damaged(fmt::format("has palettes of red and {} that differ in size or bits", tags[channel].name));
    palette.channels[channel] = colours_of(data, tags[channel], descriptor, file);
  }
  return palette;
}

}  // namespace temper
