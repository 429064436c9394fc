// Activations, for all kernels that compute one: each gives its value at z and its slope there, where its value was y;
// of z and y, a slope may read what its traits say. In the order of tensor/activation.h, and as on the CPU, where it is
// said why a form was chosen (tensor/kernels/cpu/activation_functions-inl.h). The value at NaN is NaN; the slope need
// not be.
#pragma once

#include <cuda_runtime.h>

#include "tensor/activation.h"

namespace temper {

/// 1 / (1 + e^-x). It takes expf: the error of __expf grows with its argument.
__device__ inline float logistic(float x) { return __fdividef(1.0F, 1.0F + expf(-x)); }

/// The standard normal distribution at x: the chance of less than x, and e^(-x^2/2).
struct Normal {
  static constexpr float kInverseRootOf2Pi = 0.398942280F;  ///< makes a density of the bell

  float cumulative;
  float bell;
};

/// As on the CPU, where its source is named (tensor/kernels/cpu/vector/vector_math-inl.h): relatively exact in both
/// tails.
__device__ inline Normal normal_distribution(float x) {
  const float t = __fdividef(1.0F, fmaf(fabsf(x), 0.35F, 1.0F));
  const float bell = expf(x * -0.5F * x);
  float p = -0.02914607711136341F;
  p = fmaf(p, t, 0.14397241175174713F);
  p = fmaf(p, t, -0.2557156980037689F);
  p = fmaf(p, t, 0.1591757982969284F);
  p = fmaf(p, t, -0.023110954090952873F);
  p = fmaf(p, t, 0.1055084690451622F);
  p = fmaf(p, t, 0.11983275413513184F);
  p = fmaf(p, t, 0.13986188173294067F);
  p = fmaf(p, t, 0.13962140679359436F);
  const float tail = bell * t * p;
  return {x < 0.0F ? tail : 1.0F - tail, bell};
}

struct Identity : ActivationTraits<Activation::none> {
  static __device__ float value(float z) { return z; }
  static __device__ float slope(float /*z*/, float /*y*/) { return 1.0F; }
};

struct Gelu : ActivationTraits<Activation::gelu> {
  static __device__ float value(float z) { return z * normal_distribution(z).cumulative; }
  static __device__ float slope(float z, float /*y*/) {
    const Normal normal = normal_distribution(z);
    return fmaf(z * Normal::kInverseRootOf2Pi, normal.bell, normal.cumulative);
  }
};

struct GeluTanh : ActivationTraits<Activation::gelu_tanh> {
  static constexpr float kTwiceRootOf2OverPi = 1.59576912F;
  static constexpr float kCubic = 0.044715F * kTwiceRootOf2OverPi;

  static __device__ float gate(float z) { return logistic(z * fmaf(z * z, kCubic, kTwiceRootOf2OverPi)); }
  static __device__ float value(float z) { return z * gate(z); }
  static __device__ float slope(float z, float /*y*/) {
    const float s = gate(z);
    return fmaf(z * s * (1.0F - s), fmaf(z * z, 3.0F * kCubic, kTwiceRootOf2OverPi), s);
  }
};

struct GeluClipped : ActivationTraits<Activation::gelu_clipped> {
  static constexpr float kMost = 10.0F;

  static __device__ float value(float z) {
    const float gelu = Gelu::value(z);
    return gelu > kMost ? kMost : gelu;
  }
  static __device__ float slope(float z, float y) { return z > kMost ? 0.0F : Gelu::slope(z, y); }
};

template <Activation kActivation, int kThousandths>
struct Swish : ActivationTraits<kActivation> {
  static constexpr float kBeta = kThousandths / 1000.0F;

  static __device__ float value(float z) { return z * logistic(kBeta * z); }
  static __device__ float slope(float z, float /*y*/) {
    const float s = logistic(kBeta * z);
    return fmaf(kBeta * z * s, 1.0F - s, s);
  }
};
using QuickGelu = Swish<Activation::quick_gelu, 1702>;
using Silu = Swish<Activation::silu, 1000>;

struct Mish : ActivationTraits<Activation::mish> {
  static __device__ float value(float z) {
    const float e = expf(z > 20.0F ? 20.0F : z);
    const float n = e * (e + 2.0F);
    return z * __fdividef(n, n + 2.0F);
  }
  static __device__ float slope(float z, float /*y*/) {
    const float e = expf(z > 20.0F ? 20.0F : z);
    const float n = e * (e + 2.0F);
    const float inverse = __fdividef(1.0F, n + 2.0F);
    return fmaf(z, 4.0F * fmaf(e, e, e) * (inverse * inverse), n * inverse);
  }
};

struct Relu : ActivationTraits<Activation::relu> {
  static __device__ float value(float z) { return z < 0.0F ? 0.0F : z; }
  static __device__ float slope(float /*z*/, float y) { return y > 0.0F ? 1.0F : 0.0F; }
};

struct ReluSquared : ActivationTraits<Activation::relu_squared> {
  static __device__ float value(float z) { return Relu::value(z) * Relu::value(z); }
  static __device__ float slope(float z, float /*y*/) { return 2.0F * Relu::value(z); }
};

struct Relu6 : ActivationTraits<Activation::relu6> {
  static __device__ float value(float z) { return z > 6.0F ? 6.0F : Relu::value(z); }
  static __device__ float slope(float /*z*/, float y) { return y > 0.0F && y < 6.0F ? 1.0F : 0.0F; }
};

struct LeakyRelu : ActivationTraits<Activation::leaky_relu> {
  static constexpr float kLeak = 0.01F;

  static __device__ float value(float z) { return z > 0.0F ? z : kLeak * z; }
  static __device__ float slope(float /*z*/, float y) { return y > 0.0F ? 1.0F : kLeak; }
};

struct Hardswish : ActivationTraits<Activation::hardswish> {
  static __device__ float value(float z) { return z * Relu6::value(z + 3.0F) * (1.0F / 6.0F); }
  static __device__ float slope(float z, float /*y*/) {
    if (z <= -3.0F) return 0.0F;
    return z >= 3.0F ? 1.0F : fmaf(z, 1.0F / 3.0F, 0.5F);
  }
};

struct Laplace : ActivationTraits<Activation::laplace> {
  static constexpr float kMean = 0.707107F;
  static constexpr float kInverseDeviation = 1.0F / 0.282095F;

  static __device__ Normal distribution(float z) { return normal_distribution((z - kMean) * kInverseDeviation); }
  static __device__ float value(float z) { return distribution(z).cumulative; }
  static __device__ float slope(float z, float /*y*/) {
    return distribution(z).bell * (Normal::kInverseRootOf2Pi * kInverseDeviation);
  }
};

struct Sigmoid : ActivationTraits<Activation::sigmoid> {
  static __device__ float value(float z) { return logistic(z); }
  static __device__ float slope(float /*z*/, float y) { return fmaf(-y, y, y); }
};

struct HyperbolicTangent : ActivationTraits<Activation::tanh> {
  static __device__ float value(float z) { return tanhf(z); }
  static __device__ float slope(float /*z*/, float y) { return fmaf(-y, y, 1.0F); }
};

/// Calls function(an activation's functions).
template <typename Function>
void with_activation(Activation activation, const Function& function) {
  switch (activation) {
    case Activation::none:
      return function(Identity{});
    case Activation::gelu:
      return function(Gelu{});
    case Activation::gelu_tanh:
      return function(GeluTanh{});
    case Activation::gelu_clipped:
      return function(GeluClipped{});
    case Activation::quick_gelu:
      return function(QuickGelu{});
    case Activation::silu:
      return function(Silu{});
    case Activation::mish:
      return function(Mish{});
    case Activation::relu:
      return function(Relu{});
    case Activation::relu_squared:
      return function(ReluSquared{});
    case Activation::relu6:
      return function(Relu6{});
    case Activation::leaky_relu:
      return function(LeakyRelu{});
    case Activation::hardswish:
      return function(Hardswish{});
    case Activation::laplace:
      return function(Laplace{});
    case Activation::sigmoid:
      return function(Sigmoid{});
    case Activation::tanh:
      return function(HyperbolicTangent{});
  }
}

}  // namespace temper
