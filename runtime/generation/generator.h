// Goes on with texts. As many as there are slots are under way at a time; where an answer ends, the next prompt takes
// its place (Yu et al.: "Orca", OSDI 2022). A prompt goes through the model in pieces that its length alone decides,
// and then token by token, and no row of a pass depends on the others: an answer is the same alone and among others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "model/key_value_cache.h"
#include "model/model.h"
#include "runtime/generation/sampling.h"
#include "tensor/device.h"

namespace temper {

struct GenerationSettings {
  SamplingSettings sampling = {};
  std::int64_t most_tokens = 256;  ///< of an answer
  std::vector<std::int32_t> stop_tokens = {};
  std::vector<std::string> stop_texts = {};  ///< none of them empty
  std::int64_t positions = 0;                ///< of the model: no text has more tokens
  std::int64_t renewed_beyond = 0;           ///< tokens beyond which a text is computed anew, once; 0: never
  std::int64_t slots = 8;                    ///< answers under way at a time
  DType activations = DType::f32;            ///< or bf16, with weights and cache in bf16
  std::int64_t processes = 1;                ///< that generate on this node, each with memory of its own
  std::function<bool()> stop_requested = [] { return false; };
};

enum class Finish : std::uint8_t {
  stop_token,
  stop_text,
  length,      ///< most_tokens
  positions,   ///< the model has no more
  interrupted  ///< a signal asked to stop
};
/// "stop_token", "stop_text", "length", "positions", "interrupted".
std::string_view name_of(Finish finish);

struct Answer {
  std::vector<std::int32_t> tokens;  ///< with the stop token that ended it
  std::string text;                  ///< without it, or without the stop text and what came behind
  Finish finish = Finish::interrupted;
};

/// How answers are told while they come; numbers are those of the prompts.
struct AnswerListener {
  std::function<void(std::size_t number, std::string_view piece)> on_text = [](std::size_t, std::string_view) {};
  std::function<void(std::size_t number, Answer answer)> on_end = [](std::size_t, Answer) {};
};

class Generator {
 public:
  /// A model with a head of kind causal_language_model. All three must outlive it.
  Generator(Model& model, const Tokenizer& tokenizer, Device& device, GenerationSettings settings);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  /// Answers to prompts of at least one token and fewer than the model has positions; each ends once, in any order.
  /// Throws Error where the model gives what is not finite.
  void run(std::span<const std::vector<std::int32_t>> prompts, const AnswerListener& listener);

  /// The logits [vocabulary] that a text's next token is drawn from, once in one pass over all of it and once as run()
  /// gets them: for tests.
  [[nodiscard]] std::vector<float> logits_of_whole(std::span<const std::int32_t> text);
  [[nodiscard]] std::vector<float> logits_by_token(std::span<const std::int32_t> text, std::int64_t prompt);

 private:
  struct Text;

  void require_room(std::int64_t tokens);
  /// A pass over the next tokens of these texts; gives the logits [texts, vocabulary] behind the last token of each.
  [[nodiscard]] Tensor pass(std::span<Text* const> texts, bool row_by_row);
  /// Of a pass over one token of each text: after some of them it pays to have the weights near.
  void count_token_pass();
  /// Forgets what is known of a text that has outgrown its angles.
  void renew(Text& text) const;
  /// What a text gives to a pass over prompts.
  [[nodiscard]] static std::int64_t next_piece(const Text& text);
  /// Draws the next token of a text that is all in the cache; true where its answer has ended.
  bool draw(Text& text, std::span<const float> logits, const AnswerListener& listener);

  Model& model_;
  const Tokenizer& tokenizer_;
  Device& device_;
  GenerationSettings settings_;
  std::int64_t token_passes_ = 0;
  std::unique_ptr<KeyValueCache> cache_;
  std::vector<std::unique_ptr<Text>> texts_;  ///< [slots]; null: free
};

}  // namespace temper
