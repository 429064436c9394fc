// Adafactor: Shazeer, Stern: "Adafactor: adaptive learning rates with sublinear memory cost", 2018. Of a matrix, the
// squares of gradients are kept as means of rows and of columns, of a vector as they are (algorithms 4 and 5); their
// decay nears 1 as steps go by (section 7.2), and an update whose root mean square is above a threshold is scaled down
// to it (section 6). With train.scale_parameter the learning rate is a share of the parameter's own root mean square
// (section 8). There is no first moment.
//
// Note: sums go over whole parameters, of which a rank holds slices. A kernel sums what lies in one chunk of the arena,
// in an order that depends on the chunk alone; chunks are added without rounding. So every rank has the same means of
// rows and columns, and keeps all of them.
#include <algorithm>
#include <cmath>

#include "comm/fixed_point_sums.h"
#include "runtime/updates/update_rule.h"
#include "tensor/arena.h"

namespace temper {
namespace {

enum Arrays : std::size_t { squares, row_squares, column_squares };

constexpr double kEpsilonOfScale = 1e-3;  ///< epsilon_2 of the paper: a parameter counts as no smaller

bool is_matrix(const SlotUpdate& slot) { return slot.columns > 0; }

SlicePieces pieces_of(const UpdateSlice& slice) {
  return {slice.size, std::min(slice.size, slice.to_chunk), ArenaLayout::kChunk};
}

FactoredSums sums_of(const SlotUpdate& slot) { return {ArenaLayout::kChunk, slot.columns}; }

double decay_of_squares(const Update& update, const SlotUpdate& slot) {
  return 1.0 - std::pow(static_cast<double>(slot.updates), -update.settings.decay_rate);
}

/// Factors of rows, then of columns, of every matrix: the update of an element is its gradient times both.
struct Factors {
  std::vector<std::size_t> starts;  ///< [slots + 1]
  Tensor values;
};

/// Sums of squares of the rows and columns of all matrices, the same on all ranks.
std::vector<double> row_and_column_sums(const Update& update, const std::vector<std::size_t>& starts) {
  std::vector<std::int64_t> begins{0};
  for (const UpdateSlice& slice : update.slices) {
    const SlotUpdate& slot = update.slots[slice.slot];
    const std::int64_t sums = is_matrix(slot) ? pieces_of(slice).count() * sums_of(slot).size() : 0;
    begins.push_back(begins.back() + sums);
  }
  const Tensor partial = Tensor::empty(update.device.memory(), {begins.back()}, DType::f64);
  for (std::size_t i = 0; i < update.slices.size(); ++i) {
    const UpdateSlice& slice = update.slices[i];
    const SlotUpdate& slot = update.slots[slice.slot];
    if (is_matrix(slot))
      update.device.kernels().run(calls::FactoredSquareSums{.gradients = slice.gradients,
                                                            .pieces = pieces_of(slice),
                                                            .begin = slice.begin,
                                                            .columns = slot.columns,
                                                            .sums = partial.data<double>() + begins[i]});
  }
  const std::vector<double> sums = update.device.download<double>(partial);

  FixedPointSums total(starts);
  /// Calls each(slot, which of its sums, value).
  const auto for_each_sum = [&](const auto& each) {
    for (std::size_t i = 0; i < update.slices.size(); ++i) {
      const UpdateSlice& slice = update.slices[i];
      const SlotUpdate& slot = update.slots[slice.slot];
      if (!is_matrix(slot)) continue;
      const SlicePieces pieces = pieces_of(slice);
      const FactoredSums layout = sums_of(slot);
      const double* of_piece = sums.data() + begins[i];
      for (std::int64_t piece = 0; piece < pieces.count(); ++piece, of_piece += layout.size()) {
        const std::int64_t begin = slice.begin + pieces.begin(piece);
        const std::int64_t end = slice.begin + pieces.end(piece);
        for (std::int64_t row = begin / slot.columns; row * slot.columns < end; ++row)
          each(slice.slot, row, of_piece[row - begin / slot.columns]);
        for (std::int64_t j = 0; j < layout.columns; ++j)
          each(slice.slot, slot.rows + layout.column_of(j, begin), of_piece[layout.rows + j]);
      }
    }
  };
  for_each_sum([&](std::size_t slot, std::int64_t /*sum*/, double value) { total.note(slot, value); });
  total.agree(update.communicator);
  for_each_sum(
      [&](std::size_t slot, std::int64_t sum, double value) { total.add(slot, static_cast<std::size_t>(sum), value); });
  return total.share(update.communicator);
}

/// Takes this gradient into the means of rows and columns, and gives what they make of it.
Factors factor(const Update& update) {
  Factors factors{{0}, {}};
  for (const SlotUpdate& slot : update.slots)
    factors.starts.push_back(factors.starts.back() + static_cast<std::size_t>(slot.rows + slot.columns));
  const std::vector<double> sums = row_and_column_sums(update, factors.starts);
  const double scale = static_cast<double>(update.gradient_scale) * static_cast<double>(update.gradient_scale);
  std::vector<float> values(sums.size());
  std::vector<float> state;
  for (std::size_t i = 0; i < update.slots.size(); ++i) {
    const SlotUpdate& slot = update.slots[i];
    if (!is_matrix(slot)) continue;
    const double decay = decay_of_squares(update, slot);
    /// Brings an array of `count` means of `each` elements up to date; what it divides by is in `state`.
    const auto take = [&](float* array, std::int64_t count, std::int64_t each, const double* squares) {
      state.resize(static_cast<std::size_t>(count));
      update.device.download(array, state.data(), state.size() * sizeof(float));
      for (std::size_t j = 0; j < state.size(); ++j) {
        const double mean = squares[j] * scale / static_cast<double>(each) + update.settings.epsilon;
        state[j] = static_cast<float>(decay * static_cast<double>(state[j]) + (1.0 - decay) * mean);
      }
      update.device.upload(state.data(), array, state.size() * sizeof(float));
    };
    const double* squares = sums.data() + factors.starts[i];
    float* out = values.data() + factors.starts[i];
    take(slot.state[row_squares], slot.rows, slot.columns, squares);
    double mean = 0.0;
    for (const float row : state) mean += static_cast<double>(row) / static_cast<double>(slot.rows);
    for (const float row : state) *out++ = static_cast<float>(std::sqrt(mean / static_cast<double>(row)));
    take(slot.state[column_squares], slot.columns, slot.rows, squares + slot.rows);
    for (const float column : state) *out++ = static_cast<float>(1.0 / std::sqrt(static_cast<double>(column)));
  }
  factors.values = update.device.upload(std::span<const float>(values), {static_cast<std::int64_t>(values.size())});
  return factors;
}

AdafactorSlice slice_of(const Update& update, const UpdateSlice& slice, const Factors& factors) {
  const SlotUpdate& slot = update.slots[slice.slot];
  AdafactorSlice own{slice.parameters, slice.gradients, slice.state[squares]};
  if (is_matrix(slot)) {
    own.row_factors = factors.values.data<float>() + factors.starts[slice.slot];
    own.column_factors = own.row_factors + slot.rows;
    own.begin = slice.begin;
    own.columns = slot.columns;
  }
  return own;
}

AdafactorStep step_of(const Update& update, const SlotUpdate& slot) {
  AdafactorStep step;
  step.gradient_scale = update.gradient_scale;
  step.beta2 = static_cast<float>(decay_of_squares(update, slot));
  step.epsilon = static_cast<float>(update.settings.epsilon);
  return step;
}

/// Sums of squares of the update and of the parameter, of each slot, the same on all ranks. Takes this gradient into
/// the squares of vectors.
std::vector<double> update_and_parameter_sums(const Update& update, const Factors& factors) {
  std::vector<std::int64_t> begins{0};
  for (const UpdateSlice& slice : update.slices) begins.push_back(begins.back() + 2 * pieces_of(slice).count());
  const Tensor partial = Tensor::empty(update.device.memory(), {begins.back()}, DType::f64);
  for (std::size_t i = 0; i < update.slices.size(); ++i) {
    const UpdateSlice& slice = update.slices[i];
    update.device.kernels().run(calls::AdafactorSquareSums{.slice = slice_of(update, slice, factors),
                                                           .pieces = pieces_of(slice),
                                                           .step = step_of(update, update.slots[slice.slot]),
                                                           .sums = partial.data<double>() + begins[i]});
  }
  const std::vector<double> sums = update.device.download<double>(partial);
  // The two have units of their own.
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i <= 2 * update.slots.size(); ++i) starts.push_back(i);
  FixedPointSums total(starts);
  const auto for_each_sum = [&](const auto& each) {
    for (std::size_t i = 0; i < update.slices.size(); ++i)
      for (std::int64_t j = begins[i]; j < begins[i + 1]; ++j)
        each(2 * update.slices[i].slot + static_cast<std::size_t>(j % 2), sums[static_cast<std::size_t>(j)]);
  };
  for_each_sum([&](std::size_t group, double value) { total.note(group, value); });
  total.agree(update.communicator);
  for_each_sum([&](std::size_t group, double value) { total.add(group, 0, value); });
  return total.share(update.communicator);
}

void update_by_adafactor(const Update& update) {
  const Factors factors = factor(update);
  const std::vector<double> sums = update_and_parameter_sums(update, factors);
  const auto root_mean_square = [&](std::size_t slot, std::size_t which) {
    return std::sqrt(sums[2 * slot + which] / static_cast<double>(update.slots[slot].size));
  };
  for (const UpdateSlice& slice : update.slices) {
    const SlotUpdate& slot = update.slots[slice.slot];
    double rate = slot.learning_rate;
    if (update.settings.scale_parameter) rate *= std::max(kEpsilonOfScale, root_mean_square(slice.slot, 1));
    AdafactorStep step = step_of(update, slot);
    step.step_size =
        static_cast<float>(rate / std::max(1.0, root_mean_square(slice.slot, 0) / update.settings.clip_threshold));
    step.decay = static_cast<float>(1.0 - rate * static_cast<double>(slot.weight_decay));
    update.device.kernels().run(calls::Adafactor{
        .slice = slice_of(update, slice, factors), .compute_copy = slice.compute_copy, .n = slice.size, .step = step});
  }
}

std::vector<UpdateCost> cost_of_adafactor(std::int64_t n, bool rounds_to_bf16) {
  // Nearly all elements are those of matrices.
  return {{calls::FactoredSquareSums::kKernel, calls::FactoredSquareSums::work_of(n)},
          {calls::AdafactorSquareSums::kKernel, calls::AdafactorSquareSums::work_of(n, false)},
          {calls::Adafactor::kKernel, calls::Adafactor::work_of(n, false, rounds_to_bf16)}};
}

}  // namespace

UpdateRule adafactor() {
  return {.name = "adafactor",
          .summary = "Adafactor",
          .hyper_parameters = {"weight_decay", "epsilon", "decay_rate", "clip_threshold", "scale_parameter"},
          .defaults = {{"epsilon", 1e-30}},
          .state = {{"squares", StateExtent::elements_of_vectors},
                    {"row_squares", StateExtent::rows},
                    {"column_squares", StateExtent::columns}},
          // How much a row decays goes by the size of the whole table.
          .supports_lazy_decay = [](const UpdateSettings&) { return false; },
          .update = update_by_adafactor,
          .cost = cost_of_adafactor};
}

}  // namespace temper
