// Pictures that are shown to somebody: contact sheets, overlays, curves.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "data/pictures/picture.h"

namespace temper {

/// The bytes of a PNG file of a picture of 8 bits with 1 or 3 channels; its black and white are not looked at. The same
/// picture gives the same bytes. Throws Error for other samples, or an extent that does not fit them.
std::vector<std::byte> encode_png(const Picture& picture);

/// The same into a file, which is whole or not there. Throws Error naming the path and the system's reason.
void write_png(const std::filesystem::path& path, const Picture& picture);

}  // namespace temper
