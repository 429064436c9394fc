#include "runtime/environment/job.h"

#include <fmt/format.h>

namespace temper {

std::string Job::text() const {
  if (!exists()) return "";
  std::string text = name;
  if (!nodes.empty()) text += " on " + nodes;
  if (restarts > 0) text += fmt::format(", started again {} time{}", restarts, restarts == 1 ? "" : "s");
  return text;
}

}  // namespace temper
