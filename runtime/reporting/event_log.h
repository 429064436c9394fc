// metrics.jsonl: the events of a run, one JSON object per line, for programs to read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "runtime/reporting/log_file.h"

namespace temper {

class EventLog {
 public:
  /// Begins an empty file; or, with `resume_step`, goes on with the one that is there: what was written after the
  /// checkpoint of that step is cut off, so that the file of a resumed run has the lines of the uninterrupted one.
  /// Lines that are no JSON object with a step (a line torn by a crash) are dropped. Throws Error if the file cannot be
  /// opened.
  explicit EventLog(const std::filesystem::path& file, std::optional<std::int64_t> resume_step = std::nullopt);

  /// Appends {"step": step, "kind": kind, name: value, ...} and flushes. `kind` is train, evaluation, test, phase,
  /// checkpoint or end. What JSON has no number for (NaN, infinity) is written as null. Throws Error if the line cannot
  /// be written, as on a full disk.
  void write(std::int64_t step, const std::string& kind, std::span<const std::pair<std::string, double>> values);
  /// Appends {"step": step, "kind": "job", "job": name, "nodes": nodes, "restarts": restarts, "ranks": ranks}: each
  /// start in a job of a scheduler has such a line.
  void write_job(std::int64_t step, const std::string& name, const std::string& nodes, int restarts, int ranks);

 private:
  void append(const std::string& json);

  LogFile file_;
};

}  // namespace temper
