// Low-rank adapters of a model: put beside its layers, and merged into their weights. No architecture knows of them:
// each linear layer and each table of words has a place for one (model/parameter.h, AdaptableModule).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/adapters/lora_settings.h"
#include "model/adapters/target_modules.h"
#include "model/head_kind.h"
#include "model/layers/low_rank.h"
#include "model/model.h"
#include "tensor/device.h"

namespace temper {

/// A parameter that is trained, and how it lies in adapter_model.safetensors.
struct TrainedInAdapter {
  std::string parameter;
  StoredForm form;
};

/// What attach_lora has done.
struct Lora {
  LoraSettings settings;
  std::vector<FileModule> modules;        ///< that have adapters
  std::vector<TrainedInAdapter> trained;  ///< in the order of the model
};

/// What PEFT puts before the names of modules in its files.
inline constexpr const char* kPeftPrefix = "base_model.model.";

/// Adds to modules_to_save what a task trains in full: as PEFT does, "classifier" and "score" of heads over sequences
/// and tokens; and whatever of a head had to be drawn anew (`drawn`, names of parameters), which nobody may leave as it
/// was drawn.
void add_trained_heads(LoraSettings& settings, const Model& model, std::span<const std::string> drawn);

/// Puts adapters beside the layers that the settings name, adds their parameters to the model, and marks the others as
/// their base, but for biases and modules that are trained along. A is drawn by the seed as PEFT draws it (Kaiming
/// uniform with slope sqrt(5)), B is zero; of embeddings A is zero and B normal. The model has its weights. `place`
/// opens messages. Throws a usage Error where the settings do not fit the model.
Lora attach_lora(Model& model, Device& device, LoraSettings settings, std::uint64_t seed, const std::string& place);

/// Where the head of the model is tied to its embeddings.
enum class TiedHead : std::uint8_t {
  refuse,  ///< to merge into the embeddings would change the head, which the adapter did not see
  change,  ///< as PEFT does
};

/// Of those modules the names whose adapter adds nothing: what begins as zeros still is, so it was not trained, or
/// lost.
std::vector<std::string> idle_modules(const Model& model, Device& device, const Lora& lora);

/// Why the adapters cannot be merged into the weights: a sentence without an end; empty where they can.
std::string reason_against_merging(const Model& model, const Lora& lora);

/// Makes the weights what the adapters make of them, takes the adapters away, and marks nothing as their base any more.
/// Throws Error for a tied head, as asked.
void merge_lora(Model& model, Device& device, const Lora& lora, TiedHead tied = TiedHead::refuse);

}  // namespace temper
