// On one rank and, under mpirun, on several.
#include "runtime/checkpoints/base_model_digest.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "base/digest.h"
#include "model/huggingface/safetensors.h"
#include "tests/world.h"

namespace temper {
namespace {

class BaseModelDigestTest : public testing::Test {
 protected:
  void SetUp() override {
    std::iota(values_.begin(), values_.end(), 0.0F);
    if (world_.rank() != 0) return;
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-digest-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    write_model();
  }
  void TearDown() override {
    if (world_.rank() == 0) std::filesystem::remove_all(folder_);
  }

  void write_model() const {
    const TensorToWrite tensor{"t", {static_cast<std::int64_t>(values_.size())}, values_};
    write_safetensors(folder_ / "model.safetensors", std::span(&tensor, 1), {});
  }
  /// What rank 0 sees on the disk.
  [[nodiscard]] std::string expected() const {
    std::vector<std::byte> digest(64);
    if (world_.rank() == 0) {
      const std::string hex = sha256_file(folder_ / "model.safetensors");
      std::transform(hex.begin(), hex.end(), digest.begin(), [](char c) { return static_cast<std::byte>(c); });
    }
    world_.broadcast(digest, 0);
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
  }

  Communicator& world_ = world_communicator();
  std::filesystem::path folder_;
  std::vector<float> values_ = std::vector<float>(std::size_t{1} << 20);
};

TEST_F(BaseModelDigestTest, IsThatOfTheFileOnEveryRank) {
  const std::string digest = expected();
  BaseModelDigest at_once(folder_, world_);
  EXPECT_EQ(at_once.get(), digest);
  EXPECT_EQ(at_once.get(), digest);
  at_once.begin();
  EXPECT_EQ(at_once.get(), digest);

  BaseModelDigest in_the_background(folder_, world_);
  in_the_background.begin();
  in_the_background.begin();
  EXPECT_EQ(in_the_background.get(), digest);
}

TEST_F(BaseModelDigestTest, IsOfTheFilesThatLayThereAtFirst) {
  const std::string digest = expected();
  BaseModelDigest early(folder_, world_);
  if (world_.rank() == 0) {
    values_.front() = 1.0F;
    write_model();
  }
  EXPECT_EQ(early.get(), digest);
  BaseModelDigest late(folder_, world_);
  EXPECT_NE(late.get(), digest);
  BaseModelDigest of_removed(folder_, world_);
  if (world_.rank() == 0) std::filesystem::remove(folder_ / "model.safetensors");
  EXPECT_EQ(of_removed.get(), late.get());
}

TEST_F(BaseModelDigestTest, NeedNotBeWaitedFor) {
  BaseModelDigest digest(folder_, world_);
  digest.begin();
}

}  // namespace
}  // namespace temper
