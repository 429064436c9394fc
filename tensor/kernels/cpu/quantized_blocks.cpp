#include "tensor/kernels/cpu/quantized_blocks.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "base/half_float.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/quantized_blocks.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

using Byte = std::uint8_t;

/// Elements that are decoded together: a block, or a part of one with 256.
constexpr std::int64_t kGroup = 32;
constexpr std::int64_t kHalf = kGroup / 2;
/// Added to a value, it leaves its bits as they are; 0 would turn -0 into 0.
constexpr float kNothing = -0.0F;

/// A group: element i is codes[i] * scale + offset, those of its half.
struct Group {
  HWY_ALIGN std::int8_t room[kGroup];
  const std::int8_t* codes = room;
  float scales[2] = {};
  float offsets[2] = {kNothing, kNothing};

  void scale_all(float scale, float offset = kNothing) {
    scales[0] = scales[1] = scale;
    offsets[0] = offsets[1] = offset;
  }
};

HWY_INLINE float f16_at(const Byte* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof(half));
  return from_f16(half);
}

/// Of 32 bytes the bits that `mask` has behind `shift`, moved up again by `up`, and `least` added; with kAdds also what
/// the codes are already. No sum leaves a byte.
template <bool kAdds>
HWY_INLINE void take_bits(const Byte* from, int shift, int mask, int up, int least, std::int8_t* codes) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t i = 0; i < kGroup; ++i)
    codes[i] = static_cast<std::int8_t>((((from[i] >> shift) & mask) << up) + least + (kAdds ? codes[i] : 0));
#else
  const hn::FixedTag<std::uint8_t, 16> d;
  const hn::Repartition<std::uint16_t, decltype(d)> pairs;  // there is no shift of bytes
  const hn::RebindToSigned<decltype(d)> whole;
  HWY_UNROLL(2)
  for (std::int64_t i = 0; i < kGroup; i += kHalf) {
    const auto moved = hn::ShiftRightSame(hn::BitCast(pairs, hn::LoadU(d, from + i)), shift);
    const auto bits = hn::And(hn::BitCast(d, moved), hn::Set(d, static_cast<std::uint8_t>(mask)));
    const auto placed = hn::BitCast(whole, hn::ShiftLeftSame(hn::BitCast(pairs, bits), up));
    auto sum = hn::Add(placed, hn::Set(whole, static_cast<std::int8_t>(least)));
    if constexpr (kAdds) sum = hn::Add(sum, hn::LoadU(whole, codes + i));
    hn::StoreU(sum, whole, codes + i);
  }
#endif
}

/// 32 numbers of 4 bits in 16 bytes: the lower halves of the bytes come first.
HWY_INLINE void unpack_nibbles(const Byte* packed, int least, std::int8_t* codes) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t i = 0; i < kHalf; ++i) {
    codes[i] = static_cast<std::int8_t>((packed[i] & 0xf) + least);
    codes[kHalf + i] = static_cast<std::int8_t>((packed[i] >> 4) + least);
  }
#else
  const hn::FixedTag<std::uint8_t, 16> d;
  const hn::Repartition<std::uint16_t, decltype(d)> pairs;
  const hn::RebindToSigned<decltype(d)> whole;
  const auto both = hn::LoadU(d, packed);
  const auto low_bits = hn::Set(d, std::uint8_t{0xf});
  const auto low = hn::And(both, low_bits);
  const auto high = hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(pairs, both))), low_bits);
  const auto offset = hn::Set(whole, static_cast<std::int8_t>(least));
  hn::StoreU(hn::Add(hn::BitCast(whole, low), offset), whole, codes);
  hn::StoreU(hn::Add(hn::BitCast(whole, high), offset), whole, codes + kHalf);
#endif
}

/// The same with a fifth bit of each in four more bytes: `if_set` or `if_clear` is what it adds to the bits of a code.
HWY_INLINE void unpack_five_bits(const Byte* packed, const Byte* high, int if_set, int if_clear, std::int8_t* codes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kDiagonal = 0x8040201008040201;
  unpack_nibbles(packed, 0, codes);
  for (int i = 0; i < 4; ++i) {
    // Byte j has bit j; those that have any become 1.
    const std::uint64_t picked = (high[i] * kOnes) & kDiagonal;
    const std::uint64_t set = ((picked + 0x7f * kOnes) >> 7) & kOnes;
    std::uint64_t eight = 0;
    std::memcpy(&eight, codes + 8 * i, sizeof(eight));
    eight |= set * static_cast<std::uint64_t>(if_set) | (set ^ kOnes) * static_cast<std::uint64_t>(if_clear);
    std::memcpy(codes + 8 * i, &eight, sizeof(eight));
  }
}

// A format is its type and what makes group `number` of a block.

struct Q40 {
  static constexpr DType kType = DType::q4_0;
  static HWY_INLINE void unpack(const Byte* block, int /*number*/, Group& group) {
    unpack_nibbles(block + 2, -8, group.room);
    group.scale_all(f16_at(block));
  }
};

struct Q41 {
  static constexpr DType kType = DType::q4_1;
  static HWY_INLINE void unpack(const Byte* block, int /*number*/, Group& group) {
    unpack_nibbles(block + 4, 0, group.room);
    group.scale_all(f16_at(block), f16_at(block + 2));
  }
};

struct Q50 {
  static constexpr DType kType = DType::q5_0;
  static HWY_INLINE void unpack(const Byte* block, int /*number*/, Group& group) {
    unpack_five_bits(block + 6, block + 2, 0, 0xf0, group.room);  // 16 less
    group.scale_all(f16_at(block));
  }
};

struct Q51 {
  static constexpr DType kType = DType::q5_1;
  static HWY_INLINE void unpack(const Byte* block, int /*number*/, Group& group) {
    unpack_five_bits(block + 8, block + 4, 0x10, 0, group.room);
    group.scale_all(f16_at(block), f16_at(block + 2));
  }
};

struct Q80 {
  static constexpr DType kType = DType::q8_0;
  static HWY_INLINE void unpack(const Byte* block, int /*number*/, Group& group) {
    group.codes = reinterpret_cast<const std::int8_t*>(block + 2);
    group.scale_all(f16_at(block));
  }
};

/// 32 numbers of 2 bits: those of group g of a block are in 32 bytes that four groups share.
HWY_INLINE const Byte* two_bits_of(const Byte* quants, int number) { return quants + number / 4 * kGroup; }

/// scales [16] (4 bits of scale, 4 of minimum), quants [64], scale, minimum.
struct Q2K {
  static constexpr DType kType = DType::q2_k;
  static HWY_INLINE void unpack(const Byte* block, int number, Group& group) {
    take_bits<false>(two_bits_of(block + 16, number), number % 4 * 2, 3, 0, 0, group.room);
    const float scale = f16_at(block + 80);
    const float least = f16_at(block + 82);
    for (int half = 0; half < 2; ++half) {
      const Byte part = block[2 * number + half];
      group.scales[half] = scale * static_cast<float>(part & 0xf);
      group.offsets[half] = -(least * static_cast<float>(part >> 4));
    }
  }
};

/// high bits [32], quants [64] as in Q2_K, scales [12] of 6 bits, scale. A high bit that is clear takes 4 away.
struct Q3K {
  static constexpr DType kType = DType::q3_k;
  static HWY_INLINE void unpack(const Byte* block, int number, Group& group) {
    take_bits<false>(two_bits_of(block + 32, number), number % 4 * 2, 3, 0, 0, group.room);
    take_bits<true>(block, number, 1, 2, -4, group.room);
    const Byte* const packed = block + 96;
    const float scale = f16_at(block + 108);
    for (int half = 0; half < 2; ++half) {
      const int sixteen = 2 * number + half;
      const int low = sixteen < 8 ? packed[sixteen] & 0xf : packed[sixteen - 8] >> 4;
      const int high = (packed[8 + sixteen % 4] >> (sixteen / 4 * 2)) & 3;
      group.scales[half] = scale * static_cast<float>((low | (high << 4)) - 32);
    }
  }
};

/// Scale and minimum of a group, 6 bits each in 12 bytes: those of the first four are whole, those of the last in two
/// parts.
HWY_INLINE void scale_with_minimum(const Byte* block, int number, Group& group) {
  const Byte* const packed = block + 4;
  int scale = 0;
  int minimum = 0;
  if (number < 4) {
    scale = packed[number] & 63;
    minimum = packed[number + 4] & 63;
  } else {
    const Byte low = packed[number + 4];
    scale = (low & 0xf) | (packed[number - 4] >> 6 << 4);
    minimum = (low >> 4) | (packed[number] >> 6 << 4);
  }
  group.scale_all(f16_at(block) * static_cast<float>(scale), -(f16_at(block + 2) * static_cast<float>(minimum)));
}

/// scale, minimum, scales and minimums [12], quants [128]: two groups share 32 bytes.
struct Q4K {
  static constexpr DType kType = DType::q4_k;
  static HWY_INLINE void unpack(const Byte* block, int number, Group& group) {
    take_bits<false>(block + 16 + number / 2 * kGroup, number % 2 * 4, 0xf, 0, 0, group.room);
    scale_with_minimum(block, number, group);
  }
};

/// As Q4_K, with high bits [32] before the quants.
struct Q5K {
  static constexpr DType kType = DType::q5_k;
  static HWY_INLINE void unpack(const Byte* block, int number, Group& group) {
    take_bits<false>(block + 48 + number / 2 * kGroup, number % 2 * 4, 0xf, 0, 0, group.room);
    take_bits<true>(block + 16, number, 1, 4, 0, group.room);
    scale_with_minimum(block, number, group);
  }
};

/// low bits [128], high bits [64], scales [16] of 8 bits, scale.
struct Q6K {
  static constexpr DType kType = DType::q6_k;
  static HWY_INLINE void unpack(const Byte* block, int number, Group& group) {
    take_bits<false>(block + number / 4 * 64 + number % 2 * kGroup, number % 4 / 2 * 4, 0xf, 0, -32, group.room);
    take_bits<true>(two_bits_of(block + 128, number), number % 4 * 2, 3, 4, 0, group.room);
    const float scale = f16_at(block + 208);
    for (int half = 0; half < 2; ++half)
      group.scales[half] = scale * static_cast<float>(static_cast<std::int8_t>(block[192 + 2 * number + half]));
  }
};

constexpr std::int8_t kNonLinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

HWY_INLINE void unpack_non_linear(const Byte* packed, std::int8_t* codes) {
  for (int i = 0; i < kHalf; ++i) {
    codes[i] = kNonLinear[packed[i] & 0xf];
    codes[kHalf + i] = kNonLinear[packed[i] >> 4];
  }
}

struct IQ4NL {
  static constexpr DType kType = DType::iq4_nl;
  static HWY_INLINE void unpack(const Byte* block, int /*number*/, Group& group) {
    unpack_non_linear(block + 2, group.room);
    group.scale_all(f16_at(block));
  }
};

/// scale, high bits of the groups' scales (2 each), low bits (4 each), quants [128].
struct IQ4XS {
  static constexpr DType kType = DType::iq4_xs;
  static HWY_INLINE void unpack(const Byte* block, int number, Group& group) {
    unpack_non_linear(block + 8 + number * kHalf, group.room);
    const int low = (block[4 + number / 2] >> (number % 2 * 4)) & 0xf;
    const int high = ((block[2] | (block[3] << 8)) >> (2 * number)) & 3;
    group.scale_all(f16_at(block) * static_cast<float>((low | (high << 4)) - 32));
  }
};

/// The values of a group.
HWY_INLINE void put(const Group& group, float* to) {
  const hn::CappedTag<float, kHalf> d;
  const hn::RebindToSigned<decltype(d)> whole;
  const hn::Rebind<std::int8_t, decltype(d)> small;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  HWY_UNROLL(2)
  for (int half = 0; half < 2; ++half) {
    const auto scale = hn::Set(d, group.scales[half]);
    const auto offset = hn::Set(d, group.offsets[half]);
    HWY_UNROLL(4)
    for (std::int64_t i = half * kHalf; i < (half + 1) * kHalf; i += lanes) {
      const auto codes = hn::ConvertTo(d, hn::PromoteTo(whole, hn::LoadU(small, group.codes + i)));
      hn::StoreU(hn::MulAdd(codes, scale, offset), d, to + i);  // the product is exact
    }
  }
}

/// Elements [first, first + count) of a row that begins with a block at `row`.
template <typename Format>
void decode(const Byte* row, std::int64_t first, std::int64_t count, float* to) {
  constexpr int kShift = layout_of(Format::kType).log2_elements;
  constexpr std::int64_t kBytes = layout_of(Format::kType).bytes;
  constexpr std::int64_t kElements = std::int64_t{1} << kShift;
  const std::int64_t end = first + count;
  for (std::int64_t begin = first / kGroup * kGroup; begin < end; begin += kGroup) {
    Group group;
    Format::unpack(row + (begin >> kShift) * kBytes, static_cast<int>(begin % kElements / kGroup), group);
    if (begin >= first && begin + kGroup <= end) {
      put(group, to + (begin - first));
      continue;
    }
    HWY_ALIGN float whole[kGroup];
    put(group, whole);
    const std::int64_t from = std::max(first - begin, std::int64_t{0});
    std::copy(whole + from, whole + std::min(kGroup, end - begin), to + (begin + from - first));
  }
}

struct Decoder {
  DType type;
  void (*decode)(const Byte* row, std::int64_t first, std::int64_t count, float* to);
};

template <typename Format>
constexpr Decoder decoder_of() {
  return {Format::kType, decode<Format>};
}

/// In the order of the types.
constexpr Decoder kDecoders[] = {decoder_of<Q40>(), decoder_of<Q41>(), decoder_of<Q50>(),   decoder_of<Q51>(),
                                 decoder_of<Q80>(), decoder_of<Q2K>(), decoder_of<Q3K>(),   decoder_of<Q4K>(),
                                 decoder_of<Q5K>(), decoder_of<Q6K>(), decoder_of<IQ4NL>(), decoder_of<IQ4XS>()};

constexpr bool decoders_are_in_order() {
  auto type = static_cast<std::size_t>(kDecoders[0].type);
  for (const Decoder& decoder : kDecoders)
    if (decoder.type != static_cast<DType>(type++)) return false;
  return type == std::size(kElementLayouts);
}
static_assert(decoders_are_in_order());

}  // namespace

void decode_matrix(ConstRows weights, float* to, std::int64_t stride) {
  const auto place = static_cast<std::size_t>(weights.type) - static_cast<std::size_t>(kDecoders[0].type);
  const ConstRows whole = weights.window(0, weights.rows, -weights.place.column, weights.stride);
  for (std::int64_t i = 0; i < weights.rows; ++i)
    kDecoders[place].decode(static_cast<const Byte*>(whole.at(i, 0)), weights.place.column, weights.columns,
                            to + i * stride);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(decode_matrix);

void decode_rows(ConstRows weights, float* to, std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(decode_matrix)(weights, to, stride);
}

}  // namespace temper
#endif  // HWY_ONCE
