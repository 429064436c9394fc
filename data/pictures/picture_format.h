// What a file is by its content, and what its name says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace temper {

enum class PictureFormat { unknown, png, jpeg, tiff, dicom, nifti };

/// As PictureFacts has it; "unknown" of none of them.
std::string_view format_name(PictureFormat format);

/// The format by the bytes that a file begins with. What is compressed with gzip counts as NIfTI, whose files are the
/// only ones here that are; the reader looks inside.
PictureFormat format_of_content(std::span<const std::byte> file);

/// The format that an ending belongs to (".jpeg", ".nii.gz", in any case); unknown: none of these.
PictureFormat format_of_name(std::string_view name);

/// What a file of none of these formats is by its content: "a BMP picture"; empty: that is not known.
std::string_view other_content(std::span<const std::byte> file);

/// What a file that is no picture begins with, in words: "a PDF document", "nothing but zeros", "bytes 3f 00 12 a4".
std::string describe_content(std::span<const std::byte> file);
/// The same of a file of which only the beginning is at hand.
std::string describe_content(std::span<const std::byte> beginning, std::uint64_t bytes);

}  // namespace temper
