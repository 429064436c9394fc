// Keys and values as attention reads them: those of the batch, or of all that its texts have had so far.
#pragma once

#include <cstdint>

#include "model/packed_input.h"
#include "tensor/tape.h"

namespace temper {

struct KeysAndValues {
  Variable keys;
  Variable values;
};

/// Keys (turned, where positions turn them) and values of the batch's tokens. In a pass that goes on with texts they
/// are written to the cache, whose rows are then given: input.packed(selection) says where they lie. `dropout_place`:
/// the layer's, which names it there.
KeysAndValues remembered(const PackedInput& input, const Variable& keys, const Variable& values,
                         std::uint32_t dropout_place);

}  // namespace temper
