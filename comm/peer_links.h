// Failure detection: a tree of connections next to MPI, by which ranks notice each other's death. MPI alone does not
// report it, and under srun nothing else does.
//
// The ranks of a host are connected to the lowest of them, and those to rank 0. When a process dies, however it dies,
// its system closes its connections, and whichever rank notices tells the others. Where a connection cannot be made (a
// firewall between hosts), there is none: a death beyond is then seen by the time limit of a wait, as without links.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace temper {

class PeerLinks {
 public:
  /// Collective. Opens what others will connect to and learns where to connect; turn() does so. A rank of which nothing
  /// is heard for `silent_seconds` counts as silent; a connection that is not answered for `greeting_seconds` is given
  /// up.
  explicit PeerLinks(Communicator& communicator, double silent_seconds = 5.0, double greeting_seconds = 3.0);
  ~PeerLinks();
  PeerLinks(const PeerLinks&) = delete;
  PeerLinks& operator=(const PeerLinks&) = delete;

  /// Waits for at most so many milliseconds, or until `wake` (a descriptor; -1: none) is readable, and does what is
  /// due.
  void turn(int milliseconds, int wake = -1);

  /// The first other rank that is known to have died unannounced while it was still needed.
  [[nodiscard]] std::optional<int> dead() const { return dead_; }
  /// The exit status of another rank that has told an error and ends; the first that is known.
  [[nodiscard]] std::optional<int> told_status() const { return told_status_; }
  /// A rank that is silent.
  [[nodiscard]] std::optional<int> silent() const;
  /// Whether every rank is seen, directly or through others.
  [[nodiscard]] bool sees_all() const;

  /// Tells the others that this rank is done, or has had an error and ends with this status. Nothing is heard after it.
  void say_goodbye();
  void say_failing(int status);

 private:
  struct Frame;
  struct Link;

  void open_listeners(const std::string& name, bool other_hosts);
  void try_next_place();
  void accept_from(int listener);
  void receive(Link& link);
  void greet(Link& link, const void* hello);
  void handle(Link& link, const Frame& frame);
  void lose(Link& link);
  void note_dead(int rank, const Link* from);
  void note_told(const Frame& frame, const Link* from);
  void send(Link& link, const void* bytes, std::size_t size);
  void send_to_all(const Frame& frame, const Link* but = nullptr);
  void say_alive();
  [[nodiscard]] std::optional<int> silent_beside(const Link* but) const;
  [[nodiscard]] bool sees_all_beside(const Link* but) const;

  int rank_;
  int above_ = -1;            ///< the rank to connect to; -1: none
  std::vector<int> below_;    ///< ranks that connect to this one
  std::vector<int> leaving_;  ///< those that said goodbye
  std::uint64_t token_ = 0;   ///< of this run: another program that listens at the same place does not know it
  double silent_seconds_;
  double greeting_seconds_;
  double next_alive_ = 0.0;
  std::string socket_name_;            ///< of the one above, on this host
  std::vector<int> listeners_;         ///< descriptors
  std::deque<std::string> addresses_;  ///< of the one above, on another host, that are still to be tried
  int port_ = 0;                       ///< there
  std::vector<std::unique_ptr<Link>> links_;
  std::optional<int> dead_;
  std::optional<int> told_status_;
};

}  // namespace temper
