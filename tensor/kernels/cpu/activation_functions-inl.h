// Activations of vectors, for all kernels that compute one, compiled once for each instruction set (see
// vector_targets.h). Each gives its value at z and its slope at z, where its value there was y; of z and y, a slope may
// read what its traits say (tensor/activation.h). The value at NaN is NaN; the slope need not be.

#if defined(TEMPER_ACTIVATION_FUNCTIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_ACTIVATION_FUNCTIONS_INL_H_
#undef TEMPER_ACTIVATION_FUNCTIONS_INL_H_
#else
#define TEMPER_ACTIVATION_FUNCTIONS_INL_H_
#endif

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "tensor/activation.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

/// z where it is not above `highest`.
HWY_INLINE FloatVector at_most(Floats d, FloatVector z, float highest) {
  const auto bound = hn::Set(d, highest);
  return hn::IfThenElse(hn::Gt(z, bound), bound, z);
}

/// 1 / sqrt(2 pi), which makes a density of e^(-x^2/2).
inline constexpr float kInverseRootOf2Pi = 0.398942280F;

struct Identity : ActivationTraits<Activation::none> {
  static HWY_INLINE FloatVector value(Floats /*d*/, FloatVector z) { return z; }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector /*z*/, FloatVector /*y*/) { return hn::Set(d, 1.0F); }
};

struct Gelu : ActivationTraits<Activation::gelu> {
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) {
    return hn::Mul(z, normal_distribution(d, z).cumulative);
  }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector /*y*/) {
    const auto normal = normal_distribution(d, z);
    return hn::MulAdd(hn::Mul(z, hn::Set(d, kInverseRootOf2Pi)), normal.bell, normal.cumulative);
  }
};

/// (1 + tanh u) / 2 is the logistic function of 2 u, here with u = sqrt(2 / pi) (z + 0.044715 z^3).
struct GeluTanh : ActivationTraits<Activation::gelu_tanh> {
  static constexpr float kTwiceRootOf2OverPi = 1.59576912F;
  static constexpr float kCubic = 0.044715F * kTwiceRootOf2OverPi;

  static HWY_INLINE FloatVector gate(Floats d, FloatVector z) {
    const auto factor = hn::MulAdd(hn::Mul(z, z), hn::Set(d, kCubic), hn::Set(d, kTwiceRootOf2OverPi));
    return logistic(d, hn::Mul(z, factor));
  }
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) { return hn::Mul(z, gate(d, z)); }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector /*y*/) {
    const auto s = gate(d, z);
    const auto inner = hn::MulAdd(hn::Mul(z, z), hn::Set(d, 3 * kCubic), hn::Set(d, kTwiceRootOf2OverPi));
    return hn::MulAdd(hn::Mul(hn::Mul(z, s), hn::Sub(hn::Set(d, 1.0F), s)), inner, s);
  }
};

/// PyTorch's clip lets the gradient of the bound itself through.
struct GeluClipped : ActivationTraits<Activation::gelu_clipped> {
  static constexpr float kMost = 10.0F;

  static HWY_INLINE FloatVector value(Floats d, FloatVector z) { return at_most(d, Gelu::value(d, z), kMost); }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector y) {
    return hn::IfThenZeroElse(hn::Gt(z, hn::Set(d, kMost)), Gelu::slope(d, z, y));
  }
};

/// z s(beta z), s being the logistic function.
template <Activation kActivation, int kThousandths>
struct Swish : ActivationTraits<kActivation> {
  static constexpr float kBeta = kThousandths / 1000.0F;

  static HWY_INLINE FloatVector value(Floats d, FloatVector z) {
    return hn::Mul(z, logistic(d, hn::Mul(z, hn::Set(d, kBeta))));
  }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector /*y*/) {
    const auto scaled = hn::Mul(z, hn::Set(d, kBeta));
    const auto s = logistic(d, scaled);
    return hn::MulAdd(hn::Mul(scaled, s), hn::Sub(hn::Set(d, 1.0F), s), s);
  }
};
using QuickGelu = Swish<Activation::quick_gelu, 1702>;
using Silu = Swish<Activation::silu, 1000>;

/// With e = e^z and n = e (e + 2), tanh(ln(1 + e)) = n / (n + 2), and its slope is 4 e (1 + e) / (n + 2)^2. Beyond 20
/// it is 1 in f32, and n^2 would soon overflow.
struct Mish : ActivationTraits<Activation::mish> {
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) {
    const auto e = exponential(d, at_most(d, z, 20.0F));
    const auto two = hn::Set(d, 2.0F);
    const auto n = hn::Mul(e, hn::Add(e, two));
    return hn::Mul(z, hn::Div(n, hn::Add(n, two)));
  }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector /*y*/) {
    const auto e = exponential(d, at_most(d, z, 20.0F));
    const auto two = hn::Set(d, 2.0F);
    const auto n = hn::Mul(e, hn::Add(e, two));
    const auto inverse = hn::Div(hn::Set(d, 1.0F), hn::Add(n, two));
    const auto gate_slope = hn::Mul(hn::Mul(hn::MulAdd(e, e, e), hn::Set(d, 4.0F)), hn::Mul(inverse, inverse));
    return hn::MulAdd(z, gate_slope, hn::Mul(n, inverse));
  }
};

struct Relu : ActivationTraits<Activation::relu> {
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) { return hn::IfThenZeroElse(hn::Lt(z, hn::Zero(d)), z); }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector /*z*/, FloatVector y) {
    return hn::IfThenElseZero(hn::Gt(y, hn::Zero(d)), hn::Set(d, 1.0F));
  }
};

struct ReluSquared : ActivationTraits<Activation::relu_squared> {
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) {
    const auto positive = Relu::value(d, z);
    return hn::Mul(positive, positive);
  }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector /*y*/) {
    const auto positive = Relu::value(d, z);
    return hn::Add(positive, positive);
  }
};

struct Relu6 : ActivationTraits<Activation::relu6> {
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) { return at_most(d, Relu::value(d, z), 6.0F); }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector y) {
    return hn::IfThenElseZero(hn::Lt(y, hn::Set(d, 6.0F)), Relu::slope(d, z, y));
  }
};

struct LeakyRelu : ActivationTraits<Activation::leaky_relu> {
  static constexpr float kLeak = 0.01F;

  static HWY_INLINE FloatVector value(Floats d, FloatVector z) {
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), z, hn::Mul(z, hn::Set(d, kLeak)));
  }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector /*z*/, FloatVector y) {
    return hn::IfThenElse(hn::Gt(y, hn::Zero(d)), hn::Set(d, 1.0F), hn::Set(d, kLeak));
  }
};

struct Hardswish : ActivationTraits<Activation::hardswish> {
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) {
    const auto gate = Relu6::value(d, hn::Add(z, hn::Set(d, 3.0F)));
    return hn::Mul(hn::Mul(z, gate), hn::Set(d, 1.0F / 6.0F));
  }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector /*y*/) {
    const auto inside = hn::MulAdd(z, hn::Set(d, 1.0F / 3.0F), hn::Set(d, 0.5F));
    const auto not_low = hn::IfThenZeroElse(hn::Le(z, hn::Set(d, -3.0F)), inside);
    return hn::IfThenElse(hn::Ge(z, hn::Set(d, 3.0F)), hn::Set(d, 1.0F), not_low);
  }
};

struct Laplace : ActivationTraits<Activation::laplace> {
  static constexpr float kMean = 0.707107F;
  static constexpr float kInverseDeviation = 1.0F / 0.282095F;

  static HWY_INLINE Normal<Floats> distribution(Floats d, FloatVector z) {
    return normal_distribution(d, hn::Mul(hn::Sub(z, hn::Set(d, kMean)), hn::Set(d, kInverseDeviation)));
  }
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) { return distribution(d, z).cumulative; }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector z, FloatVector /*y*/) {
    return hn::Mul(distribution(d, z).bell, hn::Set(d, kInverseRootOf2Pi * kInverseDeviation));
  }
};

struct Sigmoid : ActivationTraits<Activation::sigmoid> {
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) { return logistic(d, z); }
  static HWY_INLINE FloatVector slope(Floats /*d*/, FloatVector /*z*/, FloatVector y) { return hn::NegMulAdd(y, y, y); }
};

struct HyperbolicTangent : ActivationTraits<Activation::tanh> {
  static HWY_INLINE FloatVector value(Floats d, FloatVector z) { return hn::Tanh(d, z); }
  static HWY_INLINE FloatVector slope(Floats d, FloatVector /*z*/, FloatVector y) {
    return hn::NegMulAdd(y, y, hn::Set(d, 1.0F));
  }
};

/// Calls call(an activation's functions).
template <class Call>
HWY_INLINE void with_activation(Activation activation, const Call& call) {
  switch (activation) {
    case Activation::none:
      return call(Identity{});
    case Activation::gelu:
      return call(Gelu{});
    case Activation::gelu_tanh:
      return call(GeluTanh{});
    case Activation::gelu_clipped:
      return call(GeluClipped{});
    case Activation::quick_gelu:
      return call(QuickGelu{});
    case Activation::silu:
      return call(Silu{});
    case Activation::mish:
      return call(Mish{});
    case Activation::relu:
      return call(Relu{});
    case Activation::relu_squared:
      return call(ReluSquared{});
    case Activation::relu6:
      return call(Relu6{});
    case Activation::leaky_relu:
      return call(LeakyRelu{});
    case Activation::hardswish:
      return call(Hardswish{});
    case Activation::laplace:
      return call(Laplace{});
    case Activation::sigmoid:
      return call(Sigmoid{});
    case Activation::tanh:
      return call(HyperbolicTangent{});
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
