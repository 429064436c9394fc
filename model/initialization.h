// Initialisation of new weights. A weight is a pure function of (seed, name of the parameter, index), so a new head is
// the same on every rank and does not depend on what else is initialised.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/tensor.h"

namespace temper {

enum class Distribution : std::uint8_t {
  zeros,
  ones,              ///< `scale`, which is 1 unless width scaling (model/width_scaling.h) lowers it
  normal,            ///< mean 0, standard deviation `scale`
  truncated_normal,  ///< the same, redrawn outside two standard deviations
  xavier_uniform,    ///< Glorot, Bengio 2010: +- scale * sqrt(6 / (fan_in + fan_out))
  kaiming_uniform,   ///< the same paper as kaiming_normal: +- scale * sqrt(3 / fan_in)
  kaiming_normal,    ///< He, Zhang, Ren, Sun 2015: standard deviation scale * sqrt(2 / fan_in)
};

struct Initialization {
  Distribution distribution = Distribution::zeros;
  float scale = 1.0F;

  static Initialization zeros() { return {Distribution::zeros, 0.0F}; }
  static Initialization ones() { return {Distribution::ones, 1.0F}; }
  static Initialization normal(float deviation) { return {Distribution::normal, deviation}; }
  static Initialization truncated_normal(float deviation) { return {Distribution::truncated_normal, deviation}; }
  static Initialization xavier_uniform(float gain = 1.0F) { return {Distribution::xavier_uniform, gain}; }
  static Initialization kaiming_uniform(float gain = 1.0F) { return {Distribution::kaiming_uniform, gain}; }
  static Initialization kaiming_normal(float gain = 1.0F) { return {Distribution::kaiming_normal, gain}; }
};

/// Fills `values`, a tensor of `shape` whose name is `name`. Distributions that depend on fans want [out, in] of a
/// linear layer or [out, in, ...] of a convolution, whose fans count every place of its kernel: fan_in = in x height x
/// width. Throws Error for fewer dimensions.
void initialize(std::span<float> values, const Shape& shape, Initialization initialization, std::uint64_t seed,
                std::string_view name);

}  // namespace temper
