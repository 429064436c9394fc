// JPEG by libjpeg-turbo, with its exact transform and smooth chroma, as Pillow decodes it. Profiles and texts are
// passed over. What libjpeg would paint grey where data are missing is refused.
#include <cstdio>
// jpeglib.h needs what cstdio declares, and jerror.h numbers its messages by what jpeglib.h defines.
#include <jpeglib.h>
// The order counts.
#include <jerror.h>

#include <array>
#include <csetjmp>

#include "data/pictures/cmyk.h"
#include "data/pictures/orientation.h"
#include "data/pictures/readers.h"

namespace temper {
namespace {

/// A file of this many scans is made to keep a decoder busy; the most that a picture needs is some 200.
constexpr int kMostScans = 500;

struct JpegState {
  jpeg_decompress_struct info;  // first: see state_of
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> reason;
  bool cut_short;
};

JpegState& state_of(j_common_ptr info) { return *reinterpret_cast<JpegState*>(info); }

void give_up(j_common_ptr info) {
  JpegState& state = state_of(info);
  info->err->format_message(info, state.reason.data());
  std::longjmp(state.jump, 1);  // NOLINT(cert-err52-cpp): libjpeg has no other way
}

/// Called for warnings (level -1) and for traces.
void refuse_missing_data(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
      state_of(info).cut_short = true;
      [[fallthrough]];
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      give_up(info);
      break;
    default:
      break;
  }
}

void print_nothing(j_common_ptr /*info*/) {}

void count_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  std::snprintf(state_of(info).reason.data(), JMSG_LENGTH_MAX, "it has more than %d scans", kMostScans);
  std::longjmp(state_of(info).jump, 1);  // NOLINT(cert-err52-cpp)
}

/// Runs a step of libjpeg's; false: it gave up. A step holds nothing that a jump out of libjpeg would leave behind.
template <typename Step>
[[gnu::noinline]] bool jpeg_step(JpegState& state, const Step& step) {
  if (setjmp(state.jump) != 0) return false;  // NOLINT(cert-err52-cpp)
  step();
  return true;
}

/// A JPEG file whose header was read.
class JpegFile {
 public:
  JpegFile(const PictureFile& file, const DecodeOptions& options) : file_(file) {
    state_.info.err = jpeg_std_error(&state_.errors);
    state_.errors.error_exit = give_up;
    state_.errors.emit_message = refuse_missing_data;
    state_.errors.output_message = print_nothing;
    state_.progress.progress_monitor = count_scans;
    try {
      run([this] { read_header(); });
      const std::int64_t channels = state_.info.num_components;
      if (channels != 1 && channels != 3 && channels != 4)
        throw file.refused(fmt::format("has {} channels, expected 1 (grey), 3 (colour) or 4 (CMYK)", channels),
                           "convert it, or take it out of the data");
      extent_ = {state_.info.image_height, state_.info.image_width};
      file.check_extent(extent_, options);
    } catch (...) {
      jpeg_destroy_decompress(&state_.info);
      throw;
    }
  }
  ~JpegFile() { jpeg_destroy_decompress(&state_.info); }
  JpegFile(const JpegFile&) = delete;
  JpegFile& operator=(const JpegFile&) = delete;

  [[nodiscard]] PictureFacts facts() const {
    PictureFacts facts;
    facts.extent = extent_;
    facts.channels = state_.info.num_components;
    facts.bits = state_.info.data_precision;
    for (const jpeg_marker_struct* marker = state_.info.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view text(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (marker->marker != JPEG_APP0 + 1 || !text.starts_with("Exif")) continue;
      facts.orientation = exif_orientation(std::as_bytes(std::span(text)));
      break;
    }
    return facts;
  }

  Picture read() {
    jpeg_decompress_struct& info = state_.info;
    const std::size_t channels = static_cast<std::size_t>(info.num_components);
    const std::size_t row = static_cast<std::size_t>(extent_.width) * channels;
    std::vector<std::uint8_t> samples(row * static_cast<std::size_t>(extent_.height));
    run([&] {
      info.out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
      jpeg_start_decompress(&info);
      constexpr JDIMENSION kRows = 16;
      while (info.output_scanline < info.output_height) {
        JSAMPROW rows[kRows];
        const JDIMENSION count = std::min(kRows, info.output_height - info.output_scanline);
        for (JDIMENSION i = 0; i < count; ++i) rows[i] = samples.data() + row * (info.output_scanline + i);
        jpeg_read_scanlines(&info, rows, count);
      }
      jpeg_finish_decompress(&info);
    });
    // As Adobe's programs write it, and with them nearly all others, 255 is no ink.
    if (channels == 4) samples = cmyk_to_rgb(samples, true);
    return {extent_, channels == 1 ? 1 : 3, std::move(samples), 0.0F, 255.0F};
  }

 private:
  void read_header() {
    jpeg_create_decompress(&state_.info);
    state_.info.progress = &state_.progress;
    jpeg_save_markers(&state_.info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(&state_.info, file_.data(), file_.bytes.size());
    jpeg_read_header(&state_.info, TRUE);
  }

  template <typename Step>
  void run(const Step& step) {
    if (jpeg_step(state_, step)) return;
    if (state_.cut_short) throw file_.damaged(fmt::format("is cut short after {} bytes", file_.bytes.size()));
    const std::size_t left = state_.info.src != nullptr ? state_.info.src->bytes_in_buffer : file_.bytes.size();
    throw file_.damaged(fmt::format("cannot be decoded at byte {}: {}",
                                    file_.bytes.size() - std::min(left, file_.bytes.size()), state_.reason.data()));
  }

  PictureFile file_;
  JpegState state_{};
  ImageExtent extent_;
};

}  // namespace

PictureFacts jpeg_facts(const PictureFile& file, const DecodeOptions& options) {
  return JpegFile(file, options).facts();
}

DecodedPicture read_jpeg(const PictureFile& file, const DecodeOptions& options) {
  JpegFile jpeg(file, options);
  // Once all is read, libjpeg forgets the markers.
  PictureFacts facts = jpeg.facts();
  return {jpeg.read(), std::move(facts)};
}

}  // namespace temper
