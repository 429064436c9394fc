// What one rank cannot do, none goes on from: the ranks learn of a failure together.
#pragma once

#include <functional>
#include <string>

#include "comm/communicator.h"

namespace temper {

/// The sentence of what `action` throws; empty if it throws nothing.
std::string failure_of(const std::function<void()>& action);

/// Collective: throws the same Error on all ranks if `failure`, this rank's sentence, is not empty on any; the lowest
/// rank's sentence is told.
void agree_on_success(Communicator& communicator, const std::string& failure);

}  // namespace temper
