// Many sums of doubles over all ranks, with the same bits whichever rank contributes which number: sums of one group
// are kept in fixed point, in units of 2^-90 of the group's largest number, so they have no order. Smaller than an
// ExactSum (comm/exact_sum.h), 24 bytes instead of 568, for numbers of similar magnitude.
//
// Twice over the numbers: note() each, agree(), then add() each, share().
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "comm/communicator.h"

namespace temper {

class FixedPointSums {
 public:
  /// Group g has the sums starts[g] to starts[g + 1].
  explicit FixedPointSums(std::vector<std::size_t> starts);

  /// Announces a number that add() will bring.
  void note(std::size_t group, double value);
  /// Collective. What was noted on any rank decides the units.
  void agree(Communicator& communicator);
  /// Adds to sum `sum` of the group. No more than 2^30 numbers in all. What is below 2^-90 of the largest number of the
  /// group is lost.
  void add(std::size_t group, std::size_t sum, double value);
  /// Collective. The sums of all ranks, each rounded once; NaN in a group that had a number that is not finite.
  std::vector<double> share(Communicator& communicator);

 private:
  __extension__ using Wide = __int128;

  std::vector<std::size_t> starts_;
  std::vector<std::int64_t> exponents_;  ///< of groups: every number is below 2^exponent
  std::vector<Wide> sums_;
};

}  // namespace temper
