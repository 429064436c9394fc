#include "comm/exchange/node_exchange.h"

#include <algorithm>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "comm/aligned_array.h"
#include "comm/exchange/gradient_window.h"
#include "comm/exchange/rank_groups.h"
#include "comm/exchange/rank_tree.h"

namespace temper {
namespace {

/// The leaves of a group, which are contiguous since its ranks are.
TreeNode leaves_of_group(int leaves, const RankGroups& groups, int group) {
  const int ranks = groups.first.back();
  return {leaves_of_rank(leaves, ranks, groups.begin(group)).begin,
          leaves_of_rank(leaves, ranks, groups.end(group) - 1).end};
}

class NodeExchange final : public GradientExchange {
 public:
  NodeExchange(Communicator& communicator, Kernels& kernels, const ExchangeRequest& request)
      : communicator_(communicator),
        kernels_(kernels),
        elements_(request.layout.elements()),
        plan_(request.plan),
        tree_(request.leaves, communicator.size()),
        groups_(group_ranks(communicator, request.links.share_memory)),
        group_(groups_.of(communicator.rank())),
        window_(groups_.begin(group_), groups_.size(group_), request,
                [&](std::size_t bytes) {
                  return some_ranks_share_memory() ? make_node_window(communicator, bytes) : make_private_window(bytes);
                }),
        residuals_(request.residuals),
        reduced_(map_zeroed(elements_)),
        rows_(request.rows) {
    plan_sums(request.leaves);
    if (rows_ != nullptr) {
      rows_of_group_.assign(static_cast<std::size_t>(groups_.count()), rows_->own());
      shown_rows_.resize(rows_->own().words().size() * static_cast<std::size_t>(communicator.size()));
    }
  }

  const BucketPlan& plan() const override { return plan_; }
  float* buffer(int index) override { return window_.buffer(communicator_.rank(), index); }
  const float* reduced() override { return reduced_.get(); }

  void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) override {
    if (bucket == 0) {
      ++step_;
      next_send_ = next_sum_ = 0;
      // They are needed in the buckets of the table, which come last.
      if (rows_ != nullptr)
        showing_rows_ = communicator_.start_all_gather(std::as_bytes(rows_->own().words()),
                                                       std::as_writable_bytes(std::span(shown_rows_)));
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) window_.buffer_index(communicator_.rank(), i) = buffers[i];
    window_.publish(communicator_.rank(), bucket, step_);
    while (next_send_ < plan_.buckets.size() && is_ready(next_send_)) send(next_send_++);
    while (next_sum_ < transfers_.size() && transfers_[next_sum_].pending->test()) reduce(transfers_[next_sum_++]);
  }

  void finish() override {
    while (next_send_ < plan_.buckets.size()) {
      communicator_.wait_until([this] { return is_ready(next_send_); }, "the sum of the gradients");
      send(next_send_++);
    }
    for (; next_sum_ < transfers_.size(); ++next_sum_) {
      transfers_[next_sum_].pending->wait();
      reduce(transfers_[next_sum_]);
    }
    transfers_.clear();
    next_sum_ = 0;
  }

 private:
  /// A node of the tree that covers leaves of this group, and how it is summed from the nodes of the group's ranks.
  struct GroupSum {
    std::vector<std::pair<int, std::size_t>> inputs;  ///< rank, and which of its nodes
    std::vector<TreeStep> steps;
  };
  /// A node's sums: in a buffer of this group, or received, the ranges one after the other.
  struct Input {
    const float* arena = nullptr;
    std::vector<ElementRange> ranges;
    std::vector<float> received;
    std::vector<BFloat16> rounded;  ///< received, where sums are compressed
    std::size_t next = 0;           ///< range that is added next
    std::int64_t place = 0;         ///< where it was received
  };
  struct Transfer {
    ElementRange slice;
    std::vector<ElementRange> sums;  ///< of the slice: what is summed
    std::vector<Input> inputs;
    std::deque<std::vector<float>> packed;
    std::deque<std::vector<BFloat16>> rounded;
    std::unique_ptr<Pending> pending;
  };

  /// Whether some group has several ranks: the same on all.
  bool some_ranks_share_memory() const { return groups_.count() < communicator_.size(); }
  bool is_ready(std::size_t bucket) { return window_.is_ready(static_cast<int>(bucket), step_); }
  /// What a rank of this group has of its i-th node.
  float* node_of(int rank, std::size_t i) { return window_.buffer(rank, window_.buffer_index(rank, i)); }

  // ---- sums
  void plan_sums(int leaves) {
    std::vector<TreeNode> all;
    for (int group = 0; group < groups_.count(); ++group) {
      const std::vector<TreeNode> nodes = cover(leaves, leaves_of_group(leaves, groups_, group));
      nodes_of_group_.push_back(nodes.size());
      if (group != group_) {
        all.insert(all.end(), nodes.begin(), nodes.end());
        continue;
      }
      for (const TreeNode node : nodes) sums_.push_back(plan_sum(node));
      for (int rank = groups_.begin(group); rank < groups_.end(group); ++rank)
        all.insert(all.end(), tree_.nodes_of(rank).begin(), tree_.nodes_of(rank).end());
    }
    steps_ = tree_steps(leaves, all);
  }
  GroupSum plan_sum(TreeNode node) const {
    GroupSum sum;
    std::vector<TreeNode> parts;
    for (int rank = groups_.begin(group_); rank < groups_.end(group_); ++rank)
      for (std::size_t i = 0; i < tree_.nodes_of(rank).size(); ++i) {
        const TreeNode part = tree_.nodes_of(rank)[i];
        if (part.begin < node.begin || part.end > node.end) continue;
        sum.inputs.emplace_back(rank, i);
        // Below a node the tree has the shape of one over so many leaves.
        parts.push_back({part.begin - node.begin, part.end - node.begin});
      }
    sum.steps = tree_steps(node.end - node.begin, parts);
    return sum;
  }

  /// The bucket is complete in this group: what others need of it goes out, what the own slice needs is awaited.
  void send(std::size_t bucket) {
    const auto& slices = plan_.slices[bucket];
    const int me = communicator_.rank();
    const bool sparse = rows_ != nullptr && rows_->place().meets(plan_.buckets[bucket]);
    if (sparse) learn_rows();
    const auto ranges_of = [&](const RowSet* rows, int owner) {
      const ElementRange slice = slices[static_cast<std::size_t>(owner)];
      if (slice.size() == 0) return std::vector<ElementRange>();
      return rows != nullptr ? rows_->place().live(*rows, slice) : std::vector<ElementRange>{slice};
    };
    const auto rows_of = [&](int group) { return sparse ? &rows_of_group_[static_cast<std::size_t>(group)] : nullptr; };
    Transfer& transfer = transfers_.emplace_back();
    transfer.slice = slices[static_cast<std::size_t>(me)];
    transfer.sums = ranges_of(sparse ? &rows_->live() : nullptr, me);
    std::vector<Outgoing> outgoing;
    for (int owner = 0; owner < communicator_.size(); ++owner) {
      if (groups_.of(owner) == group_ || groups_.partner(group_, owner) != me) continue;
      const std::vector<ElementRange> ranges = ranges_of(rows_of(group_), owner);
      for (std::size_t i = 0; i < sums_.size(); ++i) outgoing.push_back({owner, sum_of_group(i, ranges, transfer)});
    }
    await_inputs(transfer, [&](int group) { return ranges_of(rows_of(group), me); });
    std::vector<Incoming> incoming;
    std::size_t next = 0;
    for (int group = 0; group < groups_.count(); ++group) {
      if (group == group_) {
        for (int rank = groups_.begin(group); rank < groups_.end(group); ++rank) next += tree_.nodes_of(rank).size();
        continue;
      }
      for (std::size_t i = 0; i < nodes_of_group_[static_cast<std::size_t>(group)]; ++i) {
        Input& input = transfer.inputs[next++];
        incoming.push_back({groups_.partner(group, me), residuals_ != nullptr
                                                            ? std::as_writable_bytes(std::span(input.rounded))
                                                            : std::as_writable_bytes(std::span(input.received))});
      }
    }
    transfer.pending = communicator_.start_exchange(std::move(outgoing), std::move(incoming));
  }

  /// The inputs of the own slice's sum, in the order of the leaves.
  template <typename RangesOfGroup>
  void await_inputs(Transfer& transfer, const RangesOfGroup& ranges_of) {
    for (int group = 0; group < groups_.count(); ++group) {
      if (group == group_) {
        for (int rank = groups_.begin(group); rank < groups_.end(group); ++rank)
          for (std::size_t i = 0; i < tree_.nodes_of(rank).size(); ++i)
            transfer.inputs.emplace_back().arena = node_of(rank, i);
        continue;
      }
      for (std::size_t i = 0; i < nodes_of_group_[static_cast<std::size_t>(group)]; ++i) {
        Input& input = transfer.inputs.emplace_back();
        input.ranges = ranges_of(group);
        const auto size = static_cast<std::size_t>(total_size(input.ranges));
        if (residuals_ != nullptr) {
          input.rounded.resize(size);
        } else {
          input.received.resize(size);
        }
      }
    }
  }

  /// Node i of this group in these ranges, one after the other, as it is sent: in memory that lives until the transfer
  /// is done.
  std::span<const std::byte> sum_of_group(std::size_t i, std::span<const ElementRange> ranges, Transfer& transfer) {
    const GroupSum& sum = sums_[i];
    std::vector<const float*> arenas;
    for (const auto& [rank, node] : sum.inputs) arenas.push_back(node_of(rank, node));
    if (arenas.size() == 1 && ranges.size() == 1 && residuals_ == nullptr)
      return std::as_bytes(
          std::span(arenas.front() + ranges.front().begin, static_cast<std::size_t>(ranges.front().size())));
    std::vector<float>& values = transfer.packed.emplace_back(static_cast<std::size_t>(total_size(ranges)));
    float* place = values.data();
    std::vector<const float*> inputs(arenas.size());
    for (const ElementRange range : ranges) {
      std::ranges::transform(arenas, inputs.begin(), [&](const float* arena) { return arena + range.begin; });
      kernels_.run(calls::AddTree{.inputs = inputs, .postfix = sum.steps, .out = place, .n = range.size()});
      place += range.size();
    }
    if (residuals_ == nullptr) return std::as_bytes(std::span(std::as_const(values)));
    const std::vector<BFloat16>& rounded = transfer.rounded.emplace_back(residuals_->round(i, ranges, values));
    return std::as_bytes(std::span(rounded));
  }

  void reduce(Transfer& transfer) {
    float* out = reduced_.get();
    if (rows_ != nullptr)
      for (const ElementRange range : rows_->place().inside(rows_->before(), transfer.slice))
        std::fill_n(out + range.begin, range.size(), 0.0F);
    for (Input& input : transfer.inputs) {
      if (input.rounded.empty()) continue;
      input.received.resize(input.rounded.size());
      std::ranges::transform(input.rounded, input.received.begin(), to_float);
    }
    std::vector<const float*> inputs(transfer.inputs.size());
    for (const ElementRange range : transfer.sums) {
      std::deque<std::vector<float>> spread;
      for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = values_in(transfer.inputs[i], range, spread);
      kernels_.run(calls::AddTree{.inputs = inputs, .postfix = steps_, .out = out + range.begin, .n = range.size()});
    }
    transfer.inputs.clear();
    transfer.packed.clear();
    transfer.rounded.clear();
  }

  /// An input in the next range of what is summed: as it lies, or with zeros where its group had no rows, in `keep`.
  static const float* values_in(Input& input, ElementRange range, std::deque<std::vector<float>>& keep) {
    if (input.arena != nullptr) return input.arena + range.begin;
    const auto next = [&] { return input.next < input.ranges.size() && input.ranges[input.next].end <= range.end; };
    if (next() && input.ranges[input.next] == range) {
      const float* from = input.received.data() + input.place;
      ++input.next;
      input.place += range.size();
      return from;
    }
    std::vector<float>& values = keep.emplace_back(static_cast<std::size_t>(range.size()));
    for (; next(); ++input.next) {
      const ElementRange part = input.ranges[input.next];
      std::copy_n(input.received.data() + input.place, part.size(), values.begin() + (part.begin - range.begin));
      input.place += part.size();
    }
    return values.data();
  }

  /// The rows of all groups, which have been under way since the step began.
  void learn_rows() {
    if (showing_rows_ == nullptr) return;
    showing_rows_->wait();
    showing_rows_ = nullptr;
    RowSet live(rows_->place().rows());
    const std::size_t words = live.words().size();
    RowSet of_rank = live;
    for (int group = 0; group < groups_.count(); ++group) {
      RowSet& rows = rows_of_group_[static_cast<std::size_t>(group)];
      rows = RowSet(live.rows());
      for (int rank = groups_.begin(group); rank < groups_.end(group); ++rank) {
        const auto first = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rank) * words);
        std::copy_n(shown_rows_.begin() + first, words, of_rank.words().begin());
        rows.insert_all_of(of_rank);
      }
      live.insert_all_of(rows);
    }
    rows_->learn(std::move(live));
  }

  Communicator& communicator_;
  Kernels& kernels_;
  std::int64_t elements_;
  BucketPlan plan_;
  RankTree tree_;
  RankGroups groups_;
  int group_;
  GradientWindow window_;
  ErrorFeedback* residuals_;  ///< of sums_; null: they are sent unrounded
  std::vector<std::size_t> nodes_of_group_;
  std::vector<GroupSum> sums_;
  std::vector<TreeStep> steps_;  ///< of the own slices: the nodes of this group's ranks, and those of other groups
  AlignedArray<float> reduced_;
  SparseRows* rows_;  ///< null: gradients are dense
  std::vector<RowSet> rows_of_group_;
  std::vector<std::uint64_t> shown_rows_;
  std::unique_ptr<Pending> showing_rows_;
  std::deque<Transfer> transfers_;
  std::uint64_t step_ = 0;
  std::size_t next_send_ = 0;
  std::size_t next_sum_ = 0;
};

}  // namespace

std::unique_ptr<GradientExchange> make_node_exchange(Communicator& communicator, Kernels& kernels,
                                                     const ExchangeRequest& request) {
  return std::make_unique<NodeExchange>(communicator, kernels, request);
}

}  // namespace temper
