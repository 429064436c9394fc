// DICOM by DCMTK (Debian mends its faults; its image library is not needed here): it finds the elements and undoes RLE
// and JPEG. What the samples mean is decided here, by PS3.3 of the standard, C.7.6.3 (pixels), C.11.1 (slope and
// intercept) and C.11.2 (window).
#include <dcmtk/config/osconfig.h>
// DCMTK wants its configuration before all of its headers.
#include <dcmtk/dcmdata/dcdatset.h>
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmdata/dcxfer.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "data/pictures/dicom_palette.h"
#include "data/pictures/dicom_structure.h"
#include "data/pictures/readers.h"

namespace temper {
namespace {

/// PhotometricInterpretation of samples that are numbers of colours.
constexpr std::string_view kPalette = "PALETTE COLOR";

void start_dcmtk() {
  static std::once_flag once;
  std::call_once(once, [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DcmRLEDecoderRegistration::registerCodecs();
    // YCbCr becomes RGB where the file says that it is YCbCr.
    DJDecoderRegistration::registerCodecs(EDC_photometricInterpretation, EUC_never, EPC_colorByPixel);
  });
  if (!dcmDataDict.isDictionaryLoaded())
    throw Error(
        "DCMTK's dictionary of DICOM elements (dicom.dic) was not found, without which elements have no types; "
        "install the package libdcmtk17, or name the file in DCMDICTPATH");
}

/// What the samples of a frame are.
struct DicomPixels {
  ImageExtent extent;
  std::int64_t channels = 1;
  int bits_allocated = 8;
  int bits_stored = 8;
  int high_bit = 7;
  bool is_signed = false;
  bool by_plane = false;
  std::string colours;  ///< PhotometricInterpretation
  std::int64_t frames = 1;

  /// The ends of what the bits can hold.
  [[nodiscard]] double lowest() const { return is_signed ? -std::ldexp(1.0, bits_stored - 1) : 0.0; }
  [[nodiscard]] double highest() const { return std::ldexp(1.0, is_signed ? bits_stored - 1 : bits_stored) - 1.0; }
};

/// A table of values (PS3.3, C.11.1.1 and C.11.2.1.1): values below its first have that one's entry, those above its
/// last the last one's.
struct DicomTable {
  std::int64_t first = 0;  ///< the value that the first entry is of
  int bits = 16;           ///< of an entry
  std::vector<std::uint16_t> entries;

  [[nodiscard]] double of(double value) const {
    const double place = std::round(value) - static_cast<double>(first);
    return entries[static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(entries.size() - 1)))];
  }
  [[nodiscard]] double highest() const { return std::ldexp(1.0, bits) - 1.0; }
};

enum class WindowFunction : std::uint8_t { linear, linear_exact, sigmoid };

/// What turns stored values into the scanner's units, and those into black and white.
struct DicomScale {
  std::optional<DicomTable> values;  ///< modality LUT, in place of slope and intercept
  double slope = 1.0;
  double intercept = 0.0;
  std::optional<PictureWindow> window;
  WindowFunction function = WindowFunction::linear;
  std::optional<DicomTable> shown;  ///< VOI LUT, in place of a window

  [[nodiscard]] double units(double stored) const { return values ? values->of(stored) : stored * slope + intercept; }
};

/// PS3.3, C.11.2.1.3.1, between 0 and 1.
double sigmoid(double value, const PictureWindow& window) {
  return 1.0 / (1.0 + std::exp(-4.0 * (value - window.centre) / window.width));
}

class DicomFile {
 public:
  DicomFile(const PictureFile& file, const DecodeOptions& options, bool with_pixels) : file_(file), options_(options) {
    start_dcmtk();
    check_dicom_structure(file);
    DcmInputBufferStream stream;
    stream.setBuffer(file.bytes.data(), static_cast<offile_off_t>(file.bytes.size()));
    stream.setEos();
    document_.transferInit();
    const OFCondition status = document_.readUntilTag(stream, EXS_Unknown, EGL_noChange, DCM_MaxReadLength,
                                                      with_pixels ? DCM_UndefinedTagKey : DcmTagKey(0x7FE0, 0x0008));
    document_.transferEnd();
    data_ = document_.getDataset();
    if (status.bad() && !(status == EC_EndOfStream && with_pixels))
      throw file.damaged(fmt::format("cannot be read: {}", status.text()));
    read_pixels_description();
  }

  [[nodiscard]] PictureFacts facts() const {
    PictureFacts facts;
    facts.extent = pixels_.extent;
    facts.channels = pixels_.channels;
    facts.bits = palette_ ? palette_->bits : pixels_.bits_stored;
    facts.is_signed = pixels_.is_signed;
    facts.inverted = inverted();
    facts.frames = pixels_.frames;
    return facts;
  }

  Picture read() {
    const std::int64_t frame = file_.frame(pixels_.frames, "frames", options_);
    const DicomScale scale = read_scale(frame);
    const std::vector<std::byte> raw = read_frame(frame);
    if (palette_) return palette_->picture(pixels_.extent, [&](std::size_t pixel) { return stored(raw, pixel); });
    return pixels_.channels == 1 ? grey(raw, scale) : coloured(raw);
  }

 private:
  [[nodiscard]] bool inverted() const { return pixels_.colours == "MONOCHROME1"; }

  [[nodiscard]] std::string text(const DcmTagKey& tag) const {
    OFString value;
    if (data_->findAndGetOFString(tag, value).bad()) return {};
    // Padded to an even length.
    std::string found(value.c_str(), value.length());
    found.erase(found.find_last_not_of(std::string_view(" \0", 2)) + 1);
    return found;
  }

  [[nodiscard]] std::optional<int> number(const DcmTagKey& tag) const {
    Uint16 value = 0;
    if (data_->findAndGetUint16(tag, value).bad()) return std::nullopt;
    return value;
  }

  [[nodiscard]] int needed(const DcmTagKey& tag, const char* name) const {
    const std::optional<int> value = number(tag);
    if (!value)
      throw file_.refused(
          fmt::format("has no {} ({:04x},{:04x}), which a picture needs", name, tag.getGroup(), tag.getElement()),
          "take it out of the data if it holds no picture (a report, a plan)");
    return *value;
  }

  void read_pixels_description() {
    pixels_.extent = {needed(DCM_Rows, "Rows"), needed(DCM_Columns, "Columns")};
    pixels_.channels = number(DCM_SamplesPerPixel).value_or(1);
    pixels_.bits_allocated = needed(DCM_BitsAllocated, "BitsAllocated");
    pixels_.bits_stored = number(DCM_BitsStored).value_or(pixels_.bits_allocated);
    pixels_.high_bit = number(DCM_HighBit).value_or(pixels_.bits_stored - 1);
    pixels_.is_signed = number(DCM_PixelRepresentation).value_or(0) == 1;
    pixels_.by_plane = pixels_.channels > 1 && number(DCM_PlanarConfiguration).value_or(0) == 1;
    pixels_.colours = text(DCM_PhotometricInterpretation);
    Sint32 frames = 0;
    if (data_->findAndGetSint32(DCM_NumberOfFrames, frames).bad()) frames = 1;
    if (frames < 1) throw file_.damaged(fmt::format("says that it has {} frames", frames));
    pixels_.frames = frames;
    syntax_ = data_->getOriginalXfer();
    check_syntax();
    check_colours();
    file_.check_extent(pixels_.extent, options_);
    const bool bits_fit = pixels_.bits_stored >= 1 && pixels_.bits_stored <= pixels_.high_bit + 1 &&
                          pixels_.high_bit < pixels_.bits_allocated;
    const bool known = pixels_.bits_allocated == 8 || pixels_.bits_allocated == 16 ||
                       (pixels_.bits_allocated == 32 && syntax_ == EXS_LittleEndianExplicit) ||
                       (pixels_.bits_allocated == 32 && syntax_ == EXS_LittleEndianImplicit);
    const bool colour_bits = pixels_.channels == 1 || (pixels_.bits_allocated == 8 && !pixels_.is_signed);
    if (!bits_fit || !known || !colour_bits)
      throw file_.refused(fmt::format("has {} of {} bits, up to bit {}, in {} channel{}; expected 8, 16 or 32 bits "
                                      "(BitsAllocated), 8 in colour, that the stored ones fit in",
                                      pixels_.bits_stored, pixels_.bits_allocated, pixels_.high_bit, pixels_.channels,
                                      pixels_.channels == 1 ? "" : "s"),
                          "convert it, or take it out of the data");
    if (pixels_.colours == kPalette) palette_ = read_dicom_palette(*data_, file_);
  }

  void check_syntax() const {
    switch (syntax_) {
      case EXS_LittleEndianImplicit:
      case EXS_LittleEndianExplicit:
      case EXS_BigEndianExplicit:
      case EXS_RLELossless:
      case EXS_JPEGProcess1:
      case EXS_JPEGProcess2_4:
      case EXS_JPEGProcess14:
      case EXS_JPEGProcess14SV1:
        return;
      default:
        throw file_.refused(
            fmt::format("is stored as \"{}\", expected uncompressed pixels, RLE, JPEG baseline or extended, "
                        "or JPEG lossless",
                        DcmXfer(syntax_).getXferName()),
            "write it anew without compression (gdcmconv --raw, dcmdjpls, dcmconv)");
    }
  }

  void check_colours() const {
    const std::string& colours = pixels_.colours;
    const bool grey = colours == "MONOCHROME1" || colours == "MONOCHROME2";
    const bool ybr = colours == "YBR_FULL" || (colours == "YBR_FULL_422" && DcmXfer(syntax_).isEncapsulated());
    if (((grey || colours == kPalette) && pixels_.channels == 1) ||
        ((ybr || colours == "RGB") && pixels_.channels == 3))
      return;
    throw file_.refused(fmt::format("has {} channels of {}, expected 1 of MONOCHROME1, MONOCHROME2 or PALETTE COLOR, "
                                    "or 3 of RGB or YBR_FULL",
                                    pixels_.channels, colours.empty() ? "no PhotometricInterpretation" : colours),
                        "convert it to RGB or grey");
  }

  /// An item of functional groups (enhanced multi-frame), that may say it for the frame or for all; null: none.
  [[nodiscard]] DcmItem* group(const DcmTagKey& groups, std::int64_t index, const DcmTagKey& macro) const {
    DcmItem* item = nullptr;
    DcmItem* found = nullptr;
    if (data_->findAndGetSequenceItem(groups, item, static_cast<signed long>(index)).bad() || item == nullptr)
      return nullptr;
    return item->findAndGetSequenceItem(macro, found, 0).good() ? found : nullptr;
  }

  [[nodiscard]] DcmItem* scope_of(std::int64_t frame, const DcmTagKey& macro) const {
    DcmItem* item = group(DCM_PerFrameFunctionalGroupsSequence, frame, macro);
    if (item == nullptr) item = group(DCM_SharedFunctionalGroupsSequence, 0, macro);
    return item != nullptr ? item : data_;
  }

  [[nodiscard]] std::optional<double> real(DcmItem* item, const DcmTagKey& tag, const char* name) const {
    DcmElement* element = nullptr;
    if (item->findAndGetElement(tag, element).bad() || element == nullptr || element->getLength() == 0)
      return std::nullopt;
    Float64 value = 0;
    if (element->getFloat64(value, 0).bad() || !std::isfinite(value))
      throw file_.damaged(fmt::format("has a {} that is no number", name));
    return value;
  }

  [[nodiscard]] DicomScale read_scale(std::int64_t frame) const {
    DicomScale scale;
    if (pixels_.channels != 1 || palette_) return scale;
    DcmItem* values = scope_of(frame, DCM_PixelValueTransformationSequence);
    const std::optional<double> slope = real(values, DCM_RescaleSlope, "RescaleSlope");
    const std::optional<double> intercept = real(values, DCM_RescaleIntercept, "RescaleIntercept");
    if (!slope) scale.values = read_table(data_, DCM_ModalityLUTSequence, "ModalityLUTSequence", pixels_.is_signed);
    scale.slope = slope.value_or(1.0);
    scale.intercept = intercept.value_or(0.0);
    if (scale.slope == 0.0) throw file_.damaged("has a RescaleSlope of 0");
    DcmItem* shown = scope_of(frame, DCM_FrameVOILUTSequence);
    const std::optional<double> centre = real(shown, DCM_WindowCenter, "WindowCenter");
    const std::optional<double> width = real(shown, DCM_WindowWidth, "WindowWidth");
    if (centre && width && *width > 0) scale.window = PictureWindow{*centre, *width};
    if (options_.window) scale.window = options_.window;
    const bool below_zero =
        !scale.values && std::min(scale.units(pixels_.lowest()), scale.units(pixels_.highest())) < 0.0;
    if (!scale.window) scale.shown = read_table(shown, DCM_VOILUTSequence, "VOILUTSequence", below_zero);
    OFString function;
    if (scale.window && shown->findAndGetOFString(DCM_VOILUTFunction, function).good())
      scale.function = function_named(function);
    return scale;
  }

  [[nodiscard]] WindowFunction function_named(const OFString& padded) const {
    std::string name(padded.c_str(), padded.length());
    name.erase(name.find_last_not_of(std::string_view(" \0", 2)) + 1);
    if (name.empty() || name == "LINEAR") return WindowFunction::linear;
    if (name == "LINEAR_EXACT") return WindowFunction::linear_exact;
    if (name == "SIGMOID") return WindowFunction::sigmoid;
    throw file_.refused(fmt::format("has the window function {} (VOILUTFunction)", name),
                        "expected LINEAR, LINEAR_EXACT or SIGMOID");
  }

  /// The first table of a sequence; nothing where there is none. `with_signs`: the values that it is of may be below
  /// zero, so that its first one is stored with a sign.
  [[nodiscard]] std::optional<DicomTable> read_table(DcmItem* holder, const DcmTagKey& sequence, const char* name,
                                                     bool with_signs) const {
    DcmItem* item = nullptr;
    if (holder->findAndGetSequenceItem(sequence, item, 0).bad() || item == nullptr) return std::nullopt;
    const std::vector<std::uint16_t> descriptor = words(item, DCM_LUTDescriptor);
    std::vector<std::uint16_t> entries = words(item, DCM_LUTData);
    if (descriptor.size() != 3)
      throw file_.damaged(fmt::format("has a table ({}) without its size, first value and bits", name));
    const std::size_t count = descriptor[0] == 0 ? 65536 : descriptor[0];
    DicomTable table;
    table.first = with_signs ? static_cast<std::int16_t>(descriptor[1]) : descriptor[1];
    table.bits = descriptor[2];
    // Entries of 8 bits may be packed, two in a word.
    if (table.bits == 8 && entries.size() == (count + 1) / 2 && count > 1) {
      const std::vector<std::uint16_t> packed = std::exchange(entries, {});
      for (std::size_t i = 0; i < count; ++i)
        entries.push_back(static_cast<std::uint16_t>(packed[i / 2] >> (8 * (i % 2)) & 0xFF));
    }
    if (table.bits < 8 || table.bits > 16 || entries.size() < count)
      throw file_.damaged(fmt::format("has a table ({}) of {} entries of {} bits; expected {}, of 8 to 16 bits", name,
                                      entries.size(), table.bits, count));
    entries.resize(count);
    table.entries = std::move(entries);
    return table;
  }

  /// Words of 16 bits, whether they are stored as numbers with or without a sign, or as bytes in words.
  [[nodiscard]] static std::vector<std::uint16_t> words(DcmItem* item, const DcmTagKey& tag) {
    DcmElement* element = nullptr;
    if (item->findAndGetElement(tag, element).bad() || element == nullptr) return {};
    const std::size_t count = element->getLength() / 2;
    Uint16* plain = nullptr;
    if (element->getUint16Array(plain).good() && plain != nullptr) return {plain, plain + count};
    Sint16* with_signs = nullptr;
    if (element->getSint16Array(with_signs).good() && with_signs != nullptr) return {with_signs, with_signs + count};
    return {};
  }

  /// The samples of a frame, by pixel or by plane as pixels_ says.
  std::vector<std::byte> read_frame(std::int64_t frame) {
    DcmElement* element = nullptr;
    if (data_->findAndGetElement(DCM_PixelData, element).bad() || element == nullptr)
      throw file_.refused("holds no pixels (PixelData)",
                          "take it out of the data if it holds no picture (a report, a plan)");
    auto* pixels = dynamic_cast<DcmPixelData*>(element);
    if (pixels == nullptr) throw file_.damaged("has pixels (PixelData) of an unknown kind");
    const bool encapsulated = DcmXfer(syntax_).isEncapsulated();
    if (encapsulated) {
      // Decoders write pixel after pixel then.
      if (pixels_.channels > 1) data_->putAndInsertUint16(DCM_PlanarConfiguration, 0);
      pixels_.by_plane = false;
      if (syntax_ == EXS_RLELossless)
        check_run_lengths(*pixels, frame);
      else
        check_jpeg(*pixels);
    }
    const std::size_t size = static_cast<std::size_t>(pixels_.extent.pixels() * pixels_.channels) *
                             static_cast<std::size_t>(pixels_.bits_allocated / 8);
    if (!encapsulated &&
        static_cast<std::uint64_t>(element->getLength()) / size < static_cast<std::uint64_t>(pixels_.frames))
      throw file_.damaged(fmt::format("is cut short: its pixels take {} bytes, expected {} frame{} of {}",
                                      element->getLength(), pixels_.frames, pixels_.frames == 1 ? "" : "s", size));
    // DCMTK asks for an even size, and as many bytes as the header says, also where JPEG has fewer bits.
    Uint32 declared = 0;
    if (pixels->getUncompressedFrameSize(data_, declared).bad())
      throw file_.damaged("does not say how large its frames are");
    std::vector<std::byte> raw(std::max<std::size_t>(size, declared) + 2);
    Uint32 fragment = 0;
    OFString colours;
    const OFCondition status = pixels->getUncompressedFrame(data_, static_cast<Uint32>(frame), fragment, raw.data(),
                                                            static_cast<Uint32>(raw.size() / 2 * 2), colours);
    if (status.bad()) throw file_.damaged(fmt::format("has pixels that cannot be decoded: {}", status.text()));
    if (pixels_.channels == 3) pixels_.colours = colours == "RGB" ? "RGB" : pixels_.colours;
    raw.resize(size);
    return raw;
  }

  /// A frame is one fragment, behind the table of them.
  void check_run_lengths(DcmPixelData& pixels, std::int64_t frame) const {
    DcmPixelSequence* sequence = nullptr;
    if (pixels.getEncapsulatedRepresentation(syntax_, nullptr, sequence).bad() || sequence == nullptr)
      throw file_.damaged("has no compressed pixels");
    const std::int64_t fragments = static_cast<std::int64_t>(sequence->card()) - 1;
    if (fragments != pixels_.frames)
      throw file_.damaged(
          fmt::format("has {} fragments of run lengths, expected {}, one a frame", fragments, pixels_.frames));
    DcmPixelItem* item = nullptr;
    Uint8* bytes = nullptr;
    if (sequence->getItem(item, static_cast<unsigned long>(frame) + 1).bad() || item == nullptr ||
        item->getUint8Array(bytes).bad() || bytes == nullptr ||
        !is_sound_run_length_header(std::as_bytes(std::span(bytes, item->getLength()))))
      throw file_.damaged(fmt::format("has a header of run lengths in frame {} that leads out of the frame", frame));
  }

  /// DCMTK trusts the data set where the JPEG inside says another size, and delivers as many bits as JPEG has.
  void check_jpeg(DcmPixelData& pixels) {
    DcmPixelSequence* sequence = nullptr;
    if (pixels.getEncapsulatedRepresentation(syntax_, nullptr, sequence).bad() || sequence == nullptr)
      throw file_.damaged("has no compressed pixels");
    bool found = false;
    for (unsigned long i = 1; i < sequence->card(); ++i) {
      DcmPixelItem* item = nullptr;
      Uint8* bytes = nullptr;
      if (sequence->getItem(item, i).bad() || item == nullptr || item->getUint8Array(bytes).bad() || bytes == nullptr)
        continue;
      const JpegSize size = jpeg_size(std::as_bytes(std::span(bytes, item->getLength())));
      if (!size.found) continue;
      if (size.extent != pixels_.extent || size.channels != pixels_.channels || size.bits > pixels_.bits_allocated)
        throw file_.damaged(fmt::format("says {} x {} pixels of {} channels, and the JPEG data in it {} x {} of {}",
                                        pixels_.extent.width, pixels_.extent.height, pixels_.channels,
                                        size.extent.width, size.extent.height, size.channels));
      if (found && (size.bits > 8) != (pixels_.bits_allocated > 8)) throw file_.damaged("has frames of different bits");
      found = true;
      pixels_.bits_allocated = size.bits > 8 ? 16 : 8;
      pixels_.bits_stored = std::min(pixels_.bits_stored, size.bits);
      pixels_.high_bit = std::min(pixels_.high_bit, size.bits - 1);
    }
    if (!found) throw file_.damaged("has no JPEG data where its pixels should be");
  }

  Picture grey(const std::vector<std::byte>& raw, const DicomScale& scale) const {
    const bool as_stored = scale.slope == 1.0 && scale.intercept == 0.0 && !scale.window && !pixels_.is_signed &&
                           !scale.values && !scale.shown;
    if (as_stored && pixels_.bits_allocated == 8) return whole<std::uint8_t>(raw);
    if (as_stored && pixels_.bits_allocated == 16) return whole<std::uint16_t>(raw);
    Picture picture{pixels_.extent, 1, {}, 0.0F, 1.0F};
    double black = 0.0;
    double white = 1.0;
    const bool is_sigmoid = scale.window && scale.function == WindowFunction::sigmoid;
    if (scale.window && !is_sigmoid) {
      const bool exact = scale.function == WindowFunction::linear_exact || scale.window->width <= 1.0;
      const double half = (scale.window->width - (exact ? 0.0 : 1.0)) / 2;
      const double centre = scale.window->centre - (exact ? 0.0 : 0.5);
      black = centre - half;
      white = centre + half;
    } else if (scale.window) {
      // The values of the function, 0 to 1.
    } else if (scale.shown || scale.values) {
      white = (scale.shown ? *scale.shown : *scale.values).highest();
    } else {
      const double ends[] = {scale.units(pixels_.lowest()), scale.units(pixels_.highest())};
      black = std::min(ends[0], ends[1]);
      white = std::max(ends[0], ends[1]);
    }
    std::vector<float> samples(static_cast<std::size_t>(pixels_.extent.pixels()));
    for (std::size_t i = 0; i < samples.size(); ++i) {
      double value = scale.units(static_cast<double>(stored(raw, i)));
      if (is_sigmoid) value = sigmoid(value, *scale.window);
      if (scale.shown) value = scale.shown->of(value);
      samples[i] = static_cast<float>(inverted() ? black + white - value : value);
    }
    picture.black = static_cast<float>(black);
    picture.white = static_cast<float>(white);
    picture.samples = std::move(samples);
    return picture;
  }

  template <typename Sample>
  Picture whole(const std::vector<std::byte>& raw) const {
    const auto highest = static_cast<std::int64_t>(pixels_.highest());
    std::vector<Sample> samples(static_cast<std::size_t>(pixels_.extent.pixels()));
    for (std::size_t i = 0; i < samples.size(); ++i)
      samples[i] = static_cast<Sample>(inverted() ? highest - stored(raw, i) : stored(raw, i));
    return {pixels_.extent, 1, std::move(samples), 0.0F, static_cast<float>(highest)};
  }

  /// What the stored bits of a sample say; the other bits may hold an overlay.
  [[nodiscard]] std::int64_t stored(const std::vector<std::byte>& raw, std::size_t index) const {
    std::uint64_t bits = 0;
    const auto size = static_cast<std::size_t>(pixels_.bits_allocated / 8);
    if (size == 1) {
      bits = std::to_integer<std::uint64_t>(raw[index]);
    } else if (size == 2) {
      std::uint16_t word = 0;
      std::memcpy(&word, raw.data() + index * 2, 2);
      bits = word;
    } else {
      std::uint32_t word = 0;
      std::memcpy(&word, raw.data() + index * 4, 4);
      bits = word;
    }
    bits = bits >> (pixels_.high_bit + 1 - pixels_.bits_stored) & ((std::uint64_t{1} << pixels_.bits_stored) - 1);
    const std::uint64_t sign = pixels_.is_signed ? std::uint64_t{1} << (pixels_.bits_stored - 1) : 0;
    return static_cast<std::int64_t>(bits ^ sign) - static_cast<std::int64_t>(sign);
  }

  Picture coloured(const std::vector<std::byte>& raw) const {
    const auto pixels = static_cast<std::size_t>(pixels_.extent.pixels());
    std::vector<std::uint8_t> samples(pixels * 3);
    for (std::size_t i = 0; i < pixels; ++i)
      for (std::size_t channel = 0; channel < 3; ++channel)
        samples[i * 3 + channel] =
            std::to_integer<std::uint8_t>(raw[pixels_.by_plane ? channel * pixels + i : i * 3 + channel]);
    if (pixels_.colours != "RGB") {
      for (std::size_t i = 0; i < pixels; ++i) to_rgb(samples.data() + i * 3);
    }
    return {pixels_.extent, 3, std::move(samples), 0.0F, 255.0F};
  }

  /// PS3.3, C.7.6.3.1.2.
  static void to_rgb(std::uint8_t* pixel) {
    const double luma = pixel[0];
    const double blue = pixel[1] - 128.0;
    const double red = pixel[2] - 128.0;
    const double rgb[] = {luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue};
    for (std::size_t i = 0; i < 3; ++i)
      pixel[i] = static_cast<std::uint8_t>(std::lround(std::clamp(rgb[i], 0.0, 255.0)));
  }

  PictureFile file_;
  DecodeOptions options_;
  DcmFileFormat document_;
  DcmDataset* data_ = nullptr;
  E_TransferSyntax syntax_ = EXS_Unknown;
  DicomPixels pixels_;
  std::optional<DicomPalette> palette_;
};

}  // namespace

PictureFacts dicom_facts(const PictureFile& file, const DecodeOptions& options) {
  return DicomFile(file, options, false).facts();
}

DecodedPicture read_dicom(const PictureFile& file, const DecodeOptions& options) {
  DicomFile dicom(file, options, true);
  Picture picture = dicom.read();
  return {std::move(picture), dicom.facts()};
}

}  // namespace temper
