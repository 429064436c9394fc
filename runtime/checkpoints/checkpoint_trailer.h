// The trailer of a checkpoint file: the checksum of every region, after the end of the HDF5 data.
//
//   regions   n times { u64 offset, u64 bytes, u64 xxh3 }, ascending, without gap or overlap from 0
//   footer    u64 magic, u64 version, u64 n, u64 xxh3 of the regions and of the three words before
//
// All little-endian, as on every machine that the program runs on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace temper {

struct CheckedRegion {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t xxh3 = 0;
};

/// The trailer's bytes for these regions.
std::vector<std::byte> make_trailer(std::span<const CheckedRegion> regions);

/// Reads and checks the trailer of an open file, and that the regions fill the file up to it. Throws DamagedContent for
/// what does not fit, and another Error for what cannot be read.
std::vector<CheckedRegion> read_trailer(int descriptor, const std::filesystem::path& file);

/// Checks the content of regions first, first + stride, ... Throws DamagedContent naming the place, and another Error
/// for what cannot be read.
void check_regions(int descriptor, const std::filesystem::path& file, std::span<const CheckedRegion> regions,
                   std::size_t first = 0, std::size_t stride = 1);

}  // namespace temper
