// temper eval: the metrics of a fine-tuned model on labelled rows.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/counted.h"
#include "base/human_numbers.h"
#include "base/mapped_file.h"
#include "base/name_list.h"
#include "data/pictures/png_writer.h"
#include "data/tables/table_reader.h"
#include "launch/commands/adapter_option.h"
#include "launch/commands/answer_evaluation.h"
#include "launch/commands/command.h"
#include "launch/commands/line_output.h"
#include "launch/commands/report.h"
#include "launch/commands/table_options.h"
#include "launch/device_choice.h"
#include "launch/signals.h"
#include "runtime/environment/host_agreement.h"
#include "runtime/environment/node_cores.h"
#include "runtime/evaluation/fitted_model.h"
#include "runtime/evaluation/measure_settings.h"
#include "runtime/figures/mistakes_list.h"
#include "runtime/figures/mistakes_sheet.h"
#include "runtime/inputs/chat_data.h"

namespace temper {
namespace {

struct EvalArguments {
  std::string model;
  std::vector<std::string> adapters;
  std::string data;
  TableRequests requests;
  std::int64_t batch_size = 64;
  AnswerRequests answers;
  std::string mistakes;  ///< PNG file for the worst; empty: none
  std::string device = "auto";
  int threads = 0;
  bool json = false;
};

/// Whether the file's rows are conversations, as training takes them.
bool has_conversations(const EvalArguments& arguments, const FittedModel& fitted) {
  if (is_of_images(fitted.task().head)) return false;
  Configuration configuration;
  configuration.model.task = fitted.task().name;
  configuration.data.train = OneOrMore(arguments.data);
  configuration.data.text = text_column(arguments.requests, fitted.trained(), fitted.task());
  // Rows that were conversations in training are so here, even where one of their members has the name of a text's.
  if (!arguments.requests.text && fitted.trained() && fitted.trained()->conversations) configuration.data.text.clear();
  if (!arguments.answers.reference) resolve_data_format(configuration);
  return reads_conversations(configuration.data);
}

/// Throws a usage Error for an option of losses and labels, which answers that are compared have none of.
void require_answers_alone(const TableRequests& requests) {
  const std::pair<const char*, bool> given[] = {{"--label", !requests.label.empty()},
                                                {"--max-length", requests.max_length.has_value()},
                                                {"--stride", requests.stride.has_value()},
                                                {"--text-pair", requests.text_pair.has_value()},
                                                {"--threshold", requests.threshold.has_value()},
                                                {"--group", requests.group.has_value()},
                                                {"--resamples", requests.resamples.has_value()}};
  for (const auto& [option, is_given] : given)
    if (is_given)
      throw usage_error("{} is about losses and labels, and --reference compares answers; leave one out", option);
}

/// Throws a usage Error where there are no pictures, or nothing that can be mistaken.
void require_mistakable(const FittedModel& fitted) {
  if (!is_of_images(fitted.task().head) || fitted.task().labels == LabelKind::regression)
    throw usage_error("--mistakes shows pictures with a wrong class, but this model is for {}; leave the option out",
                      fitted.task().name);
}

/// "worst.jsonl" of "worst.png".
std::filesystem::path list_beside(const std::filesystem::path& sheet) {
  std::filesystem::path list = sheet;
  return sheet.extension() == ".jsonl" ? list += ".jsonl" : list.replace_extension(".jsonl");
}

void write_mistakes(const EvalArguments& arguments, const FittedModel& fitted, const TableSource& table,
                    const TableUse& use, const RowOutputs& outputs, int threads, CommandContext& context) {
  const ImageSource images(read_image_rows(table, ColumnChoice{use.text}, nullptr, LabelKind::none, ""),
                           fitted.image_reading(use, threads, PictureView::whole));
  const std::vector<Mistake> mistakes =
      mistakes_of_own_pictures(all_mistakes(outputs, fitted.labels().names()), images);
  const std::optional<Picture> sheet = mistakes_sheet(mistakes, images, mistakes_title(arguments.data, outputs));
  if (!sheet) {
    print_note(context, fmt::format("{}: not written, since there are no mistakes{}", arguments.mistakes,
                                    mistakes.empty() ? "" : " whose picture can be read"));
    return;
  }
  write_png(arguments.mistakes, *sheet);
  write_file_atomically(list_beside(arguments.mistakes), mistakes_list(mistakes, outputs, fitted.labels().names(),
                                                                       fitted.calibration(), images.listed().files));
}

/// The class that figures of one class are of; empty where there are several, or none.
std::string positive_class(const FittedModel& fitted) {
  if (fitted.task().labels != LabelKind::single_class || !has_row_measures(fitted.task())) return "";
  if (const Calibration* known = fitted.calibration(); known != nullptr && !known->positive.empty())
    return known->positive;
  return fitted.labels().size() == 2 ? fitted.labels().names()[1] : "";
}

/// Of which class, at which threshold and over what the figures are.
void print_reading(const FittedModel& fitted, const TableUse& use, const Metrics& metrics, const RowOutputs& outputs) {
  print_thresholds(positive_class(fitted), fitted.calibration());
  if (metrics.intervals.empty()) return;
  const std::string over = outputs.groups().empty() ? grouped(outputs.rows(), "row")
                                                    : fmt::format("{} ({})", grouped(outputs.group_count(), "group"),
                                                                  quoted_name(use.group));
  fmt::print("{:<12} 95 %, over {}\n", "intervals", over);
}

nlohmann::json reading_json(const FittedModel& fitted, const RowOutputs& outputs) {
  nlohmann::json json = nlohmann::json::object();
  if (const std::string positive = positive_class(fitted); !positive.empty()) json["positive"] = positive;
  if (const Calibration* known = fitted.calibration(); known != nullptr) json["calibration"] = calibration_json(*known);
  if (!outputs.groups().empty()) json["groups"] = outputs.group_count();
  return json;
}

int run(const EvalArguments& parsed, CommandContext& context) {
  EvalArguments arguments = parsed;
  arguments.answers.text = arguments.requests.text;
  const std::span data(&arguments.data, 1);
  require_output_apart(arguments.answers.output, data, "the answers", "--answers");
  if (!arguments.mistakes.empty()) {
    require_output_apart(arguments.mistakes, data, "the sheet", "--mistakes", kPngBeginning);
    require_output_apart(list_beside(arguments.mistakes).string(), data, "the list", "--mistakes");
  }
  if (arguments.answers.reference) {
    require_possible(arguments.answers.options);
    require_answers_alone(arguments.requests);
  } else {
    arguments.answers.require_none();
  }
  const std::unique_ptr<Device> device = make_device(arguments.device, context.world);
  const int threads = arguments.threads > 0 ? arguments.threads : default_threads(context.world);
  set_cpu_threads(threads);
  const ModelChoice choice = choose_model(arguments.model, arguments.adapters);
  std::vector<std::filesystem::path> read = adapter_files(choice);
  const std::vector<std::filesystem::path> files = files_of_rows(arguments.data);
  read.insert(read.end(), files.begin(), files.end());
  HostAgreement hosts(context.world, input_files(choice.model, read), device->arithmetic());
  FittedModel fitted(choice, *device, &context.world);
  if (!arguments.mistakes.empty()) require_mistakable(fitted);
  if (context.speaks()) print_notes(fitted.notes());
  const std::unique_ptr<TableSource> table =
      open_rows(std::span(&arguments.data, 1), arguments.requests, fitted.trained(), fitted.task(),
                has_conversations(arguments, fitted) ? TextUnit::conversation
                                                     : text_unit(document_unit(arguments.requests, fitted.trained())),
                context.world);
  hosts.finish();
  if (takes_conversations(fitted.task().labels) && !arguments.answers.reference &&
      holds_pairs(arguments.data, text_column(arguments.requests, fitted.trained(), fitted.task())))
    throw usage_error(
        "{}: its rows are pairs of answers, which a run of dpo measures as its data.test or evaluate.sets; "
        "give conversations or texts",
        arguments.data);
  if (context.speaks()) print_notes(unread_row_notes(std::span(&arguments.data, 1), fitted.task()));
  if (arguments.answers.reference)
    return evaluate_answers(arguments.answers, arguments.model, fitted, *table, *device, arguments.json, context);
  const auto say = [&](const std::string& line) { print_note(context, line); };
  const TableUse use = resolve(arguments.requests, fitted.trained(), fitted.task(), fitted.positions(), table->head(),
                               /*labelled=*/true, say);
  RowOutputs outputs;
  const std::optional<Metrics> metrics = fitted.evaluate_table(*table, use, arguments.batch_size, threads,
                                                               context.world, stop_signal_received, say, &outputs);
  if (!metrics) {
    print_note(context, "stopped by a signal before all rows were measured, so there are no metrics");
    return kExitStopped;
  }
  if (!context.speaks()) return kExitDone;
  if (!arguments.mistakes.empty()) write_mistakes(arguments, fitted, *table, use, outputs, threads, context);
  if (arguments.json) {
    nlohmann::json json = metrics_json(*metrics);
    json["rows"] = table->rows();
    json.update(reading_json(fitted, outputs));
    print_json(json);
  } else {
    print_metrics(counted(table->rows(), "row"), *metrics);
    print_reading(fitted, use, *metrics, outputs);
  }
  return kExitDone;
}

}  // namespace

Command add_eval_command(const CommandLine& program) {
  auto arguments = std::make_shared<EvalArguments>();
  const CommandLine command = program.command("eval", "Evaluate a fine-tuned model on labelled rows");
  command.option("model", arguments->model, "Folder of a fine-tuned model or of an adapter, or a .gguf file")
      .required();
  add_adapter_option(command, arguments->adapters);
  command
      .option(
          "data", arguments->data,
          "CSV, TSV or JSONL file with labels; for language models also a .txt file, or a folder of them; for models "
          "of images also a folder with a folder of pictures for each class")
      .required();
  add_table_options(command, arguments->requests);
  command.repeated("--label", arguments->requests.label,
                   "Column of the label; repeat it if each label has its own column");
  command
      .option("--resamples", arguments->requests.resamples,
              "Resamples of the rows from which intervals of classes' figures are computed; default: 1000 for a model "
              "with calibrated thresholds, else none")
      .within(0, 1000000);
  command.option("--resample-seed", arguments->requests.resample_seed, "Seed of the resamples").within(0, 1LL << 53);
  command.option(
      "--group", arguments->requests.group,
      "Images: column of what rows belong to (a patient), by which intervals are drawn; \"\": each row alone; "
      "default: as in training");
  add_answer_options(command, arguments->answers);
  command.option(
      "--mistakes", arguments->mistakes,
      "Of a model of images: PNG file for the pictures that it is most sure of and wrong about; a .jsonl file "
      "beside it lists all mistakes");
  command.option("--batch-size", arguments->batch_size, "Rows per batch").shows_default().within(1, 1 << 20);
  command.option("--threads", arguments->threads, "Threads per rank; 0: the cores it may use");
  command.option("--device", arguments->device, "auto, cpu or cuda").one_of({"auto", "cpu", "cuda"}).shows_default();
  command.flag("--json", arguments->json, "Print one JSON object as the last line");
  command.footer(
      "Columns and lengths default to those used in training, which the model folder records "
      "(temper.json).\n\nExample:\n  temper eval runs/sentiment/model data/test.csv --json\n  temper eval "
      "runs/arithmetic/model "
      "data/test.jsonl --text question --reference answer --capture '#### (-?[0-9.,]+)'\n  temper eval "
      "runs/chest-xray/model scans/test --mistakes mistakes.png");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }, /*stops_cleanly=*/true};
}

}  // namespace temper
