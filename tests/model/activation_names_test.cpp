// What each name stands for, held against what PyTorch gives for it.
#include "model/activation_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "tensor/kernels/cpu/cpu_kernels.h"

namespace temper {
namespace {

constexpr std::size_t kPoints = 11;
using Numbers = std::array<double, kPoints>;

/// bf16 holds them exactly; bends of piecewise functions are among them.
constexpr Numbers kInputs = {-12.0, -3.0, -1.5, -0.375, 0.0, 0.25, 1.0, 2.5, 3.0, 6.0, 12.0};

struct Reference {
  std::vector<std::string> names;
  Numbers values;
  Numbers slopes;
};

/// transformers 5.24, ACT2FN[name] of kInputs in f64 (torch 2.15), and its gradient.
const std::vector<Reference>& references() {
  static const std::vector<Reference> kReferences = {
      {{"gelu", "gelu_python"},
       {0.0, -0.00404969409, -0.100210802, -0.132686337, 0.0, 0.149676581, 0.841344746, 2.48447584, 2.99595031,
        5.99999999, 12.0},
       {-2.57566048e-31, -0.0119456472, -0.127469192, 0.214384573, 0.5, 0.695373355, 1.08331547, 1.03761109, 1.01194565,
        1.00000004, 1.0}},
      {{"gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh"},
       {0.0, -0.00363739208, -0.100428423, -0.132692233, 0.0, 0.149675351, 0.841191991, 2.48491573, 2.99636261, 6.0,
        12.0},
       {0.0, -0.0115841666, -0.127710793, 0.214444308, 0.5, 0.695354095, 1.08296408, 1.03795158, 1.01158417, 1.0, 1.0}},
      {{"gelu_10"},
       {0.0, -0.00404969409, -0.100210802, -0.132686337, 0.0, 0.149676581, 0.841344746, 2.48447584, 2.99595031,
        5.99999999, 10.0},
       {-2.57566048e-31, -0.0119456472, -0.127469192, 0.214384573, 0.5, 0.695373355, 1.08331547, 1.03761109, 1.01194565,
        1.00000004, 0.0}},
      {{"quick_gelu"},
       {-1.61864178e-08, -0.0180713097, -0.108337802, -0.129615839, 0.0, 0.15119965, 0.845795766, 2.46501383,
        2.98192869, 5.99977965, 12.0},
       {-2.6200415e-08, -0.0245483239, -0.0988480646, 0.201286885, 0.5, 0.706500441, 1.06777961, 1.04471867, 1.02454832,
        1.0003383, 1.00000003}},
      {{"silu", "swish"},
       {-7.37300952e-05, -0.14227762, -0.273638286, -0.152750025, 0.0, 0.140544125, 0.731058579, 2.31035455, 2.85772238,
        5.98516426, 11.9999263},
       {-6.75854676e-05, -0.088104106, -0.0412941543, 0.316803562, 0.5, 0.623710022, 0.927670512, 1.09940111,
        1.08810411, 1.01232643, 1.00006759}},
      {{"mish"},
       {-7.37303217e-05, -0.145647461, -0.298099742, -0.180040109, 0.0, 0.16957241, 0.865098388, 2.4713923, 2.986535,
        5.99992663, 12.0},
       {-6.75859017e-05, -0.0933931145, -0.0640978159, 0.362566224, 0.6, 0.754172668, 1.04903622, 1.04112953,
        1.02110691, 1.00013414, 1.0}},
      {{"relu"},
       {0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 1.0, 2.5, 3.0, 6.0, 12.0},
       {0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
      {{"relu2"},
       {0.0, 0.0, 0.0, 0.0, 0.0, 0.0625, 1.0, 6.25, 9.0, 36.0, 144.0},
       {0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 2.0, 5.0, 6.0, 12.0, 24.0}},
      {{"relu6"},
       {0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 1.0, 2.5, 3.0, 6.0, 6.0},
       {0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0}},
      {{"leaky_relu"},
       {-0.12, -0.03, -0.015, -0.00375, 0.0, 0.25, 1.0, 2.5, 3.0, 6.0, 12.0},
       {0.01, 0.01, 0.01, 0.01, 0.01, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
      {{"hardswish"},
       {0.0, 0.0, -0.375, -0.1640625, 0.0, 0.135416667, 0.666666667, 2.29166667, 3.0, 6.0, 12.0},
       {0.0, 0.0, 0.0, 0.375, 0.5, 0.583333333, 0.833333333, 1.33333333, 1.0, 1.0, 1.0}},
      {{"laplace"},
       {0.0, 0.0, 2.55351296e-15, 6.25357012e-05, 0.00609445962, 0.0525730903, 0.850429649, 1.0, 1.0, 1.0, 1.0},
       {0.0, 4.46989813e-38, 7.20946583e-14, 0.000902134395, 0.0611138288, 0.380497096, 0.824945767, 2.39357318e-09,
        6.37536617e-15, 5.07451508e-77, 0.0}},
      {{"sigmoid"},
       {6.1441746e-06, 0.0474258732, 0.182425524, 0.4073334, 0.5, 0.562176501, 0.731058579, 0.92414182, 0.952574127,
        0.997527377, 0.999993856},
       {6.14413685e-06, 0.0451766597, 0.149146452, 0.241412901, 0.25, 0.246134083, 0.196611933, 0.0701037165,
        0.0451766597, 0.00246650929, 6.14413685e-06}},
      {{"tanh"},
       {-1.0, -0.995054754, -0.905148254, -0.358357398, 0.0, 0.244918662, 0.761594156, 0.986614298, 0.995054754,
        0.999987712, 1.0},
       {1.5100543e-10, 0.00986603717, 0.180706639, 0.871579975, 1.0, 0.940014849, 0.419974342, 0.0265922267,
        0.00986603717, 2.45765474e-05, 1.5100543e-10}},
      {{"linear"},
       {-12.0, -3.0, -1.5, -0.375, 0.0, 0.25, 1.0, 2.5, 3.0, 6.0, 12.0},
       {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
  };
  return kReferences;
}

struct Computed {
  Numbers values{};
  Numbers slopes{};
};

template <typename T>
Computed compute(Activation activation, T (*stored)(float), float (*loaded)(T)) {
  // Without a device, which would flush denormals to zero in the tests that follow, too.
  CpuKernels kernels;
  std::array<T, kPoints> z{};
  std::array<T, kPoints> dy{};
  std::array<T, kPoints> y{};
  std::array<T, kPoints> dz{};
  for (std::size_t i = 0; i < kPoints; ++i) z[i] = stored(static_cast<float>(kInputs[i]));
  dy.fill(stored(1.0F));
  const auto row = [](std::array<T, kPoints>& elements) { return MatrixOf<T>{elements.data(), 1, kPoints, kPoints}; };
  kernels.run(calls::BiasActivationForward{.z = row(z), .activation = activation, .y = row(y)});
  kernels.run(
      calls::BiasActivationBackward{.dy = row(dy), .z = row(z), .y = row(y), .activation = activation, .dz = row(dz)});
  Computed computed;
  std::transform(y.begin(), y.end(), computed.values.begin(), loaded);
  std::transform(dz.begin(), dz.end(), computed.slopes.begin(), loaded);
  return computed;
}

Computed in_f32(Activation activation) {
  const auto same = [](float x) { return x; };
  return compute<float>(activation, same, same);
}

Computed in_bf16(Activation activation) { return compute<BFloat16>(activation, to_bfloat16, to_float); }

void expect_near(const Numbers& actual, const Numbers& expected, double relative, double absolute,
                 const std::string& what) {
  for (std::size_t i = 0; i < kPoints; ++i)
    EXPECT_NEAR(actual[i], expected[i], relative * std::abs(expected[i]) + absolute) << what << " at " << kInputs[i];
}

TEST(ActivationNames, AreThoseOfTheReferences) {
  std::set<std::string> of_references;
  for (const Reference& reference : references()) of_references.insert(reference.names.begin(), reference.names.end());
  const std::vector<std::string> supported = supported_activations();
  EXPECT_EQ(std::set<std::string>(supported.begin(), supported.end()), of_references);
  EXPECT_EQ(supported.size(), of_references.size());
}

TEST(ActivationNames, StandForWhatPyTorchComputes) {
  for (const Reference& reference : references()) {
    for (const std::string& name : reference.names) {
      const Computed computed = in_f32(parse_activation(name));
      expect_near(computed.values, reference.values, 3e-6, 1e-9, name);
      expect_near(computed.slopes, reference.slopes, 3e-6, 2e-7, "slope of " + name);
    }
  }
}

TEST(ActivationNames, StandForTheSameInBFloat16) {
  for (const Reference& reference : references()) {
    for (const std::string& name : reference.names) {
      const Activation activation = parse_activation(name);
      const Computed computed = in_bf16(activation);
      expect_near(computed.values, reference.values, 1.0 / 250, 1e-9, name);
      // A slope that is computed from the output sees it rounded.
      const double absolute = slope_reads_output(activation) ? 1.0 / 120 : 2e-7;
      expect_near(computed.slopes, reference.slopes, 1.0 / 250, absolute, "slope of " + name);
    }
  }
}

TEST(ActivationNames, SiluHasTheBitsOfPyTorchInBFloat16) {
  const Computed computed = in_bf16(Activation::silu);
  EXPECT_EQ(computed.values, (Numbers{-7.390975952148438e-05, -0.142578125, -0.2734375, -0.15234375, 0.0, 0.140625,
                                      0.73046875, 2.3125, 2.859375, 6.0, 12.0}));
  EXPECT_EQ(computed.slopes, (Numbers{-6.771087646484375e-05, -0.087890625, -0.041259765625, 0.31640625, 0.5, 0.625,
                                      0.92578125, 1.1015625, 1.0859375, 1.015625, 1.0}));
}

TEST(ActivationNames, RefusesOthers) {
  for (const char* name : {"prelu", "xielu", "sqrtsoftplus", "gelu_11", "SiLU", ""})
    EXPECT_THROW(parse_activation(name), Error) << name;
}

}  // namespace
}  // namespace temper
