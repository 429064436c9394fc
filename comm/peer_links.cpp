#include "comm/peer_links.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sstream>

#include <fmt/format.h>

namespace temper {

/// What goes over a connection once both ends have named themselves.
struct PeerLinks::Frame {
  enum Kind : std::int32_t { alive = 1, died, failing, goodbye };
  std::int32_t kind;
  std::int32_t rank;   ///< alive: a rank that is silent, or -1; else who has ended
  std::int32_t value;  ///< alive: 1 where all ranks are seen from there; failing: the exit status
};

namespace {

/// The first words on a connection, from both ends.
struct Hello {
  std::uint64_t token;
  std::int32_t rank;
  std::int32_t reserved;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

bool contains(const std::vector<int>& ranks, int rank) {
  return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
}

/// A name without a file, seen by all processes of one network namespace (unix(7)).
int unix_socket(const std::string& name, bool listens) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(&address.sun_path[1], sizeof(address.sun_path) - 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  const bool done = listens ? ::bind(descriptor, where, size) == 0 && ::listen(descriptor, SOMAXCONN) == 0
                            : ::connect(descriptor, where, size) == 0;
  if (done) return descriptor;
  ::close(descriptor);
  return -1;
}

/// The ports that a firewall leaves open for Open MPI, if its settings name them; else any.
std::pair<int, int> allowed_ports() {
  const char* least = std::getenv("OMPI_MCA_btl_tcp_port_min_v4");
  const char* range = std::getenv("OMPI_MCA_btl_tcp_port_range_v4");
  if (least == nullptr) return {0, 1};
  return {std::atoi(least), range == nullptr ? 1 : std::atoi(range)};
}

/// A listener on all addresses of this host, of both kinds where there are both. Its port goes to `port`.
int tcp_listener(int& port) {
  const auto [least, ports] = allowed_ports();
  for (const int family : {AF_INET6, AF_INET}) {
    for (int i = 0; i < ports; ++i) {
      sockaddr_storage address{};
      address.ss_family = static_cast<sa_family_t>(family);
      socklen_t size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
      // The port lies at the same place in both.
      reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(static_cast<std::uint16_t>(least + i));
      const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (descriptor < 0) break;
      const int off = 0;
      if (family == AF_INET6) ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
      auto* where = reinterpret_cast<sockaddr*>(&address);
      if (::bind(descriptor, where, size) == 0 && ::listen(descriptor, SOMAXCONN) == 0 &&
          ::getsockname(descriptor, where, &size) == 0) {
        port = ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
        return descriptor;
      }
      ::close(descriptor);
    }
  }
  return -1;
}

/// This host's addresses as text, those of real networks first; a blank between them.
std::string own_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return "";
  std::string outside;
  std::string loopback;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_UP) == 0) continue;
    const int family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr))
      continue;
    std::array<char, NI_MAXHOST> text{};
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::getnameinfo(each->ifa_addr, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    ((each->ifa_flags & IFF_LOOPBACK) != 0 ? loopback : outside) += std::string(text.data()) + ' ';
  }
  ::freeifaddrs(list);
  return outside + loopback;
}

/// A connection that is on its way, or -1.
int tcp_connection(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return -1;
  int descriptor = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor >= 0 && ::connect(descriptor, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
    ::close(descriptor);
    descriptor = -1;
  }
  ::freeaddrinfo(found);
  return descriptor;
}

}  // namespace

struct PeerLinks::Link {
  explicit Link(int open) : descriptor(open) {}
  ~Link() {
    if (descriptor >= 0) ::close(descriptor);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int descriptor;  ///< -1: closed
  int rank = -1;   ///< of the other end; -1: has not named itself yet
  bool up = false;
  bool connecting = false;
  bool confirmed = false;  ///< something came after the greeting: the other end has heard ours
  double since = now();
  double heard = now();
  std::string in;
  std::string out;
  int silent = -1;  ///< what was told of those behind it
  bool sees_all = false;
};

PeerLinks::PeerLinks(Communicator& communicator, double silent_seconds, double greeting_seconds)
    : rank_(communicator.rank()), silent_seconds_(silent_seconds), greeting_seconds_(greeting_seconds) {
  // Who is whose: nodes are numbered by their lowest ranks.
  const int size = communicator.size();
  const int mine = communicator.topology().node;
  std::vector<int> nodes(static_cast<std::size_t>(size));
  communicator.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(nodes)));
  const auto leader_of = [&](int node) {
    return static_cast<int>(std::find(nodes.begin(), nodes.end(), node) - nodes.begin());
  };
  const int leader = leader_of(mine);
  if (rank_ != leader) {
    above_ = leader;
  } else if (rank_ != 0) {
    above_ = 0;
  }
  for (int rank = 0; rank < size; ++rank) {
    if (rank == rank_) continue;
    const int node = nodes[static_cast<std::size_t>(rank)];
    const bool beside = rank_ == leader && node == mine;
    const bool other_leader = rank_ == 0 && leader_of(node) == rank;
    if (beside || other_leader) below_.push_back(rank);
  }

  if (rank_ == 0) token_ = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  communicator.broadcast(std::as_writable_bytes(std::span(&token_, 1)), 0);
  open_listeners(fmt::format("temper-{:016x}-{}", token_, rank_), communicator.topology().nodes > 1);
  // All listen from here on.
  std::string places;
  if (rank_ == 0) places = fmt::format("{} {}", port_, own_addresses());
  std::vector<std::byte> bytes(places.size());
  std::ranges::copy(std::as_bytes(std::span(places)), bytes.begin());
  communicator.broadcast_variable(bytes, 0);
  communicator.barrier();
  if (above_ < 0) return;
  if (rank_ != leader) {
    socket_name_ = fmt::format("temper-{:016x}-{}", token_, above_);
  } else {
    std::istringstream words(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    words >> port_;
    for (std::string address; port_ > 0 && words >> address;) addresses_.push_back(address);
  }
  try_next_place();
}

PeerLinks::~PeerLinks() {
  for (const int listener : listeners_) ::close(listener);
}

void PeerLinks::open_listeners(const std::string& name, bool other_hosts) {
  if (below_.empty()) return;
  const int local = unix_socket(name, /*listens=*/true);
  if (local >= 0) listeners_.push_back(local);
  // Ranks of one host need no port that the network sees.
  const int remote = rank_ == 0 && other_hosts ? tcp_listener(port_) : -1;
  if (remote >= 0) listeners_.push_back(remote);
}

void PeerLinks::try_next_place() {
  int descriptor = -1;
  bool connecting = false;
  if (!socket_name_.empty()) {
    descriptor = unix_socket(socket_name_, /*listens=*/false);
    socket_name_.clear();
  }
  while (descriptor < 0 && !addresses_.empty()) {
    descriptor = tcp_connection(addresses_.front(), port_);
    connecting = true;
    addresses_.pop_front();
  }
  if (descriptor < 0) return;
  auto link = std::make_unique<Link>(descriptor);
  link->up = true;
  link->connecting = connecting;
  const Hello hello{token_, rank_, 0};
  send(*link, &hello, sizeof(hello));
  links_.push_back(std::move(link));
}

void PeerLinks::accept_from(int listener) {
  while (true) {
    const int descriptor = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) return;
    links_.push_back(std::make_unique<Link>(descriptor));
  }
}

void PeerLinks::turn(int milliseconds, int wake) {
  std::vector<pollfd> ready;
  if (wake >= 0) ready.push_back({wake, POLLIN, 0});
  for (const int listener : listeners_) ready.push_back({listener, POLLIN, 0});
  const std::size_t first_link = ready.size();
  for (const auto& link : links_)
    ready.push_back({link->descriptor, static_cast<short>(link->out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
  ::poll(ready.data(), ready.size(), milliseconds);

  const std::size_t links = links_.size();
  for (std::size_t i = 0; i < links; ++i) {
    Link& link = *links_[i];
    const short events = ready[first_link + i].revents;
    if (events == 0) continue;
    if (link.connecting && (events & (POLLOUT | POLLERR | POLLHUP)) != 0) {
      int failure = 0;
      socklen_t size = sizeof(failure);
      ::getsockopt(link.descriptor, SOL_SOCKET, SO_ERROR, &failure, &size);
      if (failure != 0) {
        lose(link);
        continue;
      }
      link.connecting = false;
    }
    if ((events & POLLOUT) != 0) send(link, nullptr, 0);
    receive(link);
  }
  for (std::size_t i = wake >= 0 ? 1 : 0; i < first_link; ++i)
    if (ready[i].revents != 0) accept_from(ready[i].fd);
  // Who does not name himself in time is none of us.
  for (std::size_t i = 0; i < links; ++i)
    if (links_[i]->rank < 0 && links_[i]->descriptor >= 0 && now() - links_[i]->since > greeting_seconds_)
      lose(*links_[i]);
  std::erase_if(links_, [](const auto& link) { return link->descriptor < 0; });
  if (now() >= next_alive_) {
    next_alive_ = now() + std::min(1.0, silent_seconds_ / 5.0);
    say_alive();
  }
}

void PeerLinks::receive(Link& link) {
  std::array<char, 4096> buffer{};
  while (link.descriptor >= 0) {
    const ssize_t count = ::recv(link.descriptor, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (count <= 0) {
      // A system that has not answered for long (ETIMEDOUT, no route) may yet come back; a closed end does not.
      const bool closed = count == 0 || errno == ECONNRESET || errno == EPIPE;
      if (!closed) link.rank = -1;
      lose(link);
      return;
    }
    link.heard = now();
    link.in.append(buffer.data(), static_cast<std::size_t>(count));
    std::size_t at = 0;
    if (link.rank < 0) {
      if (link.in.size() < sizeof(Hello)) continue;
      greet(link, link.in.data());
      at = sizeof(Hello);
    }
    while (link.descriptor >= 0 && link.in.size() - at >= sizeof(Frame)) {
      Frame frame{};
      std::memcpy(&frame, link.in.data() + at, sizeof(frame));
      at += sizeof(frame);
      handle(link, frame);
    }
    link.in.erase(0, at);
  }
}

void PeerLinks::greet(Link& link, const void* bytes) {
  Hello hello{};
  std::memcpy(&hello, bytes, sizeof(hello));
  const bool known = hello.token == token_ && (link.up ? hello.rank == above_ : contains(below_, hello.rank));
  if (!known) return lose(link);
  link.rank = hello.rank;
  next_alive_ = 0.0;
  if (link.up) return;
  const Hello answer{token_, rank_, 0};
  send(link, &answer, sizeof(answer));
}

void PeerLinks::handle(Link& link, const Frame& frame) {
  link.confirmed = true;
  switch (frame.kind) {
    case Frame::alive:
      // What is new to us is passed on at once.
      if (link.silent != frame.rank || link.sees_all != (frame.value == 1)) next_alive_ = 0.0;
      link.silent = frame.rank;
      link.sees_all = frame.value == 1;
      return;
    case Frame::died:
      return note_dead(frame.rank, &link);
    case Frame::failing:
      if (frame.rank == link.rank) leaving_.push_back(link.rank);
      return note_told(frame, &link);
    case Frame::goodbye:
      leaving_.push_back(link.rank);
      return lose(link);
    default:
      return;
  }
}

void PeerLinks::lose(Link& link) {
  ::close(link.descriptor);
  link.descriptor = -1;
  if (link.rank < 0) {
    if (link.up) try_next_place();
    return;
  }
  // It may have given up a connection that was answered late, and live.
  if (!link.up && !link.confirmed) return;
  if (!contains(leaving_, link.rank)) note_dead(link.rank, &link);
}

void PeerLinks::note_dead(int rank, const Link* from) {
  if (dead_ || rank == rank_) return;
  dead_ = rank;
  send_to_all({Frame::died, rank, 0}, from);
}

void PeerLinks::note_told(const Frame& frame, const Link* from) {
  if (told_status_ || frame.rank == rank_) return;
  told_status_ = frame.value;
  send_to_all(frame, from);
}

void PeerLinks::send(Link& link, const void* bytes, std::size_t size) {
  // The other end may be stopped: what it will not read need not be kept forever.
  constexpr std::size_t kMostKept = 4096;
  if (size > 0 && link.out.size() < kMostKept) link.out.append(static_cast<const char*>(bytes), size);
  while (!link.connecting && !link.out.empty()) {
    const ssize_t count = ::send(link.descriptor, link.out.data(), link.out.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;  // full, or closed, which receive() will see
    link.out.erase(0, static_cast<std::size_t>(count));
  }
}

void PeerLinks::send_to_all(const Frame& frame, const Link* but) {
  for (const auto& link : links_)
    if (link.get() != but && link->descriptor >= 0 && link->rank >= 0) send(*link, &frame, sizeof(frame));
}

void PeerLinks::say_alive() {
  for (const auto& link : links_) {
    if (link->descriptor < 0 || link->rank < 0) continue;
    const Frame frame{Frame::alive, silent_beside(link.get()).value_or(-1), sees_all_beside(link.get()) ? 1 : 0};
    send(*link, &frame, sizeof(frame));
  }
}

std::optional<int> PeerLinks::silent_beside(const Link* but) const {
  for (const auto& link : links_) {
    if (link.get() == but || link->rank < 0) continue;
    if (now() - link->heard > silent_seconds_) return link->rank;
    if (link->silent >= 0 && link->silent != rank_) return link->silent;
  }
  return std::nullopt;
}

std::optional<int> PeerLinks::silent() const { return silent_beside(nullptr); }

bool PeerLinks::sees_all_beside(const Link* but) const {
  const auto sees = [&](int rank) {
    if (contains(leaving_, rank)) return true;
    return std::any_of(links_.begin(), links_.end(),
                       [&](const auto& link) { return link->rank == rank && (link.get() == but || link->sees_all); });
  };
  return (above_ < 0 || sees(above_)) && std::all_of(below_.begin(), below_.end(), sees);
}

bool PeerLinks::sees_all() const { return sees_all_beside(nullptr); }

void PeerLinks::say_goodbye() {
  const Frame frame{Frame::goodbye, rank_, 0};
  for (const auto& link : links_)
    // Also to one above that has read our name, but whose answer is still on its way.
    if (link->descriptor >= 0 && (link->rank >= 0 || link->up)) send(*link, &frame, sizeof(frame));
  links_.clear();
}

void PeerLinks::say_failing(int status) { send_to_all({Frame::failing, rank_, status}); }

}  // namespace temper
