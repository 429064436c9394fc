#include "tensor/kernels/cpu/vector/instruction_set.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

TEST(InstructionSet, IsKnownByItsNameAlone) {
  EXPECT_EQ(parse_instruction_set("sse4"), InstructionSet::sse4);
  EXPECT_EQ(parse_instruction_set("amx"), InstructionSet::amx);
  for (const char* name : {"", "AVX2", "avx", "avx2 ", "avx1024"}) {
    try {
      parse_instruction_set(name);
      ADD_FAILURE() << "not refused: " << name;
    } catch (const Error& error) {
      const std::string sentence = error.what();
      EXPECT_NE(sentence.find(std::string("TEMPER_MAX_ISA=") + name + ":"), std::string::npos) << sentence;
      EXPECT_NE(sentence.find("avx512_bf16"), std::string::npos) << "what is expected: " << sentence;
    }
  }
}

TEST(InstructionSet, ThatIsTheMostIsTheMostOfHighwayAndOfOneDnn) {
  const char* most = std::getenv("TEMPER_MAX_ISA");
  if (most == nullptr) GTEST_SKIP() << "skipped: TEMPER_MAX_ISA is not set (tests/CMakeLists.txt runs this with it)";
  const CpuKernels kernels;
  const InstructionSet set = parse_instruction_set(most);
  const std::int64_t targets = hwy::SupportedTargets();
  EXPECT_TRUE((targets & HWY_AVX2) == 0 || set >= InstructionSet::avx2);
  EXPECT_TRUE((targets & HWY_AVX3) == 0 || set >= InstructionSet::avx512);
  for (const auto wider :
       {InstructionSet::avx2, InstructionSet::avx512, InstructionSet::avx512_bf16, InstructionSet::amx})
    EXPECT_TRUE(!may_use(wider) || set >= wider);
  if (may_use(set)) {
    const char* const names[] = {"SSE4", "AVX2", "AVX-512", "AVX-512 with BF16", "AVX-512 with AMX"};
    EXPECT_EQ(instruction_set_in_use(), names[static_cast<std::size_t>(set)]);
  }
}

}  // namespace
}  // namespace temper
