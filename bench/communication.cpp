// How fast gradients become their sum over all ranks, beside what MPI and plain memory do. Run it under mpirun:
//
//     mpirun -n 2 build/bench/bench/communication_bench
//
// Note: every figure is bytes of gradient per second, not bytes moved. An all-reduce over two ranks that runs at the
// rate of the plain copy has therefore moved more than the copy has.
#include <fmt/format.h>
#include <mpi.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "comm/exact_sum.h"
#include "comm/exchange/gradient_buckets.h"
#include "comm/exchange/parameter_exchange.h"
#include "comm/mpi_session.h"
#include "runtime/steps/optimizer.h"
#include "tensor/device.h"

namespace temper {
namespace {

constexpr std::int64_t kMiniLmParameters = 22'713'216;  // of all-MiniLM-L6-v2: a full fine-tune without its head
constexpr std::int64_t kBytesARound = std::int64_t{8} << 20;
constexpr std::int64_t kMostCallsARound = 256;
constexpr const char* kAlone = "one rank has nobody to talk to; start it as mpirun -n 2 communication_bench";

void check(int status, const char* call) {
  if (status != MPI_SUCCESS) throw Error("{} failed", call);
}

/// The gradient of a rank: small whole numbers, whose sums are exact in any order.
float gradient_of(int rank, std::int64_t element) { return static_cast<float>((element + rank) % 128); }

float sum_of_ranks(int ranks, std::int64_t element) {
  float sum = 0.0F;
  for (int rank = 0; rank < ranks; ++rank) sum += gradient_of(rank, element);
  return sum;
}

std::vector<float> gradients(int rank, std::int64_t elements) {
  std::vector<float> values(static_cast<std::size_t>(elements));
  for (std::int64_t i = 0; i < elements; ++i) values[static_cast<std::size_t>(i)] = gradient_of(rank, i);
  return values;
}

/// Throws unless `values` are elements [range.begin, range.end) of the sum over ranks.
void require_sum(const char* what, int ranks, ElementRange range, const float* values) {
  for (std::int64_t i = range.begin; i < range.end; ++i)
    if (const float found = values[i - range.begin]; found != sum_of_ranks(ranks, i))
      throw Error("{}: element {} of the sum is {}, expected {}", what, i, found, sum_of_ranks(ranks, i));
}

class Stopwatch {
 public:
  Stopwatch(Communicator& communicator, int repeats) : communicator_(communicator), repeats_(repeats) {}

  /// Bytes of gradient per second: the median over rounds of what the slowest rank needed for a call.
  double rate(std::int64_t bytes, const std::function<void()>& call) const {
    // Small calls are timed many at once: the barrier before a round lets go of ranks a little apart.
    const std::int64_t calls = std::clamp<std::int64_t>(kBytesARound / bytes, 1, kMostCallsARound);
    std::vector<double> seconds;
    for (int round = 0; round < repeats_; ++round) {
      communicator_.barrier();
      const double start = MPI_Wtime();
      for (std::int64_t i = 0; i < calls; ++i) call();
      seconds.push_back((MPI_Wtime() - start) / static_cast<double>(calls));
    }
    communicator_.all_reduce(std::span(seconds), Reduction::max);
    const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    return static_cast<double>(bytes) / *middle;
  }

 private:
  Communicator& communicator_;
  int repeats_;
};

/// A step of the trainer without its computing: one grain a rank, whose gradient is a single parameter's.
class StepExchange {
 public:
  StepExchange(Communicator& communicator, Device& device, std::int64_t elements, bool share_memory)
      : communicator_(communicator),
        layout_(std::vector<std::int64_t>{elements}),
        plan_(plan_buckets(layout_, communicator.size(), Route::host)),
        buckets_(communicator, device, layout_, plan_, communicator.size(), {.links = {share_memory}}),
        parameters_(make_parameter_exchange(communicator, device,
                                            {.layout = layout_, .plan = plan_, .links = {share_memory}})) {
    buckets_.begin_step();
    float* mine = buckets_.begin_grain();
    for (std::int64_t i = 0; i < elements; ++i) mine[i] = gradient_of(communicator.rank(), i);
    close();
    for (const ElementRange range : plan_.owned_by(communicator.rank()))
      require_sum("gradient buckets", communicator.size(), {range.begin, std::min(range.end, elements)},
                  buckets_.reduced() + range.begin);
    parameters_->share(SharedRows::all);
    // What is timed adds zeros, so that sums which are added to again do not grow.
    std::fill_n(mine, elements, 0.0F);
    communicator.barrier();
  }

  void sum() {
    buckets_.begin_step();
    (void)buckets_.begin_grain();
    close();
    // As in the trainer, where all ranks agree on the norm before a gradient is written again.
    communicator_.barrier();
  }
  void sum_and_share() {
    sum();
    parameters_->share(SharedRows::all);
  }

 private:
  void close() {
    buckets_.complete(0);
    buckets_.end_grain();
    buckets_.finish();
  }

  Communicator& communicator_;
  ArenaLayout layout_;
  BucketPlan plan_;
  GradientBuckets buckets_;
  std::unique_ptr<ParameterExchange> parameters_;
};

constexpr std::int64_t kTokenRows = 30'522;
constexpr std::int64_t kTokenWidth = 384;

/// So many rows of the token table, spread evenly.
RowSet some_rows(std::int64_t count) {
  RowSet rows(kTokenRows);
  for (std::int64_t i = 0; i < count; ++i) rows.insert(i * kTokenRows / count);
  return rows;
}

/// What a trainer does between the last gradient and the next forward pass: gradients become their sum, the norm is
/// agreed on, AdamW updates. Each rank sums, squares and updates its own slices.
class ShardedUpdate {
 public:
  ShardedUpdate(Communicator& communicator, Device& device, bool compute_copy, bool sparse)
      : communicator_(communicator),
        layout_(std::vector<std::int64_t>{kMiniLmParameters - kTokenRows * kTokenWidth, kTokenRows * kTokenWidth}),
        table_(sparse ? std::optional(SparseTable{1, kTokenWidth, some_rows(4000)}) : std::nullopt),
        plan_(plan_buckets(layout_, communicator.size(), Route::host)),
        buckets_(communicator, device, layout_, plan_, communicator.size(), {.table = table_}),
        parameters_(make_parameter_exchange(
            communicator, device, {.layout = layout_, .plan = plan_, .compute_copy = compute_copy, .table = table_})),
        optimizer_(device, communicator, layout_, plan_.owned_by(communicator.rank()), {}, {{}, {}}, table_),
        squares_(static_cast<std::size_t>(layout_.chunks())) {}

  void step() {
    if (table_) {
      buckets_.begin_step(rows_);
    } else {
      buckets_.begin_step();
    }
    (void)buckets_.begin_grain();
    for (const std::int64_t slot : {0, 1}) buckets_.complete(slot);
    buckets_.end_grain();
    buckets_.finish();
    buckets_.square_sums(squares_.data());
    constexpr std::int64_t kChunk = ArenaLayout::kChunk;
    ExactSum norm;
    for (const ElementRange range : plan_.owned_by(communicator_.rank()))
      for (std::int64_t c = range.begin / kChunk; c < range.end / kChunk; ++c)
        norm.add(squares_[static_cast<std::size_t>(c)]);
    ExactSum::Words words = norm.words();
    communicator_.all_reduce(std::span<std::int64_t>(words), Reduction::sum);
    optimizer_.step(parameters_->parameters(), buckets_.reduced(), parameters_->compute_copy(), 1e-5, 1.0);
    parameters_->share(SharedRows::trained);
  }

 private:
  Communicator& communicator_;
  ArenaLayout layout_;
  std::optional<SparseTable> table_;
  BucketPlan plan_;
  GradientBuckets buckets_;
  std::unique_ptr<ParameterExchange> parameters_;
  Optimizer optimizer_;
  RowSet rows_ = some_rows(150);
  std::vector<double> squares_;
};

/// The same as data-parallel programs do it that keep a copy of everything: MPI_Allreduce, then every rank squares and
/// updates all.
class ReplicatedUpdate {
 public:
  ReplicatedUpdate(Device& device, bool compute_copy)
      : kernels_(device.kernels()), rounded_(compute_copy ? parameters_.size() : 0) {}

  void step() {
    const auto elements = static_cast<std::int64_t>(gradients_.size());
    check(
        MPI_Allreduce(MPI_IN_PLACE, gradients_.data(), static_cast<int>(elements), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD),
        "MPI_Allreduce");
    double squares = 0.0;
    kernels_.run(calls::ChunkSquareSums{.x = gradients_.data(), .chunk = elements, .chunks = 1, .sums = &squares});
    kernels_.run(calls::AdamW{.parameters = parameters_.data(),
                              .gradients = gradients_.data(),
                              .first_moments = first_.data(),
                              .second_moments = second_.data(),
                              .compute_copy = rounded_.empty() ? nullptr : rounded_.data(),
                              .n = elements,
                              .step = {.learning_rate = 1e-5F}});
  }

 private:
  Kernels& kernels_;
  std::vector<float> parameters_ = std::vector<float>(kMiniLmParameters, 1.0F);
  std::vector<float> gradients_ = std::vector<float>(kMiniLmParameters);
  std::vector<float> first_ = gradients_;
  std::vector<float> second_ = gradients_;
  std::vector<BFloat16> rounded_;
};

void compare_updates(const Stopwatch& watch, Communicator& communicator, Device& device, bool speaks) {
  if (speaks)
    fmt::print(
        "\nSum, norm and AdamW of {:.1f} M parameters, ms\n\n| bf16 copy | MPI_Allreduce, all of it | own slices | "
        "ratio | own slices, rows that occur | ratio |\n|---|---:|---:|---:|---:|---:|\n",
        1e-6 * kMiniLmParameters);
  const auto milliseconds = [&](auto& update) {
    update.step();
    return 1e3 * 4 * kMiniLmParameters / watch.rate(4 * kMiniLmParameters, [&] { update.step(); });
  };
  for (const bool compute_copy : {false, true}) {
    ReplicatedUpdate replicated(device, compute_copy);
    ShardedUpdate dense(communicator, device, compute_copy, false);
    ShardedUpdate sparse(communicator, device, compute_copy, true);
    const double theirs = milliseconds(replicated);
    const double ours = milliseconds(dense);
    const double rows = milliseconds(sparse);
    if (speaks)
      fmt::print("| {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} |\n", compute_copy ? "yes" : "no", theirs, ours,
                 theirs / ours, rows, theirs / rows);
  }
}

struct Rates {
  double copy = 0.0;
  double mpi_all_reduce = 0.0;
  double window_sum = 0.0;
  double window_step = 0.0;
  double message_sum = 0.0;
  double message_step = 0.0;
  double all_reduce = 0.0;
  double reduce_scatter = 0.0;
  double all_gather = 0.0;
};

double plain_copy(const Stopwatch& watch, std::int64_t elements) {
  const std::vector<float> from(static_cast<std::size_t>(elements), 1.0F);
  std::vector<float> to(from.size());
  const std::size_t bytes = from.size() * sizeof(float);
  // The compiler must not see that nobody reads the copies.
  void* (*volatile copy)(void*, const void*, std::size_t) = std::memcpy;
  return watch.rate(static_cast<std::int64_t>(bytes), [&] { copy(to.data(), from.data(), bytes); });
}

double mpi_all_reduce(const Stopwatch& watch, const Communicator& communicator, std::int64_t elements) {
  std::vector<float> values = gradients(communicator.rank(), elements);
  const auto reduce = [&] {
    check(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(elements), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD),
          "MPI_Allreduce");
  };
  reduce();
  require_sum("MPI_Allreduce", communicator.size(), {0, elements}, values.data());
  std::fill(values.begin(), values.end(), 0.0F);
  return watch.rate(elements * 4, reduce);
}

void measure_exchange(const Stopwatch& watch, Communicator& communicator, Device& device, std::int64_t elements,
                      bool share_memory, double& sum, double& step) {
  StepExchange exchange(communicator, device, elements, share_memory);
  sum = watch.rate(elements * 4, [&] { exchange.sum(); });
  step = watch.rate(elements * 4, [&] { exchange.sum_and_share(); });
}

void measure_collectives(const Stopwatch& watch, Communicator& communicator, std::int64_t elements, Rates& rates) {
  const int ranks = communicator.size();
  std::vector<float> values = gradients(communicator.rank(), elements);
  const std::int64_t share = elements / ranks;
  std::vector<std::int64_t> starts;
  for (int rank = 0; rank <= ranks; ++rank) starts.push_back(share * rank);
  std::vector<float> mine(static_cast<std::size_t>(share));
  const std::span all(values.data(), mine.size() * static_cast<std::size_t>(ranks));

  const auto scatter = [&] { communicator.reduce_scatter(all, starts, mine); };
  scatter();
  const std::int64_t first = starts[static_cast<std::size_t>(communicator.rank())];
  require_sum("reduce-scatter", ranks, {first, first + share}, mine.data());
  rates.reduce_scatter = watch.rate(elements * 4, scatter);

  const auto gather = [&] { communicator.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(all)); };
  gather();
  require_sum("all-gather", ranks, {0, share * ranks}, values.data());
  rates.all_gather = watch.rate(elements * 4, gather);

  values = gradients(communicator.rank(), elements);
  communicator.all_reduce(std::span(values), Reduction::sum);
  require_sum("all-reduce", ranks, {0, elements}, values.data());
  std::fill(values.begin(), values.end(), 0.0F);
  rates.all_reduce = watch.rate(elements * 4, [&] { communicator.all_reduce(std::span(values), Reduction::sum); });
}

std::string size_text(std::int64_t bytes) {
  if (bytes % (1 << 20) == 0) return fmt::format("{} MiB", bytes >> 20);
  return bytes < (1 << 20) ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{:.1f} MB", 1e-6 * bytes);
}

void print(std::int64_t bytes, const Rates& rates, bool one_node) {
  const auto text = [](double rate) { return fmt::format("{:.2f}", 1e-9 * rate); };
  fmt::print("| {:>8} | {:>6} | {:>13} | {:>11} | {:>12} | {:>12} | {:>13} | {:>10} | {:>14} | {:>10} |\n",
             size_text(bytes), text(rates.copy), text(rates.mpi_all_reduce), one_node ? text(rates.window_sum) : "-",
             one_node ? text(rates.window_step) : "-", text(rates.message_sum), text(rates.message_step),
             text(rates.all_reduce), text(rates.reduce_scatter), text(rates.all_gather));
  std::fflush(stdout);
}

void run(Communicator& communicator, int repeats) {
  if (communicator.size() == 1) throw usage_error("{}", kAlone);
  set_cpu_threads(1);
  const std::unique_ptr<Device> device = make_cpu_device();
  const Stopwatch watch(communicator, repeats);
  const bool speaks = communicator.rank() == 0;
  const bool one_node = communicator.topology().nodes == 1;
  if (speaks) {
    fmt::print("{} ranks on {} node{}, GB of gradient per second, median of {}\n\n", communicator.size(),
               communicator.topology().nodes, one_node ? "" : "s", repeats);
    fmt::print(
        "|     size |   copy | MPI_Allreduce | window: sum | window: step | message: sum | message: step | all-reduce "
        "| "
        "reduce-scatter | all-gather |\n"
        "|---------:|-------:|--------------:|------------:|-------------:|-------------:|--------------:|-----------:|"
        "-"
        "--------------:|-----------:|\n");
  }
  for (const std::int64_t elements :
       {std::int64_t{1} << 10, std::int64_t{1} << 13, std::int64_t{1} << 16, std::int64_t{1} << 18,
        std::int64_t{1} << 20, std::int64_t{1} << 22, kMiniLmParameters}) {
    Rates rates;
    rates.copy = plain_copy(watch, elements);
    rates.mpi_all_reduce = mpi_all_reduce(watch, communicator, elements);
    if (one_node) measure_exchange(watch, communicator, *device, elements, true, rates.window_sum, rates.window_step);
    measure_exchange(watch, communicator, *device, elements, false, rates.message_sum, rates.message_step);
    measure_collectives(watch, communicator, elements, rates);
    if (speaks) print(elements * 4, rates, one_node);
  }
  if (one_node) compare_updates(watch, communicator, *device, speaks);
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  using namespace temper;
  CLI::App app{"Measures how fast gradients are summed over ranks; start it under mpirun.", "communication_bench"};
  int repeats = 7;
  app.add_option("--repeats", repeats, "Rounds of each measurement; the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.footer("Example:\n  mpirun -n 2 communication_bench");
  CLI11_PARSE(app, argc, argv);
  if (!MpiSession::launched_by_mpi()) {
    std::fprintf(stderr, "communication_bench: %s\n", kAlone);
    return static_cast<int>(ErrorKind::usage);
  }
  MpiSession session(&argc, &argv);
  try {
    const std::unique_ptr<Communicator> world = session.world();
    run(*world, repeats);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "communication_bench: %s\n", error.what());
    MpiSession::abort(static_cast<int>(ErrorKind::failure));
  }
  return 0;
}
