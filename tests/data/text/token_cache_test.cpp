#include "data/text/token_cache.h"

#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "base/mapped_file.h"
#include "tests/data/example_dataset.h"
#include "tests/data/temporary_folder.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

using testing_support::dataset_of;
using testing_support::dataset_with_targets;
using testing_support::dataset_with_token_classes;
using testing_support::error_of;
using testing_support::TemporaryFolder;

const std::string kKey(64, 'a');

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(TokenCache, GivesBackWhatWasStored) {
  const TemporaryFolder folder;
  for (const Dataset& dataset :
       {dataset_of({2, 1, 3}), dataset_with_targets({2, 1}, 3), dataset_with_token_classes({4, 5}), Dataset()}) {
    store_cached(folder.path() / "new" / "folder", kKey, dataset);
    EXPECT_EQ(load_cached(folder.path() / "new" / "folder", kKey), dataset);
  }
  EXPECT_EQ(files_in(folder.path() / "new" / "folder"), 1U);
}

TEST(TokenCache, AbsentEntriesAreAbsent) {
  const TemporaryFolder folder;
  EXPECT_EQ(load_cached(folder.path(), kKey), std::nullopt);
  EXPECT_EQ(load_cached(folder.path() / "none", kKey), std::nullopt);
  std::filesystem::create_directory(folder.path() / (kKey + ".h5"));
  EXPECT_EQ(load_cached(folder.path(), kKey), std::nullopt);
}

TEST(TokenCache, EntriesAreHdf5Files) {
  const TemporaryFolder folder;
  store_cached(folder.path(), kKey, dataset_of({2}));
  EXPECT_GT(H5Fis_hdf5((folder.path() / (kKey + ".h5")).c_str()), 0);
}

TEST(TokenCache, AnyFlippedByteIsFoundAndReplaced) {
  const TemporaryFolder folder;
  store_cached(folder.path(), kKey, dataset_of({2, 1, 3}));
  const std::filesystem::path path = folder.path() / (kKey + ".h5");
  const std::string whole = read_text_file(path);
  for (std::size_t place = 0; place < whole.size(); place += 37) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 0x10);
    write_file_atomically(path, damaged);
    ASSERT_EQ(load_cached(folder.path(), kKey), std::nullopt) << "byte " << place;
  }
  write_file_atomically(path, std::string_view(whole).substr(0, whole.size() / 2));
  EXPECT_EQ(load_cached(folder.path(), kKey), std::nullopt) << "cut in half";
  store_cached(folder.path(), kKey, dataset_of({2, 1, 3}));
  EXPECT_EQ(load_cached(folder.path(), kKey), dataset_of({2, 1, 3}));
}

TEST(TokenCache, ForeignFilesAndEntriesOfOtherKeysAreAbsent) {
  const TemporaryFolder folder;
  store_cached(folder.path(), kKey, dataset_of({2}));
  const std::string other(64, 'b');
  std::filesystem::copy(folder.path() / (kKey + ".h5"), folder.path() / (other + ".h5"));
  EXPECT_EQ(load_cached(folder.path(), other), std::nullopt);
  write_file_atomically(folder.path() / (other + ".h5"), std::string(4000, 'x'));
  EXPECT_EQ(load_cached(folder.path(), other), std::nullopt);
}

TEST(TokenCache, AFullDiskLeavesNothingBehind) {
  const TemporaryFolder folder;
  // A limit on the size of files fails a write half-way, as a full disk does.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = error_of([&] { store_cached(folder.path(), kKey, dataset_of({2, 1, 3})); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_HAS(message, "cannot be written: File too large");
  EXPECT_EQ(files_in(folder.path()), 0U);
}

TEST(TokenCache, AFolderThatCannotBeWrittenIsAnError) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.file("file", "x");
  EXPECT_HAS(error_of([&] { store_cached(file / "below", kKey, dataset_of({2})); }), "the folder cannot be made");
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_HAS(error_of([&] { store_cached(folder.path(), kKey, dataset_of({2})); }), "Permission denied");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

class TokenCacheKey : public testing::Test {
 protected:
  [[nodiscard]] std::string key() const { return token_cache_key(table, columns, *tokenizer, labels, options); }

  std::unique_ptr<Tokenizer> tokenizer = testing_support::tokenizer_of(testing_support::small_bert());
  Table table{"a.csv", {"text", "label", "note"}, {{"the cat", "x", "1"}, {"a cat", "y", "2"}}, {2, 3}};
  ColumnChoice columns{"text", "", "label"};
  LabelSet labels = LabelSet::from_names({"x", "y"});
  TokenizeOptions options{16, 1, LabelKind::single_class};
};

TEST_F(TokenCacheKey, IsASha256AndDependsOnNothingElse) {
  const std::string first = key();
  EXPECT_EQ(first.size(), 64U);
  table.path = "b.csv";
  table.rows[0][2] = "another note";
  options.threads = 7;
  EXPECT_EQ(key(), first);
}

TEST_F(TokenCacheKey, ChangesWithEverythingThatMatters) {
  const std::string first = key();
  const auto changes = [&](auto&& value, auto other) {
    auto before = std::exchange(value, other);
    const bool differs = key() != first;
    value = before;
    return differs;
  };
  EXPECT_TRUE(changes(table.rows[1][0], "a cab"));
  EXPECT_TRUE(changes(table.rows[1][1], "x"));
  EXPECT_TRUE(changes(columns.text_pair, "note"));
  EXPECT_TRUE(changes(columns.label, ""));
  EXPECT_TRUE(changes(columns.indicators, std::vector<std::string>{"note"}));
  EXPECT_TRUE(changes(labels, LabelSet::from_names({"y", "x"})));
  EXPECT_TRUE(changes(options.max_length, 17));
  EXPECT_TRUE(changes(options.kind, LabelKind::multi_label));
  std::swap(table.rows[0], table.rows[1]);
  EXPECT_NE(key(), first);
}

TEST_F(TokenCacheKey, OfSeveralFilesIsThatOfTheirRowsInOrder) {
  const std::string first = key();
  std::vector<Table> parts(2, Table{"b.csv", table.columns, {}, {}});
  for (std::size_t i = 0; i < 2; ++i) {
    parts[i].rows = {table.rows[i]};
    parts[i].lines = {2};
  }
  std::vector<Table> other_order = {parts[1], parts[0]};
  table = concatenate_tables(std::move(parts));
  EXPECT_EQ(key(), first);
  table = concatenate_tables(std::move(other_order));
  EXPECT_NE(key(), first);
}

TEST_F(TokenCacheKey, ChangesWithTheTokenizer) {
  const std::string first = key();
  tokenizer = testing_support::tokenizer_of(testing_support::small_roberta());
  EXPECT_NE(key(), first);
}

TEST_F(TokenCacheKey, DoesNotConfuseNeighbouringFields) {
  columns.text_pair = "note";
  table.rows = {{"ab", "x", "c"}};
  const std::string first = key();
  table.rows = {{"a", "x", "bc"}};
  EXPECT_NE(key(), first);
}

}  // namespace
}  // namespace temper
