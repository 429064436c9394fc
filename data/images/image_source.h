// The source of examples that are pictures: files are read, decoded and made pixels by whoever reads a batch, ahead of
// its use and in as many threads as it is given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "data/example_source.h"
#include "data/images/augmentation.h"
#include "data/images/image_processor.h"
#include "data/images/picture_cache.h"
#include "data/pictures/decode.h"
#include "data/pictures/picture.h"

namespace temper {

/// What the rows of a table of pictures hold. A path, a class and a group for each: some 100 bytes in every rank.
struct ImageRows {
  std::vector<std::string> files;     ///< [rows] paths
  std::vector<std::int32_t> classes;  ///< [rows]; empty where rows have numbers, or nothing
  std::vector<float> targets;         ///< [rows, target_width]
  std::int32_t target_width = 0;
  std::vector<std::int32_t> groups;  ///< [rows]; empty: rows are in no groups
  std::vector<std::string> group_names;
  /// Of rows that tables list: the tables, and [rows] which of them and the line there. Else empty.
  std::vector<std::filesystem::path> lists;
  std::vector<std::uint32_t> list_of;
  std::vector<std::uint32_t> lines;

  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(files.size()); }
  /// "list.csv, line 3: ", where a table lists the row, else empty.
  [[nodiscard]] std::string place(std::int64_t row) const;
};

struct ImageReading {
  ImageProcessor processor;
  std::int64_t channels = 3;  ///< of what the model sees
  std::int64_t tokens = 1;    ///< that its last hidden state has of an image
  DecodeOptions decode = {};
  AugmentationSettings augmentation = {};         ///< of training; evaluations see pictures as they are
  std::uint64_t seed = 0;                         ///< of augmentation
  PictureView view = PictureView::whole;          ///< of evaluations
  bool skips_unreadable = false;                  ///< the next row that can be read takes the place of one that cannot
  std::shared_ptr<PictureCache> cache = nullptr;  ///< that sets share; null: nothing is kept
  int threads = 1;                                ///< that decode the rows of one batch
};

class ImageSource final : public ExampleSource {
 public:
  /// `unreadable`: rows whose picture is known not to be readable, if such are skipped.
  ImageSource(ImageRows rows, ImageReading reading, std::span<const std::int64_t> unreadable = {});

  [[nodiscard]] std::int64_t rows() const override { return rows_.rows(); }
  [[nodiscard]] std::int64_t cost(std::int64_t /*row*/) const override { return reading_.tokens; }
  [[nodiscard]] std::int32_t target_width() const override { return rows_.target_width; }
  [[nodiscard]] std::span<const std::int32_t> groups() const override { return rows_.groups; }
  [[nodiscard]] ImageExtent image_extent() const override { return reading_.processor.extent(); }
  [[nodiscard]] bool is_transformed() const override {
    return reading_.augmentation.changes_pictures() || reading_.augmentation.mixes() || reading_.skips_unreadable;
  }
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override;
  void append_read(std::int64_t row, std::uint32_t example, const BatchReading& reading, Batch& batch) const override;
  void complete(std::span<const std::int64_t> rows, const BatchReading& reading, Batch& batch) const override;

  [[nodiscard]] const ImageRows& listed() const { return rows_; }
  /// The picture of a row as it is stored. Throws Error as decode_picture does, and where the file cannot be read;
  /// where a table lists the row, it names the line.
  [[nodiscard]] std::shared_ptr<const Picture> picture(std::int64_t row) const;
  /// Why pictures could not be read whose place another took, so far, a sentence each; not of those known beforehand.
  [[nodiscard]] std::vector<std::string> unreadable() const;
  [[nodiscard]] bool is_unreadable(std::int64_t row) const;
  /// Whether the row is shown as it stands: false where another takes its place. Looks, where that is not known.
  [[nodiscard]] bool stands_for_itself(std::int64_t row) const;

 private:
  struct Readable {
    std::int64_t row;
    std::shared_ptr<const Picture> picture;
  };
  /// Pixels of a row as a batch of that epoch has them; gives the row whose picture it is.
  std::int64_t read_pixels(std::int64_t row, std::int64_t epoch, std::span<float> pixels) const;
  /// Mixes each example with another one, pixels and labels.
  void mix(std::span<const std::int64_t> taken, std::int64_t epoch, Batch& batch) const;
  /// Gives an example the labels of another row.
  void relabel(std::size_t place, std::int64_t row, Batch& batch) const;
  /// That of the row, or where such are skipped, of the next that can be read.
  [[nodiscard]] Readable readable(std::int64_t row) const;

  ImageRows rows_;
  ImageReading reading_;
  mutable std::mutex mutex_;
  mutable std::map<std::int64_t, std::string> unreadable_;  ///< by row, why; empty: it is known
};

}  // namespace temper
