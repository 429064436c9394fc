// Every op's gradient against central differences of its own forward pass. The differences are taken of
// sum(out * direction) in double, so f32 rounding of the outputs is the only noise.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "tensor/ops.h"

namespace temper::testing_support {

class OpsGradient : public testing::Test {
 protected:
  Tensor random(const Shape& shape, float scale = 1.0F, float offset = 0.0F) {
    const Tensor tensor = Tensor::empty(device_->memory(), shape);
    std::normal_distribution<float> normal(offset, scale);
    for (float& value : tensor.span<float>()) value = normal(engine_);
    return tensor;
  }
  template <typename T>
  Tensor indices(const std::vector<T>& values) {
    const Tensor tensor = Tensor::empty(device_->memory(), {static_cast<std::int64_t>(values.size())}, dtype_of<T>());
    std::copy(values.begin(), values.end(), tensor.data<T>());
    return tensor;
  }
  GroupedRows groups(const std::vector<std::int32_t>& values) {
    const HostRowGroups host = group_rows(values);
    return {indices(host.ids), indices(host.piece_starts), indices(host.row_starts), indices(host.order), Tensor()};
  }
  /// What a loss adds to: its sum and what to divide it by, zero so far.
  Tensor no_loss() {
    const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
    device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
    return sum;
  }
  Variable leaf(Tensor value) { return Variable(std::move(value), true); }

  using Forward = std::function<Variable(Tape&)>;

  /// The same dropout masks are drawn in every pass.
  Tape tape(Tape::Mode mode = Tape::Mode::training) { return Tape(*device_, mode, random_key(3, 5)); }

  void check(const Forward& forward, const std::vector<Variable>& inputs, double tolerance = 2e-3) {
    Tape recorded = tape();
    const Variable out = forward(recorded);
    const Tensor direction = random(out.shape());
    // Backward may write over the gradient that it is given.
    const Tensor given = Tensor::empty(device_->memory(), out.shape());
    std::copy_n(direction.data<float>(), direction.size(), given.data<float>());
    Tape::set_gradient(out, given);
    recorded.backward();
    const auto value = [&] {
      Tape fresh = tape();
      const Tensor result = forward(fresh).value();
      double sum = 0.0;
      for (std::int64_t i = 0; i < result.size(); ++i)
        sum += static_cast<double>(result.data<float>()[i]) * direction.data<float>()[i];
      return sum;
    };
    compare(value, inputs, tolerance);
  }

  void compare(const std::function<double()>& value, const std::vector<Variable>& inputs, double tolerance) {
    for (std::size_t n = 0; n < inputs.size(); ++n) {
      ASSERT_TRUE(inputs[n].gradient().defined()) << "input " << n;
      // A copy: a loss writes its gradient anew at each call.
      const auto written = inputs[n].gradient().span<float>();
      const std::vector<float> gradient(written.begin(), written.end());
      const auto values = inputs[n].value().span<float>();
      for (std::size_t i = 0; i < values.size(); i += 1 + values.size() / 40) {
        constexpr float kStep = 1e-2F;
        const float kept = values[i];
        values[i] = kept + kStep;
        const double above = value();
        values[i] = kept - kStep;
        const double below = value();
        values[i] = kept;
        const double difference = (above - below) / (2.0 * kStep);
        ASSERT_NEAR(gradient[i], difference, tolerance * (1.0 + std::abs(difference))) << "input " << n << " at " << i;
      }
    }
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  std::mt19937 engine_{17};
};

}  // namespace temper::testing_support
