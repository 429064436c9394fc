// temper generate: text that continues prompts.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/tables/label_values.h"
#include "data/tables/table_reader.h"
#include "launch/commands/adapter_option.h"
#include "launch/commands/answer_evaluation.h"
#include "launch/commands/answer_printer.h"
#include "launch/commands/command.h"
#include "launch/commands/generation_options.h"
#include "launch/commands/line_output.h"
#include "launch/commands/report.h"
#include "launch/commands/standard_input.h"
#include "launch/commands/table_options.h"
#include "launch/device_choice.h"
#include "launch/signals.h"
#include "runtime/environment/host_agreement.h"
#include "runtime/environment/node_cores.h"
#include "runtime/generation/chat_prompts.h"
#include "runtime/generation/shared_prompts.h"
#include "runtime/inputs/chat_data.h"

namespace temper {
namespace {

struct GenerateArguments {
  std::string model;
  std::vector<std::string> adapters;
  std::vector<std::string> prompts;
  std::optional<std::string> input;
  std::optional<std::string> text;
  std::vector<std::string> chat;
  std::string system;
  std::string chat_template;
  std::string output;
  GenerationOptions options;
  std::string device = "auto";
  int threads = 0;
  bool json = false;
};

/// Answers chunk after chunk of prompts; `next` gives an empty chunk at the end.
class AnswerRun {
 public:
  AnswerRun(const FittedModel& fitted, const GenerationDefaults& defaults, Generator& generator, AnswerPrinter& printer,
            CommandContext& context)
      : fitted_(fitted), defaults_(defaults), generator_(generator), printer_(printer), context_(context) {}

  /// False once a signal asked to stop.
  bool answer(const std::vector<TextPrompt>& prompts) {
    printer_.begin(prompts);
    const AnswerListener listener{[&](std::size_t number, std::string_view piece) { printer_.add_text(number, piece); },
                                  [&](std::size_t number, const Answer& answer) { printer_.end(number, answer); }};
    const PromptAnswers all = answer_prompts(fitted_, defaults_, generator_, prompts, context_.world, listener);
    if (context_.world.size() > 1 && context_.speaks())
      for (std::size_t i = 0; i < prompts.size(); ++i)
        if (!all.answers[i].tokens.empty()) {
          printer_.add_text(i, all.answers[i].text);
          printer_.end(i, all.answers[i]);
        }
    if (context_.speaks()) printer_.finish();
    finished_ += std::count_if(all.answers.begin(), all.answers.end(),
                               [](const Answer& answer) { return answer.finish != Finish::interrupted; });
    return !all.stopped;
  }
  /// Prompts that have their whole answer.
  [[nodiscard]] std::int64_t finished() const { return finished_; }

 private:
  const FittedModel& fitted_;
  const GenerationDefaults& defaults_;
  Generator& generator_;
  AnswerPrinter& printer_;
  CommandContext& context_;
  std::int64_t finished_ = 0;
};

bool answer_words(const GenerateArguments& arguments, AnswerRun& conversation) {
  std::vector<TextPrompt> prompts;
  for (std::size_t i = 0; i < arguments.prompts.size(); ++i)
    prompts.push_back({arguments.prompts[i], fmt::format("prompt {}", i + 1)});
  return conversation.answer(prompts);
}

bool answer_file(const GenerateArguments& arguments, const FittedModel& fitted, const TableSource& table,
                 AnswerRun& conversation) {
  const std::size_t column = prompt_column(arguments.text, fitted, table.head());
  constexpr std::int64_t kRowsAtATime = 4096;
  bool going_on = true;
  table.read(kRowsAtATime, [&](Table& chunk, std::int64_t) {
    std::vector<TextPrompt> prompts;
    for (std::size_t row = 0; row < chunk.rows.size(); ++row)
      prompts.push_back({std::move(chunk.rows[row][column]), place_of(chunk, row)});
    going_on = conversation.answer(prompts);
    return going_on;
  });
  return going_on;
}

/// Questions of the command line, each a conversation of its own.
bool answer_questions(const GenerateArguments& arguments, const ChatPrompts& chats, AnswerRun& run) {
  std::vector<TextPrompt> prompts;
  for (std::size_t i = 0; i < arguments.chat.size(); ++i)
    prompts.push_back(chats.question(arguments.chat[i], fmt::format("question {}", i + 1), arguments.system));
  return run.answer(prompts);
}

bool answer_conversations(const ChatPrompts& chats, const TableSource& table, AnswerRun& run) {
  constexpr std::int64_t kRowsAtATime = 4096;
  bool going_on = true;
  table.read(kRowsAtATime, [&](Table& chunk, std::int64_t) {
    std::vector<TextPrompt> prompts;
    for (std::size_t row = 0; row < chunk.rows.size(); ++row)
      prompts.push_back(chats.prompt(chunk.rows[row].front(), place_of(chunk, row)));
    going_on = run.answer(prompts);
    return going_on;
  });
  return going_on;
}

/// Each line that is not blank is a prompt, as in a .txt file. Of one rank, lines are answered as they come; of
/// several, rank 0 reads them all first.
bool answer_standard_input(AnswerRun& conversation, Communicator& world) {
  std::int64_t number = 0;
  const auto as_prompts = [&](std::vector<std::string> lines) {
    std::vector<TextPrompt> prompts;
    for (std::string& line : lines) {
      ++number;
      if (!is_blank(line)) prompts.push_back({std::move(line), fmt::format("standard input, line {}", number)});
    }
    return prompts;
  };
  if (world.size() == 1) {
    StandardInputLines input(stop_signal_received);
    while (true) {
      std::vector<std::string> lines = input.next();
      if (lines.empty()) return !stop_signal_received();
      if (!conversation.answer(as_prompts(std::move(lines)))) return false;
    }
  }
  std::vector<std::string> lines = standard_input_of_all(world, stop_signal_received);
  std::vector<std::int64_t> stop{stop_signal_received() ? 1 : 0};
  world.all_reduce(std::span(stop), Reduction::max);
  return stop.front() == 0 && conversation.answer(as_prompts(std::move(lines)));
}

/// A lone dash among the words is standard input, as it is elsewhere.
void take_dash(GenerateArguments& arguments) {
  if (arguments.prompts != std::vector<std::string>{"-"} || arguments.input) return;
  arguments.prompts.clear();
  arguments.input = "-";
}

void require_one_source(const GenerateArguments& arguments) {
  if (!arguments.prompts.empty() && arguments.input)
    throw usage_error("prompts are given as words and with --input; choose one");
  if (!arguments.chat.empty() && (!arguments.prompts.empty() || arguments.input))
    throw usage_error("--chat gives questions, and prompts are given as words or with --input, too; choose one");
  if (!arguments.system.empty() && arguments.chat.empty())
    throw usage_error("--system goes with --chat; conversations of a file have their own system text");
  const bool from_file = arguments.input && *arguments.input != "-";
  if (arguments.text && !from_file)
    throw usage_error("--text names a column of the file of --input, but there is none; leave it out");
  if (!arguments.chat_template.empty() && arguments.chat.empty() && !from_file)
    throw usage_error("--chat-template is for questions (--chat) and files of conversations; leave it out");
  std::span<const std::string> read;
  if (from_file) read = std::span(&*arguments.input, 1);
  require_output_apart(arguments.output, read, "the answers", "-o");
}

/// Nothing of standard input, of which only its end tells.
std::optional<std::int64_t> prompt_count(const GenerateArguments& arguments, const TableSource* table) {
  if (!arguments.chat.empty()) return static_cast<std::int64_t>(arguments.chat.size());
  if (!arguments.prompts.empty()) return static_cast<std::int64_t>(arguments.prompts.size());
  if (table != nullptr) return table->rows();
  return std::nullopt;
}

int run(const GenerateArguments& arguments, CommandContext& context) {
  require_one_source(arguments);
  require_possible(arguments.options);
  Communicator& world = context.world;
  const std::unique_ptr<Device> device = make_device(arguments.device, world);
  set_cpu_threads(arguments.threads > 0 ? arguments.threads : default_threads(world));
  const bool from_file = arguments.input && *arguments.input != "-";
  const ModelChoice choice = choose_model(arguments.model, arguments.adapters);
  std::vector<std::filesystem::path> read = adapter_files(choice);
  if (from_file) read.emplace_back(*arguments.input);
  HostAgreement hosts(world, input_files(choice.model, read), device->arithmetic());
  FittedModel fitted(choice, *device, &world);
  require_language_model(fitted, arguments.model);
  if (context.speaks()) print_notes(fitted.notes());
  const GenerationDefaults defaults = read_generation_defaults(fitted.config());
  GenerationSettings settings = generation_settings(arguments.options, defaults, fitted.config(), *device);
  settings.slots = arguments.options.slots;
  settings.processes = world.topology().local_size;
  settings.stop_requested = stop_signal_received;
  // What training takes for conversations; but without a template a question and its answer are texts, of which the
  // column of prompts is asked.
  const bool has_template = !arguments.chat_template.empty() || !fitted.tokenizer().chat().templates.empty();
  const std::string texts = has_template ? text_column(TableRequests{}, fitted.trained(), fitted.task()) : "prompt";
  const bool of_conversations = from_file && !arguments.text && holds_conversations(*arguments.input, texts);
  const std::unique_ptr<TableSource> table =
      from_file ? open_table(*arguments.input, of_conversations ? TextUnit::conversation : TextUnit::line) : nullptr;
  std::optional<ChatPrompts> chats;
  if (of_conversations || !arguments.chat.empty()) {
    chats.emplace(fitted.tokenizer(), arguments.chat_template);
    take_stop_tokens(*chats, arguments.options, settings);
  }
  hosts.finish();

  Generator generator(fitted.model(), fitted.tokenizer(), *device, settings);
  LineOutput output(arguments.output);
  AnswerPrinter printer(arguments.json || !arguments.output.empty(),
                        [&](std::string_view text) { output.append(text); });
  AnswerRun conversation(fitted, defaults, generator, printer, context);
  const auto answer_all = [&] {
    if (!arguments.chat.empty()) return answer_questions(arguments, *chats, conversation);
    if (of_conversations) return answer_conversations(*chats, *table, conversation);
    if (!arguments.prompts.empty()) return answer_words(arguments, conversation);
    return from_file ? answer_file(arguments, fitted, *table, conversation)
                     : answer_standard_input(conversation, world);
  };
  const auto stop_output = [&] {
    return output.stop("the answers", conversation.finished(), prompt_count(arguments, table.get()), "prompt");
  };
  bool finished = false;
  try {
    finished = answer_all();
  } catch (const Error&) {
    // A prompt that cannot be answered does not cost the answers before it.
    if (context.speaks() && conversation.finished() > 0) print_note(context, stop_output());
    throw;
  }
  if (!finished) {
    if (context.speaks()) print_note(context, stop_output());
    return kExitStopped;
  }
  if (context.speaks()) output.finish("the answers");
  return kExitDone;
}

}  // namespace

Command add_generate_command(const CommandLine& program) {
  auto arguments = std::make_shared<GenerateArguments>();
  const CommandLine command = program.command("generate", "Generate text with a causal language model");
  command.option("model", arguments->model, "Folder of a causal language model or of an adapter, or a .gguf file")
      .required();
  add_adapter_option(command, arguments->adapters);
  command.words("prompts", arguments->prompts,
                "Texts to continue; none, or -: standard input, one per line. Blank lines are skipped");
  command.option(
      "--input", arguments->input,
      "CSV, TSV, JSONL or text file of prompts, or - for standard input; of lines, those that are blank are skipped");
  command.option("--text", arguments->text, "Column of the prompts; default: prompt, else as in training, else text");
  command.repeated(
      "--chat", arguments->chat,
      "A question, which the model's chat template makes a prompt; may be repeated. Files of conversations "
      "(--input) go through it as well");
  command.option("--system", arguments->system, "What the model is told before each question of --chat");
  command.option("--chat-template", arguments->chat_template, "File with a template in place of the model's own");
  command.option("-o,--output", arguments->output, "File for the answers, as JSON lines; default: standard output");
  add_generation_options(command, arguments->options);
  command.option("--batch-size", arguments->options.slots, "Answers under way at a time, on each rank")
      .shows_default()
      .within(1, 1 << 16);
  command.option("--threads", arguments->threads, "Threads per rank; 0: the cores it may use");
  command.option("--device", arguments->device, "auto, cpu or cuda").one_of({"auto", "cpu", "cuda"}).shows_default();
  command.flag("--json", arguments->json, "Print a JSON object for each prompt, with the tokens and why it ended");
  command.footer(
      "An answer depends on the model, its prompt and the seed: not on the other prompts, --batch-size, threads or "
      "ranks.\n\nExamples:\n  temper generate runs/domain/model 'The patient was admitted with'\n  mpirun -n 2 temper "
      "generate runs/domain/model --input prompts.jsonl --top-p 0.9 --temperature 0.7 -o answers.jsonl");
  const auto start = [arguments](CommandContext& context) {
    take_dash(*arguments);
    return run(*arguments, context);
  };
  return {command, start, /*stops_cleanly=*/true};
}

}  // namespace temper
