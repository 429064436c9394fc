#include "model/huggingface/pytorch_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/digest.h"
#include "model/huggingface/weight_files.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/places.h"

namespace temper {
namespace {

using testing_support::expect_refusal;
using testing_support::TestFolder;
using Extents = std::vector<std::int64_t>;

/// What torch.save wrote (pytorch_files/make_pytorch_files.py).
std::filesystem::path saved(const std::string& name) {
  return testing_support::source_directory() / "tests/model/huggingface/pytorch_files" / (name + ".bin");
}

std::vector<float> floats(const TensorFile& file, const std::string& name) {
  const TensorView& tensor = file.tensors.at(name);
  std::vector<float> values(tensor.bytes.size() / size_in_bytes(tensor.type));
  to_f32(tensor, values);
  return values;
}

class PytorchFile : public testing::TestWithParam<std::string> {};

TEST_P(PytorchFile, HoldsWhatWasSaved) {
  const TensorFile file = open_pytorch_file(saved(GetParam()));
  ASSERT_EQ(file.tensors.size(), 13U);
  const auto shape = [&](const char* name) { return file.tensors.at(name).shape; };
  EXPECT_EQ(shape("matrix"), (Extents{2, 3}));
  EXPECT_EQ(floats(file, "matrix"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(floats(file, "half"), (std::vector<float>{1.5, -2}));
  EXPECT_EQ(file.tensors.at("bfloat16").type, StoredType::bf16);
  EXPECT_EQ(floats(file, "bfloat16"), (std::vector<float>{1.5, -2, 256}));
  EXPECT_EQ(floats(file, "double"), (std::vector<float>{0.25, -2}));
  EXPECT_EQ(file.tensors.at("truth").type, StoredType::boolean);
  EXPECT_EQ(shape("transposed"), (Extents{3, 2}));
  EXPECT_EQ(floats(file, "transposed"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(floats(file, "slice"), (std::vector<float>{3, 4, 5, 6}));
  EXPECT_EQ(floats(file, "column"), (std::vector<float>{1, 4, 7, 10}));
  EXPECT_EQ(shape("position_ids"), (Extents{1, 5}));
  EXPECT_EQ(file.tensors.at("position_ids").type, StoredType::i64);
  EXPECT_EQ(shape("scalar"), Extents{});
  EXPECT_EQ(floats(file, "scalar"), std::vector<float>{2.5});
  EXPECT_EQ(shape("empty"), (Extents{0, 3}));
  EXPECT_TRUE(file.tensors.at("empty").bytes.empty());
  EXPECT_EQ(floats(file, "parameter"), (std::vector<float>{1, 1}));
  // Tied tensors are one, and what lies row by row is not copied.
  EXPECT_EQ(file.tensors.at("tied").bytes.data(), file.tensors.at("matrix").bytes.data());
  EXPECT_EQ(file.copies.size(), 2U);
}

INSTANTIATE_TEST_SUITE_P(Of, PytorchFile, testing::Values("tensors", "tensors_before_1_6", "tensors_protocol_4"),
                         [](const auto& name) { return name.param; });

TEST(PytorchFiles, LeaveOutWhatIsNoTensor) {
  const TensorFile file = open_pytorch_file(saved("module"));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"0.bias", "0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean",
                                             "1.running_var", "1.weight"}));
}

TEST(PytorchFiles, AreNeverExecuted) {
  expect_refusal([] { open_pytorch_file(saved("hostile")); }, {"\"posix\".\"system\"", "not called"});
  expect_refusal([] { open_pytorch_file(saved("whole_module")); }, {"\"torch.nn.modules.container\".\"Sequential\""});
}

TEST(PytorchFiles, RefuseWhatAreNoWeights) {
  expect_refusal([] { open_pytorch_file(saved("nested")); }, {"\"state_dict\"", "state_dict() of the model alone"});
  expect_refusal([] { open_pytorch_file(saved("repeated")); }, {"\"matrix\"", "10 elements out of a storage of 2"});
  const TestFolder folder;
  const auto of = [&](std::string_view content) { return folder.write("pytorch_model.bin", content); };
  expect_refusal([&] { open_pytorch_file(of("not a model")); }, {"is not what torch.save writes"});
  expect_refusal([&] { open_pytorch_file(of("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")); },
                 {"git-lfs pointer", "git lfs pull"});
  std::string bytes = read_text_file(saved("tensors"));
  const std::size_t order = bytes.find("little");
  ASSERT_NE(order, std::string::npos);
  expect_refusal([&] { open_pytorch_file(of(std::string(bytes).replace(order, 6, "bigger"))); },
                 {"bigger", "little-endian"});
  expect_refusal([&] { open_pytorch_file(of(bytes.substr(0, bytes.size() - 1))); }, {"cut short"});
}

/// Whatever stands in a file, it is read or refused; a sanitizer would tell of more.
void expect_read_or_refused(const TestFolder& folder, std::string_view content) {
  const std::filesystem::path path = folder.write("pytorch_model.bin", content);
  try {
    const TensorFile file = open_pytorch_file(path);
    unsigned sum = 0;
    for (const auto& [name, tensor] : file.tensors)
      for (const std::byte byte : tensor.bytes) sum += static_cast<unsigned>(byte);
    EXPECT_GE(sum, 0U);
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find("pytorch_model.bin"), std::string_view::npos) << error.what();
  }
}

TEST_P(PytorchFile, MayBeCutAnywhere) {
  const TestFolder folder;
  const std::string bytes = read_text_file(saved(GetParam()));
  for (std::size_t size = 1; size < bytes.size(); size += 29) expect_read_or_refused(folder, bytes.substr(0, size));
}

TEST_P(PytorchFile, MayBeDamagedAnywhere) {
  const TestFolder folder;
  const std::string bytes = read_text_file(saved(GetParam()));
  for (std::size_t i = 0; i < bytes.size(); i += 7) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (i % 2 == 0 ? 0xff : 1 << (i % 8)));
    expect_read_or_refused(folder, damaged);
  }
}

/// A file before PyTorch 1.6 of f32 tensors [a, b], written by hand: `tensors` is the pickle of its dictionary.
std::string old_file(const std::string& tensors, std::int64_t elements) {
  using namespace std::string_literals;
  std::string bytes = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s;
  bytes += "\x80\x02M\xe9\x03."s + "\x80\x02}\x8c\x0dlittle_endian\x88s."s;
  bytes += "\x80\x02}"s + tensors + "." + "\x80\x02]\x8c\x01"s + "0a.";
  bytes.append(reinterpret_cast<const char*>(&elements), sizeof(elements));
  for (std::int64_t i = 0; i < elements; ++i) {
    const auto value = static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

/// Sets `name` to a tensor of the whole storage; `shape` and `strides` are programs that push two numbers.
std::string set_tensor(const std::string& name, const std::string& shape, const std::string& strides, int elements) {
  return "\x8c" + std::string(1, static_cast<char>(name.size())) + name + "ctorch._utils\n_rebuild_tensor_v2\n((" +
         "\x8c\x07storagectorch\nFloatStorage\n\x8c\x01" + "0\x8c\x03" + "cpuK" +
         std::string(1, static_cast<char>(elements)) + "tQK" + std::string(1, '\0') + shape + "\x86" + strides +
         "\x86tRs";
}

TEST(PytorchFiles, CopyOnlySoMuch) {
  const TestFolder folder;
  const auto of = [&](int views) {
    std::string tensors;
    for (int i = 0; i < views; ++i) tensors += set_tensor(fmt::format("t{}", i), "K\x0aK\x0a", "K\x01K\x0a", 100);
    return folder.write("pytorch_model.bin", old_file(tensors, 100));
  };
  EXPECT_EQ(floats(open_pytorch_file(of(1)), "t0").at(1), 10.0F) << "it is transposed";
  EXPECT_EQ(open_pytorch_file(of(2)).copies.size(), 2U);
  expect_refusal([&] { open_pytorch_file(of(9)); }, {"do not lie row by row", "2 times the"});
}

TEST(PytorchFiles, AnExtentOfOneMayHaveAnyStride) {
  const TestFolder folder;
  const std::string huge = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
  // Of [1, 4], every second number.
  const std::string tensors = set_tensor("row", "K\x01K\x04", huge + "K\x02", 8);
  const TensorFile file = open_pytorch_file(folder.write("pytorch_model.bin", old_file(tensors, 8)));
  EXPECT_EQ(floats(file, "row"), (std::vector<float>{0, 2, 4, 6}));
}

TEST(PytorchFiles, HaveNamesThatAreTexts) {
  const TestFolder folder;
  const auto of = [&](const std::string& name) {
    return folder.write("pytorch_model.bin", old_file(set_tensor(name, "K\x02K\x02", "K\x02K\x01", 4), 4));
  };
  EXPECT_TRUE(open_pytorch_file(of("gr\xc3\xb6\xc3\x9f"
                                   "e"))
                  .tensors.contains("gr\xc3\xb6\xc3\x9f"
                                    "e"));
  expect_refusal(
      [&] {
        open_pytorch_file(
            of("gr\xf6\xdf"
               "e"));
      },
      {"not valid UTF-8"});
}

TEST(PytorchFiles, DoNotRepeatTheirValuesWithoutBound) {
  const TestFolder folder;
  // A list of a thousand pairs, remembered, of which one dictionary after the other is made.
  std::string pickle = "](";
  for (int i = 0; i < 1000; ++i) pickle += "NN\x86";
  pickle +=
      "eq\x01"
      "ccollections\nOrderedDict\nq\x02";
  for (int i = 0; i < 1000; ++i) pickle += "h\x02h\x01\x85R";
  expect_refusal([&] { open_pytorch_file(folder.write("pytorch_model.bin", old_file(pickle, 1))); },
                 {"repeats its values"});
}

TEST(PytorchFiles, AreWeightsWhereThereAreNoSafetensors) {
  const TestFolder folder;
  const std::string bytes = read_text_file(saved("tensors"));
  folder.write("pytorch_model.bin", bytes);
  const WeightFiles weights = WeightFiles::open(folder.path());
  EXPECT_EQ(weights.names().size(), 13U);
  EXPECT_EQ(weights.digest(), sha256_hex(std::string_view(bytes)));
  EXPECT_EQ(weights.file_of("matrix"), folder.path() / "pytorch_model.bin");
  EXPECT_TRUE(is_mappable_f32(*weights.find("matrix")));
  // One float, 7, under "x".
  folder.write("model.safetensors",
               testing_support::safetensors_bytes(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                                  std::string_view("\0\0\xe0\x40", 4)));
  EXPECT_EQ(WeightFiles::open(folder.path()).names(), std::vector<std::string>{"x"});
}

TEST(PytorchFiles, MayBeShards) {
  const TestFolder folder;
  folder.write("pytorch_model-00001-of-00002.bin", read_text_file(saved("module")));
  folder.write("pytorch_model-00002-of-00002.bin", read_text_file(saved("tensors_before_1_6")));
  std::string index = R"({"metadata":{},"weight_map":{)";
  for (const char* name : {"0.bias", "0.weight", "1.bias", "1.running_mean"})
    index += fmt::format("\"{}\":\"pytorch_model-00001-of-00002.bin\",", name);
  folder.write("pytorch_model.bin.index.json", index + "\"matrix\":\"pytorch_model-00002-of-00002.bin\"}}");
  const WeightFiles weights = WeightFiles::open(folder.path());
  EXPECT_EQ(weights.names().size(), 20U);
  EXPECT_EQ(weights.file_of("1.running_var").filename(), "pytorch_model-00001-of-00002.bin");
  std::filesystem::remove(folder.path() / "pytorch_model-00002-of-00002.bin");
  expect_refusal([&] { WeightFiles::open(folder.path()); }, {"00002-of-00002", "missing"});
}

TEST(PytorchFiles, AFolderWithoutWeightsSaysWhatItIs) {
  const TestFolder folder;
  expect_refusal([&] { WeightFiles::open(folder.path()); }, {"model.safetensors", "pytorch_model.bin"});
  folder.write("tf_model.h5", "x");
  expect_refusal([&] { WeightFiles::open(folder.path()); }, {"tf_model.h5", "save_pretrained"});
  folder.write("adapter_config.json", "{}");
  expect_refusal([&] { WeightFiles::open(folder.path()); }, {"adapter (PEFT)", "merge_and_unload"});
}

}  // namespace
}  // namespace temper
