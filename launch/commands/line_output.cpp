#include "launch/commands/line_output.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace temper {

void require_output_apart(const std::string& output, std::span<const std::string> inputs, std::string_view what,
                          std::string_view option, std::string_view beginning) {
  std::error_code absent;
  if (output.empty()) return;
  for (const std::string& input : inputs)
    if (std::filesystem::equivalent(input, output, absent))
      throw usage_error("{}: is the input as well; {} would replace it, so choose another file with {}", output, what,
                        option);
  if (!std::filesystem::is_regular_file(output, absent)) return;
  std::string found(beginning.size(), '\0');
  std::ifstream file(output, std::ios::binary);
  file.read(found.data(), static_cast<std::streamsize>(found.size()));
  if (file.gcount() > 0 && std::string_view(found).substr(0, static_cast<std::size_t>(file.gcount())) != beginning)
    throw usage_error(
        "{}: is there, and something else than {} of an older call, which {} would replace; choose another "
        "file with {}",
        output, what, what, option);
}

void LineOutput::append(std::string_view lines) {
  if (file_.empty()) {
    std::fwrite(lines.data(), 1, lines.size(), stdout);
  } else {
    held_.append(std::as_bytes(std::span(lines)));
  }
}

void LineOutput::finish(std::string_view what) {
  if (!file_.empty()) {
    const std::span<const std::byte> lines = held_.view();
    write_file_atomically(file_, {reinterpret_cast<const char*>(lines.data()), lines.size()});
  }
  if (std::fflush(stdout) != 0) throw Error("{} could not be written to standard output", what);
}

std::string LineOutput::stop(std::string_view what, std::int64_t done, std::optional<std::int64_t> all,
                             std::string_view one) {
  const std::string of = all ? fmt::format("{} of {}", done, counted(*all, one)) : counted(done, one);
  const bool writes = !file_.empty() && done > 0;
  if (file_.empty() || writes) finish(what);
  if (file_.empty()) return fmt::format("stopped after {}", of);
  if (!writes) return fmt::format("stopped after {}; {} is not written", of, file_);
  return fmt::format("stopped after {}; {} holds {} of these alone", of, file_, what);
}

}  // namespace temper
