// The options of generate, and of eval where it scores answers, that say how texts go on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/command_line.h"
#include "runtime/generation/chat_prompts.h"
#include "runtime/generation/generation_defaults.h"
#include "runtime/generation/generator.h"

namespace temper {

struct GenerationOptions {
  std::optional<double> temperature;
  std::optional<std::int64_t> top_k;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  bool recommended = false;
  std::int64_t seed = 0;
  std::int64_t most_tokens = 256;
  std::vector<std::string> stops;
  bool ignore_stop_tokens = false;
  std::int64_t slots = 8;
  std::string precision = "f32";

  /// The first that is not as by default; empty: none.
  [[nodiscard]] std::string given() const;
};

/// --max-new-tokens, --temperature, --top-k, --top-p, --min-p, --repetition-penalty, --recommended, --seed, --stop,
/// --ignore-stop-tokens, --precision.
void add_generation_options(const CommandLine& command, GenerationOptions& options);

/// Throws a usage Error for a value that no model could be asked for, before one is looked for.
void require_possible(const GenerationOptions& options);

/// Throws a usage Error for a value that is out of range. Not set are stop_requested and slots.
GenerationSettings generation_settings(const GenerationOptions& options, const GenerationDefaults& defaults,
                                       const ModelConfig& config, const Device& device);

/// What ends an answer by a chat template ends it here, too.
void take_stop_tokens(const ChatPrompts& chats, const GenerationOptions& options, GenerationSettings& settings);

}  // namespace temper
