// Adapters of a run, and those that a command is given with a model.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/adapters/lora.h"
#include "runtime/config/config.h"
#include "runtime/inputs/run_model.h"
#include "tensor/device.h"

namespace temper {

/// Whether a run trains adapters in place of its model.
bool trains_adapters(const Configuration& configuration);

/// What [lora] asks for.
LoraSettings lora_settings(const LoraSection& section);

/// Puts the adapters beside the model that the configuration asks for, if it does: new ones, or those of a folder.
/// `drawn`: parameters that the model's files lack. Throws Error as attach_lora and load_adapter do.
std::optional<Lora> put_adapters(Model& model, Device& device, const Configuration& configuration,
                                 std::span<const std::string> drawn);

/// The same for a model that has just been loaded.
void put_adapters(RunModel& model, Device& device, const Configuration& configuration);

/// A sentence for the user: where adapters are, and how large.
std::string adapters_note(const Lora& lora);

/// A model's folder, and adapters that go on it.
struct ModelChoice {
  std::filesystem::path model;
  std::vector<std::filesystem::path> adapters;  ///< in the order in which they are merged

  /// The adapter whose tokenizer and chat template come before the model's; empty: there is none.
  [[nodiscard]] std::filesystem::path read_as() const { return adapters.empty() ? "" : adapters.back(); }
};

/// An adapter's folder stands for the model that its adapter_config.json names, with the adapter on it. Throws Error
/// where it names none, and where one of the adapters is no adapter. `remedy`: what to do where the model is not to be
/// found; empty: name both.
ModelChoice choose_model(const std::filesystem::path& folder, std::span<const std::string> adapters,
                         const std::string& remedy = {});
/// The files of the adapters, which all hosts must have alike.
std::vector<std::filesystem::path> adapter_files(const ModelChoice& choice);

/// Throws Error where an adapter was trained on another model than these files hold. With a communicator this is
/// collective.
void require_base_of(const std::filesystem::path& adapter, const WeightFiles& files, const std::filesystem::path& model,
                     Communicator* communicator);

/// A sentence where adapters add nothing to their modules; else empty.
std::string idle_note(const RunModel& model, Device& device);

/// Puts adapters on a model: all but the last are merged into its weights, in this order. `drawn`: parameters of the
/// head that the model's files lack. Throws Error as load_adapter does, for an adapter of another base, and where no
/// adapter brings what was drawn. Gives notes for the user, a sentence each.
std::vector<std::string> use_adapters(RunModel& model, Device& device, const ModelChoice& choice,
                                      Communicator* communicator = nullptr);

}  // namespace temper
