#include "runtime/tasks/row_outputs.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/error.h"
#include "runtime/tasks/probabilities.h"

namespace temper {
namespace {

/// Classes are numbered in f32 while they are gathered, which counts up to here.
constexpr std::int64_t kMostClasses = std::int64_t{1} << 24;

}  // namespace

RowOutputs::RowOutputs(std::int64_t rows, std::int64_t columns, bool several, std::span<const std::int32_t> groups)
    : rows_(rows), columns_(columns), several_(several), groups_(groups.begin(), groups.end()) {
  if (!groups.empty() && std::cmp_not_equal(groups.size(), rows))
    throw Error("measures: found groups of {} rows, expected {}", groups.size(), rows);
  if (columns >= kMostClasses) throw Error("measures: found {} classes, expected fewer than {}", columns, kMostClasses);
  logits_.assign(static_cast<std::size_t>(rows * columns), 0.0F);
  targets_.assign(static_cast<std::size_t>(several ? rows * columns : rows), 0.0F);
  if (!several) normalisers_.resize(static_cast<std::size_t>(rows));
}

void RowOutputs::put(std::int64_t row, std::span<const float> logits, std::int32_t row_class) {
  if (row_class >= columns_) throw Error("measures: found class {}, expected classes 0 to {}", row_class, columns_ - 1);
  std::copy_n(logits.begin(), columns_, logits_.begin() + row * columns_);
  targets_[static_cast<std::size_t>(row)] = row_class < 0 ? 0.0F : static_cast<float>(row_class + 1);
  const std::span<const float> all = this->logits(row);
  // As softmax has it.
  Normaliser& normaliser = normalisers_[static_cast<std::size_t>(row)];
  normaliser = {*std::max_element(all.begin(), all.end()), 0.0};
  for (const float logit : all) normaliser.sum += std::exp(logit - normaliser.largest);
}

void RowOutputs::put(std::int64_t row, std::span<const float> logits, std::span<const float> targets) {
  std::copy_n(logits.begin(), columns_, logits_.begin() + row * columns_);
  std::copy_n(targets.begin(), columns_, targets_.begin() + row * columns_);
}

void RowOutputs::gather(Communicator& communicator) {
  // Each number comes from one rank, the others add zero.
  communicator.all_reduce(std::span(logits_), Reduction::sum);
  communicator.all_reduce(std::span(targets_), Reduction::sum);
  std::vector<double> numbers;
  numbers.reserve(2 * normalisers_.size());
  for (const Normaliser& normaliser : normalisers_) numbers.insert(numbers.end(), {normaliser.largest, normaliser.sum});
  communicator.all_reduce(std::span(numbers), Reduction::sum);
  for (std::size_t row = 0; row < normalisers_.size(); ++row)
    normalisers_[row] = {numbers[2 * row], numbers[2 * row + 1]};
}

std::int64_t RowOutputs::group_count() const {
  return static_cast<std::int64_t>(std::set<std::int32_t>(groups_.begin(), groups_.end()).size());
}

std::vector<double> RowOutputs::probabilities(std::int64_t row, double temperature) const {
  if (!several_) return softmax(logits(row), temperature);
  std::vector<double> each;
  each.reserve(static_cast<std::size_t>(columns_));
  for (const float logit : logits(row)) each.push_back(sigmoid(logit, temperature));
  return each;
}

double RowOutputs::probability(std::int64_t row, std::int64_t column) const {
  const double own = logits(row)[static_cast<std::size_t>(column)];
  if (several_) return sigmoid(own);
  const Normaliser& normaliser = normalisers_[static_cast<std::size_t>(row)];
  // Of a row that nobody has put, all logits are 0.
  if (normaliser.sum == 0.0) return 1.0 / static_cast<double>(columns_);
  return std::exp(own - normaliser.largest) / normaliser.sum;
}

}  // namespace temper
