#include "tests/gpu/gpu_testing.h"
#include "tests/tensor/kernels/window_cases.h"

namespace temper {
namespace {

using testing_support::mirrored;
using testing_support::window_shapes;

class GpuWindowsTest : public GpuActivationsTest {};
TEMPER_FOR_EACH_TYPE(GpuWindowsTest);

TEST_P(GpuWindowsTest, GatherAndScatterMatchCpu) {
  for (const WindowShape& shape : window_shapes())
    for (const WindowGrid& grid : {shape.grid(), mirrored(shape.grid())})
      for (const Lie lie : kLies)
        for (const std::int64_t columns : {5, 16}) {
          TwinMatrix x = TwinMatrix::random(gpu(), type(), grid.pixels(), columns, 1, lie);
          const std::int64_t first = grid.places() / 3;
          TwinMatrix y = TwinMatrix::random(gpu(), type(), grid.places() - first, grid.taps() * columns, 2, lie);
          on_cpu().run(calls::GatherWindows{.x = x.cpu(), .grid = grid, .first = first, .y = y.cpu()});
          on_gpu().run(calls::GatherWindows{.x = x.gpu(), .grid = grid, .first = first, .y = y.gpu()});
          y.expect_agreement(gpu(), 0.0);
        }
  const WindowGrid grid = WindowShape{.images = 2, .height = 5, .width = 7, .stride = 2}.grid();
  for (const bool accumulate : {false, true})
    for (const Lie lie : kLies) {
      TwinMatrix x = TwinMatrix::random(gpu(), DType::f32, 7, 16, 1, lie);
      TwinMatrix y = TwinMatrix::random(gpu(), type(), grid.pixels(), 16, 2, lie);
      on_cpu().run(
          calls::ScatterPlaces{.x = x.cpu(), .grid = grid, .first = 5, .y = y.cpu(), .accumulate = accumulate});
      on_gpu().run(
          calls::ScatterPlaces{.x = x.gpu(), .grid = grid, .first = 5, .y = y.gpu(), .accumulate = accumulate});
      y.expect_agreement(gpu(), tolerance(0.0));
    }
}

TEST_P(GpuWindowsTest, ProductsMatchCpu) {
  const WindowShape shape{2, 6, 5, 3, 3, 2, 1};
  const WindowGrid grid = shape.grid();
  TwinMatrix x = TwinMatrix::random(gpu(), type(), grid.pixels(), 16, 1);
  TwinMatrix weight = TwinMatrix::random(gpu(), type(), 24, 9 * 16, 2);
  TwinMatrix turned = TwinMatrix::random(gpu(), type(), 9 * 16, 24, 3);
  TwinMatrix bias = TwinMatrix::random(gpu(), type(), 1, 24, 4);
  TwinMatrix room = TwinMatrix::random(gpu(), type(), 7, 9 * 16, 5);
  TwinMatrix y = TwinMatrix::random(gpu(), type(), grid.places(), 24, 6);
  const auto forward = [&](Kernels& kernels, auto of) {
    kernels.run(calls::WindowProduct{
        .x = of(x), .grid = grid, .weight = of(weight), .bias = of(bias), .room = of(room), .y = of(y)});
  };
  const auto cpu_side = [](TwinMatrix& matrix) { return Rows(matrix.cpu()); };
  const auto gpu_side = [](TwinMatrix& matrix) { return matrix.gpu(); };
  forward(on_cpu(), cpu_side);
  forward(on_gpu(), gpu_side);
  y.expect_agreement(gpu(), tolerance(1e-5));
  TwinMatrix z = TwinMatrix::random(gpu(), type(), grid.places(), 24, 7);
  const auto back = [&](Kernels& kernels, auto of) {
    kernels.run(calls::WindowProduct{.x = of(x),
                                     .grid = grid,
                                     .weight = of(turned),
                                     .weight_is_transposed = true,
                                     .room = of(room),
                                     .y = of(z),
                                     .accumulate = true});
  };
  back(on_cpu(), cpu_side);
  back(on_gpu(), gpu_side);
  z.expect_agreement(gpu(), tolerance(1e-5));
  TwinMatrix d_weight = TwinMatrix::random(gpu(), DType::f32, 24, 9 * 16, 8);
  TwinMatrix d_bias = TwinMatrix::random(gpu(), DType::f32, 1, 24, 9);
  TwinMatrix dz = TwinMatrix::random(gpu(), type(), grid.places(), 24, 10);
  on_cpu().run(calls::WindowWeightGradient{.dz = dz.cpu(),
                                           .x = x.cpu(),
                                           .grid = grid,
                                           .room = room.cpu(),
                                           .d_weight = d_weight.cpu(),
                                           .d_bias = d_bias.cpu().data});
  on_gpu().run(calls::WindowWeightGradient{.dz = dz.gpu(),
                                           .x = x.gpu(),
                                           .grid = grid,
                                           .room = room.gpu(),
                                           .d_weight = d_weight.gpu().as<float>(),
                                           .d_bias = d_bias.gpu_floats()});
  d_weight.expect_agreement(gpu(), 1e-5);
  d_bias.expect_agreement(gpu(), 1e-5);
}

class GpuDepthwiseTest : public GpuActivationsTest {};
TEMPER_FOR_EACH_TYPE(GpuDepthwiseTest);

TEST_P(GpuDepthwiseTest, MatchesCpuBothWays) {
  for (const WindowShape& shape : window_shapes())
    for (const WindowGrid& grid : {shape.grid(), mirrored(shape.grid())})
      for (const Lie lie : kLies)
        for (const std::int64_t columns : {7, 16}) {
          TwinMatrix x = TwinMatrix::random(gpu(), type(), grid.pixels(), columns, 1, lie);
          TwinMatrix y = TwinMatrix::random(gpu(), type(), grid.places(), columns, 2, lie);
          TwinMatrix weight = TwinMatrix::random(gpu(), DType::f32, grid.taps(), columns, 3);
          TwinMatrix bias = TwinMatrix::random(gpu(), DType::f32, 1, columns, 4);
          for (const bool accumulate : {false, true}) {
            on_cpu().run(calls::DepthwiseForward{.x = x.cpu(),
                                                 .grid = grid,
                                                 .weight = weight.cpu().data,
                                                 .bias = bias.cpu().data,
                                                 .y = y.cpu(),
                                                 .accumulate = accumulate});
            on_gpu().run(calls::DepthwiseForward{.x = x.gpu(),
                                                 .grid = grid,
                                                 .weight = weight.gpu_floats(),
                                                 .bias = bias.gpu_floats(),
                                                 .y = y.gpu(),
                                                 .accumulate = accumulate});
            y.expect_agreement(gpu(), tolerance(1e-5));
            y.upload(gpu());
          }
          TwinMatrix dy = TwinMatrix::random(gpu(), type(), grid.places(), columns, 5, lie);
          on_cpu().run(calls::DepthwiseWeightGradient{.dy = dy.cpu(),
                                                      .x = x.cpu(),
                                                      .grid = grid,
                                                      .d_weight = weight.cpu().data,
                                                      .accumulate_weight = true,
                                                      .d_bias = bias.cpu().data});
          on_gpu().run(calls::DepthwiseWeightGradient{.dy = dy.gpu(),
                                                      .x = x.gpu(),
                                                      .grid = grid,
                                                      .d_weight = weight.gpu_floats(),
                                                      .accumulate_weight = true,
                                                      .d_bias = bias.gpu_floats()});
          weight.expect_agreement(gpu(), 1e-5);
          bias.expect_agreement(gpu(), 1e-5);
        }
}

class GpuPoolingTest : public GpuActivationsTest {};
TEMPER_FOR_EACH_TYPE(GpuPoolingTest);

TEST_P(GpuPoolingTest, MatchesCpuBothWays) {
  for (const WindowShape& shape : {WindowShape{2, 8, 9, 3, 3, 2, 1}, WindowShape{1, 7, 6, 2, 2, 2, 0}})
    for (const Lie lie : kLies)
      for (const std::int64_t columns : {7, 16}) {
        const WindowGrid grid = shape.grid();
        TwinMatrix x = TwinMatrix::random(gpu(), type(), grid.pixels(), columns, 1, lie);
        TwinMatrix y = TwinMatrix::random(gpu(), type(), grid.places(), columns, 2, lie);
        // Winners are bytes: four to a word.
        const auto words = static_cast<std::size_t>((grid.places() * columns + 3) / 4);
        TwinArray<std::uint32_t> winners(gpu(), std::vector<std::uint32_t>(words));
        on_cpu().run(calls::MaxPoolForward{
            .x = x.cpu(), .grid = grid, .y = y.cpu(), .winners = reinterpret_cast<std::uint8_t*>(winners.cpu())});
        on_gpu().run(calls::MaxPoolForward{
            .x = x.gpu(), .grid = grid, .y = y.gpu(), .winners = reinterpret_cast<std::uint8_t*>(winners.gpu())});
        y.expect_agreement(gpu(), 0.0);
        EXPECT_EQ(winners.gpu_values(gpu()), winners.cpu_values());
        TwinMatrix dx = TwinMatrix::random(gpu(), type(), grid.pixels(), columns, 3, lie);
        on_cpu().run(calls::MaxPoolBackward{
            .dy = y.cpu(), .winners = reinterpret_cast<std::uint8_t*>(winners.cpu()), .grid = grid, .dx = dx.cpu()});
        on_gpu().run(calls::MaxPoolBackward{
            .dy = y.gpu(), .winners = reinterpret_cast<std::uint8_t*>(winners.gpu()), .grid = grid, .dx = dx.gpu()});
        dx.expect_agreement(gpu(), tolerance(1e-6));
      }
}

}  // namespace
}  // namespace temper
