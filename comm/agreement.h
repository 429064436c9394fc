// Turns a failure on any rank into the same Error on every rank.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "comm/communicator.h"

namespace temper {

/// What an action ended with on one rank.
struct Failure {
  std::string sentence;  ///< empty: it succeeded
  ErrorKind kind = ErrorKind::failure;
  bool damaged = false;  ///< DamagedContent was thrown
  [[nodiscard]] bool empty() const { return sentence.empty(); }
};

/// What `action` throws; empty if it throws nothing.
Failure failure_of(const std::function<void()>& action);

/// Collective: throws the same Error on all ranks if `failure`, this rank's, is not empty on any; the lowest rank's is
/// told. DamagedContent is thrown only if no rank failed otherwise.
void agree_on_success(Communicator& communicator, const Failure& failure);

}  // namespace temper
