// What a run will write is compared with what is free before its first step.
#include "runtime/checkpoints/disk_room.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "model/architectures/registry.h"
#include "model/freezing.h"
#include "tests/data/temporary_folder.h"
#include "tests/model/packed_batch.h"

namespace temper {
namespace {

constexpr const char* kTinyBert =
    R"({"model_type":"bert","vocab_size":20,"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,)"
    R"("intermediate_size":12,"max_position_embeddings":12})";

TEST(DiskRoom, ACheckpointHoldsWhatIsTrainedAndItsState) {
  const auto device = make_cpu_device();
  const auto model = make_model(parse_model_config(kTinyBert, ""), {HeadKind::sequence, 3});
  testing_support::draw_all(*model, *device);
  const std::vector<std::string> body{"*"};
  apply_freezing(*model, body);
  std::int64_t trained = 0;
  std::int64_t all = 0;
  for (const Parameter& parameter : model->parameters().all()) {
    all += parameter.size();
    if (parameter.trainable()) trained += parameter.size();
  }
  ASSERT_LT(trained, all);
  EXPECT_EQ(checkpoint_bytes(*model, update_rule("adamw")), 4 * 3 * trained);
  EXPECT_EQ(checkpoint_bytes(*model, update_rule("lion")), 4 * 2 * trained);
  EXPECT_EQ(export_bytes(*model, /*adapters_alone=*/false), 4 * all);
  EXPECT_EQ(export_bytes(*model, /*adapters_alone=*/true), 4 * trained);
}

TEST(DiskRoom, CheckpointsThatLieThereAtOnce) {
  CheckpointSection settings;
  settings.keep = 2;
  EXPECT_EQ(checkpoints_at_once(settings, /*has_best=*/true, 100, 10), 4) << "two, the best, and one being written";
  EXPECT_EQ(checkpoints_at_once(settings, /*has_best=*/false, 100, 10), 3);
  EXPECT_EQ(checkpoints_at_once(settings, /*has_best=*/true, 10, 10), 1) << "it is saved once";
  EXPECT_EQ(checkpoints_at_once(settings, /*has_best=*/true, 11, 10), 2);
  settings.every_steps = 5;
  EXPECT_EQ(checkpoints_at_once(settings, /*has_best=*/true, 15, 10), 3);
  settings.every_minutes = 1;
  EXPECT_EQ(checkpoints_at_once(settings, /*has_best=*/true, 10, 10), 4) << "nobody knows how often";
}

TEST(DiskRoom, TheNoteNamesBothFigures) {
  constexpr std::int64_t kMiB = 1 << 20;
  const DiskNeed need{300 * kMiB, 3, 100 * kMiB};
  EXPECT_EQ(disk_note(need, "out", 1000 * kMiB), "");
  EXPECT_EQ(disk_note(need, "out", 400 * kMiB, /*held=*/600 * kMiB), "");
  EXPECT_EQ(
      disk_note(need, "out", 400 * kMiB),
      "out will take up to 1,000 MiB (3 checkpoints of 300 MiB, and the model's 100 MiB), but the disk has 400 MiB "
      "free there; free some, lower checkpoint.keep, or choose another output.dir");
  EXPECT_NE(disk_note(need, "out", kMiB - 1).find("but the disk has 0 MiB free there"), std::string::npos);
  EXPECT_NE(disk_note(need, "out", 400 * kMiB, 300 * kMiB).find("400 MiB free there beside the run's own 300;"),
            std::string::npos);
}

TEST(DiskRoom, IsAskedWhereTheFolderWillBe) {
  const testing_support::TemporaryFolder place;
  const std::filesystem::path folder = place.path() / "new";
  const auto room = free_room(folder / "of" / "a run");
  ASSERT_TRUE(room);
  EXPECT_GT(*room, 0);
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_EQ(bytes_in(folder), 0);
  std::filesystem::create_directories(folder / "deeper");
  std::ofstream(folder / "deeper" / "file") << "0123456789";
  std::ofstream(folder / "deeper" / "file.partial") << "012";
  EXPECT_EQ(bytes_in(folder), 13);
  EXPECT_EQ(bytes_in(folder, ".partial"), 3) << "what a killed run was writing";
}

}  // namespace
}  // namespace temper
