#include "launch/commands/answer_printer.h"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace temper {

void AnswerPrinter::begin(const std::vector<TextPrompt>& prompts) {
  prompts_ = &prompts;
  waiting_.assign(prompts.size(), {});
  next_ = 0;
}

void AnswerPrinter::add_text(std::size_t number, std::string_view piece) {
  if (json_) return;
  if (number == next_) {
    write(piece);
    std::fflush(stdout);
  } else {
    waiting_[number].text += piece;
  }
}

void AnswerPrinter::end(std::size_t number, const Answer& answer) {
  Waiting& waiting = waiting_[number];
  // A line of JSON stands for a whole answer; of a text, what has come of it is shown.
  if (json_ && answer.finish == Finish::interrupted) return;
  waiting.ended = true;
  if (json_) {
    const nlohmann::ordered_json line{{"prompt", (*prompts_)[number].text},
                                      {"text", answer.text},
                                      {"tokens", answer.tokens},
                                      {"finish_reason", name_of(answer.finish)}};
    waiting.text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  } else {
    waiting.text += "\n";
  }
  write_ready();
}

void AnswerPrinter::write_ready() {
  while (next_ < waiting_.size() && waiting_[next_].ended) {
    write(waiting_[next_].text);
    waiting_[next_] = {};
    ++next_;
    begun_ = false;
    // What has come of the next one meanwhile.
    if (next_ < waiting_.size() && !json_ && !waiting_[next_].ended) {
      write(waiting_[next_].text);
      waiting_[next_].text.clear();
    }
  }
  std::fflush(stdout);
}

void AnswerPrinter::write(std::string_view text) {
  if (text.empty()) return;
  if (!json_ && !begun_ && wrote_before_) write_("\n");
  begun_ = true;
  wrote_before_ = true;
  write_(text);
}

void AnswerPrinter::finish() {
  for (Waiting& waiting : waiting_) {
    if (waiting.ended) write(waiting.text);
    begun_ = false;
  }
  waiting_.clear();
  std::fflush(stdout);
}

}  // namespace temper
