// temper inspect: what a model folder, a weights file, a checkpoint or a data file holds.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/images/image_processor.h"
#include "data/images/picture_table.h"
#include "data/tables/table_reader.h"
#include "data/tokenizer/tokenizer.h"
#include "launch/commands/adapter_option.h"
#include "launch/commands/command.h"
#include "launch/commands/line_output.h"
#include "launch/commands/mask_report.h"
#include "launch/commands/picture_report.h"
#include "launch/commands/report.h"
#include "launch/commands/table_options.h"
#include "launch/commands/table_report.h"
#include "launch/commands/text_report.h"
#include "model/adapters/peft_config.h"
#include "model/architectures/model_config.h"
#include "model/architectures/registry.h"
#include "model/gguf/gguf_file.h"
#include "model/huggingface/pytorch_file.h"
#include "model/huggingface/weight_files.h"
#include "model/weights.h"
#include "runtime/checkpoints/checkpoint.h"
#include "runtime/config/config.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/model_tokenizer.h"
#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"
#include "runtime/inputs/trained_use.h"
#include "runtime/steps/training_state.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

struct InspectArguments {
  std::string path;
  std::string text = "text";
  std::vector<std::string> label{"label"};
  bool tensors = false;
  bool json = false;
  std::string model;  ///< whose tokenizer cuts the data; empty: they are rows of a table
  std::vector<std::string> adapters;
  std::optional<std::int64_t> max_length;  ///< 0: the model's positions
  TextQuestion running = {};
  bool mask = false;
  MaskArguments masked;
  std::optional<std::int64_t> rows;  ///< that --mask or --pictures shows
  std::string sheet;
  std::string augment;
  PictureRequests pictures = {};
};

/// Throws a usage Error for an option that says nothing about what is asked for.
void require_needed(const InspectArguments& arguments) {
  const InspectArguments defaults;
  const auto refuse = [](bool given, const char* option, const char* why) {
    if (given) throw usage_error("{} {}; leave it out", option, why);
  };
  if (arguments.mask) {
    constexpr const char* kWhy = "is not about what of conversations is learnt (--mask)";
    refuse(arguments.text != defaults.text, "--text", kWhy);
    refuse(arguments.label != defaults.label, "--label", kWhy);
    refuse(arguments.tensors, "--tensors", kWhy);
    refuse(arguments.running.pack != defaults.running.pack, "--pack", kWhy);
    refuse(arguments.running.documents != defaults.running.documents, "--documents", kWhy);
    refuse(!arguments.sheet.empty(), "--pictures", kWhy);
    return;
  }
  constexpr const char* kWhy = "goes with --mask, which shows what of conversations is learnt";
  refuse(!arguments.masked.html.empty(), "--html", kWhy);
  refuse(arguments.masked.learn != defaults.masked.learn, "--learn", kWhy);
  refuse(arguments.masked.learn_roles != defaults.masked.learn_roles, "--learn-role", kWhy);
  refuse(arguments.masked.chat_template != defaults.masked.chat_template, "--chat-template", kWhy);
  refuse(arguments.masked.long_documents != defaults.masked.long_documents, "--long-documents", kWhy);
  refuse(arguments.rows.has_value() && arguments.sheet.empty(), "--rows", "goes with --mask or --pictures");
  constexpr const char* kNeedsModel = "is about how a model's tokenizer cuts texts, and goes with --model";
  if (!arguments.model.empty()) return;
  refuse(arguments.running.pack != defaults.running.pack, "--pack", kNeedsModel);
  refuse(arguments.running.documents != defaults.running.documents, "--documents", kNeedsModel);
  refuse(arguments.max_length.has_value(), "--max-length", kNeedsModel);
}

/// What of conversations is learnt.
void show_mask(const InspectArguments& arguments) {
  MaskArguments masked = arguments.masked;
  masked.model = arguments.model;
  masked.adapters = arguments.adapters;
  masked.max_length = arguments.max_length.value_or(DataSection{}.max_length);
  masked.rows = arguments.rows.value_or(masked.rows);
  const nlohmann::ordered_json report = mask_report(arguments.path, masked);
  if (!arguments.masked.html.empty()) {
    const std::string& page = arguments.masked.html;
    require_output_apart(page, std::span(&arguments.path, 1), "the page", "--html", kPageBeginning);
    write_file_atomically(arguments.masked.html,
                          mask_page(report, std::filesystem::path(arguments.path).filename().string()));
    std::fprintf(stderr, "%s: written\n", arguments.masked.html.c_str());
  }
  if (arguments.json) {
    print_json_line(report.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    print_mask_report(report, ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr);
  }
}

Json tensor_json(const std::string& name, const std::string& type, const std::vector<std::int64_t>& shape) {
  return {{"name", name}, {"type", type}, {"shape", shape}};
}

Json weights_json(const char* kind, const std::filesystem::path& path, const std::map<std::string, TensorView>& views,
                  bool tensors) {
  Json json{{"kind", kind}, {"path", path.string()}};
  std::int64_t elements = 0;
  for (const auto& [name, view] : views) {
    elements += element_count(view.shape).value_or(0);
    if (tensors) json["tensors"].push_back(tensor_json(name, std::string(type_name(view)), view.shape));
  }
  json["tensor_count"] = views.size();
  json["elements"] = elements;
  return json;
}

Json extent_json(ImageExtent extent) { return Json::array({extent.height, extent.width}); }

/// How a model of images sees pictures.
void add_pictures(const ModelConfig& config, Json& json) {
  const ImageProcessor processor = read_image_processor(config.folder, config.json);
  json["picture_size"] = extent_json(processor.extent());
  json["channels"] = config.images.channels;
  json["resized_to"] = processor.resize_rule == ResizeRule::shortest_edge ? Json(processor.edge)
                       : processor.resize_rule == ResizeRule::exact       ? extent_json(processor.size)
                                                                          : Json();
  json["crop"] = processor.crop.pixels() > 0 ? extent_json(processor.crop) : Json();
  json["scale"] = processor.scale;
  json["mean"] = processor.mean;
  json["std"] = processor.deviation;
}

Json inspect_model(const std::filesystem::path& path, bool tensors) {
  const ModelConfig config = read_model_config(path);
  const WeightFiles files = WeightFiles::open(path);
  if (is_gguf_file(path)) {
    // What such a file lacks is in no other file, so it is looked at whole: its tokenizer, and the shapes of its
    // tensors.
    Tokenizer::from_file(read_model_tokenizer(path).file);
    check_weights(*make_model(config, head_request(task_of(config), LabelSet())), files);
  }
  Json json{
      {"kind", is_gguf_file(path) ? "gguf" : "model"}, {"path", path.string()},   {"model_type", config.model_type},
      {"architectures", config.architectures},         {"layers", config.layers}, {"width", config.width}};
  // Of convolutional nets, blocks have no such numbers.
  if (!config.reads_images() || config.heads > 0) json["heads"] = config.heads;
  if (!config.reads_images() || config.intermediate_width > 0) json["intermediate_width"] = config.intermediate_width;
  if (config.reads_images()) {
    add_pictures(config, json);
  } else {
    json["vocabulary_size"] = config.vocabulary_size;
    json["longest_sequence"] = config.longest_sequence;
  }
  json["labels"] = config.labels;
  std::int64_t parameters = 0;
  const std::vector<std::string> names = files.names();
  for (const std::string& name : names) {
    const TensorView* view = files.find(name);
    parameters += element_count(view->shape).value_or(0);
    if (tensors) json["tensors"].push_back(tensor_json(name, std::string(type_name(*view)), view->shape));
  }
  json["tensor_count"] = names.size();
  json["parameters"] = parameters;
  if (const auto use = read_trained_use(path)) json["training"] = Json::parse(to_json(*use));
  return json;
}

/// What an adapter's folder says of itself, whatever its base is.
Json inspect_adapter(const std::filesystem::path& folder, bool tensors) {
  const std::filesystem::path place = folder / kPeftConfigFile;
  const std::string text(MappedFile(place).text());
  const PeftConfig known = parse_peft_config(text, place);
  const Json config = Json::parse(text);
  Json json{
      {"kind", "adapter"}, {"path", folder.string()}, {"base_model", known.base_model}, {"task_type", known.task_type}};
  for (const char* key :
       {"r", "lora_alpha", "lora_dropout", "target_modules", "modules_to_save", "use_rslora", "use_dora"})
    if (const auto found = config.find(key); found != config.end() && !found->is_null()) json[key] = *found;
  json.update(weights_json("adapter", folder, SafetensorsFile(folder / kPeftWeightsFile).tensors(), tensors));
  if (const auto use = read_trained_use(folder)) json["training"] = Json::parse(to_json(*use));
  return json;
}

Json inspect_checkpoint(const std::filesystem::path& path, bool tensors, Communicator& world) {
  const Checkpoint checkpoint = Checkpoint::open(path, world);
  const TrainingState state = parse_training_state(checkpoint.state_json());
  Json json{{"kind", "checkpoint"},   {"path", path.string()},        {"step", state.step},
            {"epoch", state.epoch},   {"phase", state.phase},         {"finished", state.finished},
            {"grains", state.grains}, {"best_step", state.best_step}, {"labels", state.labels}};
  for (const auto& [name, value] : state.last_metrics) json["last"][name] = value;
  for (const auto& [name, value] : state.best_metrics) json["best"][name] = value;
  json["tensor_count"] = checkpoint.tensors().size();
  if (tensors)
    for (const CheckpointTensor& tensor : checkpoint.tensors())
      json["tensors"].push_back(tensor_json(tensor.name, "F32", tensor.shape));
  json["lineage"] = Json::parse(checkpoint.lineage_json());
  // What a delivered model has there: of a checkpoint it is the step and the metrics above.
  json["lineage"].erase("steps");
  json["lineage"].erase("metrics");
  return json;
}

/// The tables that are .json hold an array; what begins as an object is most often a model's.
void refuse_object(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::size_t begin = file.text().find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || file.text()[begin] != '{') return;
  throw Error(
      "{}: expected an array of objects, or belongs to a model folder; name the folder to see what the model is",
      path.string());
}

/// Data whose rows are pictures: those that are asked for as such, and folders of them.
bool is_of_pictures(const InspectArguments& arguments) {
  if (!arguments.sheet.empty() || is_picture_file(arguments.path)) return true;
  const std::filesystem::path folder = arguments.path;
  if (!std::filesystem::is_directory(folder)) return false;
  // A model, a run, and texts among which a picture lies are none.
  for (const char* file : {"config.json", "configuration.toml", "adapter_config.json"})
    if (std::filesystem::exists(folder / file)) return false;
  return holds_pictures(folder) && !holds_text_files(folder);
}

Json inspect_picture_data(const InspectArguments& arguments, Communicator& world) {
  PictureQuestion question;
  question.path = arguments.path;
  if (arguments.text != "text") question.image = arguments.text;
  question.label = arguments.label;
  require_output_apart(arguments.sheet, std::span(&arguments.path, 1), "the sheet", "--pictures", kPngBeginning);
  question.sheet = arguments.sheet;
  question.model = arguments.model;
  question.augment = arguments.augment;
  question.rows = arguments.rows.value_or(question.rows);
  question.requests = arguments.pictures;
  return inspect_pictures(question, world);
}

Json inspect_path(const InspectArguments& arguments, Communicator& world) {
  if (arguments.model.empty() && !arguments.adapters.empty())
    throw usage_error("--adapter goes on a model; name its folder with --model, or the adapter's there");
  const std::filesystem::path path = arguments.path;
  if (!arguments.augment.empty() && arguments.sheet.empty())
    throw usage_error("--augment shows pictures before and after; name a file for them with --pictures out.png");
  if (std::filesystem::exists(path) && is_of_pictures(arguments)) return inspect_picture_data(arguments, world);
  if (arguments.pictures.any() && std::filesystem::exists(path))
    throw usage_error(
        "{}: holds no pictures, which --frame, --slice, --window and --most-megapixels are about; leave the option "
        "out, "
        "or of a table that lists pictures ask for them with --pictures out.png",
        arguments.path);
  if (!arguments.model.empty()) {
    if (holds_conversations(path, arguments.text))
      throw usage_error("{}: its rows are conversations; --mask shows what is learnt of them", arguments.path);
    TextQuestion question = arguments.running;
    question.model = arguments.model;
    question.adapters = arguments.adapters;
    question.max_length = arguments.max_length.value_or(0);
    question.path = arguments.path;
    question.text = arguments.text;
    return inspect_running_text(question, world);
  }
  if (!std::filesystem::exists(path)) throw Error("{}: no such file or folder; check the path", path.string());
  if (is_adapter_folder(path)) return inspect_adapter(path, arguments.tensors);
  if (std::filesystem::is_directory(path) && !std::filesystem::exists(as_model_folder(path) / "config.json") &&
      holds_text_files(path))
    throw Error("{}: is a folder of texts; name a model with --model, whose tokenizer cuts them", path.string());
  if (std::filesystem::is_directory(path)) return inspect_model(as_model_folder(path), arguments.tensors);
  if (is_gguf_file(path)) return inspect_model(path, arguments.tensors);
  if (path.extension() == ".h5") return inspect_checkpoint(path, arguments.tensors, world);
  if (path.extension() == ".safetensors")
    return weights_json("safetensors", path, SafetensorsFile(path).tensors(), arguments.tensors);
  if (path.extension() == ".bin")
    return weights_json("pytorch", path, open_pytorch_file(path).tensors, arguments.tensors);
  if (path.extension() == ".json") refuse_object(path);
  ColumnChoice columns{arguments.text};
  if (arguments.label.size() > 1) {
    columns.indicators = arguments.label;
  } else {
    columns.label = arguments.label.front();
  }
  return inspect_table(path, columns);
}

/// A value as a person reads it: numbers with six digits, of which a program gets all (--json).
std::string text_of_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_float() ? fmt::format("{:.6g}", value.get<double>()) : value.dump();
}

/// A line of a list of objects, where `key` is empty, or of an object.
std::string text_of_item(const std::string& list, const std::string& key, const Json& item) {
  if (list == "findings" || list == "facts") return item["sentence"].get<std::string>();
  if (key.empty()) return item.dump();
  // Labels in quotes, so that blanks at their ends show.
  return (list == "label_counts" ? Json(key).dump() : key) + ": " +
         (item.is_number_float() ? text_of_value(item) : item.dump());
}

/// Whether there is nothing to show of it.
bool is_nothing(const Json& item) {
  return item.is_null() || (item.is_string() && item.get_ref<const std::string&>().empty()) ||
         (item.is_structured() && item.empty());
}

/// A text of several lines stays one, below its name.
void print_lines(const std::string& key, const std::string& text) {
  std::printf("  %s:\n", key.c_str());
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) std::printf("%s%s\n", line.empty() ? "" : "    ", line.c_str());
}

/// "name: value" lines; lists with one object per line. Members of objects that hold nothing are left out.
void print_text(const Json& json) {
  for (const auto& [name, value] : json.items()) {
    const bool rows = value.is_array() && !value.empty() && value.front().is_object();
    if (!rows && !value.is_object()) {
      std::printf("%-20s %s\n", name.c_str(), text_of_value(value).c_str());
      continue;
    }
    std::printf("%s\n", name.c_str());
    for (const auto& [key, item] : value.items()) {
      if (is_nothing(item)) continue;
      if (item.is_string() && item.get_ref<const std::string&>().find('\n') != std::string::npos) {
        print_lines(key, item.get<std::string>());
      } else {
        std::printf("  %s\n", text_of_item(name, rows ? "" : key, item).c_str());
      }
    }
  }
}

}  // namespace

Command add_inspect_command(const CommandLine& program) {
  auto arguments = std::make_shared<InspectArguments>();
  const CommandLine command =
      program.command("inspect", "Show the contents of a model folder, checkpoint, weights or data file");
  command
      .option("path", arguments->path,
              "Model folder, .gguf, .h5, .safetensors, .bin, a data file, or a folder of pictures; with --model also a "
              "folder of texts")
      .required();
  command
      .option("--text", arguments->text,
              "Column of the text in a data file; with --pictures that of the path of a picture, by default image")
      .shows_default();
  command
      .repeated("--label", arguments->label,
                "Column of the labels to count; repeat it if each label has its own column of 0 and 1")
      .shows_default();
  command.option("--model", arguments->model,
                 "Look at data as running text, or with --mask as conversations: the model folder, .gguf or adapter "
                 "whose tokenizer cuts it; of pictures, the model by whose processor, frame, slice and window they are "
                 "seen");
  add_adapter_option(command, arguments->adapters);
  command
      .option("--max-length", arguments->max_length,
              "With --model: tokens per row, as data.max_length; 0: the model's. Default: with --mask as a run has it, "
              "else the model's")
      .within(0, 1 << 20);
  command
      .option("--documents", arguments->running.documents,
              "With --model: what a document of a .txt file is: line, paragraph or file")
      .one_of({"line", "paragraph", "file"})
      .shows_default();
  command
      .option("--pack", arguments->running.pack, "With --model: what a training row holds: documents, blocks or none")
      .one_of({"documents", "blocks", "none"})
      .shows_default();
  command.flag("--tensors", arguments->tensors, "List every tensor");
  command.flag("--mask", arguments->mask, "Show which tokens of conversations are learnt; needs --model");
  command.option("--rows", arguments->rows, "Rows that --mask shows, by default 3, or --pictures, by default 24")
      .within(1, 4096);
  command.option(
      "--pictures", arguments->sheet,
      "PNG file for a contact sheet of pictures with their labels; PATH is a folder of them, or a table that "
      "lists them");
  command.option("--augment", arguments->augment,
                 "With --pictures: a run's configuration, or a file of [augment] and [images]; its [augment] is shown "
                 "in epochs 0 and 1, and files are read as its [images] says");
  add_picture_options(command, arguments->pictures);
  command.option("--html", arguments->masked.html, "File that --mask writes as a page");
  command.option("--learn", arguments->masked.learn, "As data.learn: assistant, last or all")
      .one_of({"assistant", "last", "all"})
      .shows_default();
  command.repeated("--learn-role", arguments->masked.learn_roles, "As data.learn_roles; repeat it").shows_default();
  command.option("--chat-template", arguments->masked.chat_template, "As data.chat_template").shows_default();
  command.option("--long-documents", arguments->masked.long_documents, "As data.long_documents")
      .one_of({"split", "cut", "drop", "refuse"})
      .shows_default();
  command.flag("--json", arguments->json, "Print one JSON object as the last line");
  command.footer(
      "Example:\n  temper inspect models/all-MiniLM-L6-v2 --tensors\n  temper inspect data/train.csv --label intent\n"
      "  temper inspect texts --model models/decoder --max-length 512 --documents paragraph\n"
      "  temper inspect data/train.jsonl --model models/SmolLM2-135M-Instruct --mask\n"
      "  temper inspect data/train --pictures sheet.png --augment examples/chest-xray.toml");
  return {command, [arguments](CommandContext& context) {
            require_needed(*arguments);
            if (arguments->mask) {
              if (context.speaks()) show_mask(*arguments);
              return kExitDone;
            }
            const Json json = inspect_path(*arguments, context.world);
            if (!context.speaks()) return kExitDone;
            if (arguments->json) {
              print_json_line(json.dump());
            } else {
              print_text(json);
            }
            return kExitDone;
          }};
}

}  // namespace temper
