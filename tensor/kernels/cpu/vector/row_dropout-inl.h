// Dropout of rows of activations, one row at a time, for the kernels that drop on the way.

#if defined(TEMPER_ROW_DROPOUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_ROW_DROPOUT_INL_H_
#undef TEMPER_ROW_DROPOUT_INL_H_
#else
#define TEMPER_ROW_DROPOUT_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"
#include "tensor/random.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

/// The mask of one row after another. Where dropout is not active, nothing is drawn and nothing is kept.
class RowDropout {
 public:
  RowDropout(const Dropout& dropout, TokenKeys names, std::int64_t columns)
      : names_(names),
        key_(dropout.key),
        last_word_(dropout.place << 12),
        threshold_(static_cast<std::int32_t>(dropout.threshold())),
        scale_(dropout.scale()),
        active_(dropout.active()) {
    if (active_) {
      const auto blocks = static_cast<std::size_t>((columns + 7) / 8);
      blocks_.resize(blocks);
      std::iota(blocks_.begin(), blocks_.end(), 0U);
      positions_.resize(blocks);
      half_words_.resize(8 * blocks + kHalfWordSlack);
    }
  }

  [[nodiscard]] bool active() const { return active_; }

  /// Draws the mask of row `row`.
  void draw(std::int64_t row) {
    if (active_) {
      std::fill(positions_.begin(), positions_.end(), names_.position_of(row));
      philox_half_words(blocks_.data(), positions_.data(), names_.example_of(row), last_word_, key_,
                        static_cast<std::int64_t>(blocks_.size()), half_words_.data());
    }
  }

  /// The row's elements from `column` on, dropped or scaled. Only where active.
  template <class D>
  HWY_INLINE hn::Vec<D> apply(D d, hn::Vec<D> v, std::int64_t column) const {
    return drop(d, v, half_words_.data() + column, threshold_, scale_);
  }

 private:
  TokenKeys names_;
  PhiloxKey key_;
  std::uint32_t last_word_;
  std::int32_t threshold_;
  float scale_;
  bool active_;
  std::vector<std::uint32_t> blocks_;
  std::vector<std::uint32_t> positions_;
  std::vector<std::uint16_t> half_words_;
};

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
