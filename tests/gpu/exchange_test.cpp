// Gradients of several ranks that lie on GPUs: over NCCL in both orders, and through the host.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "comm/exchange/gradient_buckets.h"
#include "comm/exchange/parameter_exchange.h"
#include "comm/nccl_communicator.h"
#include "tensor/cuda_device.h"
#include "tests/world.h"

namespace temper {
namespace {

enum class Way { nccl_fixed, nccl_library, host };

std::string name_of_way(Way way) {
  return way == Way::nccl_fixed ? "nccl_fixed" : way == Way::nccl_library ? "nccl_library" : "host";
}

/// The gradient of one grain: a pure function of grain and element.
float gradient_of(int grain, std::int64_t element) {
  return static_cast<float>((element * 2654435761LL + grain * 40503LL) % 100'003) * 1e-3F - 50.0F;
}

float tree_value(TreeNode node, std::int64_t element) {
  if (node.end - node.begin == 1) return gradient_of(node.begin, element);
  const int cut = tree_middle(node);
  return tree_value({node.begin, cut}, element) + tree_value({cut, node.end}, element);
}

class GpuExchange : public testing::TestWithParam<std::tuple<Way, int>> {
 protected:
  void SetUp() override {
    if (way() != Way::host && world_.size() > 1) nccl_ = make_nccl_communicator(world_, *device_);
  }
  [[nodiscard]] static Way way() { return std::get<0>(GetParam()); }
  [[nodiscard]] static int leaves() { return std::get<1>(GetParam()); }
  [[nodiscard]] BucketOptions options() const {
    BucketOptions options;
    options.links.nccl = nccl_.get();
    options.sum_order = way() == Way::nccl_library ? SumOrder::library : SumOrder::fixed;
    return options;
  }
  [[nodiscard]] BucketPlan plan() {
    return plan_buckets(layout_, world_.size(), route_of(world_, *device_, options().links), 3 * ArenaLayout::kChunk);
  }
  std::vector<float> download(const float* data) {
    std::vector<float> values(static_cast<std::size_t>(layout_.elements()));
    device_->download(data, values.data(), values.size() * sizeof(float));
    return values;
  }

  Communicator& world_ = world_communicator();
  std::unique_ptr<CudaDevice> device_ = make_cuda_device(world_.topology().local_rank);
  std::unique_ptr<NcclCommunicator> nccl_;
  /// Of three stages.
  ArenaLayout layout_{std::vector<std::int64_t>{70'000, 5, 40'000, 384, 120'001},
                      std::vector<std::int64_t>{2, 2, 1, 1, 0}, section_chunks(world_.size(), Route::library)};
};

TEST_P(GpuExchange, OwnSlicesHoldTheSumStepAfterStep) {
  GradientBuckets buckets(world_, *device_, layout_, plan(), leaves(), options());
  for (int step = 0; step < 3; ++step) {
    buckets.begin_step();
    for (int grain = buckets.own_grains().begin; grain < buckets.own_grains().end; ++grain) {
      float* gradients = buckets.begin_grain();
      for (std::size_t slot = 0; slot < layout_.slots().size(); ++slot) {
        const ArenaSlot place = layout_.slots()[slot];
        std::vector<float> values;
        for (std::int64_t i = place.begin; i < place.begin + place.size; ++i)
          values.push_back(gradient_of(grain, i + step));
        // Buckets are reduced while later slots are still being written.
        device_->upload(values.data(), gradients + place.begin, values.size() * sizeof(float));
        buckets.complete(static_cast<std::int64_t>(slot));
      }
      buckets.end_grain();
    }
    buckets.finish();
    const std::vector<float> reduced = download(buckets.reduced());
    for (const ElementRange range : buckets.plan().owned_by(world_.rank()))
      for (const ArenaSlot place : layout_.slots())
        for (std::int64_t i = std::max(range.begin, place.begin); i < std::min(range.end, place.begin + place.size);
             ++i) {
          const float expected = tree_value({0, leaves()}, i + step);
          if (way() == Way::nccl_library) {
            ASSERT_NEAR(reduced[static_cast<std::size_t>(i)], expected, 1e-4 * (1.0 + std::abs(expected))) << i;
          } else {
            ASSERT_EQ(reduced[static_cast<std::size_t>(i)], expected) << i;
          }
        }
    world_.barrier();
  }
}

TEST_P(GpuExchange, UpdatedParametersReachEveryRank) {
  const auto exchange =
      make_parameter_exchange(world_, *device_, {.layout = layout_, .plan = plan(), .links = options().links});
  for (int step = 0; step < 2; ++step) {
    for (const ElementRange range : plan().owned_by(world_.rank())) {
      std::vector<float> values;
      for (std::int64_t i = range.begin; i < range.end; ++i) values.push_back(static_cast<float>(i + step));
      device_->upload(values.data(), exchange->parameters() + range.begin, values.size() * sizeof(float));
    }
    exchange->share(SharedRows::trained);
    exchange->wait();
    const std::vector<float> all = download(exchange->parameters());
    for (std::size_t i = 0; i < all.size(); ++i)
      ASSERT_EQ(all[i], static_cast<float>(i + static_cast<std::size_t>(step)));
    world_.barrier();
  }
}

INSTANTIATE_TEST_SUITE_P(WaysAndGrains, GpuExchange,
                         testing::Combine(testing::Values(Way::nccl_fixed, Way::nccl_library, Way::host),
                                          testing::Values(1, 2, 3, 8)),
                         [](const auto& tested) {
                           return name_of_way(std::get<0>(tested.param)) + "_" +
                                  std::to_string(std::get<1>(tested.param)) + "_grains";
                         });

class Nccl : public testing::Test {
 protected:
  Communicator& world_ = world_communicator();
  std::unique_ptr<CudaDevice> device_ = make_cuda_device(world_.topology().local_rank);

  Tensor upload(const std::vector<float>& values) {
    return device_->upload(std::span<const float>(values), {static_cast<std::int64_t>(values.size())});
  }
  std::vector<float> after(NcclCommunicator& nccl, const Tensor& tensor) {
    nccl.wait("the test's own operation");
    device_->compute_waits_for_communication();
    return device_->download<float>(tensor);
  }
};

TEST_F(Nccl, CollectivesDoWhatTheySay) {
  const auto nccl = make_nccl_communicator(world_, *device_);
  const int ranks = nccl->size();
  const auto mine = static_cast<float>(nccl->rank() + 1);
  const float total = static_cast<float>(ranks * (ranks + 1)) / 2.0F;
  const Tensor values = upload({mine, 2.0F * mine});
  device_->communication_waits_for_compute();
  nccl->all_reduce(values.data<float>(), 2);
  EXPECT_EQ(after(*nccl, values), (std::vector<float>{total, 2.0F * total}));

  const Tensor sent = upload({mine});
  const Tensor gathered = upload(std::vector<float>(static_cast<std::size_t>(ranks)));
  device_->communication_waits_for_compute();
  nccl->all_gather(sent.data<float>(), gathered.data<float>(), 1);
  std::vector<float> counted;
  for (int rank = 0; rank < ranks; ++rank) counted.push_back(static_cast<float>(rank + 1));
  EXPECT_EQ(after(*nccl, gathered), counted);

  const Tensor scattered = upload({0.0F});
  device_->communication_waits_for_compute();
  nccl->reduce_scatter(gathered.data<float>(), scattered.data<float>(), 1);
  EXPECT_EQ(after(*nccl, scattered), (std::vector<float>{mine * static_cast<float>(ranks)}));

  device_->communication_waits_for_compute();
  nccl->broadcast(scattered.data<float>(), 1, ranks - 1);
  EXPECT_EQ(after(*nccl, scattered), (std::vector<float>{static_cast<float>(ranks * ranks)}));

  const Tensor right = upload({0.0F});
  device_->communication_waits_for_compute();
  nccl->begin_group();
  nccl->send(sent.data<float>(), 1, (nccl->rank() + 1) % ranks);
  nccl->receive(right.data<float>(), 1, (nccl->rank() + ranks - 1) % ranks);
  nccl->end_group();
  EXPECT_EQ(after(*nccl, right), (std::vector<float>{static_cast<float>((nccl->rank() + ranks - 1) % ranks + 1)}));
}

TEST_F(Nccl, ALostRankEndsTheWaitAfterTheTimeLimit) {
  if (world_.size() == 1) GTEST_SKIP() << "needs a second rank";
  auto nccl = make_nccl_communicator(world_, *device_);
  world_.set_timeout(0.5);
  const Tensor values = upload({1.0F});
  if (world_.rank() == 0) {
    // The others never make this call.
    device_->communication_waits_for_compute();
    nccl->all_reduce(values.data<float>(), 1);
    try {
      nccl->wait("a sum that never comes");
      ADD_FAILURE() << "the wait ended without an error";
    } catch (const std::exception& error) {
      EXPECT_NE(std::string(error.what()).find("a sum that never comes"), std::string::npos) << error.what();
    }
    EXPECT_ANY_THROW(nccl->check()) << "it has been aborted";
  }
  world_.set_timeout(600.0);
  world_.barrier();
}

}  // namespace
}  // namespace temper
