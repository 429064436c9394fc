// temper predict: labels and probabilities for unlabelled rows.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/counted.h"
#include "base/error.h"
#include "data/tables/label_values.h"
#include "data/tables/table_reader.h"
#include "data/text/cut_rows.h"
#include "launch/commands/adapter_option.h"
#include "launch/commands/command.h"
#include "launch/commands/line_output.h"
#include "launch/commands/report.h"
#include "launch/commands/standard_input.h"
#include "launch/commands/table_options.h"
#include "launch/device_choice.h"
#include "launch/signals.h"
#include "runtime/environment/host_agreement.h"
#include "runtime/environment/node_cores.h"
#include "runtime/evaluation/prediction.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/picture_agreement.h"

namespace temper {
namespace {

struct PredictArguments {
  std::string model;
  std::vector<std::string> adapters;
  std::vector<std::string> inputs;
  std::string output;
  TableRequests requests;
  PredictionOptions options;
  bool without_tokens = false;
  std::string embeddings;
  std::string device = "auto";
  int threads = 0;
  bool json = false;
};

/// Standard input, one text per line, without those that are blank, as of a .txt file. Rank 0 has it; the others
/// receive it.
std::unique_ptr<TableSource> read_lines(const std::string& column, Communicator& world) {
  Table table{"standard input", {column}, {}, {}};
  std::size_t number = 0;
  for (std::string& line : standard_input_of_all(world, stop_signal_received)) {
    ++number;
    if (is_blank(line)) continue;
    table.rows.push_back({std::move(line)});
    table.lines.push_back(number);
  }
  return std::make_unique<HeldTable>(std::move(table));
}

/// Adds up what the ranks counted and tells it.
void report_cut_rows(const PredictedLines& mine, const TableUse& use, const FittedModel& fitted, std::int64_t rows,
                     CommandContext& context) {
  std::vector<std::int64_t> cut{mine.cut_rows, mine.cut_words};
  context.world.all_reduce(std::span(cut), Reduction::sum);
  if (cut[0] == 0) return;
  const std::int64_t length = fitted.max_length(use.max_length);
  const char* remedy = fitted.max_length(length + 1) > length ? "; --max-length raises the limit" : "";
  print_note(context, cut[1] == 0 ? cut_rows_note(cut[0], rows, length, fitted.tokenizer().cuts_left()) + remedy
                                  : fmt::format("{} of {} lie beyond {} and have no label{}", counted(cut[1], "word"),
                                                counted(cut[0], "row"), counted(length, "token"), remedy));
}

/// Whether standard input is read. Throws a usage Error where files are named beside it.
bool reads_standard_input(const PredictArguments& arguments) {
  const auto is_it = [](const std::string& input) { return input == "-"; };
  if (std::none_of(arguments.inputs.begin(), arguments.inputs.end(), is_it)) return false;
  if (arguments.inputs.size() > 1)
    throw usage_error("- stands for standard input, but files are named beside it; name one or the other");
  return true;
}

/// What every rank wrote, without the lines behind the first picture that cannot be read, and why it cannot.
struct GatheredLines {
  std::string lines;
  std::string fault;
};

GatheredLines gather(const PredictedLines& mine, Communicator& world) {
  const auto lines = world.all_gather_variable(std::as_bytes(std::span(mine.lines)));
  const auto faults = world.all_gather_variable(std::as_bytes(std::span(mine.fault)));
  GatheredLines found;
  for (std::size_t rank = 0; rank < lines.size() && found.fault.empty(); ++rank) {
    found.lines.append(reinterpret_cast<const char*>(lines[rank].data()), lines[rank].size());
    found.fault.assign(reinterpret_cast<const char*>(faults[rank].data()), faults[rank].size());
  }
  return found;
}

int run(const PredictArguments& arguments, CommandContext& context) {
  const bool of_standard_input = reads_standard_input(arguments);
  require_output_apart(arguments.output, arguments.inputs, "the predictions", "-o");
  Communicator& world = context.world;
  const std::unique_ptr<Device> device = make_device(arguments.device, world);
  PredictionOptions options = arguments.options;
  options.tokens = !arguments.without_tokens;
  options.embeddings = embedding_pooling(arguments.embeddings);
  options.stop_requested = stop_signal_received;
  options.threads = arguments.threads > 0 ? arguments.threads : default_threads(world);
  set_cpu_threads(options.threads);
  const ModelChoice choice = choose_model(arguments.model, arguments.adapters);
  std::vector<std::filesystem::path> read = adapter_files(choice);
  std::vector<std::filesystem::path> files;
  if (!of_standard_input) files = files_of_rows(arguments.inputs);
  read.insert(read.end(), files.begin(), files.end());
  HostAgreement hosts(world, input_files(choice.model, read), device->arithmetic());
  FittedModel fitted(choice, *device, &world,
                     options.embeddings == EmbeddingPooling::none ? HeadNeed::required : HeadNeed::none);
  if (arguments.without_tokens && fitted.task().labels != LabelKind::token_class)
    throw usage_error(
        "--no-tokens is for models for token-classification, but this one is for {}; leave the option out",
        fitted.task().name);
  if (const LabelKind labels = fitted.task().labels; options.top > 0 && !has_names(labels) && labels != LabelKind::none)
    throw usage_error("--top is about classes and candidates for masks, but this model is for {}; leave the option out",
                      fitted.task().name);
  if (takes_conversations(fitted.task().labels) && !arguments.requests.text) {
    const std::string texts = text_column(arguments.requests, fitted.trained(), fitted.task());
    for (const std::filesystem::path& file : files)
      if (holds_conversations(file, texts) || holds_pairs(file, texts))
        throw usage_error(
            "{}: its rows are conversations, which predict does not take: temper eval measures them, and "
            "temper generate --input answers them",
            file.string());
  }
  if (context.speaks()) print_notes(fitted.notes());
  const std::unique_ptr<TableSource> table =
      of_standard_input ? read_lines(text_column(arguments.requests, fitted.trained(), fitted.task()), world)
                        : open_rows(arguments.inputs, arguments.requests, fitted.trained(), fitted.task(),
                                    text_unit(document_unit(arguments.requests, fitted.trained())), world);
  const TableUse use = resolve(arguments.requests, fitted.trained(), fitted.task(), fitted.positions(), table->head(),
                               /*labelled=*/false, [&](const std::string& line) { print_note(context, line); });
  if (context.speaks() && !of_standard_input) print_notes(unread_row_notes(arguments.inputs, fitted.task()));

  hosts.finish();
  // A few thousand rows at a time, so that a large file neither waits for its last row nor is held in memory.
  // Documents are long, and those of a chunk that a signal interrupts are lost.
  const std::int64_t rows_at_a_time = fitted.task().labels == LabelKind::next_token ? 256 : 8192;
  LineOutput output(arguments.output);
  PredictedLines all;
  const auto must_stop = [&] {
    std::vector<std::int64_t> stop{stop_signal_received() ? 1 : 0};
    world.all_reduce(std::span(stop), Reduction::max);
    return stop.front() != 0;
  };
  bool stopped = must_stop();
  std::int64_t predicted = 0;
  std::int64_t written = 0;
  const auto predict_rows = [&](const Table& chunk) {
    const auto count = static_cast<std::int64_t>(chunk.rows.size());
    predicted += count;
    const std::int64_t begin = count * world.rank() / world.size();
    const std::int64_t end = count * (world.rank() + 1) / world.size();
    const PredictedLines mine = predict_lines(fitted, chunk, use, options, *device, begin, end);
    all.cut_rows += mine.cut_rows;
    all.cut_words += mine.cut_words;
    all.unreadable_rows += mine.unreadable_rows;
    all.unreadable.insert(all.unreadable.end(), mine.unreadable.begin(), mine.unreadable.end());
    const GatheredLines gathered = gather(mine, world);
    all.fault = gathered.fault;
    written += std::count(gathered.lines.begin(), gathered.lines.end(), '\n');
    if (context.speaks()) output.append(gathered.lines);
  };
  if (!stopped)
    table->read(rows_at_a_time, [&](Table& chunk, std::int64_t) {
      predict_rows(chunk);
      stopped = must_stop();
      return !stopped && all.fault.empty();
    });
  if (!all.fault.empty()) {
    if (context.speaks() && written > 0)
      print_note(context, output.stop("the predictions", written, table->rows(), "row"));
    throw Error("{}; --skip-unreadable leaves such pictures out", all.fault);
  }
  std::vector<std::int64_t> skipped{all.unreadable_rows};
  world.all_reduce(std::span(skipped), Reduction::sum);
  print_skipped(context, sentences_of_all(all.unreadable, world), skipped.front(), predicted);
  report_cut_rows(all, use, fitted, predicted, context);
  if (stopped) {
    if (context.speaks()) print_note(context, output.stop("the predictions", written, table->rows(), "row"));
    return kExitStopped;
  }
  if (!context.speaks()) return kExitDone;
  output.finish("the predictions");
  if (arguments.json) {
    nlohmann::json told{{"rows", table->rows()}, {"output", arguments.output}};
    if (arguments.requests.pictures.skip_unreadable) told["unreadable"] = skipped.front();
    print_json(told);
  }
  return kExitDone;
}

}  // namespace

Command add_predict_command(const CommandLine& program) {
  auto arguments = std::make_shared<PredictArguments>();
  const CommandLine command = program.command("predict", "Label rows with a fine-tuned model, as JSON lines");
  command.option("model", arguments->model, "Folder of a fine-tuned model or of an adapter, or a .gguf file")
      .required();
  add_adapter_option(command, arguments->adapters);
  command
      .words("input", arguments->inputs,
             "CSV, TSV, JSONL or .txt files, or folders of .txt files; - for standard input, one text per line. Of "
             "images: pictures, folders of them, or lists: tables with a column of paths, .txt files of paths")
      .required();
  command.option("-o,--output", arguments->output, "File for the predictions; default: standard output");
  add_table_options(command, arguments->requests);
  add_skip_option(command, arguments->requests.pictures);
  command.repeated("--keep", arguments->options.kept_columns, "Input columns to copy to each prediction: id,source")
      .separated_by(',');
  command.flag("--keep-all", arguments->options.all_columns, "Copy all input columns to each prediction");
  command.option("--top", arguments->options.top, "Only this many classes, or candidates for a mask, best first")
      .within(1, 1 << 20);
  command.flag("--no-tokens", arguments->without_tokens,
               "Token classification: words without the list of their tokens");
  command
      .option("--embeddings", arguments->embeddings,
              "Add a vector of length 1 to each prediction: the last hidden state, the mean of all tokens or that of "
              "the first token: mean or first")
      .one_of({"mean", "first"});
  command.option("--batch-size", arguments->options.batch_size, "Rows per batch").shows_default().within(1, 1 << 20);
  command.option("--threads", arguments->threads, "Threads per rank; 0: the cores it may use");
  command.option("--device", arguments->device, "auto, cpu or cuda").one_of({"auto", "cpu", "cuda"}).shows_default();
  command.flag("--json", arguments->json, "Print one JSON object with the number of rows as the last line");
  command.footer(
      "Columns, lengths and the threshold default to those used in training, which the model folder records "
      "(temper.json).\n\nExample:\n  echo 'What a day' | temper predict runs/sentiment/model -\n  "
      "temper "
      "predict runs/sentiment/model "
      "data/new.csv -o labels.jsonl\n  temper predict runs/chest-xray/model scans/*.png --skip-unreadable");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }, /*stops_cleanly=*/true};
}

}  // namespace temper
