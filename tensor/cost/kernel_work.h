// What a call of a kernel needs by its shapes: floating-point operations, and bytes that must be read and written once.
// With the peak rates of a machine it says how fast the call could be (Williams, Waterman, Patterson: "Roofline: an
// insightful visual performance model for multicore architectures", 2009).
//
// What a reader would otherwise get wrong: bytes are those of the arguments, each counted once, as if a cache held
// whatever the kernel meets again; so a call that finds its arguments in a cache may well be faster than memory. An
// exponential, an error function or a random number counts as one operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "tensor/kernels.h"

namespace temper {

struct KernelWork {
  double operations = 0.0;
  double bytes = 0.0;
  bool bf16 = false;  ///< the matrices it multiplies are

  KernelWork& operator+=(const KernelWork& other);
};

/// Bytes of a matrix; 0 where there is none.
double bytes_of(ConstRows rows);

/// 2 m n k operations.
KernelWork matmul_work(ConstRows a, bool transpose_a, ConstRows b, ConstRows c, bool accumulate);
/// The whole of it, for a device that does not make it of other kernels.
KernelWork linear_forward_work(ConstRows x, ConstRows weight, ConstRows bias, Activation activation, ConstRows z,
                               ConstRows y);
KernelWork linear_weight_gradient_work(ConstRows dz, ConstRows x, bool accumulate_weight, const float* d_bias);
/// One pass over matrices that are read or written, so many operations for each element of the first.
KernelWork elementwise_work(std::initializer_list<ConstRows> matrices, double operations_each);
/// The same over arrays of n elements.
KernelWork array_work(std::int64_t n, double bytes_each, double operations_each);

KernelWork activation_backward_work(ConstRows dy, ConstRows z, ConstRows y, Activation activation, ConstRows dz);
KernelWork adamw_work(std::int64_t n, bool rounds_to_bf16);
KernelWork lion_work(std::int64_t n, bool rounds_to_bf16);
KernelWork factored_square_sums_work(std::int64_t n);
/// With the squares of each element, or with factors of rows and columns.
KernelWork adafactor_square_sums_work(std::int64_t n, bool has_squares);
KernelWork adafactor_work(std::int64_t n, bool has_squares, bool rounds_to_bf16);
KernelWork add_tree_work(std::int64_t n, std::size_t inputs);
KernelWork chunk_square_sums_work(std::int64_t n);
/// Operations an element, of the function alone.
double activation_operations(Activation activation);

/// Sum over sequences of queries times tokens: the scores of one head. `host_memory`: the arrays may be read here; else
/// sequences are taken to be of one length, which is the least that it can be.
double score_count(const PackedSequences& sequences, std::int64_t queries, bool host_memory);
/// Two products forward; five backward, with the scores' own computed again, or three where nobody wants the gradients
/// of keys and values.
KernelWork attention_forward_work(ConstRows q, ConstRows k, double scores);
KernelWork attention_backward_work(ConstRows q, ConstRows k, double scores, bool of_keys);

}  // namespace temper
