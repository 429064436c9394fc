#include "comm/exchange/host_parameters.h"

#include <algorithm>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "comm/exchange/node_window.h"
#include "comm/exchange/rank_groups.h"

namespace temper {
namespace {

class HostParameters final : public ParameterExchange {
 public:
  HostParameters(Communicator& communicator, const ParameterRequest& request)
      : communicator_(communicator),
        plan_(request.plan),
        groups_(group_ranks(communicator, request.links.share_memory)),
        group_(groups_.of(communicator.rank())) {
    if (request.table) {
      place_.emplace(request.layout, *request.table);
      trained_ = request.table->trained;
    }
    const auto elements = static_cast<std::size_t>(request.layout.elements());
    const bool holds = communicator.rank() == groups_.begin(group_);
    const std::size_t bytes = holds ? elements * (sizeof(float) + (request.compute_copy ? sizeof(BFloat16) : 0)) : 0;
    window_ = some_ranks_share_memory() ? make_node_window(communicator, bytes) : make_private_window(bytes);
    std::byte* arena = window_->part(0).data();
    parameters_ = reinterpret_cast<float*>(arena);
    if (request.compute_copy) compute_copy_ = reinterpret_cast<BFloat16*>(arena + elements * sizeof(float));
  }

  float* parameters() override { return parameters_; }
  BFloat16* compute_copy() override { return compute_copy_; }

  void share(SharedRows rows) override {
    if (groups_.count() > 1) exchange_slices(rows == SharedRows::trained && place_ ? &trained_ : nullptr);
    // The others of the group read what this rank has written and received.
    if (some_ranks_share_memory()) communicator_.barrier();
  }
  void wait() override {}

 private:
  /// What an owner sends of a slice.
  struct Arrival {
    std::vector<ElementRange> ranges;
    std::vector<float> values;  ///< empty: received in place
  };

  /// Whether some group has several ranks: the same on all.
  [[nodiscard]] bool some_ranks_share_memory() const { return groups_.count() < communicator_.size(); }

  /// Owners send their slices to one rank of every other group. `rows`: of the table, those that are sent; null: all.
  void exchange_slices(const RowSet* rows) {
    const int me = communicator_.rank();
    const auto ranges_of = [&](ElementRange slice) {
      return rows != nullptr ? place_->live(*rows, slice) : std::vector<ElementRange>{slice};
    };
    const auto is_whole = [&](ElementRange slice) { return rows == nullptr || !place_->meets(slice); };
    std::deque<std::vector<float>> packed;
    std::deque<Arrival> arrivals;
    std::vector<Outgoing> outgoing;
    std::vector<Incoming> incoming;
    for (const auto& slices : plan_.slices) {
      if (const ElementRange mine = slices[static_cast<std::size_t>(me)]; mine.size() > 0) {
        std::span<const float> sent(parameters_ + mine.begin, static_cast<std::size_t>(mine.size()));
        if (!is_whole(mine)) {
          std::vector<float>& values = packed.emplace_back();
          for (const ElementRange range : ranges_of(mine))
            values.insert(values.end(), parameters_ + range.begin, parameters_ + range.end);
          sent = values;
        }
        for (int group = 0; group < groups_.count(); ++group)
          if (group != group_) outgoing.push_back({groups_.partner(group, me), std::as_bytes(sent)});
      }
      for (int owner = 0; owner < communicator_.size(); ++owner) {
        const ElementRange slice = slices[static_cast<std::size_t>(owner)];
        if (slice.size() == 0 || groups_.of(owner) == group_ || groups_.partner(group_, owner) != me) continue;
        Arrival& arrival = arrivals.emplace_back();
        arrival.ranges = ranges_of(slice);
        std::span<float> place(parameters_ + slice.begin, static_cast<std::size_t>(slice.size()));
        if (!is_whole(slice)) {
          arrival.values.resize(static_cast<std::size_t>(total_size(arrival.ranges)));
          place = arrival.values;
        }
        incoming.push_back({owner, std::as_writable_bytes(place)});
      }
    }
    communicator_.exchange(std::move(outgoing), std::move(incoming));
    for (const Arrival& arrival : arrivals) put_in_place(arrival.ranges, arrival.values);
  }

  void put_in_place(std::span<const ElementRange> ranges, std::span<const float> values) {
    for (const ElementRange range : ranges) {
      float* place = parameters_ + range.begin;
      if (!values.empty()) {
        std::ranges::copy(values.first(static_cast<std::size_t>(range.size())), place);
        values = values.subspan(static_cast<std::size_t>(range.size()));
      }
      if (compute_copy_ != nullptr)
        std::transform(place, place + range.size(), compute_copy_ + range.begin, to_bfloat16);
    }
  }

  Communicator& communicator_;
  BucketPlan plan_;
  RankGroups groups_;
  int group_;
  std::optional<TablePlace> place_;
  RowSet trained_;
  std::unique_ptr<NodeWindow> window_;
  float* parameters_ = nullptr;
  BFloat16* compute_copy_ = nullptr;
};

}  // namespace

std::unique_ptr<ParameterExchange> make_host_parameters(Communicator& communicator, const ParameterRequest& request) {
  return std::make_unique<HostParameters>(communicator, request);
}

}  // namespace temper
