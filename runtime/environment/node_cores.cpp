#include "runtime/environment/node_cores.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>

#include "base/counted.h"
#include "tensor/device.h"

namespace temper {

namespace {

using Group = std::array<std::uint64_t, 2>;

/// A message: node, number of limits, each limit as group and CPUs, then the words of the CPUs.
std::vector<std::uint64_t> packed(int node, const RankCores& cores) {
  std::vector<std::uint64_t> words{static_cast<std::uint64_t>(node), cores.limits.size()};
  for (const CpuTimeLimit& limit : cores.limits)
    words.insert(words.end(), {limit.group[0], limit.group[1], std::bit_cast<std::uint64_t>(limit.cpus)});
  words.insert(words.end(), cores.cpus.begin(), cores.cpus.end());
  return words;
}

RankCores unpacked(std::span<const std::uint64_t> words) {
  RankCores cores;
  std::size_t at = 2;
  for (std::uint64_t i = 0; i < words[1]; ++i, at += 3)
    cores.limits.push_back({{words[at], words[at + 1]}, std::bit_cast<double>(words[at + 2])});
  const std::span<const std::uint64_t> cpus = words.subspan(at);
  cores.cpus.assign(cpus.begin(), cpus.end());
  return cores;
}

/// CPUs' time of all ranks together: the limit of a group that all are in, or the sum over the groups that limit each.
double time_together(const std::vector<RankCores>& ranks) {
  double most = std::numeric_limits<double>::infinity();
  std::map<Group, std::size_t> members;
  std::map<Group, double> tightest;
  bool all_are_limited = true;
  for (const RankCores& rank : ranks) {
    const CpuTimeLimit* smallest = nullptr;
    for (const CpuTimeLimit& limit : rank.limits) {
      if (++members[limit.group] == ranks.size()) most = std::min(most, limit.cpus);
      if (smallest == nullptr || limit.cpus < smallest->cpus) smallest = &limit;
    }
    all_are_limited = all_are_limited && smallest != nullptr;
    if (smallest != nullptr) tightest[smallest->group] = smallest->cpus;
  }
  double sum = 0.0;
  for (const auto& [group, cpus] : tightest) sum += cpus;
  return all_are_limited ? std::min(most, sum) : most;
}

}  // namespace

int cores_together(const std::vector<RankCores>& ranks) {
  std::vector<std::uint64_t> all;
  for (const RankCores& rank : ranks) {
    all.resize(std::max(all.size(), rank.cpus.size()));
    for (std::size_t i = 0; i < rank.cpus.size(); ++i) all[i] |= rank.cpus[i];
  }
  int cores = 0;
  for (const std::uint64_t word : all) cores += std::popcount(word);
  return static_cast<int>(std::min(static_cast<double>(cores), std::ceil(time_together(ranks))));
}

std::vector<NodeCores> cores_of_nodes(Communicator& communicator) {
  const std::vector<std::uint64_t> mine = packed(communicator.topology().node, {process_cpus(), cpu_time_limits()});
  std::vector<NodeCores> nodes(static_cast<std::size_t>(communicator.topology().nodes));
  std::vector<std::vector<RankCores>> together(nodes.size());
  int rank = 0;
  for (const std::vector<std::byte>& bytes : communicator.all_gather_variable(std::as_bytes(std::span(mine)))) {
    std::vector<std::uint64_t> words(bytes.size() / sizeof(std::uint64_t));
    std::memcpy(words.data(), bytes.data(), words.size() * sizeof(std::uint64_t));
    const auto node = static_cast<std::size_t>(words[0]);
    if (++nodes[node].ranks == 1) nodes[node].host = communicator.host_name(rank);
    together[node].push_back(unpacked(words));
    ++rank;
  }
  for (std::size_t node = 0; node < nodes.size(); ++node) nodes[node].cores = cores_together(together[node]);
  return nodes;
}

int default_threads(Communicator& communicator) {
  const NodeTopology& topology = communicator.topology();
  const NodeCores node = cores_of_nodes(communicator)[static_cast<std::size_t>(topology.node)];
  int mine = default_cpu_threads(topology.local_size);
  if (node.cores > 0) mine = std::clamp(node.cores / node.ranks, 1, mine);
  std::vector<std::int64_t> threads{mine};
  communicator.all_reduce(std::span(threads), Reduction::min);
  return static_cast<int>(threads.front());
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
    remedy +=
        fmt::format("{}start {} there{}", remedy.empty() ? "" : ", or ", counted(ranks_with_room, "rank"),
                    fixed && threads > 1 ? " (the number of threads per rank stays as it was at the first start)" : "");
  if (remedy.empty())
    remedy = fixed ? fmt::format("give each rank {} cores, or start anew with --fresh", threads)
                   : fmt::format("set run.threads = 1 and start {} there", counted(worst->cores, "rank"));
  return fmt::format("{} of {} on {} {} {}, and threads that share a core wait for each other: {}",
                     counted(worst->ranks, "rank"), counted(threads, "thread"), worst->host,
                     plural(worst->ranks, "shares", "share"), counted(worst->cores, "core"), remedy);
}

}  // namespace temper
