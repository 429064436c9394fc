#include "model/initialization.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/digest.h"
#include "base/error.h"
#include "tensor/random.h"

namespace temper {
namespace {

/// A stream of random numbers that belongs to one element of one parameter.
class ElementRandom {
 public:
  ElementRandom(PhiloxKey key, std::uint64_t index) : key_(key), index_(index) {}

  /// In (0, 1): never 0, so that a logarithm may be taken.
  double uniform() {
    if (used_ == 4) {
      block_ = philox({static_cast<std::uint32_t>(index_), static_cast<std::uint32_t>(index_ >> 32), draw_++, 0}, key_);
      used_ = 0;
    }
    return (static_cast<double>(block_[used_++]) + 0.5) * 0x1p-32;
  }

  /// Standard normal (Box, Muller 1958).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

  double truncated_normal() {
    double value = normal();
    while (std::abs(value) > 2.0) value = normal();
    return value;
  }

 private:
  PhiloxKey key_;
  std::uint64_t index_;
  std::uint32_t draw_ = 0;
  PhiloxCounter block_{};
  std::size_t used_ = 4;
};

struct Fans {
  double in;
  double out;
};

/// What one output reads and what reads one input: the channels, each with all places of a convolution's kernel.
Fans fans_of(const Shape& shape, std::string_view name) {
  if (shape.dimensions() < 2)
    throw Error("'{}' has the shape {}; expected [out, in, ...] for a distribution that depends on fans", name,
                shape.text());
  double places = 1.0;
  for (std::size_t i = 2; i < shape.dimensions(); ++i) places *= static_cast<double>(shape[i]);
  return {static_cast<double>(shape[1]) * places, static_cast<double>(shape[0]) * places};
}

}  // namespace

void initialize(std::span<float> values, const Shape& shape, Initialization initialization, std::uint64_t seed,
                std::string_view name) {
  const PhiloxKey key = random_key(seed, xxh3(std::as_bytes(std::span(name))));
  double scale = initialization.scale;
  if (initialization.distribution == Distribution::xavier_uniform) {
    const Fans fans = fans_of(shape, name);
    scale *= std::sqrt(6.0 / (fans.in + fans.out));
  } else if (initialization.distribution == Distribution::kaiming_uniform) {
    scale *= std::sqrt(3.0 / fans_of(shape, name).in);
  } else if (initialization.distribution == Distribution::kaiming_normal) {
    scale *= std::sqrt(2.0 / fans_of(shape, name).in);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    ElementRandom random(key, i);
    double value = 0.0;
    switch (initialization.distribution) {
      case Distribution::zeros:
        break;
      case Distribution::ones:
        value = scale;
        break;
      case Distribution::normal:
        value = scale * random.normal();
        break;
      case Distribution::truncated_normal:
        value = scale * random.truncated_normal();
        break;
      case Distribution::xavier_uniform:
      case Distribution::kaiming_uniform:
        value = scale * (2.0 * random.uniform() - 1.0);
        break;
      case Distribution::kaiming_normal:
        value = scale * random.normal();
        break;
    }
    values[i] = static_cast<float>(value);
  }
}

}  // namespace temper
