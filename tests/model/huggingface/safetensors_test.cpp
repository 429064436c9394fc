#include "model/huggingface/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/model/huggingface/test_folder.h"

namespace temper {
namespace {

using testing_support::expect_refusal;
using testing_support::safetensors_bytes;
using testing_support::TestFolder;

/// Writes the bytes as weights.safetensors and expects that they are refused with the file's name and the parts.
void expect_file_refused(const std::string& bytes, std::initializer_list<std::string_view> parts) {
  const TestFolder folder;
  const std::filesystem::path file = folder.write("weights.safetensors", bytes);
  expect_refusal([&] { SafetensorsFile opened(file); }, {"weights.safetensors"});
  expect_refusal([&] { SafetensorsFile opened(file); }, parts);
}

/// A file of one tensor "x" with these fields.
void expect_tensor_refused(const std::string& fields, std::string_view data,
                           std::initializer_list<std::string_view> parts) {
  const std::string bytes = safetensors_bytes("{\"x\":{" + fields + "}}", data);
  expect_file_refused(bytes, {"tensor \"x\""});
  expect_file_refused(bytes, parts);
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const TestFolder folder;
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},)"
                             R"("a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},)"
                             R"("none":{"dtype":"I64","shape":[0,5],"data_offsets":[7,7]},)"
                             R"("scalar":{"dtype":"BOOL","shape":[],"data_offsets":[7,8]}}   )";
  const SafetensorsFile file(folder.write("x.safetensors", safetensors_bytes(header, "abcdefg\1")));
  ASSERT_EQ(file.tensors().size(), 4U);
  const TensorView& a = file.tensors().at("a");
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, StoredType::f16);
  EXPECT_EQ(a.shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(std::memcmp(a.bytes.data(), "abcd", 4), 0);
  EXPECT_EQ(file.tensors().at("b").bytes.size(), 3U);
  EXPECT_EQ(file.tensors().at("none").bytes.size(), 0U);
  EXPECT_EQ(file.tensors().at("scalar").bytes[0], std::byte{1});
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST(Safetensors, ReadsEveryType) {
  const std::pair<const char*, std::size_t> types[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                                       {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
  for (const auto& [name, bytes] : types) {
    const TestFolder folder;
    const std::string header =
        fmt::format(R"({{"x":{{"dtype":"{}","shape":[3],"data_offsets":[0,{}]}}}})", name, 3 * bytes);
    const SafetensorsFile file(folder.write("x.safetensors", safetensors_bytes(header, std::string(3 * bytes, '\0'))));
    EXPECT_EQ(name_of(file.tensors().at("x").type), name);
    EXPECT_EQ(size_in_bytes(file.tensors().at("x").type), bytes);
  }
}

TEST(Safetensors, ViewsOutliveAMoveOfTheFile) {
  const TestFolder folder;
  SafetensorsFile first(folder.write(
      "x.safetensors", safetensors_bytes(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "Q")));
  const TensorView* view = &first.tensors().at("x");
  const SafetensorsFile second(std::move(first));
  EXPECT_EQ(&second.tensors().at("x"), view);
  EXPECT_EQ(view->bytes[0], std::byte{'Q'});
}

TEST(Safetensors, RefusesPathsThatAreNoFile) {
  const TestFolder folder;
  expect_refusal([&] { SafetensorsFile opened(folder.path()); }, {folder.path().string(), "is a directory"});
  expect_refusal([&] { SafetensorsFile opened(folder.path() / "absent"); }, {"absent", "no such file", "check"});
  expect_file_refused("", {"empty", "download"});
}

TEST(Safetensors, RefusesDamagedLengths) {
  expect_file_refused("1234567", {"has 7 bytes", "at least 8"});
  expect_file_refused(safetensors_bytes(50, "{}", ""), {"50 bytes", "only 2 follow", "truncated"});
  expect_file_refused(safetensors_bytes(100'000'001, "{}", ""), {"100000001", "at most 100000000"});
  expect_file_refused(safetensors_bytes(~0ULL, "{}", ""), {"18446744073709551615", "at most 100000000"});
}

TEST(Safetensors, RefusesHeadersThatAreNoObject) {
  expect_file_refused(safetensors_bytes("", ""), {"header is not valid JSON"});
  expect_file_refused(safetensors_bytes("{\"x\":", ""), {"header is not valid JSON at byte"});
  expect_file_refused(safetensors_bytes("{\"\xff\":1}", ""), {"header is not valid JSON at byte"});
  expect_file_refused(safetensors_bytes("[]", ""), {"JSON array", "expected an object"});
  expect_file_refused(safetensors_bytes(R"({"x":1})", ""), {"tensor \"x\"", "expected an object"});
  expect_file_refused(safetensors_bytes(R"({"x":{"shape":[[[]]]}})", ""), {"nests deeper"});
  expect_file_refused(safetensors_bytes(std::string(2'000'000, '['), ""), {"nests deeper"});
  expect_file_refused(safetensors_bytes(R"({"__metadata__":[]})", ""), {"__metadata__", "expected an object"});
  expect_file_refused(safetensors_bytes(R"({"__metadata__":{"a":1}})", ""), {"\"a\"", "expected a text"});
}

TEST(Safetensors, RefusesDuplicateNames) {
  const std::string tensor = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  expect_file_refused(safetensors_bytes("{\"same\":" + tensor + ",\"same\":" + tensor + "}", "a"),
                      {"\"same\" twice", "expected each name once"});
  expect_file_refused(safetensors_bytes(R"({"x":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "a"),
                      {"\"dtype\" twice"});
}

TEST(Safetensors, RefusesUnknownTypes) {
  expect_tensor_refused(R"("dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1])", "a",
                        {"\"F8_E4M3\"", "F64, F32, F16, BF16"});
  expect_tensor_refused(R"("shape":[1],"data_offsets":[0,1])", "a", {"\"dtype\" is missing"});
  expect_tensor_refused(R"("dtype":3,"shape":[1],"data_offsets":[0,1])", "a", {"\"dtype\""});
}

TEST(Safetensors, RefusesDamagedShapes) {
  expect_tensor_refused(R"("dtype":"U8","data_offsets":[0,1])", "a", {"\"shape\" is missing"});
  expect_tensor_refused(R"("dtype":"U8","shape":[-1],"data_offsets":[0,1])", "a", {"extent -1", "0 or more"});
  expect_tensor_refused(R"("dtype":"U8","shape":[-1,-1],"data_offsets":[0,1])", "a", {"extent -1"});
  expect_tensor_refused(R"("dtype":"U8","shape":[1.0],"data_offsets":[0,1])", "a", {"extent 1.0"});
  expect_tensor_refused(R"("dtype":"U8","shape":["1"],"data_offsets":[0,1])", "a", {"extent \"1\""});
  expect_tensor_refused(R"("dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1])", "a", {"extent"});
}

TEST(Safetensors, RefusesShapesThatDoNotMatchTheirBytes) {
  expect_tensor_refused(R"("dtype":"F32","shape":[2,2],"data_offsets":[0,8])", "12345678",
                        {"hold 8 bytes", "4 elements of 4 bytes"});
  expect_tensor_refused(R"("dtype":"F32","shape":[1],"data_offsets":[0,6])", "123456", {"hold 6 bytes"});
  // 2^32 * 2^32 elements: the product is 0 in 64 bits, and would match an empty tensor.
  expect_tensor_refused(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])", "", {"63 bits"});
  // 2^62 elements of 4 bytes: the size in bytes is 0 in 64 bits.
  expect_tensor_refused(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])", "",
                        {"hold 0 bytes", "4611686018427387904 elements"});
}

TEST(Safetensors, RefusesDamagedOffsets) {
  expect_tensor_refused(R"("dtype":"U8","shape":[1])", "a", {"\"data_offsets\" is missing"});
  expect_tensor_refused(R"("dtype":"U8","shape":[1],"data_offsets":[0])", "a", {"[begin, end]"});
  expect_tensor_refused(R"("dtype":"U8","shape":[1],"data_offsets":[-1,0])", "a", {"[begin, end]"});
  expect_tensor_refused(R"("dtype":"U8","shape":[1],"data_offsets":[1,0])", "a", {"[1, 0] are reversed"});
  expect_tensor_refused(R"("dtype":"U8","shape":[2],"data_offsets":[0,2])", "a", {"beyond the 1 bytes", "truncated"});
  expect_tensor_refused(R"("dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615])", "a",
                        {"beyond the 1 bytes"});
}

std::string two_tensors(int a_begin, int a_end, int b_begin, int b_end, std::string_view data) {
  return safetensors_bytes(fmt::format(R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},)"
                                       R"("b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
                                       a_end - a_begin, a_begin, a_end, b_end - b_begin, b_begin, b_end),
                           data);
}

TEST(Safetensors, RefusesTensorsThatDoNotTileTheData) {
  expect_file_refused(two_tensors(0, 4, 2, 6, "123456"), {"tensor \"b\"", "overlaps tensor \"a\"", "ends at 4"});
  expect_file_refused(two_tensors(0, 4, 0, 4, "1234"), {"tensor \"b\"", "overlaps tensor \"a\""});
  expect_file_refused(two_tensors(0, 2, 4, 6, "123456"), {"tensor \"b\" begins at byte 4", "expected 2", "no hole"});
  expect_file_refused(two_tensors(1, 2, 2, 6, "123456"), {"tensor \"a\" begins at byte 1", "expected 0"});
  expect_file_refused(two_tensors(0, 2, 2, 4, "123456"), {"end at byte 4", "6 bytes of data"});
  expect_file_refused(safetensors_bytes("{}", "x"), {"end at byte 0", "1 bytes of data"});
}

TEST(Safetensors, RefusesTruncationAtEveryByte) {
  const std::string whole = safetensors_bytes(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "12345678");
  const TestFolder folder;
  for (std::size_t length = 0; length < whole.size(); ++length)
    expect_refusal([&] { SafetensorsFile opened(folder.write("cut", whole.substr(0, length))); }, {"cut"});
  EXPECT_NO_THROW(SafetensorsFile opened(folder.write("whole", whole)));
}

TEST(WriteSafetensors, IsReadBackUnchanged) {
  const TestFolder folder;
  const std::vector<float> first = {1.0F, -0.0F, 3.5e-42F, 4.0F, 5.0F, 6.0F};
  const std::vector<float> second = {7.0F};
  const std::vector<TensorToWrite> tensors = {
      {"weight \"\xc3\xa9\"", {3, 2}, first}, {"empty", {0, 4}, {}}, {"a scalar", {}, second}};
  write_safetensors(folder.path() / "x.safetensors", tensors, {{"format", "pt"}});
  const SafetensorsFile file(folder.path() / "x.safetensors");
  ASSERT_EQ(file.tensors().size(), 3U);
  for (const TensorToWrite& written : tensors) {
    const TensorView& read = file.tensors().at(written.name);
    EXPECT_EQ(read.type, StoredType::f32);
    EXPECT_EQ(read.shape, written.shape);
    ASSERT_EQ(read.bytes.size(), written.values.size_bytes());
    EXPECT_TRUE(written.values.empty() ||
                std::memcmp(read.bytes.data(), written.values.data(), read.bytes.size()) == 0);
  }
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(folder.names(), std::set<std::string>{"x.safetensors"});
}

TEST(WriteSafetensors, DataBeginsAtAMultipleOf64Bytes) {
  const std::vector<float> values = {1.0F};
  for (std::size_t length = 1; length <= 64; ++length) {
    const TestFolder folder;
    const std::vector<TensorToWrite> tensors = {{std::string(length, 'n'), {1}, values}};
    write_safetensors(folder.path() / "x", tensors, {});
    EXPECT_EQ((std::filesystem::file_size(folder.path() / "x") - sizeof(float)) % 64, 0U);
    const SafetensorsFile file(folder.path() / "x");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.tensors().begin()->second.bytes.data()) % 64, 0U);
  }
}

TEST(WriteSafetensors, TensorsOfWholeCacheLinesAreAligned) {
  const TestFolder folder;
  const std::vector<float> values(32, 1.0F);
  const std::span<const float> all(values);
  const std::vector<TensorToWrite> tensors = {
      {"a", {1}, all.first(1)}, {"b", {2, 16}, all}, {"c", {3}, all.first(3)}, {"d", {16}, all.first(16)}};
  write_safetensors(folder.path() / "x", tensors, {});
  const SafetensorsFile file(folder.path() / "x");
  for (const char* name : {"b", "d"})
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.tensors().at(name).bytes.data()) % 64, 0U) << name;
}

TEST(WriteSafetensors, RefusesWhatCannotBeReadBack) {
  const TestFolder folder;
  const std::filesystem::path path = folder.path() / "x";
  const std::vector<float> values = {1.0F, 2.0F};
  const auto write = [&](std::vector<TensorToWrite> tensors) {
    return [&path, tensors = std::move(tensors)] { write_safetensors(path, tensors, {}); };
  };
  expect_refusal(write({{"a", {2}, values}, {"a", {2}, values}}), {"\"a\"", "unique"});
  expect_refusal(write({{"__metadata__", {2}, values}}), {"__metadata__"});
  expect_refusal(write({{"", {2}, values}}), {"not empty"});
  expect_refusal(write({{"a", {3}, values}}), {"\"a\" has 2 values", "[3]"});
  expect_refusal(write({{"a", {-1, -2}, values}}), {"\"a\" has 2 values"});
  expect_refusal(write({{"\xff", {2}, values}}), {"UTF-8"});
  EXPECT_TRUE(folder.names().empty());
}

/// Makes every write beyond so many bytes of a file fail, as a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(WriteSafetensors, AFullDiskLeavesTheOlderFile) {
  const TestFolder folder;
  const std::filesystem::path path = folder.write("x.safetensors", "older");
  const std::vector<float> values(10'000, 1.0F);
  const std::vector<TensorToWrite> tensors = {{"a", {10'000}, values}};
  {
    const FileSizeLimit limit(4096);
    expect_refusal([&] { write_safetensors(path, tensors, {}); }, {"x.safetensors", "cannot be written", "free space"});
  }
  EXPECT_EQ(contents(path), "older");
  EXPECT_EQ(folder.names(), std::set<std::string>{"x.safetensors"});
}

TEST(WriteSafetensors, RefusesAFolderThatIsNotThere) {
  const TestFolder folder;
  expect_refusal([&] { write_safetensors(folder.path() / "absent" / "x", {}, {}); }, {"absent", "cannot be created"});
}

}  // namespace
}  // namespace temper
