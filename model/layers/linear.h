// The linear layer: x weight^T + bias, and adapters of its weight.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/parameter.h"
#include "tensor/ops.h"

namespace temper {

class Linear;

/// Changes what a linear layer computes while its weight stays as it is (low-rank adaptation and its kin).
class Adapter {
 public:
  Adapter() = default;
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;
  virtual ~Adapter() = default;

  /// activation(base(x) and what the adapter adds): x [rows, in] -> [rows, out]. `base.without_adapter()` is the
  /// layer's own product.
  virtual Variable forward(Tape& tape, const Linear& base, const Variable& x, Activation activation) const = 0;
};

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
  /// Outputs [first, first + count) of x alone, for layers that give several things at once.
  [[nodiscard]] Variable outputs(Tape& tape, const Variable& x, std::int64_t first, std::int64_t count) const;
  [[nodiscard]] Variable without_adapter(Tape& tape, const Variable& x, Activation activation = Activation::none) const;

  void attach(std::shared_ptr<const Adapter> adapter) { adapter_ = std::move(adapter); }
  /// The layer is its weight and its bias and nothing else: only then may others compute with these instead.
  [[nodiscard]] bool is_plain() const { return adapter_ == nullptr; }
  [[nodiscard]] const Variable& weight() const { return weight_; }
  [[nodiscard]] const Variable& bias() const { return bias_; }

 private:
  Variable weight_;
  Variable bias_;
  std::shared_ptr<const Adapter> adapter_;
};

}  // namespace temper
