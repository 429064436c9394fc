#include "data/pictures/picture_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace temper {
namespace {

struct OtherFile {
  std::string_view bytes;
  std::size_t at;
  std::string_view name;
};

std::string_view as_text(std::span<const std::byte> file) {
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

bool begins(std::string_view text, std::string_view signature, std::size_t at = 0) {
  return text.size() >= at && text.substr(at).starts_with(signature);
}

using namespace std::string_view_literals;

/// Files that lie about in folders of pictures.
constexpr std::array kOthers{
    OtherFile{"GIF8"sv, 0, "a GIF picture"},
    OtherFile{"WEBP"sv, 8, "a WebP picture"},
    OtherFile{"ftypheic"sv, 4, "a HEIC picture"},
    OtherFile{"ftypmif1"sv, 4, "a HEIF picture"},
    OtherFile{"ftypavif"sv, 4, "an AVIF picture"},
    OtherFile{"\0\0\0\x0CjP  "sv, 0, "a JPEG 2000 picture"},
    OtherFile{"\xFF\x4F\xFF\x51"sv, 0, "a JPEG 2000 codestream"},
    OtherFile{"\0\0\0\x0CJXL "sv, 0, "a JPEG XL picture"},
    OtherFile{"\xFF\x0A"sv, 0, "a JPEG XL codestream"},
    OtherFile{"BM"sv, 0, "a BMP picture"},
    OtherFile{"NRRD"sv, 0, "an NRRD volume"},
    OtherFile{"\x89HDF"sv, 0, "an HDF5 file"},
    OtherFile{"\x93NUMPY"sv, 0, "a NumPy array"},
    OtherFile{"PK\x03\x04"sv, 0, "a ZIP archive"},
    OtherFile{"\x1F\x8B"sv, 0, "a gzip archive"},
    OtherFile{"%PDF"sv, 0, "a PDF document"},
    OtherFile{"version https://git-lfs"sv, 0, "what git-lfs leaves in place of a file (git lfs pull fetches it)"},
    OtherFile{"<svg"sv, 0, "an SVG drawing"},
    OtherFile{"<?xml"sv, 0, "an XML document"},
    OtherFile{"<"sv, 0, "an HTML or XML document"},
};

/// A DICOM data set without the preamble of files begins with an element of group 8 or 2: a low number, and either its
/// type in two capital letters, or, where types are left out, a short length of 4 bytes.
bool is_bare_dicom(std::string_view text) {
  const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (text.size() < 16 || (text[0] != 8 && text[0] != 2) || text[1] != 0 || text[3] != 0) return false;
  const bool known = text[2] == 0 || text[2] == 1 || text[2] == 5 || text[2] == 8 || text[2] == 0x16 || text[2] == 0x18;
  return known && ((is_capital(text[4]) && is_capital(text[5])) || (text[5] == 0 && text[6] == 0 && text[7] == 0));
}

bool is_nifti(std::string_view text) {
  // The size of the header, in either order of bytes, and what NIfTI writes so that it is not taken for ANALYZE.
  const bool first = begins(text, "\x5C\x01\0\0"sv) || begins(text, "\0\0\x01\x5C"sv);
  const bool second = begins(text, "\x1C\x02\0\0"sv) || begins(text, "\0\0\x02\x1C"sv);
  return (first && text.size() >= 348) || (second && begins(text, "n+2"sv, 4)) || (second && begins(text, "ni2"sv, 4));
}

}  // namespace

std::string_view format_name(PictureFormat format) {
  switch (format) {
    case PictureFormat::png:
      return "PNG";
    case PictureFormat::jpeg:
      return "JPEG";
    case PictureFormat::tiff:
      return "TIFF";
    case PictureFormat::dicom:
      return "DICOM";
    case PictureFormat::nifti:
      return "NIfTI";
    case PictureFormat::unknown:
      break;
  }
  return "unknown";
}

PictureFormat format_of_content(std::span<const std::byte> file) {
  const std::string_view text = as_text(file);
  if (begins(text, "\x89PNG\r\n\x1A\n"sv)) return PictureFormat::png;
  if (begins(text, "\xFF\xD8\xFF"sv)) return PictureFormat::jpeg;
  for (const std::string_view signature : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})
    if (begins(text, signature)) return PictureFormat::tiff;
  if (begins(text, "DICM"sv, 128)) return PictureFormat::dicom;
  if (is_nifti(text) || begins(text, "\x1F\x8B"sv)) return PictureFormat::nifti;
  return is_bare_dicom(text) ? PictureFormat::dicom : PictureFormat::unknown;
}

PictureFormat format_of_name(std::string_view name) {
  struct Ending {
    std::string_view ending;
    PictureFormat format;
  };
  constexpr std::array kEndings{
      Ending{".png", PictureFormat::png},     Ending{".apng", PictureFormat::png},
      Ending{".jpg", PictureFormat::jpeg},    Ending{".jpeg", PictureFormat::jpeg},
      Ending{".jpe", PictureFormat::jpeg},    Ending{".jfif", PictureFormat::jpeg},
      Ending{".tif", PictureFormat::tiff},    Ending{".tiff", PictureFormat::tiff},
      Ending{".dcm", PictureFormat::dicom},   Ending{".nii", PictureFormat::nifti},
      Ending{".dicom", PictureFormat::dicom}, Ending{".nii.gz", PictureFormat::nifti},
  };
  std::string lower(name.substr(name.size() - std::min<std::size_t>(name.size(), 8)));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const Ending& known : kEndings)
    if (lower.ends_with(known.ending)) return known.format;
  return PictureFormat::unknown;
}

std::string_view other_content(std::span<const std::byte> file) {
  const std::string_view text = as_text(file);
  for (const OtherFile& other : kOthers) {
    // A text may begin with these letters; in a BMP four bytes of zeros follow behind the size.
    if (other.bytes == "BM"sv && !begins(text, "\0\0\0\0"sv, 6)) continue;
    if (begins(text, other.bytes, other.at)) return other.name;
  }
  return {};
}

std::string describe_content(std::span<const std::byte> file) { return describe_content(file, file.size()); }

std::string describe_content(std::span<const std::byte> beginning, std::uint64_t bytes) {
  const std::string_view text = as_text(beginning);
  if (text.empty()) return "nothing: it is empty";
  if (text.find_first_not_of('\0') == std::string_view::npos)
    return fmt::format("{} bytes, {} zero", bytes,
                       text.size() < bytes ? fmt::format("the first {} of them", text.size()) : "all of them");
  if (const std::string_view other = other_content(beginning); !other.empty()) return std::string(other);
  std::string hexadecimal;
  for (const char c : text.substr(0, 8)) hexadecimal += fmt::format(" {:02x}", static_cast<unsigned char>(c));
  return fmt::format("{} bytes that begin with{}", bytes, hexadecimal);
}

}  // namespace temper
