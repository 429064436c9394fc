#include "data/pictures/png_writer.h"

#include <png.h>

#include <array>
#include <csetjmp>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/mapped_file.h"

namespace temper {
namespace {

/// What libpng writes, and why it cannot.
struct PngOutput {
  std::vector<std::byte> bytes;
  std::array<char, 160> reason{};
  bool out_of_memory = false;
};

// libpng is C: what it calls must not throw through it.
void append_png(png_structp png, png_bytep data, std::size_t size) {
  auto& output = *static_cast<PngOutput*>(png_get_io_ptr(png));
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  try {
    output.bytes.insert(output.bytes.end(), begin, begin + size);
  } catch (const std::bad_alloc&) {
    output.out_of_memory = true;
  }
  if (output.out_of_memory) png_error(png, "out of memory");
}

void keep_writing_reason(png_structp png, png_const_charp reason) {
  auto& output = *static_cast<PngOutput*>(png_get_error_ptr(png));
  std::snprintf(output.reason.data(), output.reason.size(), "%s", reason);
  png_longjmp(png, 1);
}

void ignore_writing_warning(png_structp /*png*/, png_const_charp /*warning*/) {}

/// Returns false where libpng gave up. Holds nothing that a jump out of libpng would leave behind.
bool write_rows(png_structp png, png_infop info, PngOutput& output, const ImageExtent& extent, bool colour,
                const std::uint8_t* samples) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;  // NOLINT(cert-err52-cpp): libpng has no other way
  png_set_write_fn(png, &output, append_png, nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(extent.width), static_cast<png_uint_32>(extent.height), 8,
               colour ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (std::int64_t line = 0; line < extent.height; ++line)
    png_write_row(png, samples + line * extent.width * (colour ? 3 : 1));
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

std::vector<std::byte> encode_png(const Picture& picture) {
  const auto* samples = std::get_if<std::vector<std::uint8_t>>(&picture.samples);
  constexpr std::int64_t kLongest = 1'000'000;  // libpng's own limit
  if (samples == nullptr || (picture.channels != 1 && picture.channels != 3) || picture.extent.height < 1 ||
      picture.extent.width < 1 || picture.extent.height > kLongest || picture.extent.width > kLongest ||
      static_cast<std::int64_t>(samples->size()) != picture.values())
    throw Error(
        "A picture of {} x {} pixels and {} channels cannot be written as PNG; expected 1 to {} pixels a side, 1 or 3 "
        "channels, and samples of 8 bits for all of it",
        picture.extent.width, picture.extent.height, picture.channels, kLongest);
  PngOutput output;
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, &output, keep_writing_reason, ignore_writing_warning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  const bool written =
      info != nullptr && write_rows(png, info, output, picture.extent, picture.channels == 3, samples->data());
  png_destroy_write_struct(&png, &info);
  if (!written)
    throw Error("A picture of {} x {} pixels cannot be written as PNG: {}", picture.extent.width, picture.extent.height,
                output.reason[0] != '\0' ? output.reason.data() : "out of memory");
  return std::move(output.bytes);
}

void write_png(const std::filesystem::path& path, const Picture& picture) {
  const std::vector<std::byte> bytes = encode_png(picture);
  write_file_atomically(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace temper
