#include "tensor/calls/kernel_work.h"

namespace temper {

KernelWork& KernelWork::operator+=(const KernelWork& other) {
  operations += other.operations;
  bytes += other.bytes;
  bf16 |= other.bf16;
  return *this;
}

double bytes_of(ConstRows rows) {
  if (rows.data == nullptr) return 0.0;
  // Of a window that ends inside a block, whole blocks.
  return static_cast<double>(rows.rows) * static_cast<double>(size_of(rows.type, rows.columns));
}

KernelWork elementwise_work(std::initializer_list<ConstRows> matrices, double operations_each) {
  KernelWork work;
  for (const ConstRows& matrix : matrices) work.bytes += bytes_of(matrix);
  const ConstRows& first = *matrices.begin();
  work.operations = operations_each * static_cast<double>(first.rows) * static_cast<double>(first.columns);
  return work;
}

KernelWork array_work(std::int64_t n, double bytes_each, double operations_each) {
  return {static_cast<double>(n) * operations_each, static_cast<double>(n) * bytes_each, false};
}

}  // namespace temper
