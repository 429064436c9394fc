// Every architecture with matrices in bf16 or f16 gives the loss and the gradients of its twin in f32, bit for bit:
// what a parameter that stays narrow is read by takes it so (ParameterPlace::add_matrix).
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "base/half_float.h"
#include "model/weights.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/device_batch.h"
#include "tensor/float16.h"
#include "tests/data/temporary_folder.h"
#include "tests/model_fixture.h"

namespace temper {
namespace {

using testing_support::ModelFixture;

/// The fixture's weights, rounded to a narrow type: as such in one file, and as f32 in another.
class Twins {
 public:
  Twins(const ModelFixture& fixture, StoredType type)
      : narrow_(write(fixture, type, "narrow")), wide_(write(fixture, type, "wide")) {}
  [[nodiscard]] const WeightFiles& narrow() const { return narrow_; }
  [[nodiscard]] const WeightFiles& wide() const { return wide_; }

 private:
  WeightFiles write(const ModelFixture& fixture, StoredType type, const std::string& name) const {
    std::deque<std::vector<std::uint16_t>> narrow;
    std::deque<std::vector<float>> wide;
    std::vector<TensorToWrite> tensors;
    for (const std::string& tensor : fixture.weights.names()) {
      const TensorView& view = *fixture.weights.find(tensor);
      if (view.type != StoredType::f32) continue;  // counters, which no model reads
      std::vector<float>& values = wide.emplace_back(static_cast<std::size_t>(element_count(view.shape).value_or(0)));
      to_f32(view, values);
      std::vector<std::uint16_t>& rounded = narrow.emplace_back();
      for (float& value : values) {
        rounded.push_back(type == StoredType::f16 ? to_f16(value) : to_bf16(value));
        value = type == StoredType::f16 ? from_f16(rounded.back()) : from_bf16(rounded.back());
      }
      if (name == "narrow") {
        tensors.push_back({tensor, view.shape, {}, rounded, type});
      } else {
        tensors.push_back({tensor, view.shape, values});
      }
    }
    std::filesystem::create_directories(folder_.path() / name);
    write_safetensors(folder_.path() / name / "model.safetensors", tensors, {{"format", "pt"}});
    return WeightFiles::open(folder_.path() / name);
  }

  testing_support::TemporaryFolder folder_;
  WeightFiles narrow_;
  WeightFiles wide_;
};

struct Found {
  std::vector<double> loss;
  std::map<std::string, std::vector<float>> gradients;
};

class NarrowFixture : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Model> load(const ModelFixture& fixture, const WeightFiles& files) const {
    std::unique_ptr<Model> model = make_model(fixture.config, fixture.request, fixture.dropout);
    EXPECT_TRUE(load_weights(*model, files, *device_, {}).initialized.empty());
    return model;
  }

  /// Of a step that trains norms and biases alone, through all layers.
  Found step(const ModelFixture& fixture, const Model& model, DType activations) const {
    for (const Parameter& parameter : model.parameters().all())
      parameter.variable.set_requires_gradient(parameter.shape.dimensions() == 1 &&
                                               parameter.role != ParameterRole::statistic);
    ensure_compute_copies(model, *device_, activations);
    const DeviceBatch batch = to_device(fixture.batch, model.readout(), {.labelled = true}, *device_);
    const Tensor sum = device_->zeros({2}, DType::f64);
    Tape tape(*device_, Tape::Mode::training, {}, activations);
    model.loss(tape, batch.input, batch.selection, batch.targets, sum);
    tape.backward();
    Found found{device_->download<double>(sum), {}};
    for (const Parameter& parameter : model.parameters().all())
      if (parameter.variable.gradient_written())
        found.gradients[parameter.name] = device_->download<float>(parameter.variable.gradient());
    return found;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_P(NarrowFixture, HasTheBitsOfItsTwinInF32) {
  const ModelFixture fixture(GetParam());
  for (const StoredType type : {StoredType::bf16, StoredType::f16}) {
    const Twins twins(fixture, type);
    const std::unique_ptr<Model> narrow = load(fixture, twins.narrow());
    const std::unique_ptr<Model> wide = load(fixture, twins.wide());
    const auto& parameters = narrow->parameters().all();
    EXPECT_GT(std::count_if(parameters.begin(), parameters.end(),
                            [](const Parameter& parameter) { return is_narrow(parameter.variable.value().type()); }),
              4);
    for (const DType activations : {DType::f32, DType::bf16}) {
      if (activations == DType::bf16 && !device_->has_bf16()) continue;
      const Found expected = step(fixture, *wide, activations);
      const Found found = step(fixture, *narrow, activations);
      EXPECT_EQ(found.loss, expected.loss) << name_of(type) << ", " << name_of(activations);
      EXPECT_GE(expected.gradients.size(), 3U);
      EXPECT_TRUE(found.gradients == expected.gradients) << name_of(type) << ", " << name_of(activations);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, NarrowFixture, testing::ValuesIn(testing_support::own_fixtures()),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
