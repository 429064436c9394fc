// Both places for hidden rows. Runs alone and under mpirun, where all ranks of the node share them.
#include "runtime/frozen/frozen_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "tests/runtime/shared_test_folder.h"
#include "tests/world.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

class FrozenStoreTest : public testing_support::SharedFolderTest {
 protected:
  void SetUp() override {
    SharedFolderTest::SetUp();
    // Seven examples of three rows each, in four blocks.
    layout_.width = 5;
    for (int example = 1; example <= 7; ++example) layout_.row_starts.push_back(3 * example);
    layout_.block_starts = {0, 2, 4, 6, 7};
  }

  /// Row r is filled with the byte r + salt.
  std::vector<std::byte> rows(std::int64_t first, std::int64_t last, int salt = 0) const {
    std::vector<std::byte> bytes;
    for (std::int64_t row = first; row < last; ++row)
      bytes.insert(bytes.end(), static_cast<std::size_t>(layout_.row_bytes()), static_cast<std::byte>(row + salt));
    return bytes;
  }
  void write_own_blocks(FrozenStore& store, int salt = 0) const {
    const NodeTopology& topology = world_.topology();
    for (std::int64_t block = topology.local_rank; block < layout_.blocks(); block += topology.local_size) {
      const auto row = [&](std::int64_t b) {
        return layout_.row_starts[static_cast<std::size_t>(layout_.block_starts[static_cast<std::size_t>(b)])];
      };
      store.write_block(block, rows(row(block), row(block + 1), salt));
    }
  }
  void expect_rows(const FrozenStore& store, int salt = 0) const {
    for (const auto& [first, last] : {std::pair<std::int64_t, std::int64_t>{0, 21}, {4, 9}, {20, 21}}) {
      std::vector<std::byte> read(static_cast<std::size_t>((last - first) * layout_.row_bytes()));
      store.read(first, read);
      EXPECT_EQ(read, rows(first, last, salt)) << first;
    }
  }
  /// What lies in the folder, once all ranks are here.
  std::vector<fs::path> files() const {
    world_.barrier();
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path());
    world_.barrier();
    return found;
  }
  FrozenFileSettings kept(const std::string& key = std::string(64, 'a')) const { return {folder_, true, key}; }
  void leave_a_kept_file() {
    const auto store = make_file_store(layout_, world_, kept());
    EXPECT_FALSE(store->complete());
    write_own_blocks(*store);
    store->seal();
  }

  FrozenLayout layout_;
};

TEST_F(FrozenStoreTest, MemoryGivesEveryRankWhatAnyHasWritten) {
  const auto store = make_memory_store(layout_, world_);
  EXPECT_FALSE(store->complete());
  write_own_blocks(*store);
  store->seal();
  expect_rows(*store);
}

TEST_F(FrozenStoreTest, AFileThatIsNotKeptHasNoName) {
  const auto store = make_file_store(layout_, world_, {folder_, false, ""});
  EXPECT_TRUE(files().empty());
  write_own_blocks(*store);
  store->seal();
  expect_rows(*store);
}

TEST_F(FrozenStoreTest, AKeptFileIsTakenUpAgain) {
  leave_a_kept_file();
  ASSERT_EQ(files().size(), 1U);
  const auto again = make_file_store(layout_, world_, kept());
  EXPECT_TRUE(again->complete());
  expect_rows(*again);
  again->seal();
  expect_rows(*again);
}

TEST_F(FrozenStoreTest, AFileAppearsUnderItsNameOnlyWhole) {
  {
    const auto store = make_file_store(layout_, world_, kept());
    write_own_blocks(*store);
    for (const fs::path& file : files()) EXPECT_EQ(file.extension(), ".partial");
  }
  EXPECT_TRUE(files().empty()) << "what was not sealed does not stay";
}

TEST_F(FrozenStoreTest, ADamagedFileIsWrittenAnew) {
  leave_a_kept_file();
  const fs::path file = files().at(0);
  if (world_.rank() == 0) {
    std::fstream bytes(file, std::ios::binary | std::ios::in | std::ios::out);
    bytes.seekp(-1, std::ios::end);
    bytes.put('?');
  }
  world_.barrier();
  const auto again = make_file_store(layout_, world_, kept());
  EXPECT_FALSE(again->complete());
  write_own_blocks(*again, 100);
  again->seal();
  expect_rows(*again, 100);
  EXPECT_EQ(files(), std::vector{file});
}

TEST_F(FrozenStoreTest, AFileThatIsCutShortIsWrittenAnew) {
  leave_a_kept_file();
  const fs::path file = files().at(0);
  if (world_.rank() == 0) fs::resize_file(file, fs::file_size(file) - 100);
  world_.barrier();
  EXPECT_FALSE(make_file_store(layout_, world_, kept())->complete());
}

TEST_F(FrozenStoreTest, AFileOfOtherContentIsNotTakenUp) {
  leave_a_kept_file();
  EXPECT_FALSE(make_file_store(layout_, world_, kept(std::string(64, 'b')))->complete());
  // One that only has the name.
  const fs::path file = files().at(0);
  if (world_.rank() == 0) fs::copy_file(file, folder_ / ("temper-frozen-" + std::string(64, 'c') + ".h5"));
  world_.barrier();
  EXPECT_FALSE(make_file_store(layout_, world_, kept(std::string(64, 'c')))->complete());
  layout_.width = 4;
  EXPECT_FALSE(make_file_store(layout_, world_, kept())->complete());
}

TEST_F(FrozenStoreTest, WhereThereIsNoRoomAllRanksAreTold) {
  FrozenLayout huge;
  huge.width = 1 << 20;
  huge.row_starts = {0, std::int64_t{1} << 30};
  huge.block_starts = {0, 1};
  EXPECT_THROW(make_file_store(huge, world_, {folder_, false, ""}), Error);
  EXPECT_TRUE(files().empty());
}

TEST_F(FrozenStoreTest, AFolderThatCannotBeMadeIsToldToAllRanks) {
  if (world_.rank() == 0) std::ofstream(folder_ / "file") << "not a folder";
  world_.barrier();
  EXPECT_THROW(make_file_store(layout_, world_, {folder_ / "file" / "below", false, ""}), Error);
}

}  // namespace
}  // namespace temper
