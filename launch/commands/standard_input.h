// Standard input, line by line, until a signal asks to stop.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"

namespace temper {

/// The whole lines of a text, without their ends (LF, or CR and LF), and what is left behind the last. `at_end`: that
/// is a line too.
struct Lines {
  std::vector<std::string> lines;
  std::string rest;
};
Lines lines_of(std::string_view text, bool at_end);

class StandardInputLines {
 public:
  explicit StandardInputLines(std::function<bool()> stop_requested) : stop_requested_(std::move(stop_requested)) {}

  /// The next lines: waits for one at least, and takes what else is there. None at the end, and where it was asked to
  /// stop. Throws Error where standard input cannot be read.
  std::vector<std::string> next();

 private:
  std::function<bool()> stop_requested_;
  std::string held_;  ///< of a line whose end has not come
  bool ended_ = false;
};

/// Collective. All lines, on every rank: rank 0 reads them, to the end or until it is asked to stop.
std::vector<std::string> standard_input_of_all(Communicator& world, const std::function<bool()>& stop_requested);

}  // namespace temper
