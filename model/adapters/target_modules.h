// Which modules of a model adapters go to. Modules are those of the model's files, whose names transformers and PEFT
// use; one of them may be several layers here (GPT-2's c_attn gives queries, keys and values).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/adapters/lora_settings.h"
#include "model/model.h"

namespace temper {

/// What a layer of the model has of a module of the files.
struct ModuleLayer {
  std::shared_ptr<AdaptableModule> layer;
  std::string weight;  ///< the parameter
  StoredForm form;     ///< of the weight
};

struct FileModule {
  std::string name;  ///< "model.layers.0.self_attn.q_proj"
  std::vector<ModuleLayer> layers;

  [[nodiscard]] AdaptableModule::Kind kind() const { return layers.front().layer->kind; }
  [[nodiscard]] ModulePart part() const { return layers.front().layer->part; }
  /// The files have its weight as [in, out].
  [[nodiscard]] bool is_transposed() const { return layers.front().form.transposed; }
};

/// Those that can have an adapter, in the order of the model.
std::vector<FileModule> file_modules(const Model& model);

/// The modules that the settings name, in the order of the model. `place` opens messages ("lora.targets"). Throws a
/// usage Error where a name fits none (with the nearest that does), or names what can have no adapter.
std::vector<FileModule> target_modules(const Model& model, const LoraSettings& settings, const std::string& place);

/// Whether a parameter that files call so belongs to one of the modules that are trained in full.
bool is_saved_whole(const LoraSettings& settings, const std::string& stored_name);

/// The first number of a pattern table that is meant for a module, else `otherwise`.
double value_for(const std::vector<std::pair<std::string, double>>& patterns, const std::string& module,
                 double otherwise, const std::string& place);

}  // namespace temper
