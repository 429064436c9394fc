// The linear layer: x weight^T + bias, and what an adapter adds (model/layers/low_rank.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/parameter.h"
#include "tensor/ops.h"

namespace temper {

class Linear {
 public:
  enum class Bias : std::uint8_t { none, zeros };

  /// Adds `name`.weight [out, in] and `name`.bias [out].
  Linear(const ParameterPlace& place, const std::string& name, std::int64_t out, std::int64_t in,
         Bias bias = Bias::zeros);
  /// Over parameters of others (tied weights). `bias` may be undefined.
  Linear(Variable weight, Variable bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}

  /// activation(x weight^T + bias): x [rows, in] -> [rows, out].
  Variable operator()(Tape& tape, const Variable& x, Activation activation = Activation::none) const;
  /// The same of rows that are no tokens of the pass, but those of a table; `names` tells them apart for dropout.
  [[nodiscard]] Variable of_table(Tape& tape, const Variable& x, TokenKeys names) const;
  /// Outputs [first, first + count) of x alone, for layers that give several things at once.
  [[nodiscard]] Variable outputs(Tape& tape, const Variable& x, std::int64_t first, std::int64_t count) const;
  [[nodiscard]] Variable without_adapter(Tape& tape, const Variable& x, Activation activation = Activation::none) const;

  /// What the layer is there for. Nothing where its weight is another's.
  void belongs_to(ModulePart part) const {
    if (module_ != nullptr) module_->part = part;
  }
  /// The layer is its weight and its bias and nothing else: only then may others compute with these instead.
  [[nodiscard]] bool is_plain() const { return module_ == nullptr || module_->adapter == nullptr; }
  [[nodiscard]] const Variable& weight() const { return weight_; }
  [[nodiscard]] const Variable& bias() const { return bias_; }

 private:
  Variable weight_;
  Variable bias_;
  std::shared_ptr<AdaptableModule> module_;  ///< null over parameters of others
};

}  // namespace temper
