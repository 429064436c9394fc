#include "data/pictures/dicom_structure.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "data/pictures/readers.h"

namespace temper {
namespace {

using namespace std::string_view_literals;

constexpr std::uint32_t kUndefined = 0xFFFFFFFF;
constexpr std::uint32_t kItem = 0xFFFEE000;
constexpr std::uint32_t kItemEnd = 0xFFFEE00D;
constexpr std::uint32_t kSequenceEnd = 0xFFFEE0DD;
constexpr std::uint32_t kPixelData = 0x7FE00010;
constexpr std::uint32_t kTransferSyntax = 0x00020010;
constexpr int kDeepest = 64;

/// How elements are written.
struct DicomWriting {
  bool with_types = true;
  bool big_endian = false;
};

class DicomWalk {
 public:
  explicit DicomWalk(const PictureFile& file) : file_(file) {}

  void run() {
    const std::string_view text = text_at(0, file_.bytes.size());
    at_ = text.size() >= 132 && text.substr(128, 4) == "DICM" ? 132 : 0;
    walk_meta();
    DicomWriting writing;
    if (syntax_ == "1.2.840.10008.1.2.1.99" || syntax_ == "1.2.840.10008.1.2.4.95")
      throw file_.refused("is compressed as a whole (deflated), expected uncompressed pixels, RLE or JPEG",
                          "write it anew without compression (dcmconv +te)");
    if (syntax_ == "1.2.840.10008.1.2") writing.with_types = false;
    if (syntax_ == "1.2.840.10008.1.2.2") writing.big_endian = true;
    if (syntax_.empty() && left() >= 6) {
      const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
      writing.with_types = is_capital(text[at_ + 4]) && is_capital(text[at_ + 5]);
    }
    walk_elements(file_.bytes.size(), writing, 0, false);
  }

 private:
  struct Element {
    std::uint32_t tag = 0;
    std::string_view type;
    std::uint32_t length = 0;
    std::size_t begin = 0;
  };

  [[nodiscard]] std::size_t left() const { return file_.bytes.size() - at_; }
  [[nodiscard]] std::string_view text_at(std::size_t at, std::size_t count) const {
    return {reinterpret_cast<const char*>(file_.bytes.data()) + at, count};
  }

  std::uint32_t take_number(std::size_t size, bool big_endian) {
    if (left() < size) throw file_.damaged(fmt::format("is cut short after {} bytes", file_.bytes.size()));
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value = value << 8 | std::to_integer<std::uint32_t>(file_.bytes[at_ + (big_endian ? i : size - 1 - i)]);
    at_ += size;
    return value;
  }

  std::uint32_t take_tag(bool big_endian) {
    const std::uint32_t group = take_number(2, big_endian);
    return group << 16 | take_number(2, big_endian);
  }

  /// Of an element or item that lies before `end`, the end of what holds it. The head's own length counts too: behind
  /// it, `end - at_` would wrap.
  Element take_head(const DicomWriting& writing, std::size_t end) {
    const Element element = read_head(writing);
    if (at_ <= end) return element;
    throw file_.damaged(
        fmt::format("is damaged: the head of its element ({:04x},{:04x}) at byte {} runs beyond the "
                    "end, at byte {}, of the sequence or item that it lies in",
                    element.tag >> 16, element.tag & 0xFFFF, element.begin, end));
  }

  Element read_head(const DicomWriting& writing) {
    constexpr std::array kLongTypes{"OB"sv, "OW"sv, "OF"sv, "OD"sv, "OL"sv, "OV"sv, "SQ"sv,
                                    "UN"sv, "UT"sv, "UC"sv, "UR"sv, "SV"sv, "UV"sv};
    Element element;
    element.begin = at_;
    element.tag = take_tag(writing.big_endian);
    if (!writing.with_types || element.tag >> 16 == 0xFFFE) {
      element.length = take_number(4, writing.big_endian);
      return element;
    }
    take_number(2, false);
    element.type = text_at(at_ - 2, 2);
    if (std::any_of(element.type.begin(), element.type.end(), [](char c) { return c < 'A' || c > 'Z'; }))
      throw file_.damaged(fmt::format("has an element ({:04x},{:04x}) of no type at byte {}", element.tag >> 16,
                                      element.tag & 0xFFFF, element.begin));
    if (std::find(kLongTypes.begin(), kLongTypes.end(), element.type) == kLongTypes.end()) {
      element.length = take_number(2, writing.big_endian);
    } else {
      take_number(2, false);
      element.length = take_number(4, writing.big_endian);
    }
    return element;
  }

  /// What the element holds ends before `end`, which its head has not passed.
  void check_length(const Element& element, std::size_t end) const {
    if (at_ <= end && element.length <= end - at_) return;
    throw file_.damaged(
        fmt::format("is cut short or damaged: its element ({:04x},{:04x}) at byte {} takes {} bytes, {} are left",
                    element.tag >> 16, element.tag & 0xFFFF, element.begin, element.length, end - std::min(at_, end)));
  }

  /// The group that says how all others are written; always with types and the lowest byte first.
  void walk_meta() {
    while (left() >= 8) {
      const std::size_t begin = at_;
      if (take_number(2, false) != 2) {
        at_ = begin;
        return;
      }
      at_ = begin;
      const Element element = take_head({}, file_.bytes.size());
      check_length(element, file_.bytes.size());
      if (element.tag == kTransferSyntax) {
        syntax_ = text_at(at_, element.length);
        while (!syntax_.empty() && (syntax_.back() == '\0' || syntax_.back() == ' ')) syntax_.remove_suffix(1);
      }
      at_ += element.length;
    }
  }

  /// Up to `end`, or to the end of an item where its length was not said.
  void walk_elements(std::size_t end, const DicomWriting& writing, int depth, bool to_delimiter) {
    while (at_ < end) {
      // Some programs pad a file with zeros.
      if (depth == 0 && left() < 8) return;
      const Element element = take_head(writing, end);
      if (element.tag == kItemEnd && to_delimiter) return;
      if (element.length == kUndefined) {
        // Of a type that the writer did not know, what is inside is written without types.
        const DicomWriting inside = element.type == "UN" ? DicomWriting{false, false} : writing;
        walk_items(end, inside, depth + 1, element.tag == kPixelData);
        continue;
      }
      check_length(element, end);
      const std::size_t after = at_ + element.length;
      const bool looks_so = element.type.empty() && element.tag != kPixelData && element.length >= 8 &&
                            text_at(at_, 4) == "\xFE\xFF\x00\xE0"sv;
      if (element.type == "SQ" || looks_so) walk_items(after, writing, depth + 1, false);
      at_ = after;
    }
    if (to_delimiter) throw file_.damaged(fmt::format("is cut short after {} bytes, in an item", file_.bytes.size()));
  }

  /// Items of a sequence or fragments of pixels, up to `end` or to the end of the sequence.
  void walk_items(std::size_t end, const DicomWriting& writing, int depth, bool fragments) {
    if (depth > kDeepest) throw file_.damaged(fmt::format("nests sequences deeper than {} at byte {}", kDeepest, at_));
    while (at_ < end) {
      const Element item = take_head(writing, end);
      if (item.tag == kSequenceEnd) return;
      if (item.tag != kItem)
        throw file_.damaged(fmt::format("has an element ({:04x},{:04x}) at byte {} where an item should begin",
                                        item.tag >> 16, item.tag & 0xFFFF, item.begin));
      if (item.length == kUndefined && !fragments) {
        walk_elements(end, writing, depth, true);
        continue;
      }
      check_length(item, end);
      const std::size_t after = at_ + item.length;
      if (!fragments) walk_elements(after, writing, depth, false);
      at_ = after;
    }
  }

  const PictureFile& file_;
  std::size_t at_ = 0;
  std::string_view syntax_;
};

}  // namespace

void check_dicom_structure(const PictureFile& file) { DicomWalk(file).run(); }

bool is_sound_run_length_header(std::span<const std::byte> frame) {
  constexpr std::size_t kHeader = 64;
  if (frame.size() < kHeader) return false;
  const auto number = [&](std::size_t index) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::size_t>(frame[index * 4 + 3 - i]);
    return value;
  };
  const std::size_t segments = number(0);
  if (segments < 1 || segments > 15) return false;
  std::size_t before = kHeader;
  for (std::size_t i = 1; i <= segments; ++i) {
    const std::size_t offset = number(i);
    if (offset < before || offset >= frame.size()) return false;
    before = offset;
  }
  return true;
}

JpegSize jpeg_size(std::span<const std::byte> bytes) {
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | std::to_integer<int>(bytes[at + i]);
    return value;
  };
  if (bytes.size() < 4 || number(0, 2) != 0xFFD8) return {};
  std::size_t at = 2;
  while (bytes.size() - at >= 4) {
    if (number(at, 1) != 0xFF) return {};
    const int marker = number(at + 1, 1);
    // Markers may be filled up with FF before them.
    if (marker == 0xFF) {
      ++at;
      continue;
    }
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    const auto length = static_cast<std::size_t>(number(at + 2, 2));
    if (length < 2 || length + 2 > bytes.size() - at) return {};
    if (frame && length >= 8)
      return {true, {number(at + 5, 2), number(at + 7, 2)}, number(at + 9, 1), number(at + 4, 1)};
    if (marker == 0xDA || marker == 0xD9) return {};
    at += length + 2;
  }
  return {};
}

}  // namespace temper
