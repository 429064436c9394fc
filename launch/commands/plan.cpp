// temper plan: what a run will need, before it is queued.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/counted.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "launch/commands/command.h"
#include "launch/commands/report.h"
#include "launch/device_choice.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/planning/forecast.h"
#include "runtime/planning/machine_bench.h"
#include "runtime/planning/slurm_script.h"

namespace temper {
namespace {

struct PlanArguments {
  std::string file;
  std::vector<std::string> overrides;
  int ranks = 0;
  int nodes = 1;
  std::string machine;
  bool quick = false;
  bool json = false;
  bool sbatch = false;
};

/// What a node needs beside what is planned: evaluation and export, the system's share.
constexpr double kMemoryMargin = 1.25;
constexpr std::int64_t kMemoryMibMore = 256;

/// The job in which Slurm runs what is planned.
SlurmJob slurm_job(const PlanArguments& arguments, const Configuration& configuration, const RunForecast& forecast,
                   const MachineProfile* machine) {
  constexpr std::int64_t kMinutesWherePlanHasNone = 240;
  SlurmJob job;
  job.name = std::filesystem::path(arguments.file).stem().string();
  std::error_code unknown;
  job.folder = std::filesystem::current_path(unknown).string();
  job.nodes = forecast.nodes;
  job.ranks = forecast.ranks;
  const int ranks_of_node = (job.ranks + job.nodes - 1) / job.nodes;
  job.cores_of_rank = machine != nullptr ? machine->threads : default_cpu_threads(ranks_of_node);
  if (configuration.run.threads > 0) job.cores_of_rank = static_cast<int>(configuration.run.threads);
  std::int64_t memory = 0;
  for (const PhaseForecast& phase : forecast.phases)
    memory = std::max(memory, phase.plan.memory.of_node(ranks_of_node) >> 20);
  job.memory_mib_of_node = static_cast<std::int64_t>(kMemoryMargin * static_cast<double>(memory)) + kMemoryMibMore;
  if (configuration.run.max_minutes > 0.0) {
    // The run ends by itself; Slurm's limit stands behind it.
    job.minutes = static_cast<std::int64_t>(std::ceil(configuration.run.max_minutes)) + 5;
    job.remarks.push_back(
        fmt::format("The time limit is run.max_minutes = {} plus 5 minutes.", configuration.run.max_minutes));
  } else if (forecast.seconds > 0.0) {
    job.minutes = slurm_minutes(forecast.seconds);
    job.remarks.push_back(
        fmt::format("The plan is {}; the time limit has a margin, and whatever is left "
                    "continues in the next start.",
                    human_duration(forecast.seconds)));
  } else {
    job.minutes = kMinutesWherePlanHasNone;
    job.remarks.emplace_back(
        "The run time is unknown, since the machine was not measured (temper bench machine); whatever does not fit "
        "into the time limit continues in the next start.");
  }
  job.remarks.push_back(
      fmt::format("Memory: the plan needs {} MiB per node; the limit has a margin, too.", grouped(memory)));
  job.command = {"temper", "train", arguments.file};
  for (const std::string& text : arguments.overrides) job.command.insert(job.command.end(), {"--set", text});
  return job;
}

nlohmann::json to_json(const PhaseForecast& phase) {
  const MemoryPlan& memory = phase.plan.memory;
  nlohmann::json json{{"first_step", phase.begin_step + 1},
                      {"last_step", phase.end_step},
                      {"freeze", phase.freeze},
                      {"parameters", phase.facts.parameters},
                      {"trainable", phase.facts.trainable},
                      {"memory_bytes",
                       {{"process", memory.process},
                        {"parameters", memory.parameters},
                        {"gradients", memory.gradients},
                        {"moments", memory.moments},
                        {"activations", memory.activations},
                        {"copies", memory.copies},
                        {"frozen", memory.frozen},
                        {"total", memory.total()}}},
                      {"forward_operations", phase.plan.forward_operations},
                      {"backward_operations", phase.plan.backward_operations},
                      {"tokens", phase.plan.tokens},
                      {"communication_bytes", phase.plan.communication_bytes},
                      {"imbalance", phase.plan.imbalance},
                      {"step_seconds", nullptr},
                      {"frozen", nullptr},
                      {"reference", nullptr},
                      {"advice", phase.advice}};
  if (phase.plan.seconds) {
    const TimePlan& time = *phase.plan.seconds;
    json["step_seconds"] = {{"products", time.products},
                            {"passes", time.passes},
                            {"exchange", time.exchange},
                            {"update", time.update},
                            {"total", time.total()}};
  }
  if (phase.facts.reference.samples > 0.0) {
    json["reference"] = {{"seconds", nullptr}};
    if (phase.plan.seconds) json["reference"]["seconds"] = phase.plan.reference_seconds;
  }
  if (const FrozenFacts& frozen = phase.facts.frozen; frozen.rows > 0) {
    json["frozen"] = {
        {"rows", frozen.rows}, {"bytes", frozen.bytes}, {"in_memory", frozen.in_memory}, {"seconds", nullptr}};
    if (phase.plan.seconds) json["frozen"]["seconds"] = phase.plan.frozen_seconds;
  }
  return json;
}

nlohmann::json to_json(const RunForecast& forecast) {
  nlohmann::json phases = nlohmann::json::array();
  for (const PhaseForecast& phase : forecast.phases) phases.push_back(to_json(phase));
  nlohmann::json json{{"ranks", forecast.ranks},
                      {"nodes", forecast.nodes},
                      {"precision", forecast.precision},
                      {"train_rows", forecast.train_rows},
                      {"rows_looked_at", forecast.rows_looked_at},
                      {"tokens_a_row", forecast.tokens_a_row},
                      {"longest_micro_batch", forecast.longest_micro_batch},
                      {"total_steps", forecast.total_steps},
                      {"seconds", nullptr},
                      {"disk_bytes", forecast.disk.total()},
                      {"disk_free_bytes", nullptr},
                      {"phases", phases},
                      {"notes", forecast.notes}};
  if (forecast.seconds > 0.0) json["seconds"] = forecast.seconds;
  if (forecast.disk_room >= 0) json["disk_free_bytes"] = forecast.disk_room;
  return json;
}

void print(const PhaseForecast& phase, const RunForecast& forecast) {
  const StepPlan& plan = phase.plan;
  fmt::print("\nsteps {} to {}: training {} of {} parameters\n", phase.begin_step + 1, phase.end_step,
             grouped(phase.facts.trainable), grouped(phase.facts.parameters));
  const FrozenFacts& frozen = phase.facts.frozen;
  fmt::print("{:<15} {} MiB: process {}, parameters {}, gradients {}, moments {}, activations {}{}{}\n",
             "memory per rank", mebibytes(plan.memory.total()), mebibytes(plan.memory.process),
             mebibytes(plan.memory.parameters), mebibytes(plan.memory.gradients), mebibytes(plan.memory.moments),
             mebibytes(plan.memory.activations),
             plan.memory.copies > 0 ? fmt::format(", frozen weights in bf16 {}", mebibytes(plan.memory.copies)) : "",
             frozen.in_memory ? fmt::format(", frozen layers' output {}", mebibytes(plan.memory.frozen)) : "");
  if (frozen.rows > 0)
    fmt::print("{:<15} computed once for {}, {} MiB {}{}\n", "frozen layers", grouped(frozen.rows, "row"),
               mebibytes(frozen.bytes), frozen.in_memory ? "in memory" : "in a file",
               plan.seconds ? ": " + human_duration(plan.frozen_seconds) : "");
  if (plan.reference_seconds > 0.0)
    fmt::print("{:<15} what the model makes of all pairs before it is trained: {}\n", "reference",
               human_duration(plan.reference_seconds));
  const std::string read = forecast.of_images && forecast.tokens_a_row > 0.0
                               ? grouped(std::llround(plan.tokens / forecast.tokens_a_row), "picture")
                               : fmt::format("{:.0f} tokens", plan.tokens);
  fmt::print("{:<15} {} GFLOP forward, {} backward; {}\n", "per step", significant(1e-9 * plan.forward_operations, 3),
             significant(1e-9 * plan.backward_operations, 3), read);
  if (phase.facts.ranks > 1)
    fmt::print("{:<15} {} MiB per rank and step\n", "communication", mebibytes(plan.communication_bytes));
  if (plan.seconds) {
    const auto ms = [](double seconds) { return significant(1e3 * seconds, 3); };
    fmt::print("{:<15} {} ms: products and attention {}, other kernels {}, exchange {}, update {}\n", "time per step",
               ms(plan.seconds->total()), ms(plan.seconds->products), ms(plan.seconds->passes),
               ms(plan.seconds->exchange), ms(plan.seconds->update));
  }
  for (const std::string& sentence : phase.advice) fmt::print("{:<15} {}\n", "what helps", sentence);
}

void print(const RunForecast& forecast) {
  const std::string rows = forecast.of_images ? grouped(forecast.train_rows, "picture")
                                              : fmt::format("{} of {:.1f} tokens", grouped(forecast.train_rows, "row"),
                                                            forecast.tokens_a_row);
  fmt::print("{} on {}, {}; {}, {}\n", counted(forecast.ranks, "rank"), counted(forecast.nodes, "node"),
             forecast.precision, rows, grouped(forecast.total_steps, "step"));
  for (const PhaseForecast& phase : forecast.phases) print(phase, forecast);
  const DiskNeed& disk = forecast.disk;
  fmt::print("\n{:<15} up to {} MiB: {} of {} MiB, model {} MiB{}\n", "disk", mebibytes(disk.total()),
             counted(disk.checkpoints, "checkpoint"), mebibytes(disk.checkpoint), mebibytes(disk.model),
             forecast.disk_room >= 0 ? fmt::format("; {} MiB are free", whole_mebibytes(forecast.disk_room)) : "");
  if (forecast.seconds > 0.0)
    fmt::print("{:<15} {}, evaluations ({}) included\n", "in all", human_duration(forecast.seconds),
               human_duration(forecast.evaluation_seconds));
  for (const std::string& note : forecast.notes) fmt::print("note: {}\n", note);
}

int run(const PlanArguments& arguments, CommandContext& context) {
  if (arguments.sbatch && arguments.json)
    throw usage_error("--sbatch prints a script and --json an object; give one of them");
  Configuration configuration = read_configuration(arguments.file, arguments.overrides);
  resolve_data_format(configuration);
  const int ranks = arguments.ranks > 0 ? arguments.ranks : context.world.size();
  if (arguments.nodes > ranks)
    throw usage_error("--nodes is {}, but there {} {}", arguments.nodes, plural(ranks, "is", "are"),
                      counted(ranks, "rank"));
  std::optional<MachineProfile> machine =
      arguments.machine.empty() ? find_machine_profile() : std::optional(read_machine_profile(arguments.machine));
  const bool measures = !machine && arguments.quick;
  if (measures) {
    const std::unique_ptr<Device> device = make_device(configuration.run.device, context.world);
    machine = measure_machine(*device, context.world,
                              {.quick = true, .folder = {}, .process_seconds = context.process_seconds});
  }
  if (!context.speaks()) return kExitDone;
  RunForecast forecast = forecast_run(configuration, ranks, arguments.nodes, machine ? &*machine : nullptr);
  if (measures)
    forecast.notes.emplace_back("the machine was measured for only 2 s; temper bench machine is more precise");
  if (arguments.sbatch) {
    std::fputs(slurm_script(slurm_job(arguments, configuration, forecast, machine ? &*machine : nullptr)).c_str(),
               stdout);
  } else if (arguments.json) {
    print_json(to_json(forecast));
  } else {
    print(forecast);
  }
  return kExitDone;
}

}  // namespace

Command add_plan_command(const CommandLine& program) {
  auto arguments = std::make_shared<PlanArguments>();
  const CommandLine command = program.command("plan", "Estimate memory, time and communication of a run");
  command.option("configuration", arguments->file, "TOML file, as for temper train").required();
  command.repeated("--set", arguments->overrides, "Override a key: --set train.batch_size=64").value_name("KEY=VALUE");
  command.option("--ranks", arguments->ranks, "Ranks of the run; default: the ranks of this command")
      .within(1, 1 << 16);
  command.option("--nodes", arguments->nodes, "Nodes that the ranks are spread over")
      .within(1, 1 << 16)
      .shows_default();
  command.option("--machine", arguments->machine,
                 "Profile written by temper bench machine; default: its standard location");
  command.flag("--quick", arguments->quick, "If the machine was never measured, measure it for 2 s");
  command.flag("--sbatch", arguments->sbatch, "Print the job script for Slurm instead of the plan");
  command.flag("--json", arguments->json, "Print one JSON object as the last line");
  command.footer(
      "Example:\n  temper plan run.toml --ranks 8 --set train.batch_size=64\n  temper plan run.toml --ranks 16 "
      "--nodes 2 --sbatch > job.sh && sbatch job.sh");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }};
}

}  // namespace temper
