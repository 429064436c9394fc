#include "runtime/environment/shared_folder.h"

#include "base/process_identity.h"
#include "tests/runtime/shared_test_folder.h"

namespace temper {
namespace {

using SharedFolder = testing_support::SharedFolderTest;
using namespace std::chrono_literals;

TEST_F(SharedFolder, IsSeenByAllAndLeftAsItWas) {
  EXPECT_NO_THROW(require_shared_folder(folder_, world_));
  world_.barrier();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(SharedFolder, ThatARankHasForItselfIsRefusedByItsName) {
  if (world_.size() == 1) GTEST_SKIP() << "needs several ranks";
  // Each rank's is another one, as /tmp of each host is.
  const std::filesystem::path own = folder_ / std::to_string(world_.rank());
  std::filesystem::create_directories(own);
  const std::string sentence = refusal([&] { require_shared_folder(own, world_, 50ms); }).what();
  for (const std::string& part : {host_name() + " (rank 1)", host_name() + " (rank 0)", std::string("share")})
    EXPECT_NE(sentence.find(part), std::string::npos) << part << " in: " << sentence;
  EXPECT_TRUE(std::filesystem::is_empty(own));
  // Where there is not even a folder of that name.
  const std::filesystem::path absent = world_.rank() == 0 ? own : folder_ / "absent";
  EXPECT_NE(refusal([&] { require_shared_folder(absent, world_, 50ms); }).what(), std::string());
}

TEST_F(SharedFolder, IsLeftAsItWasWhereItIsFull) {
  if (world_.size() == 1) GTEST_SKIP() << "needs several ranks";
  std::string sentence;
  {
    const testing_support::NoRoomInFiles full;
    sentence = refusal([&] { require_shared_folder(folder_, world_, 50ms); }).what();
  }
  EXPECT_NE(sentence.find("cannot be written"), std::string::npos) << sentence;
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace temper
