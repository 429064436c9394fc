// Decoded pictures of a data set, so that each is decoded once: in memory as far as that was given, the others in a
// file that ends with the process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "data/pictures/picture.h"

namespace temper {

struct PictureCacheSettings {
  std::int64_t memory_bytes = 0;
  std::filesystem::path folder = {};  ///< of the file, on a disk of this node; empty: there is none
};

/// For several threads.
class PictureCache {
 public:
  explicit PictureCache(PictureCacheSettings settings) : settings_(std::move(settings)) {}
  ~PictureCache();
  PictureCache(const PictureCache&) = delete;
  PictureCache& operator=(const PictureCache&) = delete;

  /// Null where it is not kept.
  [[nodiscard]] std::shared_ptr<const Picture> find(std::int64_t row);
  /// Keeps it if there is room. Where the file cannot be written, nothing more is: a cache is never a reason to stop.
  void keep(std::int64_t row, const std::shared_ptr<const Picture>& picture);

 private:
  struct InFile {
    std::int64_t offset = 0;
    Picture form;  ///< without its samples
    std::size_t type = 0;
  };

  void write(std::int64_t row, const Picture& picture);

  PictureCacheSettings settings_;
  std::mutex mutex_;
  std::int64_t bytes_ = 0;
  std::map<std::int64_t, std::shared_ptr<const Picture>> in_memory_;
  std::map<std::int64_t, InFile> in_file_;
  std::int64_t file_bytes_ = 0;
  int descriptor_ = -1;
  bool file_failed_ = false;
};

}  // namespace temper
