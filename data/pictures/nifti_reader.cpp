// NIfTI-1 and NIfTI-2 (nifti.nimh.nih.gov), plain or compressed with gzip. A reader of our own: Debian's libnifti2
// opens files by name alone, prints to stderr and takes memory for what a header says, and of the format only a header
// of fixed places is needed here. A volume passes through once, line by line, so that one slice is all that is kept.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/counted.h"
#include "data/pictures/readers.h"

namespace temper {
namespace {

/// The file's bytes in order, unpacked where gzip compressed them.
class NiftiStream {
 public:
  explicit NiftiStream(const PictureFile& file) : file_(file), left_(file.bytes) {
    constexpr std::array kGzip{std::byte{0x1F}, std::byte{0x8B}};
    packed_ = left_.size() >= kGzip.size() && std::equal(kGzip.begin(), kGzip.end(), left_.begin());
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (packed_ && inflateInit2(&inflater_, kGzipOnly) != Z_OK)
      throw Error("{}: zlib cannot be started: out of memory", file.called);
  }
  ~NiftiStream() {
    if (packed_) inflateEnd(&inflater_);
  }
  NiftiStream(const NiftiStream&) = delete;
  NiftiStream& operator=(const NiftiStream&) = delete;

  /// Fills `to`. Throws Error where the file ends before.
  void read(std::span<std::byte> to) {
    if (packed_)
      inflate_into(to);
    else
      copy_into(to);
    at_ += to.size();
  }

  void skip(std::uint64_t count) {
    std::array<std::byte, 4096> passed;
    for (; count > 0; count -= std::min<std::uint64_t>(count, passed.size()))
      read(std::span(passed).first(std::min<std::uint64_t>(count, passed.size())));
  }

  [[nodiscard]] bool packed() const { return packed_; }

 private:
  [[nodiscard]] Error cut_short() const {
    return file_.damaged(fmt::format("is cut short after {} bytes{}", file_.bytes.size(),
                                     packed_ ? fmt::format(", {} unpacked", at_ + inflated_) : std::string()));
  }

  void copy_into(std::span<std::byte> to) {
    if (to.size() > left_.size()) throw cut_short();
    std::copy_n(left_.begin(), to.size(), to.begin());
    left_ = left_.subspan(to.size());
  }

  void inflate_into(std::span<std::byte> to) {
    inflated_ = 0;
    while (inflated_ < to.size()) {
      if (inflater_.avail_in == 0) {
        const std::size_t count = std::min<std::size_t>(left_.size(), 1U << 30);
        // zlib's input is not const by tradition only.
        inflater_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(left_.data()));
        inflater_.avail_in = static_cast<uInt>(count);
        left_ = left_.subspan(count);
      }
      const std::size_t room = std::min<std::size_t>(to.size() - inflated_, 1U << 30);
      inflater_.next_out = reinterpret_cast<Bytef*>(to.data() + inflated_);
      inflater_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&inflater_, Z_NO_FLUSH);
      inflated_ += room - inflater_.avail_out;
      if (status == Z_STREAM_END) {
        // Another member may follow: some programs write blocks that can be sought (bgzip).
        if (inflated_ == to.size()) break;
        if ((inflater_.avail_in == 0 && left_.empty()) || inflateReset(&inflater_) != Z_OK) throw cut_short();
      } else if (status == Z_BUF_ERROR && inflater_.avail_in == 0 && left_.empty()) {
        throw cut_short();
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        throw file_.damaged(
            fmt::format("cannot be unpacked as gzip: {}", inflater_.msg != nullptr ? inflater_.msg : "damaged data"));
      }
    }
  }

  const PictureFile& file_;
  std::span<const std::byte> left_;
  bool packed_ = false;
  z_stream inflater_{};
  std::uint64_t at_ = 0;
  std::size_t inflated_ = 0;
};

template <typename Value>
Value value_at(const std::byte* bytes, bool swapped) {
  std::array<std::byte, sizeof(Value)> copy;
  std::copy_n(bytes, sizeof(Value), copy.begin());
  if (swapped) std::reverse(copy.begin(), copy.end());
  return std::bit_cast<Value>(copy);
}

enum class NiftiType : std::int16_t {
  u8 = 2,
  i16 = 4,
  i32 = 8,
  f32 = 16,
  f64 = 64,
  rgb = 128,
  i8 = 256,
  u16 = 512,
  u32 = 768,
  i64 = 1024,
  u64 = 1280,
  rgba = 2304,
};

struct NiftiHeader {
  bool swapped = false;
  std::array<std::int64_t, 8> sizes{};  ///< [0]: how many of the axes count
  NiftiType type = NiftiType::u8;
  std::size_t voxel_bytes = 1;
  std::uint64_t begin = 0;  ///< where the voxels begin
  double slope = 1.0;
  double intercept = 0.0;
  float shown_lowest = 0.0F;  ///< cal_min and cal_max
  float shown_highest = 0.0F;

  [[nodiscard]] bool coloured() const { return type == NiftiType::rgb || type == NiftiType::rgba; }
  [[nodiscard]] bool shown() const {
    return shown_highest > shown_lowest && std::isfinite(shown_highest - shown_lowest);
  }
};

/// Bytes of a voxel; 0: a type that no picture can be made of.
std::size_t bytes_of(std::int16_t type) {
  switch (static_cast<NiftiType>(type)) {
    case NiftiType::u8:
    case NiftiType::i8:
      return 1;
    case NiftiType::i16:
    case NiftiType::u16:
      return 2;
    case NiftiType::rgb:
      return 3;
    case NiftiType::i32:
    case NiftiType::u32:
    case NiftiType::f32:
    case NiftiType::rgba:
      return 4;
    case NiftiType::f64:
    case NiftiType::i64:
    case NiftiType::u64:
      return 8;
  }
  return 0;
}

constexpr std::size_t kFirstHeader = 348;
constexpr std::size_t kSecondHeader = 540;

/// The places of the two versions' fields.
struct NiftiPlaces {
  std::size_t dim, dim_bytes, datatype, begin, slope, cal_max, magic;
};
constexpr NiftiPlaces kFirstPlaces{40, 2, 70, 108, 112, 124, 344};
constexpr NiftiPlaces kSecondPlaces{16, 8, 12, 168, 176, 192, 4};

NiftiHeader read_nifti_header(const PictureFile& file, NiftiStream& stream) {
  std::array<std::byte, kSecondHeader> bytes{};
  stream.read(std::span(bytes).first(4));
  NiftiHeader header;
  auto size = value_at<std::uint32_t>(bytes.data(), false);
  if (size != kFirstHeader && size != kSecondHeader) {
    header.swapped = true;
    size = value_at<std::uint32_t>(bytes.data(), true);
  }
  if (size != kFirstHeader && size != kSecondHeader)
    throw Error(
        "{}: found {} that is no NIfTI volume; expected a picture in PNG, JPEG, TIFF, DICOM or NIfTI; unpack it, "
        "or take it out of the data",
        file.called, stream.packed() ? "what gzip has compressed" : "a header");
  stream.read(std::span(bytes).subspan(4, size - 4));
  const bool second = size == kSecondHeader;
  const NiftiPlaces& places = second ? kSecondPlaces : kFirstPlaces;
  const bool swapped = header.swapped;
  const std::string_view magic(reinterpret_cast<const char*>(bytes.data()) + places.magic, 3);
  if (magic == "ni1" || magic == "ni2")
    throw file.refused("is the header of a pair (.hdr and .img), expected one file", "write it as .nii (nibabel.save)");
  if (magic != (second ? "n+2" : "n+1"))
    throw file.refused("has a header without NIfTI's mark (\"n+1\"), as ANALYZE 7.5 writes it", "convert it to .nii");
  for (std::size_t axis = 0; axis < header.sizes.size(); ++axis) {
    const std::byte* at = bytes.data() + places.dim + axis * places.dim_bytes;
    header.sizes[axis] = second ? value_at<std::int64_t>(at, swapped) : value_at<std::int16_t>(at, swapped);
  }
  const auto type = value_at<std::int16_t>(bytes.data() + places.datatype, swapped);
  header.type = static_cast<NiftiType>(type);
  header.voxel_bytes = bytes_of(type);
  if (header.voxel_bytes == 0)
    throw file.refused(
        fmt::format("has voxels of type {}, expected integers of 8 to 64 bits, floats of 32 or 64, or RGB", type),
        "convert it");
  const auto real = [&](std::size_t at, std::size_t index) {
    return second ? value_at<double>(bytes.data() + at + index * 8, swapped)
                  : static_cast<double>(value_at<float>(bytes.data() + at + index * 4, swapped));
  };
  const double begin = second ? static_cast<double>(value_at<std::int64_t>(bytes.data() + places.begin, swapped))
                              : real(places.begin, 0);
  header.begin = begin >= static_cast<double>(size) && begin < 1e15 ? static_cast<std::uint64_t>(begin) : size + 4;
  header.slope = real(places.slope, 0);
  header.intercept = real(places.slope, 1);
  // A slope of 0 means that values are as they are stored.
  if (header.slope == 0.0 || !std::isfinite(header.slope) || !std::isfinite(header.intercept)) {
    header.slope = 1.0;
    header.intercept = 0.0;
  }
  header.shown_highest = static_cast<float>(real(places.cal_max, 0));
  header.shown_lowest = static_cast<float>(real(places.cal_max, 1));
  stream.skip(header.begin - size);
  return header;
}

/// A volume whose header was read, with what is to be cut from it.
class NiftiVolume {
 public:
  NiftiVolume(const PictureFile& file, const DecodeOptions& options)
      : file_(file), options_(options), stream_(file_), header_(read_nifti_header(file_, stream_)) {
    const std::int64_t axes = header_.sizes[0];
    if (axes < 1 || axes > 7) throw file.damaged(fmt::format("says that it has {} axes, expected 1 to 7", axes));
    for (std::size_t axis = 1; axis < header_.sizes.size(); ++axis) {
      std::int64_t& size = header_.sizes[axis];
      if (static_cast<std::int64_t>(axis) > axes) size = 1;
      if (size < 1 || size > std::numeric_limits<std::int32_t>::max())
        throw file.damaged(fmt::format("says that its axis {} has {} voxels", axis - 1, size));
      if (axis > 4 && size > 1)
        throw file.refused(
            fmt::format("has {} voxels along its axis {}, expected at most volumes along axis 3", size, axis - 1),
            "cut it into volumes");
    }
    // Of the two axes that are not cut, the first runs along the rows.
    extent_ = {header_.sizes[options.axis == 2 ? 2 : 3], header_.sizes[options.axis == 0 ? 2 : 1]};
    file.check_extent(extent_, options);
    check_line();
    check_size();
  }

  [[nodiscard]] PictureFacts facts() const {
    PictureFacts facts;
    facts.extent = extent_;
    facts.channels = header_.coloured() ? static_cast<std::int64_t>(header_.voxel_bytes) : 1;
    facts.bits = header_.coloured() ? 8 : static_cast<int>(header_.voxel_bytes * 8);
    facts.is_float = header_.type == NiftiType::f32 || header_.type == NiftiType::f64;
    facts.is_signed = header_.type == NiftiType::i8 || header_.type == NiftiType::i16 ||
                      header_.type == NiftiType::i32 || header_.type == NiftiType::i64;
    facts.frames = slices();
    return facts;
  }

  Picture read() {
    const std::int64_t volume = file_.frame(header_.sizes[4], "volumes (along axis 3)", options_);
    const std::int64_t slice = chosen_slice();
    const std::uint64_t volume_bytes = static_cast<std::uint64_t>(header_.sizes[1] * header_.sizes[2]) *
                                       static_cast<std::uint64_t>(header_.sizes[3]) * header_.voxel_bytes;
    stream_.skip(volume_bytes * static_cast<std::uint64_t>(volume));
    return header_.coloured() ? read_colours(slice) : read_values(slice);
  }

 private:
  [[nodiscard]] std::int64_t slices() const { return header_.sizes[static_cast<std::size_t>(options_.axis) + 1]; }

  [[nodiscard]] std::int64_t chosen_slice() const {
    const std::int64_t slice = options_.slice.value_or(slices() / 2);
    if (slice < 0 || slice >= slices())
      throw file_.refused(fmt::format("has {} along axis {}, and slice {} was asked for", counted(slices(), "slice"),
                                      options_.axis, slice),
                          slices() == 1 ? std::string("the only one is slice 0: name it, or none")
                                        : fmt::format("name one of 0 to {} by images.slice (--slice)", slices() - 1));
    return slice;
  }

  /// A line along axis 0 is what memory is taken for also where that axis is cut, so that the picture has none of them.
  void check_line() const {
    if (header_.sizes[1] <= options_.most_pixels) return;
    throw file_.refused(fmt::format("has lines of {} voxels along axis 0, more than the limit of {} megapixels",
                                    header_.sizes[1], megapixels(options_.most_pixels)),
                        kSmallerOrOther);
  }

  /// All voxels must be there: stored as they are, or in what deflate can have made of them.
  void check_size() const {
    double bytes = static_cast<double>(header_.voxel_bytes);
    for (std::size_t axis = 1; axis <= 4; ++axis) bytes *= static_cast<double>(header_.sizes[axis]);
    const double most = static_cast<double>(file_.bytes.size()) * (stream_.packed() ? 1032.0 : 1.0);
    if (bytes + static_cast<double>(header_.begin) > most)
      throw file_.damaged(fmt::format("is cut short: {} bytes cannot hold {} x {} x {} x {} voxels of {} bytes",
                                      file_.bytes.size(), header_.sizes[1], header_.sizes[2], header_.sizes[3],
                                      header_.sizes[4], header_.voxel_bytes));
  }

  /// Hands each line along axis 0 of the volume to `take`, with the line of the picture, if any, that it is, and the
  /// voxel of it that alone is wanted (-1: all).
  template <typename Take>
  void for_lines(std::int64_t slice, const Take& take) {
    std::vector<std::byte> line(static_cast<std::size_t>(header_.sizes[1]) * header_.voxel_bytes);
    for (std::int64_t z = 0; z < header_.sizes[3]; ++z)
      for (std::int64_t y = 0; y < header_.sizes[2]; ++y) {
        stream_.read(line);
        switch (options_.axis) {
          case 0:
            take(line, z * extent_.width + y, slice);
            break;
          case 1:
            take(line, y == slice ? z * extent_.width : -1, -1);
            break;
          default:
            take(line, z == slice ? y * extent_.width : -1, -1);
        }
      }
  }

  Picture read_colours(std::int64_t slice) {
    std::vector<std::uint8_t> samples(static_cast<std::size_t>(extent_.pixels() * 3));
    for_lines(slice, [&](const std::vector<std::byte>& line, std::int64_t pixel, std::int64_t only) {
      if (pixel < 0) return;
      const std::int64_t first = std::max<std::int64_t>(only, 0);
      const std::int64_t count = only < 0 ? header_.sizes[1] : 1;
      for (std::int64_t i = 0; i < count; ++i)
        std::memcpy(samples.data() + (pixel + i) * 3,
                    line.data() + static_cast<std::size_t>(first + i) * header_.voxel_bytes, 3);
    });
    return {extent_, 3, std::move(samples), 0.0F, 255.0F};
  }

  Picture read_values(std::int64_t slice) {
    std::vector<float> samples(static_cast<std::size_t>(extent_.pixels()));
    std::vector<float> values(static_cast<std::size_t>(header_.sizes[1]));
    ValueRange range;
    for_lines(slice, [&](const std::vector<std::byte>& line, std::int64_t pixel, std::int64_t only) {
      if (pixel < 0 && header_.shown()) return;
      convert(line, values);
      if (!header_.shown())
        for (const float value : values) range.add(value);
      if (pixel < 0) return;
      if (only < 0)
        std::copy(values.begin(), values.end(), samples.begin() + pixel);
      else
        samples[static_cast<std::size_t>(pixel)] = values[static_cast<std::size_t>(only)];
    });
    Picture picture{extent_, 1, std::move(samples), 0.0F, 1.0F};
    if (header_.shown()) {
      picture.black = header_.shown_lowest;
      picture.white = header_.shown_highest;
    } else if (!range.empty()) {
      picture.black = range.lowest;
      picture.white = range.highest;
    }
    return picture;
  }

  void convert(const std::vector<std::byte>& line, std::vector<float>& values) const {
    switch (header_.type) {
      case NiftiType::u8:
        return convert_as<std::uint8_t>(line, values);
      case NiftiType::i8:
        return convert_as<std::int8_t>(line, values);
      case NiftiType::i16:
        return convert_as<std::int16_t>(line, values);
      case NiftiType::u16:
        return convert_as<std::uint16_t>(line, values);
      case NiftiType::i32:
        return convert_as<std::int32_t>(line, values);
      case NiftiType::u32:
        return convert_as<std::uint32_t>(line, values);
      case NiftiType::i64:
        return convert_as<std::int64_t>(line, values);
      case NiftiType::u64:
        return convert_as<std::uint64_t>(line, values);
      case NiftiType::f32:
        return convert_as<float>(line, values);
      case NiftiType::f64:
        return convert_as<double>(line, values);
      case NiftiType::rgb:
      case NiftiType::rgba:
        break;
    }
  }

  template <typename Voxel>
  void convert_as(const std::vector<std::byte>& line, std::vector<float>& values) const {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(
          static_cast<double>(value_at<Voxel>(line.data() + i * sizeof(Voxel), header_.swapped)) * header_.slope +
          header_.intercept);
  }

  PictureFile file_;
  DecodeOptions options_;
  NiftiStream stream_;
  NiftiHeader header_;
  ImageExtent extent_;
};

}  // namespace

PictureFacts nifti_facts(const PictureFile& file, const DecodeOptions& options) {
  return NiftiVolume(file, options).facts();
}

DecodedPicture read_nifti(const PictureFile& file, const DecodeOptions& options) {
  NiftiVolume volume(file, options);
  Picture picture = volume.read();
  return {std::move(picture), volume.facts()};
}

}  // namespace temper
