#include "runtime/environment/job.h"

#include <fmt/format.h>

#include "base/counted.h"

namespace temper {

std::string Job::text() const {
  if (!exists()) return "";
  std::string text = name;
  if (!nodes.empty()) text += " on " + nodes;
  if (restarts > 0) text += ", started again " + counted(restarts, "time");
  return text;
}

}  // namespace temper
