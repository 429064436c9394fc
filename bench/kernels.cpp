// Speed of the CPU kernels at the shapes of a small encoder: width 384, 12 heads of 32, intermediate 1536; in f32, and
// where the processor has products of bf16, with bf16 = 1, in bf16. Run it with OMP_NUM_THREADS=1 for what one rank on
// one core gets. `--benchmark_filter=` picks some.
//
// `roof` is the share of what the machine can do for that kernel (Williams, Waterman, Patterson: "Roofline: an
// insightful visual performance model for multicore architectures", 2009), measured here first: the rate of
// multiply-adds in registers, or that of a copy through memory. Where operands fit the caches a kernel that memory
// limits may exceed it. TEMPER_MAX_ISA holds both to an instruction set.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "tensor/arena.h"
#include "tensor/device.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/ops.h"

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

/// Random elements of either type, as matrices.
class Elements {
 public:
  Elements(std::int64_t n, DType type) : type_(type), values_(random_values(n)) {
    if (type == DType::bf16) {
      std::transform(values_.begin(), values_.end(), std::back_inserter(rounded_), to_bfloat16);
    }
  }
  Rows rows(std::int64_t rows, std::int64_t columns) { return rows_at(0, rows, columns, columns); }
  Rows rows_at(std::int64_t first, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
    if (type_ == DType::bf16) {
      return MatrixOf<BFloat16>{rounded_.data() + first, rows, columns, stride};
    }
    return Matrix{values_.data() + first, rows, columns, stride};
  }

 private:
  DType type_;
  std::vector<float> values_;
  std::vector<BFloat16> rounded_;
};

Matrix matrix(std::vector<float>& values, std::int64_t rows, std::int64_t columns) {
  return {values.data(), rows, columns, columns};
}

/// The least seconds of several calls.
template <typename Work>
double least_seconds(const Work& work) {
  double least = 1e9;
  for (int i = 0; i < 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

/// Multiply-adds in registers.
double peak_gflops(DType type) {
  const auto device = make_cpu_device();
  double most = 0.0;
  const double seconds = least_seconds([&] { most = device->run_multiply_adds(type); });
  return 1e-9 * most / seconds;
}

double copy_gigabytes() {
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  const std::vector<char> from(kBytes, 1);
  std::vector<char> to(kBytes, 2);
  return 2e-9 * static_cast<double>(kBytes) / least_seconds([&] { std::memcpy(to.data(), from.data(), kBytes); });
}

void set_rate(benchmark::State& state, const char* name, double amount, double roof) {
  state.counters[name] = benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["roof"] = benchmark::Counter(amount / roof, benchmark::Counter::kIsIterationInvariantRate);
}

void set_gflops(benchmark::State& state, double operations, DType type) {
  static const double f32 = peak_gflops(DType::f32);
  static const double bf16 = make_cpu_device()->has_bf16() ? peak_gflops(DType::bf16) : f32;
  set_rate(state, "GFLOP/s", operations * 1e-9, type == DType::bf16 ? bf16 : f32);
}
void set_gigabytes(benchmark::State& state, double elements, DType type = DType::f32) {
  static const double copy = copy_gigabytes();
  set_rate(state, "GB/s", elements * 1e-9 * static_cast<double>(size_of(type)), copy);
}

DType type_of(std::int64_t bf16) { return bf16 != 0 ? DType::bf16 : DType::f32; }
std::vector<std::int64_t> types() {
  return make_cpu_device()->has_bf16() ? std::vector<std::int64_t>{0, 1} : std::vector<std::int64_t>{0};
}

/// The three products of a linear layer, [tokens, inputs] to [tokens, outputs].
struct LinearRun {
  std::int64_t tokens, inputs, outputs;
  DType type;
  Elements x, w, y, bias;
  std::vector<float> dw;
  CpuKernels kernels;

  explicit LinearRun(const benchmark::State& state)
      : tokens(state.range(0)),
        inputs(state.range(1)),
        outputs(state.range(2)),
        type(type_of(state.range(3))),
        x(tokens * inputs, type),
        w(outputs * inputs, type),
        y(tokens * outputs, type),
        bias(outputs, type),
        dw(static_cast<std::size_t>(outputs * inputs)) {}
  void set(benchmark::State& state) const {
    set_gflops(state, 2.0 * static_cast<double>(tokens * inputs * outputs), type);
  }
};

/// y = x w^T + bias
void linear_forward(benchmark::State& state) {
  LinearRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    const Rows y = run.y.rows(run.tokens, run.outputs);
    run.kernels.run(calls::LinearForward{.x = run.x.rows(run.tokens, run.inputs),
                                         .weight = run.w.rows(run.outputs, run.inputs),
                                         .bias = run.bias.rows(1, run.outputs),
                                         .z = y,
                                         .y = y});
  }
  run.set(state);
}

/// dx = dy w
void linear_input_gradient(benchmark::State& state) {
  LinearRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    run.kernels.run(calls::Matmul{.a = run.y.rows(run.tokens, run.outputs),
                                  .b = run.w.rows(run.outputs, run.inputs),
                                  .c = run.x.rows(run.tokens, run.inputs)});
  }
  run.set(state);
}

/// dw = dy^T x
void linear_weight_gradient(benchmark::State& state) {
  LinearRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    run.kernels.run(calls::Matmul{.a = run.y.rows(run.tokens, run.outputs),
                                  .transpose_a = true,
                                  .b = run.x.rows(run.tokens, run.inputs),
                                  .c = matrix(run.dw, run.outputs, run.inputs)});
  }
  run.set(state);
}

void linear_shapes(benchmark::internal::Benchmark* linear) {
  linear->ArgNames({"tokens", "inputs", "outputs", "bf16"});
  for (const std::int64_t bf16 : types()) {
    for (const std::int64_t tokens : {16, 176, 1000, 4000}) {
      linear->Args({tokens, kWidth, kWidth, bf16});
      linear->Args({tokens, kWidth, kIntermediate, bf16});
      linear->Args({tokens, kIntermediate, kWidth, bf16});
    }
  }
}

BENCHMARK(linear_forward)->Apply(linear_shapes);
BENCHMARK(linear_input_gradient)->Apply(linear_shapes);
BENCHMARK(linear_weight_gradient)->Apply(linear_shapes);

void gelu_forward(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  const DType type = type_of(state.range(1));
  Elements z(tokens * kIntermediate, type);
  Elements y(tokens * kIntermediate, type);
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.run(calls::BiasActivationForward{
        .z = z.rows(tokens, kIntermediate), .activation = Activation::gelu, .y = y.rows(tokens, kIntermediate)});
  }
  set_gigabytes(state, 2.0 * static_cast<double>(tokens * kIntermediate), type);
}

void gelu_backward(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  const DType type = type_of(state.range(1));
  Elements z(tokens * kIntermediate, type);
  Elements dy(tokens * kIntermediate, type);
  std::vector<float> d_bias(kIntermediate);
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    const Rows dz = dy.rows(tokens, kIntermediate);
    kernels.run(calls::BiasActivationBackward{.dy = dz,
                                              .z = z.rows(tokens, kIntermediate),
                                              .activation = Activation::gelu,
                                              .dz = dz,
                                              .d_bias = d_bias.data()});
  }
  set_gigabytes(state, 3.0 * static_cast<double>(tokens * kIntermediate), type);
}

/// A layer norm with what it needs; the second argument of the benchmark is the dropout rate in percent.
struct LayerNormRun {
  std::int64_t tokens;
  DType type;
  Elements x, residual, y, sum;
  std::vector<float> mean, rstd, weight, bias;
  std::vector<std::uint32_t> names;
  Dropout dropout;
  CpuKernels kernels;

  explicit LayerNormRun(const benchmark::State& state)
      : tokens(state.range(0)),
        type(type_of(state.range(2))),
        x(tokens * kWidth, type),
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
    kernels.run(calls::LayerNormForward{.x = x.rows(tokens, kWidth),
                                        .residual = residual.rows(tokens, kWidth),
                                        .names = {names.data(), names.data()},
                                        .dropout = dropout,
                                        .weight = weight.data(),
                                        .bias = bias.data(),
                                        .epsilon = 1e-12F,
                                        .y = y.rows(tokens, kWidth),
                                        .sum = sum.rows(tokens, kWidth),
                                        .mean = mean.data(),
                                        .rstd = rstd.data()});
  }
};

void layer_norm_forward(benchmark::State& state) {
  LayerNormRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    run.forward();
  }
  set_gigabytes(state, 4.0 * static_cast<double>(run.tokens * kWidth), run.type);
}

void layer_norm_backward(benchmark::State& state) {
  LayerNormRun run(state);
  run.forward();
  Elements dx = run.x;
  Elements d_residual = run.x;
  std::vector<float> d_weight(kWidth);
  std::vector<float> d_bias(kWidth);
  for ([[maybe_unused]] auto iteration : state) {
    run.kernels.run(calls::LayerNormBackward{.dy = run.x.rows(run.tokens, kWidth),
                                             .sum = run.sum.rows(run.tokens, kWidth),
                                             .mean = run.mean.data(),
                                             .rstd = run.rstd.data(),
                                             .weight = run.weight.data(),
                                             .names = {run.names.data(), run.names.data()},
                                             .dropout = run.dropout,
                                             .dx = dx.rows(run.tokens, kWidth),
                                             .d_residual = d_residual.rows(run.tokens, kWidth),
                                             .d_weight = d_weight.data(),
                                             .d_bias = d_bias.data()});
  }
  set_gigabytes(state, 4.0 * static_cast<double>(run.tokens * kWidth), run.type);
}

void token_shapes(benchmark::internal::Benchmark* gelu) {
  gelu->ArgNames({"tokens", "bf16"})->ArgsProduct({{176, 4000}, types()});
}
void norm_shapes(benchmark::internal::Benchmark* norm) {
  norm->ArgNames({"tokens", "dropout", "bf16"})->ArgsProduct({{176, 4000}, {0, 10}, types()});
}

BENCHMARK(gelu_forward)->Apply(token_shapes);
BENCHMARK(gelu_backward)->Apply(token_shapes);
BENCHMARK(layer_norm_forward)->Apply(norm_shapes);
BENCHMARK(layer_norm_backward)->Apply(norm_shapes);

/// Attention over equally long sequences; the third argument is the dropout rate in percent.
struct AttentionRun {
  std::int64_t sequences;
  std::int64_t length;
  std::int64_t tokens;
  DType type;
  Elements qkv, out, d_out, d_qkv;
  std::vector<float> log_sum_exp;
  std::vector<std::int32_t> starts;
  std::vector<std::uint32_t> examples;
  Dropout dropout;
  CpuKernels kernels;

  explicit AttentionRun(const benchmark::State& state)
      : sequences(state.range(0)),
        length(state.range(1)),
        tokens(sequences * length),
        type(type_of(state.range(3))),
        qkv(tokens * 3 * kWidth, type),
        out(tokens * kWidth, type),
        d_out(out),
        d_qkv(qkv),
        log_sum_exp(static_cast<std::size_t>(tokens * kHeads)),
        examples(static_cast<std::size_t>(sequences), 1U),
        dropout{.rate = static_cast<float>(state.range(2)) / 100.0F, .place = 1, .key = random_key(1, 1)} {
    for (std::int64_t s = 0; s <= sequences; ++s) {
      starts.push_back(static_cast<std::int32_t>(s * length));
    }
  }

  [[nodiscard]] Rows part(Elements& of, std::int64_t index) const {
    return of.rows_at(index * kWidth, tokens, kWidth, 3 * kWidth);
  }
  [[nodiscard]] PackedSequences packed() const { return {tokens, sequences, starts.data(), examples.data(), length}; }
  [[nodiscard]] double products() const { return static_cast<double>(tokens * length * kWidth); }

  void forward() {
    kernels.run(calls::AttentionForward{.q = part(qkv, 0),
                                        .k = part(qkv, 1),
                                        .v = part(qkv, 2),
                                        .sequences = packed(),
                                        .shape = AttentionShape::plain(kHeads, kHeadWidth),
                                        .dropout = dropout,
                                        .out = out.rows(tokens, kWidth),
                                        .log_sum_exp = log_sum_exp.data()});
  }
  void backward() {
    kernels.run(calls::AttentionBackward{.q = part(qkv, 0),
                                         .k = part(qkv, 1),
                                         .v = part(qkv, 2),
                                         .out = out.rows(tokens, kWidth),
                                         .d_out = d_out.rows(tokens, kWidth),
                                         .log_sum_exp = log_sum_exp.data(),
                                         .sequences = packed(),
                                         .shape = AttentionShape::plain(kHeads, kHeadWidth),
                                         .dropout = dropout,
                                         .dq = part(d_qkv, 0),
                                         .dk = part(d_qkv, 1),
                                         .dv = part(d_qkv, 2)});
  }
};

void attention_forward(benchmark::State& state) {
  AttentionRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    run.forward();
  }
  set_gflops(state, 4.0 * run.products(), run.type);
}

void attention_backward(benchmark::State& state) {
  AttentionRun run(state);
  run.forward();
  for ([[maybe_unused]] auto iteration : state) {
    run.backward();
  }
  set_gflops(state, 10.0 * run.products(), run.type);
}

void attention_shapes(benchmark::internal::Benchmark* attention) {
  attention->ArgNames({"sequences", "length", "dropout", "bf16"});
  for (const std::int64_t bf16 : types()) {
    for (const std::int64_t dropout : {0, 10}) {
      attention->Args({16, 11, dropout, bf16});
      attention->Args({16, 30, dropout, bf16});
      attention->Args({16, 256, dropout, bf16});
      attention->Args({8, 512, dropout, bf16});
    }
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
    kernels.run(calls::AdamW{.parameters = parameters.data(),
                             .gradients = gradients.data(),
                             .first_moments = first.data(),
                             .second_moments = second.data(),
                             .n = n,
                             .step = step});
  }
  set_gigabytes(state, 7.0 * static_cast<double>(n));
}

void chunk_square_sums(benchmark::State& state) {
  const std::int64_t chunks = state.range(0);
  const auto x = random_values(chunks * ArenaLayout::kChunk);
  std::vector<double> sums(static_cast<std::size_t>(chunks));
  CpuKernels kernels;
  for ([[maybe_unused]] auto iteration : state) {
    kernels.run(
        calls::ChunkSquareSums{.x = x.data(), .chunk = ArenaLayout::kChunk, .chunks = chunks, .sums = sums.data()});
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
    kernels.run(calls::CrossEntropy{.logits = matrix(logits, rows, classes),
                                    .labels = labels.data(),
                                    .d_logits = matrix(d_logits, rows, classes),
                                    .sum = sum.data()});
  }
  set_gigabytes(state, 2.0 * static_cast<double>(rows * classes));
}

BENCHMARK(adamw_step)->ArgName("n")->Arg(100000)->Arg(10000000);
BENCHMARK(chunk_square_sums)->ArgName("chunks")->Arg(610);
BENCHMARK(cross_entropy)->ArgNames({"rows", "classes"})->Args({16, 150})->Args({100, 30522});

/// The output layer of a language model and its loss, forward and backward: [rows, width] over a vocabulary.
struct VocabularyRun {
  std::int64_t rows, width, classes;
  DType type;
  std::unique_ptr<Device> device = make_cpu_device();
  Variable x, weight;
  Tensor labels, sum;

  explicit VocabularyRun(const benchmark::State& state)
      : rows(state.range(0)), width(state.range(1)), classes(state.range(2)), type(type_of(state.range(3))) {
    x = Variable(in_type(random_values(rows * width), {rows, width}), true);
    weight = Variable(device->upload(std::span<const float>(random_values(classes * width)), {classes, width}), true);
    if (type == DType::bf16) {
      const Tensor copy = Tensor::empty(device->memory(), weight.shape(), type);
      device->kernels().run(calls::Copy{.x = weight.value().as_rows(), .y = copy.as_rows()});
      weight.set_compute_copy(copy);
    }
    std::vector<std::int32_t> words(static_cast<std::size_t>(rows));
    for (std::size_t i = 0; i < words.size(); ++i)
      words[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) * 7919 % classes);
    labels = device->upload(std::span<const std::int32_t>(words), {rows});
    sum = device->zeros({2}, DType::f64);
  }
  Tensor in_type(const std::vector<float>& values, const Shape& shape) const {
    const Tensor wide = device->upload(std::span<const float>(values), shape);
    Tensor tensor = Tensor::empty(device->memory(), shape, type);
    device->kernels().run(calls::Copy{.x = wide.as_rows(), .y = tensor.as_rows()});
    return tensor;
  }
  void set(benchmark::State& state) const {
    set_gflops(state, 6.0 * static_cast<double>(rows) * static_cast<double>(width) * static_cast<double>(classes),
               type);
  }
};

/// One after the other, with all logits in memory.
void vocabulary_loss_apart(benchmark::State& state) {
  VocabularyRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    Tape tape(*run.device, Tape::Mode::training, {}, run.type);
    const Variable logits = linear(tape, run.x, run.weight, Variable());
    cross_entropy(tape, logits, run.labels, Tensor(), {}, run.sum);
    tape.backward();
  }
  run.set(state);
}

void vocabulary_loss(benchmark::State& state) {
  VocabularyRun run(state);
  for ([[maybe_unused]] auto iteration : state) {
    Tape tape(*run.device, Tape::Mode::training, {}, run.type);
    linear_cross_entropy(tape, run.x, run.weight, Variable(), {}, run.labels, {}, run.sum);
    tape.backward();
  }
  run.set(state);
}

/// The heads of SmolLM2-135M and of GPT-2.
void vocabularies(benchmark::internal::Benchmark* loss) {
  loss->ArgNames({"rows", "width", "classes", "bf16"})->Unit(benchmark::kMillisecond);
  for (const std::int64_t bf16 : types()) {
    loss->Args({2048, 576, 49152, bf16});
    loss->Args({2048, 768, 50257, bf16});
  }
}
BENCHMARK(vocabulary_loss_apart)->Apply(vocabularies);
BENCHMARK(vocabulary_loss)->Apply(vocabularies);

}  // namespace
}  // namespace temper

BENCHMARK_MAIN();
