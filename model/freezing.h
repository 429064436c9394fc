// Which parameters are trained, and how fast: freezing by name, range and glob, layer-wise learning-rate decay
// (Howard, Ruder: "Universal language model fine-tuning for text classification", 2018) and rates by pattern.
//
// A pattern names a module or a parameter, from the left, with or without the model's prefix: "embeddings" is
// bert.embeddings and all below it. "encoder.layer.0-3" is a range, "*" and "?" are globs inside a name, and the
// pattern "*" alone is the whole network without its head: to freeze a part of the head, name it ("classifier").
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/model.h"

namespace temper {

/// True if the pattern covers the parameter of this name.
bool pattern_covers(const std::string& pattern, const Parameter& parameter, const std::string& prefix);

/// Marks every parameter trainable but statistics, those that adapters stand beside, and those that a pattern covers.
/// Throws a usage Error naming a pattern that covers nothing (with the nearest that does, or the modules that there
/// are) or has numbers that the model does not (with those that it has), or if nothing is left to train. `key`: where
/// the patterns stand, for messages.
void apply_freezing(Model& model, std::span<const std::string> patterns, const std::string& key = "tuning.freeze");

/// The patterns that freeze the input layer and the lower half of the blocks, with what they share with the upper half,
/// or as much of it as has weights of its own, where modules of this name ("encoder.layer.") are numbered from 0; none
/// where nothing of it has.
std::vector<std::string> lower_half_patterns(const Model& model, std::string_view blocks);

/// The factor on the learning rate of each parameter, in order: layer_decay^(stage of the head - its stage), times the
/// factor of the last pattern that covers it. Throws a usage Error as apply_freezing does.
std::vector<double> learning_rate_factors(const Model& model, double layer_decay,
                                          std::span<const std::pair<std::string, double>> rates);

}  // namespace temper
