#include "runtime/generation/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/counter_random.h"
#include "tensor/random.h"

namespace temper {
namespace {

bool comes_before(const TokenProbability& a, const TokenProbability& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.id < b.id;
}

/// Tokens with a logit of at least `least`, and e^(logit / temperature) in proportion to the likeliest one's.
std::vector<TokenProbability> weights_from(std::span<const float> logits, float least, double temperature) {
  const double largest = logits[static_cast<std::size_t>(likeliest_token(logits))];
  std::vector<TokenProbability> weights;
  for (std::size_t id = 0; id < logits.size(); ++id)
    if (logits[id] >= least)
      weights.push_back({static_cast<std::int32_t>(id), std::exp((logits[id] - largest) / temperature)});
  return weights;
}

/// The logit of the k-th likeliest token.
float k_th_logit(std::span<const float> logits, std::int64_t k) {
  if (k <= 0 || k >= static_cast<std::int64_t>(logits.size())) return -std::numeric_limits<float>::infinity();
  std::vector<float> sorted(logits.begin(), logits.end());
  const auto place = sorted.begin() + (k - 1);
  std::nth_element(sorted.begin(), place, sorted.end(), std::greater<>());
  return *place;
}

double sum_of_weights(const std::vector<TokenProbability>& tokens) {
  double sum = 0.0;
  for (const TokenProbability& token : tokens) sum += token.probability;
  return sum;
}

/// Sorts the tokens and leaves those before which there is less than a share p of all. Mostly these are few, so only as
/// many as are needed are sorted.
void leave_nucleus(std::vector<TokenProbability>& tokens, double p) {
  const double wanted = p * sum_of_weights(tokens);
  double before = 0.0;
  std::size_t sorted = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i == sorted) {
      sorted = std::min(tokens.size(), std::max<std::size_t>(64, 8 * sorted));
      std::partial_sort(tokens.begin() + static_cast<std::ptrdiff_t>(i),
                        tokens.begin() + static_cast<std::ptrdiff_t>(sorted), tokens.end(), comes_before);
    }
    if (i > 0 && before >= wanted) {
      tokens.resize(i);
      return;
    }
    before += tokens[i].probability;
  }
}

}  // namespace

void penalise_repetition(std::span<float> logits, std::span<const std::int32_t> text, double penalty) {
  if (penalty == 1.0) return;
  std::vector<std::int32_t> ids(text.begin(), text.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const auto factor = static_cast<float>(penalty);
  for (const std::int32_t id : ids) {
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit < 0.0F ? logit * factor : logit / factor;
  }
}

std::int32_t likeliest_token(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::vector<TokenProbability> tokens_left(std::span<const float> logits, const SamplingSettings& settings) {
  std::vector<TokenProbability> tokens = weights_from(logits, k_th_logit(logits, settings.top_k), settings.temperature);
  // The likeliest token has a weight of 1.
  if (settings.top_p < 1.0) leave_nucleus(tokens, settings.top_p);
  if (settings.min_p > 0.0)
    std::erase_if(tokens, [&](const TokenProbability& token) { return token.probability < settings.min_p; });
  std::sort(tokens.begin(), tokens.end(), comes_before);
  const double sum = sum_of_weights(tokens);
  for (TokenProbability& token : tokens) token.probability /= sum;
  return tokens;
}

PromptRandom::PromptRandom(std::uint64_t seed, std::span<const std::int32_t> prompt)
    : seed_(seed), prompt_(mix_bits(prompt.size())) {
  for (const std::int32_t id : prompt) prompt_ = mix_bits(prompt_ ^ mix_bits(static_cast<std::uint64_t>(id) + 1));
}

double PromptRandom::at(std::uint64_t position) const {
  constexpr std::uint32_t kPurpose = 0x746F6B6E;  // the next token
  const auto low = [](std::uint64_t word) { return static_cast<std::uint32_t>(word); };
  const PhiloxCounter words =
      philox({low(position), low(prompt_), low(prompt_ >> 32), kPurpose}, random_key(seed_, position >> 32));
  const std::uint64_t bits = (static_cast<std::uint64_t>(words[0]) << 32) | words[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

std::int32_t next_token(std::span<float> logits, std::span<const std::int32_t> text, const SamplingSettings& settings,
                        const PromptRandom& random) {
  penalise_repetition(logits, text, settings.repetition_penalty);
  if (settings.temperature <= 0.0) return likeliest_token(logits);
  const std::vector<TokenProbability> tokens = tokens_left(logits, settings);
  const double drawn = random.at(text.size());
  double below = 0.0;
  for (const TokenProbability& token : tokens) {
    below += token.probability;
    if (drawn < below) return token.id;
  }
  return tokens.back().id;
}

}  // namespace temper
