#include "runtime/agreement.h"

#include <span>
#include <vector>

#include "base/error.h"

namespace temper {

std::string failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

void agree_on_success(Communicator& communicator, const std::string& failure) {
  for (const std::vector<std::byte>& sentence : communicator.all_gather_variable(std::as_bytes(std::span(failure))))
    if (!sentence.empty())
      throw Error(ErrorKind::failure, std::string(reinterpret_cast<const char*>(sentence.data()), sentence.size()));
}

}  // namespace temper
