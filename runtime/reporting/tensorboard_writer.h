// Scalars for TensorBoard: an event file of TFRecords, each a protobuf Event (tensorflow/core/util/event.proto).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "runtime/reporting/log_file.h"

namespace temper {

class TensorboardWriter {
 public:
  /// Makes `directory` where it is missing, and in it a new file events.out.tfevents.<seconds>.<host>.<process>. With
  /// `resume_step` TensorBoard is told to forget what earlier files say about later steps. Throws Error.
  explicit TensorboardWriter(const std::filesystem::path& directory,
                             std::optional<std::int64_t> resume_step = std::nullopt);

  /// Adds a point to the curve `tag`; a slash in the tag makes groups. TensorBoard sees it after flush(). Throws Error
  /// if it cannot be written, as on a full disk.
  void scalar(std::string_view tag, double value, std::int64_t step);
  void flush() { file_.flush(); }

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

 private:
  void write_record(std::string_view data);

  LogFile file_;
};

}  // namespace temper
