// Whole runs whose ranks stand on several nodes and send rounded gradients between them.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/trainer.h"
#include "tests/fake_nodes.h"
#include "tests/runtime/shared_test_folder.h"
#include "tests/tiny_files.h"
#include "tests/world.h"

namespace temper {
namespace {

class CompressedRun : public testing_support::SharedFolderTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    SharedFolderTest::SetUp();
    on_rank_0([&] {
      testing_support::write_tiny_model(folder_ / "model");
      testing_support::write_tiny_data(folder_ / "data");
    });
  }

  /// Trains into <folder>/<output> on nodes of so many ranks. Returns the weights that it exports, on rank 0.
  std::string train_into(const std::string& output, const std::string& compression) {
    const auto quoted = [&](const std::string& name) { return "\"" + (folder_ / name).string() + "\""; };
    const std::vector<std::string> overrides{"model.path=" + quoted("model"),
                                             "data.train=" + quoted("data/train.csv"),
                                             "data.validation=" + quoted("data/validation.csv"),
                                             "data.test=\"\"",
                                             "output.dir=" + quoted(output),
                                             "output.tensorboard=false",
                                             "checkpoint.every_steps=4",
                                             "checkpoint.keep=9",
                                             "train.compress_gradients=" + compression};
    const std::unique_ptr<Communicator> nodes =
        testing_support::split_into_nodes([](int rank) { return rank / GetParam(); });
    const std::unique_ptr<Device> device = make_cpu_device();
    TrainOptions options;
    char* said = nullptr;
    std::size_t size = 0;
    options.stream = open_memstream(&said, &size);
    train(parse_configuration(testing_support::tiny_configuration(), "tiny", overrides), *device, *nodes, options);
    std::fclose(options.stream);
    said_ = std::string(said, size);
    std::free(said);
    world_.barrier();
    std::ostringstream weights;
    weights << std::ifstream(folder_ / output / "model" / "model.safetensors", std::ios::binary).rdbuf();
    return weights.str();
  }

  std::string said_;  ///< by the last run, on rank 0
};

TEST_P(CompressedRun, ResumedFromItsCheckpointsGoesOnAsItWouldHave) {
  const std::string whole = train_into("whole", "bf16");
  ASSERT_FALSE(whole.empty());
  const bool several_nodes = world_.size() > GetParam();
  EXPECT_EQ(train_into("plain", "none") == whole, !several_nodes) << "only what passes between nodes is rounded";
  for (const int step : {4, 12}) {
    const std::string checkpoint =
        "checkpoint-000000" + std::string(step < 10 ? "0" : "") + std::to_string(step) + ".h5";
    on_rank_0([&] {
      std::filesystem::remove_all(folder_ / "resumed");
      std::filesystem::create_directories(folder_ / "resumed/checkpoints");
      std::filesystem::copy_file(folder_ / "whole/checkpoints" / checkpoint,
                                 folder_ / "resumed/checkpoints" / checkpoint);
    });
    EXPECT_TRUE(train_into("resumed", "bf16") == whole) << checkpoint;
    if (world_.rank() == 0) {
      EXPECT_NE(said_.find("resuming from step " + std::to_string(step)), std::string::npos) << said_;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OnNodes, CompressedRun, testing::Values(1, 2),
                         [](const auto& which) { return "of_" + std::to_string(which.param); });

}  // namespace
}  // namespace temper
