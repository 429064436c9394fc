#include "launch/commands/generation_options.h"

#include <cmath>

#include "base/error.h"

namespace temper {
namespace {

/// A text of the command line, in which \n, \t and \\ stand for a line feed, a tab and a backslash.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 'n' || next == 't' || next == '\\') {
      plain += next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
      ++i;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

template <typename Number>
Number within(const char* option, Number value, bool is_within, const char* expected) {
  if (!is_within) throw usage_error("{} is {}, expected {}", option, value, expected);
  return value;
}

SamplingSettings sampling_settings(const GenerationOptions& options, const GenerationDefaults& defaults) {
  const auto choose = [&](const auto& asked, const auto& recommended) {
    return asked || !options.recommended ? asked : recommended;
  };
  SamplingSettings sampling;
  const auto temperature = choose(options.temperature, defaults.temperature);
  const auto top_k = choose(options.top_k, defaults.top_k);
  const auto top_p = choose(options.top_p, defaults.top_p);
  const auto min_p = choose(options.min_p, defaults.min_p);
  const auto penalty = choose(options.repetition_penalty, defaults.repetition_penalty);
  // Who narrows what is drawn from wants to draw.
  const double otherwise = top_k || top_p || min_p ? 1.0 : 0.0;
  const double t = temperature.value_or(otherwise);
  sampling.temperature =
      within("--temperature", t, t >= 0.0 && std::isfinite(t), "0, for the most probable token, or more");
  const std::int64_t k = top_k.value_or(0);
  sampling.top_k = within("--top-k", k, k >= 0, "0, for all tokens, or more");
  const double p = top_p.value_or(1.0);
  sampling.top_p = within("--top-p", p, p > 0.0 && p <= 1.0, "a probability above 0 and up to 1, for all tokens");
  const double m = min_p.value_or(0.0);
  sampling.min_p = within("--min-p", m, m >= 0.0 && m <= 1.0, "a share from 0, for all tokens, to 1");
  const double r = penalty.value_or(1.0);
  sampling.repetition_penalty =
      within("--repetition-penalty", r, r > 0.0 && std::isfinite(r), "a factor above 0; 1 changes nothing");
  sampling.seed = static_cast<std::uint64_t>(options.seed);
  return sampling;
}

}  // namespace

std::string GenerationOptions::given() const {
  const GenerationOptions other;
  if (temperature) return "--temperature";
  if (top_k) return "--top-k";
  if (top_p) return "--top-p";
  if (min_p) return "--min-p";
  if (repetition_penalty) return "--repetition-penalty";
  if (recommended) return "--recommended";
  if (seed != other.seed) return "--seed";
  if (most_tokens != other.most_tokens) return "--max-new-tokens";
  if (!stops.empty()) return "--stop";
  if (ignore_stop_tokens) return "--ignore-stop-tokens";
  return precision != other.precision ? "--precision" : "";
}

void add_generation_options(const CommandLine& command, GenerationOptions& options) {
  command.option("--max-new-tokens", options.most_tokens, "Tokens of an answer at most")
      .shows_default()
      .within(1, 1 << 24);
  command.option(
      "--temperature", options.temperature,
      "Divides the logits before a token is drawn; 0: the most probable token. Default: 0, or 1 where --top-k, "
      "--top-p or --min-p is given");
  command.option("--top-k", options.top_k, "Draw from so many most probable tokens only");
  command.option("--top-p", options.top_p, "Draw from the most probable tokens that have this probability together");
  command.option("--min-p", options.min_p, "Draw from tokens at least so likely, as a share of the most probable");
  command.option("--repetition-penalty", options.repetition_penalty,
                 "Divides the logits of tokens that the text has already; above 1 they become less likely");
  command.flag("--recommended", options.recommended,
               "Sample as the model's generation_config.json recommends, where no option says otherwise");
  command.option("--seed", options.seed, "Of what is drawn: an answer depends on its prompt and the seed")
      .shows_default();
  command.repeated("--stop", options.stops, "Text before which an answer ends; may be repeated; \\n is a line feed");
  command.flag("--ignore-stop-tokens", options.ignore_stop_tokens, "Do not end at the model's stop tokens");
  command.option("--precision", options.precision, "f32, or bf16: weights and cache take half the memory and time")
      .one_of({"f32", "bf16"})
      .shows_default();
}

void require_possible(const GenerationOptions& options) {
  (void)sampling_settings(options, {});
  for (const std::string& stop : options.stops)
    if (stop.empty()) throw usage_error("--stop is given an empty text, before which every answer would end");
}

GenerationSettings generation_settings(const GenerationOptions& options, const GenerationDefaults& defaults,
                                       const ModelConfig& config, const Device& device) {
  GenerationSettings settings;
  settings.sampling = sampling_settings(options, defaults);
  settings.most_tokens = options.most_tokens;
  if (!options.ignore_stop_tokens) settings.stop_tokens = defaults.stop_tokens;
  for (const std::string& stop : options.stops) settings.stop_texts.push_back(unescaped(stop));
  settings.positions = config.longest_sequence;
  settings.renewed_beyond = config.renewed_beyond;
  if (options.precision == "bf16") {
    if (!device.has_bf16())
      throw usage_error("--precision bf16 needs products of bf16, which {} has not; leave it out", device.name());
    settings.activations = DType::bf16;
  }
  return settings;
}

void take_stop_tokens(const ChatPrompts& chats, const GenerationOptions& options, GenerationSettings& settings) {
  if (options.ignore_stop_tokens) return;
  for (const std::int32_t id : chats.more_stop_tokens(settings.stop_tokens)) settings.stop_tokens.push_back(id);
}

}  // namespace temper
