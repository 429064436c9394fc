// PNG by libpng. Of what is not pixels only EXIF is looked at: a damaged profile, text or colour chunk is no reason to
// lose a picture.
#include <png.h>

#include <array>
#include <bit>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "data/pictures/orientation.h"
#include "data/pictures/readers.h"

namespace temper {
namespace {

/// Where libpng has got to in the file, and why it cannot go on.
struct PngInput {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
  bool cut_short = false;
  std::array<char, 160> reason{};
};

void copy_png_bytes(png_structp png, png_bytep data, std::size_t size) {
  auto& input = *static_cast<PngInput*>(png_get_io_ptr(png));
  if (size > input.bytes.size() - input.at) {
    input.cut_short = true;
    png_error(png, "cut short");
  }
  std::memcpy(data, input.bytes.data() + input.at, size);
  input.at += size;
}

void keep_png_reason(png_structp png, png_const_charp reason) {
  auto& input = *static_cast<PngInput*>(png_get_error_ptr(png));
  std::snprintf(input.reason.data(), input.reason.size(), "%s", reason);
  png_longjmp(png, 1);
}

void ignore_png_warning(png_structp /*png*/, png_const_charp /*warning*/) {}

/// Runs a step of libpng's; false: it gave up. A step holds nothing that a jump out of libpng would leave behind.
template <typename Step>
[[gnu::noinline]] bool png_step(png_structp png, const Step& step) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;  // NOLINT(cert-err52-cpp): libpng has no other way
  step();
  return true;
}

/// A PNG file whose header was read.
class PngFile {
 public:
  PngFile(const PictureFile& file, const DecodeOptions& options) : file_(file) {
    input_.bytes = file.bytes;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &input_, keep_png_reason, ignore_png_warning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    try {
      if (info_ == nullptr) throw Error("{}: libpng cannot be started: out of memory", file.called);
      run([this] { read_header(); });
      extent_ = {png_get_image_height(png_, info_), png_get_image_width(png_, info_)};
      file.check_extent(extent_, options);
      // Deflate makes at most 1032 bytes of one (RFC 1951): what says more is cut short.
      const std::int64_t row_bytes = (extent_.width * stored_channels() * png_get_bit_depth(png_, info_) + 7) / 8;
      if (extent_.height * row_bytes / 1032 > static_cast<std::int64_t>(file.bytes.size()))
        throw file.damaged(fmt::format("is cut short: {} bytes cannot hold {} x {} pixels", file.bytes.size(),
                                       extent_.width, extent_.height));
    } catch (...) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      throw;
    }
  }
  ~PngFile() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngFile(const PngFile&) = delete;
  PngFile& operator=(const PngFile&) = delete;

  [[nodiscard]] PictureFacts facts() const {
    PictureFacts facts;
    facts.extent = extent_;
    facts.channels = stored_channels();
    facts.bits = is_palette() ? 8 : png_get_bit_depth(png_, info_);
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &exif) != 0)
      facts.orientation = exif_orientation(std::as_bytes(std::span<const png_byte>(exif, size)));
    return facts;
  }

  Picture read() {
    Picture picture{extent_, channels(), {}, 0.0F, 255.0F};
    if (png_get_bit_depth(png_, info_) == 16) {
      picture.white = 65535.0F;
      std::vector<std::uint16_t> samples(static_cast<std::size_t>(picture.values()));
      read_rows(reinterpret_cast<png_bytep>(samples.data()));
      picture.samples = std::move(samples);
    } else {
      std::vector<std::uint8_t> samples(static_cast<std::size_t>(picture.values()));
      read_rows(samples.data());
      picture.samples = std::move(samples);
    }
    return picture;
  }

 private:
  [[nodiscard]] bool is_palette() const { return png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE; }
  [[nodiscard]] std::int64_t stored_channels() const { return png_get_channels(png_, info_); }
  [[nodiscard]] std::int64_t channels() const {
    return (png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1;
  }

  template <typename Step>
  void run(const Step& step) {
    if (png_step(png_, step)) return;
    if (input_.cut_short) throw file_.damaged(fmt::format("is cut short after {} bytes", file_.bytes.size()));
    throw file_.damaged(fmt::format("cannot be decoded at byte {}: {}", input_.at, input_.reason.data()));
  }

  void read_header() {
    static constexpr char kNotNeeded[] =
        "bKGD\0cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0tRNS\0zTXt";
    png_set_read_fn(png_, &input_, copy_png_bytes);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, reinterpret_cast<png_const_bytep>(kNotNeeded),
                                static_cast<int>(sizeof(kNotNeeded) / 5));
    png_set_benign_errors(png_, 1);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the limit here is one of samples
    png_read_info(png_, info_);
  }

  void read_rows(png_bytep samples) {
    std::vector<png_bytep> rows(static_cast<std::size_t>(extent_.height));
    const std::int64_t row_bytes = channels() * extent_.width * (png_get_bit_depth(png_, info_) == 16 ? 2 : 1);
    for (std::size_t line = 0; line < rows.size(); ++line)
      rows[line] = samples + static_cast<std::int64_t>(line) * row_bytes;
    std::size_t expected = 0;
    run([&] {
      if (is_palette()) png_set_palette_to_rgb(png_);
      if (png_get_bit_depth(png_, info_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
      if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
      png_set_strip_alpha(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      expected = png_get_rowbytes(png_, info_);
    });
    if (expected != static_cast<std::size_t>(row_bytes))
      throw file_.damaged(fmt::format("has rows of {} bytes, expected {}", expected, row_bytes));
    run([&] {
      png_read_image(png_, rows.data());
      png_read_end(png_, info_);
    });
  }

  PictureFile file_;
  PngInput input_;
  ImageExtent extent_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

PictureFacts png_facts(const PictureFile& file, const DecodeOptions& options) { return PngFile(file, options).facts(); }

DecodedPicture read_png(const PictureFile& file, const DecodeOptions& options) {
  PngFile png(file, options);
  // As stored; read() changes what the header says to what is delivered.
  PictureFacts facts = png.facts();
  Picture picture = png.read();
  facts.orientation = png.facts().orientation;  // EXIF may stand after the pixels
  return {std::move(picture), std::move(facts)};
}

}  // namespace temper
