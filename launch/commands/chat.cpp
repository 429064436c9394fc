// temper chat: a conversation with a model, typed or from a file.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "launch/commands/adapter_option.h"
#include "launch/commands/command.h"
#include "launch/commands/generation_options.h"
#include "launch/commands/report.h"
#include "launch/commands/standard_input.h"
#include "launch/device_choice.h"
#include "launch/signals.h"
#include "runtime/environment/node_cores.h"
#include "runtime/generation/chat_prompts.h"
#include "runtime/inputs/run_adapter.h"

namespace temper {
namespace {

struct ChatArguments {
  std::string model;
  std::vector<std::string> adapters;
  std::string system;
  std::string script;
  std::string chat_template;
  GenerationOptions options;
  std::string device = "auto";
  int threads = 0;
};

constexpr const char* kHelp = "/reset forgets the conversation, /save FILE adds it to a file, /quit ends";

/// Where in a file a conversation stands that was written to it.
struct SavedRow {
  std::string file;
  std::size_t begin;  ///< in bytes
  std::size_t end;
};

/// What was said so far, and who answers.
class Talk {
 public:
  Talk(const FittedModel& fitted, const GenerationDefaults& defaults, Generator& generator, const ChatPrompts& prompts,
       std::string system)
      : fitted_(fitted), defaults_(defaults), generator_(generator), prompts_(prompts), system_(std::move(system)) {
    reset();
  }

  /// Takes a line; false where the conversation ends.
  bool take(const std::string& line) {
    constexpr const char* kBlanks = " \t";
    const std::size_t end = std::min(line.find_first_of(kBlanks), line.size());
    const std::string command = line.substr(0, end);
    const std::size_t begin = line.find_first_not_of(kBlanks, end);
    const std::string rest =
        begin == std::string::npos ? "" : line.substr(begin, line.find_last_not_of(kBlanks) + 1 - begin);
    if (command == "/save") {
      save(rest);
    } else if (command == "/quit" || command == "/exit" || command == "/reset" || command == "/help") {
      if (!rest.empty()) {
        say(fmt::format("nothing stands behind {}; {}", command, kHelp));
      } else if (command == "/reset") {
        reset();
        say("forgotten");
      } else if (command == "/help") {
        say(kHelp);
      } else {
        return false;
      }
    } else if (command.starts_with('/') && rest.empty()) {
      say(fmt::format("no such command; {}", kHelp));
    } else if (!command.empty() || !rest.empty()) {
      answer(line);
    }
    return !stop_signal_received();
  }

 private:
  static void say(const std::string& text) {
    std::printf("(%s)\n", text.c_str());
    std::fflush(stdout);
  }

  void reset() {
    messages_.clear();
    saved_.reset();
    if (!system_.empty()) messages_.push_back(typed_message("system", system_));
  }

  /// Adds a row to the file; one that this conversation wrote last becomes longer.
  void save(const std::string& file) {
    if (file.empty()) return say("name a file: /save talk.jsonl");
    try {
      std::error_code absent;
      std::string rows = std::filesystem::exists(file, absent) ? read_text_file(file) : "";
      if (!rows.empty() && rows.front() != '{')
        return say(fmt::format("{} is there, and no file of conversations (JSONL); choose another", file));
      if (saved_ && saved_->file == file && saved_->end == rows.size()) rows.resize(saved_->begin);
      if (!rows.empty() && rows.back() != '\n') rows += '\n';
      const std::size_t begin = rows.size();
      rows += conversation_json(messages_) + "\n";
      write_file_atomically(file, rows);
      saved_ = SavedRow{file, begin, rows.size()};
      say(fmt::format("{} {}", begin == 0 ? "written to" : "added to", file));
    } catch (const Error& error) {
      say(error.what());
    }
  }

  void answer(const std::string& text) {
    messages_.push_back(typed_message("user", text));
    Conversation conversation;
    conversation.messages = messages_;
    std::vector<std::int32_t> ids;
    try {
      ids = prompt_tokens(fitted_, defaults_, prompts_.prompt(conversation, "the conversation"));
    } catch (const Error& error) {
      messages_.pop_back();
      return say(error.what());
    }
    Answer given;
    const AnswerListener listener{[](std::size_t, std::string_view piece) {
                                    std::fwrite(piece.data(), 1, piece.size(), stdout);
                                    std::fflush(stdout);
                                  },
                                  [&](std::size_t, Answer ended) { given = std::move(ended); }};
    generator_.run(std::span(&ids, 1), listener);
    std::puts("");
    if (given.finish == Finish::length) say("cut at --max-new-tokens");
    if (given.finish == Finish::positions) say("the model has no more positions; /reset begins anew");
    messages_.push_back(typed_message("assistant", given.text));
  }

  const FittedModel& fitted_;
  const GenerationDefaults& defaults_;
  Generator& generator_;
  const ChatPrompts& prompts_;
  std::string system_;
  std::vector<jinja::Value> messages_;
  std::optional<SavedRow> saved_;
};

void talk_by_script(Talk& talk, const std::string& file) {
  std::istringstream lines(read_text_file(file));
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    std::printf("> %s\n", line.c_str());
    if (!talk.take(line)) return;
  }
}

void talk_by_typing(Talk& talk) {
  const bool at_terminal = ::isatty(STDIN_FILENO) != 0;
  if (at_terminal) std::printf("(%s)\n", kHelp);
  StandardInputLines input(stop_signal_received);
  while (true) {
    if (at_terminal) {
      std::fputs("> ", stdout);
      std::fflush(stdout);
    }
    const std::vector<std::string> lines = input.next();
    if (lines.empty()) break;
    for (const std::string& line : lines)
      if (!talk.take(line)) return;
  }
  if (at_terminal) std::puts("");
}

int run(const ChatArguments& arguments, CommandContext& context) {
  if (context.world.size() > 1)
    throw usage_error("temper chat runs on one rank, and {} were started; temper generate answers files on many",
                      context.world.size());
  require_possible(arguments.options);
  const std::unique_ptr<Device> device = make_device(arguments.device, context.world);
  set_cpu_threads(arguments.threads > 0 ? arguments.threads : default_threads(context.world));
  FittedModel fitted(choose_model(arguments.model, arguments.adapters), *device);
  require_language_model(fitted, arguments.model);
  print_notes(fitted.notes());
  const GenerationDefaults defaults = read_generation_defaults(fitted.config());
  const ChatPrompts prompts(fitted.tokenizer(), arguments.chat_template);
  GenerationSettings settings = generation_settings(arguments.options, defaults, fitted.config(), *device);
  settings.slots = 1;
  settings.processes = context.world.topology().local_size;
  settings.stop_requested = stop_signal_received;
  take_stop_tokens(prompts, arguments.options, settings);
  Generator generator(fitted.model(), fitted.tokenizer(), *device, settings);
  Talk talk(fitted, defaults, generator, prompts, arguments.system);
  if (arguments.script.empty()) {
    talk_by_typing(talk);
  } else {
    talk_by_script(talk, arguments.script);
  }
  return stop_signal_received() ? kExitStopped : kExitDone;
}

}  // namespace

Command add_chat_command(const CommandLine& program) {
  auto arguments = std::make_shared<ChatArguments>();
  const CommandLine command = program.command("chat", "Talk with a causal language model in a terminal");
  command.option("model", arguments->model, "Folder of a causal language model with a chat template, or a .gguf file")
      .required();
  add_adapter_option(command, arguments->adapters);
  command.option("--system", arguments->system, "What the model is told before the conversation");
  command.option("--script", arguments->script, "File whose lines are taken as if they were typed");
  command.option("--chat-template", arguments->chat_template, "File with a template in place of the model's own");
  add_generation_options(command, arguments->options);
  command.option("--threads", arguments->threads, "Threads; 0: the cores it may use");
  command.option("--device", arguments->device, "auto, cpu or cuda").one_of({"auto", "cpu", "cuda"}).shows_default();
  command.footer(
      fmt::format("In the conversation, {}.\n\nExample:\n  temper chat runs/support/model --system 'You answer in few "
                  "words.' --temperature 0.7",
                  kHelp));
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }, /*stops_cleanly=*/true};
}

}  // namespace temper
