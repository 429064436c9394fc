// The command line: which commands and options there are, and what they set. CLI11 parses it; its header is a whole
// library, so only command_line.cpp includes it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace temper {

/// What may be added to an option once it is declared. A view: valid as long as its command.
class OptionTraits {
 public:
  explicit OptionTraits(CLI::Option* option) : option_(option) {}
  const OptionTraits& required() const;
  /// Help shows the value that the target holds now.
  const OptionTraits& shows_default() const;
  /// Refuses numbers outside of [least, most].
  const OptionTraits& within(std::int64_t least, std::int64_t most) const;
  /// Refuses numbers that do not lie between the two, which are refused too.
  const OptionTraits& between(double low, double high) const;
  /// Refuses what is none of these, at least two, and names the nearest.
  const OptionTraits& one_of(const std::vector<std::string>& choices) const;
  /// One word may hold several values: a,b.
  const OptionTraits& separated_by(char separator) const;
  /// What help calls the value, such as KEY=VALUE.
  const OptionTraits& value_name(const std::string& name) const;

 private:
  CLI::Option* option_;
};

/// The options of one command. A view of what ProgramLine owns; targets must outlive the parsing.
class CommandLine {
 public:
  explicit CommandLine(CLI::App* app) : app_(app) {}

  /// `names`: "-o,--output", or one word for an argument by place. `Value`: std::string, int, std::int64_t, double, or
  /// std::optional of all but int.
  template <typename Value>
  OptionTraits option(const std::string& names, Value& target, const std::string& help) const;
  /// An option of which each use adds a value.
  OptionTraits repeated(const std::string& names, std::vector<std::string>& target, const std::string& help) const;
  /// Arguments by place: the further words, any number of them.
  OptionTraits words(const std::string& name, std::vector<std::string>& target, const std::string& help) const;
  void flag(const std::string& names, bool& target, const std::string& help) const;
  /// A flag that may be given a text, --name=TEXT; without one it sets `without_text`.
  void flag_with_text(const std::string& name, const std::string& without_text, std::string& target,
                      const std::string& help) const;

  [[nodiscard]] CommandLine command(const std::string& name, const std::string& help) const;
  /// One of the commands below must be named.
  void requires_command() const;
  /// Text below the help.
  void footer(const std::string& text) const;
  /// Whether the command was named on the parsed command line.
  [[nodiscard]] bool was_named() const;

 protected:
  CLI::App* app_;
};

/// The whole command line.
class ProgramLine : public CommandLine {
 public:
  ProgramLine(const std::string& description, const std::string& name);
  ~ProgramLine();
  ProgramLine(const ProgramLine&) = delete;
  ProgramLine& operator=(const ProgramLine&) = delete;

  /// A sentence about the first word that stands where a command is needed and is none: "unknown command trian of
  /// temper; did you mean train? See temper --help". Empty where there is no such word.
  [[nodiscard]] std::string unknown_command(std::span<const char* const> words) const;

  /// Parses the words. Gives `go_on`, or the exit status of a program that has nothing more to do: 0 after help was
  /// asked for, `wrong_use` for words that fit nothing. What there is to say is printed only if `speaks`.
  [[nodiscard]] int parse(int argc, char** argv, bool speaks, int wrong_use) const;
  static constexpr int go_on = -1;

 private:
  /// After words that fit nothing: a sentence about the first that looks like an option and is none of the command that
  /// was named. Empty where there is no such word.
  [[nodiscard]] std::string unknown_option() const;

  std::unique_ptr<CLI::App> owned_;
};

}  // namespace temper
