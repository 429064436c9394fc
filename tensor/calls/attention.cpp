#include "tensor/calls/attention.h"

namespace temper {

double score_count(const PackedSequences& sequences, std::int64_t queries, bool host_memory) {
  if (sequences.sequences == 0) return 0.0;
  if (!host_memory)
    return static_cast<double>(queries) * static_cast<double>(sequences.tokens) /
           static_cast<double>(sequences.sequences);
  const std::int32_t* asking = sequences.query_starts != nullptr ? sequences.query_starts : sequences.starts;
  double scores = 0.0;
  for (std::int64_t s = 0; s < sequences.sequences; ++s)
    scores += static_cast<double>(asking[s + 1] - asking[s]) *
              static_cast<double>(sequences.starts[s + 1] - sequences.starts[s]);
  return scores;
}

namespace calls {

KernelWork AttentionForward::work(bool host_memory) const {
  const double scores = score_count(sequences, q.rows, host_memory);
  return {4.0 * scores * static_cast<double>(q.columns), 2.0 * (bytes_of(q) + bytes_of(k)), q.type == DType::bf16};
}

KernelWork AttentionBackward::work(bool host_memory) const {
  const double scores = score_count(sequences, q.rows, host_memory);
  const bool of_keys = dk.data != nullptr;
  return {(of_keys ? 10.0 : 6.0) * scores * static_cast<double>(q.columns),
          4.0 * bytes_of(q) + (of_keys ? 4.0 : 2.0) * bytes_of(k), q.type == DType::bf16};
}

}  // namespace calls
}  // namespace temper
