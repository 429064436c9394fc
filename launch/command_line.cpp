#include "launch/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/nearest_name.h"

namespace temper {
namespace {

/// Help in the words of a user: "--profile[=FILE]", "INT, at least 1 (20)".
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    // CLI11 writes what a flag without a text stands for: --profile{output.dir}.
    const std::size_t brace = name.find('{');
    if (brace != std::string::npos) name.replace(brace, name.find('}', brace) - brace + 1, "[=FILE]");
    return name;
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return "";
    std::string text;
    std::string type = option->get_type_name();
    // Behind the type stands what its checks allow: "INT:at least 1".
    if (const std::size_t colon = type.find(':'); colon != std::string::npos) type.replace(colon, 1, ", ");
    if (!type.empty()) text += ' ' + type;
    if (!option->get_default_str().empty()) text += " (" + option->get_default_str() + ")";
    if (option->get_expected_max() == CLI::detail::expected_max_vector_size) text += " ...";
    if (option->get_required()) text += ", required";
    return text;
  }
};

std::string range_text(std::int64_t least, std::int64_t most) {
  return most == std::numeric_limits<std::int64_t>::max() ? fmt::format("at least {}", least)
                                                          : fmt::format("{} to {}", least, most);
}

/// Refuses a text that no `Value` is written as.
template <typename Value>
CLI::Validator number_check(const char* expected) {
  const auto check = [expected](const std::string& text) -> std::string {
    Value value{};
    return CLI::detail::lexical_cast(text, value) ? "" : fmt::format("found {}, expected {}", text, expected);
  };
  return {check, ""};
}

/// Of the command that was named, as it is called: "temper bench machine".
std::pair<const CLI::App*, std::string> named_command(const CLI::App* command) {
  std::string path = command->get_name();
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    path += ' ' + command->get_name();
  }
  return {command, path};
}

/// CLI11's error as a sentence, which does not end yet.
std::string sentence_of(const CLI::ParseError& error, const CLI::App& program) {
  const auto [command, path] = named_command(&program);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    if (command->get_require_subcommand_min() > 0) {
      std::vector<std::string> known;
      for (const CLI::App* each : command->get_subcommands({})) known.push_back(each->get_name());
      return fmt::format("{} needs a command: {}", path, fmt::join(known, ", "));
    }
    for (const CLI::Option* option : command->get_options())
      if (option->get_required() && option->count() == 0)
        return fmt::format("{} needs {}: {}", path, option->get_name(), option->get_description());
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr)
    if (const std::vector<std::string> words = program.remaining(/*recurse=*/true); !words.empty())
      return fmt::format("unexpected argument {} of {}", words.front(), path);
  return error.what();
}

}  // namespace

const OptionTraits& OptionTraits::required() const {
  option_->required();
  return *this;
}

const OptionTraits& OptionTraits::shows_default() const {
  option_->capture_default_str();
  return *this;
}

const OptionTraits& OptionTraits::within(std::int64_t least, std::int64_t most) const {
  const std::string range = range_text(least, most);
  const auto check = [least, most, range](const std::string& text) -> std::string {
    std::int64_t value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most) return "";
    return fmt::format("found {}, expected a whole number, {}", text, range);
  };
  option_->check(CLI::Validator(check, range));
  return *this;
}

const OptionTraits& OptionTraits::between(double low, double high) const {
  const auto check = [low, high](const std::string& text) -> std::string {
    double value = 0.0;
    if (CLI::detail::lexical_cast(text, value) && value > low && value < high) return "";
    return fmt::format("found {}, expected a number above {} and below {}", text, low, high);
  };
  option_->check(CLI::Validator(check, fmt::format("above {} and below {}", low, high)));
  return *this;
}

const OptionTraits& OptionTraits::one_of(const std::vector<std::string>& choices) const {
  std::string listed = fmt::format("{}", fmt::join(choices.begin(), choices.end() - 1, ", "));
  listed += " or " + choices.back();
  const auto check = [choices, listed](const std::string& text) -> std::string {
    if (std::find(choices.begin(), choices.end(), text) != choices.end()) return "";
    const std::string nearest = nearest_name(text, choices);
    return fmt::format("found {}, expected {}{}", text, listed,
                       nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest));
  };
  option_->check(CLI::Validator(check, ""));
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
  CLI::Option* option = app_->add_option(names, target, help);
  if constexpr (std::is_same_v<Value, int> || std::is_same_v<Value, std::int64_t> ||
                std::is_same_v<Value, std::optional<std::int64_t>>)
    option->check(number_check<std::int64_t>("a whole number"));
  if constexpr (std::is_same_v<Value, double> || std::is_same_v<Value, std::optional<double>>)
    option->check(number_check<double>("a number"));
  return OptionTraits(option);
}

OptionTraits CommandLine::repeated(const std::string& names, std::vector<std::string>& target,
                                   const std::string& help) const {
  // One value for each use, or what follows would be swallowed.
  return OptionTraits(app_->add_option(names, target, help)
                          ->expected(1)
                          ->allow_extra_args(false)
                          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
}

OptionTraits CommandLine::words(const std::string& name, std::vector<std::string>& target,
                                const std::string& help) const {
  return OptionTraits(app_->add_option(name, target, help));
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
  // Commands take it over when they are added.
  app_->formatter(std::make_shared<HelpFormatter>());
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
      return fmt::format("unknown command {} of {}; {} See {} --help", word, path,
                         nearest.empty() ? fmt::format("there are {}.", fmt::join(known, ", "))
                                         : fmt::format("did you mean {}?", nearest),
                         path);
    }
    command = next;
    path += ' ' + command->get_name();
  }
  return "";
}

std::string ProgramLine::unknown_option() const {
  const auto [command, path] = named_command(app_);
  std::vector<std::string> known;
  for (const CLI::Option* option : command->get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const std::string& word : app_->remaining(/*recurse=*/true)) {
    const std::string name = word.substr(0, word.find('='));
    if (!name.starts_with("--") || name == "--" || std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (name == "--version")
      return fmt::format("unknown option --version; the command {} version tells", app_->get_name());
    const std::string nearest = nearest_name(name, known);
    return fmt::format("unknown option {} of {}; {} {} --help", name, path,
                       nearest.empty() ? "see" : fmt::format("did you mean {}? See", nearest), path);
  }
  return "";
}

int ProgramLine::parse(int argc, char** argv, bool speaks, int wrong_use) const {
  try {
    app_->parse(argc, argv);
    return go_on;
  } catch (const CLI::ParseError& error) {
    // Help that was asked for.
    if (error.get_exit_code() == 0) return speaks ? app_->exit(error) : 0;
    const std::string unknown = unknown_option();
    const std::string sentence =
        unknown.empty() ? fmt::format("{}; see {} --help", sentence_of(error, *app_), named_command(app_).second)
                        : unknown;
    if (speaks) std::fprintf(stderr, "temper: %s\n", sentence.c_str());
    return wrong_use;
  }
}

}  // namespace temper
