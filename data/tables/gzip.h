// Files compressed with gzip.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>

namespace temper {

/// Hands what a gzip file (RFC 1952) holds to `take`, a piece at a time; of several members, one after the other, all.
/// `name` stands for the file in messages. Throws Error for what is no gzip file, is cut, or fails its checksum, and
/// for what unpacks to more than 256 MiB and 200 times its own size, as no text does.
void unpack_gzip(std::span<const std::byte> bytes, const std::filesystem::path& name,
                 const std::function<void(std::span<const std::byte>)>& take);

}  // namespace temper
