// Which token comes next: the rules of transformers' generation/logits_process.py, in its order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace temper {

struct SamplingSettings {
  /// Divides the logits; 0: the likeliest token is taken, of several the first, and what follows has no effect.
  double temperature = 0.0;
  std::int64_t top_k = 0;  ///< only so many likeliest tokens, and what is as likely as the last of them; 0: all
  /// Only the likeliest tokens that together have this probability (Holtzman et al.: "The curious case of neural text
  /// degeneration", 2020); 1: all.
  double top_p = 1.0;
  /// Only tokens at least so likely, as a share of the likeliest (Nguyen et al.: "Turning up the heat: min-p sampling",
  /// 2024); 0: all.
  double min_p = 0.0;
  /// Divides the positive logits of tokens that the text has and multiplies its negative ones, at any temperature
  /// (Keskar et al.: "CTRL", 2019, 4.1); 1: nothing.
  double repetition_penalty = 1.0;
  std::uint64_t seed = 0;
};

struct TokenProbability {
  std::int32_t id;
  double probability;
};

/// Changes the logits of the tokens of a text, each once.
void penalise_repetition(std::span<float> logits, std::span<const std::int32_t> text, double penalty);

/// The likeliest token, of several the one of the lowest id.
std::int32_t likeliest_token(std::span<const float> logits);

/// The tokens that temperature > 0, top-k, top-p and min-p leave, with their probabilities among each other, the
/// likeliest first and of equals the lowest id.
std::vector<TokenProbability> tokens_left(std::span<const float> logits, const SamplingSettings& settings);

/// A number of [0, 1) that depends on a seed, a prompt and the number of a token in its text, and on nothing else.
class PromptRandom {
 public:
  PromptRandom(std::uint64_t seed, std::span<const std::int32_t> prompt);
  [[nodiscard]] double at(std::uint64_t position) const;

 private:
  std::uint64_t seed_;
  std::uint64_t prompt_;
};

/// The next token of `text`, whose prompt `random` is of. The logits [vocabulary] are changed.
std::int32_t next_token(std::span<float> logits, std::span<const std::int32_t> text, const SamplingSettings& settings,
                        const PromptRandom& random);

}  // namespace temper
