// Checkpoints on one rank and, under mpirun, on several.
#include "runtime/checkpoints/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>

#include "base/digest.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "runtime/checkpoints/checkpoint_folder.h"
#include "tests/runtime/shared_test_folder.h"
#include "tests/world.h"

namespace temper {
namespace {

class CheckpointTest : public testing_support::SharedFolderTest {
 protected:
  static std::vector<float> values_of(std::size_t n, float first) {
    std::vector<float> values(n);
    std::iota(values.begin(), values.end(), first);
    return values;
  }

  /// Two tensors of which every rank holds a part, the last rank none of the second.
  CheckpointContent content(std::int64_t step) {
    CheckpointContent made;
    made.state_json = "{\"step\": " + std::to_string(step) + "}";
    made.configuration_toml = "[train]\nepochs = 3.0\n";
    made.lineage_json = "{}";
    made.step = step;
    made.tensors = {{"parameters/layer.0.weight", {70, 30}},
                    {"state/first_moment/layer.0.weight", {70, 30}},
                    {"parameters/bias", {5}}};
    const std::int64_t ranks = world_.size();
    for (const std::size_t tensor : {0UL, 1UL}) {
      const std::int64_t begin = 2100 * world_.rank() / ranks;
      const std::int64_t end = 2100 * (world_.rank() + 1) / ranks;
      const auto& all = tensor == 0 ? weight_ : moment_;
      made.slices.push_back(
          {tensor, begin,
           std::span(all).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))});
    }
    if (world_.rank() == 0) made.slices.push_back({2, 0, bias_});
    return made;
  }

  static std::string failure(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::vector<float> weight_ = values_of(2100, 0.5F);
  std::vector<float> moment_ = values_of(2100, -7.0F);
  std::vector<float> bias_{1.0F, std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(),
                           -0.0F, std::numeric_limits<float>::denorm_min()};
};

TEST_F(CheckpointTest, GivesBackWhatWasSaved) {
  const auto path = checkpoint_path(folder_, 12);
  save_checkpoint(path, content(12), world_);
  const Checkpoint opened = Checkpoint::open(path, world_);
  EXPECT_EQ(opened.step(), 12);
  EXPECT_EQ(opened.state_json(), "{\"step\": 12}");
  EXPECT_EQ(opened.configuration_toml(), "[train]\nepochs = 3.0\n");
  EXPECT_EQ(opened.tensors().size(), 3U);
  std::vector<float> all(2100);
  opened.read("parameters/layer.0.weight", 0, all);
  EXPECT_EQ(all, weight_);
  std::vector<float> part(100);
  opened.read("state/first_moment/layer.0.weight", 1000, part);
  EXPECT_EQ(part, std::vector<float>(moment_.begin() + 1000, moment_.begin() + 1100));
  // Not a number and its relatives, bit for bit.
  std::vector<float> bias(5);
  opened.read("parameters/bias", 0, bias);
  EXPECT_EQ(std::memcmp(bias.data(), bias_.data(), sizeof(float) * 5), 0);
  EXPECT_THROW(opened.read("parameters/bias", 3, bias), Error);
  EXPECT_THROW(opened.read("parameters/absent", 0, bias), Error);
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".partial"));
}

TEST_F(CheckpointTest, MayHoldNoTensor) {
  CheckpointContent empty = content(1);
  empty.tensors.clear();
  empty.slices.clear();
  save_checkpoint(checkpoint_path(folder_, 1), empty, world_);
  EXPECT_TRUE(Checkpoint::open(checkpoint_path(folder_, 1), world_).tensors().empty());
}

TEST_F(CheckpointTest, RefusesPartsThatDoNotMakeUpATensor) {
  CheckpointContent wrong = content(1);
  if (world_.rank() == 0) wrong.slices.pop_back();
  EXPECT_NE(failure([&] { save_checkpoint(checkpoint_path(folder_, 1), wrong, world_); }).find("parameters/bias"),
            std::string::npos);
  EXPECT_TRUE(list_checkpoints(folder_).empty());
}

TEST_F(CheckpointTest, FindsAFlippedByteWhereverItIs) {
  const auto path = checkpoint_path(folder_, 3);
  save_checkpoint(path, content(3), world_);
  const std::size_t size = std::filesystem::file_size(path);
  std::fstream file;
  const auto flip = [&](std::size_t at) {
    world_.barrier();
    if (world_.rank() == 0) {
      file.open(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(at));
      const char byte = static_cast<char>(file.get());
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(byte ^ 0x10));
      file.close();
    }
    world_.barrier();
  };
  const std::size_t stride = world_.size() == 1 ? 97 : 1499;
  for (std::size_t at = 0; at < size; at += at < 512 && world_.size() == 1 ? 1 : stride) {
    flip(at);
    EXPECT_THROW(Checkpoint::open(path, world_), Error) << "byte " << at << " of " << size;
    flip(at);
  }
  EXPECT_NO_THROW(Checkpoint::open(path, world_));
}

TEST_F(CheckpointTest, RefusesFilesThatAreCutForeignOrMissing) {
  const auto path = checkpoint_path(folder_, 3);
  EXPECT_NE(failure([&] { Checkpoint::open(path, world_); }).find(path.string()), std::string::npos);
  EXPECT_NE(failure([&] { Checkpoint::open(folder_, world_); }).find("directory"), std::string::npos);
  save_checkpoint(path, content(3), world_);
  world_.barrier();
  const std::size_t size = std::filesystem::file_size(path);
  world_.barrier();
  for (const std::size_t shorter : {size - 1, size / 2, std::size_t{40}, std::size_t{0}}) {
    if (world_.rank() == 0) std::filesystem::resize_file(path, shorter);
    world_.barrier();
    EXPECT_THROW(Checkpoint::open(path, world_), Error) << shorter;
    world_.barrier();
  }
}

TEST_F(CheckpointTest, AFullDiskLeavesTheOlderCheckpoint) {
  save_checkpoint(checkpoint_path(folder_, 1), content(1), world_);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight{8192, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const std::string sentence = failure([&] { save_checkpoint(checkpoint_path(folder_, 2), content(2), world_); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_NE(sentence.find("checkpoint-00000002.h5"), std::string::npos) << sentence;
  EXPECT_EQ(list_checkpoints(folder_), std::vector{checkpoint_path(folder_, 1)});
  EXPECT_FALSE(std::filesystem::exists(checkpoint_path(folder_, 2).string() + ".partial"));
  EXPECT_EQ(Checkpoint::open(checkpoint_path(folder_, 1), world_).step(), 1);
}

TEST_F(CheckpointTest, AFolderThatIsNotThereIsNamed) {
  EXPECT_NE(failure([&] { save_checkpoint(folder_ / "absent" / "c.h5", content(2), world_); }).find("absent"),
            std::string::npos);
}

TEST_F(CheckpointTest, TheNewestGoodOneIsFoundAndDamagedOnesAreNamed) {
  for (const std::int64_t step : {5, 20, 100}) save_checkpoint(checkpoint_path(folder_, step), content(step), world_);
  world_.barrier();
  if (world_.rank() == 0) std::filesystem::resize_file(checkpoint_path(folder_, 100), 1000);
  world_.barrier();
  std::vector<std::string> warnings;
  const auto found =
      newest_good_checkpoint(folder_, world_, [&](const std::string& text) { warnings.push_back(text); });
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->checkpoint.step(), 20);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("checkpoint-00000100"), std::string::npos);
}

TEST_F(CheckpointTest, OneThatCannotBeReadIsNotTakenForDamaged) {
  for (const std::int64_t step : {5, 20}) save_checkpoint(checkpoint_path(folder_, step), content(step), world_);
  const auto refused = [&](const std::string& reason) {
    world_.barrier();
    const std::string sentence = failure([&] {
      newest_good_checkpoint(folder_, world_,
                             [](const std::string& text) { ADD_FAILURE() << "passed over: " << text; });
    });
    EXPECT_NE(sentence.find(reason), std::string::npos) << sentence;
    world_.barrier();
  };
  const std::filesystem::path newest = checkpoint_path(folder_, 100);
  // Errors of open(2) that root meets as well: a circle of links, a link to nothing, a folder.
  on_rank_0([&] { std::filesystem::create_symlink(newest, newest); });
  refused("Too many levels of symbolic links");
  on_rank_0([&] {
    std::filesystem::remove(newest);
    std::filesystem::create_symlink(folder_ / "absent", newest);
  });
  refused("no such file");
  on_rank_0([&] {
    std::filesystem::remove(newest);
    std::filesystem::create_directory(newest);
  });
  refused("is a directory");
  on_rank_0([&] {
    std::filesystem::remove(newest);
    std::filesystem::copy_file(checkpoint_path(folder_, 20), newest);
  });
  // Too many open files, on the last rank.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  std::vector<int> taken;
  if (world_.rank() == world_.size() - 1) {
    const rlimit tight{64, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (int descriptor = dup(0); descriptor >= 0; descriptor = dup(0)) taken.push_back(descriptor);
  }
  const std::string sentence = failure([&] { Checkpoint::open(newest, world_); });
  for (const int descriptor : taken) ::close(descriptor);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_NE(sentence.find("Too many open files"), std::string::npos) << sentence;
  EXPECT_TRUE(newest_good_checkpoint(folder_, world_, [](const std::string&) {}).has_value());
}

TEST_F(CheckpointTest, DamageOfContentIsTold) {
  const auto path = checkpoint_path(folder_, 3);
  save_checkpoint(path, content(3), world_);
  world_.barrier();
  if (world_.rank() == 0) std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  world_.barrier();
  EXPECT_THROW(Checkpoint::open(path, world_), DamagedContent);
}

TEST_F(CheckpointTest, OfAnotherFormatIsNotTakenForDamaged) {
  const auto path = checkpoint_path(folder_, 3);
  save_checkpoint(path, content(3), world_);
  world_.barrier();
  if (world_.rank() == 0) {
    // The footer of the next format: magic, version, number of regions, and a seal over them.
    std::string bytes = read_text_file(path);
    std::array<std::uint64_t, 4> footer{};
    const std::size_t at = bytes.size() - sizeof(footer);
    std::memcpy(footer.data(), bytes.data() + at, sizeof(footer));
    const std::size_t regions = footer[2] * 3 * sizeof(std::uint64_t);
    const std::array<std::uint64_t, 4> sealed{footer[0], footer[1] + 1, footer[2],
                                              xxh3(std::as_bytes(std::span(bytes)).subspan(at - regions, regions))};
    footer = {sealed[0], sealed[1], sealed[2], xxh3(std::as_bytes(std::span(sealed)))};
    std::memcpy(bytes.data() + at, footer.data(), sizeof(footer));
    std::ofstream(path, std::ios::binary) << bytes;
  }
  world_.barrier();
  const std::string sentence = failure([&] {
    newest_good_checkpoint(folder_, world_, [](const std::string& text) { ADD_FAILURE() << "passed over: " << text; });
  });
  EXPECT_NE(sentence.find("another version of the program"), std::string::npos) << sentence;
}

TEST_F(CheckpointTest, AFolderThatCannotBeListedIsNotEmpty) {
  world_.barrier();
  if (world_.rank() == 0) std::ofstream(folder_ / "checkpoints") << "a file in its place";
  world_.barrier();
  EXPECT_NE(failure([&] {
              newest_good_checkpoint(folder_ / "checkpoints", world_, [](const std::string&) {});
            }).find("cannot be searched"),
            std::string::npos);
}

TEST_F(CheckpointTest, AnEmptyFolderHasNone) {
  EXPECT_FALSE(newest_good_checkpoint(folder_ / "absent", world_, [](const std::string&) {}).has_value());
}

TEST_F(CheckpointTest, RetentionKeepsTheNewestAndTheBest) {
  for (const std::int64_t step : {1, 2, 3, 4}) save_checkpoint(checkpoint_path(folder_, step), content(step), world_);
  world_.barrier();
  if (world_.rank() == 0) {
    std::ofstream(folder_ / "checkpoint-00000009.h5.partial") << "left behind";
    retain_checkpoints(folder_, 2, 4, 1);
    EXPECT_EQ(list_checkpoints(folder_),
              (std::vector{checkpoint_path(folder_, 1), checkpoint_path(folder_, 3), checkpoint_path(folder_, 4)}));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "checkpoint-00000009.h5.partial"));
    retain_checkpoints(folder_, 0, 4, std::nullopt);
    EXPECT_EQ(list_checkpoints(folder_), std::vector{checkpoint_path(folder_, 4)}) << "never the only one";
    std::ofstream(folder_ / "checkpoint-00000007.h5") << "which the run could not go on from";
    retain_checkpoints(folder_, 1, 4, std::nullopt);
    EXPECT_EQ(list_checkpoints(folder_), std::vector{checkpoint_path(folder_, 4)}) << "never the current one";
    EXPECT_TRUE(std::filesystem::exists(folder_ / "checkpoint-00000007.h5.damaged"));
  }
  world_.barrier();
}

}  // namespace
}  // namespace temper
