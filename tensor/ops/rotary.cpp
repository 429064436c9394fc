#include "tensor/ops/rotary.h"

#include "base/error.h"

namespace temper {

void rotate(Tape& tape, const Variable& x, const HeadColumns& heads, const std::uint32_t* positions,
            const RotaryAngles& angles, const PackedSequences& sequences) {
  const auto pairs = static_cast<std::int64_t>(angles.frequencies.size());
  if (2 * pairs > heads.head_width)
    throw Error("rotate: {} frequencies turn {} columns, but a head has {}", pairs, 2 * pairs, heads.head_width);
  if (pairs > calls::Rotate::kMostPairs)
    throw Error("rotate: a head has {} frequencies; at most {} are supported", pairs, calls::Rotate::kMostPairs);
  if (angles.usual_length > 0 && sequences.starts == nullptr)
    throw Error("rotate: angles depend on the lengths of sequences, which are not given");
  const auto turn = [&tape, heads, positions, angles, sequences](const Tensor& matrix, bool backwards) {
    tape.kernels().run(calls::Rotate{.x = matrix.column_range(heads.first, heads.heads * heads.head_width).as_rows(),
                                     .positions = positions,
                                     .heads = heads.heads,
                                     .frequencies = angles.frequencies,
                                     .layout = angles.layout,
                                     .scale = angles.scale,
                                     .backwards = backwards,
                                     .sequences = sequences,
                                     .usual_length = angles.usual_length,
                                     .long_frequencies = angles.long_frequencies,
                                     .growth = angles.growth});
  };
  turn(x.value(), false);
  x.keep_value();
  if (!tape.records({&x})) return;
  tape.record({&x}, [x = x.without_value(), turn] {
    if (x.gradient_written()) turn(x.gradient(), true);
  });
}

}  // namespace temper
