// The house as docs/design.md draws it: which folder may include which, which libraries' headers stay in sources, and
// how long a file may be. CMake cannot hold this: every target finds every header, and headers need no link.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/places.h"

namespace temper {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

/// The arrows of the drawing.
const std::map<std::string, Names> kArrows{
    {"launch", {"runtime"}},
    {"runtime", {"model", "data", "comm"}},
    {"model", {"tensor"}},
    {"comm", {"tensor"}},
    {"data", {"base"}},
    {"tensor", {"base"}},
    {"base", {}},
};

/// The rooms of the floors that have several, and which rooms of its floor each may include. Each arrow is named: what
/// a room reaches through another one it may not include by itself.
const std::map<std::string, Names> kRooms{
    {"comm", {}},
    {"comm/exchange", {"comm"}},
    {"comm/cuda", {"comm"}},
    {"comm/no_cuda", {"comm"}},
    {"data/tokenizer", {}},
    {"data/jinja", {"data/tokenizer"}},
    {"data/chat", {"data/jinja", "data/tokenizer"}},
    {"data/tables", {"data/tokenizer"}},
    {"data", {"data/tables", "data/tokenizer"}},
    {"data/pictures", {}},
    {"data/images", {"data", "data/pictures", "data/tables", "data/tokenizer"}},
    {"data/text", {"data", "data/chat", "data/tables", "data/tokenizer"}},
    {"model/gguf", {}},
    {"model/huggingface", {"model/gguf"}},
    {"model", {"model/huggingface"}},
    {"model/layers", {"model"}},
    {"model/blocks", {"model", "model/layers"}},
    {"model/heads", {"model", "model/layers"}},
    {"model/adapters", {"model", "model/huggingface", "model/layers"}},
    {"model/architectures",
     {"model", "model/gguf", "model/huggingface", "model/layers", "model/blocks", "model/heads"}},
    {"runtime/updates", {}},
    {"runtime/tasks", {}},
    {"runtime/config", {"runtime/updates", "runtime/tasks"}},
    {"runtime/environment", {"runtime/config"}},
    {"runtime/inputs", {"runtime/config", "runtime/tasks"}},
    {"runtime/steps", {"runtime/config", "runtime/updates"}},
    {"runtime/frozen", {"runtime/config", "runtime/steps", "runtime/tasks"}},
    {"runtime/checkpoints",
     {"runtime/config", "runtime/environment", "runtime/inputs", "runtime/steps", "runtime/updates"}},
    {"runtime/evaluation", {"runtime/config", "runtime/tasks", "runtime/inputs", "runtime/steps"}},
    {"runtime/explaining", {"runtime/tasks", "runtime/inputs", "runtime/steps", "runtime/evaluation"}},
    {"runtime/generation", {"runtime/steps", "runtime/evaluation", "runtime/tasks"}},
    {"runtime/reporting", {"runtime/config", "runtime/environment", "runtime/steps", "runtime/tasks"}},
    {"runtime/figures", {"runtime/tasks"}},
    {"runtime/probing", {"runtime/config", "runtime/figures", "runtime/inputs", "runtime/updates"}},
    {"runtime/planning",
     {"runtime/config", "runtime/environment", "runtime/inputs", "runtime/steps", "runtime/updates", "runtime/tasks",
      "runtime/frozen", "runtime/checkpoints", "runtime/evaluation"}},
    {"runtime",
     {"runtime/config", "runtime/environment", "runtime/inputs", "runtime/steps", "runtime/updates", "runtime/tasks",
      "runtime/frozen", "runtime/checkpoints", "runtime/evaluation", "runtime/generation", "runtime/reporting",
      "runtime/explaining", "runtime/figures", "runtime/probing"}},
};

/// Folders that stand outside the house and may include any of it.
const Names kOutside{"tests", "bench"};

/// The floor itself, and what the arrows lead to from it.
Names may_include(const std::string& floor, const std::map<std::string, Names>& arrows) {
  Names reached{floor};
  for (const std::string& next : arrows.at(floor)) reached.merge(may_include(next, arrows));
  return reached;
}

bool is_header(const fs::path& path) { return path.extension() == ".h" || path.extension() == ".cuh"; }

bool is_source(const fs::path& path) {
  return is_header(path) || path.extension() == ".cpp" || path.extension() == ".cu";
}

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Files below the checkout, as paths from there; not what a build or a run has left.
std::vector<fs::path> files_of(const Names& folders) {
  const fs::path root = testing_support::source_directory();
  std::vector<fs::path> files;
  for (const std::string& folder : folders)
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(root));
  std::sort(files.begin(), files.end());
  return files;
}

Names floors() {
  Names names;
  for (const auto& [floor, arrows] : kArrows) names.insert(floor);
  return names;
}

struct Include {
  std::string name;
  int line;
};

std::vector<Include> includes_of(const std::string& text) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*[<"]([^>"]+)[>"])re");
  std::vector<Include> found;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (std::regex_search(line, match, kInclude)) found.push_back({match[1], number});
  }
  return found;
}

bool lies_in_folder(const fs::path& path, const std::string& folder) {
  return std::find(path.begin(), path.end(), folder) != path.end();
}

/// What is wrong with an include of a file on a floor; empty: nothing.
std::string fault_of(const fs::path& file, const std::string& include) {
  const std::string floor = file.begin()->string();
  const std::string target = fs::path(include).begin()->string();
  if (kOutside.contains(target)) return "stands outside the house";
  if (kArrows.contains(target) && include.find('/') != std::string::npos) {
    if (!may_include(floor, kArrows).contains(target)) return "no arrow of docs/design.md leads there";
    // The rest knows tensor/cuda_device.h and comm/nccl_communicator.h alone.
    if (lies_in_folder(include, "cuda") && !lies_in_folder(file, "cuda")) return "only folders called cuda know it";
  }
  static const std::regex kStaysInSources(
      R"((mpi|hdf5|H5\w*|nccl|cublas\w*|cuda\w*|png|jpeglib|tiffio|zlib)\.h|(oneapi|unicode|hdf5|dcmtk)/.*|dnnl\w*\.hp*|toml\+\+/.*)");
  if (is_header(file) && !lies_in_folder(file, "cuda") && std::regex_match(include, kStaysInSources))
    return "headers of this library stay in sources";
  return {};
}

/// What is wrong with an include of a file in a room; empty: nothing, or a floor without rooms.
std::string fault_between_rooms(const fs::path& file, const fs::path& include) {
  const std::string room = file.parent_path().string();
  const std::string target = include.parent_path().string();
  if (!kRooms.contains(room) || target == room || *file.begin() != *include.begin()) return {};
  // A folder below a room's own is part of it (comm/cuda/library).
  if (target.starts_with(room + "/") && !kRooms.contains(target)) return {};
  return kRooms.at(room).contains(target) ? "" : "no arrow leads from " + room + " to " + target;
}

TEST(Floors, IncludeOnlyWhatTheArrowsLeadTo) {
  for (const fs::path& file : files_of(floors())) {
    if (!is_source(file)) continue;
    for (const Include& include : includes_of(read(testing_support::source_directory() / file))) {
      const std::string fault = fault_of(file, include.name);
      EXPECT_TRUE(fault.empty()) << file.string() << ":" << include.line << " includes " << include.name << ": "
                                 << fault;
    }
  }
}

TEST(Rooms, IncludeOnlyRoomsThatTheirArrowsLeadTo) {
  Names with_rooms;
  for (const auto& [room, arrows] : kRooms) with_rooms.insert(fs::path(room).begin()->string());
  for (const fs::path& file : files_of(with_rooms)) {
    if (!is_source(file) || lies_in_folder(file, "library")) continue;
    EXPECT_TRUE(kRooms.contains(file.parent_path().string())) << file.string() << " stands in no room that is drawn";
    for (const Include& include : includes_of(read(testing_support::source_directory() / file))) {
      const std::string fault = fault_between_rooms(file, include.name);
      EXPECT_TRUE(fault.empty()) << file.string() << ":" << include.line << " includes " << include.name << ": "
                                 << fault;
    }
  }
}

TEST(Rooms, NeedEachOtherInOneDirectionOnly) {
  // Rooms whose arrows all lead to rooms that were taken away already can be taken away; at the end none is left.
  std::map<std::string, Names> left = kRooms;
  while (!left.empty()) {
    const auto found = std::find_if(left.begin(), left.end(), [&](const auto& room) {
      return std::none_of(room.second.begin(), room.second.end(), [&](const auto& to) { return left.contains(to); });
    });
    ASSERT_NE(found, left.end()) << left.begin()->first << " and others need each other";
    left.erase(found);
  }
}

/// The table of rooms: rows such as "| `data/text/` | what is done there | `data/`, tables, tokenizer |". A room of the
/// same floor goes by its last name; "all of them but planning" is all the floor's rooms but that one.
std::map<std::string, Names> rooms_of(const std::string& design) {
  static const std::regex kName(R"(`([a-z_/]+)/`)");
  static const std::regex kWord(R"(`([a-z_/]+)/`|([a-z_]+))");
  const std::size_t begin = design.find("| room |");
  std::istringstream lines(design.substr(std::min(begin, design.size())));
  std::map<std::string, Names> rooms;
  std::map<std::string, std::string> but;  // floors that include all of their rooms, and all but which
  for (std::string line; std::getline(lines, line) && line.starts_with("|");) {
    std::vector<std::string> fields;
    std::istringstream columns(line.substr(1));
    for (std::string field; std::getline(columns, field, '|');) fields.push_back(field);
    if (fields.size() < 3) continue;
    std::smatch except;
    for (auto room = std::sregex_iterator(fields[0].begin(), fields[0].end(), kName); room != std::sregex_iterator();
         ++room) {
      const std::string name = (*room)[1];
      Names& arrows = rooms[name];
      if (std::regex_search(fields[2], except, std::regex("all of them but ([a-z_]+)"))) {
        but[name] = name + "/" + except[1].str();
        continue;
      }
      for (auto word = std::sregex_iterator(fields[2].begin(), fields[2].end(), kWord); word != std::sregex_iterator();
           ++word)
        arrows.insert((*word)[1].matched ? (*word)[1].str()
                                         : (fs::path(name).begin()->string() + "/" + (*word)[2].str()));
    }
  }
  for (const auto& [floor, exception] : but)
    for (const auto& [room, arrows] : rooms)
      if (room.starts_with(floor + "/") && room != exception) rooms[floor].insert(room);
  return rooms;
}

TEST(Rooms, AreWhatTheDesignLists) {
  const std::string design = read(testing_support::source_directory() / "docs/design.md");
  EXPECT_EQ(rooms_of(design), kRooms) << "the table of docs/design.md and kRooms change together";
}

TEST(Floors, AFaultIsSeen) {
  EXPECT_EQ(fault_between_rooms("runtime/frozen/frozen_cache.cpp", "runtime/steps/device_batch.h"), "");
  EXPECT_NE(fault_between_rooms("runtime/steps/device_batch.h", "runtime/frozen/frozen_cache.h"), "");
  EXPECT_NE(fault_between_rooms("comm/communicator.h", "comm/exchange/gradient_exchange.h"), "");
  EXPECT_EQ(fault_between_rooms("runtime/steps/device_batch.h", "data/batch.h"), "");

  EXPECT_EQ(fault_of("model/model.cpp", "tensor/ops.h"), "");
  EXPECT_EQ(fault_of("model/model.cpp", "base/error.h"), "") << "two arrows away";
  EXPECT_EQ(fault_of("data/loader.h", "vector"), "");
  EXPECT_NE(fault_of("data/loader.h", "tensor/tensor.h"), "");
  EXPECT_NE(fault_of("model/model.cpp", "data/batch.h"), "") << "neither above nor below";
  EXPECT_NE(fault_of("base/error.h", "launch/ranks.h"), "");
  EXPECT_NE(fault_of("runtime/trainer.cpp", "tests/world.h"), "");
  EXPECT_NE(fault_of("comm/exchange/node_window.h", "mpi.h"), "");
  EXPECT_EQ(fault_of("comm/exchange/node_window.cpp", "mpi.h"), "");
  EXPECT_NE(fault_of("runtime/checkpoints/checkpoint.h", "hdf5.h"), "");
  EXPECT_NE(fault_of("tensor/device.h", "cuda_runtime.h"), "");
  EXPECT_EQ(fault_of("tensor/kernels/cuda/launch.cuh", "cuda_runtime.h"), "");
  EXPECT_NE(fault_of("data/tokenizer/utf8.h", "unicode/utypes.h"), "");
  EXPECT_NE(fault_of("comm/communicator.cpp", "comm/cuda/library/nccl.h"), "");
  const std::vector<Include> found = includes_of("// #include \"a.h\"\n  #  include <b.h>\n#include \"c/d.h\"  // e\n");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "b.h");
  EXPECT_EQ(found[1].name, "c/d.h");
  EXPECT_EQ(found[1].line, 3);
}

TEST(Floors, AreAllThatHoldsSources) {
  const fs::path root = testing_support::source_directory();
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || name.starts_with(".") || name == "build") continue;
    if (kArrows.contains(name) || kOutside.contains(name)) continue;
    for (const fs::path& file : files_of({name}))
      EXPECT_FALSE(is_source(file)) << file.string() << " is on no floor that docs/design.md draws";
  }
}

TEST(Floors, AreWhatTheDocumentsAndTheBuildSay) {
  const fs::path root = testing_support::source_directory();
  const std::string design = read(root / "docs/design.md");
  for (const auto& [floor, arrows] : kArrows)
    EXPECT_NE(design.find("| `" + floor + "/` |"), std::string::npos) << floor;
  EXPECT_NE(design.find("    launch ──► runtime ──► model ──► tensor ──► base\n"
                        "                  │──────► data ─────────────────▲\n"
                        "                  │──────► comm ──► tensor\n"),
            std::string::npos)
      << "the drawing and kArrows change together";

  std::map<std::string, Names> linked;
  const std::string build = read(root / "CMakeLists.txt");
  static const std::regex kFloor(R"(\ntemper_floor\((\w+)( FLOORS ([a-z ]+))?)");
  for (auto match = std::sregex_iterator(build.begin(), build.end(), kFloor); match != std::sregex_iterator();
       ++match) {
    std::istringstream names((*match)[3].str());
    linked[(*match)[1]] = Names(std::istream_iterator<std::string>(names), {});
  }
  ASSERT_EQ(linked.size(), kArrows.size());
  for (const auto& [floor, arrows] : kArrows)
    EXPECT_EQ(may_include(floor, linked), may_include(floor, kArrows)) << floor;
}

TEST(Architectures, AreNamedInTheirFolderAlone) {
  const fs::path root = testing_support::source_directory();
  static const std::regex kRow(R"re(_architecture\(\) \{\s*return \{"([\w-]+)")re");
  std::vector<std::string> quoted;
  for (const fs::path& file : files_of({"model/architectures"})) {
    const std::string text = read(root / file);
    std::smatch row;
    if (std::regex_search(text, row, kRow)) quoted.push_back("\"" + row[1].str() + "\"");
  }
  EXPECT_GE(quoted.size(), 3U);
  // Classes of tokenizers are named for models: that table is data/'s own.
  Names elsewhere = floors();
  elsewhere.erase("data");
  for (const fs::path& file : files_of(elsewhere)) {
    if (!is_source(file) || file.parent_path() == "model/architectures") continue;
    // llama.cpp has architectures and names of its own, which are translated there.
    if (file.string().starts_with("model/huggingface/gguf_")) continue;
    const std::string text = read(root / file);
    for (const std::string& name : quoted)
      EXPECT_EQ(text.find(name), std::string::npos) << file.string() << ": " << name;
  }
}

TEST(Files, AreNeverLongerThanSixHundredLines) {
  constexpr std::ptrdiff_t kLongest = 600;
  Names folders = floors();
  folders.insert(kOutside.begin(), kOutside.end());
  const Names kinds{".h", ".cuh", ".cpp", ".cu", ".py", ".sh", ".txt", ".cmake"};
  for (const fs::path& file : files_of(folders)) {
    if (!kinds.contains(file.extension().string())) continue;
    const std::string text = read(testing_support::source_directory() / file);
    EXPECT_LE(std::count(text.begin(), text.end(), '\n'), kLongest) << file.string() << " has two purposes: part it";
  }
}

TEST(Files, TheTrainerIsALoopAndNoMore) {
  const std::string text = read(testing_support::source_directory() / "runtime/trainer.cpp");
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 200) << "give what is no part of the loop a room of its own";
}

}  // namespace
}  // namespace temper
