// The table over the list of calls: each finds its way, and one that a device does not know is made of others.
#include "tensor/kernel_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "tensor/kernels.h"

namespace temper {
namespace {

template <typename... Calls>
std::vector<KernelId> ids_of(CallList<Calls...> /*list*/) {
  return {Calls::kKernel...};
}

/// Says what it was asked for.
class Listener final : public UniformKernels<Listener, Kernels, AllCalls> {
 public:
  template <typename Call>
  void take(const Call& call) {
    heard.push_back(Call::kKernel.name);
    if constexpr (MadeOfParts<Call>) call.run_parts(whole());
  }
  std::vector<std::string_view> heard;
};

TEST(KernelTable, EachKernelHasItsName) {
  std::vector<std::string_view> names;
  for (const KernelId& kernel : ids_of(AllCalls{})) names.push_back(kernel.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  EXPECT_EQ(std::count(names.begin(), names.end(), ""), 0);
}

TEST(KernelTable, ProductsAndAttentionAreLimitedByOperations) {
  std::vector<std::string_view> limited;
  for (const KernelId& kernel : ids_of(AllCalls{}))
    if (is_limited_by_operations(kernel.kind)) limited.push_back(kernel.name);
  EXPECT_EQ(limited,
            (std::vector<std::string_view>{"matmul", "linear_forward", "linear_weight_gradient", "attention_forward",
                                           "attention_backward", "window_product", "window_weight_gradient"}));
}

TEST(KernelTable, ACallFindsItsKernelByItsType) {
  Listener listener;
  Kernels& kernels = listener;
  float value = 0.0F;
  kernels.run(calls::Add{.a = &value, .b = &value, .out = &value, .n = 1});
  kernels.run(calls::Clear{.data = &value, .bytes = 4});
  kernels.run(calls::Matmul{.a = {}, .b = {}, .c = {}});
  EXPECT_EQ(listener.heard, (std::vector<std::string_view>{"add", "clear", "matmul"}));
}

TEST(KernelTable, ACallOfPartsRunsThoseOfWhatIsAround) {
  Listener inner;
  Listener around;
  inner.take_parts_from(around);
  inner.run(calls::LinearForward{.x = {}, .weight = {}, .z = {}, .y = {}});
  EXPECT_EQ(inner.heard, (std::vector<std::string_view>{"linear_forward"}));
  EXPECT_EQ(around.heard, (std::vector<std::string_view>{"matmul", "bias_activation_forward"}));
}

}  // namespace
}  // namespace temper
