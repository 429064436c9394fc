// TEMPER_MAX_ISA, as users set it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

class InstructionSet : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    const char* set = std::getenv("TEMPER_MAX_ISA");
    before_ = set == nullptr ? "" : set;
  }
  void TearDown() override {
    ::setenv("TEMPER_MAX_ISA", before_.c_str(), 1);
    TinyRun::TearDown();
  }

  const std::vector<std::string> overrides_{"train.epochs=1", "train.grains=2", "output.tensorboard=false"};

 private:
  std::string before_;
};

TEST_F(InstructionSet, ThatIsUnknownIsRefusedOnceWithThoseThatThereAre) {
  ::setenv("TEMPER_MAX_ISA", "avx9", 1);
  for (const int ranks : {0, 2}) {
    const Outcome outcome = train("out", overrides_, ranks);
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    EXPECT_NE(outcome.err.find("TEMPER_MAX_ISA=avx9: is no instruction set; expected sse4, avx2"), std::string::npos)
        << outcome.err;
    EXPECT_EQ(outcome.err.find("avx9"), outcome.err.rfind("avx9")) << outcome.err;
  }
}

TEST_F(InstructionSet, HoldsARunToItOnAnyNumberOfRanks) {
  ::setenv("TEMPER_MAX_ISA", "sse4", 1);
  ASSERT_EQ(train("one", overrides_).status, 0);
  ASSERT_EQ(train("two", overrides_, 2).status, 0);
  EXPECT_TRUE(weights("one") == weights("two"));
  ::setenv("TEMPER_MAX_ISA", "avx2", 1);
  const Outcome wider = train("wider", overrides_);
  ASSERT_EQ(wider.status, 0) << wider.err;
#if defined(__x86_64__)
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  EXPECT_NE(weights("wider") == weights("one"), has_avx2) << "the sets' vectors add in different orders";
#endif
}

}  // namespace
}  // namespace temper::system_tests
