#include "tensor/ops/activation.h"

#include "tensor/host_copy.h"
#include "tensor/ops.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class ActivationOp : public testing_support::OpsGradient {};

TEST_F(ActivationOp, GradientsMatchCentralDifferences) {
  const Variable x = leaf(random({5, 7}));
  for (const Activation activation : {Activation::gelu, Activation::silu, Activation::tanh, Activation::none}) {
    x.bind_gradient(Tensor(), -1);
    check([&](Tape& t) { return activated(t, x, activation); }, {x}, 5e-3);
    // The gradient of x is there already when the activation's comes.
    x.bind_gradient(Tensor(), -1);
    check([&](Tape& t) { return add(t, activated(t, x, activation), x); }, {x}, 5e-3);
  }
}

TEST_F(ActivationOp, LeavesItsInputAndGivesWhatALinearLayerGives) {
  Tape t = tape();
  const Variable x = leaf(random({5, 7}));
  const Variable weight = leaf(random({4, 7}));
  const Variable z = linear(t, x, weight, Variable());
  const std::vector<float> before = device_->download<float>(z.value());
  const Variable apart = activated(t, z, Activation::gelu);
  EXPECT_EQ(device_->download<float>(z.value()), before);
  const Variable together = linear(t, x, weight, Variable(), Activation::gelu);
  EXPECT_EQ(device_->download<float>(apart.value()), device_->download<float>(together.value()));
}

}  // namespace
}  // namespace temper
