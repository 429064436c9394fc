#include "tensor/tape.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace temper {

Variable::Variable(Tensor value, bool requires_gradient) : state_(std::make_shared<State>()) {
  state_->value = std::move(value);
  state_->requires_gradient = requires_gradient;
}

void Variable::bind_gradient(Tensor gradient, std::int64_t leaf) const {
  state_->gradient = std::move(gradient);
  state_->written = false;
  state_->leaf = leaf;
}

Dropout Tape::dropout(double rate, std::uint32_t place) const {
  return {mode_ == Mode::training ? static_cast<float>(rate) : 0.0F, place, key_, device_key_};
}

bool Tape::records(std::initializer_list<const Variable*> inputs) const {
  return mode_ == Mode::training &&
         std::any_of(inputs.begin(), inputs.end(), [](const Variable* input) { return input->requires_gradient(); });
}

void Tape::record(std::initializer_list<const Variable*> inputs, std::function<void()> backward) {
  Record record{{}, std::move(backward)};
  for (const Variable* input : inputs) {
    if (!input->requires_gradient() || input->state_->leaf < 0) continue;
    ++input->state_->pending_uses;
    record.leaves.push_back(*input);
  }
  records_.push_back(std::move(record));
}

GradientTarget Tape::gradient_of(const Variable& variable) {
  Variable::State& state = *variable.state_;
  if (!state.gradient.defined()) state.gradient = empty(state.value.shape(), state.value.type());
  const bool accumulate = state.written;
  state.written = true;
  return {state.gradient, accumulate};
}

Tensor Tape::cleared_gradient_of(const Variable& variable) {
  GradientTarget target = gradient_of(variable);
  if (!target.accumulate)
    kernels().run(calls::Clear{.data = target.tensor.bytes(), .bytes = target.tensor.size_bytes()});
  return std::move(target.tensor);
}

Tape Tape::like_this() const {
  Tape tape(device_, mode_, key_, activations_);
  tape.device_key_ = device_key_;
  return tape;
}

Variable Tape::recompute(const std::function<Variable(Tape&)>& block) {
  if (mode_ != Mode::training) return block(*this);
  // The first pass records as well, so that kernels are called the same way in both and give the same bits on every
  // device. At its end it holds no more than backward will hold of the same block.
  Tape first = like_this();
  Variable out = block(first);
  if (first.records_.empty()) return out;
  std::vector<Variable> leaves;
  for (Record& inner : first.records_) std::move(inner.leaves.begin(), inner.leaves.end(), std::back_inserter(leaves));
  records_.push_back({{}, [this, block, out, leaves = std::move(leaves)]() mutable {
                        Tensor gradient = out.gradient();
                        out = Variable();
                        Tape again = like_this();
                        Variable output = block(again);
                        set_gradient(output, std::move(gradient));
                        output = Variable();
                        // The second pass has counted the uses of the leaves anew, and its backward reports each where
                        // it ends.
                        for (const Variable& leaf : leaves) --leaf.state_->pending_uses;
                        again.backward(*on_complete_);
                      }});
  return out;
}

void Tape::set_gradient(const Variable& variable, Tensor gradient) {
  variable.state_->gradient = std::move(gradient);
  variable.state_->written = true;
}

void Tape::backward(const std::function<void(std::int64_t leaf)>& on_complete) {
  on_complete_ = &on_complete;
  while (!records_.empty()) {
    Record record = std::move(records_.back());
    records_.pop_back();
    record.backward();
    // The closure held the activations that it needed; they are free before the next one runs.
    record.backward = nullptr;
    for (const Variable& leaf : record.leaves)
      if (--leaf.state_->pending_uses == 0 && on_complete) on_complete(leaf.state_->leaf);
  }
}

}  // namespace temper
