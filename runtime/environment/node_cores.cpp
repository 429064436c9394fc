#include "runtime/environment/node_cores.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/allowed_cpus.h"
#include "base/counted.h"

namespace temper {

std::vector<NodeCores> cores_of_nodes(Communicator& communicator) {
  // What each rank sends: its node, the cores that its time is enough for (0: all), and its CPUs.
  std::vector<std::uint64_t> mine{static_cast<std::uint64_t>(communicator.topology().node),
                                  static_cast<std::uint64_t>(std::ceil(cpu_time_limit().value_or(0.0)))};
  const std::vector<std::uint64_t> cpus = allowed_cpus();
  mine.insert(mine.end(), cpus.begin(), cpus.end());
  std::vector<NodeCores> nodes(static_cast<std::size_t>(communicator.topology().nodes));
  std::vector<std::vector<std::uint64_t>> together(nodes.size());
  std::vector<std::uint64_t> limits(nodes.size());
  int rank = 0;
  for (const std::vector<std::byte>& bytes : communicator.all_gather_variable(std::as_bytes(std::span(mine)))) {
    std::vector<std::uint64_t> words(bytes.size() / sizeof(std::uint64_t));
    std::memcpy(words.data(), bytes.data(), words.size() * sizeof(std::uint64_t));
    const auto node = static_cast<std::size_t>(words[0]);
    if (++nodes[node].ranks == 1) nodes[node].host = communicator.host_name(rank);
    if (words[1] > 0) limits[node] = std::max(limits[node], words[1]);
    std::vector<std::uint64_t>& all = together[node];
    all.resize(std::max(all.size(), words.size() - 2));
    for (std::size_t i = 2; i < words.size(); ++i) all[i - 2] |= words[i];
    ++rank;
  }
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    for (const std::uint64_t word : together[node]) nodes[node].cores += std::popcount(word);
    if (limits[node] > 0) nodes[node].cores = std::min(nodes[node].cores, static_cast<int>(limits[node]));
  }
  return nodes;
}

std::string crowding_note(const std::vector<NodeCores>& nodes, int threads, bool fixed) {
  const NodeCores* worst = nullptr;
  for (const NodeCores& node : nodes)
    if (node.cores > 0 && node.ranks * threads > node.cores &&
        (worst == nullptr || node.ranks * worst->cores > worst->ranks * node.cores))
      worst = &node;
  if (worst == nullptr) return "";
  const int ranks_with_room = worst->cores / threads;
  const int threads_with_room = worst->cores / worst->ranks;
  std::string remedy;
  if (!fixed && threads_with_room > 0) remedy = fmt::format("set run.threads = {}", threads_with_room);
  if (ranks_with_room > 0)
    remedy += fmt::format("{}start {} there{}", remedy.empty() ? "" : ", or ", counted(ranks_with_room, "rank"),
                          fixed && threads > 1 ? " (threads a rank stay as they were at the first start)" : "");
  if (remedy.empty())
    remedy = fixed ? fmt::format("give each rank {} cores, or start anew with --fresh", threads)
                   : fmt::format("set run.threads = 1 and start {} there", counted(worst->cores, "rank"));
  return fmt::format("{} of {} on {} {} {}, and threads that share a core wait for each other: {}",
                     counted(worst->ranks, "rank"), counted(threads, "thread"), worst->host,
                     plural(worst->ranks, "shares", "share"), counted(worst->cores, "core"), remedy);
}

}  // namespace temper
