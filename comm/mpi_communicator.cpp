#include "comm/mpi_communicator.h"

#include <mpi.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <exception>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/process_identity.h"
#include "comm/fixed_tree.h"
#include "comm/node_communicator.h"
#include "comm/rank_watch.h"

namespace temper {
namespace {

constexpr std::size_t kLargestMessage = std::size_t{1} << 30;
constexpr int kTag = 1;

void require_mpi(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw Error("{} failed: {}", call, std::string(text, static_cast<std::size_t>(length)));
}

/// An operation of one or more stages, each a set of MPI requests; the next begins when all of one are complete.
class StagedPending final : public Pending {
 public:
  using Stage = std::function<void(std::vector<MPI_Request>&)>;

  StagedPending(Communicator& communicator, const char* what) : communicator_(communicator), what_(what) {}
  ~StagedPending() override {
    // Requests of a failed run are not waited for: the others may never answer.
    if (std::uncaught_exceptions() > 0) return;
    try {
      wait();
    } catch (const std::exception&) {
      // The error has been told by whoever waited.
    }
  }

  void then(Stage stage) { stages_.push_back(std::move(stage)); }
  /// Memory that must live as long as the operation.
  std::vector<float>& keep(std::size_t elements) { return kept_.emplace_back(elements); }

  bool test() override {
    while (true) {
      if (!requests_.empty()) {
        int done = 0;
        require_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, MPI_STATUSES_IGNORE),
                    what_);
        if (done == 0) return false;
        requests_.clear();
      }
      if (stages_.empty()) return true;
      const Stage stage = std::move(stages_.front());
      stages_.pop_front();
      stage(requests_);
    }
  }

  void wait() override {
    communicator_.wait_until([this] { return test(); }, what_);
  }

 private:
  Communicator& communicator_;
  const char* what_;
  std::deque<Stage> stages_;
  std::vector<MPI_Request> requests_;
  std::deque<std::vector<float>> kept_;
};

float combined(float a, float b, Reduction reduction) {
  switch (reduction) {
    case Reduction::sum:
      return a + b;
    case Reduction::max:
      return std::max(a, b);
    case Reduction::min:
      break;
  }
  return std::min(a, b);
}

/// inputs[leaf] [n] reduced along the fixed tree over the leaves [begin, end), into out.
void reduce_tree(std::span<const float* const> inputs, TreeNode node, std::size_t n, Reduction reduction, float* out) {
  if (node.end - node.begin == 1) {
    std::copy_n(inputs[static_cast<std::size_t>(node.begin)], n, out);
    return;
  }
  const int cut = tree_middle(node);
  reduce_tree(inputs, {node.begin, cut}, n, reduction, out);
  std::vector<float> right(n);
  reduce_tree(inputs, {cut, node.end}, n, reduction, right.data());
  for (std::size_t i = 0; i < n; ++i) out[i] = combined(out[i], right[i], reduction);
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(const std::function<int(int rank)>& node_of, RankWatch* watch) : watch_(watch) {
    require_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &world_), "MPI_Comm_dup");
    require_mpi(MPI_Comm_set_errhandler(world_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    require_mpi(MPI_Comm_rank(world_, &rank_), "MPI_Comm_rank");
    require_mpi(MPI_Comm_size(world_, &size_), "MPI_Comm_size");
    require_mpi(MPI_Comm_split_type(world_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_), "MPI_Comm_split_type");
    if (node_of) {
      MPI_Comm host = node_;
      require_mpi(MPI_Comm_split(host, node_of(rank_), rank_, &node_), "MPI_Comm_split");
      MPI_Comm_free(&host);
    }
    require_mpi(MPI_Comm_set_errhandler(node_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    require_mpi(MPI_Comm_rank(node_, &topology_.local_rank), "MPI_Comm_rank");
    require_mpi(MPI_Comm_size(node_, &topology_.local_size), "MPI_Comm_size");
    // A node is known by its lowest rank; nodes are numbered in the order of those.
    int leader = rank_;
    require_mpi(MPI_Bcast(&leader, 1, MPI_INT, 0, node_), "MPI_Bcast");
    std::vector<int> leaders(static_cast<std::size_t>(size_));
    require_mpi(MPI_Allgather(&leader, 1, MPI_INT, leaders.data(), 1, MPI_INT, world_), "MPI_Allgather");
    std::sort(leaders.begin(), leaders.end());
    leaders.erase(std::unique(leaders.begin(), leaders.end()), leaders.end());
    topology_.nodes = static_cast<int>(leaders.size());
    topology_.node = static_cast<int>(std::lower_bound(leaders.begin(), leaders.end(), leader) - leaders.begin());
    gather_host_names();
  }
  ~MpiCommunicator() override {
    MPI_Comm_free(&node_);
    MPI_Comm_free(&world_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const NodeTopology& topology() const override { return topology_; }
  const std::string& host_name(int rank) const override { return hosts_[static_cast<std::size_t>(rank)]; }
  void set_wait_hook(std::function<void(const Wait&)> hook) override { hook_ = std::move(hook); }
  void set_timeout(double seconds) override { timeout_ = seconds; }
  MPI_Comm node() const { return node_; }

  void wait_until(const std::function<bool()>& done, const char* what) override {
    using Clock = std::chrono::steady_clock;
    if (done()) return;
    const Clock::time_point start = Clock::now();
    Clock::time_point next_hook = start + std::chrono::milliseconds(1);
    for (int attempt = 0;; ++attempt) {
      if (done()) return;
      // Ranks may share a core: whoever waits must let the others work.
      constexpr int kSpins = 200;
      constexpr int kYields = 2000;
      if (attempt > kYields) {
        const timespec nap{0, 20'000};
        nanosleep(&nap, nullptr);
      } else if (attempt > kSpins) {
        sched_yield();
      }
      // MPI makes progress only when it is called.
      int flag = 0;
      require_mpi(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, world_, &flag, MPI_STATUS_IGNORE), "MPI_Iprobe");
      const Clock::time_point now = Clock::now();
      if (now < next_hook) continue;
      next_hook = now + std::chrono::milliseconds(1);
      const double waited = std::chrono::duration<double>(now - start).count();
      if (hook_) hook_({what, waited});
      if (watch_ != nullptr)
        if (const std::optional<std::string> death = watch_->death()) throw Error("{}", *death);
      if (waited > timeout_)
        throw Error(
            "{} waited {:.0f} s for the others in {}{}; a rank may hang or be much slower than the others "
            "(run.timeout_seconds sets this limit)",
            rank_name(rank_), waited, what, watch_ == nullptr ? "" : watch_->silence());
    }
  }

  void call_blocking(const std::function<void()>& call, const char* what) override {
    if (watch_ == nullptr) return call();
    watch_->call(call, what, timeout_,
                 "a rank may hang or be much slower than the others (run.timeout_seconds sets this limit)");
  }

  std::unique_ptr<Pending> start_barrier() override {
    auto pending = std::make_unique<StagedPending>(*this, "a barrier");
    pending->then([this](std::vector<MPI_Request>& requests) {
      require_mpi(MPI_Ibarrier(world_, &requests.emplace_back()), "MPI_Ibarrier");
    });
    return started(std::move(pending));
  }

  std::unique_ptr<Pending> start_broadcast(std::span<std::byte> bytes, int root) override {
    auto pending = std::make_unique<StagedPending>(*this, "a broadcast");
    pending->then([this, bytes, root](std::vector<MPI_Request>& requests) {
      for (std::span<std::byte> rest = bytes; !rest.empty();) {
        const std::size_t part = std::min(rest.size(), kLargestMessage);
        require_mpi(MPI_Ibcast(rest.data(), static_cast<int>(part), MPI_BYTE, root, world_, &requests.emplace_back()),
                    "MPI_Ibcast");
        rest = rest.subspan(part);
      }
    });
    return started(std::move(pending));
  }

  std::unique_ptr<Pending> start_all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    auto pending = std::make_unique<StagedPending>(*this, "an all-gather");
    pending->then([this, mine, all](std::vector<MPI_Request>& requests) {
      if (mine.size() <= kLargestMessage) {
        const int count = static_cast<int>(mine.size());
        require_mpi(
            MPI_Iallgather(mine.data(), count, MPI_BYTE, all.data(), count, MPI_BYTE, world_, &requests.emplace_back()),
            "MPI_Iallgather");
        return;
      }
      std::vector<Outgoing> outgoing;
      std::vector<Incoming> incoming;
      for (int other = 0; other < size_; ++other) {
        outgoing.push_back({other, mine});
        incoming.push_back({other, all.subspan(static_cast<std::size_t>(other) * mine.size(), mine.size())});
      }
      post(outgoing, incoming, requests);
    });
    return started(std::move(pending));
  }

  std::unique_ptr<Pending> start_reduce_scatter(std::span<const float> all, std::span<const std::int64_t> starts,
                                                std::span<float> mine) override {
    auto pending = std::make_unique<StagedPending>(*this, "a reduce-scatter");
    const std::vector<std::int64_t> cuts(starts.begin(), starts.end());
    add_reduction(*pending, all, cuts, mine, Reduction::sum);
    return started(std::move(pending));
  }

  std::unique_ptr<Pending> start_all_reduce(std::span<float> values, Reduction reduction) override {
    auto pending = std::make_unique<StagedPending>(*this, "an all-reduce");
    std::vector<std::int64_t> cuts;
    for (int rank = 0; rank <= size_; ++rank) cuts.push_back(static_cast<std::int64_t>(values.size()) * rank / size_);
    const auto slice = [values, cuts](int rank) {
      const auto r = static_cast<std::size_t>(rank);
      return values.subspan(static_cast<std::size_t>(cuts[r]), static_cast<std::size_t>(cuts[r + 1] - cuts[r]));
    };
    // The own slice is received into memory of its own: the others' pieces of `values` are still being sent.
    std::vector<float>& reduced = pending->keep(slice(rank_).size());
    add_reduction(*pending, values, cuts, reduced, reduction);
    pending->then([this, slice, &reduced](std::vector<MPI_Request>& requests) {
      std::copy(reduced.begin(), reduced.end(), slice(rank_).begin());
      std::vector<Outgoing> outgoing;
      std::vector<Incoming> incoming;
      for (int other = 0; other < size_; ++other) {
        if (other == rank_) continue;
        outgoing.push_back({other, std::as_bytes(std::span<const float>(reduced))});
        incoming.push_back({other, std::as_writable_bytes(slice(other))});
      }
      post(outgoing, incoming, requests);
    });
    return started(std::move(pending));
  }

  std::unique_ptr<Pending> start_all_reduce(std::span<std::int64_t> values, Reduction reduction) override {
    auto pending = std::make_unique<StagedPending>(*this, "an all-reduce");
    const MPI_Op operation = reduction == Reduction::sum ? MPI_SUM : reduction == Reduction::max ? MPI_MAX : MPI_MIN;
    pending->then([this, values, operation](std::vector<MPI_Request>& requests) {
      for (std::span<std::int64_t> rest = values; !rest.empty();) {
        const std::size_t part = std::min(rest.size(), kLargestMessage / sizeof(std::int64_t));
        require_mpi(MPI_Iallreduce(MPI_IN_PLACE, rest.data(), static_cast<int>(part), MPI_INT64_T, operation, world_,
                                   &requests.emplace_back()),
                    "MPI_Iallreduce");
        rest = rest.subspan(part);
      }
    });
    return started(std::move(pending));
  }

  std::unique_ptr<Pending> start_exchange(std::vector<Outgoing> outgoing, std::vector<Incoming> incoming) override {
    auto pending = std::make_unique<StagedPending>(*this, "an exchange of messages");
    pending->then([this, outgoing = std::move(outgoing), incoming = std::move(incoming)](
                      std::vector<MPI_Request>& requests) { post(outgoing, incoming, requests); });
    return started(std::move(pending));
  }

 private:
  void gather_host_names() {
    constexpr std::size_t kLength = 65;  // HOST_NAME_MAX, and its end
    std::array<char, kLength> mine{};
    temper::host_name().copy(mine.data(), kLength - 1);
    std::vector<char> all(kLength * static_cast<std::size_t>(size_));
    require_mpi(MPI_Allgather(mine.data(), kLength, MPI_CHAR, all.data(), kLength, MPI_CHAR, world_), "MPI_Allgather");
    for (std::size_t at = 0; at < all.size(); at += kLength) hosts_.emplace_back(&all[at]);
  }

  static std::unique_ptr<Pending> started(std::unique_ptr<StagedPending> pending) {
    pending->test();
    return pending;
  }

  void post(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming,
            std::vector<MPI_Request>& requests) {
    std::vector<std::span<std::byte>> to_self;
    for (const Incoming& message : incoming) {
      if (message.from == rank_) {
        to_self.push_back(message.bytes);
        continue;
      }
      for (std::span<std::byte> rest = message.bytes; !rest.empty();) {
        const std::size_t part = std::min(rest.size(), kLargestMessage);
        require_mpi(MPI_Irecv(rest.data(), static_cast<int>(part), MPI_BYTE, message.from, kTag, world_,
                              &requests.emplace_back()),
                    "MPI_Irecv");
        rest = rest.subspan(part);
      }
    }
    std::size_t next_to_self = 0;
    for (const Outgoing& message : outgoing) {
      if (message.to == rank_) {
        const std::span<std::byte> target = to_self[next_to_self++];
        if (!target.empty()) std::memcpy(target.data(), message.bytes.data(), target.size());
        continue;
      }
      for (std::span<const std::byte> rest = message.bytes; !rest.empty();) {
        const std::size_t part = std::min(rest.size(), kLargestMessage);
        require_mpi(MPI_Isend(rest.data(), static_cast<int>(part), MPI_BYTE, message.to, kTag, world_,
                              &requests.emplace_back()),
                    "MPI_Isend");
        rest = rest.subspan(part);
      }
    }
  }

  /// Sends every rank its part of `all` and reduces what comes in along the tree over ranks, into `mine`.
  void add_reduction(StagedPending& pending, std::span<const float> all, const std::vector<std::int64_t>& cuts,
                     std::span<float> mine, Reduction reduction) {
    const std::size_t n = mine.size();
    std::vector<float>& staging = pending.keep(n * static_cast<std::size_t>(size_));
    const auto part = [all, cuts](int rank) {
      const auto r = static_cast<std::size_t>(rank);
      return all.subspan(static_cast<std::size_t>(cuts[r]), static_cast<std::size_t>(cuts[r + 1] - cuts[r]));
    };
    pending.then([this, part, n, &staging](std::vector<MPI_Request>& requests) {
      std::vector<Outgoing> outgoing;
      std::vector<Incoming> incoming;
      for (int other = 0; other < size_; ++other) {
        outgoing.push_back({other, std::as_bytes(part(other))});
        incoming.push_back(
            {other, std::as_writable_bytes(std::span(staging).subspan(static_cast<std::size_t>(other) * n, n))});
      }
      post(outgoing, incoming, requests);
    });
    pending.then([this, mine, n, reduction, &staging](std::vector<MPI_Request>&) {
      std::vector<const float*> inputs;
      for (int rank = 0; rank < size_; ++rank) inputs.push_back(staging.data() + static_cast<std::size_t>(rank) * n);
      reduce_tree(inputs, {0, size_}, n, reduction, mine.data());
    });
  }

  MPI_Comm world_ = MPI_COMM_NULL;
  MPI_Comm node_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  NodeTopology topology_;
  std::vector<std::string> hosts_;
  RankWatch* watch_ = nullptr;
  std::function<void(const Wait&)> hook_;
  double timeout_ = 600.0;
};

}  // namespace

void* node_communicator_of(Communicator& communicator) {
  auto* mpi = dynamic_cast<MpiCommunicator*>(&communicator);
  return mpi == nullptr ? nullptr : static_cast<void*>(mpi->node());
}

std::unique_ptr<Communicator> make_mpi_communicator(const std::function<int(int rank)>& node_of, RankWatch* watch) {
  return std::make_unique<MpiCommunicator>(node_of, watch);
}

}  // namespace temper
