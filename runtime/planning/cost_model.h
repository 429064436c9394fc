// Estimates what a run will need before it is queued: memory per rank, operations and communication per step and, with
// the rates of a measured machine, the time per step and in all. Pure functions of what a dry run has counted.
//
// Note: on CPUs the processor that computes also moves the gradients, so no part of an exchange overlaps with the
// backward pass; its measured time is added in full.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/planning/dry_run.h"
#include "runtime/planning/machine_profile.h"
#include "runtime/updates/update_rule.h"

namespace temper {

/// What the frozen part gives for each row, where it is computed once.
struct FrozenFacts {
  bool training = false;    ///< the training rows are among them, so that steps do without
  bool validation = false;  ///< the validation rows are
  std::int64_t rows = 0;    ///< of training and validation; 0: nothing is computed once
  std::int64_t bytes = 0;
  bool in_memory = false;        ///< of each node; else in a file
  PassDemand sample;             ///< of some of the rows
  std::int64_t sample_rows = 0;  ///< so many
  double samples = 0.0;          ///< how often a rank computes as much
};

/// What a model makes of pairs of answers before it is trained (runtime/evaluation/reference_probabilities.h).
struct ReferenceFacts {
  std::int64_t model_bytes = 0;  ///< parameters as they are then, with copies in the type of the activations
  PassDemand sample;             ///< of some blocks; of the memory, the largest
  double samples = 0.0;          ///< how often a rank computes as much; 0: there is nothing to compute
};

/// The token table, of whose gradient only the rows that tokens read are summed and kept
/// (comm/exchange/sparse_table.h).
struct TableFacts {
  std::int64_t elements = 0;  ///< 0: no table is trained, or its gradient is dense
  std::int64_t read = 0;      ///< in rows that any training text reads
  std::int64_t touched = 0;   ///< in pages of memory that these lie in
  double read_a_step = 0.0;
};

/// Elements of what an update rule keeps, over all trainable parameters.
struct RuleStateFacts {
  std::int64_t arrays = 2;  ///< that have an element for each of the arena
  std::int64_t sliced = 0;  ///< in arrays that some parameters alone have, of which each rank holds its share
  std::int64_t whole = 0;   ///< in arrays that every rank holds whole
};

/// One way to train: what is frozen, in which precision.
struct StepFacts {
  int ranks = 1;
  int nodes = 1;
  int grains = 1;
  std::int64_t parameters = 0;      ///< of the model
  std::int64_t trainable = 0;       ///< of them
  std::int64_t in_bf16 = 0;         ///< of those that are not trained, as their files have them
  std::int64_t in_f16 = 0;          ///< likewise
  std::int64_t frozen_bytes = 0;    ///< of all that are not trained, in the types that they are held in
  std::int64_t arena_elements = 0;  ///< the trainable ones, in whole chunks
  TableFacts table;                 ///< among these
  int gradient_buffers = 1;         ///< of the rank that has most
  const UpdateRule* rule = &update_rules().front();
  RuleStateFacts rule_state;
  bool bf16 = false;
  std::vector<std::vector<PassDemand>> steps;  ///< [steps looked at][ranks]
  std::int64_t activation_bytes = 0;           ///< of the micro-batch with most tokens
  std::int64_t process_bytes = 0;              ///< program, libraries, tokenizer, data
  std::int64_t phase_steps = 1;                ///< that are trained like this
  FrozenFacts frozen;
  ReferenceFacts reference;  ///< of the first phase, before which it is computed
};

/// Bytes of one rank, as the system counts what is resident.
struct MemoryPlan {
  std::int64_t process = 0;
  std::int64_t parameters = 0;  ///< one copy per node, which counts in each rank that reads it
  std::int64_t gradients = 0;   ///< the own, and the slices of others that this rank sums
  std::int64_t moments = 0;
  std::int64_t activations = 0;
  std::int64_t copies = 0;  ///< in bf16 of what is not trained; each rank has its own
  std::int64_t frozen = 0;  ///< one copy per node of the frozen part's output, which counts in each rank that reads it

  [[nodiscard]] std::int64_t total() const {
    return process + parameters + gradients + moments + activations + copies + frozen;
  }
  /// Of so many ranks of one node.
  [[nodiscard]] std::int64_t of_node(std::int64_t ranks) const {
    const std::int64_t shared = parameters + frozen;
    return (total() - shared) * ranks + shared;
  }
};

/// Seconds of a step.
struct TimePlan {
  double products = 0.0;  ///< matrix products and attention of the slowest rank
  double passes = 0.0;    ///< all other kernels of forward and backward
  double exchange = 0.0;  ///< gradients, parameters, and the small reduction
  double update = 0.0;    ///< norms and the optimizer

  [[nodiscard]] double total() const { return products + passes + exchange + update; }
};

struct StepPlan {
  MemoryPlan memory;
  double forward_operations = 0.0;  ///< of all ranks
  double backward_operations = 0.0;
  double tokens = 0.0;                   ///< of all ranks
  std::int64_t communication_bytes = 0;  ///< that a rank sends and receives, or reads of its neighbours' memory
  double imbalance = 1.0;                ///< work of the rank that has most, over the mean
  std::optional<TimePlan> seconds;       ///< none without a machine
  double frozen_seconds = 0.0;           ///< once, before the first step; 0 without a machine
  double frozen_row_seconds = 0.0;       ///< of one row, on one rank
  double reference_seconds = 0.0;        ///< once, before the first step; 0 without a machine
  std::string missing;                   ///< why none: what the machine's profile lacks; empty otherwise

  /// Of so many steps and what goes before them; 0 without a machine.
  [[nodiscard]] double seconds_of(std::int64_t steps) const {
    return seconds ? frozen_seconds + reference_seconds + static_cast<double>(steps) * seconds->total() : 0.0;
  }
};

/// `machine` may be null.
StepPlan plan_step(const StepFacts& facts, const MachineProfile* machine);

/// Another way to run it, and what it would need.
struct Alternative {
  std::string change;  ///< "train.precision=bf16"
  StepPlan plan;
};

/// Sentences on what would help, the most helpful first; none where nothing would. `memory_of_node`: bytes, 0 where
/// it is not known.
std::vector<std::string> advice(const StepFacts& facts, const StepPlan& plan,
                                const std::vector<Alternative>& alternatives, const MachineProfile* machine,
                                std::int64_t memory_of_node);

}  // namespace temper
