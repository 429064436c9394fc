// A file mapped read-only. Ranks of one node that map the same file share its pages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace temper {

class MappedFile {
 public:
  /// Throws Error if the path is missing, is no regular file (a directory, a pipe), is empty, cannot be read, or holds
  /// what git-lfs leaves in place of a file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Takes the pages out of this process; what is read again comes back from the system's cache.
  void forget_pages() const noexcept { forget_pages(bytes()); }
  /// The same of a part of bytes(), which begins on a page.
  void forget_pages(std::span<const std::byte> part) const noexcept;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// As MappedFile::forget_pages, of the whole pages in `part` of any mapped file.
void forget_file_pages(std::span<const std::byte> part) noexcept;

/// The whole of a small file. Throws Error as MappedFile does.
std::string read_text_file(const std::filesystem::path& path);

/// Syncs a folder, so that a rename in it lasts. Throws Error naming it and the system's reason.
void sync_folder(const std::filesystem::path& folder);

/// Writes a file beside its final name, syncs it and renames it, so that a reader sees the old text or the new. Links
/// are followed: what they lead to is replaced, not they. Where a FIFO or a device is, the text is written into it.
/// Throws Error naming the path and the system's reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

}  // namespace temper
