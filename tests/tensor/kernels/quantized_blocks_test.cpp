// Quantised weights have the values of the reference, whichever part of a row is asked for, on every instruction set.
#include "tensor/kernels/cpu/quantized_blocks.h"

#include <bit>
#include <tuple>
#include <vector>

#include "tests/tensor/kernels/kernel_testing.h"
#include "tests/tensor/kernels/reference_blocks.h"

namespace temper {
namespace {

constexpr std::int64_t kRows = 12;
constexpr std::int64_t kColumns = 512;

class QuantizedBlocks : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(QuantizedBlocks);

TEST_P(QuantizedBlocks, EveryPartOfARowHasTheValuesOfTheReference) {
  for (const reference_blocks::Format& format : reference_blocks::formats()) {
    const std::vector<std::byte> blocks = reference_blocks::random_blocks(format, kRows * kColumns, 3);
    const std::vector<float> values = reference_blocks::values_of(format, blocks);
    for (const std::int64_t paired : {0, 4, 12}) {
      ConstRows whole(blocks.data(), kRows, kColumns, kColumns, format.type);
      whole.place.paired = paired;
      for (const auto& [first, count] : {std::pair<std::int64_t, std::int64_t>{0, kColumns},
                                         {32, 64},
                                         {256, 256},
                                         {5, 17},
                                         {31, 2},
                                         {96, 48},
                                         {250, 262}}) {
        const ConstRows part = whole.window(2, kRows - 3, 0, kColumns).window(0, kRows - 3, first, count);
        std::vector<float> found(static_cast<std::size_t>(part.rows * (count + 3)), 9.0F);
        decode_rows(part, found.data(), count + 3);
        for (std::int64_t i = 0; i < part.rows; ++i) {
          std::int64_t row = i + 2;
          if (paired != 0) row = row / paired * paired + row % paired % (paired / 2) * 2 + row % paired / (paired / 2);
          for (std::int64_t j = 0; j < count; ++j)
            ASSERT_EQ(std::bit_cast<std::uint32_t>(found[static_cast<std::size_t>(i * (count + 3) + j)]),
                      std::bit_cast<std::uint32_t>(values[static_cast<std::size_t>(row * kColumns + first + j)]))
                << name_of(format.type) << ": element " << i << ", " << first + j << ", pairs of " << paired;
          ASSERT_EQ(found[static_cast<std::size_t>(i * (count + 3) + count)], 9.0F) << name_of(format.type);
        }
      }
    }
  }
}

}  // namespace
}  // namespace temper
