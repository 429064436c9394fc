// temper bench machine: what this machine can do, for profiles and plans.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "launch/commands/command.h"
#include "launch/device_choice.h"
#include "runtime/planning/machine_bench.h"

namespace temper {
namespace {

struct BenchArguments {
  std::string output;
  std::string folder = ".";
  std::string device = "auto";
  bool quick = false;
};

void print(const MachineProfile& profile) {
  const auto giga = [](double rate) { return fmt::format("{:.1f}", 1e-9 * rate); };
  const auto row = [&](const char* title, const RankRates& rates) {
    fmt::print("{:<22} {:>8} GFLOP/s f32, {:>8} GFLOP/s bf16, {:>6} GB/s of memory\n", title, giga(rates.operations),
               rates.bf16_operations > 0.0 ? giga(rates.bf16_operations) : "-", giga(rates.memory_bytes));
  };
  fmt::print("{} of {} on {}, {}{}\n", counted(profile.ranks, "rank"), counted(profile.threads, "thread"),
             counted(profile.nodes, "node"), profile.device,
             profile.instruction_set.empty() ? "" : " with " + profile.instruction_set);
  row("a rank alone", profile.alone);
  if (profile.ranks > 1) row("a rank beside others", profile.together);
  const auto transfer = [&](const char* title, const TransferRate& rate) {
    if (!rate.measured()) return;
    fmt::print("{:<22} {:>8.1f} us, {:>8} GB/s\n", title, 1e6 * rate.latency_seconds, giga(rate.bytes_per_second));
  };
  transfer("all-reduce of a step", profile.all_reduce);
  transfer("exchange in a node", profile.exchange);
  transfer(profile.nodes > 1 ? "exchange of nodes" : "exchange by messages", profile.message_exchange);
  if (profile.disk_bytes_per_second > 0.0)
    fmt::print("{:<22} {:>8} GB/s\n", "disk", giga(profile.disk_bytes_per_second));
  fmt::print("{:<22} {:>8.2f} s, {} MiB resident\n", "start", profile.start_seconds, profile.resident_bytes >> 20);
}

int run(const BenchArguments& arguments, CommandContext& context) {
  const std::unique_ptr<Device> device = make_device(arguments.device, context.world);
  MachineBenchOptions options;
  options.quick = arguments.quick;
  options.folder = arguments.folder;
  options.process_seconds = context.process_seconds;
  const MachineProfile profile = measure_machine(*device, context.world, options);
  if (!context.speaks()) return kExitDone;
  const std::filesystem::path file =
      arguments.output.empty() ? default_machine_profile_path() : std::filesystem::path(arguments.output);
  std::error_code status;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), status);
  if (status)
    throw Error("{}: the folder cannot be made: {}; choose another file with --output", file.parent_path().string(),
                status.message());
  write_file_atomically(file, to_json(profile));
  print(profile);
  fmt::print("{:<22} {}\n", "written", file.string());
  if (const std::string note = busy_note(profile); !note.empty()) fmt::print("note: {}\n", note);
  return kExitDone;
}

}  // namespace

Command add_bench_command(const CommandLine& program) {
  auto arguments = std::make_shared<BenchArguments>();
  const CommandLine command = program.command("bench", "Measure a machine");
  command.requires_command();
  const CommandLine machine = command.command(
      "machine",
      "Measure kernels, memory, the exchange between ranks and the disk, in 10 to 20 s; for temper plan and "
      "temper train --profile. Start it the way the run will be started, with as many ranks per node");
  machine.option("--output", arguments->output,
                 "File to write; default: $TEMPER_MACHINE_PROFILE, else temper/machine.json in $XDG_CONFIG_HOME or "
                 "~/.config");
  machine.option("--folder", arguments->folder, "Folder in which disk writes are measured").shows_default();
  machine.option("--device", arguments->device, "auto, cpu or cuda").one_of({"auto", "cpu", "cuda"}).shows_default();
  machine.flag("--quick", arguments->quick, "Fewer shapes, measured once: about 2 s");
  for (const CommandLine& one : {command, machine})
    one.footer("Example:\n  mpirun -n 2 temper bench machine --output machine.json");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }};
}

}  // namespace temper
