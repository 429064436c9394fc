#include "tensor/kernels/cpu/attention/shared_terms.h"

#include "tensor/bfloat16.h"

namespace temper {
namespace {

bool has_shared(const TermsOf<void>& gradients) { return gradients.data != nullptr && gradients.is_shared(); }

}  // namespace

SharedTerms::SharedTerms(const calls::AttentionBackward& call) : call_(call) {
  const auto size = static_cast<std::size_t>(call.sequences.sequences * call.shape.query_heads * call.relative.count);
  if (has_shared(call.d_relative.query)) query_.assign(size, 0.0F);
  if (has_shared(call.d_relative.key)) key_.assign(size, 0.0F);
}

void SharedTerms::deliver() const {
  if (has_shared(call_.d_relative.query)) deliver(query_, call_.d_relative.query, call_.d_relative.accumulate_query);
  if (has_shared(call_.d_relative.key)) deliver(key_, call_.d_relative.key, call_.d_relative.accumulate_key);
}

void SharedTerms::deliver(const std::vector<float>& sums, const TermsOf<void>& gradients, bool accumulate) const {
  const std::int64_t heads = call_.shape.query_heads;
  const std::int64_t count = call_.relative.count;
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t bucket = 0; bucket < count; ++bucket) {
      double sum = 0.0;
      for (std::int64_t s = 0; s < call_.sequences.sequences; ++s)
        sum += static_cast<double>(sums[static_cast<std::size_t>((s * heads + head) * count + bucket)]);
      const auto total = static_cast<float>(sum);
      const std::int64_t place = bucket * gradients.bucket_stride;
      if (gradients.type == DType::bf16) {
        auto* to = static_cast<BFloat16*>(gradients.at(0, head)) + place;
        *to = to_bfloat16(total + (accumulate ? to_float(*to) : 0.0F));
      } else {
        auto* to = static_cast<float*>(gradients.at(0, head)) + place;
        *to = total + (accumulate ? *to : 0.0F);
      }
    }
  }
}

}  // namespace temper
