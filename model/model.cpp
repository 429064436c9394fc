#include "model/model.h"

#include <algorithm>

namespace temper {

std::int64_t Model::frozen_stages() const {
  // A tied weight is listed once, where it is met first; training it trains that stage.
  std::int64_t frozen = stages();
  for (const Parameter& parameter : parameters_.all())
    if (parameter.trainable()) frozen = std::min(frozen, parameter.depth);
  return frozen;
}

}  // namespace temper
