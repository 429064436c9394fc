#include "runtime/planning/machine_profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "runtime/planning/machine_bench.h"
#include "tensor/kernels.h"
#include "tests/world.h"

namespace temper {
namespace {

MachineProfile example() {
  MachineProfile profile;
  profile.ranks = 2;
  profile.threads = 3;
  profile.device = "cpu";
  profile.instruction_set = "AVX2";
  profile.alone = {2e11, 5e11, 1e10, {{"matmul", {1e6, 1e4, false}, 1e-5}, {"matmul", {1e8, 1e6, false}, 5e-4}}};
  profile.together = {1e11, 0.0, 5e9, {{"copy", {0.0, 1e6, false}, 1e-4}}};
  profile.all_reduce = {1e-5, 1e8};
  profile.exchange = {2e-5, 1e9};
  profile.disk_bytes_per_second = 3e8;
  profile.start_seconds = 0.25;
  profile.resident_bytes = 1 << 26;
  return profile;
}

/// The sentence with which a text is refused.
std::string profile_refusal(const std::string& json) {
  try {
    parse_machine_profile(json, "machine.json");
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "not refused: " << json;
  return "";
}

TEST(MachineProfile, ReadsWhatItWrites) {
  const std::string text = to_json(example());
  const MachineProfile read = parse_machine_profile(text, "machine.json");
  EXPECT_EQ(to_json(read), text);
  EXPECT_EQ(read.alone.calls[1].seconds, 5e-4);
  EXPECT_EQ(read.threads, 3);
  EXPECT_FALSE(read.message_exchange.measured());
}

TEST(MachineProfile, SaysWhereTheMachineWasBusy) {
  MachineProfile profile = example();
  EXPECT_EQ(busy_note(profile), "");
  profile.processor_share = 0.93;
  EXPECT_EQ(busy_note(profile), "");
  profile.processor_share = 0.4;
  EXPECT_NE(busy_note(profile).find("other programs had the processor for 60 % of the time"), std::string::npos)
      << busy_note(profile);
  EXPECT_EQ(parse_machine_profile(to_json(profile), "machine.json").processor_share, 0.4);
  std::string former = to_json(example());
  const std::size_t place = former.find(" \"processor_share\"");
  former.erase(place, former.find('\n', place) + 1 - place);
  EXPECT_EQ(parse_machine_profile(former, "machine.json").processor_share, 1.0);
}

TEST(MachineProfile, OperationsGoWithTheThreads) {
  const RankRates one = with_threads(example(), /*several_ranks=*/false, 1);
  EXPECT_DOUBLE_EQ(one.operations, 2e11 / 3.0);
  EXPECT_DOUBLE_EQ(one.bf16_operations, 5e11 / 3.0);
  EXPECT_DOUBLE_EQ(one.memory_bytes, 1e10);
  EXPECT_DOUBLE_EQ(with_threads(example(), /*several_ranks=*/true, 6).operations, 2e11);
}

TEST(MachineProfile, RefusesWhatIsNotWholeAndSaysWhatToDo) {
  const std::string text = to_json(example());
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, text.size() / 2, text.size() - 3}) {
    const std::string sentence = profile_refusal(text.substr(0, length));
    EXPECT_NE(sentence.find("machine.json"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("temper bench machine"), std::string::npos) << sentence;
  }
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string other = text;
    other.replace(other.find(from), from.size(), to);
    return profile_refusal(other);
  };
  EXPECT_NE(replaced("\"version\": 2", "\"version\": 1").find("version is 1"), std::string::npos);
  EXPECT_NE(replaced("\"start_seconds\": 0.25", "\"start_seconds\": -1").find("start_seconds"), std::string::npos);
  EXPECT_NE(replaced("\"exchange\"", "\"exchanges\"").find("exchange"), std::string::npos);
}

TEST(MachineProfile, AFileThatIsNotThereIsNamed) {
  try {
    read_machine_profile("/nowhere/machine.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/machine.json"), std::string::npos) << error.what();
  }
}

TEST(MachineProfile, LiesWhereTheEnvironmentSays) {
  const auto set = [](const char* name, const char* value) {
    if (value == nullptr) {
      unsetenv(name);
    } else {
      setenv(name, value, 1);
    }
  };
  const char* home = std::getenv("HOME");
  const std::string kept = home == nullptr ? "" : home;
  set("HOME", "/home/somebody");
  set("XDG_CONFIG_HOME", nullptr);
  set("TEMPER_MACHINE_PROFILE", nullptr);
  EXPECT_EQ(default_machine_profile_path(), "/home/somebody/.config/temper/machine.json");
  set("XDG_CONFIG_HOME", "/elsewhere");
  EXPECT_EQ(default_machine_profile_path(), "/elsewhere/temper/machine.json");
  set("TEMPER_MACHINE_PROFILE", "/exactly/here.json");
  EXPECT_EQ(default_machine_profile_path(), "/exactly/here.json");
  EXPECT_FALSE(find_machine_profile().has_value());
  set("XDG_CONFIG_HOME", nullptr);
  set("TEMPER_MACHINE_PROFILE", nullptr);
  set("HOME", home == nullptr ? nullptr : kept.c_str());
}

TEST(MachineProfile, ACallTakesWhatItsSizeTook) {
  const RankRates rates = example().alone;
  EXPECT_DOUBLE_EQ(call_seconds(rates, calls::Matmul::kKernel, {1e6, 1e4, false}), 1e-5);
  EXPECT_DOUBLE_EQ(call_seconds(rates, calls::Matmul::kKernel, {1e8, 1e6, false}), 5e-4);
  // 1e11 operations a second at 1e6, 2e11 at 1e8: the mean of both, in logarithms, at 1e7.
  EXPECT_NEAR(call_seconds(rates, calls::Matmul::kKernel, {1e7, 1e5, false}), 1e7 / (1e11 * std::sqrt(2.0)), 1e-9);
  EXPECT_DOUBLE_EQ(call_seconds(rates, calls::Matmul::kKernel, {1e4, 1e3, false}), 1e-7)
      << "below the smallest, its rate";
  EXPECT_DOUBLE_EQ(call_seconds(rates, calls::Add::kKernel, {1e6, 1e7, false}), 1e-3)
      << "not measured: at the rate of memory";
  EXPECT_DOUBLE_EQ(call_seconds(rates, calls::Matmul::kKernel, {1e9, 1e6, true}), 2e-3)
      << "of another type: at its peak";
  EXPECT_EQ(call_seconds(rates, calls::Matmul::kKernel, {}), 0.0);
}

TEST(MachineProfile, TheRoofIsOperationsOrBytes) {
  const RankRates rates = example().alone;
  EXPECT_DOUBLE_EQ(roof_seconds(rates, {2e11, 1.0, false}), 1.0);
  EXPECT_DOUBLE_EQ(roof_seconds(rates, {2e11, 1.0, true}), 0.4);
  EXPECT_DOUBLE_EQ(roof_seconds(rates, {1.0, 1e10, false}), 1.0);
}

TEST(MachineBench, MeasuresEveryKernelOfAStep) {
  const auto device = make_cpu_device();
  Communicator& world = world_communicator();
  const MachineProfile profile =
      measure_machine(*device, world, {.quick = true, .folder = "/tmp", .process_seconds = 1});
  EXPECT_EQ(profile.ranks, world.size());
  for (const char* kernel :
       {"matmul", "bias_activation_forward", "bias_activation_backward", "layer_norm_forward", "layer_norm_backward",
        "attention_forward", "attention_backward", "embedding_sum_forward", "embedding_backward", "gather_rows",
        "scatter_add_rows", "dropout", "adamw_step", "chunk_square_sums", "copy", "add", "clear"}) {
    const auto has = [&](const RankRates& rates) {
      return std::any_of(rates.calls.begin(), rates.calls.end(),
                         [&](const auto& call) { return call.kernel == kernel; });
    };
    EXPECT_TRUE(has(profile.alone) || world.rank() != 0) << kernel;
    EXPECT_TRUE(has(profile.together)) << kernel;
  }
  EXPECT_EQ(profile.exchange.measured(), world.size() > 1);
  EXPECT_EQ(profile.all_reduce.measured(), world.size() > 1);
  EXPECT_GT(profile.resident_bytes, 0);
  EXPECT_EQ(profile.instruction_set, device->instruction_set());
  for (const RankRates* rates : {&profile.alone, &profile.together}) {
    EXPECT_GT(rates->operations, 1e6) << "a rate, however busy the machine is";
    EXPECT_EQ(rates->bf16_operations > 0.0, device->has_bf16());
  }
  if (world.rank() == 0) {
    EXPECT_GT(profile.disk_bytes_per_second, 0.0);
    EXPECT_EQ(to_json(parse_machine_profile(to_json(profile), "it")), to_json(profile));
  }
}

}  // namespace
}  // namespace temper
