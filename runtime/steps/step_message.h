// The one small message of a step: what all ranks must agree on before any of them continues. Its size depends neither
// on the number of ranks nor on that of parameters: squares, losses and counts are sent as exact sums
// (comm/exact_sum.h), which have the same bits whichever rank contributes which number.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.h"
#include "comm/exact_sum.h"

namespace temper {

struct StepMessage {
  /// What a rank sends where a loss has no measures.
  static constexpr std::int64_t kBytes = (3 * ExactSum::kWords + 3) * sizeof(std::int64_t);

  ExactSum squares;         ///< of the gradient, a number for each chunk
  ExactSum loss;            ///< a number for each grain
  ExactSum weight;          ///< what was counted, likewise
  std::int64_t tokens = 0;  ///< summed over ranks
  bool stop = false;        ///< any rank's
  bool save = false;
  std::vector<ExactSum> measures = {};  ///< of the loss, as many on every rank; numbers of each grain

  /// Collective. Each rank gives its own numbers, and all have those of all ranks afterwards.
  void share(Communicator& communicator);
};

}  // namespace temper
