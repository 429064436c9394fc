// Communication between ranks. One interface for a single process and for MPI; every sum of floating-point numbers is
// taken along one fixed binary tree over the ranks (comm/fixed_tree.h), so it does not depend on the message library's
// choice of algorithm.
//
// Note: every rank must make the same calls in the same order, even if it has nothing to contribute; and a wait never
// blocks inside MPI: it polls, so that a time limit or a signal can end it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace temper {

enum class Reduction : std::uint8_t { sum, max, min };

/// Where this rank runs: which node (numbered by lowest rank), and which of the node's ranks it is.
struct NodeTopology {
  int node = 0;
  int nodes = 1;
  int local_rank = 0;
  int local_size = 1;
};

/// A wait in progress.
struct Wait {
  const char* what;  ///< which one, for messages: "a barrier"
  double seconds;    ///< since it began
};

/// An operation in progress. Its buffers must stay alive and untouched until it is complete; the destructor waits.
class Pending {
 public:
  Pending() = default;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  virtual ~Pending() = default;
  /// Makes progress; true once the operation is complete.
  virtual bool test() = 0;
  /// Polls until complete. Throws Error when the communicator's time limit passes.
  virtual void wait() = 0;
};

/// One message of an exchange. Messages between two ranks are matched in the order in which they are listed.
struct Outgoing {
  int to;
  std::span<const std::byte> bytes;
};
struct Incoming {
  int from;
  std::span<std::byte> bytes;
};

class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  [[nodiscard]] virtual const NodeTopology& topology() const = 0;
  /// The host that a rank runs on, known to all ranks.
  [[nodiscard]] virtual const std::string& host_name(int rank) const = 0;
  /// "rank 3 on h2"; "this process" where there is one rank.
  [[nodiscard]] std::string rank_name(int rank) const;

  /// Called again and again while a rank waits (may be empty). It may throw to end the wait.
  virtual void set_wait_hook(std::function<void(const Wait&)> hook) = 0;
  /// A wait longer than this throws an Error that names the rank, the operation and the time. Default: 600 s.
  virtual void set_timeout(double seconds) = 0;
  /// Polls `done` as every wait here does: with the hook and the time limit. `what` names the wait in the error.
  virtual void wait_until(const std::function<bool()>& done, const char* what) = 0;
  /// Makes a call that blocks inside MPI. Since it cannot be polled, another thread watches it: past the time limit, or
  /// when another rank has died, the process ends.
  virtual void call_blocking(const std::function<void()>& call, const char* what) = 0;

  // ---- asynchronous forms; all ranks take part ---------------------------------------------------------------------
  virtual std::unique_ptr<Pending> start_barrier() = 0;
  /// The bytes of `root` replace those of the others.
  virtual std::unique_ptr<Pending> start_broadcast(std::span<std::byte> bytes, int root) = 0;
  /// all [size * mine.size()]: the ranks' bytes in rank order; every rank gives the same number.
  virtual std::unique_ptr<Pending> start_all_gather(std::span<const std::byte> mine, std::span<std::byte> all) = 0;
  /// values becomes the reduction over ranks; sums along the fixed tree, the same bits on all ranks.
  virtual std::unique_ptr<Pending> start_all_reduce(std::span<float> values, Reduction reduction) = 0;
  /// Integers, whose sums are the same in any order: the message library chooses it.
  virtual std::unique_ptr<Pending> start_all_reduce(std::span<std::int64_t> values, Reduction reduction) = 0;
  /// Rank r receives in `mine` the sum over ranks of elements [starts[r], starts[r + 1]) of `all`; starts [size + 1].
  virtual std::unique_ptr<Pending> start_reduce_scatter(std::span<const float> all,
                                                        std::span<const std::int64_t> starts,
                                                        std::span<float> mine) = 0;
  /// Point-to-point messages, any number in both directions, also to oneself.
  virtual std::unique_ptr<Pending> start_exchange(std::vector<Outgoing> outgoing, std::vector<Incoming> incoming) = 0;

  // ---- blocking forms ----------------------------------------------------------------------------------------------
  void barrier();
  void broadcast(std::span<std::byte> bytes, int root);
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all);
  void all_reduce(std::span<float> values, Reduction reduction);
  void reduce_scatter(std::span<const float> all, std::span<const std::int64_t> starts, std::span<float> mine);
  void exchange(std::vector<Outgoing> outgoing, std::vector<Incoming> incoming);
  void all_reduce(std::span<std::int64_t> values, Reduction reduction);
  /// Sums along the fixed tree. A rank sends and receives twice the array, and holds it twice, on any number of ranks;
  /// of an array so small that messages cost more than bytes, it gathers everybody's.
  void all_reduce(std::span<double> values, Reduction reduction);
  /// Each rank's bytes, of any length, in rank order. More than 2 GiB in all is allowed.
  std::vector<std::vector<std::byte>> all_gather_variable(std::span<const std::byte> mine);
  /// A broadcast of bytes whose number only the root knows.
  void broadcast_variable(std::vector<std::byte>& bytes, int root);
};

/// A communicator of one rank.
std::unique_ptr<Communicator> make_solo_communicator();

}  // namespace temper
