// temper eval: the metrics of a fine-tuned model on labelled rows.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/table_reader.h"
#include "launch/commands/command.h"
#include "launch/commands/report.h"
#include "launch/device_choice.h"
#include "launch/signals.h"
#include "runtime/fitted_model.h"

namespace temper {
namespace {

struct EvalArguments {
  std::string model;
  std::string data;
  TableUse use{"text", "", "label", 128, 64};
  std::string device = "auto";
  int threads = 0;
  bool json = false;
};

int run(const EvalArguments& arguments, CommandContext& context) {
  const std::unique_ptr<Device> device = make_device(arguments.device, context.world);
  const int threads =
      arguments.threads > 0 ? arguments.threads : default_cpu_threads(context.world.topology().local_size);
  set_cpu_threads(threads);
  FittedModel fitted(arguments.model, *device);
  if (context.speaks()) print_notes(fitted.notes());
  const Table table = read_table(arguments.data);
  const std::optional<Metrics> metrics =
      fitted.evaluate_table(table, arguments.use, threads, context.world, stop_signal_received);
  if (!metrics) return kExitStopped;
  if (!context.speaks()) return kExitDone;
  if (arguments.json) {
    nlohmann::json json = metrics_json(*metrics);
    json["rows"] = table.rows.size();
    print_json(json);
  } else {
    print_metrics(fmt::format("{} rows", table.rows.size()), *metrics);
  }
  return kExitDone;
}

}  // namespace

Command add_eval_command(CLI::App& app) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = app.add_subcommand("eval", "Measure a fine-tuned model on labelled rows");
  command->add_option("model", arguments->model, "Folder of a fine-tuned model")->required();
  command->add_option("data", arguments->data, "CSV, TSV or JSONL file with labels")->required();
  command->add_option("--text", arguments->use.text, "Column of the text")->capture_default_str();
  command->add_option("--text-pair", arguments->use.text_pair, "Column of a second text");
  command->add_option("--label", arguments->use.label, "Column of the label")->capture_default_str();
  command->add_option("--max-length", arguments->use.max_length, "Tokens a row")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--batch-size", arguments->use.batch_size, "Rows a batch")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--threads", arguments->threads, "Threads a rank; 0: the cores it may use");
  command->add_option("--device", arguments->device, "auto, cpu or cuda")->capture_default_str();
  command->add_flag("--json", arguments->json, "Print one JSON object as the last line");
  command->footer("Example:\n  temper eval runs/sentiment/model data/test.csv --json");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }};
}

}  // namespace temper
