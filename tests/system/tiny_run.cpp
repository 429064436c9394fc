#include "tests/system/tiny_run.h"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace temper::system_tests {

void TinyRun::SetUp() {
  std::string pattern = (std::filesystem::temp_directory_path() / "temper-system-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  testing_support::write_tiny_model(path("model"));
  testing_support::write_tiny_data(path("data"));
  write("run.toml", testing_support::tiny_configuration());
}

void TinyRun::TearDown() { std::filesystem::remove_all(folder_); }

Outcome TinyRun::train(const std::string& output, const std::vector<std::string>& overrides, int ranks,
                       Invocation invocation) const {
  invocation.arguments = {"train", "run.toml", "--json", "--set", "output.dir=" + output};
  for (const std::string& text : overrides) {
    invocation.arguments.emplace_back("--set");
    invocation.arguments.push_back(text);
  }
  invocation.ranks = ranks;
  invocation.folder = folder_;
  return run(invocation);
}

std::string TinyRun::read(const std::filesystem::path& file) const {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void TinyRun::write(const std::string& name, const std::string& content) const {
  std::filesystem::create_directories(path(name).parent_path());
  std::ofstream(path(name), std::ios::binary) << content;
}

std::string TinyRun::spoil_weight(const std::string& file) const {
  std::string bytes = read(path(file));
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::string name = "bert.encoder.layer.0.attention.self.query.weight";
  const auto tensors = nlohmann::json::parse(bytes.substr(8, header));
  const std::uint32_t infinity = 0x7f800000;
  std::memcpy(bytes.data() + 8 + header + tensors[name]["data_offsets"][0].get<std::size_t>(), &infinity,
              sizeof(infinity));
  write(file, bytes);
  return name;
}

}  // namespace temper::system_tests
