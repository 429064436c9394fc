// temper train: the fine-tune of a configuration file.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/counted.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "launch/commands/command.h"
#include "launch/commands/profile_report.h"
#include "launch/commands/rate_probe_report.h"
#include "launch/commands/report.h"
#include "launch/commands/table_options.h"
#include "launch/device_choice.h"
#include "launch/scheduler_job.h"
#include "launch/signals.h"
#include "launch/slurm_end.h"
#include "runtime/config/config.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/rate_probe.h"
#include "runtime/tasks/task.h"
#include "runtime/trainer.h"

namespace temper {
namespace {

constexpr const char* kDefaultFile = "output.dir";

/// Of a rank: 24 MiB.
constexpr std::size_t kMostSpans = std::size_t{1} << 19;

struct TrainArguments {
  std::string file;
  std::vector<std::string> overrides;
  bool json = false;
  bool fresh = false;
  bool resume = false;
  std::string profile;  ///< empty: none; kDefaultFile: in output.dir
  std::int64_t profile_steps = 20;
  bool help_config = false;
  bool probe_rate = false;
  ProbeRequest probe;
};

int terminal_columns(int descriptor) {
  winsize size{};
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

nlohmann::json to_json(const TrainReport& report) {
  nlohmann::json sets = nlohmann::json::object();
  for (const auto& [name, metrics] : report.sets) sets[name] = metrics_json(metrics);
  return {{"stopped", report.stopped},
          {"stopped_in_time", report.stopped_in_time},
          {"already_finished", report.already_finished},
          {"steps", report.steps},
          {"total_steps", report.total_steps},
          {"ranks", report.ranks},
          {"best_step", report.best_step},
          {"best", metrics_json(report.best)},
          {"last", metrics_json(report.last)},
          {"test", metrics_json(report.test)},
          {"sets", sets},
          {"calibration", calibration_json(report.calibration)},
          {"examples_per_second", report.examples_per_second},
          {"last_epoch_examples_per_second", report.last_epoch_examples_per_second},
          {"tokens_per_second", report.tokens_per_second},
          {"cache_seconds", report.cache_seconds},
          {"seconds", report.seconds},
          {"seconds_to_first_step", report.seconds_to_first_step},
          {"peak_memory_bytes", report.peak_memory_bytes},
          {"peak_device_memory_bytes", report.peak_device_memory_bytes},
          {"proportional_memory_bytes", report.proportional_memory_bytes},
          {"checkpoint", report.checkpoint.string()},
          {"model", report.model.string()}};
}

void print_memory(const TrainReport& report) {
  const auto mebibytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::printf("%-12s %.0f MiB resident, the largest rank", "memory", mebibytes(report.peak_memory_bytes));
  if (report.ranks > 1 && report.proportional_memory_bytes > 0)
    std::printf("; %.0f MiB where ranks share it only once", mebibytes(report.proportional_memory_bytes));
  std::printf("\n");
}

/// `of_images`: examples are these, and tokens say nothing to a person.
void print(const TrainReport& report, bool of_images) {
  if (report.already_finished) std::printf("This run was finished before; nothing was trained.\n");
  if (report.stopped)
    fmt::print("Stopped {} at step {} of {}; start it again to resume.\n",
               report.stopped_in_time ? "before its time is up" : "by a signal", grouped(report.steps),
               grouped(report.total_steps));
  const std::string speed = of_images
                                ? fmt::format("{} images/s", significant(report.examples_per_second, 3))
                                : fmt::format("{} examples/s, {} tokens/s", significant(report.examples_per_second, 3),
                                              significant(report.tokens_per_second, 3));
  fmt::print("{:<12} {} of {} on {}, {:.1f} s, {}\n", "steps", grouped(report.steps), grouped(report.total_steps),
             counted(report.ranks, "rank"), report.seconds, speed);
  if (report.cache_seconds > 0.0)
    fmt::print("{:<12} frozen layers computed once in {:.1f} s; last epoch {} {}/s\n", "cache", report.cache_seconds,
               significant(report.last_epoch_examples_per_second, 3), of_images ? "images" : "examples");
  print_metrics("last", report.last);
  if (report.best_step >= 0) print_metrics("best (step " + std::to_string(report.best_step) + ")", report.best);
  for (const auto& [name, metrics] : report.sets) print_metrics(name, metrics);
  print_metrics("test", report.test);
  print_thresholds(report.test.classes.size() == 1 ? report.test.classes.front().label : "",
                   report.calibration ? &*report.calibration : nullptr);
  if (report.peak_memory_bytes > 0) print_memory(report);
  if (!report.checkpoint.empty()) std::printf("%-12s %s\n", "checkpoint", report.checkpoint.c_str());
  if (report.model.empty()) return;
  std::printf("%-12s %s\n", "model", report.model.c_str());
  const std::filesystem::path figures = report.model.parent_path() / "figures";
  std::error_code absent;
  if (std::filesystem::is_directory(figures, absent)) std::printf("%-12s %s\n", "figures", figures.c_str());
}

/// The machine's profile, if it was measured on this kind of device.
std::optional<MachineProfile> machine_of(const Device& device) {
  std::optional<MachineProfile> machine = find_machine_profile();
  if (machine && machine->device != device.name()) machine.reset();
  return machine;
}

/// Throws a usage Error for options that mean nothing beside each other.
void require_possible_probe(const TrainArguments& arguments) {
  const ProbeRequest& probe = arguments.probe;
  if (!arguments.probe_rate) {
    const char* given = !probe.rates.empty() ? "--probe-rates" : probe.count ? "--probe-count" : "--probe-steps";
    if (!probe.rates.empty() || probe.count || probe.steps)
      throw usage_error("{} says how rates are tried, and without --probe-rate none are; add that, or leave it out",
                        given);
    return;
  }
  const char* other = arguments.resume ? "--resume" : arguments.fresh ? "--fresh" : "--profile";
  if (arguments.resume || arguments.fresh || !arguments.profile.empty())
    throw usage_error(
        "--probe-rate tries rates from the beginning of a run and leaves checkpoints alone, so {} means nothing beside "
        "it; leave it out",
        other);
}

Configuration configuration_of(const TrainArguments& arguments) {
  if (arguments.fresh && arguments.resume)
    throw usage_error("--fresh starts anew and --resume goes on from a checkpoint; give one of them");
  require_possible_probe(arguments);
  std::vector<std::string> overrides = arguments.overrides;
  if (arguments.fresh) overrides.emplace_back("checkpoint.resume=false");
  if (arguments.resume) overrides.emplace_back("checkpoint.resume=true");
  Configuration configuration = read_configuration(arguments.file, overrides);
  resolve_data_format(configuration);
  return configuration;
}

std::optional<double> wait_limit(const TrainArguments& arguments) {
  if (arguments.help_config || arguments.file.empty()) return std::nullopt;
  try {
    return configuration_of(arguments).run.timeout_seconds;
  } catch (const Error&) {
    // It is read again, and told by one rank, when the ranks know each other.
    return std::nullopt;
  }
}

int probe(const TrainArguments& arguments, const Configuration& configuration, Device& device, CommandContext& context,
          const TrainOptions& options) {
  const ProbeReport report = probe_rates(configuration, arguments.probe, device, context.world, options);
  if (context.speaks()) {
    if (report.stopped) {
      fmt::print(stderr, "Stopped by a signal with {} tried; nothing was written.\n",
                 counted(report.curve.rates.size(), "rate"));
    } else if (arguments.json) {
      print_json_line(rate_probe_json(report, configuration));
    } else {
      fmt::print("{}", rate_probe_text(report, configuration, arguments.file));
    }
  }
  return report.stopped ? kExitStopped : kExitDone;
}

int run(const TrainArguments& arguments, CommandContext& context) {
  if (arguments.help_config) {
    if (context.speaks()) std::fputs(describe_configuration().c_str(), stdout);
    return kExitDone;
  }
  if (arguments.file.empty()) throw usage_error("temper train needs a configuration file; see temper train --help");
  const Configuration configuration = configuration_of(arguments);
  const std::unique_ptr<Device> device = make_device(configuration.run.device, context.world);
  const bool profiles = !arguments.profile.empty();
  Timeline timeline(kMostSpans);
  TrainOptions options;
  if (profiles) {
    device->time_kernels(&timeline);
    options.profile = {arguments.profile == kDefaultFile ? "" : arguments.profile, arguments.profile_steps, &timeline};
  }
  options.stop_requested = stop_signal_received;
  options.terminal = isatty(STDERR_FILENO) == 1;
  options.columns = terminal_columns(STDERR_FILENO);
  options.process_seconds = context.process_seconds;
  options.job = scheduler_job();
  if (const std::string strange = strange_end_note(); context.speaks() && !strange.empty())
    print_note(context, strange);
  // That one rank's time is up is enough for all.
  if (context.speaks())
    if (const auto end = ask_slurm_for_end(options.job, [&](const std::string& line) { print_note(context, line); }))
      options.job.end = end;
  if (arguments.probe_rate) return probe(arguments, configuration, *device, context, options);
  // A damaged profile of the machine is refused now, not behind a run.
  const std::optional<MachineProfile> machine = profiles ? machine_of(*device) : std::nullopt;
  const TrainReport report = train(configuration, *device, context.world, options);
  // The roof over this rank's kernels.
  std::optional<RankRates> rates;
  const bool other_threads = machine && device->kind() == DeviceKind::cpu && machine->threads != cpu_threads();
  if (machine) rates = machine->rates(context.world.topology().local_size > 1);
  if (other_threads) rates = with_threads(*machine, context.world.topology().local_size > 1, cpu_threads());
  if (context.speaks()) {
    if (arguments.json) {
      nlohmann::json json = to_json(report);
      if (profiles) {
        json["profile"] = profile_json(report.kernel_times, rates);
        json["trace"] = report.trace.file.string();
        json["traced_steps"] = {report.trace.first_step, report.trace.last_step};
        json["outside_products_and_attention"] = share_outside_products_and_attention(report.kernel_times);
      }
      print_json(json);
    } else {
      print(report, is_of_images(task_named(configuration.model.task).head));
      if (profiles) {
        if (!report.trace.file.empty())
          std::printf("%-12s %s, steps %ld to %ld of all ranks, for ui.perfetto.dev or chrome://tracing\n", "trace",
                      report.trace.file.c_str(), report.trace.first_step, report.trace.last_step);
        print_profile(report.kernel_times, rates);
        if (other_threads)
          fmt::print(
              "The machine was measured with {}, but this run has {}: the roof for operations is scaled in proportion, "
              "the "
              "one for memory is used as measured. Start temper bench machine the way the run is started to be "
              "exact.\n",
              counted(machine->threads, "thread"), counted(cpu_threads(), "thread"));
      }
    }
  }
  return report.stopped ? kExitStopped : kExitDone;
}

}  // namespace

Command add_train_command(const CommandLine& program) {
  auto arguments = std::make_shared<TrainArguments>();
  const CommandLine command = program.command("train", "Fine-tune a model according to a configuration file");
  command.option("configuration", arguments->file, "TOML file; see docs/configuration.md or --help-config");
  command.repeated("--set", arguments->overrides, "Override a key: --set train.epochs=1").value_name("KEY=VALUE");
  command.flag("--resume", arguments->resume, "Resume from the newest good checkpoint (the default)");
  command.flag("--fresh", arguments->fresh, "Start from scratch even if output.dir has checkpoints of this run");
  command.flag("--json", arguments->json, "Print one JSON object as the last line");
  command.flag_with_text(
      "--profile", kDefaultFile, arguments->profile,
      "Print the time that rank 0 spends in each kernel, from the second step on, and write a trace of all ranks: to "
      "FILE with --profile=FILE, else to <output.dir>/profile.json. Profiling waits for every kernel, so the run is "
      "slower than usual");
  command.option("--profile-steps", arguments->profile_steps, "Number of steps in the trace, from the second one on")
      .within(1, std::numeric_limits<std::int64_t>::max())
      .shows_default();
  command.flag("--probe-rate", arguments->probe_rate,
               "Instead of training: try learning rates for a few steps each, all from the same start, and recommend "
               "one; writes rate-probe.svg and rate-probe.json to output.dir (docs/tuning.md)");
  command
      .option("--probe-rates", arguments->probe.rates,
              "Rates to try: 1e-5,3e-5,1e-4 or a range 1e-5..1e-2 (default: depends on what is trained)")
      .value_name("RATES");
  command.option("--probe-count", arguments->probe.count, "How many rates of a range (default: 7)").within(2, 64);
  command.option("--probe-steps", arguments->probe.steps, "Steps of each rate (default: 20, for adapters 40)")
      .within(1, 1'000'000);
  command.flag("--help-config", arguments->help_config, "List every key of the configuration file");
  command.footer("Example:\n  mpirun -n 2 temper train examples/sentiment.toml --set train.epochs=1 --json");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); },
          /*stops_cleanly=*/true, /*needs_ranks=*/true, [arguments] { return wait_limit(*arguments); }};
}

}  // namespace temper
