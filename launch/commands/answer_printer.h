// Answers in the order of their prompts, whichever ends first.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/generation/shared_prompts.h"

namespace temper {

class AnswerPrinter {
 public:
  /// `json`: a line for each answer, {"prompt", "text", "tokens", "finish_reason"}; else its text, as it comes, a
  /// line feed behind it, and a blank line before the next one.
  AnswerPrinter(bool json, std::function<void(std::string_view)> write) : json_(json), write_(std::move(write)) {}

  /// The prompts whose answers come next. They must live until finish().
  void begin(const std::vector<TextPrompt>& prompts);
  void add_text(std::size_t number, std::string_view piece);
  void end(std::size_t number, const Answer& answer);
  /// No more answers to these prompts; those that lack an end are left out.
  void finish();

 private:
  struct Waiting {
    std::string text;  ///< that has not been written
    bool ended = false;
  };
  void write_ready();
  void write(std::string_view text);

  bool json_;
  std::function<void(std::string_view)> write_;
  const std::vector<TextPrompt>* prompts_ = nullptr;
  std::vector<Waiting> waiting_;
  std::size_t next_ = 0;       ///< whose turn it is
  bool begun_ = false;         ///< something of it has been written
  bool wrote_before_ = false;  ///< of any answer
};

}  // namespace temper
