// Note: all ranks go through the same list of cases, with a barrier before each round, so that "together" means
// together; alone, rank 0 measures while the others wait in the next barrier.
#include "runtime/planning/machine_bench.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory_usage.h"
#include "comm/exchange/gradient_buckets.h"
#include "comm/exchange/parameter_exchange.h"
#include "runtime/environment/node_cores.h"
#include "tensor/row_groups.h"

namespace temper {
namespace {

/// Calls of kernels that belong together, on memory of their own.
using Case = std::function<void()>;

class KernelCases {
 public:
  KernelCases(Device& device, bool quick) : device_(device) {
    const std::vector<std::int64_t> widths =
        quick ? std::vector<std::int64_t>{384} : std::vector<std::int64_t>{384, 768, 1024};
    const std::vector<std::int64_t> rows =
        quick ? std::vector<std::int64_t>{192} : std::vector<std::int64_t>{32, 192, 1024};
    for (const DType type : {DType::f32, DType::bf16}) {
      if (type == DType::bf16 && !device.has_bf16()) continue;
      for (const std::int64_t width : widths)
        for (const std::int64_t n : rows) add_linear(n, width, type);
      add_layer_norm(192, 384, type);
      if (!quick) add_layer_norm(2048, 768, type);
      for (const std::int64_t length : {11, 64, 256})
        add_attention(std::max<std::int64_t>(1, 1024 / length), length, type);
      add_rows(512, 384, type);
    }
    add_arrays(std::int64_t{1} << 16);
    add_arrays(std::int64_t{1} << (quick ? 20 : 23));
  }

  [[nodiscard]] const std::vector<Case>& all() const { return cases_; }

 private:
  Tensor make(std::int64_t rows, std::int64_t columns, DType type = DType::f32) {
    const Tensor tensor = Tensor::empty(device_.memory(), {rows, columns}, type);
    std::vector<float> values(static_cast<std::size_t>(tensor.size()));
    // Neither zeros nor denormal numbers, which some units are faster or slower with.
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.01F * static_cast<float>(i * 29 % 101) - 0.5F;
    const Tensor wide = device_.upload(std::span<const float>(values), {rows, columns});
    device_.kernels().run(calls::Copy{.x = wide.as_rows(), .y = tensor.as_rows()});
    return tensor;
  }
  Tensor counting(std::int64_t n, std::int32_t step, std::int32_t modulus) {
    std::vector<std::int32_t> values(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i) * step % modulus;
    return device_.upload(std::span<const std::int32_t>(values), {n});
  }
  TokenKeys names(std::int64_t n) {
    kept_.push_back(counting(n, 1, 1 << 30));
    const auto* numbers = static_cast<const std::uint32_t*>(kept_.back().bytes());
    return {numbers, numbers};
  }

  /// A linear layer that widens four times, with GELU: forward and backward.
  void add_linear(std::int64_t n, std::int64_t width, DType type) {
    const Tensor x = make(n, width, type);
    const Tensor weight = make(4 * width, width, type);
    const Tensor bias = make(1, 4 * width, type);
    const Tensor z = make(n, 4 * width, type);
    const Tensor y = make(n, 4 * width, type);
    const Tensor dx = make(n, width, type);
    const Tensor d_weight = make(4 * width, width);
    const Tensor d_bias = make(1, 4 * width);
    cases_.push_back([=, &kernels = device_.kernels()] {
      // As a plan sees it, whose device has no pass that does both.
      kernels.run(calls::Matmul{.a = x.as_rows(), .b = weight.as_rows(), .transpose_b = true, .c = z.as_rows()});
      kernels.run(calls::BiasActivationForward{
          .z = z.as_rows(), .bias = bias.as_rows(), .activation = Activation::gelu, .y = y.as_rows()});
      kernels.run(calls::BiasActivationBackward{.dy = y.as_rows(),
                                                .z = z.as_rows(),
                                                .activation = Activation::gelu,
                                                .dz = y.as_rows(),
                                                .d_bias = d_bias.data<float>()});
      kernels.run(calls::LinearWeightGradient{.dz = y.as_rows(),
                                              .x = x.as_rows(),
                                              .d_weight = d_weight.as_rows().as<float>(),
                                              .d_bias = d_bias.data<float>()});
      kernels.run(calls::Matmul{.a = y.as_rows(), .b = weight.as_rows(), .c = dx.as_rows()});
    });
  }

  void add_layer_norm(std::int64_t n, std::int64_t width, DType type) {
    const Tensor x = make(n, width, type);
    const Tensor residual = make(n, width, type);
    const Tensor sum = make(n, width, type);
    const Tensor y = make(n, width, type);
    const Tensor dx = make(n, width, type);
    const Tensor statistics = make(6, std::max(n, width));
    const TokenKeys rows = names(n);
    const Dropout dropout{0.1F, 0, {1, 2}};
    const auto array = [statistics](std::int64_t row) { return statistics.data<float>() + row * statistics.columns(); };
    cases_.push_back([=, &kernels = device_.kernels()] {
      kernels.run(calls::LayerNormForward{.x = x.as_rows(),
                                          .residual = residual.as_rows(),
                                          .names = rows,
                                          .dropout = dropout,
                                          .weight = array(2),
                                          .bias = array(3),
                                          .epsilon = 1e-12F,
                                          .y = y.as_rows(),
                                          .sum = sum.as_rows(),
                                          .mean = array(0),
                                          .rstd = array(1)});
      kernels.run(calls::LayerNormBackward{.dy = residual.as_rows(),
                                           .sum = sum.as_rows(),
                                           .mean = array(0),
                                           .rstd = array(1),
                                           .weight = array(2),
                                           .names = rows,
                                           .dropout = dropout,
                                           .dx = dx.as_rows(),
                                           .d_residual = y.as_rows(),
                                           .d_weight = array(4),
                                           .d_bias = array(5)});
    });
  }

  /// Twelve heads of 32.
  void add_attention(std::int64_t sequences, std::int64_t length, DType type) {
    constexpr std::int64_t kHeads = 12;
    constexpr std::int64_t kWidth = 384;
    const std::int64_t tokens = sequences * length;
    std::vector<Tensor> m;
    for (int i = 0; i < 8; ++i) m.push_back(make(tokens, kWidth, type));
    const Tensor log_sum_exp = make(kHeads, tokens);
    const Tensor starts = counting(sequences + 1, static_cast<std::int32_t>(length), 1 << 30);
    kept_.push_back(counting(sequences, 1, 1 << 30));
    PackedSequences packed{tokens, sequences, starts.data<std::int32_t>(),
                           static_cast<const std::uint32_t*>(kept_.back().bytes()), length};
    const AttentionShape shape = AttentionShape::plain(kHeads, kWidth / kHeads);
    const Dropout dropout{0.1F, 0, {1, 2}};
    cases_.push_back([=, &kernels = device_.kernels()] {
      (void)starts;
      kernels.run(calls::AttentionForward{.q = m[0].as_rows(),
                                          .k = m[1].as_rows(),
                                          .v = m[2].as_rows(),
                                          .sequences = packed,
                                          .shape = shape,
                                          .dropout = dropout,
                                          .out = m[3].as_rows(),
                                          .log_sum_exp = log_sum_exp.data<float>()});
      kernels.run(calls::AttentionBackward{.q = m[0].as_rows(),
                                           .k = m[1].as_rows(),
                                           .v = m[2].as_rows(),
                                           .out = m[3].as_rows(),
                                           .d_out = m[4].as_rows(),
                                           .log_sum_exp = log_sum_exp.data<float>(),
                                           .sequences = packed,
                                           .shape = shape,
                                           .dropout = dropout,
                                           .dq = m[5].as_rows(),
                                           .dk = m[6].as_rows(),
                                           .dv = m[7].as_rows()});
    });
  }

  /// Embeddings and what moves rows about.
  void add_rows(std::int64_t n, std::int64_t width, DType type) {
    constexpr std::int64_t kEntries = 1 << 14;
    const Tensor table = make(kEntries, width);
    const Tensor d_table = make(kEntries, width);
    const Tensor y = make(n, width, type);
    const Tensor other = make(n, width, type);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 613 % kEntries);
    const Tensor indices = device_.upload(std::span<const std::int32_t>(ids), {n});
    const HostRowGroups groups = group_rows(ids);
    const auto to_tensor = [&](const std::vector<std::int32_t>& values) {
      return device_.upload(std::span<const std::int32_t>(values), {static_cast<std::int64_t>(values.size())});
    };
    const GroupedRows grouped{to_tensor(groups.ids), to_tensor(groups.piece_starts), to_tensor(groups.row_starts),
                              to_tensor(groups.order), Tensor()};
    const TokenKeys rows = names(n);
    const Tensor in_rows = counting(n, 1, 1 << 30);
    cases_.push_back([=, &kernels = device_.kernels()] {
      const std::int32_t* at = indices.data<std::int32_t>();
      kernels.run(calls::EmbeddingSumForward{.words = table.data<float>(),
                                             .ids = at,
                                             .positions = table.data<float>(),
                                             .position_ids = at,
                                             .types = table.data<float>(),
                                             .type_ids = at,
                                             .y = y.as_rows()});
      kernels.run(
          calls::EmbeddingBackward{.dy = y.as_rows(), .groups = grouped.groups(), .d_table = d_table.data<float>()});
      kernels.run(calls::GatherRows{.x = y.as_rows(), .rows = in_rows.data<std::int32_t>(), .y = other.as_rows()});
      kernels.run(
          calls::ScatterAddRows{.dy = y.as_rows(), .rows = in_rows.data<std::int32_t>(), .dx = other.as_rows()});
      kernels.run(
          calls::ApplyDropout{.x = y.as_rows(), .names = rows, .dropout = {0.1F, 0, {1, 2}}, .y = other.as_rows()});
    });
  }

  /// Passes over memory of n elements.
  void add_arrays(std::int64_t n) {
    std::vector<Tensor> a;
    for (int i = 0; i < 4; ++i) a.push_back(make(1, n));
    const std::int64_t chunks = n / ArenaLayout::kChunk;
    const Tensor sums = Tensor::empty(device_.memory(), {chunks}, DType::f64);
    cases_.push_back([=, &kernels = device_.kernels()] {
      AdamWStep step;
      step.learning_rate = 1e-6F;
      kernels.run(calls::AdamW{.parameters = a[0].data<float>(),
                               .gradients = a[1].data<float>(),
                               .first_moments = a[2].data<float>(),
                               .second_moments = a[3].data<float>(),
                               .n = n,
                               .step = step});
      kernels.run(calls::ChunkSquareSums{
          .x = a[1].data<float>(), .chunk = ArenaLayout::kChunk, .chunks = chunks, .sums = sums.data<double>()});
      kernels.run(calls::Copy{.x = a[1].as_rows(), .y = a[2].as_rows()});
      kernels.run(calls::Add{.a = a[1].data<float>(), .b = a[0].data<float>(), .out = a[2].data<float>(), .n = n});
      kernels.run(calls::Clear{.data = a[3].bytes(), .bytes = n * static_cast<std::int64_t>(sizeof(float))});
      kernels.run(calls::Clear{.data = a[2].bytes(), .bytes = n * static_cast<std::int64_t>(sizeof(float))});
    });
  }

  Device& device_;
  std::vector<Tensor> kept_;
  std::vector<Case> cases_;
};

/// How much of the time that is measured this thread, which computes or waits for those that do, had a processor. On a
/// machine that others use even the best of the rounds is too slow, and nothing else tells.
class ProcessorShare {
 public:
  void begin() {
    start_ = Clock::now();
    processor_start_ = processor_seconds();
  }
  void end() {
    seconds_ += seconds_since(start_);
    processor_seconds_ += processor_seconds() - processor_start_;
  }
  [[nodiscard]] double share() const { return seconds_ > 0.0 ? std::min(processor_seconds_ / seconds_, 1.0) : 1.0; }

 private:
  static double processor_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  Clock::time_point start_;
  double processor_start_ = 0.0;
  double seconds_ = 0.0;
  double processor_seconds_ = 0.0;
};

/// The calls of a case: the best of the rounds. Each is short, so that on a machine that others use some of them are
/// hardly disturbed; a median there would say how busy the others were.
std::vector<MeasuredCall> measure_case(Device& device, const Case& work, int rounds, double seconds,
                                       ProcessorShare& share, const std::function<void()>& before_round) {
  std::map<std::string, MeasuredCall> best;  // in the order of their names, which is the same on all ranks
  work();                                    // the first call loads and chooses
  for (int round = 0; round < rounds; ++round) {
    before_round();
    device.forget_kernel_times();
    const Clock::time_point start = Clock::now();
    share.begin();
    do work();
    while (seconds_since(start) < seconds);
    share.end();
    for (const KernelTime& time : device.kernel_times()) {
      if (time.work.bytes <= 0.0) continue;
      const auto calls = static_cast<double>(time.calls);
      const KernelWork of_one{time.work.operations / calls, time.work.bytes / calls, time.work.bf16};
      const auto [known, is_new] = best.emplace(
          std::string(time.kernel.name), MeasuredCall{std::string(time.kernel.name), of_one, time.seconds / calls});
      if (!is_new) known->second.seconds = std::min(known->second.seconds, time.seconds / calls);
    }
  }
  std::vector<MeasuredCall> calls;
  for (auto& [name, call] : best) calls.push_back(std::move(call));
  return calls;
}

/// Operations a second of multiply-adds in registers, f32 and bf16; 0: the device does not know how, or has no bf16.
using Peaks = std::array<double, 2>;

Peaks measure_peaks(Device& device, int rounds, const std::function<void()>& before_round) {
  constexpr int kCalls = 10;  // the first wake the units up
  Peaks best{};
  for (int round = 0; round < rounds; ++round) {
    before_round();
    for (const DType type : {DType::f32, DType::bf16}) {
      if (type == DType::bf16 && !device.has_bf16()) continue;
      double& peak = best[type == DType::bf16 ? 1 : 0];
      for (int call = 0; call < kCalls; ++call) {
        const Clock::time_point start = Clock::now();
        const double operations = device.run_multiply_adds(type);
        if (operations > 0.0) peak = std::max(peak, operations / seconds_since(start));
      }
    }
  }
  return best;
}

RankRates rates_from(std::vector<MeasuredCall> calls, const Peaks& peaks) {
  RankRates rates;
  rates.operations = peaks[0];
  rates.bf16_operations = peaks[1];
  for (const MeasuredCall& call : calls) {
    double& peak = call.work.bf16 ? rates.bf16_operations : rates.operations;
    const bool known = peaks[call.work.bf16 ? 1 : 0] > 0.0;
    if (!known && call.work.operations > 0.0) peak = std::max(peak, call.work.operations / call.seconds);
    // Of the largest copy, which no cache holds.
    if (call.kernel == calls::Copy::kKernel.name) rates.memory_bytes = call.work.bytes / call.seconds;
  }
  rates.calls = std::move(calls);
  return rates;
}

/// A step of the trainer without its computing: one grain a rank.
TransferRate measure_exchange(Device& device, Communicator& communicator, bool share_memory, bool quick) {
  const auto seconds_of = [&](std::int64_t elements, int repeats) {
    const ArenaLayout layout(std::vector<std::int64_t>{elements});
    const RankLinks links{.share_memory = share_memory};
    const BucketPlan plan = plan_buckets(layout, communicator.size(), route_of(communicator, device, links));
    GradientBuckets buckets(communicator, device, layout, plan, communicator.size(), {.links = links});
    const auto parameters =
        make_parameter_exchange(communicator, device, {.layout = layout, .plan = plan, .links = links});
    std::vector<double> seconds;
    for (int i = 0; i < repeats + 1; ++i) {
      communicator.barrier();
      const Clock::time_point start = Clock::now();
      buckets.begin_step();
      (void)buckets.begin_grain();
      buckets.complete(0);
      buckets.end_grain();
      buckets.finish();
      parameters->share(SharedRows::all);
      device.synchronize();
      if (i > 0) seconds.push_back(seconds_since(start));
    }
    std::sort(seconds.begin(), seconds.end());
    std::vector<double> middle{seconds[seconds.size() / 2]};
    communicator.all_reduce(std::span(middle), Reduction::max);
    return middle.front();
  };
  const std::int64_t small = ArenaLayout::kChunk * communicator.size();
  const std::int64_t large = std::int64_t{1} << (quick ? 20 : 23);
  const double latency = seconds_of(small, quick ? 5 : 21);
  const double whole = seconds_of(std::max(large, 2 * small), quick ? 3 : 7);
  const auto bytes = static_cast<double>(4 * (std::max(large, 2 * small) - small));
  return {latency, bytes / std::max(whole - latency, 1e-9)};
}

TransferRate measure_all_reduce(Communicator& communicator) {
  const auto seconds_of = [&](std::size_t n) {
    constexpr int kCalls = 20;
    std::vector<std::int64_t> values(n);
    std::vector<double> best{1e9};
    for (int round = 0; round < 3; ++round) {
      communicator.barrier();
      const Clock::time_point start = Clock::now();
      for (int call = 0; call < kCalls; ++call) communicator.all_reduce(std::span(values), Reduction::sum);
      best.front() = std::min(best.front(), seconds_since(start) / kCalls);
    }
    communicator.all_reduce(std::span(best), Reduction::max);
    return best.front();
  };
  constexpr std::size_t kSmall = 16;
  constexpr std::size_t kLarge = 4096;
  const double latency = seconds_of(kSmall);
  const double whole = seconds_of(kLarge);
  return {latency, static_cast<double>((kLarge - kSmall) * sizeof(std::int64_t)) / std::max(whole - latency, 1e-9)};
}

/// Bytes a second, to the disk and not only to the system's cache.
double measure_disk(const std::filesystem::path& folder, bool quick) {
  const std::filesystem::path file = folder / (".temper-bench-" + std::to_string(::getpid()));
  const std::vector<char> block(std::size_t{4} << 20, 'x');
  const int blocks = quick ? 2 : 16;
  const Clock::time_point start = Clock::now();
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (descriptor < 0)
    throw Error("{}: nothing can be written there: {}; choose another folder", folder.string(), std::strerror(errno));
  bool good = true;
  for (int i = 0; i < blocks && good; ++i)
    good = ::write(descriptor, block.data(), block.size()) == static_cast<ssize_t>(block.size());
  good = good && ::fsync(descriptor) == 0;
  const double seconds = seconds_since(start);
  const int error = errno;
  ::close(descriptor);
  std::filesystem::remove(file);
  if (!good) throw Error("{}: writing {} MiB failed: {}", folder.string(), 4 * blocks, std::strerror(error));
  return static_cast<double>(blocks) * static_cast<double>(block.size()) / seconds;
}

}  // namespace

MachineProfile measure_machine(Device& device, Communicator& communicator, const MachineBenchOptions& options) {
  MachineProfile profile;
  profile.ranks = communicator.size();
  profile.nodes = communicator.topology().nodes;
  profile.device = device.name();
  profile.instruction_set = device.instruction_set();
  profile.start_seconds = options.process_seconds;
  profile.threads = default_threads(communicator);
  std::vector<std::int64_t> resident{memory_usage().resident};
  communicator.all_reduce(std::span(resident), Reduction::max);
  profile.resident_bytes = resident[0];
  set_cpu_threads(profile.threads);

  // Before kernels are timed, so that the exchange does not wait for each of its own.
  const bool several = communicator.size() > 1;
  if (several) {
    profile.all_reduce = measure_all_reduce(communicator);
    const bool one_node = profile.nodes == 1;
    const bool through_host = device.shares_host_memory();
    if (one_node) profile.exchange = measure_exchange(device, communicator, true, options.quick);
    if (through_host) profile.message_exchange = measure_exchange(device, communicator, false, options.quick);
  }
  device.time_kernels();
  const int rounds = options.quick ? 1 : 7;
  constexpr double kSeconds = 0.01;
  std::vector<MeasuredCall> together;
  std::vector<MeasuredCall> alone;
  Peaks peaks_together = measure_peaks(device, rounds, [&] { communicator.barrier(); });
  Peaks peaks_alone = peaks_together;
  communicator.barrier();
  if (several && communicator.rank() == 0) peaks_alone = measure_peaks(device, rounds, [] {});
  communicator.all_reduce(std::span(peaks_together), Reduction::min);
  ProcessorShare share;
  {
    const KernelCases cases(device, options.quick);
    for (const Case& work : cases.all()) {
      const auto calls = measure_case(device, work, rounds, kSeconds, share, [&] { communicator.barrier(); });
      together.insert(together.end(), calls.begin(), calls.end());
    }
    communicator.barrier();
    if (several && communicator.rank() == 0)
      for (const Case& work : cases.all()) {
        const auto calls = measure_case(device, work, rounds, kSeconds, share, [] {});
        alone.insert(alone.end(), calls.begin(), calls.end());
      }
  }
  communicator.barrier();
  const auto slowest = [&](std::vector<MeasuredCall>& calls) {
    std::vector<double> times;
    for (const MeasuredCall& call : calls) times.push_back(call.seconds);
    communicator.all_reduce(std::span(times), Reduction::max);
    for (std::size_t i = 0; i < calls.size(); ++i) calls[i].seconds = times[i];
  };
  slowest(together);
  // The host of a GPU waits more than it computes.
  std::vector<double> shares{device.shares_host_memory() ? share.share() : 1.0};
  communicator.all_reduce(std::span(shares), Reduction::min);
  profile.processor_share = shares.front();
  if (alone.empty()) alone = together;
  profile.alone = rates_from(alone, peaks_alone);
  profile.together = rates_from(together, peaks_together);
  if (!options.folder.empty() && communicator.rank() == 0)
    profile.disk_bytes_per_second = measure_disk(options.folder, options.quick);
  communicator.barrier();
  return profile;
}

}  // namespace temper
