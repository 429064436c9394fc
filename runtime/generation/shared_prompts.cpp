#include "runtime/generation/shared_prompts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

/// An answer as ranks hand it on.
nlohmann::json packed(const Answer& answer, std::int64_t prompt_size) {
  return {answer.tokens, answer.text, static_cast<int>(answer.finish), prompt_size};
}

/// Puts what rank `rank` answered in its places.
void unpack(std::span<const std::byte> bytes, std::size_t rank, std::size_t ranks, PromptAnswers& all) {
  const auto lines = nlohmann::json::from_cbor(bytes.begin(), bytes.end());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const nlohmann::json& line = lines[i];
    const std::size_t number = rank + i * ranks;
    all.answers[number] = {line[0].get<std::vector<std::int32_t>>(), line[1].get<std::string>(),
                           static_cast<Finish>(line[2].get<int>())};
    all.prompt_sizes[number] = line[3].get<std::int64_t>();
  }
}

}  // namespace

void require_language_model(const FittedModel& fitted, const std::string& folder) {
  if (fitted.task().head == HeadKind::causal_language_model) return;
  throw usage_error("{}: is a model for {}, which does not generate text, as a model for causal-lm does", folder,
                    fitted.task().name);
}

std::vector<std::int32_t> prompt_tokens(const FittedModel& fitted, const GenerationDefaults& defaults,
                                        const TextPrompt& prompt) {
  if (const std::size_t offset = first_invalid_utf8(prompt.text); offset != std::string_view::npos)
    throw Error("{}: the prompt is not UTF-8 at byte {}; convert it", prompt.place, offset);
  // Nothing is cut here: what is too long is refused.
  std::vector<std::int32_t> ids = prompt.ids;
  if (ids.empty()) ids = fitted.tokenizer().encode(prompt.text, prompt.text.size() * 4 + 1024).ids;
  if (ids.empty() && !defaults.first_token)
    throw Error(
        "{}: the prompt is empty, and neither generation_config.json nor config.json has a bos_token_id to begin with; "
        "give a prompt",
        prompt.place);
  if (ids.empty()) ids.push_back(*defaults.first_token);
  const std::int64_t positions = fitted.config().longest_sequence;
  const auto count = static_cast<std::int64_t>(ids.size());
  if (count >= positions)
    throw Error("{}: the prompt has {} tokens, but the model has positions for {}, and an answer needs one; shorten it",
                prompt.place, count, positions);
  const auto unknown =
      std::find_if(ids.begin(), ids.end(), [&](std::int32_t id) { return id >= fitted.config().vocabulary_size; });
  if (unknown != ids.end())
    throw Error("{}: the prompt has the token {} (id {}), but the model knows ids below {} only; leave it out",
                prompt.place, fitted.tokenizer().token(*unknown), *unknown, fitted.config().vocabulary_size);
  return ids;
}

PromptAnswers answer_prompts(const FittedModel& fitted, const GenerationDefaults& defaults, Generator& generator,
                             const std::vector<TextPrompt>& prompts, Communicator& communicator,
                             const AnswerListener& listener) {
  const auto rank = static_cast<std::size_t>(communicator.rank());
  const auto ranks = static_cast<std::size_t>(communicator.size());
  std::vector<std::vector<std::int32_t>> mine;
  for (std::size_t i = rank; i < prompts.size(); i += ranks)
    mine.push_back(prompt_tokens(fitted, defaults, prompts[i]));
  std::vector<Answer> answers(mine.size());
  AnswerListener collecting;
  if (ranks == 1) collecting.on_text = listener.on_text;
  bool unfinished = false;
  collecting.on_end = [&](std::size_t number, Answer answer) {
    unfinished = unfinished || answer.finish == Finish::interrupted;
    if (ranks == 1) listener.on_end(number, answer);
    answers[number] = std::move(answer);
  };
  generator.run(mine, collecting);

  PromptAnswers all;
  all.answers.resize(prompts.size());
  all.prompt_sizes.resize(prompts.size());
  nlohmann::json lines = nlohmann::json::array();
  for (std::size_t i = 0; i < mine.size(); ++i) {
    // Prompts whose turn never came.
    unfinished = unfinished || (answers[i].finish == Finish::interrupted);
    lines.push_back(packed(answers[i], static_cast<std::int64_t>(mine[i].size())));
  }
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(lines);
  const auto of_all = communicator.all_gather_variable(std::as_bytes(std::span(bytes)));
  for (std::size_t r = 0; r < ranks; ++r) unpack(of_all[r], r, ranks, all);
  std::vector<std::int64_t> stopped{unfinished ? 1 : 0};
  communicator.all_reduce(std::span(stopped), Reduction::max);
  all.stopped = stopped.front() != 0;
  return all;
}

}  // namespace temper
