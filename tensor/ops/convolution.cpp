#include "tensor/ops/convolution.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/kernels.h"
#include "tensor/ops.h"
#include "tensor/ops/gradients.h"

namespace temper {

WindowGrid WindowShape::grid() const {
  return {.images = images,
          .height = height,
          .width = width,
          .high = high(),
          .wide = wide(),
          .taps_high = kernel_height,
          .taps_wide = kernel_width,
          .stride = stride,
          .first_y = -padding,
          .first_x = -padding};
}

namespace {

// Windows that lie side by side at a time: on CPUs so few that the product finds them in the cache, and so many that
// what it does to the weights first does not count.
constexpr std::int64_t kRoomBytesOnHost = std::int64_t{4} << 20;
constexpr std::int64_t kRoomBytesElsewhere = std::int64_t{256} << 20;
constexpr std::int64_t kLeastWindows = 256;

/// Memory for windows of a grid over c channels.
Tensor room_for(const Tape& tape, const WindowGrid& grid, std::int64_t channels, DType type) {
  const std::int64_t columns = grid.taps() * channels;
  const std::int64_t bytes = tape.device().shares_host_memory() ? kRoomBytesOnHost : kRoomBytesElsewhere;
  const std::int64_t rows = std::max(bytes / (columns * static_cast<std::int64_t>(size_of(type))), kLeastWindows);
  return tape.empty({std::clamp<std::int64_t>(grid.places(), 1, rows), columns}, type);
}

void require_map(const char* op, const Variable& x, const WindowShape& shape) {
  if (x.value().rows() != shape.images * shape.height * shape.width)
    throw Error("{}: the input has shape {}, expected {} images of {} x {} pixels", op, x.shape().text(), shape.images,
                shape.height, shape.width);
  if (shape.high() < 1 || shape.wide() < 1)
    throw Error("{}: images of {} x {} pixels are smaller than the window of {} x {}", op, shape.height, shape.width,
                shape.kernel_height, shape.kernel_width);
}

/// Every stride-th pixel in both directions.
Variable thinned(Tape& tape, const Variable& x, const WindowShape& shape) {
  const WindowGrid grid = shape.grid();
  const Tensor y = tape.empty({grid.places(), x.value().columns()}, x.value().type());
  tape.kernels().run(calls::GatherWindows{.x = x.value().as_rows(), .grid = grid, .y = y.as_rows()});
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x = x.without_value(), grid, out = out.without_value()] {
    tape.kernels().run(calls::ScatterPlaces{
        .x = out.gradient().as_rows(), .grid = grid, .y = tape.cleared_gradient_of(x).as_rows(), .accumulate = true});
  });
  return out;
}

/// Pixels of x whose lines and columns leave a remainder each when divided by the stride: the same taps reach all of
/// them. With stride 1 these are all pixels.
class PixelClass {
 public:
  PixelClass(const WindowShape& shape, std::int64_t y, std::int64_t x)
      : shape_(shape),
        y_(y),
        x_(x),
        first_tap_y_((y + shape.padding) % shape.stride),
        first_tap_x_((x + shape.padding) % shape.stride) {}

  /// The places whose gradients reach a pixel, as windows over the map that came out: mirrored, every tap that exists.
  [[nodiscard]] WindowGrid grid() const {
    return {.images = shape_.images,
            .height = shape_.high(),
            .width = shape_.wide(),
            .high = count(shape_.height, y_),
            .wide = count(shape_.width, x_),
            .taps_high = count(shape_.kernel_height, first_tap_y_),
            .taps_wide = count(shape_.kernel_width, first_tap_x_),
            .stride = 1,
            .first_y = (y_ + shape_.padding - first_tap_y_) / shape_.stride,
            .first_x = (x_ + shape_.padding - first_tap_x_) / shape_.stride,
            .step = -1};
  }
  /// Where the pixels lie in x.
  [[nodiscard]] WindowGrid pixels() const {
    return {.images = shape_.images,
            .height = shape_.height,
            .width = shape_.width,
            .high = count(shape_.height, y_),
            .wide = count(shape_.width, x_),
            .stride = shape_.stride,
            .first_y = y_,
            .first_x = x_};
  }
  /// The weights of the taps as [taps * out, in] of a type.
  [[nodiscard]] Tensor weights(const Tape& tape, const Tensor& weight, DType type) const {
    const WindowGrid of = grid();
    const std::int64_t out = weight.rows();
    const std::int64_t in = weight.columns() / (shape_.kernel_height * shape_.kernel_width);
    const Tensor taken = tape.empty({of.taps() * out, in}, type);
    for (std::int64_t tap = 0; tap < of.taps(); ++tap) {
      const std::int64_t a = first_tap_y_ + tap / of.taps_wide * shape_.stride;
      const std::int64_t b = first_tap_x_ + tap % of.taps_wide * shape_.stride;
      tape.kernels().run(calls::Copy{.x = weight.as_rows().window(0, out, (a * shape_.kernel_width + b) * in, in),
                                     .y = taken.as_rows().part(tap * out, out)});
    }
    return taken;
  }

 private:
  /// Of `length`, how many there are from `first` on.
  [[nodiscard]] std::int64_t count(std::int64_t length, std::int64_t first) const {
    return first < length ? (length - first + shape_.stride - 1) / shape_.stride : 0;
  }

  WindowShape shape_;
  std::int64_t y_;
  std::int64_t x_;
  std::int64_t first_tap_y_;
  std::int64_t first_tap_x_;
};

/// dx of a convolution.
void write_input_gradient(Tape& tape, const Variable& x, const Tensor& weight, const Tensor& dz,
                          const WindowShape& shape) {
  const bool one_class = shape.stride == 1;
  const GradientTarget dx = one_class ? tape.gradient_of(x) : GradientTarget{tape.cleared_gradient_of(x), true};
  for (std::int64_t i = 0; i < shape.stride * shape.stride; ++i) {
    const PixelClass pixels(shape, i / shape.stride, i % shape.stride);
    const WindowGrid grid = pixels.grid();
    if (grid.taps() == 0 || grid.places() == 0) continue;
    const Tensor own = one_class ? dx.tensor : tape.empty({grid.places(), x.shape()[1]}, dz.type());
    const Tensor room = room_for(tape, grid, dz.columns(), dz.type());
    const Tensor weights = pixels.weights(tape, weight, dz.type());
    tape.kernels().run(calls::WindowProduct{.x = dz.as_rows(),
                                            .grid = grid,
                                            .weight = weights.as_rows(),
                                            .weight_is_transposed = true,
                                            .room = room.as_rows(),
                                            .y = own.as_rows(),
                                            .accumulate = one_class && dx.accumulate});
    if (!one_class)
      tape.kernels().run(calls::ScatterPlaces{
          .x = own.as_rows(), .grid = pixels.pixels(), .y = dx.tensor.as_rows(), .accumulate = true});
  }
}

ConstRows bias_row(const Variable& bias) {
  return bias.defined() ? ConstRows(bias.compute_copy().as_row()) : ConstRows();
}

}  // namespace

Variable convolution(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                     const WindowShape& shape) {
  require_map("convolution", x, shape);
  if (weight.value().columns() != shape.kernel_height * shape.kernel_width * x.value().columns())
    throw Error("convolution: the input has shape {} and the weight {}, expected {} taps of the input's columns",
                x.shape().text(), weight.shape().text(), shape.kernel_height * shape.kernel_width);
  if (shape.kernel_height * shape.kernel_width == 1 && shape.padding == 0)
    return linear(tape, shape.stride == 1 ? x : thinned(tape, x, shape), weight, bias);
  const WindowGrid grid = shape.grid();
  const Tensor y = tape.empty({grid.places(), weight.value().rows()}, x.value().type());
  const Tensor room = room_for(tape, grid, x.value().columns(), x.value().type());
  tape.kernels().run(calls::WindowProduct{.x = x.value().as_rows(),
                                          .grid = grid,
                                          .weight = weight.compute_copy().as_rows(),
                                          .bias = bias_row(bias),
                                          .room = room.as_rows(),
                                          .y = y.as_rows()});
  Variable out(y, tape.records({&x, &weight, &bias}));
  if (!out.requires_gradient()) return out;
  // What is not read is not kept: the input of frozen weights.
  const Variable kept_x = weight.requires_gradient() ? x : x.without_value();
  tape.record({&x, &weight, &bias}, [&tape, x = kept_x, weight, bias, shape, out = out.without_value()] {
    const Tensor dz = out.gradient();
    const GradientTarget d_bias = wanted_gradient(tape, bias);
    if (weight.requires_gradient()) {
      const GradientTarget d_weight = tape.gradient_of(weight);
      const Tensor windows = room_for(tape, shape.grid(), x.value().columns(), x.value().type());
      tape.kernels().run(calls::WindowWeightGradient{.dz = dz.as_rows(),
                                                     .x = x.value().as_rows(),
                                                     .grid = shape.grid(),
                                                     .room = windows.as_rows(),
                                                     .d_weight = d_weight.tensor.as_rows().as<float>(),
                                                     .accumulate_weight = d_weight.accumulate,
                                                     .d_bias = d_bias.parameter(),
                                                     .accumulate_bias = d_bias.accumulate});
    } else if (d_bias.tensor.defined()) {
      tape.kernels().run(calls::BiasActivationBackward{
          .dy = dz.as_rows(), .dz = dz.as_rows(), .d_bias = d_bias.parameter(), .accumulate_bias = d_bias.accumulate});
    }
    if (x.requires_gradient()) write_input_gradient(tape, x, weight.compute_copy(), dz, shape);
  });
  return out;
}

Variable depthwise_convolution(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                               const WindowShape& shape) {
  require_map("depthwise_convolution", x, shape);
  if (shape.stride != 1 || weight.value().columns() != x.value().columns() ||
      weight.value().rows() != shape.kernel_height * shape.kernel_width)
    throw Error(
        "depthwise_convolution: the input has shape {}, the weight {} and the stride is {}, expected a row for each of "
        "{} x {} taps and stride 1",
        x.shape().text(), weight.shape().text(), shape.stride, shape.kernel_height, shape.kernel_width);
  const WindowGrid grid = shape.grid();
  const Tensor y = tape.empty({grid.places(), x.value().columns()}, x.value().type());
  tape.kernels().run(calls::DepthwiseForward{.x = x.value().as_rows(),
                                             .grid = grid,
                                             .weight = weight.value().data<float>(),
                                             .bias = bias.defined() ? bias.value().data<float>() : nullptr,
                                             .y = y.as_rows()});
  Variable out(y, tape.records({&x, &weight, &bias}));
  if (!out.requires_gradient()) return out;
  const Variable kept_x = weight.requires_gradient() ? x : x.without_value();
  tape.record({&x, &weight, &bias}, [&tape, x = kept_x, weight, bias, shape, out = out.without_value()] {
    const Tensor dy = out.gradient();
    const GradientTarget d_bias = wanted_gradient(tape, bias);
    if (weight.requires_gradient()) {
      const GradientTarget d_weight = tape.gradient_of(weight);
      tape.kernels().run(calls::DepthwiseWeightGradient{.dy = dy.as_rows(),
                                                        .x = x.value().as_rows(),
                                                        .grid = shape.grid(),
                                                        .d_weight = d_weight.parameter(),
                                                        .accumulate_weight = d_weight.accumulate,
                                                        .d_bias = d_bias.parameter(),
                                                        .accumulate_bias = d_bias.accumulate});
    } else if (d_bias.tensor.defined()) {
      tape.kernels().run(calls::BiasActivationBackward{
          .dy = dy.as_rows(), .dz = dy.as_rows(), .d_bias = d_bias.parameter(), .accumulate_bias = d_bias.accumulate});
    }
    if (!x.requires_gradient()) return;
    const GradientTarget dx = tape.gradient_of(x);
    tape.kernels().run(calls::DepthwiseForward{.x = dy.as_rows(),
                                               .grid = PixelClass(shape, 0, 0).grid(),
                                               .weight = weight.value().data<float>(),
                                               .y = dx.tensor.as_rows(),
                                               .accumulate = dx.accumulate});
  });
  return out;
}

Variable max_pool(Tape& tape, const Variable& x, const WindowShape& shape) {
  require_map("max_pool", x, shape);
  // Every window has a pixel then.
  if (2 * shape.padding > std::min(shape.kernel_height, shape.kernel_width))
    throw Error("max_pool: the padding is {}, expected at most half of the window of {} x {}", shape.padding,
                shape.kernel_height, shape.kernel_width);
  const WindowGrid grid = shape.grid();
  const Tensor y = tape.empty({grid.places(), x.value().columns()}, x.value().type());
  const bool records = tape.records({&x});
  constexpr std::int64_t kBytesOfWord = 4;
  const Tensor winners = records ? tape.empty({(y.size() + kBytesOfWord - 1) / kBytesOfWord}, DType::u32) : Tensor();
  const auto bytes_of_winners = [winners] {
    return winners.defined() ? static_cast<std::uint8_t*>(winners.bytes()) : nullptr;
  };
  tape.kernels().run(
      calls::MaxPoolForward{.x = x.value().as_rows(), .grid = grid, .y = y.as_rows(), .winners = bytes_of_winners()});
  Variable out(y, records);
  if (!records) return out;
  tape.record({&x}, [&tape, x = x.without_value(), grid, bytes_of_winners, out = out.without_value()] {
    write_gradient(tape, x, [&](const Rows& dx) {
      tape.kernels().run(calls::MaxPoolBackward{
          .dy = out.gradient().as_rows(), .winners = bytes_of_winners(), .grid = grid, .dx = dx});
    });
  });
  return out;
}

}  // namespace temper
