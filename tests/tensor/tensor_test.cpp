#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

TEST(Tensor, CopiesShareMemory) {
  HostMemory memory;
  const Tensor tensor = Tensor::empty(memory, {2, 3});
  const Tensor copy = tensor;  // NOLINT(performance-unnecessary-copy-initialization): the copy is what is tested
  copy.data<float>()[5] = 7.0F;
  EXPECT_EQ(tensor.data<float>()[5], 7.0F);
}

TEST(Tensor, RefusesToBeReadAsAnotherType) {
  HostMemory memory;
  const Tensor tensor = Tensor::empty(memory, {2}, DType::i32);
  EXPECT_THROW((void)tensor.data<float>(), Error);
}

TEST(Tensor, CountsItsBytes) {
  HostMemory memory;
  for (const auto& [type, bytes] : {std::pair{DType::f32, 4}, {DType::bf16, 2}, {DType::i32, 4}, {DType::f64, 8}})
    EXPECT_EQ(Tensor::empty(memory, {3, 5}, type).size_bytes(), 15 * bytes) << name_of(type);
}

TEST(Tensor, APartIsSeenInItsPlaceAndType) {
  HostMemory memory;
  const Tensor whole = Tensor::empty(memory, {12}, DType::u32);
  std::iota(whole.data<std::uint32_t>(), whole.data<std::uint32_t>() + 12, 100U);
  const Tensor part = whole.part(16, {2, 3}, DType::u32);
  EXPECT_EQ(part.shape(), (Shape{2, 3}));
  EXPECT_EQ(part.data<std::uint32_t>()[0], 104U);
  EXPECT_EQ(part.data<std::uint32_t>()[5], 109U);
  part.data<std::uint32_t>()[1] = 7U;
  EXPECT_EQ(whole.data<std::uint32_t>()[5], 7U);

  const Tensor pair = whole.part(32, {2}, DType::f64);
  EXPECT_EQ(pair.size_bytes(), 16);
  EXPECT_EQ(pair.bytes(), whole.data<std::uint32_t>() + 8);
  EXPECT_THROW((void)pair.data<float>(), Error);
  EXPECT_EQ(whole.part(48, {0}, DType::i32).size(), 0) << "the end";
}

TEST(Tensor, APartKeepsTheWholeAlive) {
  HostMemory memory;
  Tensor part;
  {
    const Tensor whole = Tensor::empty(memory, {1000});
    std::iota(whole.data<float>(), whole.data<float>() + 1000, 0.0F);
    part = whole.part(4 * 500, {500}, DType::f32);
  }
  const std::size_t held = memory.use().in_use;
  EXPECT_GE(held, 4000U) << "the whole, not the part";
  const Tensor other = Tensor::empty(memory, {1000});
  EXPECT_NE(other.data<float>(), part.data<float>() - 500);
  EXPECT_EQ(part.data<float>()[499], 999.0F);
  Tensor of_part = part.part(4, {1}, DType::f32);
  part = Tensor();
  EXPECT_EQ(of_part.data<float>()[0], 501.0F);
  EXPECT_GT(memory.use().in_use, held);
  of_part = Tensor();
  EXPECT_EQ(memory.use().in_use, held) << "what is left is the other";
}

TEST(Tensor, APartOfAViewOwnsNothing) {
  std::array<float, 4> values{1.0F, 2.0F, 3.0F, 4.0F};
  const Tensor part = Tensor::view(values.data(), {4}).part(8, {2}, DType::f32);
  EXPECT_EQ(part.data<float>(), &values[2]);
}

TEST(Tensor, IsSeenByKernelsAsRows) {
  HostMemory memory;
  const Tensor tensor = Tensor::empty(memory, {2, 3, 5}, DType::bf16);
  const Rows rows = tensor.as_rows();
  EXPECT_EQ(rows.data, tensor.bytes());
  EXPECT_EQ(rows.rows, 2);
  EXPECT_EQ(rows.columns, 15);
  EXPECT_EQ(rows.stride, 15);
  EXPECT_EQ(rows.type, DType::bf16);
  const Rows row = tensor.as_row();
  EXPECT_EQ(row.rows, 1);
  EXPECT_EQ(row.columns, 30);
  EXPECT_EQ(row.type, DType::bf16);
  const Rows column = Tensor::empty(memory, {4}).as_rows();
  EXPECT_EQ(column.rows, 4);
  EXPECT_EQ(column.columns, 1);
  EXPECT_EQ(Tensor().as_rows().data, nullptr);
}

TEST(Rows, KeepTheTypeOfATypedMatrix) {
  std::vector<float> values(12);
  std::vector<BFloat16> halves(12);
  const Rows rows = Matrix{values.data(), 2, 5, 6};
  EXPECT_EQ(rows.type, DType::f32);
  EXPECT_EQ(rows.stride, 6);
  EXPECT_EQ(rows.as<float>().row(1), values.data() + 6);
  const ConstRows read_only = rows;
  EXPECT_EQ(read_only.as<float>().data, values.data());
  const ConstRows read_halves = MatrixOf<const BFloat16>{halves.data(), 3, 4, 4};
  EXPECT_EQ(read_halves.type, DType::bf16);
  EXPECT_EQ(read_halves.as<BFloat16>().row(2), halves.data() + 8);
}

}  // namespace
}  // namespace temper
