// temper explain: what of a picture a model goes by, as pictures.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/human_numbers.h"
#include "data/images/picture_table.h"
#include "data/pictures/png_writer.h"
#include "data/tables/table_reader.h"
#include "launch/commands/adapter_option.h"
#include "launch/commands/command.h"
#include "launch/commands/line_output.h"
#include "launch/commands/report.h"
#include "launch/commands/table_options.h"
#include "launch/device_choice.h"
#include "launch/signals.h"
#include "runtime/environment/host_agreement.h"
#include "runtime/environment/node_cores.h"
#include "runtime/explaining/explanation.h"
#include "runtime/explaining/overlay.h"
#include "runtime/inputs/picture_agreement.h"
#include "runtime/tasks/prediction_json.h"

namespace temper {
namespace {

struct ExplainArguments {
  std::string model;
  std::vector<std::string> adapters;
  std::vector<std::string> pictures;
  std::string output;
  std::string label;  ///< empty: the most probable one
  TableRequests requests;
  double share = 0.2;
  std::string device = "auto";
  int threads = 0;
  bool json = false;
};

/// Makes the folder. Throws a usage Error where it is something else.
void make_output_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  if (std::filesystem::exists(folder, failed) && !std::filesystem::is_directory(folder, failed))
    throw usage_error("{}: is a file, but overlays go into a folder; name another one with -o", folder.string());
  std::filesystem::create_directories(folder, failed);
  if (failed) throw Error("{}: the folder cannot be made: {}", folder.string(), failed.message());
}

/// "scan-explained.png". Where several pictures have a name, each has its folder before it, "ill-scan-explained.png",
/// and where that does not tell them apart, a number: "ill-scan-2-explained.png".
class OverlayNames {
 public:
  /// `column`: of the paths.
  OverlayNames(std::filesystem::path folder, const TableSource& table, std::size_t column)
      : folder_(std::move(folder)) {
    table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
      for (std::size_t row = 0; row < chunk.rows.size(); ++row)
        ++pictures_[picture_path(chunk, row, chunk.rows[row][column]).stem().string()];
      return true;
    });
  }

  std::filesystem::path next(const std::filesystem::path& picture) {
    std::string name = picture.stem().string();
    const std::string folder = picture.parent_path().filename().string();
    if (pictures_[name] > 1 && !folder.empty() && folder != "." && folder != "..") name.insert(0, folder + "-");
    std::string free = name;
    for (std::int64_t number = 2; !taken_.insert(free).second; ++number) free = fmt::format("{}-{}", name, number);
    return folder_ / (free + "-explained.png");
  }

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::int64_t> pictures_;  ///< by their names without endings
  std::set<std::string> taken_;
};

/// What the probability becomes: "0.973 -> 0.994".
std::string change(double before, double fall) {
  // Never "-0.000".
  return fmt::format("{:.3f} -> {:.3f}", before, std::max(0.0, before - fall));
}

/// Why a map is empty.
std::string_view words_of_empty(ExplanationMethod method) {
  return method == ExplanationMethod::grad_cam ? "nothing speaks for this class" : "no place counts more than others";
}

/// Beneath the map. Words of 320 pixels hold some 28 characters.
std::vector<std::string> map_words(const Explanation& made) {
  std::vector<std::string> words{std::string(name_of(made.method))};
  if (made.map.is_empty()) {
    words.emplace_back(words_of_empty(made.method));
    return words;
  }
  words.push_back(fmt::format("bright: most, {} x the mean", significant(made.map.largest() / made.map.mean(), 3)));
  if (made.fidelity.share == 0.0) return words;
  words.push_back(fmt::format("erased {} %: {}", significant(100.0 * made.fidelity.share, 2),
                              change(made.probability, made.fidelity.marked)));
  words.push_back(fmt::format("at random: {}", change(made.probability, made.fidelity.random)));
  return words;
}

/// The same as a line.
std::string map_sentence(const Explanation& made) {
  if (made.map.is_empty()) return std::string(words_of_empty(made.method));
  if (made.fidelity.share == 0.0) return "nothing erased";
  return fmt::format("probability {} without the most marked {} %, {} without as much at random",
                     change(made.probability, made.fidelity.marked), significant(100.0 * made.fidelity.share, 2),
                     change(made.probability, made.fidelity.random));
}

/// One picture: its overlay is written, and a line of text or JSON is what there is to say.
std::string explain_picture(FittedModel& fitted, Device& device, const ImageSource& images, std::int64_t row,
                            const std::string& listed, const std::filesystem::path& overlay,
                            const ExplainArguments& arguments, const ImageProcessor& processor) {
  std::optional<std::int64_t> label;
  if (!arguments.label.empty()) label = explained_label(fitted.labels(), arguments.label);
  const Batch batch = images.read(std::vector<std::int64_t>{row}, kEvaluationEpoch);
  const Explanation made = explain_image(fitted, device, batch, label, arguments.share);
  const std::string& name = fitted.labels().name(static_cast<std::int32_t>(made.label));
  write_png(overlay, overlay_sheet(*images.picture(row), made.map, processor,
                                   {std::filesystem::path(listed).filename().string(),
                                    fmt::format("{}: {:.3f}", name, made.probability)},
                                   map_words(made)));
  if (arguments.json)
    return json_line({{"image", listed},
                      {"label", name},
                      {"probability", rounded_to_six_digits(made.probability)},
                      {"method", key_of(made.method)},
                      {"fidelity", rounded_to_six_digits(made.fidelity.marked)},
                      {"random_fidelity", rounded_to_six_digits(made.fidelity.random)},
                      {"erased", rounded_to_six_digits(made.fidelity.share)},
                      {"overlay", overlay.string()}});
  return fmt::format("{}: {} {:.3f} ({}); {}; {}\n", listed, name, made.probability, name_of(made.method),
                     map_sentence(made), overlay.string());
}

/// Nothing where the picture can be read.
std::optional<std::string> why_unreadable(const ImageSource& images, std::int64_t row) {
  try {
    (void)images.picture(row);
    return std::nullopt;
  } catch (const Error& error) {
    return error.what();
  }
}

int run(const ExplainArguments& arguments, CommandContext& context) {
  Communicator& world = context.world;
  const std::unique_ptr<Device> device = make_device(arguments.device, world);
  const int threads = arguments.threads > 0 ? arguments.threads : default_threads(world);
  set_cpu_threads(threads);
  const ModelChoice choice = choose_model(arguments.model, arguments.adapters);
  std::vector<std::filesystem::path> read = adapter_files(choice);
  const std::vector<std::filesystem::path> files = picture_table_files(arguments.pictures);
  read.insert(read.end(), files.begin(), files.end());
  HostAgreement hosts(world, input_files(choice.model, read), device->arithmetic());
  FittedModel fitted(choice, *device, &world);
  require_explainable(fitted, arguments.model);
  if (!arguments.label.empty()) (void)explained_label(fitted.labels(), arguments.label);
  if (context.speaks()) print_notes(fitted.notes());
  const std::unique_ptr<TableSource> table =
      open_rows(arguments.pictures, arguments.requests, fitted.trained(), fitted.task(), TextUnit::line, world);
  const TableUse use = resolve(arguments.requests, fitted.trained(), fitted.task(), fitted.positions(), table->head(),
                               /*labelled=*/false, [&](const std::string& line) { print_note(context, line); });
  hosts.finish();
  make_output_folder(arguments.output);

  constexpr std::int64_t kRowsAtATime = 64;
  LineOutput output("");
  OverlayNames names(arguments.output, *table, column_index(table->head(), use.text));
  ImageReading reading = fitted.image_reading(use, threads, PictureView::whole);
  reading.skips_unreadable = false;
  std::int64_t explained = 0;
  std::int64_t looked_at = 0;
  std::vector<std::string> mine_skipped;
  std::string fault;
  bool stopped = false;
  table->read(kRowsAtATime, [&](Table& chunk, std::int64_t) {
    const auto count = static_cast<std::int64_t>(chunk.rows.size());
    const std::size_t column = column_index(chunk, use.text);
    ImageRows rows;
    std::vector<std::filesystem::path> overlays;
    for (std::size_t row = 0; row < chunk.rows.size(); ++row) {
      rows.files.push_back(picture_path(chunk, row, chunk.rows[row][column]).string());
      if (!chunk.of_pictures) {
        rows.list_of.push_back(chunk.file_of.empty() ? 0 : chunk.file_of[row]);
        rows.lines.push_back(static_cast<std::uint32_t>(chunk.lines[row]));
      }
      overlays.push_back(names.next(rows.files.back()));
    }
    if (!chunk.of_pictures) rows.lists = chunk.files.empty() ? std::vector{chunk.path} : chunk.files;
    // Each picture is needed twice.
    reading.cache = std::make_shared<PictureCache>(PictureCacheSettings{std::int64_t{256} << 20});
    const ImageSource images(std::move(rows), reading);
    std::string mine;
    std::string my_fault;
    const std::int64_t end = count * (world.rank() + 1) / world.size();
    for (std::int64_t row = count * world.rank() / world.size();
         row < end && my_fault.empty() && !stop_signal_received(); ++row) {
      const std::optional<std::string> unreadable = why_unreadable(images, row);
      if (!unreadable)
        mine += explain_picture(fitted, *device, images, row, chunk.rows[static_cast<std::size_t>(row)][column],
                                overlays[static_cast<std::size_t>(row)], arguments, reading.processor);
      else if (use.skip_unreadable)
        mine_skipped.push_back(*unreadable);
      else
        my_fault = *unreadable;
    }
    looked_at += count;
    const auto texts = world.all_gather_variable(std::as_bytes(std::span(mine)));
    const auto faults = world.all_gather_variable(std::as_bytes(std::span(my_fault)));
    for (std::size_t rank = 0; rank < texts.size() && fault.empty(); ++rank) {
      const std::string_view text(reinterpret_cast<const char*>(texts[rank].data()), texts[rank].size());
      explained += std::count(text.begin(), text.end(), '\n');
      if (context.speaks()) output.append(text);
      fault.assign(reinterpret_cast<const char*>(faults[rank].data()), faults[rank].size());
    }
    std::vector<std::int64_t> stop{stop_signal_received() ? 1 : 0};
    world.all_reduce(std::span(stop), Reduction::max);
    stopped = stop.front() != 0;
    return !stopped && fault.empty();
  });
  if (!fault.empty()) throw Error("{}; --skip-unreadable leaves such pictures out", fault);
  std::vector<std::int64_t> skipped{static_cast<std::int64_t>(mine_skipped.size())};
  world.all_reduce(std::span(skipped), Reduction::sum);
  print_skipped(context, sentences_of_all(mine_skipped, world), skipped.front(), looked_at);
  if (stopped) {
    if (context.speaks()) print_note(context, output.stop("the explanations", explained, table->rows(), "picture"));
    return kExitStopped;
  }
  if (context.speaks()) output.finish("the explanations");
  return kExitDone;
}

}  // namespace

Command add_explain_command(const CommandLine& program) {
  auto arguments = std::make_shared<ExplainArguments>();
  const CommandLine command =
      program.command("explain", "Show what of pictures a fine-tuned model of images goes by, as pictures");
  command.option("model", arguments->model, "Folder of a fine-tuned model of images, or of an adapter").required();
  add_adapter_option(command, arguments->adapters);
  command.words("pictures", arguments->pictures, "Pictures; or a folder of them, or a table that lists them")
      .required();
  command.option("-o,--output", arguments->output, "Folder for the overlays, PNG files; made where it is absent")
      .required();
  command.option("--class", arguments->label, "Class or label to explain; default: the most probable one");
  command
      .option("--erase", arguments->share,
              "Share of the pixels, the most marked, that are erased to see how the probability falls")
      .shows_default()
      .between(0.0, 1.0);
  command.option("--text", arguments->requests.text, "Of a table: the column of the path of a picture");
  add_picture_options(command, arguments->requests.pictures);
  add_skip_option(command, arguments->requests.pictures);
  command.option("--threads", arguments->threads, "Threads per rank; 0: the cores it may use");
  command.option("--device", arguments->device, "auto, cpu or cuda").one_of({"auto", "cpu", "cuda"}).shows_default();
  command.flag("--json", arguments->json, "Print one JSON object per picture");
  command.footer(
      "Convolutional nets and Swin are explained by Grad-CAM, for a class; ViT, DeiT and DINOv2 by attention rollout, "
      "which is the same for all classes.\n\nExample:\n  temper explain runs/chest-xray/model scans/*.png -o "
      "explained --class pneumonia");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }, /*stops_cleanly=*/true};
}

}  // namespace temper
