// temper eval --reference: a causal language model's answers to prompts, compared with references.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "data/tables/table_source.h"
#include "launch/commands/command.h"
#include "launch/commands/generation_options.h"
#include "runtime/evaluation/fitted_model.h"

namespace temper {

struct AnswerRequests {
  std::optional<std::string> reference;  ///< column
  std::optional<std::string> text;       ///< column of the prompts
  std::optional<std::string> capture;    ///< a pattern
  std::string output;                    ///< file for the answers
  bool raw = false;                      ///< prompts as they stand, where the model was trained on conversations, too
  GenerationOptions options;

  /// Throws a usage Error where something is asked of answers, but no reference.
  void require_none() const;
};

/// --reference, --capture, --answers, and those of generation.
void add_answer_options(const CommandLine& command, AnswerRequests& requests);

/// Column of the prompts: the one asked for, else "prompt", the training's, or "text". Throws Error where there is
/// none.
std::size_t prompt_column(const std::optional<std::string>& asked, const FittedModel& fitted, const Table& table);

/// Collective. Gives the exit status.
int evaluate_answers(const AnswerRequests& requests, const std::string& model, FittedModel& fitted,
                     const TableSource& table, Device& device, bool json, CommandContext& context);

}  // namespace temper
