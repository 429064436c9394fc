// Loads of elements that may be f16, of weights alone: all others are f32 or bf16 (vector_math-inl.h).

#if defined(TEMPER_FLOAT16_LOADS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_FLOAT16_LOADS_INL_H_
#undef TEMPER_FLOAT16_LOADS_INL_H_
#else
#define TEMPER_FLOAT16_LOADS_INL_H_
#endif

#include <algorithm>

#include "hwy/highway.h"
#include "tensor/float16.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

template <class Access, class D, typename T>
HWY_INLINE hn::Vec<D> load_weights(Access access, D d, const T* from) {
  return access.load(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_weights(WholeVector /*access*/, D d, const Float16* from) {
  const hn::Rebind<hwy::float16_t, D> halves;
  return hn::PromoteTo(d, hn::LoadU(halves, reinterpret_cast<const hwy::float16_t*>(from)));
}
template <class D>
HWY_INLINE hn::Vec<D> load_weights(PartOfVector access, D d, const Float16* from) {
  const hn::Rebind<hwy::float16_t, D> halves;
  HWY_ALIGN hwy::float16_t lanes[hn::MaxLanes(halves)] = {};
  std::copy_n(reinterpret_cast<const hwy::float16_t*>(from), access.count, lanes);
  return hn::PromoteTo(d, hn::Load(halves, lanes));
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
