// Blocks of random bits and their values as the gguf package (0.19) has them, and values that it quantised.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/half_float.h"
#include "model/gguf/dequantize.h"
#include "model/gguf/quantize.h"

namespace temper {
namespace {

std::vector<std::byte> from_hex(const std::string& digits) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

struct BlockCase {
  GgmlType type;
  const char* block;
  const char* sha256_of_values;
};

// clang-format off
const BlockCase kBlocks[] = {
    {GgmlType::f16,
     "733c",
     "d91c6090e4a095dc75d0d33f0bce02e061ccc8b75ba452b97b9a023495b950fe"},
    {GgmlType::bf16,
     "55bf",
     "0e9eb694aef30d8eed783350fc3335af917e8dca98c23f75f06ffd165a05c3cf"},
    {GgmlType::q4_0,
     "071e4a913d75be58c88e6263fac2af7c3a5e",
     "4dc6da8dbfeaa21b0db3a47c9ee43be6239c9c3b4c508478cb67c3c5500418c6"},
    {GgmlType::q4_1,
     "7d25e12229995aa361fb809c317d4f17cfc883bc",
     "97299566b509d0aae48d72a0e47db4cbdccc074c19e52cb63986bb84baaab284"},
    {GgmlType::q5_0,
     "d51c8aebd89548d30841f19bb55d7f4da99a69f60a28",
     "f67cb529cd87ddad30e63de3270c13e0ed58dfef52d0da714fb363430e004143"},
    {GgmlType::q5_1,
     "d425c02e9dc46f15bebc196aac3d6a09258388a6084a4a91",
     "8016dc726f496222e1c888c38d716152537b861027989d5e6bc34df0968e83ee"},
    {GgmlType::q8_0,
     "14240428a77cb8f0c50189c2c5b2d570d82d0312d47a9957382a86c29393a1df4276",
     "33ada34c5bead41a87c0f84e7929138bd9174483b2e5b901dd457d85c8aa59a3"},
    {GgmlType::q2_k,
     "bbeef2682426279177ed2c24a952b07399179db8416b76eb12f4c53871df9ed034d1b4578cd1b266ff73dace50650234"
     "dc44bc3ef538bb5be26f4aa50054aedced4b0f45e7f94b59683992db027ab6fdad1a491e",
     "4d29c6320797e4f6fe8e3561a8e35f725354d72abe7f20f17dddf81c3a7c23c4"},
    {GgmlType::q3_k,
     "25017d28f762a0a86a11ba3fc89a04a9793c263a6952bd838657cbd111a37247c7ba398fa65142a167332338f43fac7a"
     "b61af9bc8eef3da749faa4ab4042d08ae7d1beec8eb1071f05071d80250ea3e84c1a0e6c9616680448d29dfb31028e4f"
     "d1552d0e7c7bde2ba3e7c4f4e711",
     "8f5233b6cbbfad41f841998213c61404acab77e86a93c63caffd6255971436e8"},
    {GgmlType::q4_k,
     "3b0d83187c1fd25721937e1a04d74c7d843c8186ad696cd7347d2600214c1359dc791669b8ad4c8cea4f0fc9f0ee2281"
     "44d6b0c1c170a5055734644bd5d35c3a5f5fcd98848f6a15871dbb5960a7b23fdb6711f0fabcaf01adc43da9dcb20f4b"
     "7a9b63dd3313b75ff307f400d43a96a5051a342bb312fed7168671da2b8f5d6a84a08e749206b5a18d1b673f7f570f85",
     "83df91f1acded8b77c54184a7df2b524e982c236f842e3329192da193c9a4322"},
    {GgmlType::q5_k,
     "e10ad318ae5a81ccc218c973fbdfa8c61a675bcb9024a6e8c606e197d235938436c506b3feb4de31faf9efbaa4fd4a34"
     "fc3d0b9f950204b9d5b7893e958343468e7b13713b17001a19f37e831841a4348941d802a4639218d12fa64be95e6c90"
     "b301f95b47fec73692aaa502ee156a6ef233ea8f912e51aa3ce1848c33d8a84b7965e8164891f493a0a2cd3fa04b630c"
     "59467fe73b4cc784d70a3270205854327b1dad42297ce686f0ebd8dc4188100a",
     "57aa22369c32ae656b68e561ddf59befc086d3eb052483b2480bf58450e0de20"},
    {GgmlType::q6_k,
     "44e4a674f9875e0869d716a0a17b10ec68c662e7e8c4958812a6838b4f2c03753eb55228c7a580081ff9c3b64437e30c"
     "e26d7def6b479ac6ae67176b27ffa1e708fb67a9d9a87883261dd0df7dad9352c206f827aa6ac665f5524fc8c7809e9b"
     "57cc4d794e1619621570768d40b207e601bc9becead0555420dc2ad0f212a8fad57049220dc24d51af182e6a97328e70"
     "31daffac2192c01ef2f2cccfdf35f86a23fe2429b3c72a30007785b319c173cfb5e3d784d5ce7e61a1f3e71374d342a1"
     "3424fb84b7a83007c5b1e47219989a3f7701",
     "2762d84edf4fd05c6a35f47061cfbb66a12787e3787130c49ce958702c75a55c"},
    {GgmlType::iq4_nl,
     "b9188e5aa071dcf832bdfc520ac3047d1f6d",
     "4718d302723df3a0b4d9f9bb1b085465f8b96d92dcbe1d66f536d01d4e909093"},
    {GgmlType::iq4_xs,
     "100687002150cd60c861bab362fdad423d1b9cc09790f27e332f146787ebc1ab48a4372cec46f2abd5dd7902abb9f8f7"
     "3dff336876642df158e5367781ce30686f6f94629769654055ba781a0fb6001c1dfb1d0bfc18a4a970d7abe08ae38a07"
     "752d0f647149acd016721bde89ee656b22743bd55247589c1e2f1c939cd44157346f3edd3df59f39",
     "0aa7bb46252300096a08e503b12ccaf0107ab7a3d3d28db4b818c8c30d1e0b9f"},
};
// clang-format on

TEST(GgmlBlocks, EveryTypeHasTheValuesOfTheReference) {
  for (const BlockCase& known : kBlocks) {
    const std::vector<std::byte> block = from_hex(known.block);
    const GgmlTypeLayout& layout = layout_of(known.type);
    ASSERT_EQ(block.size(), layout.block_bytes) << layout.name;
    std::vector<float> values(layout.block_elements);
    dequantize(known.type, block, values);
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(values))), known.sha256_of_values) << layout.name;
  }
}

TEST(GgmlBlocks, BlocksFollowOneAnother) {
  std::vector<std::byte> two = from_hex(kBlocks[2].block);
  const std::size_t one = two.size();
  two.insert(two.end(), one, std::byte{0});
  std::vector<float> values(64, 1.0F);
  dequantize(GgmlType::q4_0, two, values);
  EXPECT_NE(values[0], 0.0F);
  EXPECT_EQ(values[32], 0.0F);
  EXPECT_THROW(dequantize(GgmlType::q4_0, std::span(two).first(one - 1), values), Error);
  EXPECT_THROW(dequantize(GgmlType::q4_0, two, std::span(values).first(32)), Error);
}

const std::vector<float> kValues = {
    0.010F,  -0.013F, 0.045F,  0.793F,  -0.149F, 0.621F,  0.187F,  -0.209F, 0.377F,  0.252F,  0.286F,  -0.400F, 0.151F,
    -0.121F, -0.043F, -0.039F, 0.012F,  0.477F,  0.114F,  -0.553F, 0.374F,  0.026F,  0.039F,  -0.548F, 0.120F,  -0.150F,
    0.287F,  0.137F,  0.248F,  -0.112F, -0.549F, 0.291F,  0.126F,  -0.099F, -0.167F, -0.266F, -0.529F, -0.353F, -0.021F,
    0.483F,  0.000F,  0.481F,  -0.303F, 0.377F,  -0.125F, 0.440F,  0.369F,  0.011F,  0.040F,  0.365F,  -0.239F, -0.649F,
    0.245F,  0.654F,  -0.569F, 0.063F,  -0.355F, -0.087F, -0.300F, 0.262F,  -0.164F, -0.058F, -0.325F, 0.220F};

TEST(GgmlBlocks, QuantisingRoundsAsTheReference) {
  const std::pair<GgmlType, std::string> expected[] = {
      {GgmlType::f16,
       "1f21a8a2c329583ac5b0f838fc31b0b208360834933466b6d530beaf81a9fea82522a2374c2f6db8fc35a826fe2862b8"
       "ae2fcdb098346230f0332baf64b8a834083056ae58b142b43bb8a6b560a5ba370000b237d9b4083600b00a37e735a221"
       "1f29d735a6b331b9d7333b398db8082caeb591adcdb431343fb16dab33b50a33"},
      {GgmlType::bf16,
       "243c55bc383d4b3f19be1f3f3f3e56bec13e813e923ecdbe1b3ef8bd30bd20bd453cf43ee93d0ebfbf3ed53c203d0cbf"
       "f63d1abe933e0c3e7e3ee5bd0dbf953e013ecbbd2bbe88be07bfb5beacbcf73e0000f63e9bbec13e00bee13ebd3e343c"
       "243dbb3e75be26bf7b3e273f12bf813db6beb2bd9abe863e28be6ebda6be613e"},
      {GgmlType::q8_0,
       "651e02fe077fe8631edf3c282ec018edf9fa024c12a73c0406a813e82e1628eea82f461d18ede0cc99bbfc5e005dc549"
       "e85548020847d282307f920cbbefc633e0f5c12b"},
      {GgmlType::q4_0, "58ae883878e04a8286ea74a5557c5699e8583bad8649bafb5e0cf872c892cc53aa93c358"},
  };
  for (const auto& [type, digits] : expected) {
    std::vector<std::byte> blocks;
    quantize(type, kValues, "a test", blocks);
    EXPECT_EQ(blocks, from_hex(digits)) << layout_of(type).name;
  }
}

TEST(GgmlBlocks, WhatATypeCannotHoldIsRefused) {
  std::vector<float> values(32, 1.0F);
  std::vector<std::byte> blocks;
  values[5] = 65520.0F;
  EXPECT_THROW(quantize(GgmlType::f16, values, "tensor x", blocks), Error);
  quantize(GgmlType::q8_0, values, "tensor x", blocks);  // its scale is smaller
  values[5] = std::numeric_limits<float>::quiet_NaN();
  for (const GgmlType type : {GgmlType::f16, GgmlType::q8_0, GgmlType::q4_0})
    EXPECT_THROW(quantize(type, values, "tensor x", blocks), Error);
  EXPECT_THROW(quantize(GgmlType::q8_0, std::span(values).first(31), "tensor x", blocks), Error);
  EXPECT_EQ(type_to_write("q8_0"), GgmlType::q8_0);
  EXPECT_THROW((void)type_to_write("Q4_K"), Error);
}

TEST(HalfFloat, EveryF16ComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if (!std::isnan(from_f16(half))) {
      ASSERT_EQ(to_f16(from_f16(half)), half);
    }
    if (!std::isnan(from_bf16(half))) {
      ASSERT_EQ(to_bf16(from_bf16(half)), half);
    }
  }
}

/// The nearest of all f16, the even one of two, found by trying the neighbours.
TEST(HalfFloat, RoundsToNearestEven) {
  std::mt19937 random(3);
  for (int i = 0; i < 200'000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(value) || std::fabs(value) > 65504.0F) continue;
    const std::uint16_t half = to_f16(value);
    const double distance = std::fabs(static_cast<double>(from_f16(half)) - static_cast<double>(value));
    for (const int step : {-1, 1}) {
      if ((half & 0x7fffU) == 0 && step < 0) continue;
      const auto other = static_cast<std::uint16_t>(half + step);
      if (std::isinf(from_f16(other))) continue;
      const double others = std::fabs(static_cast<double>(from_f16(other)) - static_cast<double>(value));
      ASSERT_TRUE(distance < others || (distance == others && half % 2 == 0)) << value;
    }
  }
  EXPECT_TRUE(std::isinf(from_f16(to_f16(65520.0F))));
  EXPECT_EQ(from_f16(to_f16(65519.0F)), 65504.0F);
  EXPECT_TRUE(std::isnan(from_f16(to_f16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(from_bf16(to_bf16(std::bit_cast<float>(0x7f800001U)))));
}

}  // namespace
}  // namespace temper
