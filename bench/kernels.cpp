// Speed of the CPU kernels at the shapes of a small encoder: width 384, 12 heads of 32, intermediate 1536. Run it with
// OMP_NUM_THREADS=1 for what one rank on one core gets. `--benchmark_filter=` picks some.
#include <benchmark/benchmark.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tensor/arena.h"
#include "tensor/kernels/cpu/cpu_kernels.h"

namespace temper {
namespace {

constexpr std::int64_t kWidth = 384;
constexpr std::int64_t kIntermediate = 1536;
constexpr std::int64_t kHeads = 12;
constexpr std::int64_t kHeadWidth = 32;

std::vector<float> random_values(std::int64_t n) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) {
    value = normal(generator);
  }
  return values;
}

Matrix matrix(std::vector<float>& values, std::int64_t rows, std::int64_t columns) {
  return {values.data(), rows, columns, columns};
}

void set_rate(benchmark::State& state, const char* name, double amount) {
  state.counters[name] = benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
}

void set_gflops(benchmark::State& state, double operations) { set_rate(state, "GFLOP/s", operations * 1e-9); }
void set_gigabytes(benchmark::State& state, double floats) { set_rate(state, "GB/s", floats * 4e-9); }

/// y [tokens, outputs] = x [tokens, inputs] w^T
void linear_forward(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  const std::int64_t inputs = state.range(1);
  const std::int64_t outputs = state.range(2);
  auto x = random_values(tokens * inputs);
  auto w = random_values(outputs * inputs);
  std::vector<float> y(static_cast<std::size_t>(tokens * outputs));
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.matmul(matrix(x, tokens, inputs), false, matrix(w, outputs, inputs), true, matrix(y, tokens, outputs),
                   false);
  }
  set_gflops(state, 2.0 * static_cast<double>(tokens * inputs * outputs));
}

/// dx [tokens, inputs] = dy [tokens, outputs] w
void linear_input_gradient(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  const std::int64_t inputs = state.range(1);
  const std::int64_t outputs = state.range(2);
  auto dy = random_values(tokens * outputs);
  auto w = random_values(outputs * inputs);
  std::vector<float> dx(static_cast<std::size_t>(tokens * inputs));
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.matmul(matrix(dy, tokens, outputs), false, matrix(w, outputs, inputs), false, matrix(dx, tokens, inputs),
                   false);
  }
  set_gflops(state, 2.0 * static_cast<double>(tokens * inputs * outputs));
}

/// dw [outputs, inputs] = dy^T x
void linear_weight_gradient(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  const std::int64_t inputs = state.range(1);
  const std::int64_t outputs = state.range(2);
  auto dy = random_values(tokens * outputs);
  auto x = random_values(tokens * inputs);
  std::vector<float> dw(static_cast<std::size_t>(outputs * inputs));
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.matmul(matrix(dy, tokens, outputs), true, matrix(x, tokens, inputs), false, matrix(dw, outputs, inputs),
                   false);
  }
  set_gflops(state, 2.0 * static_cast<double>(tokens * inputs * outputs));
}

void linear_shapes(benchmark::internal::Benchmark* linear) {
  linear->ArgNames({"tokens", "inputs", "outputs"});
  for (const std::int64_t tokens : {176, 1000, 4000}) {
    linear->Args({tokens, kWidth, kWidth});
    linear->Args({tokens, kWidth, kIntermediate});
    linear->Args({tokens, kIntermediate, kWidth});
  }
}

BENCHMARK(linear_forward)->Apply(linear_shapes);
BENCHMARK(linear_input_gradient)->Apply(linear_shapes);
BENCHMARK(linear_weight_gradient)->Apply(linear_shapes);

void gelu_forward(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  auto z = random_values(tokens * kIntermediate);
  auto y = z;
  std::vector<float> bias(kIntermediate, 0.0F);
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.bias_activation_forward(matrix(z, tokens, kIntermediate), matrix(bias, 1, kIntermediate), Activation::gelu,
                                    matrix(y, tokens, kIntermediate));
  }
  set_gigabytes(state, 3.0 * static_cast<double>(tokens * kIntermediate));
}

void gelu_backward(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  auto z = random_values(tokens * kIntermediate);
  auto dy = random_values(tokens * kIntermediate);
  auto dz = z;
  std::vector<float> d_bias(kIntermediate);
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.bias_activation_backward(matrix(dy, tokens, kIntermediate), matrix(z, tokens, kIntermediate), {},
                                     Activation::gelu, matrix(dz, tokens, kIntermediate), d_bias.data(), false);
  }
  set_gigabytes(state, 3.0 * static_cast<double>(tokens * kIntermediate));
}

/// A layer norm with what it needs; the second argument of the benchmark is the dropout rate in percent.
struct LayerNormRun {
  std::int64_t tokens;
  std::vector<float> x, residual, y, sum, mean, rstd, weight, bias;
  std::vector<std::uint32_t> names;
  Dropout dropout;
  CpuKernels kernels;

  explicit LayerNormRun(const benchmark::State& state)
      : tokens(state.range(0)),
        x(random_values(tokens * kWidth)),
        residual(x),
        y(x),
        sum(x),
        mean(static_cast<std::size_t>(tokens)),
        rstd(mean),
        weight(kWidth, 1.0F),
        bias(kWidth, 0.0F),
        names(static_cast<std::size_t>(tokens), 1U),
        dropout{.rate = static_cast<float>(state.range(1)) / 100.0F, .place = 1, .key = random_key(1, 1)} {}

  void forward() {
    kernels.layer_norm_forward(matrix(x, tokens, kWidth), matrix(residual, tokens, kWidth),
                               {names.data(), names.data()}, dropout, weight.data(), bias.data(), 1e-12F,
                               matrix(y, tokens, kWidth), matrix(sum, tokens, kWidth), mean.data(), rstd.data());
  }
};

void layer_norm_forward(benchmark::State& state) {
  LayerNormRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    run.forward();
  }
  set_gigabytes(state, 4.0 * static_cast<double>(run.tokens * kWidth));
}

void layer_norm_backward(benchmark::State& state) {
  LayerNormRun run(state);
  run.forward();
  std::vector<float> dx(run.x.size());
  std::vector<float> d_residual(run.x.size());
  std::vector<float> d_weight(kWidth);
  std::vector<float> d_bias(kWidth);
  for ([[maybe_unused]] auto iteration : state) {
    run.kernels.layer_norm_backward(
        matrix(run.x, run.tokens, kWidth), matrix(run.sum, run.tokens, kWidth), run.mean.data(), run.rstd.data(),
        run.weight.data(), {run.names.data(), run.names.data()}, run.dropout, matrix(dx, run.tokens, kWidth),
        matrix(d_residual, run.tokens, kWidth), false, d_weight.data(), false, d_bias.data(), false);
  }
  set_gigabytes(state, 4.0 * static_cast<double>(run.tokens * kWidth));
}

BENCHMARK(gelu_forward)->ArgName("tokens")->Arg(176)->Arg(4000);
BENCHMARK(gelu_backward)->ArgName("tokens")->Arg(176)->Arg(4000);
BENCHMARK(layer_norm_forward)->ArgNames({"tokens", "dropout"})->Args({176, 0})->Args({176, 10})->Args({4000, 10});
BENCHMARK(layer_norm_backward)->ArgNames({"tokens", "dropout"})->Args({176, 0})->Args({176, 10})->Args({4000, 10});

/// Attention over equally long sequences; the third argument is the dropout rate in percent.
struct AttentionRun {
  std::int64_t sequences;
  std::int64_t length;
  std::int64_t tokens;
  std::vector<float> qkv, out, d_out, d_qkv, log_sum_exp;
  std::vector<std::int32_t> starts;
  std::vector<std::uint32_t> examples;
  Dropout dropout;
  CpuKernels kernels;

  explicit AttentionRun(const benchmark::State& state)
      : sequences(state.range(0)),
        length(state.range(1)),
        tokens(sequences * length),
        qkv(random_values(tokens * 3 * kWidth)),
        out(static_cast<std::size_t>(tokens * kWidth)),
        d_out(random_values(tokens * kWidth)),
        d_qkv(qkv.size()),
        log_sum_exp(static_cast<std::size_t>(tokens * kHeads)),
        examples(static_cast<std::size_t>(sequences), 1U),
        dropout{.rate = static_cast<float>(state.range(2)) / 100.0F, .place = 1, .key = random_key(1, 1)} {
    for (std::int64_t s = 0; s <= sequences; ++s) {
      starts.push_back(static_cast<std::int32_t>(s * length));
    }
  }

  [[nodiscard]] Matrix part(std::vector<float>& of, std::int64_t index) const {
    return {of.data() + index * kWidth, tokens, kWidth, 3 * kWidth};
  }
  [[nodiscard]] PackedSequences packed() const { return {tokens, sequences, starts.data(), examples.data(), length}; }
  [[nodiscard]] double products() const { return static_cast<double>(tokens * length * kWidth); }

  void forward() {
    kernels.attention_forward(part(qkv, 0), part(qkv, 1), part(qkv, 2), packed(), kHeads,
                              1.0F / std::sqrt(static_cast<float>(kHeadWidth)), dropout, matrix(out, tokens, kWidth),
                              log_sum_exp.data());
  }
  void backward() {
    kernels.attention_backward(part(qkv, 0), part(qkv, 1), part(qkv, 2), matrix(out, tokens, kWidth),
                               matrix(d_out, tokens, kWidth), log_sum_exp.data(), packed(), kHeads,
                               1.0F / std::sqrt(static_cast<float>(kHeadWidth)), dropout, part(d_qkv, 0),
                               part(d_qkv, 1), part(d_qkv, 2));
  }
};

void attention_forward(benchmark::State& state) {
  AttentionRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    run.forward();
  }
  set_gflops(state, 4.0 * run.products());
}

void attention_backward(benchmark::State& state) {
  AttentionRun run(state);
  run.forward();
  for ([[maybe_unused]] auto iteration : state) {
    run.backward();
  }
  set_gflops(state, 10.0 * run.products());
}

void attention_shapes(benchmark::internal::Benchmark* attention) {
  attention->ArgNames({"sequences", "length", "dropout"});
  for (const std::int64_t dropout : {0, 10}) {
    attention->Args({16, 11, dropout});
    attention->Args({16, 30, dropout});
    attention->Args({8, 512, dropout});
  }
}

BENCHMARK(attention_forward)->Apply(attention_shapes);
BENCHMARK(attention_backward)->Apply(attention_shapes);

void adamw_step(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  auto parameters = random_values(n);
  const auto gradients = parameters;
  std::vector<float> first(parameters.size());
  std::vector<float> second(parameters.size());
  CpuKernels kernels;
  AdamWStep step;
  step.learning_rate = 1e-4F;
  step.weight_decay = 0.01F;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.adamw_step(parameters.data(), gradients.data(), first.data(), second.data(), nullptr, n, step);
  }
  set_gigabytes(state, 7.0 * static_cast<double>(n));
}

void chunk_square_sums(benchmark::State& state) {
  const std::int64_t chunks = state.range(0);
  const auto x = random_values(chunks * ArenaLayout::kChunk);
  std::vector<double> sums(static_cast<std::size_t>(chunks));
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.chunk_square_sums(x.data(), ArenaLayout::kChunk, chunks, sums.data());
  }
  set_gigabytes(state, static_cast<double>(chunks * ArenaLayout::kChunk));
}

void cross_entropy(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  const std::int64_t classes = state.range(1);
  auto logits = random_values(rows * classes);
  auto d_logits = logits;
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(rows), 1);
  CpuKernels kernels;
  std::array<double, 2> sum{};
  for ([[maybe_unused]] auto iteration : state) {
    kernels.cross_entropy(matrix(logits, rows, classes), labels.data(), nullptr, 0.0F, matrix(d_logits, rows, classes),
                          sum.data());
  }
  set_gigabytes(state, 2.0 * static_cast<double>(rows * classes));
}

BENCHMARK(adamw_step)->ArgName("n")->Arg(100000)->Arg(10000000);
BENCHMARK(chunk_square_sums)->ArgName("chunks")->Arg(610);
BENCHMARK(cross_entropy)->ArgNames({"rows", "classes"})->Args({16, 150})->Args({100, 30522});

}  // namespace
}  // namespace temper

BENCHMARK_MAIN();
