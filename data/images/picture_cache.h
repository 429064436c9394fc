// Decoded pictures of a data set, so that each is decoded once: in memory as far as that was given, the others in a
// file that ends with the process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/pictures/picture.h"

namespace temper {

struct PictureCacheSettings {
  std::int64_t memory_bytes = 0;
  /// Of the file, on a disk of this node; empty: there is none. A folder in memory (tmpfs) has none either, and a file
  /// never takes more than a quarter of what its disk has free when it begins.
  std::filesystem::path folder = {};
  std::int64_t file_bytes = 0;
};

/// For several threads, and several sets: a picture is known by its path.
class PictureCache {
 public:
  explicit PictureCache(PictureCacheSettings settings) : settings_(std::move(settings)) {}
  ~PictureCache();
  PictureCache(const PictureCache&) = delete;
  PictureCache& operator=(const PictureCache&) = delete;

  /// Null where it is not kept.
  [[nodiscard]] std::shared_ptr<const Picture> find(const std::string& file);
  /// Keeps it if there is room. Where the file cannot be written, nothing more is: a cache is never a reason to stop.
  void keep(const std::string& file, const std::shared_ptr<const Picture>& picture);

 private:
  struct InFile {
    std::int64_t offset = 0;
    Picture form;  ///< without its samples
    std::size_t type = 0;
  };

  void write(const std::string& file, const Picture& picture);

  PictureCacheSettings settings_;
  std::mutex mutex_;
  std::int64_t bytes_ = 0;
  std::unordered_map<std::string, std::shared_ptr<const Picture>> in_memory_;
  std::unordered_map<std::string, InFile> in_file_;
  std::int64_t file_bytes_ = 0;
  int descriptor_ = -1;
  bool file_failed_ = false;
};

}  // namespace temper
