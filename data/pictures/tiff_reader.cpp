// TIFF by libtiff, which undoes the compression; what the samples mean is decided here, as libtiff's own conversion
// knows 8 bits alone.
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "data/pictures/cmyk.h"
#include "data/pictures/readers.h"

namespace temper {
namespace {

/// libtiff counts directories in a list that leads on and on; more pages than this are not counted.
constexpr std::int64_t kMostPages = 65536;

/// The file in memory as libtiff reads it, and the last reason that it gave.
struct TiffInput {
  std::span<const std::byte> bytes;
  std::uint64_t at = 0;
  std::array<char, 200> reason{};
};

TiffInput& input_of(thandle_t handle) { return *static_cast<TiffInput*>(handle); }

tmsize_t read_tiff_bytes(thandle_t handle, void* to, tmsize_t size) {
  TiffInput& input = input_of(handle);
  if (size < 0 || input.at >= input.bytes.size()) return 0;
  const std::size_t count = std::min<std::size_t>(static_cast<std::size_t>(size), input.bytes.size() - input.at);
  std::memcpy(to, input.bytes.data() + input.at, count);
  input.at += count;
  return static_cast<tmsize_t>(count);
}

tmsize_t write_no_tiff(thandle_t /*handle*/, void* /*from*/, tmsize_t /*size*/) { return 0; }

toff_t seek_tiff(thandle_t handle, toff_t offset, int whence) {
  TiffInput& input = input_of(handle);
  if (whence == SEEK_CUR) offset += input.at;
  if (whence == SEEK_END) offset += input.bytes.size();
  input.at = offset;
  return offset;
}

int close_no_tiff(thandle_t /*handle*/) { return 0; }

toff_t size_of_tiff(thandle_t handle) { return input_of(handle).bytes.size(); }

int keep_tiff_reason(TIFF* /*tiff*/, void* to, const char* /*module*/, const char* format, va_list values) {
  // The first reason is the one that the others follow from.
  auto& reason = static_cast<TiffInput*>(to)->reason;
  if (reason[0] == '\0') std::vsnprintf(reason.data(), reason.size(), format, values);
  return 1;
}

int ignore_tiff_warning(TIFF* /*tiff*/, void* /*to*/, const char* /*module*/, const char* /*format*/,
                        va_list /*values*/) {
  return 1;
}

enum class TiffColour { white_is_zero, black_is_zero, rgb, palette, cmyk };
enum class TiffSample { whole, signed_whole, real };

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};

/// What a page's directory says.
struct TiffPage {
  ImageExtent extent;
  std::int64_t stored_channels = 1;
  std::int64_t kept_channels = 1;  ///< those that are colours
  int bits = 8;
  TiffSample sample = TiffSample::whole;
  TiffColour colour = TiffColour::black_is_zero;
  bool by_plane = false;
  int orientation = 1;

  /// In memory: less than 8 bits take 8.
  [[nodiscard]] std::size_t sample_bytes() const { return bits < 8 ? 1 : static_cast<std::size_t>(bits) / 8; }
  [[nodiscard]] std::int64_t channels() const { return kept_channels == 1 && colour != TiffColour::palette ? 1 : 3; }
};

std::uint16_t short_field(TIFF* tiff, std::uint32_t tag, std::uint16_t otherwise) {
  std::uint16_t value = otherwise;
  return TIFFGetFieldDefaulted(tiff, tag, &value) != 0 ? value : otherwise;
}

/// A TIFF file whose first page, or the only one that is no thumbnail, is looked at.
class TiffFile {
 public:
  TiffFile(const PictureFile& file, const DecodeOptions& options) : file_(file), options_(options) {
    input_.bytes = file.bytes;
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> opening(TIFFOpenOptionsAlloc(),
                                                                               TIFFOpenOptionsFree);
    if (!opening) throw Error("{}: libtiff cannot be started: out of memory", file.called);
    TIFFOpenOptionsSetMaxSingleMemAlloc(opening.get(), most_bytes());
    TIFFOpenOptionsSetErrorHandlerExtR(opening.get(), keep_tiff_reason, &input_);
    TIFFOpenOptionsSetWarningHandlerExtR(opening.get(), ignore_tiff_warning, nullptr);
    tiff_.reset(TIFFClientOpenExt("picture", "rm", &input_, read_tiff_bytes, write_no_tiff, seek_tiff, close_no_tiff,
                                  size_of_tiff, nullptr, nullptr, opening.get()));
    if (!tiff_) throw damaged("has a header that cannot be read");
    find_pages();
  }

  [[nodiscard]] PictureFacts facts() const {
    PictureFacts facts;
    facts.extent = page_.extent;
    facts.channels = page_.stored_channels;
    facts.bits = page_.colour == TiffColour::palette ? 8 : page_.bits;
    facts.is_signed = page_.sample == TiffSample::signed_whole;
    facts.is_float = page_.sample == TiffSample::real;
    facts.inverted = page_.colour == TiffColour::white_is_zero;
    facts.frames = static_cast<std::int64_t>(pages_.size());
    facts.orientation = page_.orientation;
    return facts;
  }

  Picture read() {
    const std::int64_t wanted = file_.frame(static_cast<std::int64_t>(pages_.size()), "pages", options_);
    go_to(pages_[static_cast<std::size_t>(wanted)]);
    page_ = read_page();
    return picture_of(read_samples());
  }

 private:
  [[nodiscard]] tmsize_t most_bytes() const {
    return static_cast<tmsize_t>(std::max<std::int64_t>(options_.most_pixels, 1 << 18) * 32);
  }

  [[nodiscard]] Error damaged(std::string_view what) const {
    return file_.damaged(input_.reason[0] == '\0' ? std::string(what)
                                                  : fmt::format("{}: {}", what, input_.reason.data()));
  }

  void go_to(std::int64_t directory) {
    if (TIFFSetDirectory(tiff_.get(), static_cast<tdir_t>(directory)) == 0)
      throw damaged(fmt::format("has a page {} that cannot be read", directory));
    input_.reason[0] = '\0';
  }

  /// Pages are directories but for those that hold a smaller copy of another one.
  void find_pages() {
    std::int64_t directory = 0;
    std::vector<std::int64_t> copies;
    do {
      std::uint32_t kind = 0;
      const bool copy =
          TIFFGetField(tiff_.get(), TIFFTAG_SUBFILETYPE, &kind) != 0 && (kind & FILETYPE_REDUCEDIMAGE) != 0;
      (copy ? copies : pages_).push_back(directory++);
    } while (directory < kMostPages && TIFFReadDirectory(tiff_.get()) != 0);
    if (pages_.empty()) pages_.swap(copies);
    if (directory > 1) go_to(pages_.front());
    input_.reason[0] = '\0';
    page_ = read_page();
  }

  TiffPage read_page() {
    TIFF* tiff = tiff_.get();
    TiffPage page;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    if (TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) == 0 || TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height) == 0)
      throw damaged("says no width and height");
    page.extent = {height, width};
    page.stored_channels = short_field(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    page.by_plane = short_field(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
    const int orientation = short_field(tiff, TIFFTAG_ORIENTATION, 1);
    page.orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
    read_compression(page);
    read_colour(page);
    read_sample_type(page);
    file_.check_extent(page.extent, options_);
    check_size(page);
    return page;
  }

  void read_compression(const TiffPage& /*page*/) {
    constexpr std::array<std::uint16_t, 11> kKnown{
        COMPRESSION_NONE,     COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3,     COMPRESSION_CCITTFAX4,
        COMPRESSION_LZW,      COMPRESSION_JPEG,     COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE,
        COMPRESSION_PACKBITS, COMPRESSION_ZSTD,     COMPRESSION_LZMA};
    const std::uint16_t compression = short_field(tiff_.get(), TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    if (std::find(kKnown.begin(), kKnown.end(), compression) == kKnown.end() || TIFFIsCODECConfigured(compression) == 0)
      throw file_.refused(
          fmt::format("is compressed by method {}, expected none, LZW, deflate, PackBits, CCITT fax or JPEG",
                      compression),
          "write it anew with one of them (tiffcp -c lzw)");
  }

  void read_colour(TiffPage& page) {
    TIFF* tiff = tiff_.get();
    std::uint16_t photometric = 0;
    if (TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric) == 0)
      throw damaged("does not say what its samples mean (PhotometricInterpretation)");
    std::int64_t colours = 1;
    switch (photometric) {
      case PHOTOMETRIC_MINISWHITE:
        page.colour = TiffColour::white_is_zero;
        break;
      case PHOTOMETRIC_MINISBLACK:
        page.colour = TiffColour::black_is_zero;
        break;
      case PHOTOMETRIC_PALETTE:
        page.colour = TiffColour::palette;
        break;
      case PHOTOMETRIC_YCBCR:
        // libtiff turns it to RGB by libjpeg; without JPEG, chroma may be stored at half the size.
        if (short_field(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) != COMPRESSION_JPEG ||
            TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB) == 0)
          throw file_.refused("has YCbCr colours without JPEG compression, expected grey, RGB, a palette or CMYK",
                              "convert it to RGB");
        [[fallthrough]];
      case PHOTOMETRIC_RGB:
        page.colour = TiffColour::rgb;
        colours = 3;
        break;
      case PHOTOMETRIC_SEPARATED:
        page.colour = TiffColour::cmyk;
        colours = 4;
        break;
      default:
        throw file_.refused(
            fmt::format("has colours of kind {} (PhotometricInterpretation), expected grey, RGB, a palette "
                        "or CMYK",
                        photometric),
            "convert it to RGB");
    }
    std::uint16_t extra = 0;
    std::uint16_t* kinds = nullptr;
    if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &extra, &kinds) == 0) extra = 0;
    // One sample beyond the colours is alpha, also where the file forgets to say so.
    const std::int64_t beyond = page.stored_channels - colours;
    if (beyond < 0 || beyond > 1 || (beyond == 1 && extra == 0 && colours != 3))
      throw file_.refused(
          fmt::format("has {} channels, expected {}, or one more of alpha", page.stored_channels, colours),
          "convert it, or take it out of the data");
    page.kept_channels = colours;
  }

  void read_sample_type(TiffPage& page) {
    TIFF* tiff = tiff_.get();
    page.bits = short_field(tiff, TIFFTAG_BITSPERSAMPLE, 1);
    const std::uint16_t format = short_field(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    bool known = false;
    if (format == SAMPLEFORMAT_IEEEFP) {
      page.sample = TiffSample::real;
      known = page.bits == 32 || page.bits == 64;
    } else if (format == SAMPLEFORMAT_INT) {
      page.sample = TiffSample::signed_whole;
      known = page.bits == 8 || page.bits == 16 || page.bits == 32;
    } else if (format == SAMPLEFORMAT_UINT || format == SAMPLEFORMAT_VOID) {
      known = page.bits == 8 || page.bits == 16 || page.bits == 32 ||
              (page.stored_channels == 1 && (page.bits == 1 || page.bits == 2 || page.bits == 4));
    }
    if (page.colour == TiffColour::palette) known = known && page.bits <= 8 && page.sample == TiffSample::whole;
    if (page.colour == TiffColour::cmyk) known = known && page.bits == 8 && page.sample == TiffSample::whole;
    if (!known)
      throw file_.refused(
          fmt::format(
              "has samples of {} bits of kind {} (SampleFormat) in {} channel{}, expected integers of 8, 16 or 32 "
              "bits or floats of 32 or 64 (1, 2 and 4 bits in one channel, 8 in a palette and CMYK)",
              page.bits, format, page.stored_channels, page.stored_channels == 1 ? "" : "s"),
          "convert it");
  }

  /// What is not compressed must be there as a whole.
  void check_size(const TiffPage& page) const {
    if (short_field(tiff_.get(), TIFFTAG_COMPRESSION, COMPRESSION_NONE) != COMPRESSION_NONE) return;
    const std::int64_t row = (page.extent.width * page.stored_channels * page.bits + 7) / 8;
    if (row * page.extent.height > static_cast<std::int64_t>(file_.bytes.size()))
      throw file_.damaged(fmt::format("is cut short: {} bytes, expected {} of pixels alone", file_.bytes.size(),
                                      row * page.extent.height));
  }

  /// [height, width, kept_channels] in the samples' own type.
  std::vector<std::byte> read_samples() {
    TIFF* tiff = tiff_.get();
    const bool tiled = TIFFIsTiled(tiff) != 0;
    std::uint32_t block_width = static_cast<std::uint32_t>(page_.extent.width);
    std::uint32_t block_height = 0;
    if (tiled && (TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &block_width) == 0 ||
                  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &block_height) == 0))
      throw damaged("says no size of its tiles");
    if (!tiled) TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &block_height);
    const std::uint64_t block_bytes = tiled ? TIFFTileSize64(tiff) : TIFFStripSize64(tiff);
    const std::uint64_t row_bytes = tiled ? TIFFTileRowSize64(tiff) : TIFFScanlineSize64(tiff);
    const std::int64_t in_block = page_.by_plane ? 1 : page_.stored_channels;
    if (block_width < 1 || block_height < 1 || block_bytes < 1 ||
        block_bytes > static_cast<std::uint64_t>(most_bytes()) ||
        row_bytes < (std::uint64_t{block_width} * static_cast<std::uint64_t>(in_block * page_.bits) + 7) / 8)
      throw damaged(fmt::format("has {} of {} x {} pixels and {} bytes", tiled ? "tiles" : "strips", block_width,
                                block_height, block_bytes));
    block_height =
        static_cast<std::uint32_t>(std::min<std::int64_t>(block_height, tiled ? block_height : page_.extent.height));
    std::vector<std::byte> samples(static_cast<std::size_t>(page_.extent.pixels() * page_.kept_channels) *
                                   page_.sample_bytes());
    std::vector<std::byte> block(block_bytes);
    const std::int64_t planes = page_.by_plane ? page_.kept_channels : 1;
    for (std::int64_t plane = 0; plane < planes; ++plane)
      for (std::int64_t y = 0; y < page_.extent.height; y += block_height)
        for (std::int64_t x = 0; x < page_.extent.width; x += block_width) {
          const std::int64_t rows = std::min<std::int64_t>(block_height, page_.extent.height - y);
          const std::int64_t columns = std::min<std::int64_t>(block_width, page_.extent.width - x);
          read_block(block, tiled, {y, x}, plane, rows, row_bytes);
          for (std::int64_t row = 0; row < rows; ++row)
            copy_row(
                block.data() + static_cast<std::uint64_t>(row) * row_bytes, columns, plane,
                samples.data() + static_cast<std::size_t>(((y + row) * page_.extent.width + x) * page_.kept_channels) *
                                     page_.sample_bytes());
        }
    return samples;
  }

  void read_block(std::vector<std::byte>& block, bool tiled, const ImageExtent& at, std::int64_t plane,
                  std::int64_t rows, std::uint64_t row_bytes) {
    TIFF* tiff = tiff_.get();
    const auto y = static_cast<std::uint32_t>(at.height);
    const auto sample = static_cast<std::uint16_t>(plane);
    const auto size = static_cast<tmsize_t>(block.size());
    const tmsize_t got =
        tiled ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, static_cast<std::uint32_t>(at.width), y, 0, sample),
                                    block.data(), size)
              : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, y, sample), block.data(), size);
    const std::uint64_t expected = static_cast<std::uint64_t>(rows) * row_bytes;
    if (got < 0 || static_cast<std::uint64_t>(got) < expected || input_.reason[0] != '\0')
      throw damaged(fmt::format("cannot be decoded from line {} and column {} on", at.height, at.width));
  }

  /// Of a row of a block, what is kept.
  void copy_row(const std::byte* row, std::int64_t columns, std::int64_t plane, std::byte* to) const {
    const std::size_t size = page_.sample_bytes();
    const auto kept = static_cast<std::size_t>(page_.kept_channels);
    if (page_.bits < 8) {
      const unsigned mask = (1U << page_.bits) - 1U;
      for (std::int64_t x = 0; x < columns; ++x) {
        const std::int64_t bit = x * page_.bits;
        const unsigned shift = static_cast<unsigned>(8 - page_.bits - bit % 8);
        to[x] = static_cast<std::byte>(std::to_integer<unsigned>(row[bit / 8]) >> shift & mask);
      }
      return;
    }
    const std::size_t from_step = page_.by_plane ? size : size * static_cast<std::size_t>(page_.stored_channels);
    const std::size_t taken = page_.by_plane ? size : size * kept;
    to += page_.by_plane ? size * static_cast<std::size_t>(plane) : 0;
    for (std::int64_t x = 0; x < columns; ++x, row += from_step, to += size * kept) std::memcpy(to, row, taken);
  }

  Picture picture_of(std::vector<std::byte> samples) {
    if (page_.sample == TiffSample::whole && page_.bits <= 16) {
      Picture picture{page_.extent, page_.channels(), {}, 0.0F, page_.bits == 16 ? 65535.0F : 255.0F};
      if (page_.bits == 16) {
        picture.samples = whole<std::uint16_t>(samples);
      } else if (page_.colour == TiffColour::palette) {
        picture.samples = coloured(samples);
      } else {
        picture.samples = whole<std::uint8_t>(samples);
        if (page_.colour == TiffColour::cmyk)
          picture.samples = cmyk_to_rgb(std::get<std::vector<std::uint8_t>>(picture.samples), false);
      }
      if (page_.bits >= 8 && page_.colour != TiffColour::palette && page_.colour != TiffColour::cmyk)
        take_stated_range(picture);
      return picture;
    }
    if (page_.sample == TiffSample::real) return page_.bits == 32 ? real<float>(samples) : real<double>(samples);
    if (page_.sample == TiffSample::whole) return real<std::uint32_t>(samples);
    return page_.bits == 8    ? real<std::int8_t>(samples)
           : page_.bits == 16 ? real<std::int16_t>(samples)
                              : real<std::int32_t>(samples);
  }

  template <typename Sample>
  std::vector<Sample> whole(const std::vector<std::byte>& bytes) const {
    std::vector<Sample> samples(bytes.size() / sizeof(Sample));
    std::memcpy(samples.data(), bytes.data(), bytes.size());
    const unsigned highest = page_.bits == 16 ? 65535U : 255U;
    // 1, 2 and 4 bits are stretched to 8: 15 becomes 255.
    const unsigned factor = page_.bits < 8 ? highest / ((1U << page_.bits) - 1U) : 1U;
    const bool turn = page_.colour == TiffColour::white_is_zero;
    if (factor == 1 && !turn) return samples;
    for (Sample& sample : samples) {
      const unsigned value = sample * factor;
      sample = static_cast<Sample>(turn ? highest - value : value);
    }
    return samples;
  }

  std::vector<std::uint8_t> coloured(const std::vector<std::byte>& indices) {
    std::array<std::uint16_t*, 3> map{};
    if (TIFFGetField(tiff_.get(), TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]) == 0)
      throw damaged("has a palette without colours (ColorMap)");
    const std::size_t entries = std::size_t{1} << page_.bits;
    // Some programs write 8 bits where 16 belong.
    const bool short_colours = std::all_of(map.begin(), map.end(), [&](const std::uint16_t* colours) {
      return std::all_of(colours, colours + entries, [](std::uint16_t colour) { return colour < 256; });
    });
    std::vector<std::uint8_t> samples;
    samples.reserve(indices.size() * 3);
    for (const std::byte index : indices)
      for (const std::uint16_t* colours : map)
        samples.push_back(
            static_cast<std::uint8_t>(colours[std::to_integer<std::size_t>(index)] >> (short_colours ? 0 : 8)));
    return samples;
  }

  /// The tag's number where the file has it.
  [[nodiscard]] std::optional<float> number_field(std::uint32_t tag) const {
    double value = 0;
    if (TIFFGetField(tiff_.get(), tag, &value) == 0 || !std::isfinite(static_cast<float>(value))) return std::nullopt;
    return static_cast<float>(value);
  }

  /// What a file states to be its lowest and highest value are black and white; turned over with the samples.
  void take_stated_range(Picture& picture) const {
    const std::optional<float> lowest = number_field(TIFFTAG_SMINSAMPLEVALUE);
    const std::optional<float> highest = number_field(TIFFTAG_SMAXSAMPLEVALUE);
    if (!lowest || !highest || !(*lowest < *highest)) return;
    const float ends = picture.black + picture.white;
    const bool turned = page_.colour == TiffColour::white_is_zero;
    picture.black = turned ? ends - *highest : *lowest;
    picture.white = turned ? ends - *lowest : *highest;
  }

  template <typename Sample>
  Picture real(const std::vector<std::byte>& bytes) const {
    Picture picture{page_.extent, page_.channels(), {}, 0.0F, 1.0F};
    std::vector<float> samples(bytes.size() / sizeof(Sample));
    ValueRange range;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      Sample value;
      std::memcpy(&value, bytes.data() + i * sizeof(Sample), sizeof(Sample));
      samples[i] = static_cast<float>(value);
      range.add(samples[i]);
    }
    if constexpr (std::is_integral_v<Sample>) {
      picture.black = static_cast<float>(std::numeric_limits<Sample>::lowest());
      picture.white = static_cast<float>(std::numeric_limits<Sample>::max());
    } else if (!range.empty() && (range.lowest < 0.0F || range.highest > 1.0F)) {
      picture.black = range.lowest;
      picture.white = range.highest;
    }
    if (page_.colour == TiffColour::white_is_zero)
      for (float& sample : samples) sample = picture.black + picture.white - sample;
    picture.samples = std::move(samples);
    take_stated_range(picture);
    return picture;
  }

  PictureFile file_;
  DecodeOptions options_;
  TiffInput input_;
  std::unique_ptr<TIFF, CloseTiff> tiff_;
  std::vector<std::int64_t> pages_;
  TiffPage page_;
};

}  // namespace

PictureFacts tiff_facts(const PictureFile& file, const DecodeOptions& options) {
  return TiffFile(file, options).facts();
}

DecodedPicture read_tiff(const PictureFile& file, const DecodeOptions& options) {
  TiffFile tiff(file, options);
  Picture picture = tiff.read();
  return {std::move(picture), tiff.facts()};
}

}  // namespace temper
