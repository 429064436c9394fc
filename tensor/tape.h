// Reverse-mode automatic differentiation. An op computes its value at once and, only if one of its inputs needs a
// gradient, records a closure that computes the inputs' gradients from the output's. So a frozen prefix of a model is
// never recorded: it keeps no activation, has no backward pass, and backward ends at the lowest trainable layer.
//
// A gradient is written for the first time by overwriting and from then on by adding; nothing is cleared beforehand.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "tensor/device.h"
#include "tensor/tensor.h"

namespace temper {

/// A value on the tape and its gradient. Copies share both.
class Variable {
 public:
  Variable() = default;
  explicit Variable(Tensor value, bool requires_gradient = false);

  [[nodiscard]] bool defined() const { return state_ != nullptr; }
  [[nodiscard]] bool requires_gradient() const { return state_ != nullptr && state_->requires_gradient; }
  [[nodiscard]] const Tensor& value() const { return state_->value; }
  /// Undefined until backward has written it.
  [[nodiscard]] const Tensor& gradient() const { return state_->gradient; }
  [[nodiscard]] bool gradient_written() const { return state_->written; }
  [[nodiscard]] const Shape& shape() const { return state_->value.shape(); }

  /// For leaves (parameters): replaces the value, says whether it is trained, and where its gradient is to be written.
  void set_value(Tensor value) const { state_->value = std::move(value); }
  void set_requires_gradient(bool requires_gradient) const { state_->requires_gradient = requires_gradient; }
  /// The buffer counts as unwritten. `leaf` is the number that Tape::backward reports when the gradient is complete.
  void bind_gradient(Tensor gradient, std::int64_t leaf) const;

  /// Identity: two variables are the same if they share their state.
  friend bool operator==(const Variable& a, const Variable& b) { return a.state_ == b.state_; }

 private:
  friend class Tape;
  struct State {
    Tensor value;
    Tensor gradient;
    bool requires_gradient = false;
    bool written = false;
    std::int64_t leaf = -1;
    std::int64_t pending_uses = 0;
  };
  std::shared_ptr<State> state_;
};

/// Where an op writes the gradient of an input.
struct GradientTarget {
  float* data = nullptr;
  bool accumulate = false;
};

class Tape {
 public:
  enum class Mode : std::uint8_t { training, evaluation };

  /// Records only in training mode. Dropout is a pure function of `key` (tensor/random.h).
  Tape(Device& device, Mode mode, PhiloxKey key = {}) : device_(device), mode_(mode), key_(key) {}

  [[nodiscard]] Device& device() const { return device_; }
  [[nodiscard]] Kernels& kernels() const { return device_.kernels(); }
  [[nodiscard]] Tensor empty(const Shape& shape, DType type = DType::f32) const {
    return Tensor::empty(device_.memory(), shape, type);
  }
  /// The dropout of a place in the model; inactive in evaluation.
  [[nodiscard]] Dropout dropout(double rate, std::uint32_t place) const;

  /// True if an op over these inputs has a backward.
  [[nodiscard]] bool records(std::initializer_list<const Variable*> inputs) const;
  /// The output of an op over `inputs` (undefined ones are ignored), and how to go back.
  void record(std::initializer_list<const Variable*> inputs, std::function<void()> backward);

  /// For closures: the gradient of an input is about to be written there; allocates it at the first time.
  GradientTarget gradient_of(const Variable& variable);
  /// The same, cleared before the first write: for ops that touch some rows only.
  float* cleared_gradient_of(const Variable& variable);
  /// Lets a loss hand over the gradient that it computed with its value.
  static void set_gradient(const Variable& variable, Tensor gradient);

  /// Runs what was recorded in reverse order and forgets it. `on_complete(leaf)` is called for a leaf with a bound
  /// gradient once its last use has been gone through: from then on its gradient does not change.
  void backward(const std::function<void(std::int64_t leaf)>& on_complete = {});

  [[nodiscard]] std::size_t recorded() const { return records_.size(); }

 private:
  struct Record {
    std::vector<Variable> leaves;
    std::function<void()> backward;
  };

  Device& device_;
  Mode mode_;
  PhiloxKey key_;
  std::vector<Record> records_;
};

}  // namespace temper
