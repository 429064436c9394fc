// Models from nothing: what is drawn, and what width scaling makes of it.
#include "model/width_scaling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/architectures/model_config.h"
#include "model/architectures/registry.h"
#include "model/weights.h"
#include "tensor/device.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

constexpr const char* kGpt2 =
    R"({"model_type": "gpt2", "vocab_size": 300, "n_positions": 64, "n_embd": 64, "n_layer": 2, "n_head": 4,
        "initializer_range": 0.02, "resid_pdrop": 0.0})";

struct FromNothing {
  std::unique_ptr<Device> device = make_cpu_device();
  std::unique_ptr<Model> model;

  explicit FromNothing(std::int64_t base_width, const char* json = kGpt2) {
    HeadRequest request;
    request.kind = HeadKind::causal_language_model;
    model = make_model(parse_model_config(json, "folder"), request, -1.0);
    LoadOptions options;
    options.seed = 7;
    options.initialize = true;
    options.base_width = base_width;
    load_weights(*model, WeightFiles::none("folder"), *device, options);
  }

  [[nodiscard]] std::vector<float> values(const std::string& name) const {
    const HostCopy copy(*device, model->parameters().find(name)->variable.value());
    return {copy.values().begin(), copy.values().end()};
  }

  [[nodiscard]] double deviation(const std::string& name) const {
    double squares = 0.0;
    const std::vector<float> all = values(name);
    for (const float value : all) squares += static_cast<double>(value) * value;
    return std::sqrt(squares / static_cast<double>(all.size()));
  }
};

TEST(FromNothing, Gpt2IsDrawnByItsRules) {
  const FromNothing drawn(0);
  EXPECT_NEAR(drawn.deviation("transformer.wte.weight"), 0.02, 1e-3);
  EXPECT_NEAR(drawn.deviation("transformer.h.0.attn.query.weight"), 0.02, 1e-3);
  EXPECT_NEAR(drawn.deviation("transformer.h.1.mlp.c_fc.weight"), 0.02, 1e-3);
  // 0.02 / sqrt(2 layers)
  EXPECT_NEAR(drawn.deviation("transformer.h.0.attn.c_proj.weight"), 0.01, 5e-4);
  EXPECT_NEAR(drawn.deviation("transformer.h.1.mlp.c_proj.weight"), 0.01, 5e-4);
  EXPECT_EQ(drawn.deviation("transformer.h.1.mlp.c_proj.bias"), 0.0);
  EXPECT_EQ(drawn.values("transformer.ln_f.weight"), std::vector<float>(64, 1.0F));
}

TEST(FromNothing, WeightsThatAreMissingAreAnErrorOtherwise) {
  FromNothing drawn(0);
  EXPECT_THROW(load_weights(*drawn.model, WeightFiles::none("folder"), *drawn.device, LoadOptions{}), Error);
}

TEST(WidthScaling, FollowsTableEight) {
  const FromNothing plain(0);
  const FromNothing scaled(16);  // m = 4
  const std::vector<double> factors = width_rate_factors(*scaled.model, 16);
  std::map<std::string, double> rates;
  std::size_t i = 0;
  for (const Parameter& parameter : scaled.model->parameters().all()) rates[parameter.name] = factors.at(i++);
  const auto expect = [&](const std::string& name, double drawn, double rate) {
    std::vector<float> values = plain.values(name);
    for (float& value : values) value *= static_cast<float>(drawn);
    const std::vector<float> found = scaled.values(name);
    ASSERT_EQ(found.size(), values.size());
    for (std::size_t k = 0; k < found.size(); ++k) ASSERT_NEAR(found[k], values[k], 1e-8) << name;
    EXPECT_EQ(rates.at(name), rate) << name;
  };
  expect("transformer.wte.weight", 1.0, 1.0);
  expect("transformer.wpe.weight", 1.0, 1.0);
  expect("transformer.h.0.ln_1.weight", 1.0, 1.0);
  expect("transformer.h.1.mlp.c_fc.bias", 1.0, 1.0);
  expect("transformer.h.0.attn.key.weight", 0.5, 0.25);
  expect("transformer.h.1.mlp.c_proj.weight", 0.5, 0.25);
  expect("transformer.ln_f.weight", 0.25, 0.25);
  expect("transformer.ln_f.bias", 0.25, 0.25);
}

TEST(WidthScaling, ChangesNothingAtTheBaseWidth) {
  const FromNothing plain(0);
  const FromNothing scaled(64);
  for (const Parameter& parameter : plain.model->parameters().all())
    EXPECT_EQ(plain.values(parameter.name), scaled.values(parameter.name)) << parameter.name;
  for (const double factor : width_rate_factors(*scaled.model, 64)) EXPECT_EQ(factor, 1.0);
  EXPECT_TRUE(width_rate_factors(*scaled.model, 0).empty());
}

}  // namespace
}  // namespace temper
