#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuReductionTest : public GpuTest {
 protected:
  TwinMatrix random(std::int64_t n, unsigned seed) { return TwinMatrix::random(gpu(), DType::f32, 1, n, seed); }
};

TEST_F(GpuReductionTest, AddMatchesCpu) {
  for (const std::int64_t n : {0, 1, 7, 48, 1000, 5003}) {
    for (const std::int64_t begin : {0, 1}) {
      auto a = random(n + begin, 1);
      auto b = random(n + begin, 2);
      auto out = random(n + begin, 3);
      on_cpu().run(
          calls::Add{.a = a.cpu().data + begin, .b = b.cpu().data + begin, .out = out.cpu().data + begin, .n = n});
      on_gpu().run(calls::Add{
          .a = a.gpu_floats() + begin, .b = b.gpu_floats() + begin, .out = out.gpu_floats() + begin, .n = n});
      out.expect_agreement(gpu(), 0.0);
      on_cpu().run(
          calls::Add{.a = a.cpu().data + begin, .b = b.cpu().data + begin, .out = a.cpu().data + begin, .n = n});
      on_gpu().run(
          calls::Add{.a = a.gpu_floats() + begin, .b = b.gpu_floats() + begin, .out = a.gpu_floats() + begin, .n = n});
      a.expect_agreement(gpu(), 0.0);
    }
  }
}

/// A balanced binary tree over `count` inputs.
void append_tree(std::size_t count, std::vector<TreeStep>& postfix) {
  if (count == 1) {
    postfix.push_back(TreeStep::input);
    return;
  }
  append_tree(count / 2, postfix);
  append_tree(count - count / 2, postfix);
  postfix.push_back(TreeStep::sum);
}

/// Up to 400 inputs travel with the launch, more through memory. The sum goes to the last input.
TEST_F(GpuReductionTest, TreeHasTheBitsOfTheCpu) {
  for (const std::size_t count : {1U, 2U, 5U, 16U, 17U, 400U, 401U}) {
    for (const std::int64_t n : {0, 1, 1000}) {
      std::vector<TwinMatrix> inputs;
      std::vector<const float*> cpu_inputs;
      std::vector<const float*> gpu_inputs;
      for (std::size_t i = 0; i < count; ++i) {
        inputs.push_back(random(n, static_cast<unsigned>(i)));
        cpu_inputs.push_back(inputs.back().cpu().data);
        gpu_inputs.push_back(inputs.back().gpu_floats());
      }
      std::vector<TreeStep> postfix;
      append_tree(count, postfix);
      on_cpu().run(calls::AddTree{.inputs = cpu_inputs, .postfix = postfix, .out = inputs.back().cpu().data, .n = n});
      on_gpu().run(calls::AddTree{.inputs = gpu_inputs, .postfix = postfix, .out = inputs.back().gpu_floats(), .n = n});
      // The host's arrays are its own again.
      std::fill(gpu_inputs.begin(), gpu_inputs.end(), nullptr);
      std::fill(postfix.begin(), postfix.end(), TreeStep::sum);
      for (const TwinMatrix& input : inputs) input.expect_agreement(gpu(), 0.0);
    }
  }
}

TEST_F(GpuReductionTest, TreeMayLeanToEitherSide) {
  for (const bool to_the_right : {false, true}) {
    constexpr int kInputs = calls::AddTree::kMostDepth;
    std::vector<TwinMatrix> inputs;
    std::vector<const float*> cpu_inputs;
    std::vector<const float*> gpu_inputs;
    std::vector<TreeStep> postfix;
    for (int i = 0; i < kInputs; ++i) {
      inputs.push_back(random(50, static_cast<unsigned>(i)));
      cpu_inputs.push_back(inputs.back().cpu().data);
      gpu_inputs.push_back(inputs.back().gpu_floats());
      postfix.push_back(TreeStep::input);
      if (i > 0 && !to_the_right) postfix.push_back(TreeStep::sum);
    }
    if (to_the_right) postfix.insert(postfix.end(), kInputs - 1, TreeStep::sum);
    auto out = random(50, 99);
    on_cpu().run(calls::AddTree{.inputs = cpu_inputs, .postfix = postfix, .out = out.cpu().data, .n = 50});
    on_gpu().run(calls::AddTree{.inputs = gpu_inputs, .postfix = postfix, .out = out.gpu_floats(), .n = 50});
    out.expect_agreement(gpu(), 0.0);
  }
}

TEST_F(GpuReductionTest, SquareSumsMatchCpu) {
  for (const std::int64_t chunk : {1, 7, 48, 1000, 4096}) {
    for (const std::int64_t chunks : {0, 1, 5}) {
      auto x = random(chunk * chunks, 1);
      TwinArray<double> sums(gpu(), std::vector<double>(static_cast<std::size_t>(chunks), -1.0));
      on_cpu().run(calls::ChunkSquareSums{.x = x.cpu().data, .chunk = chunk, .chunks = chunks, .sums = sums.cpu()});
      on_gpu().run(calls::ChunkSquareSums{.x = x.gpu_floats(), .chunk = chunk, .chunks = chunks, .sums = sums.gpu()});
      const auto actual = sums.gpu_values(gpu());
      for (std::size_t i = 0; i < actual.size(); ++i) {
        EXPECT_NEAR(actual[i], sums.cpu_values()[i], 1e-14 * sums.cpu_values()[i]);
      }
      on_gpu().run(calls::ChunkSquareSums{.x = x.gpu_floats(), .chunk = chunk, .chunks = chunks, .sums = sums.gpu()});
      EXPECT_EQ(sums.gpu_values(gpu()), actual);
    }
  }
}

}  // namespace
}  // namespace temper
