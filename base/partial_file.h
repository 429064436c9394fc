// A large file that is streamed to disk beside its final name: a reader sees the old file or the new.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace temper {

/// Removed at the end of the scope unless it is committed.
class PartialFile {
 public:
  /// Every call throws Error naming the path and what the system refuses (full disk, no permission).
  explicit PartialFile(const std::filesystem::path& path);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// Syncs the file, gives it its final name, and syncs the folder.
  void commit();

 private:
  [[noreturn]] void refuse(const char* action) const;

  std::filesystem::path path_;
  std::filesystem::path partial_;
  int descriptor_ = -1;
  bool committed_ = false;
};

}  // namespace temper
