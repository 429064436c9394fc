// Ranks stand for hosts: what a rank sees under a path is a file of its own.
#include "runtime/environment/host_agreement.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/process_identity.h"
#include "tests/fake_nodes.h"
#include "tests/runtime/shared_test_folder.h"

namespace temper {
namespace {

HostReport report(const std::string& host) {
  HostReport made;
  made.host = host;
  made.version = "1.0";
  made.files = {{"train.csv", 0, 100, 1, 2, 3}, {"model/config.json", 0, 50, 1, 4, 3}};
  return made;
}

TEST(DifferenceOfHosts, IsNoneWhereAllAreAlike) {
  EXPECT_TRUE(difference_of({report("a")}).empty());
  HostReport elsewhere = report("b");
  elsewhere.files[0].device = 9;
  elsewhere.files[0].inode = 9;
  elsewhere.files[0].changed = 9;
  EXPECT_TRUE(difference_of({report("a"), elsewhere}).empty()) << "copies";
}

TEST(DifferenceOfHosts, NamesHostsAndWhatDiffers) {
  const auto told = [](const std::function<void(HostReport&)>& edit) {
    std::vector<HostReport> reports{report("a"), report("b"), report("c")};
    edit(reports[2]);
    return difference_of(reports);
  };
  const auto expect = [&](const std::function<void(HostReport&)>& edit, const std::vector<std::string>& parts,
                          ErrorKind kind = ErrorKind::failure) {
    const Failure failure = told(edit);
    for (const std::string& part : parts)
      EXPECT_NE(failure.sentence.find(part), std::string::npos) << part << " in: " << failure.sentence;
    EXPECT_EQ(failure.kind, kind);
  };
  expect([](HostReport& it) { it.version = "1.1"; }, {"a (rank 0)", "c (rank 2)", "1.0", "1.1", "same version"});
  expect([](HostReport& it) { it.configuration = "x"; }, {"rank 0", "rank 2", "differ"}, ErrorKind::usage);
  expect([](HostReport& it) { it.files[0].bytes = 99; }, {"train.csv", "a (rank 0)", "100", "c (rank 2)", "99"});
  expect([](HostReport& it) { it.files[1].reason = ENOENT; },
         {"model/config.json", "a (rank 0) has it", "c (rank 2)", "No such file"});
  expect([](HostReport& it) { it.files[1].path = "model/other"; }, {"a (rank 0)", "model/other", "c (rank 2)"});
  expect([](HostReport& it) { it.files.pop_back(); }, {"no further file"});
  std::vector<HostReport> reports{report("a"), report("b")};
  reports[0].files[0].reason = EACCES;
  EXPECT_NE(difference_of(reports).sentence.find("b (rank 1) has it, but a (rank 0) cannot open it: Permission"),
            std::string::npos);
}

TEST(DifferenceOfHosts, OfBuildsAndProcessorsIsNoted) {
  std::vector<HostReport> reports{report("a"), report("b"), report("c")};
  EXPECT_EQ(note_on(reports), "");
  reports[2].arithmetic = "another processor";
  EXPECT_TRUE(difference_of(reports).empty());
  EXPECT_NE(note_on(reports).find("a and c compute with other processors"), std::string::npos) << note_on(reports);
  reports[1].build = "another";
  EXPECT_NE(note_on(reports).find("a and b run other builds of temper 1.0"), std::string::npos) << note_on(reports);
}

class HostAgreementTest : public testing_support::SharedFolderTest {
 protected:
  void SetUp() override {
    SharedFolderTest::SetUp();
    // The same path on each host, other files.
    before_ = std::filesystem::current_path();
    own_ = folder_ / std::to_string(world_.rank());
    write(own_ / "train.csv", "text,label\ngood,1\n");
    write(own_ / "model/config.json", "{}");
    write(own_ / "model/tokenizer.json", "{\"a\": 1}");
    write(own_ / "model/model.safetensors", std::string(600'000, 'w'));
    std::filesystem::current_path(own_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    SharedFolderTest::TearDown();
  }
  /// The first sentence in which hosts disagree.
  std::string disagreement(Communicator& communicator) {
    return refusal([&] {
             HostAgreement agreement(communicator, input_files("model", {"train.csv", "", "-"}), "cpu");
             agreement.finish();
           })
        .what();
  }
  /// Changes a byte of a file of the last rank; size and time stay.
  void change(const std::string& name, std::size_t place) {
    if (world_.rank() != world_.size() - 1) return;
    const auto time = std::filesystem::last_write_time(name);
    std::string text = read(name);
    text[place] = '#';
    write(std::filesystem::absolute(name), text);
    std::filesystem::last_write_time(name, time);
  }

  std::filesystem::path before_;
  std::filesystem::path own_;
  /// One host per rank; and all on one, where ranks that see other files are looked at all the same.
  std::vector<std::function<int(int)>> hosts_{[](int rank) { return rank; }, [](int) { return 0; }};
};

TEST_F(HostAgreementTest, IsReachedOverCopies) {
  for (const auto& node_of : hosts_) EXPECT_EQ(disagreement(*testing_support::split_into_nodes(node_of)), "");
}

TEST_F(HostAgreementTest, FindsAByteThatDiffersInAnyFile) {
  if (world_.size() == 1) GTEST_SKIP() << "needs several ranks";
  const std::string last = host_name() + " (rank " + std::to_string(world_.size() - 1) + ")";
  // In the header of the weights, which is compared at once, and in what is read in the background.
  for (const auto& [name, place] :
       std::vector<std::pair<std::string, std::size_t>>{{"train.csv", 12},
                                                        {"model/config.json", 0},
                                                        {"model/tokenizer.json", 6},
                                                        {"model/model.safetensors", 100},
                                                        {"model/model.safetensors", 599'999}}) {
    const std::string before = read(name);
    change(name, place);
    for (const auto& node_of : hosts_) {
      const std::string sentence = disagreement(*testing_support::split_into_nodes(node_of));
      for (const std::string& part : {name, last, host_name() + " (rank 0)", std::string("XXH3")})
        EXPECT_NE(sentence.find(part), std::string::npos) << part << " in: " << sentence;
    }
    write(std::filesystem::absolute(name), before);
    world_.barrier();
  }
}

TEST_F(HostAgreementTest, FindsAFileThatOneHostLacksOrHasBeside) {
  if (world_.size() == 1) GTEST_SKIP() << "needs several ranks";
  const auto nodes = testing_support::split_into_nodes(hosts_.front());
  if (world_.rank() == 0) write(own_ / "model/tokenizer_config.json", "{}");
  EXPECT_NE(disagreement(*nodes).find("model/tokenizer_config.json"), std::string::npos);
  if (world_.rank() == 0) std::filesystem::remove(own_ / "model/tokenizer_config.json");
  if (world_.rank() == 1) std::filesystem::remove("train.csv");
  EXPECT_NE(disagreement(*nodes).find("train.csv"), std::string::npos);
  // What none has is for whoever needs it to miss.
  std::filesystem::remove("train.csv");
  EXPECT_EQ(disagreement(*nodes), "");
}

TEST_F(HostAgreementTest, WhatIsNoFileIsNotWaitedFor) {
  std::filesystem::remove("train.csv");
  ASSERT_EQ(::mkfifo("train.csv", 0600), 0);
  std::filesystem::remove("model/tokenizer.json");
  std::filesystem::create_directory("model/tokenizer.json");
  const auto nodes = testing_support::split_into_nodes(hosts_.front());
  EXPECT_EQ(disagreement(*nodes), "") << "where it is so on all hosts, whoever needs it refuses it";
  if (world_.size() == 1) return;
  world_.barrier();
  if (world_.rank() == 0) {
    std::filesystem::remove("train.csv");
    write(own_ / "train.csv", "text,label\ngood,1\n");
  }
  EXPECT_NE(disagreement(*nodes).find("train.csv"), std::string::npos);
}

TEST_F(HostAgreementTest, FilesThatAreNotReadMayDiffer) {
  write(own_ / "model/README.md", std::to_string(world_.rank()));
  EXPECT_EQ(disagreement(*testing_support::split_into_nodes(hosts_.front())), "");
}

TEST_F(HostAgreementTest, CountsTheShardsThatTheIndexNames) {
  std::filesystem::remove("model/model.safetensors");
  write(own_ / "model/model.safetensors.index.json", R"({"weight_map": {"a": "one", "b": "two", "c": "one"}})");
  write(own_ / "model/one", "1");
  write(own_ / "model/two", "2");
  const std::vector<InputFile> files = input_files("model", {});
  std::vector<std::string> large;
  for (const InputFile& file : files)
    if (file.large) large.push_back(file.path.string());
  EXPECT_EQ(large, (std::vector<std::string>{"model/one", "model/two"}));
  // What would lie elsewhere is refused by whoever opens the weights, and not looked at before.
  for (const char* elsewhere : {"../one", "/dev/zero", "..", ""}) {
    write(own_ / "model/model.safetensors.index.json",
          std::string(R"({"weight_map": {"a": "one", "b": "two", "c": ")") + elsewhere + "\"}}");
    EXPECT_EQ(input_files("model", {}).size(), files.size()) << elsewhere;
  }
  if (world_.size() == 1) return;
  change("model/two", 0);
  EXPECT_NE(disagreement(*testing_support::split_into_nodes(hosts_.front())).find("model/two"), std::string::npos);
}

}  // namespace
}  // namespace temper
