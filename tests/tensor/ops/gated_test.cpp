#include "tensor/ops/gated.h"

#include "base/error.h"
#include "tests/tensor/ops_gradient.h"

namespace temper {
namespace {

class GatedOps : public testing_support::OpsGradient {};

TEST_F(GatedOps, GradientsMatchCentralDifferences) {
  const Variable gate = leaf(random({5, 7}));
  const Variable value = leaf(random({5, 7}));
  const Variable both = leaf(random({5, 14}));
  for (const Activation activation : {Activation::gelu, Activation::silu, Activation::sigmoid, Activation::none}) {
    for (const Variable& variable : {gate, value, both}) variable.bind_gradient(Tensor(), -1);
    check([&](Tape& t) { return gated(t, gate, value, activation); }, {gate, value}, 5e-3);
    check([&](Tape& t) { return gated(t, both, activation); }, {both}, 5e-3);
  }
}

TEST_F(GatedOps, AHalfMayBeFixedAndBothMayBeOne) {
  const Variable gate = leaf(random({5, 7}));
  const Variable fixed(random({5, 7}));
  check([&](Tape& t) { return gated(t, gate, fixed, Activation::gelu); }, {gate}, 5e-3);
  gate.bind_gradient(Tensor(), -1);
  check([&](Tape& t) { return gated(t, fixed, gate, Activation::gelu); }, {gate}, 5e-3);
  gate.bind_gradient(Tensor(), -1);
  check([&](Tape& t) { return gated(t, gate, gate, Activation::silu); }, {gate}, 5e-3);
}

TEST_F(GatedOps, WhatHasNoHalvesIsRefused) {
  Tape t = tape();
  EXPECT_THROW(gated(t, leaf(random({2, 7})), Activation::gelu), Error);
  EXPECT_THROW(gated(t, leaf(random({2, 7})), leaf(random({7, 2})), Activation::gelu), Error);
}

}  // namespace
}  // namespace temper
