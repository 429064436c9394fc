// What lies where in output.dir, and that a run neither reads where it writes nor mixes with an older one.
#include "runtime/environment/run_folder.h"

#include "runtime/environment/input_places.h"
#include "tests/runtime/shared_test_folder.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

class RunFolderTest : public testing_support::SharedFolderTest {
 protected:
  Configuration configuration(const fs::path& output, const fs::path& model) const {
    Configuration made;
    made.output.dir = (folder_ / output).string();
    made.model.path = (folder_ / model).string();
    made.data.train = (folder_ / "train.csv").string();
    return made;
  }
  static bool is_apart(const Configuration& configuration) {
    const Error error = refusal([&] { require_inputs_apart(configuration); });
    const bool apart = std::string(error.what()).empty();
    EXPECT_TRUE(apart || error.kind() == ErrorKind::usage) << error.what();
    return apart;
  }
};

TEST_F(RunFolderTest, InputsMustLieApart) {
  on_rank_0([&] {
    write(folder_ / "base/config.json", "{}");
    write(folder_ / "out/model/config.json", "{}");
    write(folder_ / "out/checkpoints/model/config.json", "{}");
    write(folder_ / "out/kept/config.json", "{}");
    fs::create_directory_symlink("out/model", folder_ / "linked");
    fs::create_directory_symlink("out", folder_ / "linked-out");
    // A folder of links, as downloads into a cache are.
    fs::create_directories(folder_ / "of-links");
    fs::create_symlink("../out/model/config.json", folder_ / "of-links/config.json");
  });
  EXPECT_TRUE(is_apart(configuration("new", "base")));
  EXPECT_TRUE(is_apart(configuration("out", "base")));
  EXPECT_TRUE(is_apart(configuration("out", "absent")));
  EXPECT_TRUE(is_apart(configuration("out", "out/kept"))) << "nothing there is moved";
  EXPECT_TRUE(is_apart(configuration("out/model-2", "out/model")));
  for (const auto& [output, model] : std::vector<std::pair<fs::path, fs::path>>{{"base", "base"},
                                                                                {"base/", "base"},
                                                                                {"base/run", "base"},
                                                                                {"base/deep/run", "./base/"},
                                                                                {"out", "out/model"},
                                                                                {"out/", "out/model/"},
                                                                                {"out", "out/../out/model"},
                                                                                {"out", "out/checkpoints/model"},
                                                                                {"out", "linked"},
                                                                                {"linked-out", "out/model"},
                                                                                {"out", "linked-out/model"},
                                                                                {"out", "of-links"}})
    EXPECT_FALSE(is_apart(configuration(output, model))) << output << " of " << model;
  Configuration rows = configuration("out", "base");
  rows.data.train = (folder_ / "out/model/train.csv").string();
  EXPECT_FALSE(is_apart(rows));
}

TEST_F(RunFolderTest, IsNotMadeWhereItIsRefused) {
  on_rank_0([&] { write(folder_ / "base/config.json", "{}"); });
  const Error error = refusal(
      [&] { const RunFolder folder(configuration("base/run", "base"), "", world_, [](const std::string&) {}); });
  EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
  EXPECT_FALSE(fs::exists(folder_ / "base/run"));
}

TEST_F(RunFolderTest, SetsEverythingOfAnOlderRunAsideUnderOneNumber) {
  on_rank_0([&] {
    for (const char* name : {"checkpoints/checkpoint-00000003.h5", "model/config.json", "tensorboard/events",
                             "cache/kept", "notes.txt", "model.old-1/config.json"})
      write(folder_ / "out" / name, name);
    for (const char* name : {"metrics.jsonl", "configuration.toml", "profile.json"})
      write(folder_ / "out" / name, name);
  });
  std::string said;
  {
    RunFolder folder(configuration("out", "base"), "", world_, [](const std::string&) {});
    folder.set_aside_older_run([&](const std::string& text) { said += text; });
    folder.make_checkpoint_folder();
    folder.set_aside_older_run([&](const std::string&) { ADD_FAILURE() << "there is nothing left to set aside"; });
  }
  world_.barrier();
  // Number 1 is taken by a model, so all have number 2.
  for (const char* name : {"checkpoints.old-2/checkpoint-00000003.h5", "model.old-2/config.json",
                           "tensorboard.old-2/events", "metrics.jsonl.old-2", "configuration.toml.old-2",
                           "profile.json.old-2", "cache/kept", "notes.txt", "model.old-1/config.json"})
    EXPECT_TRUE(fs::exists(folder_ / "out" / name)) << name;
  for (const char* name : {"model", "tensorboard", "metrics.jsonl", "configuration.toml", "profile.json", "run.lock"})
    EXPECT_FALSE(fs::exists(folder_ / "out" / name)) << name;
  EXPECT_TRUE(fs::is_empty(folder_ / "out/checkpoints"));
  if (world_.rank() == 0) {
    EXPECT_NE(said.find(".old-2"), std::string::npos) << said;
  }
}

TEST_F(RunFolderTest, SetsNothingAsideWhereThereIsNothing) {
  on_rank_0([&] { write(folder_ / "out/checkpoints/checkpoint-00000003.h5.partial", "left by a crash"); });
  RunFolder folder(configuration("out", "base"), "", world_, [](const std::string&) {});
  folder.set_aside_older_run([&](const std::string& text) { ADD_FAILURE() << text; });
  folder.make_checkpoint_folder();
  EXPECT_TRUE(fs::is_directory(folder.checkpoints()));
}

TEST_F(RunFolderTest, IsHeldByOneRunAtATime) {
  const RunFolder first(configuration("out", "base"), "", world_, [](const std::string&) {});
  EXPECT_NE(std::string(refusal([&] {
                          const RunFolder second(configuration("out", "base"), "", world_, [](const std::string&) {});
                        }).what())
                .find("in use"),
            std::string::npos);
}

}  // namespace
}  // namespace temper
