#include "launch/commands/answer_evaluation.h"

#include <nlohmann/json.hpp>

#include "base/counted.h"
#include "base/error.h"
#include "launch/commands/line_output.h"
#include "launch/commands/report.h"
#include "launch/commands/table_options.h"
#include "launch/signals.h"
#include "runtime/generation/answer_scores.h"
#include "runtime/generation/chat_prompts.h"
#include "runtime/generation/shared_prompts.h"
#include "runtime/inputs/table_use.h"

namespace temper {
namespace {

std::string answer_line(const TextPrompt& prompt, const std::string& reference, const Answer& answer,
                        const AnswerScore& score, bool with_pattern) {
  nlohmann::ordered_json line{{"prompt", prompt.text},        {"reference", reference},
                              {"text", answer.text},          {"finish_reason", name_of(answer.finish)},
                              {"exact_match", score.exact},   {"normalised_match", score.normalised},
                              {"contained", score.contained}, {"f1", score.f1}};
  if (with_pattern) line["captured"] = score.captured;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

void AnswerRequests::require_none() const {
  std::string given = options.given();
  if (capture) given = "--capture";
  if (!output.empty()) given = "--answers";
  if (raw) given = "--raw";
  if (!given.empty())
    throw usage_error("{} is about generated answers; name the column that they are compared with by --reference",
                      given);
}

void add_answer_options(const CommandLine& command, AnswerRequests& requests) {
  command.option("--reference", requests.reference,
                 "Causal language models: generate an answer to each row and compare it with this column");
  command.option("--capture", requests.capture,
                 "Regular expression whose first group is compared as well: '#### (-?[0-9.,]+)'");
  command.option("--answers", requests.output, "File for the answers and their scores, as JSON lines");
  command.flag("--raw", requests.raw,
               "With --reference: prompts as they stand; else those of a model that was trained on conversations are "
               "questions, which its chat template makes prompts");
  add_generation_options(command, requests.options);
}

std::size_t prompt_column(const std::optional<std::string>& asked, const FittedModel& fitted, const Table& table) {
  if (asked) return column_index(table, *asked);
  for (const std::string& name : {std::string("prompt"), text_column({}, fitted.trained(), fitted.task())})
    if (has_column(table, name)) return column_index(table, name);
  return column_index(table, "text");
}

int evaluate_answers(const AnswerRequests& requests, const std::string& model, FittedModel& fitted,
                     const TableSource& table, Device& device, bool json, CommandContext& context) {
  require_language_model(fitted, model);
  const std::size_t text = prompt_column(requests.text, fitted, table.head());
  const std::size_t reference = column_index(table.head(), *requests.reference);
  std::optional<CapturePattern> pattern;
  if (requests.capture) pattern.emplace(*requests.capture);
  const GenerationDefaults defaults = read_generation_defaults(fitted.config());
  GenerationSettings settings = generation_settings(requests.options, defaults, fitted.config(), device);
  settings.processes = context.world.topology().local_size;
  settings.stop_requested = stop_signal_received;
  std::optional<ChatPrompts> chats;
  if (!requests.raw && fitted.trained() && fitted.trained()->conversations) {
    chats.emplace(fitted.tokenizer(), "");
    take_stop_tokens(*chats, requests.options, settings);
    print_note(context,
               "the model was trained on conversations, so each prompt is a user's question in its chat "
               "template (--raw: as it stands)");
  }
  const auto prompt_of = [&](const std::string& asked, const std::string& place) {
    return chats ? chats->question(asked, place) : TextPrompt{asked, place};
  };
  Generator generator(fitted.model(), fitted.tokenizer(), device, settings);

  std::vector<AnswerScore> scores;
  LineOutput output(requests.output);
  bool stopped = false;
  constexpr std::int64_t kRowsAtATime = 4096;
  table.read(kRowsAtATime, [&](Table& chunk, std::int64_t) {
    std::vector<TextPrompt> prompts;
    for (std::size_t row = 0; row < chunk.rows.size(); ++row)
      prompts.push_back(prompt_of(chunk.rows[row][text], place_of(chunk, row)));
    const PromptAnswers all = answer_prompts(fitted, defaults, generator, prompts, context.world, {});
    stopped = all.stopped;
    if (!context.speaks()) return !stopped;
    for (std::size_t row = 0; row < prompts.size(); ++row) {
      if (all.answers[row].finish == Finish::interrupted) continue;
      const std::string& expected = chunk.rows[row][reference];
      scores.push_back(score_answer(all.answers[row].text, expected, pattern ? &*pattern : nullptr));
      if (requests.output.empty()) continue;
      const std::string line =
          answer_line(prompts[row], expected, all.answers[row], scores.back(), pattern.has_value());
      output.append(line);
    }
    return !stopped;
  });
  if (stopped) {
    const auto done = static_cast<std::int64_t>(scores.size());
    print_note(context, output.stop("the answers", done, table.rows(), "row") + "; metrics are of all rows only");
    return kExitStopped;
  }
  if (!context.speaks()) return kExitDone;
  output.finish("the answers");
  const Metrics metrics = answer_metrics(scores, pattern.has_value());
  if (json) {
    nlohmann::json object = metrics_json(metrics);
    object["rows"] = table.rows();
    print_json(object);
  } else {
    print_metrics(counted(table.rows(), "row"), metrics);
  }
  return kExitDone;
}

}  // namespace temper
