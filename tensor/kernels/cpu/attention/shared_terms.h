// Gradients of terms of distances that all tokens share: each sequence and head sums its own, and then these are summed
// in the order of the sequences, whoever computed them.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/kernels.h"

namespace temper {

/// Where they go, [sequences, heads, buckets]; null where there are none.
struct SharedTermSums {
  float* query = nullptr;
  float* key = nullptr;
};

class SharedTerms {
 public:
  explicit SharedTerms(const calls::AttentionBackward& call);

  [[nodiscard]] SharedTermSums sums() {
    return {query_.empty() ? nullptr : query_.data(), key_.empty() ? nullptr : key_.data()};
  }
  /// Sums over sequences.
  void deliver() const;

 private:
  void deliver(const std::vector<float>& sums, const TermsOf<void>& gradients, bool accumulate) const;

  const calls::AttentionBackward& call_;
  std::vector<float> query_;
  std::vector<float> key_;
};

/// Whether a call is more than softmax(scale q k^T) v of all keys.
inline bool is_shaped(const AttentionShape& shape, const RelativeTerms& relative) {
  return !shape.sees_all() || shape.soft_cap != 0.0F || relative.any();
}

}  // namespace temper
