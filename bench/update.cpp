// How long the gradients of a model take from the end of backward to updated parameters: their sum over the ranks, the
// norm, clipping and AdamW, as Temper does it, beside MPI_Allreduce and a separate AdamW over all parameters on every
// rank, as data-parallel training usually does. Both use the same kernels for the arithmetic. Run it under mpirun:
//
//     mpirun -n 2 build/bench/bench/update_bench
#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <vector>

#include "base/error.h"
#include "comm/gradient_buckets.h"
#include "comm/mpi_communicator.h"
#include "runtime/optimizer.h"

namespace temper {
namespace {

constexpr int kRounds = 15;
constexpr std::int64_t kSlots = 100;
constexpr std::int64_t kElements = 227'136;  // of each: 22.7 million, as all-MiniLM-L6-v2 has
constexpr std::int64_t kChunk = ArenaLayout::kChunk;

/// Median over rounds of the milliseconds that the slowest rank needs for a step; `prepare` is not counted.
double milliseconds(Communicator& communicator, const std::function<void()>& prepare,
                    const std::function<void()>& step) {
  std::vector<double> seconds;
  for (int round = 0; round < kRounds; ++round) {
    prepare();
    communicator.barrier();
    const double start = MPI_Wtime();
    step();
    seconds.push_back(MPI_Wtime() - start);
  }
  communicator.all_reduce(std::span(seconds), Reduction::max);
  std::nth_element(seconds.begin(), seconds.begin() + kRounds / 2, seconds.end());
  return 1e3 * seconds[kRounds / 2];
}

double clipped_scale(const std::vector<double>& squares) {
  double sum = 0.0;
  for (const double square : squares) sum += square;
  return std::min(1.0, 1.0 / (std::sqrt(sum) + 1e-6));
}

double temper_step(Communicator& communicator, Device& device, bool bf16) {
  const ArenaLayout layout(std::vector<std::int64_t>(kSlots, kElements));
  GradientBuckets buckets(communicator, device, layout, communicator.size(), {.working_copy = bf16});
  Optimizer optimizer(device, layout, buckets.exchange().plan().owned_by(communicator.rank()), {},
                      std::vector<SlotSettings>(kSlots));
  std::vector<double> squares(static_cast<std::size_t>(layout.chunks()));
  for (const Optimizer::StateSlice& slice : optimizer.state())
    std::fill_n(buckets.exchange().parameters() + layout.slots()[slice.slot].begin + slice.begin, slice.size, 0.5F);
  const auto fill = [&] {
    buckets.begin_step();
    std::fill_n(buckets.begin_grain(), layout.elements(), 1e-3F);
  };
  const auto step = [&] {
    for (std::int64_t slot = 0; slot < kSlots; ++slot) buckets.complete(slot);
    buckets.end_grain();
    buckets.finish();
    std::fill(squares.begin(), squares.end(), 0.0);
    optimizer.chunk_square_sums(buckets.exchange().reduced(), squares.data());
    communicator.all_reduce(std::span(squares), Reduction::sum);
    optimizer.step(buckets.exchange().parameters(), buckets.exchange().reduced(), buckets.exchange().working_copy(),
                   1e-4, clipped_scale(squares));
    buckets.exchange().share_parameters();
  };
  // Backward would have written the gradients.
  return milliseconds(communicator, fill, step);
}

double usual_step(Communicator& communicator, Device& device) {
  const std::int64_t elements = (kSlots * kElements + kChunk - 1) / kChunk * kChunk;
  const auto count = static_cast<std::size_t>(elements);
  std::vector<float> gradients(count, 1e-3F);
  std::vector<float> parameters(count, 0.5F);
  std::vector<float> first(count);
  std::vector<float> second(count);
  std::vector<double> squares(static_cast<std::size_t>(elements / kChunk));
  std::int64_t number = 0;
  const auto fill = [&] { std::fill(gradients.begin(), gradients.end(), 1e-3F); };
  return milliseconds(communicator, fill, [&] {
    if (MPI_Allreduce(MPI_IN_PLACE, gradients.data(), static_cast<int>(elements), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD) !=
        MPI_SUCCESS)
      throw Error("MPI_Allreduce failed");
    device.kernels().chunk_square_sums(gradients.data(), kChunk, elements / kChunk, squares.data());
    AdamWStep by;
    by.learning_rate = 1e-4F;
    by.weight_decay = 0.01F;
    by.step = ++number;
    by.gradient_scale = static_cast<float>(clipped_scale(squares));
    device.kernels().adamw_step(parameters.data(), gradients.data(), first.data(), second.data(), nullptr, elements,
                                by);
  });
}

void run(Communicator& communicator) {
  set_cpu_threads(1);
  const std::unique_ptr<Device> device = make_cpu_device();
  for (const bool bf16 : {false, true}) {
    const double ours = temper_step(communicator, *device, bf16);
    const double usual = usual_step(communicator, *device);
    if (communicator.rank() == 0)
      fmt::print("update {}: {:.1f} ms on {} ranks, MPI_Allreduce and AdamW {:.1f} ms: {:.2f} times\n",
                 bf16 ? "f32+bf16" : "f32", ours, communicator.size(), usual, usual / ours);
  }
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  temper::MpiSession session(&argc, &argv);
  try {
    temper::run(*session.world());
  } catch (const std::exception& error) {
    fmt::print(stderr, "update_bench: {}\n", error.what());
    temper::MpiSession::abort(1);
  }
  return 0;
}
