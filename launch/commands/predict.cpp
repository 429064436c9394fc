// temper predict: labels and probabilities for unlabelled rows.
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/table_reader.h"
#include "launch/commands/command.h"
#include "launch/commands/report.h"
#include "launch/device_choice.h"
#include "launch/signals.h"
#include "runtime/prediction.h"

namespace temper {
namespace {

struct PredictArguments {
  std::string model;
  std::string input;
  std::string output;
  TableUse use;
  std::string device = "auto";
  int threads = 0;
  bool json = false;
};

/// Standard input, one text a line. Rank 0 has it; the others receive it.
Table read_lines(const std::string& column, Communicator& world) {
  std::vector<std::byte> bytes;
  if (world.rank() == 0) {
    const std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
    const auto view = std::as_bytes(std::span(text));
    bytes.assign(view.begin(), view.end());
  }
  world.broadcast_variable(bytes, 0);
  Table table{"standard input", {column}, {}, {}};
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    std::string_view row = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (row.ends_with('\r')) row.remove_suffix(1);
    table.rows.push_back({std::string(row)});
    table.lines.push_back(line);
  }
  return table;
}

int run(const PredictArguments& arguments, CommandContext& context) {
  Communicator& world = context.world;
  const std::unique_ptr<Device> device = make_device(arguments.device, world);
  const int threads = arguments.threads > 0 ? arguments.threads : default_cpu_threads(world.topology().local_size);
  set_cpu_threads(threads);
  FittedModel fitted(arguments.model, *device);
  if (context.speaks()) print_notes(fitted.notes());
  const Table table = arguments.input == "-" ? read_lines(arguments.use.text, world) : read_table(arguments.input);

  // A few thousand rows at a time, so that a large file neither waits for its last row nor is held twice.
  constexpr std::int64_t kRowsAtATime = 8192;
  const auto rows = static_cast<std::int64_t>(table.rows.size());
  std::string written;
  bool stopped = false;
  for (std::int64_t first = 0; first < rows && !stopped; first += kRowsAtATime) {
    const std::int64_t count = std::min(kRowsAtATime, rows - first);
    const std::int64_t begin = first + count * world.rank() / world.size();
    const std::int64_t end = first + count * (world.rank() + 1) / world.size();
    const std::string lines = predict_lines(fitted, table, arguments.use, threads, *device, begin, end);
    for (const std::vector<std::byte>& part : world.all_gather_variable(std::as_bytes(std::span(lines)))) {
      if (!context.speaks()) continue;
      const std::string_view text(reinterpret_cast<const char*>(part.data()), part.size());
      if (arguments.output.empty()) {
        std::fwrite(text.data(), 1, text.size(), stdout);
      } else {
        written += text;
      }
    }
    std::vector<std::int64_t> stop{stop_signal_received() ? 1 : 0};
    world.all_reduce(std::span(stop), Reduction::max);
    stopped = stop.front() != 0;
  }
  if (!context.speaks()) return stopped ? kExitStopped : kExitDone;
  if (stopped) return kExitStopped;
  if (!arguments.output.empty()) write_file_atomically(arguments.output, written);
  if (std::fflush(stdout) != 0) throw Error("the predictions could not be written to standard output");
  if (arguments.json) print_json({{"rows", rows}, {"output", arguments.output}});
  return kExitDone;
}

}  // namespace

Command add_predict_command(CLI::App& app) {
  auto arguments = std::make_shared<PredictArguments>();
  CLI::App* command = app.add_subcommand("predict", "Label rows with a fine-tuned model, as JSON lines");
  command->add_option("model", arguments->model, "Folder of a fine-tuned model")->required();
  command->add_option("input", arguments->input, "CSV, TSV or JSONL file; - for standard input, one text a line")
      ->required();
  command->add_option("-o,--output", arguments->output, "File for the predictions; standard output without it");
  command->add_option("--text", arguments->use.text, "Column of the text")->capture_default_str();
  command->add_option("--text-pair", arguments->use.text_pair, "Column of a second text");
  command->add_option("--max-length", arguments->use.max_length, "Tokens a row")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--batch-size", arguments->use.batch_size, "Rows a batch")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--threads", arguments->threads, "Threads a rank; 0: the cores it may use");
  command->add_option("--device", arguments->device, "auto, cpu or cuda")->capture_default_str();
  command->add_flag("--json", arguments->json, "Print one JSON object with the number of rows as the last line");
  command->footer(
      "Example:\n  echo 'What a day' | temper predict runs/sentiment/model -\n  temper predict runs/sentiment/model "
      "data/new.csv -o labels.jsonl");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }};
}

}  // namespace temper
