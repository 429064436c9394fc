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
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace temper {

class AttentionObserver;
class StageObserver;
enum class StagePass : std::uint8_t;

/// A rectangle of a matrix.
struct Region {
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  std::int64_t first_column = 0;
  std::int64_t columns = 0;
};

/// A value on the tape and its gradient. Copies share both.
///
/// What backward reads has to stay in memory, and nothing else should: a closure of an op that reads no more than the
/// gradient of a variable captures it without_value(), and a value that is cheap to compute again need not stay
/// (Tape::computes_again).
class Variable {
 public:
  Variable() = default;
  explicit Variable(Tensor value, bool requires_gradient = false);

  [[nodiscard]] bool defined() const { return state_ != nullptr; }
  [[nodiscard]] bool requires_gradient() const { return state_ != nullptr && state_->requires_gradient; }
  /// Computed again if it was let go of.
  [[nodiscard]] const Tensor& value() const {
    if (!value_->tensor.defined() && value_->compute) value_->tensor = value_->compute();
    return value_->tensor;
  }
  /// What products read: the value itself, or a copy of it rounded to bf16 where one was given.
  [[nodiscard]] const Tensor& compute_copy() const {
    return value_->compute_copy.defined() ? value_->compute_copy : value();
  }
  /// The same variable, which does not keep the value in memory and cannot give it.
  [[nodiscard]] Variable without_value() const {
    Variable variable = *this;
    variable.value_ = nullptr;
    return variable;
  }
  /// The value was changed in place: it is not what computing it again would give.
  void keep_value() const { value_->compute = nullptr; }
  /// Undefined until backward has written it.
  [[nodiscard]] const Tensor& gradient() const { return state_->gradient; }
  [[nodiscard]] bool gradient_written() const { return state_->written; }
  /// For a replayed graph, which writes gradients without this tape.
  void mark_gradient_written() const { state_->written = true; }
  [[nodiscard]] const Shape& shape() const { return state_->shape; }
  [[nodiscard]] DType type() const { return state_->type; }

  /// For leaves (parameters): replaces the value and drops the compute copy; says whether it is trained, and where its
  /// gradient is to be written.
  void set_value(Tensor value) const;
  /// Sets a copy of the value in the type of the activations; whoever changes the value keeps it up to date.
  void set_compute_copy(Tensor compute_copy) const { value_->compute_copy = std::move(compute_copy); }
  void set_requires_gradient(bool requires_gradient) const { state_->requires_gradient = requires_gradient; }
  /// The buffer counts as unwritten. `leaf` is the number that Tape::backward reports when the gradient is complete.
  void bind_gradient(Tensor gradient, std::int64_t leaf) const;

  /// Identity: two variables are the same if they share their state.
  friend bool operator==(const Variable& a, const Variable& b) { return a.state_ == b.state_; }

 private:
  friend class Tape;
  /// What a view shows of another value.
  struct Part {
    Region region;
    bool written = false;  ///< that of the gradient
  };
  struct Value {
    Tensor tensor;
    Tensor compute_copy;
    std::function<Tensor()> compute;  ///< of a value that need not stay
  };
  struct State {
    Shape shape;  ///< of the value, and so of the gradient
    DType type = DType::f32;
    Tensor gradient;
    bool requires_gradient = false;
    bool written = false;
    std::int64_t leaf = -1;
    std::int64_t pending_uses = 0;
    // ---- of a view: what it shows a part of, which is no view itself
    std::shared_ptr<State> whole;
    std::shared_ptr<Part> part;
    // ---- of what views show parts of
    std::vector<std::weak_ptr<Part>> parts;    ///< of views whose backward is still to come
    std::vector<std::shared_ptr<Part>> tiles;  ///< while the gradient is written part by part: those that cover it
  };
  std::shared_ptr<State> state_;
  std::shared_ptr<Value> value_;
};

/// Where an op writes the gradient of an input. A gradient has the type of its value: f32 for parameters, the type of
/// the activations for these.
struct GradientTarget {
  Tensor tensor;
  bool accumulate = false;

  /// Of a parameter; null where the gradient is not wanted.
  [[nodiscard]] float* parameter() const { return tensor.defined() ? tensor.data<float>() : nullptr; }
};

/// Is told what the batch norms of a training pass measured of their rows, in the pass that measures.
class BatchNormObserver {
 public:
  BatchNormObserver() = default;
  BatchNormObserver(const BatchNormObserver&) = delete;
  BatchNormObserver& operator=(const BatchNormObserver&) = delete;
  virtual ~BatchNormObserver() = default;

  /// The mean and variance f32 [columns] of so many rows (the sum of squares is divided by their number) under the norm
  /// whose running mean this is. What is recomputed in the backward pass is told again, with the same bits.
  virtual void measured(const Variable& running_mean, const Tensor& mean, const Tensor& variance,
                        std::int64_t rows) = 0;
};

/// Which tokens the rows of a matrix of so many rows are.
struct RowNames {
  std::int64_t rows = 0;
  TokenKeys names = {};
};

class Tape {
 public:
  enum class Mode : std::uint8_t { training, evaluation };

  /// Records only in training mode. Dropout is a pure function of `key` (tensor/random.h). Activations are of type
  /// `activations`: f32, or bf16 where the device has it.
  Tape(Device& device, Mode mode, PhiloxKey key = {}, DType activations = DType::f32);

  [[nodiscard]] Device& device() const { return device_; }
  [[nodiscard]] Kernels& kernels() const { return device_.kernels(); }
  [[nodiscard]] Tensor empty(const Shape& shape, DType type = DType::f32) const {
    return Tensor::empty(device_.memory(), shape, type);
  }
  [[nodiscard]] DType activations() const { return activations_; }
  [[nodiscard]] bool is_training() const { return mode_ == Mode::training; }
  /// Dropout reads its key from there, in memory of the device, and not the one that the tape was made with.
  void set_device_key(const PhiloxKey* key) { device_key_ = key; }
  /// Of a pass over the next tokens of texts: linear layers compute row by row (calls::LinearForward).
  void set_row_by_row(bool row_by_row) { row_by_row_ = row_by_row; }
  [[nodiscard]] bool is_row_by_row() const { return row_by_row_; }
  /// The dropout of a place in the model; inactive in evaluation.
  [[nodiscard]] Dropout dropout(double rate, std::uint32_t place) const;

  /// Says which stage of a model runs on this tape now, and which tokens its matrices' rows are: all of the batch, or
  /// those that are read (none: no rows). `images` u32 [images]: examples that have equally many rows one after the
  /// other in any matrix of another size; undefined: there is no such matrix. For ops deep inside a stage that draw
  /// random numbers of rows and are told nothing of them.
  void enter_stage(std::int64_t stage, const RowNames& all, const RowNames& read, const Tensor& images = {});
  [[nodiscard]] std::int64_t current_stage() const { return stage_; }
  /// Which tokens, or which places of images, the rows of a matrix of so many rows are. Throws Error where the stage
  /// has no such matrix.
  [[nodiscard]] TokenKeys names_of_rows(std::int64_t rows) const;

  /// True if an op over these inputs has a backward.
  [[nodiscard]] bool records(std::initializer_list<const Variable*> inputs) const;
  /// The output of an op over `inputs` (undefined ones are ignored), and how to go back.
  void record(std::initializer_list<const Variable*> inputs, std::function<void()> backward);

  /// The value is cheap to compute from others that backward keeps: the one that `out` has is let go of where its stage
  /// ends, unless it is what the stage gives, and `compute` gives the same, bit for bit, when backward asks for it.
  void computes_again(const Variable& out, std::function<Tensor()> compute);

  /// For closures: the gradient of an input is about to be written there; allocates it at the first time.
  GradientTarget gradient_of(const Variable& variable);
  /// The same, cleared before the first write: for ops that touch some rows only.
  Tensor cleared_gradient_of(const Variable& variable);
  /// The same, where the gradient is one that another variable had and nobody reads any more: it becomes this one's, or
  /// is added to it.
  void give_gradient(const Variable& variable, const Tensor& gradient);

  /// A part of x, [region.rows, region.columns], without a copy: a view whose gradient is that part of x's. What
  /// several views show of x may overlap or leave gaps. Where they tile x, their gradients are written straight into
  /// x's.
  Variable view(const Variable& x, const Region& region);

  /// The output of `block`, of which only what the function itself holds stays in memory: backward re-runs it on a
  /// fresh tape (activation checkpointing; Chen, Xu, Zhang, Guestrin: "Training deep nets with sublinear memory cost",
  /// 2016). `block` must use the tape that it is given, and give the same each time; what it refers to must live until
  /// backward. Values, gradients, their order of summation and the leaves reported are those of block(*this), bit for
  /// bit.
  Variable recompute(const std::function<Variable(Tape&)>& block);

  /// body(*this), the observers being told where it begins and ends, and in the backward pass where its own begins and
  /// ends (tensor/stages.h).
  Variable stage(std::int64_t index, const std::function<Variable(Tape&)>& body);
  /// The observer must live as long as the tape.
  void observe_stages(StageObserver& observer) { observers_.push_back(&observer); }
  /// Is told of every attention on this tape, and on those that it makes (tensor/ops.h). It must live as long.
  void observe_attention(AttentionObserver& observer) { attention_observer_ = &observer; }
  [[nodiscard]] AttentionObserver* attention_observer() const { return attention_observer_; }
  /// From now on batch norms in training norm by what their rows have, and tell the observer, which must live as long
  /// as the tape; null: by what they had before, as in evaluation.
  void observe_batch_norms(BatchNormObserver* observer) { batch_norm_observer_ = observer; }
  [[nodiscard]] BatchNormObserver* batch_norm_observer() const { return batch_norm_observer_; }

  /// An empty tape that computes as this one does, but in evaluation: without dropout and without a record.
  [[nodiscard]] Tape in_evaluation() const;

  /// For losses: sets the gradient that was computed together with the value. Throws Error for a view, whose gradient
  /// has its place.
  static void set_gradient(const Variable& variable, Tensor gradient);

  /// Runs what was recorded, in reverse order, and clears it. `on_complete(leaf)` is called for a leaf with a bound
  /// gradient once its last use has been gone through: from then on its gradient does not change.
  void backward(const std::function<void(std::int64_t leaf)>& on_complete = {});

  [[nodiscard]] std::size_t recorded() const { return records_.size(); }

 private:
  struct Record {
    std::vector<Variable> leaves;
    std::function<void()> backward;
  };

  /// An empty tape that computes as this one does.
  [[nodiscard]] Tape like_this() const;
  void clear(const Tensor& tensor) const;

  /// Of a stage that has ended, and gives `out`.
  void let_values_go(const Variable& out);

  GradientTarget gradient_of_view(Variable::State& view);
  /// Parts of `whole` that views show, if they cover it and nothing twice; else none.
  [[nodiscard]] static std::vector<std::shared_ptr<Variable::Part>> tiles_of(Variable::State& whole);
  /// Of a gradient that is written part by part, clears what is not written, so that all of it may be added to.
  void complete(Variable::State& whole) const;

  Device& device_;
  Mode mode_;
  PhiloxKey key_;
  DType activations_;
  const PhiloxKey* device_key_ = nullptr;
  bool row_by_row_ = false;
  std::int64_t stage_ = 0;
  RowNames all_rows_;
  RowNames read_rows_;
  Tensor images_;
  StagePass forward_pass_;
  std::vector<StageObserver*> observers_;
  AttentionObserver* attention_observer_ = nullptr;
  BatchNormObserver* batch_norm_observer_ = nullptr;
  std::vector<Record> records_;
  std::vector<std::weak_ptr<Variable::Value>> computed_again_;           ///< of the stage that is under way
  const std::function<void(std::int64_t leaf)>* on_complete_ = nullptr;  ///< of the backward pass that is under way
};

}  // namespace temper
