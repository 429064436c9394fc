// The table of update rules, the values of each rule, and its bits on slices. Runs alone and under mpirun.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <set>

#include "base/error.h"
#include "runtime/config/config_keys.h"
#include "runtime/steps/optimizer.h"
#include "runtime/updates/update_rule.h"
#include "tests/test_device.h"
#include "tests/world.h"

namespace temper {
namespace {

// ---- the table -----------------------------------------------------------------------------------------------------

TEST(UpdateRules, AreKnownByNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const UpdateRule& rule : update_rules()) {
    EXPECT_TRUE(names.insert(std::string(rule.name)).second) << rule.name;
    EXPECT_EQ(&update_rule(rule.name), &rule);
    EXPECT_LE(rule.state.size(), kMostStateArrays) << rule.name;
    std::set<std::string_view> arrays;
    for (const StateArray& array : rule.state)
      EXPECT_TRUE(arrays.insert(array.name).second) << rule.name << ": " << array.name;
    EXPECT_FALSE(rule.cost(1000, true).empty()) << rule.name;
  }
  try {
    (void)update_rule("adam");
    FAIL() << "there is no such rule";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    for (const std::string& name : names) EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << name;
  }
}

TEST(UpdateRules, AreWhatTheConfigurationTakesAndReadKeysThatItHas) {
  const auto& keys = configuration_keys();
  const auto key = [&](std::string_view name) {
    return std::find_if(keys.begin(), keys.end(),
                        [&](const ConfigurationKey& one) { return one.section == "train" && one.name == name; });
  };
  EXPECT_EQ(key("optimizer")->choices, update_rule_names());
  for (const UpdateRule& rule : update_rules()) {
    for (const std::string_view name : rule.hyper_parameters) EXPECT_NE(key(name), keys.end()) << name;
    for (const auto& [name, value] : rule.defaults) {
      EXPECT_NE(std::ranges::count(rule.hyper_parameters, name), 0) << rule.name << ": " << name;
      ASSERT_NE(key(name), keys.end()) << name;
      EXPECT_TRUE(key(name)->range.contains(value)) << name;
    }
  }
}

// ---- values --------------------------------------------------------------------------------------------------------

struct RuleCase {
  const char* name;
  UpdateSettings settings;
  std::vector<float> matrix;
  std::vector<float> vector;
  /// Of the first state array of the matrix; empty: not compared.
  std::vector<float> state = {};
};

/// Three steps on a matrix of 3 x 4 and a vector of 3.
class UpdateRuleValues : public testing::TestWithParam<RuleCase> {
 protected:
  static constexpr std::int64_t kRows = 3;
  static constexpr std::int64_t kColumns = 4;

  UpdateRuleValues() {
    float* matrix = values_.data() + layout_.slots()[0].begin;
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < kColumns; ++j) *matrix++ = static_cast<float>((i * 5 + j * 3) % 7 - 3) * 0.25F;
    std::ranges::copy(std::vector<float>{0.5F, -1.0F, 2.0F}, values_.begin() + layout_.slots()[1].begin);
  }
  /// Four times too large, for gradient_scale to undo.
  [[nodiscard]] std::vector<float> gradients(int step) const {
    std::vector<float> gradients(values_.size());
    float* matrix = gradients.data() + layout_.slots()[0].begin;
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < kColumns; ++j)
        *matrix++ = 4.0F * static_cast<float>((i * 7 + j * 4 + step * 5) % 11 - 5) * 0.1F;
    const auto t = static_cast<float>(step);
    std::ranges::copy(std::vector<float>{0.4F * (t + 1.0F), -0.8F, 1.2F - 0.8F * t},
                      gradients.begin() + layout_.slots()[1].begin);
    return gradients;
  }

  ArenaLayout layout_{std::vector<std::int64_t>{kRows * kColumns, 3}};
  std::vector<float> values_ = std::vector<float>(static_cast<std::size_t>(layout_.elements()));
};

void expect_near(std::span<const float> found, const std::vector<float>& expected, float tolerance) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], tolerance * (1.0F + std::abs(expected[i]))) << i;
}

TEST_P(UpdateRuleValues, AreThoseOfTheReference) {
  const auto device = make_test_device();
  const auto solo = make_solo_communicator();
  Optimizer optimizer(*device, *solo, layout_, {{0, layout_.elements()}}, GetParam().settings,
                      {{1.0, true, 0, kRows, kColumns}, {1.0, true, 0}});
  const Tensor parameters = device->upload(std::span<const float>(values_), {layout_.elements()});
  for (int step = 0; step < 3; ++step) {
    const Tensor gradient = device->upload(std::span<const float>(gradients(step)), {layout_.elements()});
    optimizer.step(parameters.data<float>(), gradient.data<float>(), nullptr, 0.05, 0.25);
  }
  const std::vector<float> found = device->download<float>(parameters);
  const auto from = [&](std::size_t slot) {
    return std::span(found).subspan(static_cast<std::size_t>(layout_.slots()[slot].begin));
  };
  expect_near(from(0), GetParam().matrix, 2e-6F);
  expect_near(from(1), GetParam().vector, 2e-6F);
  if (GetParam().state.empty()) return;
  for (const Optimizer::StateSlice& slice : optimizer.state()) {
    if (slice.slot != 0) continue;
    ASSERT_EQ(slice.size, static_cast<std::int64_t>(GetParam().state.size()));
    std::vector<float> state(GetParam().state.size());
    device->download(slice.values, state.data(), state.size() * sizeof(float));
    expect_near(state, GetParam().state, 2e-6F);
    return;
  }
  FAIL() << "the matrix has no state";
}

// Of torch.optim.AdamW and torch.optim.SGD, of Adafactor in transformers with relative_step=False, and of Lion as its
// paper writes it, in f32.
INSTANTIATE_TEST_SUITE_P(
    Rules, UpdateRuleValues,
    testing::Values(
        RuleCase{"adamw",
                 {.rule = "adamw", .weight_decay = 0.1},
                 {-0.660262883F, 0.0161572732F, 0.68013525F, -0.137221619F, 0.468084365F, -0.413994193F, 0.262425989F,
                  -0.797477126F, 0.0502579063F, 0.714353085F, -0.167725459F, 0.508694708F},
                 {0.347118318F, -0.835823596F, 1.8548547F}},
        RuleCase{"sgd",
                 {.rule = "sgd", .weight_decay = 0.1},
                 {-0.686776817F, -0.0144448746F, 0.707112014F, -0.173671976F, 0.49202469F, -0.443759292F, 0.228572592F,
                  -0.750992835F, 0.0134852501F, 0.735042155F, -0.200741842F, 0.471590042F},
                 {0.438629806F, -0.916209638F, 1.89929938F}},
        RuleCase{"lion",
                 {.rule = "lion", .weight_decay = 0.1, .beta2 = 0.99},
                 {-0.68955493F, 0.0497512519F, 0.689054906F, -0.196517482F, 0.442786187F, -0.44328618F, 0.296020001F,
                  -0.78855747F, 0.0497512519F, 0.689054906F, -0.197017476F, 0.542288661F},
                 {0.343286157F, -0.835823596F, 1.92089868F}},
        RuleCase{"adafactor",
                 {.rule = "adafactor", .weight_decay = 0.1, .epsilon = 1e-30},
                 {-0.742575347F, -0.0204254426F, 0.719975591F, -0.129343599F, 0.509334981F, -0.490623742F, 0.230366826F,
                  -0.773651183F, 0.0305782259F, 0.750686526F, -0.244003028F, 0.475317031F},
                 {0.31801191F, -0.83601439F, 1.92574489F},
                 {0.113775864F, 0.0939887241F, 0.0960680023F}},
        RuleCase{"adafactor_scaled",
                 {.rule = "adafactor", .weight_decay = 0.1, .epsilon = 1e-30, .scale_parameter = true},
                 {-0.745256841F, -0.0100817392F, 0.734260082F, -0.188334689F, 0.504224122F, -0.494101405F, 0.240311682F,
                  -0.762606204F, 0.015878845F, 0.749796212F, -0.245830879F, 0.487802237F},
                 {0.271291643F, -0.793160796F, 1.90211499F}},
        RuleCase{"adafactor_clipped",
                 {.rule = "adafactor", .weight_decay = 0.0, .epsilon = 1e-30, .decay_rate = 0.6, .clip_threshold = 0.5},
                 {-0.751135886F, -0.0120134186F, 0.742272258F, -0.192278728F, 0.509396851F, -0.499193966F, 0.241063133F,
                  -0.767119944F, 0.0146125052F, 0.756283879F, -0.248527169F, 0.490626037F},
                 {0.41309756F, -0.922816217F, 1.97780001F}}),
    [](const auto& expected) { return std::string(expected.param.name); });

// ---- slices --------------------------------------------------------------------------------------------------------

class UpdateRuleSlices : public testing::TestWithParam<std::string> {};

/// Ranks that own every so many-th chunk give the bits of one that owns all, also where a chunk holds many rows, parts
/// of one row, and the end of one parameter with the beginning of the next.
TEST_P(UpdateRuleSlices, HaveTheBitsOfTheWhole) {
  const std::vector<SlotSettings> slots{{1.0, true, 0, 170, 301}, {0.5, false, 0}, {1.0, true, 0, 3, 40'000}};
  const ArenaLayout layout(std::vector<std::int64_t>{170 * 301, 20'000, 120'000});
  UpdateSettings settings;
  settings.rule = GetParam();
  settings.epsilon = update_rule(GetParam()).defaults.empty() ? 1e-8 : 1e-20;
  settings.scale_parameter = true;
  const auto device = make_test_device();
  const auto solo = make_solo_communicator();
  Communicator& world = world_communicator();

  std::vector<float> values(static_cast<std::size_t>(layout.elements()));
  for (const ArenaSlot& slot : layout.slots())
    for (std::int64_t i = slot.begin; i < slot.begin + slot.size; ++i)
      values[static_cast<std::size_t>(i)] = static_cast<float>((i * 7919) % 2003 - 1001) * 1e-3F;
  const auto gradients = [&](int step) {
    std::vector<float> made(values.size());
    for (const ArenaSlot& slot : layout.slots())
      for (std::int64_t i = slot.begin; i < slot.begin + slot.size; ++i)
        made[static_cast<std::size_t>(i)] = static_cast<float>((i * 131 + step * 17) % 1009 - 504) * 1e-2F;
    return device->upload(std::span<const float>(made), {layout.elements()});
  };
  const auto train = [&](Communicator& communicator, const std::vector<ElementRange>& owned) {
    Optimizer optimizer(*device, communicator, layout, owned, settings, slots);
    const Tensor parameters = device->upload(std::span<const float>(values), {layout.elements()});
    for (int step = 0; step < 3; ++step)
      optimizer.step(parameters.data<float>(), gradients(step).data<float>(), nullptr, 1e-2, 0.25);
    return device->download<float>(parameters);
  };
  const std::vector<float> expected = train(*solo, {{0, layout.elements()}});
  EXPECT_NE(expected, values);
  std::vector<ElementRange> owned;
  for (std::int64_t chunk = world.rank(); chunk < layout.chunks(); chunk += world.size())
    owned.push_back({chunk * ArenaLayout::kChunk, (chunk + 1) * ArenaLayout::kChunk});
  const std::vector<float> found = train(world, owned);
  for (const ElementRange range : owned)
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(found[at]), std::bit_cast<std::uint32_t>(expected[at])) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Rules, UpdateRuleSlices, testing::ValuesIn(update_rule_names()),
                         [](const auto& rule) { return rule.param; });

}  // namespace
}  // namespace temper
