#include "tensor/tape.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "tensor/stages.h"

namespace temper {
namespace {

Tensor part_of(const Tensor& tensor, const Region& region) {
  const Tensor rows = region.rows == tensor.rows() ? tensor : tensor.row_range(region.first_row, region.rows);
  return region.columns == tensor.columns() ? rows : rows.column_range(region.first_column, region.columns);
}

std::int64_t area(const Region& region) { return region.rows * region.columns; }

bool overlap(const Region& a, const Region& b) {
  const auto meet = [](std::int64_t first, std::int64_t count, std::int64_t other, std::int64_t others) {
    return first < other + others && other < first + count;
  };
  return meet(a.first_row, a.rows, b.first_row, b.rows) && meet(a.first_column, a.columns, b.first_column, b.columns);
}

}  // namespace

Variable::Variable(Tensor value, bool requires_gradient)
    : state_(std::make_shared<State>()), value_(std::make_shared<Value>()) {
  set_value(std::move(value));
  state_->requires_gradient = requires_gradient;
}

void Variable::set_value(Tensor value) const {
  state_->shape = value.shape();
  if (value.defined()) state_->type = value.type();
  *value_ = {std::move(value), {}, {}};
}

void Variable::bind_gradient(Tensor gradient, std::int64_t leaf) const {
  state_->gradient = std::move(gradient);
  state_->written = false;
  state_->tiles.clear();
  state_->leaf = leaf;
}

Tape::Tape(Device& device, Mode mode, PhiloxKey key, DType activations)
    : device_(device), mode_(mode), key_(key), activations_(activations), forward_pass_(StagePass::forward) {}

Dropout Tape::dropout(double rate, std::uint32_t place) const {
  return {mode_ == Mode::training ? static_cast<float>(rate) : 0.0F, place, key_, device_key_};
}

void Tape::enter_stage(std::int64_t stage, const RowNames& all, const RowNames& read, const Tensor& images) {
  stage_ = stage;
  all_rows_ = all;
  read_rows_ = read;
  images_ = images;
}

TokenKeys Tape::names_of_rows(std::int64_t rows) const {
  // Where as many are read as there are, they are the same.
  if (rows == all_rows_.rows) return all_rows_.names;
  if (rows == read_rows_.rows) return read_rows_.names;
  if (images_.defined() && rows % images_.size() == 0)
    return {images_.data<std::uint32_t>(), nullptr, rows / images_.size()};
  throw Error("a matrix of {} rows in stage {} of a model is not of its {} tokens, nor of the {} that are read", rows,
              stage_, all_rows_.rows, read_rows_.rows);
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
  if (state.whole != nullptr) return gradient_of_view(state);
  if (!state.gradient.defined()) state.gradient = empty(state.shape, state.type);
  complete(state);
  const bool accumulate = state.written;
  state.written = true;
  return {state.gradient, accumulate};
}

Tensor Tape::cleared_gradient_of(const Variable& variable) {
  GradientTarget target = gradient_of(variable);
  if (!target.accumulate) clear(target.tensor);
  return std::move(target.tensor);
}

void Tape::give_gradient(const Variable& variable, const Tensor& gradient) {
  Variable::State& state = *variable.state_;
  if (state.whole == nullptr && !state.gradient.defined() && gradient.type() == state.type) {
    state.gradient = gradient;
    state.written = true;
    return;
  }
  const GradientTarget target = gradient_of(variable);
  kernels().run(calls::Copy{.x = gradient.as_rows(), .y = target.tensor.as_rows(), .accumulate = target.accumulate});
}

void Tape::clear(const Tensor& tensor) const {
  const Rows rows = tensor.as_rows();
  const auto element = static_cast<std::int64_t>(size_of(rows.type));
  if (tensor.is_contiguous()) {
    kernels().run(calls::Clear{.data = rows.data, .bytes = tensor.size_bytes()});
  } else {
    kernels().run(calls::Clear{
        .data = rows.data, .bytes = rows.columns * element, .rows = rows.rows, .stride = rows.stride * element});
  }
}

// ---- views ----------------------------------------------------------------------------------------------------------

Variable Tape::view(const Variable& x, const Region& region) {
  Variable out(part_of(x.value(), region), records({&x}));
  if (x.value_->compute_copy.defined()) out.set_compute_copy(part_of(x.value_->compute_copy, region));
  if (!out.requires_gradient()) return out;
  const bool of_a_view = x.state_->whole != nullptr;
  Variable::State& state = *out.state_;
  state.whole = of_a_view ? x.state_->whole : x.state_;
  const Region origin = of_a_view ? x.state_->part->region : Region();
  state.part = std::make_shared<Variable::Part>(Variable::Part{
      {origin.first_row + region.first_row, region.rows, origin.first_column + region.first_column, region.columns}});
  std::erase_if(state.whole->parts, [](const auto& part) { return part.expired(); });
  state.whole->parts.push_back(state.part);
  // Runs once all uses of the view have: what none of them has written is zero.
  record({&x}, [this, out = out.without_value()] {
    const Variable::State& view = *out.state_;
    if (!view.part->written && !view.whole->written) (void)cleared_gradient_of(out);
  });
  return out;
}

std::vector<std::shared_ptr<Variable::Part>> Tape::tiles_of(Variable::State& whole) {
  std::vector<std::shared_ptr<Variable::Part>> tiles;
  std::int64_t covered = 0;
  for (const std::weak_ptr<Variable::Part>& part : whole.parts) {
    const std::shared_ptr<Variable::Part> tile = part.lock();
    if (tile == nullptr) continue;  // of a pass whose record was thrown away
    const auto meets = [&](const auto& other) { return overlap(other->region, tile->region); };
    if (std::any_of(tiles.begin(), tiles.end(), meets)) return {};
    covered += area(tile->region);
    tiles.push_back(tile);
  }
  return covered == whole.shape.elements() ? tiles : std::vector<std::shared_ptr<Variable::Part>>();
}

void Tape::complete(Variable::State& whole) const {
  for (const std::shared_ptr<Variable::Part>& tile : whole.tiles)
    if (!tile->written) clear(part_of(whole.gradient, tile->region));
  if (!whole.tiles.empty()) whole.written = true;
  whole.tiles.clear();
}

GradientTarget Tape::gradient_of_view(Variable::State& view) {
  Variable::State& whole = *view.whole;
  if (!whole.gradient.defined()) whole.gradient = empty(whole.shape, whole.type);
  view.gradient = part_of(whole.gradient, view.part->region);
  view.written = true;
  if (view.part->written || whole.written) return {view.gradient, true};
  if (whole.tiles.empty()) {
    whole.tiles = tiles_of(whole);
    whole.parts.clear();
    if (whole.tiles.empty()) {
      clear(whole.gradient);
      whole.written = true;
      return {view.gradient, true};
    }
  }
  if (std::find(whole.tiles.begin(), whole.tiles.end(), view.part) == whole.tiles.end()) {
    complete(whole);
    return {view.gradient, true};
  }
  view.part->written = true;
  if (std::all_of(whole.tiles.begin(), whole.tiles.end(), [](const auto& tile) { return tile->written; })) {
    whole.written = true;
    whole.tiles.clear();
  }
  return {view.gradient, false};
}

// ---- stages ---------------------------------------------------------------------------------------------------------

Tape Tape::like_this() const {
  Tape tape(device_, mode_, key_, activations_);
  tape.device_key_ = device_key_;
  tape.row_by_row_ = row_by_row_;
  tape.forward_pass_ = forward_pass_;
  tape.observers_ = observers_;
  tape.attention_observer_ = attention_observer_;
  tape.batch_norm_observer_ = batch_norm_observer_;
  return tape;
}

Tape Tape::in_evaluation() const {
  Tape tape = like_this();
  tape.mode_ = Mode::evaluation;
  return tape;
}

void Tape::computes_again(const Variable& out, std::function<Tensor()> compute) {
  // A second pass is followed by its backward at once.
  if (forward_pass_ != StagePass::forward) return;
  out.value_->compute = std::move(compute);
  computed_again_.push_back(out.value_);
}

void Tape::let_values_go(const Variable& out) {
  for (const std::weak_ptr<Variable::Value>& of_stage : computed_again_) {
    const std::shared_ptr<Variable::Value> value = of_stage.lock();
    if (value == nullptr || !value->compute) continue;
    // What computes the value would keep others in memory for as long as the stage's output is there.
    if (value == out.value_) {
      value->compute = nullptr;
    } else {
      value->tensor = Tensor();
    }
  }
  computed_again_.clear();
}

Variable Tape::stage(std::int64_t index, const std::function<Variable(Tape&)>& body) {
  computed_again_.clear();
  if (observers_.empty()) {
    Variable out = body(*this);
    let_values_go(out);
    return out;
  }
  for (StageObserver* observer : observers_) observer->before(index, forward_pass_);
  records_.push_back({{}, [this, index] {
                        for (StageObserver* observer : observers_) observer->after(index, StagePass::backward, {});
                      }});
  const std::size_t begin = records_.size();
  const Variable out = body(*this);
  if (records_.size() == begin) {
    records_.pop_back();
  } else {
    records_.push_back({{}, [this, index] {
                          for (StageObserver* observer : observers_) observer->before(index, StagePass::backward);
                        }});
  }
  let_values_go(out);
  for (StageObserver* observer : observers_) observer->after(index, forward_pass_, out);
  return out;
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
  records_.push_back({{}, [this, block, out = out.without_value(), leaves = std::move(leaves)]() mutable {
                        Tensor gradient = out.gradient();
                        out = Variable();
                        Tape again = like_this();
                        again.forward_pass_ = StagePass::again;
                        Variable output = block(again);
                        again.give_gradient(output, gradient);
                        gradient = Tensor();
                        output = Variable();
                        // The second pass has counted the uses of the leaves anew, and its backward reports each where
                        // it ends.
                        for (const Variable& leaf : leaves) --leaf.state_->pending_uses;
                        again.backward(*on_complete_);
                      }});
  return out;
}

void Tape::set_gradient(const Variable& variable, Tensor gradient) {
  if (variable.state_->whole != nullptr) throw Error("a view's gradient is part of another's and cannot be set");
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
