// The text of an answer, as its tokens come. A token may end within a character, and a stop text may be spread over
// several: what may still change, or become part of a stop text, is held back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace temper {

class AnswerText {
 public:
  /// To a prompt: what its last tokens decode to decides how the first of the answer do. `stops`: texts, none of them
  /// empty, before the first of which the answer ends. The tokenizer must outlive it.
  AnswerText(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt, std::vector<std::string> stops);

  /// Takes the next token and gives the text that is now certain, behind what was given before.
  std::string add(std::int32_t id);
  /// Gives what was held back; nothing may be added then.
  std::string finish();

  /// Whether a stop text has come: the answer ends before it.
  [[nodiscard]] bool stopped() const { return stopped_; }
  /// All that was given so far.
  [[nodiscard]] const std::string& text() const { return given_; }

 private:
  [[nodiscard]] std::string decoded() const;
  /// Of a text, how much will not change, if it goes on.
  [[nodiscard]] std::size_t certain(const std::string& text) const;
  std::string give(const std::string& text, std::size_t end);
  /// Lets go of tokens that decide nothing any more.
  void begin_anew();

  const Tokenizer& tokenizer_;
  std::vector<std::string> stops_;
  std::vector<std::int32_t> ids_;  ///< some tokens that came before, and those that are decoded with them
  std::size_t before_ids_;         ///< how many came before
  std::string before_;             ///< what these decode to
  std::string settled_;            ///< the answer's text before ids_
  std::string given_;
  bool stopped_ = false;
};

}  // namespace temper
