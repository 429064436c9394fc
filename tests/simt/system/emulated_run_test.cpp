// Whole runs of the program on emulated GPUs, as a user starts them.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "model/huggingface/safetensors.h"
#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

class EmulatedRun : public TinyRun {
 protected:
  static std::vector<std::string> on_gpu(const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{
        "run.device=cuda",  "train.epochs=1",           "train.max_steps=4",         "train.grains=4",
        "data.cache=false", "output.tensorboard=false", "run.gpu_communication=nccl"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] double largest_difference(const std::string& a, const std::string& b) const {
    const SafetensorsFile one(path(a) / "model/model.safetensors");
    const SafetensorsFile other(path(b) / "model/model.safetensors");
    double largest = 0.0;
    for (const auto& [name, view] : one.tensors()) {
      std::vector<float> x(view.bytes.size() / sizeof(float));
      std::vector<float> y(x.size());
      std::memcpy(x.data(), view.bytes.data(), view.bytes.size());
      std::memcpy(y.data(), other.tensors().at(name).bytes.data(), view.bytes.size());
      for (std::size_t i = 0; i < x.size(); ++i)
        largest = std::max(largest, static_cast<double>(std::abs(x[i] - y[i])));
    }
    return largest;
  }
};

TEST_F(EmulatedRun, TwoRanksMatchTheCpuAndOneRankBitForBit) {
  // Keys have no use for a bias: its gradient is what rounding leaves of zero, and AdamW would follow that.
  const std::string freeze = "tuning.freeze=[\"encoder.layer.*.attention.self.key.bias\"]";
  const Outcome two = train("two", on_gpu({freeze}), 2);
  ASSERT_EQ(two.status, 0) << two.err;
  EXPECT_NE(two.err.find("2 ranks on "), std::string::npos) << two.err;
  ASSERT_EQ(train("one", on_gpu({freeze})).status, 0);
  EXPECT_TRUE(weights("one") == weights("two"));
  const Outcome cpu = train("cpu", on_gpu({freeze, "run.device=cpu"}), 2);
  ASSERT_EQ(cpu.status, 0) << cpu.err;
  EXPECT_LT(largest_difference("two", "cpu"), 1e-5);
}

TEST_F(EmulatedRun, ThroughMpiTheSameBitsComeOut) {
  ASSERT_EQ(train("nccl", on_gpu(), 2).status, 0);
  ASSERT_EQ(train("mpi", on_gpu({"run.gpu_communication=mpi"}), 2).status, 0);
  EXPECT_TRUE(weights("nccl") == weights("mpi"));
}

TEST_F(EmulatedRun, InBf16TrainsAndIsReproducible) {
  const Outcome first = train("first", on_gpu({"train.precision=bf16"}), 2);
  ASSERT_EQ(first.status, 0) << first.err;
  ASSERT_EQ(train("second", on_gpu({"train.precision=bf16"}), 2).status, 0);
  EXPECT_TRUE(weights("first") == weights("second"));
  const Outcome exact = train("f32", on_gpu(), 2);
  ASSERT_EQ(exact.status, 0);
  EXPECT_FALSE(weights("first") == weights("f32")) << "it was not computed in bf16";
  const auto test_loss = [](const Outcome& outcome) {
    return nlohmann::json::parse(outcome.last_line())["test"]["loss"].get<double>();
  };
  EXPECT_NEAR(test_loss(first), test_loss(exact), 0.02 * test_loss(exact));
}

TEST_F(EmulatedRun, WithGraphsTheSameBitsComeOut) {
  const std::vector<std::string> settings = on_gpu({"train.precision=bf16", "train.batch_size=8"});
  ASSERT_EQ(train("plain", settings, 2).status, 0);
  std::vector<std::string> with_graphs = settings;
  with_graphs.emplace_back("run.cuda_graphs=true");
  const Outcome outcome = train("graphs", with_graphs, 2);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(weights("plain") == weights("graphs"));
}

TEST_F(EmulatedRun, WithFrozenLayersComputedOnceGraphsGiveTheSameBits) {
  const std::vector<std::string> settings =
      on_gpu({"tuning.freeze=[\"*\"]", "train.batch_size=8", "train.max_steps=30"});
  const Outcome plain = train("plain", settings, 2);
  ASSERT_EQ(plain.status, 0) << plain.err;
  EXPECT_NE(plain.err.find("frozen layers: computed once"), std::string::npos) << plain.err;
  std::vector<std::string> with_graphs = settings;
  with_graphs.emplace_back("run.cuda_graphs=true");
  const Outcome outcome = train("graphs", with_graphs, 2);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(weights("plain") == weights("graphs"));
}

TEST_F(EmulatedRun, RanksThatShareAGpuFallBackToMpiUnlessItMustBeNccl) {
  ASSERT_EQ(train("mpi", on_gpu({"run.gpu_communication=mpi"}), 2).status, 0);
  ASSERT_EQ(setenv("TEMPER_SIMT_DEVICES", "1", 1), 0);
  const Outcome automatic = train("auto", on_gpu({"run.gpu_communication=auto"}), 2);
  const Outcome forced = train("forced", on_gpu(), 2);
  unsetenv("TEMPER_SIMT_DEVICES");
  ASSERT_EQ(automatic.status, 0) << automatic.err;
  EXPECT_NE(automatic.err.find("which is slower"), std::string::npos) << automatic.err;
  EXPECT_TRUE(weights("auto") == weights("mpi"));
  EXPECT_EQ(forced.status, 1);
  ASSERT_EQ(forced.messages().size(), 1U) << forced.err;
  EXPECT_NE(forced.messages().front().find("NCCL"), std::string::npos) << forced.messages().front();
}

TEST_F(EmulatedRun, AKilledRunGoesOnWithTheSameBits) {
  const std::vector<std::string> settings = on_gpu({"train.max_steps=6", "checkpoint.every_steps=2"});
  ASSERT_EQ(train("whole", settings).status, 0);
  Invocation killing;
  killing.meanwhile = [this, sent = false](pid_t process) mutable {
    const std::string log = read(path("out") / "metrics.jsonl");
    if (sent || std::count(log.begin(), log.end(), '\n') < 3) return;
    sent = true;
    kill(-process, SIGKILL);
  };
  std::vector<std::string> logged = settings;
  logged.emplace_back("output.log_every=1");
  ASSERT_NE(train("out", logged, 2, killing).status, 0);
  const Outcome resumed = train("out", logged, 2);
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_TRUE(weights("whole") == weights("out"));
}

TEST_F(EmulatedRun, EvaluatesAndPredictsAsTheCpuDoes) {
  ASSERT_EQ(train("run", on_gpu({"run.device=cpu"})).status, 0);
  const std::string model = (path("run") / "model").string();
  const std::string data = (path("data") / "test.csv").string();
  std::vector<nlohmann::json> metrics;
  for (const std::string device : {"cpu", "cuda"}) {
    Invocation invocation;
    invocation.arguments = {"eval", model, data, "--device", device, "--json"};
    const Outcome outcome = system_tests::run(invocation);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    metrics.push_back(nlohmann::json::parse(outcome.last_line()));
  }
  EXPECT_EQ(metrics[0]["accuracy"], metrics[1]["accuracy"]);
  EXPECT_NEAR(metrics[0]["loss"].get<double>(), metrics[1]["loss"].get<double>(), 1e-4);
}

TEST_F(EmulatedRun, WithoutAGpuAutoFallsToTheCpuAndCudaIsAnError) {
  ASSERT_EQ(setenv("TEMPER_SIMT_DEVICES", "0", 1), 0);
  const Outcome automatic = train("auto", on_gpu({"run.device=auto"}), 2);
  const Outcome forced = train("forced", on_gpu(), 2);
  unsetenv("TEMPER_SIMT_DEVICES");
  ASSERT_EQ(automatic.status, 0) << automatic.err;
  EXPECT_NE(automatic.err.find("computing on the CPU"), std::string::npos) << automatic.err;
  EXPECT_EQ(forced.status, 1);
  ASSERT_EQ(forced.messages().size(), 1U) << forced.err;
  EXPECT_NE(forced.messages().front().find("run.device"), std::string::npos);
}

}  // namespace
}  // namespace temper::system_tests
