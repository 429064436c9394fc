#include "tensor/ops/elementwise.h"

#include "base/error.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

void require_one_shape(const char* op, const Variable& a, const Variable& b) {
  if (a.shape() != b.shape())
    throw Error("{}: the inputs have shapes {} and {}, expected one shape", op, a.shape().text(), b.shape().text());
}

}  // namespace

Variable add(Tape& tape, const Variable& a, const Variable& b) { return add(tape, a, b, {}, {}); }

Variable add(Tape& tape, const Variable& x, const Variable& residual, TokenKeys names, const Dropout& dropout) {
  require_one_shape("add", x, residual);
  const Tensor y = tape.empty(x.shape(), x.value().type());
  tape.kernels().run(calls::AddRows{
      .a = x.value().as_rows(), .b = residual.value().as_rows(), .names = names, .dropout = dropout, .y = y.as_rows()});
  Variable out(y, tape.records({&x, &residual}));
  if (!out.requires_gradient()) return out;
  tape.record({&x, &residual}, [&tape, x = x.without_value(), residual = residual.without_value(), names, dropout,
                                out = out.without_value()] {
    const Tensor dy = out.gradient();
    if (dropout.active() && x.requires_gradient()) {
      write_gradient(tape, x, [&](Rows dx) {
        tape.kernels().run(calls::ApplyDropout{.x = dy.as_rows(), .names = names, .dropout = dropout, .y = dx});
      });
    } else if (x.requires_gradient()) {
      // One of the two may have the gradient itself.
      if (!residual.requires_gradient()) {
        tape.give_gradient(x, dy);
        return;
      }
      const GradientTarget dx = tape.gradient_of(x);
      tape.kernels().run(calls::Copy{.x = dy.as_rows(), .y = dx.tensor.as_rows(), .accumulate = dx.accumulate});
    }
    if (residual.requires_gradient()) tape.give_gradient(residual, dy);
  });
  return out;
}

Variable multiply(Tape& tape, const Variable& a, const Variable& b) {
  require_one_shape("multiply", a, b);
  const Tensor y = tape.empty(a.shape(), a.value().type());
  tape.kernels().run(calls::MultiplyRows{.a = a.value().as_rows(), .b = b.value().as_rows(), .y = y.as_rows()});
  Variable out(y, tape.records({&a, &b}));
  if (!out.requires_gradient()) return out;
  tape.record({&a, &b}, [&tape, a, b, out = out.without_value()] {
    const auto write = [&](const Variable& to, const Variable& other) {
      if (!to.requires_gradient()) return;
      const GradientTarget target = tape.gradient_of(to);
      tape.kernels().run(calls::MultiplyRows{.a = out.gradient().as_rows(),
                                             .b = other.value().as_rows(),
                                             .y = target.tensor.as_rows(),
                                             .accumulate = target.accumulate});
    };
    write(a, b);
    write(b, a);
  });
  return out;
}

Variable scale(Tape& tape, const Variable& x, float factor) {
  const Tensor y = tape.empty(x.shape(), x.value().type());
  tape.kernels().run(calls::ScaleRows{.x = x.value().as_rows(), .factor = factor, .y = y.as_rows()});
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x = x.without_value(), factor, out = out.without_value()] {
    const GradientTarget dx = tape.gradient_of(x);
    tape.kernels().run(calls::ScaleRows{
        .x = out.gradient().as_rows(), .factor = factor, .y = dx.tensor.as_rows(), .accumulate = dx.accumulate});
  });
  return out;
}

Variable columns(Tape& tape, const Variable& x, std::int64_t first, std::int64_t count) {
  return tape.view(x, {0, x.value().rows(), first, count});
}

Variable rows(Tape& tape, const Variable& x, std::int64_t first, std::int64_t count) {
  return tape.view(x, {first, count, 0, x.value().columns()});
}

Variable dropout(Tape& tape, const Variable& x, TokenKeys names, const Dropout& dropout) {
  if (!dropout.active()) return x;
  const Tensor y = tape.empty(x.shape(), x.value().type());
  tape.kernels().run(
      calls::ApplyDropout{.x = x.value().as_rows(), .names = names, .dropout = dropout, .y = y.as_rows()});
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x = x.without_value(), names, dropout, out = out.without_value()] {
    write_gradient(tape, x, [&](Rows dx) {
      tape.kernels().run(
          calls::ApplyDropout{.x = out.gradient().as_rows(), .names = names, .dropout = dropout, .y = dx});
    });
  });
  return out;
}

}  // namespace temper
