#include "model/huggingface/weight_files.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/digest.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/places.h"

namespace temper {
namespace {

using testing_support::expect_refusal;
using testing_support::safetensors_bytes;
using testing_support::TestFolder;

/// A file of one-byte tensors.
std::string shard(std::initializer_list<std::string_view> names) {
  std::string header;
  int offset = 0;
  for (const std::string_view name : names) {
    header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", offset == 0 ? "{" : ",",
                          name, offset, offset + 1);
    ++offset;
  }
  return safetensors_bytes(header + "}", std::string(static_cast<std::size_t>(offset), 'z'));
}

template <typename Stored>
TensorView view_of(StoredType type, const std::vector<Stored>& values) {
  return {"t", type, {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values)), "f.safetensors"};
}

TEST(WeightFiles, OpensASingleFile) {
  const TestFolder folder;
  folder.write("model.safetensors", shard({"b", "a"}));
  const WeightFiles weights = WeightFiles::open(folder.path());
  EXPECT_EQ(weights.names(), (std::vector<std::string>{"a", "b"}));
  ASSERT_NE(weights.find("b"), nullptr);
  EXPECT_EQ(weights.find("b")->name, "b");
  EXPECT_EQ(weights.find("c"), nullptr);
  EXPECT_EQ(weights.file_of("a"), folder.path() / "model.safetensors");
  EXPECT_EQ(weights.digest(), sha256_file(folder.path() / "model.safetensors"));
  expect_refusal([&] { (void)weights.file_of("c"); }, {"no tensor \"c\""});
}

TEST(WeightFiles, OpensShards) {
  const TestFolder folder;
  folder.write("one.safetensors", shard({"a", "c"}));
  folder.write("two.safetensors", shard({"b"}));
  folder.write("model.safetensors.index.json",
               R"({"metadata":{"total_size":3},"weight_map":{"a":"one.safetensors","b":"two.safetensors",)"
               R"("c":"one.safetensors"}})");
  const WeightFiles opened = WeightFiles::open(folder.path());
  EXPECT_EQ(opened.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(opened.file_of("b"), folder.path() / "two.safetensors");
  EXPECT_EQ(opened.file_of("c"), folder.path() / "one.safetensors");
  EXPECT_EQ(opened.find("b")->bytes[0], std::byte{'z'});
  EXPECT_EQ(opened.digest(),
            sha256_hex(std::string_view(sha256_file(folder.path() / "one.safetensors") + "  one.safetensors\n" +
                                        sha256_file(folder.path() / "two.safetensors") + "  two.safetensors\n")));
}

TEST(WeightFiles, RefusesFoldersWithoutWeights) {
  const TestFolder folder;
  expect_refusal([&] { WeightFiles::open(folder.path() / "absent"); }, {"absent", "no such folder"});
  expect_refusal([&] { WeightFiles::open(folder.write("file", "x")); }, {"file", "is a file"});
  expect_refusal([&] { WeightFiles::open(folder.path()); }, {"neither model.safetensors nor"});
  folder.write("pytorch_model.bin", "x");
  expect_refusal([&] { WeightFiles::open(folder.path()); }, {"pytorch_model.bin", "torch.save"});
}

void expect_index_refused(const std::string& index, std::initializer_list<std::string_view> parts) {
  const TestFolder folder;
  folder.write("one.safetensors", shard({"a", "c"}));
  folder.write("two.safetensors", shard({"b"}));
  folder.write("again.safetensors", shard({"a"}));
  folder.write("model.safetensors.index.json", index);
  expect_refusal([&] { WeightFiles::open(folder.path()); }, parts);
}

TEST(WeightFiles, RefusesDamagedIndices) {
  expect_index_refused("", {"index.json", "empty"});
  expect_index_refused("{", {"index.json", "not valid JSON"});
  expect_index_refused("[]", {"index.json", "expected an object"});
  expect_index_refused("{}", {"index.json", "weight_map"});
  expect_index_refused(R"({"weight_map":{}})", {"weight_map", "empty"});
  expect_index_refused(R"({"weight_map":{"a":1}})", {"tensor \"a\"", "expected the name of a file"});
  expect_index_refused(R"({"weight_map":{"a":"../one.safetensors"}})", {"tensor \"a\"", "same folder"});
  expect_index_refused(R"({"weight_map":{"a":"/etc/passwd"}})", {"tensor \"a\"", "same folder"});
  expect_index_refused(R"({"weight_map":{"a":"one.safetensors","a":"again.safetensors"}})", {"\"a\" twice"});
}

TEST(WeightFiles, RefusesIndicesThatTheShardsContradict) {
  expect_index_refused(R"({"weight_map":{"a":"one.safetensors","d":"three.safetensors"}})",
                       {"three.safetensors", "missing", "\"d\""});
  expect_index_refused(R"({"weight_map":{"a":"one.safetensors","d":"two.safetensors"}})",
                       {"\"d\"", "\"two.safetensors\"", "no shard has it"});
  expect_index_refused(R"({"weight_map":{"a":"two.safetensors","c":"one.safetensors"}})",
                       {"\"a\"", "\"two.safetensors\"", "it lies in \"one.safetensors\""});
  expect_index_refused(R"({"weight_map":{"a":"again.safetensors","c":"one.safetensors"}})",
                       {"\"a\" lies in again.safetensors and in one.safetensors", "once"});
}

/// sign * 1.mantissa * 2^(exponent - bias), straight from IEEE 754, in double precision where all of it is exact.
double value_of(unsigned bits, int mantissa_bits, int exponent_bits) {
  const unsigned mantissa = bits & ((1U << mantissa_bits) - 1);
  const unsigned exponent = (bits >> mantissa_bits) & ((1U << exponent_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (bits >> (mantissa_bits + exponent_bits)) == 0 ? 1.0 : -1.0;
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  if (exponent == (1U << exponent_bits) - 1)
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias);
  return sign * std::ldexp(1.0 + fraction, static_cast<int>(exponent) - bias);
}

void expect_all_patterns_exact(StoredType type, int mantissa_bits, int exponent_bits) {
  std::vector<std::uint16_t> patterns(65'536);
  for (unsigned bits = 0; bits < patterns.size(); ++bits) patterns[bits] = static_cast<std::uint16_t>(bits);
  std::vector<float> converted(patterns.size());
  to_f32(view_of(type, patterns), converted);
  for (unsigned bits = 0; bits < patterns.size(); ++bits) {
    const double expected = value_of(bits, mantissa_bits, exponent_bits);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(converted[bits])) << bits;
      continue;
    }
    // Out of the bits: a thread that flushes denormals would make zeros of them.
    EXPECT_EQ(value_of(std::bit_cast<std::uint32_t>(converted[bits]), 23, 8), expected) << bits;
    EXPECT_EQ(std::signbit(converted[bits]), std::signbit(expected)) << bits;
  }
}

TEST(ToF32, EveryF16IsExact) { expect_all_patterns_exact(StoredType::f16, 10, 5); }

TEST(ToF32, EveryBf16IsExact) { expect_all_patterns_exact(StoredType::bf16, 7, 8); }

TEST(ToF32, F64IsRoundedToNearestEven) {
  const double step = std::ldexp(1.0, -23);  // of f32 above 1
  const std::vector<double> stored = {1.0 + 0.5 * step, 1.0 + 1.5 * step, 1.0 + 0.5 * step + std::ldexp(1.0, -50),
                                      -1e300,           1e-300,           -0.0};
  std::vector<float> converted(stored.size());
  to_f32(view_of(StoredType::f64, stored), converted);
  EXPECT_EQ(converted[0], 1.0F);
  EXPECT_EQ(converted[1], static_cast<float>(1.0 + 2.0 * step));
  EXPECT_EQ(converted[2], static_cast<float>(1.0 + step));
  EXPECT_EQ(converted[3], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(converted[4], 0.0F);
  EXPECT_TRUE(std::signbit(converted[5]));
}

TEST(ToF32, ReadsUnalignedBytes) {
  const float value = 1.25F;
  alignas(4) std::array<std::byte, 8> aligned{};
  std::memcpy(aligned.data() + 1, &value, sizeof(value));
  const TensorView view{"t", StoredType::f32, {1}, std::span<const std::byte>(aligned).subspan(1, 4)};
  EXPECT_FALSE(is_mappable_f32(view));
  std::vector<float> converted(1);
  to_f32(view, converted);
  EXPECT_EQ(converted[0], value);
}

TEST(ToF32, OnlyAlignedF32CanBeUsedInPlace) {
  const std::vector<float> values = {1.0F};
  const std::vector<std::uint16_t> halves = {0, 0};
  EXPECT_TRUE(is_mappable_f32(view_of(StoredType::f32, values)));
  EXPECT_FALSE(is_mappable_f32(view_of(StoredType::f16, halves)));
}

TEST(ToF32, RefusesOtherTypesAndSizes) {
  std::vector<float> out(2);
  for (const StoredType type : {StoredType::i8, StoredType::u8, StoredType::boolean}) {
    const std::vector<std::uint8_t> stored = {1, 0};
    expect_refusal([&] { to_f32(view_of(type, stored), out); },
                   {"f.safetensors", "tensor \"t\"", name_of(type), "expected F32, F16, BF16 or F64"});
  }
  const std::vector<std::int64_t> integers = {1, 2};
  expect_refusal([&] { to_f32(view_of(StoredType::i64, integers), out); }, {"\"t\"", "I64"});
  const std::vector<float> three = {1.0F, 2.0F, 3.0F};
  expect_refusal([&] { to_f32(view_of(StoredType::f32, three), out); }, {"\"t\"", "has 3 elements", "expected 2"});
}

TEST(WeightFiles, ReadsTheReferenceModels) {
  const std::filesystem::path models = testing_support::source_directory() / "tests/fixtures";
  for (const char* name : {"bert-classification", "roberta-tokens", "distilbert-regression"}) {
    const WeightFiles weights = WeightFiles::open(models / name);
    EXPECT_GT(weights.names().size(), 36U) << name;
    for (const std::string& tensor : weights.names()) {
      const TensorView& view = *weights.find(tensor);
      std::vector<float> values(static_cast<std::size_t>(element_count(view.shape).value()));
      to_f32(view, values);
      for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << name << " " << tensor;
    }
  }
}

}  // namespace
}  // namespace temper
