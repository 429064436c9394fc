// Parameters: named tensors in the order in which a forward pass meets them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "model/initialization.h"
#include "tensor/tape.h"

namespace temper {

enum class ParameterRole : std::uint8_t {
  weight,     ///< of the pre-trained network: files must have it
  head,       ///< behind the network: pooler, classifier, language-model head; drawn where files lack it
  adapter,    ///< beside a weight that stays as it is; drawn where files lack it
  statistic,  ///< measured by the forward pass, never trained; files must have it
};

struct Parameter {
  /// As patterns, checkpoints and messages call it. Files may call it otherwise (model/weight_names.h).
  std::string name;
  Shape shape;
  /// The lowest stage that reads it: 0 the input layer, 1 the first block, ..., blocks + 1 the head. Layer decay counts
  /// by it, and below it a model may be frozen.
  std::int64_t stage = 0;
  ParameterRole role = ParameterRole::weight;
  Initialization initialization = Initialization::zeros();
  bool decays = true;  ///< weight decay shrinks it
  /// Only products and lookups of rows read it, which take it in f32, bf16 or (on CPUs) f16: while it is not trained,
  /// its value may have the type that its file has.
  bool is_read_narrow = false;
  DType loaded = DType::f32;  ///< bf16 or f16 where the files have it so
  Variable variable = Variable(Tensor());

  [[nodiscard]] bool trainable() const { return variable.requires_gradient(); }
  [[nodiscard]] std::int64_t size() const { return shape.elements(); }
};

/// Owns parameters; references stay valid as more are added.
class ParameterList {
 public:
  Parameter& add(Parameter parameter);

  [[nodiscard]] std::deque<Parameter>& all() { return parameters_; }
  [[nodiscard]] const std::deque<Parameter>& all() const { return parameters_; }
  /// Null where there is none of that name.
  [[nodiscard]] Parameter* find(const std::string& name);
  [[nodiscard]] const Parameter* find(const std::string& name) const;

 private:
  std::deque<Parameter> parameters_;
};

/// Where a module adds its parameters, and what they have in common. A module that several blocks share is made once,
/// in the place of the lowest of them.
struct ParameterPlace {
  ParameterList& list;
  std::int64_t stage;
  ParameterRole role;
  Initialization weights;   ///< how matrices and tables are drawn
  std::string prefix = {};  ///< of the names that are added

  /// The place of a module's part: its names begin with `module` and a dot.
  [[nodiscard]] ParameterPlace within(const std::string& module) const;
  /// The same, where matrices are drawn otherwise.
  [[nodiscard]] ParameterPlace drawing(Initialization weights_otherwise) const;
  /// Weight decay spares what has one dimension, biases and norms, unless told otherwise.
  Variable add(const std::string& name, const Shape& shape, Initialization initialization,
               std::optional<bool> decays = std::nullopt) const;
  /// A matrix that products and lookups of rows alone read (Parameter::is_read_narrow), drawn as this place says.
  Variable add_matrix(const std::string& name, std::int64_t rows, std::int64_t columns) const;
};

}  // namespace temper
