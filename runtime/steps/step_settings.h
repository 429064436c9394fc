// What a configuration says about the steps of a phase, and about the batches that they are given.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/fixed_tree.h"
#include "data/example_source.h"
#include "data/loader.h"
#include "runtime/config/config.h"
#include "runtime/steps/phases.h"
#include "runtime/steps/training_step.h"

namespace temper {

/// The model of a run's first phase, and what it is once a phase has merged its adapters.
struct ModelsOfPhases {
  ModelsOfPhases(Model& of_first, Model* of_merged = nullptr) : first(of_first), merged(of_merged) {}
  [[nodiscard]] Model& of(bool is_merged) const { return is_merged && merged != nullptr ? *merged : first; }

  Model& first;
  Model* merged;  ///< without values; null: no phase merges any
};

/// Throws a usage Error where a pattern of a phase, or of the rates, covers nothing of the model as it is then, and
/// where a phase leaves nothing to train. Every parameter of the first is trainable afterwards.
void require_patterns(const ModelsOfPhases& models, std::span<const PhasePlan> phases,
                      std::span<const std::pair<std::string, double>> rates);

/// Those of the named parameters that are frozen in every phase, statistics left out. Every parameter is trainable
/// afterwards.
std::vector<std::string> never_trained(const ModelsOfPhases& models, std::span<const PhasePlan> phases,
                                       std::span<const std::string> names);

/// For a model that is frozen as the phase says, and these rows to train on. Grains, loss, types, what moments have
/// seen and how ranks talk are for the caller to fill in.
TrainingStepSettings step_settings(const Configuration& configuration, const PhasePlan& phase, const Model& model,
                                   const ExampleSource& train);

/// `grains` of a batch, of which this rank has `own`. Without an end: the steps are counted elsewhere.
LoaderOptions loader_options(const Configuration& configuration, int grains, TreeNode own);

}  // namespace temper
