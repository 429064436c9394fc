#include "launch/command_line.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "base/nearest_name.h"

namespace temper {

std::string unknown_command(const CLI::App& app, std::span<const char* const> words) {
  const CLI::App* command = &app;
  std::string path = app.get_name();
  for (const std::string_view word : words) {
    if (word.starts_with('-') || command->get_require_subcommand_min() == 0) return "";
    std::vector<std::string> known;
    const CLI::App* next = nullptr;
    for (const CLI::App* each : command->get_subcommands({})) {
      known.push_back(each->get_name());
      if (each->get_name() == word) next = each;
    }
    if (next == nullptr) {
      const std::string nearest = nearest_name(word, known);
      return fmt::format("{} is no command of {}; {}", word, path,
                         nearest.empty() ? fmt::format("there are {}", fmt::join(known, ", "))
                                         : fmt::format("did you mean {}?", nearest));
    }
    command = next;
    path += ' ' + command->get_name();
  }
  return "";
}

}  // namespace temper
