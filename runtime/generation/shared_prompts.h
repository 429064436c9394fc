// Prompts to answers, over all ranks: prompt i belongs to rank i % ranks, and answers come back in the order of their
// prompts. Since an answer depends on its prompt alone, it does not tell how many ranks there were.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.h"
#include "runtime/evaluation/fitted_model.h"
#include "runtime/generation/generation_defaults.h"
#include "runtime/generation/generator.h"

namespace temper {

struct TextPrompt {
  std::string text;
  std::string place;                   ///< for messages: "prompts.jsonl, line 3"
  std::vector<std::int32_t> ids = {};  ///< its tokens, where they are not those that the tokenizer makes of the text
};

/// Throws a usage Error unless the model goes on with texts: its task is one of a causal language model.
void require_language_model(const FittedModel& fitted, const std::string& folder);

/// The tokens of a prompt, special ones as the tokenizer puts them; one that has none begins with the model's first
/// token. Throws Error, naming the place, for text that is not UTF-8, a token that the model does not know, a prompt as
/// long as the model's positions or longer, and an empty prompt to a model without a first token.
std::vector<std::int32_t> prompt_tokens(const FittedModel& fitted, const GenerationDefaults& defaults,
                                        const TextPrompt& prompt);

struct PromptAnswers {
  std::vector<Answer> answers;             ///< [prompts], on every rank
  std::vector<std::int64_t> prompt_sizes;  ///< [prompts] in tokens
  bool stopped = false;                    ///< a signal asked a rank to stop; some are then unfinished
};

/// Collective. `listener` hears of the answers while they come where there is one rank, else it hears nothing.
PromptAnswers answer_prompts(const FittedModel& fitted, const GenerationDefaults& defaults, Generator& generator,
                             const std::vector<TextPrompt>& prompts, Communicator& communicator,
                             const AnswerListener& listener);

}  // namespace temper
