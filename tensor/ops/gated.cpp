#include "tensor/ops/gated.h"

#include "base/error.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

Tensor product(const Tape& tape, const Variable& gate, const Variable& value, Activation activation) {
  const Tensor y = tape.empty(gate.shape(), gate.type());
  tape.kernels().run(calls::GatedForward{
      .gate = gate.value().as_rows(), .value = value.value().as_rows(), .activation = activation, .y = y.as_rows()});
  return y;
}

}  // namespace

Variable gated(Tape& tape, const Variable& gate, const Variable& value, Activation activation) {
  if (gate.shape() != value.shape())
    throw Error("gated: the gate has shape {} and the value {}, expected one shape", gate.shape().text(),
                value.shape().text());
  Variable out(product(tape, gate, value, activation), tape.records({&gate, &value}));
  if (!out.requires_gradient()) return out;
  tape.computes_again(out, [&tape, gate, value, activation] { return product(tape, gate, value, activation); });
  tape.record({&gate, &value}, [&tape, gate, value, activation, out = out.without_value()] {
    const OverwrittenGradient d_gate(tape, gate);
    const OverwrittenGradient d_value(tape, value);
    tape.kernels().run(calls::GatedBackward{.dy = out.gradient().as_rows(),
                                            .gate = gate.value().as_rows(),
                                            .value = value.value().as_rows(),
                                            .activation = activation,
                                            .d_gate = d_gate.rows(),
                                            .d_value = d_value.rows()});
    d_gate.finish();
    d_value.finish();
  });
  return out;
}

Variable gated(Tape& tape, const Variable& x, Activation activation) {
  const std::int64_t both = x.value().columns();
  if (both % 2 != 0) throw Error("gated: the input has shape {}, expected two halves", x.shape().text());
  return gated(tape, columns(tape, x, 0, both / 2), columns(tape, x, both / 2, both / 2), activation);
}

}  // namespace temper
