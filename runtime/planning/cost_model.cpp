#include "runtime/planning/cost_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/counted.h"
#include "base/human_numbers.h"
#include "runtime/checkpoints/run_shape.h"
#include "runtime/steps/step_message.h"
#include "tensor/kernels.h"

namespace temper {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

MemoryPlan plan_memory(const StepFacts& facts) {
  const std::int64_t arena = facts.arena_elements * kFloat;
  const std::int64_t ranks_of_node = (facts.ranks + facts.nodes - 1) / facts.nodes;
  MemoryPlan memory;
  memory.process = facts.process_bytes;
  constexpr std::int64_t kNarrow = sizeof(BFloat16);
  memory.parameters = arena + facts.frozen_bytes;
  // Products read those in bf16 as they are, and copies of the others. The ranks of a node share those of the arena.
  if (facts.bf16) {
    memory.parameters += facts.trainable * kNarrow;
    memory.copies = (facts.parameters - facts.trainable - facts.in_bf16) * kNarrow;
  }
  // Of gradients and moments only what is written takes memory.
  const std::int64_t written = (facts.arena_elements - facts.table.elements + facts.table.touched) * kFloat;
  memory.gradients = written * facts.gradient_buffers;
  if (facts.nodes > 1) {
    memory.gradients += written;  // the sums have an array of their own where they come by messages
  } else {
    memory.gradients += written * (ranks_of_node - 1) / facts.ranks;
  }
  const RuleStateFacts& state = facts.rule_state;
  memory.moments = (written * state.arrays + state.sliced * kFloat) / facts.ranks + state.whole * kFloat;
  memory.activations = std::max(facts.activation_bytes, facts.frozen.sample.activation_bytes);
  // A reference is computed before there are gradients and moments.
  const std::int64_t trained =
      memory.parameters + memory.copies + memory.gradients + memory.moments + memory.activations;
  const std::int64_t reference = facts.reference.model_bytes + facts.reference.sample.activation_bytes;
  if (facts.reference.samples > 0.0) memory.activations += std::max<std::int64_t>(0, reference - trained);
  if (facts.frozen.in_memory) memory.frozen = facts.frozen.bytes;
  return memory;
}

TimePlan compute_seconds(const PassDemand& pass, const RankRates& rates) {
  TimePlan time;
  for (const KernelDemand& demand : pass.kernels) {
    const double seconds = static_cast<double>(demand.calls) * call_seconds(rates, demand.kernel, demand.work);
    (is_limited_by_operations(demand.kernel.kind) ? time.products : time.passes) += seconds;
  }
  return time;
}

/// Whose gradients a step has.
std::int64_t summed_elements(const StepFacts& facts) {
  return facts.arena_elements - facts.table.elements + static_cast<std::int64_t>(facts.table.read_a_step);
}

double update_seconds(const StepFacts& facts, const RankRates& rates) {
  const std::int64_t updated = facts.arena_elements - facts.table.elements + facts.table.read;
  const std::int64_t owned = updated / facts.ranks;
  const auto seconds = [&](const KernelId& kernel, const KernelWork& work) {
    return call_seconds(rates, kernel, work);
  };
  double all = seconds(calls::ChunkSquareSums::kKernel, calls::ChunkSquareSums::work_of(owned));
  for (const UpdateCost& cost : facts.rule->cost(owned, facts.bf16)) all += seconds(cost.kernel, cost.work);
  // A rank of several grains adds their gradients; one that is alone still passes over its sums.
  const int grains = (facts.grains + facts.ranks - 1) / facts.ranks;
  all += static_cast<double>(grains - 1) * seconds(calls::Add::kKernel, calls::Add::work_of(summed_elements(facts)));
  return all;
}

/// A sentence if the machine's profile cannot tell of these ranks.
std::string what_is_missing(const StepFacts& facts, const MachineProfile& machine) {
  if (facts.ranks == 1) return "";
  if (facts.nodes > 1 && machine.nodes == 1)
    return "the machine was measured on one node, so the exchange between nodes is not known: run temper bench machine "
           "under mpirun on several";
  const TransferRate& rate = facts.nodes > 1 ? machine.message_exchange : machine.exchange;
  if (!rate.measured())
    return fmt::format(
        "the machine was measured with {} on {}, so the exchange between {} ranks is not known: run mpirun -n {} "
        "temper bench machine",
        counted(machine.ranks, "rank"), counted(machine.nodes, "node"), facts.ranks, facts.ranks);
  return "";
}

/// What is gained in time over so many steps, in per cent of the old one; 0 where times are not known.
double gain(const StepPlan& before, const StepPlan& after, std::int64_t steps) {
  if (!before.seconds || !after.seconds) return 0.0;
  return 100.0 * (1.0 - after.seconds_of(steps) / before.seconds_of(steps));
}

}  // namespace

StepPlan plan_step(const StepFacts& facts, const MachineProfile* machine) {
  StepPlan plan;
  plan.memory = plan_memory(facts);
  const std::int64_t exchanged = summed_elements(facts) * kFloat;
  // Reduce-scatter and all-gather: each moves all but the own share.
  plan.communication_bytes = 2 * exchanged * (facts.ranks - 1) / facts.ranks;
  plan.missing = machine == nullptr ? fmt::format("there is no profile of the machine: run {}temper bench machine",
                                                  facts.ranks > 1 ? fmt::format("mpirun -n {} ", facts.ranks) : "")
                                    : what_is_missing(facts, *machine);
  if (facts.steps.empty()) return plan;

  const auto steps = static_cast<double>(facts.steps.size());
  TimePlan time;
  double imbalance = 0.0;
  const RankRates* rates = machine == nullptr ? nullptr : &machine->rates(facts.ranks > facts.nodes);
  for (const std::vector<PassDemand>& ranks : facts.steps) {
    TimePlan slowest;
    double most = 0.0;
    double all = 0.0;
    for (const PassDemand& pass : ranks) {
      plan.forward_operations += pass.forward_operations / steps;
      plan.backward_operations += pass.backward_operations / steps;
      plan.tokens += static_cast<double>(pass.tokens) / steps;
      const double operations = pass.forward_operations + pass.backward_operations;
      most = std::max(most, operations);
      all += operations;
      if (rates == nullptr) continue;
      const TimePlan mine = compute_seconds(pass, *rates);
      if (mine.total() > slowest.total()) slowest = mine;
    }
    if (all > 0.0) imbalance += most * static_cast<double>(ranks.size()) / all / steps;
    time.products += slowest.products / steps;
    time.passes += slowest.passes / steps;
  }
  plan.imbalance = imbalance;
  if (rates == nullptr || !plan.missing.empty()) return plan;
  time.update = update_seconds(facts, *rates);
  if (facts.ranks > 1) {
    const TransferRate& exchange = facts.nodes > 1 ? machine->message_exchange : machine->exchange;
    time.exchange = exchange.seconds(static_cast<double>(exchanged)) +
                    machine->all_reduce.seconds(static_cast<double>(StepMessage::kBytes));
  }
  plan.seconds = time;
  if (facts.reference.samples > 0.0)
    plan.reference_seconds = facts.reference.samples * compute_seconds(facts.reference.sample, *rates).total();
  if (facts.frozen.sample_rows > 0) {
    const double sample = compute_seconds(facts.frozen.sample, *rates).total();
    plan.frozen_seconds = facts.frozen.samples * sample;
    plan.frozen_row_seconds = sample / static_cast<double>(facts.frozen.sample_rows);
  }
  return plan;
}

std::vector<std::string> advice(const StepFacts& facts, const StepPlan& plan,
                                const std::vector<Alternative>& alternatives, const MachineProfile* machine,
                                std::int64_t memory_of_node) {
  std::vector<std::string> sentences;
  const std::int64_t ranks_of_node = (facts.ranks + facts.nodes - 1) / facts.nodes;
  const std::int64_t needed = plan.memory.of_node(ranks_of_node);
  const bool fits = memory_of_node == 0 || needed < memory_of_node / 10 * 9;
  if (!fits)
    sentences.push_back(fmt::format("{} per node {} {} of {} MiB: it does not fit", counted(ranks_of_node, "rank"),
                                    plural(ranks_of_node, "needs", "need"), mebibytes(needed),
                                    mebibytes(memory_of_node)));
  constexpr double kWorthwhile = 5.0;
  const auto gain_by = [&](const Alternative& other) { return gain(plan, other.plan, facts.phase_steps); };
  std::vector<const Alternative*> faster;
  for (const Alternative& other : alternatives) {
    const std::int64_t saved = plan.memory.total() - other.plan.memory.total();
    if (gain_by(other) >= kWorthwhile) {
      faster.push_back(&other);
    } else if (saved > 0 && (!fits || saved > plan.memory.total() / 5)) {
      const double cost = -gain_by(other);
      sentences.push_back(fmt::format("{}: {} MiB instead of {} MiB per rank{}", other.change,
                                      mebibytes(other.plan.memory.total()), mebibytes(plan.memory.total()),
                                      cost > 0.5 ? fmt::format(", for {:.0f} % more time", cost) : ""));
    }
  }
  std::stable_sort(faster.begin(), faster.end(),
                   [&](const Alternative* a, const Alternative* b) { return gain_by(*a) > gain_by(*b); });
  for (const Alternative* other : faster)
    sentences.push_back(fmt::format("{}: {:.0f} % less time", other->change, gain_by(*other)));
  if (plan.seconds && facts.ranks > 1) {
    const double steps = static_cast<double>(facts.phase_steps);
    const double overhead =
        steps * (plan.seconds->exchange + plan.seconds->update) / plan.seconds_of(facts.phase_steps);
    if (overhead > 0.3)
      sentences.push_back(
          fmt::format("{:.0f} % of the time is exchange and update: a larger train.batch_size spreads it over "
                      "more rows, and fewer ranks would be better used",
                      100.0 * overhead));
  }
  // Ranks without work are no matter of how many rows there are.
  const std::string idle = idle_ranks_note(facts.ranks, facts.grains);
  if (!idle.empty()) sentences.push_back(idle);
  if (idle.empty() && plan.imbalance > 1.15)
    sentences.push_back(
        fmt::format("the rank with the most tokens has {:.0f} % more than the mean: more rows per rank "
                    "(train.batch_size, or fewer ranks) even it out",
                    100.0 * (plan.imbalance - 1.0)));
  if (machine != nullptr && facts.ranks > machine->ranks)
    sentences.push_back(
        fmt::format("the machine was measured with {}, not {}: measure it again for a more precise plan",
                    counted(machine->ranks, "rank"), facts.ranks));
  return sentences;
}

}  // namespace temper
