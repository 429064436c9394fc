// Loading a model's weights from a Hugging Face folder, and writing them in the layout of its files.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/huggingface/weight_files.h"
#include "model/model.h"
#include "model/weight_values.h"
#include "tensor/device.h"
#include "tensor/host_copy.h"

namespace temper {

struct LoadOptions {
  bool replace_head = false;    ///< a head of another size in the file is left out and a new one drawn
  std::uint64_t seed = 0;       ///< of new weights
  std::string keeps_head = {};  ///< setting with which a stored head of another size fits, for messages; empty: none
  bool initialize = false;      ///< a model from nothing: what files lack is drawn, be it of the network
  std::int64_t base_width = 0;  ///< what is drawn is scaled from this width (model/width_scaling.h); 0: it is not
};

struct LoadReport {
  std::vector<std::string>
      initialized;                    ///< parameters that the files lack and that were drawn anew: of the head, or all
  std::vector<std::string> replaced;  ///< of another size in the files and drawn anew, as asked
  std::vector<std::string> unexpected;  ///< tensors of the files that the model has no use for
  std::vector<std::string> notes;       ///< on where they lie, one sentence each
};

/// Weights stored as f32, or as bf16, f16 or quantised where the parameter may be (Parameter::is_read_narrow), are not
/// copied where the device shares the host's memory, unless they are stored transposed: the parameters view the mapped
/// files, which must outlive the model. The others are converted, where there is a `room` (on all ranks, or on none)
/// into that: then this is collective. Names are those of the model's WeightNames. Throws Error listing what is missing
/// of the network, or naming file, tensor and both shapes where they differ.
LoadReport load_weights(Model& model, const WeightFiles& files, Device& device, const LoadOptions& options,
                        SharedWeightRoom* room = nullptr);

/// Throws Error as load_weights does for tensors that are missing or of another shape, reading none.
void check_weights(const Model& model, const WeightFiles& files);

/// The type in which a host would hold each parameter that is not trained, in order. Reads no weights.
std::vector<DType> held_types(const Model& model, const WeightFiles& files);
/// The values of a parameter that lies so in a tensor of a file, whatever its type.
std::vector<float> parameter_values(const TensorView& stored, const StoredForm& form, const Shape& parameter);

/// A parameter, and how it is to lie in a file.
struct ParameterToStore {
  const Parameter* parameter;
  StoredForm form;
};

/// A model's weights as its files have them, on the host. What lies in a file as it does here is viewed where the
/// device shares the host's memory; the model must then outlive this. What was loaded from bf16 or f16 and
/// still has such values has that type here, the rest is f32.
class StoredWeights {
 public:
  /// All but adapters, which lie in files of their own. Of a model of images, for images of this size
  /// (Model::resized_table); 0: as its parameters are.
  StoredWeights(const Model& model, Device& device, ImageExtent images = {});
  StoredWeights(std::span<const ParameterToStore> parameters, Device& device);

  /// In the order in which the model meets them.
  [[nodiscard]] const std::vector<TensorToWrite>& tensors() const { return tensors_; }
  /// They are for images of another size than the model was made for.
  [[nodiscard]] bool is_resized() const { return resized_.has_value(); }

 private:
  void add(std::span<const ParameterToStore> parameters, Device& device);
  void add_plain(TensorToWrite& tensor, const Parameter& parameter, Device& device);
  void compose(TensorToWrite& tensor, const std::vector<ParameterToStore>& parts, Device& device);

  std::optional<Parameter> resized_;  ///< in place of the model's
  std::deque<HostCopy> copies_;
  std::vector<Tensor> viewed_;
  std::deque<std::int64_t> counts_;
  std::deque<std::vector<float>> composed_;        ///< tensors that are transposed or hold several parameters
  std::deque<std::vector<std::uint16_t>> narrow_;  ///< those and others in bf16 or f16
  std::vector<TensorToWrite> tensors_;
};

}  // namespace temper
