// Parameters: named tensors in the order in which a forward pass meets them.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "model/initialization.h"
#include "tensor/tape.h"

namespace temper {

struct Parameter {
  std::string name;  ///< as in model.safetensors
  Shape shape;
  /// How far up the model it stands: 0 embeddings, 1 the first layer, ..., layers + 1 the head. Layer decay counts by
  /// it.
  std::int64_t depth = 0;
  bool head = false;  ///< behind the encoder: pooler, classifier, language-model head
  Initialization initialization = Initialization::zeros();
  Variable variable;

  [[nodiscard]] bool trainable() const { return variable.requires_gradient(); }
  /// Weight decay spares biases and norms: parameters of one dimension.
  [[nodiscard]] bool decays() const { return shape.dimensions() > 1; }
  [[nodiscard]] std::int64_t size() const { return shape.elements(); }
};

/// Owns parameters; references stay valid as more are added.
class ParameterList {
 public:
  Parameter& add(std::string name, const Shape& shape, std::int64_t depth, bool head, Initialization initialization);

  [[nodiscard]] std::deque<Parameter>& all() { return parameters_; }
  [[nodiscard]] const std::deque<Parameter>& all() const { return parameters_; }
  /// Null where there is none of that name.
  [[nodiscard]] Parameter* find(const std::string& name);

 private:
  std::deque<Parameter> parameters_;
};

}  // namespace temper
