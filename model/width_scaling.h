// Width scaling (muP; Yang et al.: "Tensor Programs V: tuning large neural networks via zero-shot hyperparameter
// transfer", 2022), so that a learning rate found on a narrow model is right for a wide one. What is implemented is
// table 8 for Adam, relative to a base width at which nothing changes, with m = width / base width:
//
//   parameter                              deviation when drawn   learning rate   multiplier
//   embeddings, biases, norms              as at the base width   as there        1
//   matrices of the blocks                 times m^-1/2           times 1 / m     1
//   output embeddings (tied or own)        as at the base width   as there        1 / m
//
// The multiplier 1 / m of the outputs is carried by the norm that stands before the head: its gain (and bias) begin at
// 1 / m of their values and learn at 1 / m of the rate, which is the same network under Adam, whose steps do not depend
// on the scale of gradients (but for epsilon), and an exported model needs no key that nobody else reads. Attention's
// scale 1 / d (definition 4.1) needs nothing where heads are as wide as in the base model and there are more of them:
// it is then the usual scale times a constant that is 1 at the base. Weight decay is that of AdamW: its step is the
// parameter's learning rate times train.weight_decay.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"

namespace temper {

/// Changes how the parameters of a model, which have no values yet, will be drawn. Throws a usage Error where no norm
/// stands before the head.
void scale_initialization(Model& model, std::int64_t base_width);

/// The factor on the learning rate of each parameter, in order; empty for a base width of 0. Throws as above.
std::vector<double> width_rate_factors(const Model& model, std::int64_t base_width);

}  // namespace temper
