// Digests: SHA-256 for names that must last for years (models, data files), XXH3 where speed matters (checksums).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "base/mapped_file.h"

namespace temper {

/// SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);
/// Of a whole file; throws Error if it cannot be read.
std::string sha256_file(const std::filesystem::path& path);
/// The same of one that is mapped; its pages leave this process as soon as they have been read. Empty where it was
/// asked to stop before the end.
std::string sha256_file(const MappedFile& file, const std::stop_token& stop);

/// SHA-256 of bytes that come one piece after the other.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::span<const std::byte> bytes);
  /// Of all bytes; ends the computation.
  [[nodiscard]] std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// XXH3, 64 bits.
std::uint64_t xxh3(std::span<const std::byte> bytes);

/// The same of bytes that come one piece after the other.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(const Xxh3&) = delete;
  Xxh3& operator=(const Xxh3&) = delete;
  void add(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace temper
