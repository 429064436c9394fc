// The HDF5 part of a file of hidden rows: two arrays whose places are known, so that many ranks can write them at once.
//
//   hidden     [rows, width] f32, or bf16 as 16-bit unsigned integers
//   checksums  [blocks] u64, XXH3 of each block's rows
//   content    attribute of the file: frozen_content_key, empty where it is not asked for
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "runtime/frozen/frozen_layout.h"

namespace temper {

struct FrozenFilePlaces {
  std::uint64_t rows = 0;  ///< where the first byte of each array lies in the file
  std::uint64_t checksums = 0;
};

/// Makes the file with both arrays, not written, and takes the room for them. Throws Error, and leaves nothing behind,
/// where there is not so much.
FrozenFilePlaces create_frozen_file(const std::filesystem::path& file, const FrozenLayout& layout,
                                    const std::string& content_key);

/// Nothing if the file is not there, is damaged, or holds something else.
std::optional<FrozenFilePlaces> find_frozen_file(const std::filesystem::path& file, const FrozenLayout& layout,
                                                 const std::string& content_key);

}  // namespace temper
