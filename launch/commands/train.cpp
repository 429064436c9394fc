// temper train: the fine-tune of a configuration file.
#include <sys/ioctl.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launch/commands/command.h"
#include "launch/commands/report.h"
#include "launch/device_choice.h"
#include "launch/signals.h"
#include "runtime/config.h"
#include "runtime/trainer.h"

namespace temper {
namespace {

struct TrainArguments {
  std::string file;
  std::vector<std::string> overrides;
  bool json = false;
  bool fresh = false;
  bool resume = false;
  bool profile = false;
  bool help_config = false;
};

int terminal_columns(int descriptor) {
  winsize size{};
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

nlohmann::json profile_json(const std::vector<KernelTime>& times) {
  nlohmann::json rows = nlohmann::json::array();
  for (const KernelTime& time : times)
    rows.push_back({{"kernel", time.name}, {"calls", time.calls}, {"seconds", time.seconds}});
  return rows;
}

nlohmann::json to_json(const TrainReport& report) {
  return {{"stopped", report.stopped},
          {"already_finished", report.already_finished},
          {"steps", report.steps},
          {"total_steps", report.total_steps},
          {"ranks", report.ranks},
          {"best_step", report.best_step},
          {"best", metrics_json(report.best)},
          {"last", metrics_json(report.last)},
          {"test", metrics_json(report.test)},
          {"examples_per_second", report.examples_per_second},
          {"last_epoch_examples_per_second", report.last_epoch_examples_per_second},
          {"tokens_per_second", report.tokens_per_second},
          {"cache_seconds", report.cache_seconds},
          {"seconds", report.seconds},
          {"seconds_to_first_step", report.seconds_to_first_step},
          {"peak_memory_bytes", report.peak_memory_bytes},
          {"peak_device_memory_bytes", report.peak_device_memory_bytes},
          {"checkpoint", report.checkpoint.string()},
          {"model", report.model.string()}};
}

void print(const TrainReport& report) {
  if (report.already_finished) std::printf("This run was finished before; nothing was trained.\n");
  if (report.stopped)
    std::printf("Stopped by a signal at step %ld of %ld; start it again to go on.\n", report.steps, report.total_steps);
  std::printf("%-12s %ld of %ld on %d rank%s, %.1f s, %.1f examples/s, %.0f tokens/s\n", "steps", report.steps,
              report.total_steps, report.ranks, report.ranks == 1 ? "" : "s", report.seconds,
              report.examples_per_second, report.tokens_per_second);
  if (report.cache_seconds > 0.0)
    std::printf("%-12s frozen layers computed once in %.1f s; last epoch %.1f examples/s\n", "cache",
                report.cache_seconds, report.last_epoch_examples_per_second);
  print_metrics("last", report.last);
  if (report.best_step >= 0) print_metrics("best (step " + std::to_string(report.best_step) + ")", report.best);
  print_metrics("test", report.test);
  std::printf("%-12s %.0f MiB resident, the largest rank\n", "memory",
              static_cast<double>(report.peak_memory_bytes) / (1 << 20));
  if (!report.checkpoint.empty()) std::printf("%-12s %s\n", "checkpoint", report.checkpoint.c_str());
  if (!report.model.empty()) std::printf("%-12s %s\n", "model", report.model.c_str());
}

void print_profile(const std::vector<KernelTime>& times) {
  double all = 0.0;
  for (const KernelTime& time : times) all += time.seconds;
  const auto percent = [&](double seconds) { return all > 0.0 ? 100.0 * seconds / all : 0.0; };
  std::printf("%-26s %10s %12s %9s\n", "kernel", "calls", "seconds", "share");
  for (const KernelTime& time : times)
    std::printf("%-26s %10ld %12.4f %7.1f %%\n", time.name.c_str(), time.calls, time.seconds, percent(time.seconds));
  std::printf("outside matrix products and attention: %.0f %%\n", 100.0 * share_outside_products_and_attention(times));
}

int run(const TrainArguments& arguments, CommandContext& context) {
  if (arguments.help_config) {
    if (context.speaks()) std::fputs(describe_configuration().c_str(), stdout);
    return kExitDone;
  }
  if (arguments.file.empty()) throw usage_error("temper train needs a configuration file; see temper train --help");
  std::vector<std::string> overrides = arguments.overrides;
  if (arguments.fresh) overrides.emplace_back("checkpoint.resume=false");
  if (arguments.resume) overrides.emplace_back("checkpoint.resume=true");
  const Configuration configuration = read_configuration(arguments.file, overrides);
  const std::unique_ptr<Device> device = make_device(configuration.run.device, context.world);
  if (arguments.profile) device->time_kernels();
  TrainOptions options;
  options.stop_requested = stop_signal_received;
  options.terminal = isatty(STDERR_FILENO) == 1;
  options.columns = terminal_columns(STDERR_FILENO);
  options.process_seconds = context.process_seconds;
  const TrainReport report = train(configuration, *device, context.world, options);
  if (context.speaks()) {
    if (arguments.json) {
      nlohmann::json json = to_json(report);
      if (arguments.profile) {
        json["profile"] = profile_json(report.kernel_times);
        json["outside_products_and_attention"] = share_outside_products_and_attention(report.kernel_times);
      }
      print_json(json);
    } else {
      print(report);
      if (arguments.profile) print_profile(report.kernel_times);
    }
  }
  return report.stopped ? kExitStopped : kExitDone;
}

}  // namespace

Command add_train_command(CLI::App& app) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "Fine-tune a model as a configuration file says");
  command->add_option("configuration", arguments->file, "TOML file; see docs/configuration.md or --help-config");
  command->add_option("--set", arguments->overrides, "Override a key: --set train.epochs=1")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--resume", arguments->resume, "Go on from the newest good checkpoint (the default)");
  command->add_flag("--fresh", arguments->fresh, "Start anew even if output.dir holds checkpoints of this run");
  command->add_flag("--json", arguments->json, "Print one JSON object as the last line");
  command->add_flag(
      "--profile", arguments->profile,
      "Print where the time of rank 0 goes, kernel by kernel, from the second step on. Timing waits after "
      "every kernel, so the run is slower than usual");
  command->add_flag("--help-config", arguments->help_config, "List every key of the configuration file");
  command->footer("Example:\n  mpirun -n 2 temper train examples/sentiment.toml --set train.epochs=1 --json");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); },
          /*stops_cleanly=*/true};
}

}  // namespace temper
