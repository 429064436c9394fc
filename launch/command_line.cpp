#include "launch/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>

#include "base/nearest_name.h"

namespace temper {

const OptionTraits& OptionTraits::required() const {
  option_->required();
  return *this;
}

const OptionTraits& OptionTraits::shows_default() const {
  option_->capture_default_str();
  return *this;
}

const OptionTraits& OptionTraits::within(std::int64_t least, std::int64_t most) const {
  option_->check(CLI::Range(least, most));
  return *this;
}

const OptionTraits& OptionTraits::between(double low, double high) const {
  const auto check = [low, high](const std::string& text) -> std::string {
    double value = 0.0;
    if (CLI::detail::lexical_cast(text, value) && value > low && value < high) return "";
    return fmt::format("found {}, expected a number above {} and below {}", text, low, high);
  };
  option_->check(CLI::Validator(check, fmt::format("FLOAT above {} and below {}", low, high)));
  return *this;
}

const OptionTraits& OptionTraits::separated_by(char separator) const {
  option_->delimiter(separator);
  return *this;
}

const OptionTraits& OptionTraits::value_name(const std::string& name) const {
  option_->type_name(name);
  return *this;
}

template <typename Value>
OptionTraits CommandLine::option(const std::string& names, Value& target, const std::string& help) const {
  return OptionTraits(app_->add_option(names, target, help));
}

OptionTraits CommandLine::repeated(const std::string& names, std::vector<std::string>& target,
                                   const std::string& help) const {
  // One value for each use, or what follows would be swallowed.
  return OptionTraits(
      app_->add_option(names, target, help)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
}

template OptionTraits CommandLine::option(const std::string&, std::string&, const std::string&) const;
template OptionTraits CommandLine::option(const std::string&, int&, const std::string&) const;
template OptionTraits CommandLine::option(const std::string&, std::int64_t&, const std::string&) const;
template OptionTraits CommandLine::option(const std::string&, double&, const std::string&) const;
template OptionTraits CommandLine::option(const std::string&, std::optional<std::string>&, const std::string&) const;
template OptionTraits CommandLine::option(const std::string&, std::optional<std::int64_t>&, const std::string&) const;
template OptionTraits CommandLine::option(const std::string&, std::optional<double>&, const std::string&) const;

void CommandLine::flag(const std::string& names, bool& target, const std::string& help) const {
  app_->add_flag(names, target, help);
}

void CommandLine::flag_with_text(const std::string& name, const std::string& without_text, std::string& target,
                                 const std::string& help) const {
  app_->add_flag(name + "{" + without_text + "}", target, help);
}

CommandLine CommandLine::command(const std::string& name, const std::string& help) const {
  return CommandLine(app_->add_subcommand(name, help));
}

void CommandLine::requires_command() const { app_->require_subcommand(1); }

void CommandLine::footer(const std::string& text) const { app_->footer(text); }

bool CommandLine::was_named() const { return app_->parsed(); }

ProgramLine::ProgramLine(const std::string& description, const std::string& name)
    : CommandLine(nullptr), owned_(std::make_unique<CLI::App>(description, name)) {
  app_ = owned_.get();
}

ProgramLine::~ProgramLine() = default;

std::string ProgramLine::unknown_command(std::span<const char* const> words) const {
  const CLI::App* command = app_;
  std::string path = app_->get_name();
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

std::string ProgramLine::unknown_option() const {
  const CLI::App* command = app_;
  std::string path = app_->get_name();
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    path += ' ' + command->get_name();
  }
  std::vector<std::string> known;
  for (const CLI::Option* option : command->get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const std::string& word : app_->remaining(/*recurse=*/true)) {
    const std::string name = word.substr(0, word.find('='));
    if (!name.starts_with("--") || name == "--" || std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string nearest = nearest_name(name, known);
    return fmt::format("{} is no option of {}; {}See {} --help", name, path,
                       nearest.empty() ? "" : fmt::format("did you mean {}? ", nearest), path);
  }
  return "";
}

int ProgramLine::parse(int argc, char** argv, bool speaks, int wrong_use) const {
  try {
    app_->parse(argc, argv);
    return go_on;
  } catch (const CLI::ParseError& error) {
    const std::string unknown = error.get_exit_code() == 0 ? "" : unknown_option();
    if (!unknown.empty()) {
      if (speaks) std::fprintf(stderr, "temper: %s\n", unknown.c_str());
      return wrong_use;
    }
    const int status = speaks ? app_->exit(error) : error.get_exit_code();
    return status == 0 ? 0 : wrong_use;
  }
}

}  // namespace temper
