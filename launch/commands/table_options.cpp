#include "launch/commands/table_options.h"

namespace temper {
namespace {

/// A probability that is neither 0 nor 1.
std::string probability_check(const std::string& text) {
  double value = 0.0;
  const bool fits = CLI::detail::lexical_cast(text, value) && value > 0.0 && value < 1.0;
  return fits ? "" : "found " + text + ", expected a number above 0 and below 1";
}

}  // namespace

void add_table_options(CLI::App& command, TableWishes& wishes) {
  command.add_option("--text", wishes.text, "Column of the text");
  command.add_option("--text-pair", wishes.text_pair, "Column of a second text; \"\" for single texts");
  command.add_option("--max-length", wishes.max_length, "Tokens per row; 128 where the model says nothing")
      ->check(CLI::Range(1, 1 << 20));
  command.add_option("--threshold", wishes.threshold, "Multi-label: labels with a probability above it are predicted")
      ->check(CLI::Validator(probability_check, "FLOAT above 0 and below 1"));
}

void print_note(const CommandContext& context, const std::string& line) {
  if (context.speaks()) std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace temper
