// What tests of models need beside one: a packed batch, and values for its parameters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "model/model.h"
#include "tensor/array_bundle.h"
#include "tensor/ops.h"
#include "tests/model/sequence_names.h"

namespace temper::testing_support {

/// Sequences of these lengths, whose tokens are 0, 1, 2, 3, 4, 0, ...
struct PackedBatch {
  PackedInput input;
  TokenSelection first_tokens;  ///< one of each sequence
  Tensor block;

  PackedBatch(Device& device, const std::vector<std::int32_t>& lengths) {
    std::vector<std::int32_t> ids, positions, types;
    SequenceNames names;
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      names.add(static_cast<std::uint32_t>(s), lengths[s]);
      for (std::int32_t t = 0; t < lengths[s]; ++t) {
        ids.push_back(t % 5);
        positions.push_back(t);
        types.push_back(0);
      }
      input.longest = std::max<std::int64_t>(input.longest, lengths[s]);
    }
    ArrayBundle bundle;
    bundle.add(ids, input.indices.ids);
    bundle.add(positions, input.indices.positions);
    bundle.add(types, input.indices.types);
    add_groups(bundle, ids, input.indices.by_id);
    add_groups(bundle, positions, input.indices.by_position);
    add_groups(bundle, types, input.indices.by_type);
    names.add_to(bundle, input, first_tokens);
    bundle.upload(device, block);
  }

 private:
  static void add_groups(ArrayBundle& bundle, std::span<const std::int32_t> indices, GroupedRows& target) {
    const HostRowGroups host = group_rows(indices);
    bundle.add(host.ids, target.ids);
    bundle.add(host.piece_starts, target.piece_starts);
    bundle.add(host.row_starts, target.row_starts);
    bundle.add(host.order, target.order);
  }
};

/// Draws values for all parameters of a model.
inline void draw_all(const Model& model, Device& device, std::uint64_t seed = 1) {
  for (const Parameter& parameter : model.parameters().all()) {
    std::vector<float> values(static_cast<std::size_t>(parameter.size()));
    initialize(values, parameter.shape, Initialization::normal(0.5F), seed, parameter.name);
    parameter.variable.set_value(device.upload(std::span<const float>(values), parameter.shape));
  }
}

}  // namespace temper::testing_support
