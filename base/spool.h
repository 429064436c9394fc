// Bytes that come one piece after the other and are read again later: on the heap as long as they are few, then in a
// file that has no name and goes with the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace temper {

/// Where programs may put files that nobody misses: TMPDIR, else /tmp.
std::filesystem::path temporary_folder();

class Spool {
 public:
  /// `most_in_memory`: bytes that stay on the heap. Where the temporary folder takes no more, all stays there.
  explicit Spool(std::size_t most_in_memory = std::size_t{4} << 20);
  ~Spool();
  Spool(Spool&& other) noexcept;
  Spool& operator=(Spool&& other) noexcept;
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void append(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t size() const { return in_file_ + held_.size(); }
  /// Bytes from `offset` on, as many as `bytes` has room for; so many must be there. Throws Error if the file cannot be
  /// read.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

  /// All bytes in one piece, behind which nothing may be appended any more. Those in the file are mapped.
  std::span<const std::byte> view();
  /// Takes bytes [begin, end) of the view, both on the beginning of a page, out of memory; those of a file come back.
  void forget(std::size_t begin, std::size_t end) const;

 private:
  void move_to_file();

  std::size_t most_in_memory_;
  std::vector<std::byte> held_;  ///< behind those in the file
  std::uint64_t in_file_ = 0;
  int descriptor_ = -1;
  bool file_refused_ = false;
  std::byte* mapping_ = nullptr;  ///< of the whole file
};

}  // namespace temper
