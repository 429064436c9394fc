// Reading and writing at a place of a file, whole or with an Error that says why not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace temper {

/// An open file, closed at the end of its scope.
class PositionedFile {
 public:
  enum class Mode : std::uint8_t { read, write };
  /// Throws Error naming the file and the system's reason.
  PositionedFile(const std::filesystem::path& file, Mode mode);
  ~PositionedFile();
  PositionedFile(PositionedFile&& other) noexcept;
  PositionedFile(const PositionedFile&) = delete;
  PositionedFile& operator=(const PositionedFile&) = delete;
  PositionedFile& operator=(PositionedFile&&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }
  /// Asks the system to start writing these bytes to disk. Does not report whether that succeeds.
  void begin_writing_back(std::uint64_t offset, std::uint64_t bytes) const;
  /// Syncs and closes; throws Error if the system could not keep what was written.
  void close_durably();

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
};

/// Throw Error if not all of it can be read or written.
void read_at(int descriptor, std::uint64_t offset, std::span<std::byte> bytes, const std::filesystem::path& file);
void write_at(int descriptor, std::uint64_t offset, std::span<const std::byte> bytes,
              const std::filesystem::path& file);

/// Reserves disk space for this many bytes from the beginning of a file. Returns the system's reason if there is not
/// enough; empty if there is, or if the file system cannot tell.
std::string take_room(int descriptor, std::uint64_t bytes);

}  // namespace temper
