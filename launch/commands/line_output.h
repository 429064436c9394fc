// Lines of results for a file, or for standard output.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/spool.h"

namespace temper {

/// What files of results begin with.
inline constexpr std::string_view kLinesBeginning = "{\"";
inline constexpr std::string_view kPngBeginning = "\x89PNG";

/// Throws a usage Error where `output` is one of the files that are read, or is there and neither empty nor a file that
/// begins with `beginning`, as an older one of its kind would. `what`: "the answers"; `option`: "-o".
void require_output_apart(const std::string& output, std::span<const std::string> inputs, std::string_view what,
                          std::string_view option, std::string_view beginning = kLinesBeginning);

class LineOutput {
 public:
  /// `file`: empty for standard output.
  explicit LineOutput(std::string file) : file_(std::move(file)) {}

  /// On standard output the lines appear at once, those for a file when the command ends.
  void append(std::string_view lines);
  /// Writes the file as a whole. Throws Error where lines cannot be written; `what`: "the answers".
  void finish(std::string_view what);
  /// The same behind a signal, of what is there; no file is written where nothing is. Gives a sentence: "stopped after
  /// 10 of 30 prompts; answers.jsonl holds the answers of these alone". `all`: absent where their number is not known.
  std::string stop(std::string_view what, std::int64_t done, std::optional<std::int64_t> all, std::string_view one);

 private:
  std::string file_;
  Spool held_;
};

}  // namespace temper
