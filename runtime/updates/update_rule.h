// Update rules: how a step's gradient changes the parameters. A rule is one file here and one row of the table in
// update_rule.cpp; nothing else knows its name.
//
// Note: a rank updates only the slices of parameters that it owns, and slices are cut anywhere. What a rule needs of a
// whole parameter (a norm, sums of rows) it must sum over ranks so that the bits are the same on any number of them: by
// chunks of the arena, which no rank's slices cut, and over chunks without rounding (comm/fixed_point_sums.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "runtime/updates/update_settings.h"
#include "tensor/calls/kernel_work.h"
#include "tensor/device.h"

namespace temper {

/// What of a parameter an array of state has an element for.
enum class StateExtent : std::uint8_t {
  elements,             ///< each element: a rank holds the part that belongs to its slices
  elements_of_vectors,  ///< the same, of parameters that are no matrices; the others have none
  rows,                 ///< each row of a matrix: every rank holds the whole array; vectors have none
  columns,              ///< each column, likewise
};

/// A named array that a rule keeps of every parameter, f32, zero before the first update. In a checkpoint it is
/// state/<name>/<parameter>.
struct StateArray {
  std::string_view name;
  StateExtent extent = StateExtent::elements;

  /// True where each rank holds all of it.
  [[nodiscard]] bool is_whole() const { return extent == StateExtent::rows || extent == StateExtent::columns; }
  /// Elements of the array of a parameter of `size` elements; rows and columns are 0 where it is no matrix.
  [[nodiscard]] std::int64_t elements(std::int64_t size, std::int64_t rows, std::int64_t columns) const;
};

/// Rows and columns of a parameter as update rules see it; 0 where it is no matrix.
struct MatrixExtent {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};
MatrixExtent matrix_extent(const Shape& shape);

/// No rule has more arrays.
inline constexpr std::size_t kMostStateArrays = 3;
using StatePointers = std::array<float*, kMostStateArrays>;

/// A parameter in a step, the same on all ranks.
struct SlotUpdate {
  std::int64_t size = 0;
  std::int64_t rows = 0;  ///< of a matrix; 0: it is none
  std::int64_t columns = 0;
  float learning_rate = 0;  ///< already scheduled, times the parameter's own factor
  float weight_decay = 0;
  std::int64_t updates = 1;  ///< that its state has seen, this one included
  StatePointers state{};     ///< of whole arrays, on the device
};

/// A part of a parameter that this rank updates. All pointers are to its first element, on the device.
struct UpdateSlice {
  std::size_t slot = 0;
  std::int64_t begin = 0;  ///< in its parameter
  std::int64_t size = 0;
  std::int64_t to_chunk = 0;  ///< elements up to the end of the arena's chunk in which it begins; may be more than size
  float* parameters = nullptr;
  const float* gradients = nullptr;
  BFloat16* compute_copy = nullptr;  ///< receives the updated parameters rounded to bf16; may be null
  StatePointers state{};             ///< of arrays that are not whole
};

/// One update of the own slices.
struct Update {
  Device& device;
  Communicator& communicator;  ///< a rule that uses it is collective
  const UpdateSettings& settings;
  float gradient_scale;  ///< 1 / count, times the clipping factor
  std::span<const SlotUpdate> slots;
  std::span<const UpdateSlice> slices;
};

/// A kernel that a rule calls, and what its call needs.
struct UpdateCost {
  KernelId kernel;
  KernelWork work;
};

struct UpdateRule {
  std::string_view name;  ///< as train.optimizer has it
  std::string_view summary;
  /// The keys of [train] that it reads beside learning_rate.
  std::vector<std::string_view> hyper_parameters;
  /// Those whose default is not the configuration's.
  std::vector<std::pair<std::string_view, double>> defaults;
  std::vector<StateArray> state;
  /// True if rows that were never touched only decay: an element whose gradient and state have been zero so far is at
  /// most scaled, by a factor that depends on nothing else. Their decay can then be applied later.
  bool (*supports_lazy_decay)(const UpdateSettings& settings);
  void (*update)(const Update& update);
  /// Of an update of n elements.
  std::vector<UpdateCost> (*cost)(std::int64_t n, bool rounds_to_bf16);
};

const std::vector<UpdateRule>& update_rules();
std::vector<std::string> update_rule_names();
/// Throws a usage Error that lists the names where there is none of this one.
const UpdateRule& update_rule(std::string_view name);

}  // namespace temper
