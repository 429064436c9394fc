// Links between the documents lead somewhere, in the checkout and where they are installed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/places.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The name by which a heading is linked to: "One run, at a time" is one-run-at-a-time.
std::string anchor_of(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte) != 0 || c == '-' || c == '_')
      anchor += static_cast<char>(std::tolower(byte));
    if (c == ' ') anchor += '-';
  }
  return anchor;
}

std::set<std::string> anchors_of(const std::string& text) {
  std::set<std::string> anchors;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with('#') && line.find(' ') != std::string::npos)
      anchors.insert(anchor_of(line.substr(line.find_first_not_of("# "))));
  return anchors;
}

/// What is wrong with the links of a document, a line each.
std::vector<std::string> broken_links(const fs::path& document) {
  static const std::regex kLink(R"(\]\(([^()\s#]*)(#[^()\s]*)?\))");
  std::vector<std::string> broken;
  const std::string text = read(document);
  for (auto match = std::sregex_iterator(text.begin(), text.end(), kLink); match != std::sregex_iterator(); ++match) {
    const std::string target = (*match)[1];
    const std::string anchor = (*match)[2];
    if (target.find(':') != std::string::npos) continue;  // of another place: https:, mailto:
    const fs::path file = target.empty() ? document : document.parent_path() / target;
    if (!fs::exists(file)) {
      broken.push_back(document.string() + ": " + target);
    } else if (anchor.size() > 1 && !anchors_of(read(file)).contains(anchor.substr(1))) {
      broken.push_back(document.string() + ": " + target + anchor);
    }
  }
  return broken;
}

/// The documents of a folder that is laid out as the checkout is.
std::vector<fs::path> documents_of(const fs::path& root) {
  std::vector<fs::path> documents{root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md"};
  for (const char* folder : {"docs", "hostfiles"})
    for (const fs::directory_entry& entry : fs::directory_iterator(root / folder))
      if (entry.path().extension() == ".md") documents.push_back(entry.path());
  return documents;
}

void expect_whole_links(const fs::path& root) {
  const std::vector<fs::path> documents = documents_of(root);
  EXPECT_GT(documents.size(), 10U);
  for (const fs::path& document : documents) {
    EXPECT_TRUE(fs::exists(document)) << document;
    for (const std::string& link : broken_links(document)) ADD_FAILURE() << link;
  }
}

class Links : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "temper-links-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(Links, LeadSomewhere) { expect_whole_links(testing_support::source_directory()); }

TEST_F(Links, LeadSomewhereWhereTheDocumentsAreInstalled) {
  const char* build = std::getenv("TEMPER_BUILD_FOLDER");
  if (build == nullptr) GTEST_SKIP() << "skipped: TEMPER_BUILD_FOLDER is not set, as ctest does";
  const std::string command = std::string("cmake --install '") + build + "' --component documents --prefix '" +
                              folder_.string() + "' > /dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  fs::path root;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder_))
    if (entry.path().filename() == "README.md" && fs::exists(entry.path().parent_path() / "LICENSE"))
      root = entry.path().parent_path();
  ASSERT_FALSE(root.empty()) << "no README.md beside a LICENSE below " << folder_;
  expect_whole_links(root);
}

/// Paths below the checkout that a document names in backticks (`runtime/config/config.h`, `data/`, `tensor/ops.*`)
/// and that are not there. A pattern with < > or spaces is none.
std::vector<std::string> missing_paths(const std::string& text, const fs::path& root) {
  static const std::regex kPath(R"(`([A-Za-z_]+/[A-Za-z0-9_./-]*(\.\*)?)`)");
  std::vector<std::string> missing;
  for (auto match = std::sregex_iterator(text.begin(), text.end(), kPath); match != std::sregex_iterator(); ++match) {
    std::string name = (*match)[1];
    if (!fs::is_directory(root / name.substr(0, name.find('/'))) || name.starts_with("build/")) continue;
    // Of a pair of files one is enough.
    if (name.ends_with(".*")) name.replace(name.size() - 1, 1, "h");
    if (!fs::exists(root / name) && !fs::exists(root / (name + ".h")) && !fs::exists(root / (name + ".cpp")))
      missing.push_back((*match)[1]);
  }
  return missing;
}

TEST(Paths, ThatTheDocumentsOfTheHouseNameAreThere) {
  const fs::path root = testing_support::source_directory();
  for (const char* document : {"CONTRIBUTING.md", "docs/design.md"})
    for (const std::string& path : missing_paths(read(root / document), root))
      ADD_FAILURE() << document << ": " << path;
  EXPECT_EQ(
      missing_paths("`base/error.h` `base/gone.h` `base/error.*` `base/gone.*` `tests/` `elsewhere/x` `a b`", root),
      (std::vector<std::string>{"base/gone.h", "base/gone.*"}));
}

TEST_F(Links, ABrokenOneIsSeen) {
  std::ofstream(folder_ / "a.md")
      << "# One run, at a `time`\n[x](b.md) [y](#one-run-at-a-time) [z](https://x.org/c.md)\n"
         "[u](#two) [v](b.md#three) [w](gone.md)\n";
  std::ofstream(folder_ / "b.md") << "## Four\n";
  const std::string a = (folder_ / "a.md").string();
  EXPECT_EQ(broken_links(folder_ / "a.md"),
            (std::vector<std::string>{a + ": #two", a + ": b.md#three", a + ": gone.md"}));
}

}  // namespace
}  // namespace temper
