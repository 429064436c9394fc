// A model from a GGUF file, whose quantised matrices stay in the file, gives the loss and the gradients of its twin in
// f32, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "model/architectures/registry.h"
#include "model/gguf/gguf_writer.h"
#include "model/gguf/quantize.h"
#include "model/weights.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/device_batch.h"
#include "tests/data/temporary_folder.h"
#include "tests/tensor/kernels/reference_blocks.h"

namespace temper {
namespace {

constexpr std::int64_t kTwinVocabulary = 40;
constexpr std::int64_t kTwinWidth = 256;
constexpr std::int64_t kTwinInner = 512;
constexpr std::int64_t kTwinHeads = 4;
constexpr std::int64_t kTwinKeyHeads = 2;
constexpr std::int64_t kTwinBlocks = 1;

GgmlType ggml_type_of(DType quantized) {
  for (std::uint32_t number = 0; number < 64; ++number)
    if (const GgmlTypeLayout* layout = find_layout(number); layout != nullptr && layout->quantized == quantized)
      return layout->type;
  return GgmlType::f32;
}

/// A Llama, or a GPT-2, of which all matrices that products and lookups read are random blocks of a format.
class TinyGguf {
 public:
  TinyGguf(const std::string& architecture, const reference_blocks::Format& format, const std::filesystem::path& path)
      : format_(format), random_(11) {
    architecture == "llama" ? add_llama() : add_gpt2();
    write_gguf(path, keys_, tensors_);
  }

 private:
  void add_sizes(const std::string& name) {
    keys_.add_text("general.architecture", name);
    keys_.add_u32(name + ".context_length", 64);
    keys_.add_u32(name + ".embedding_length", kTwinWidth);
    keys_.add_u32(name + ".block_count", kTwinBlocks);
    keys_.add_u32(name + ".feed_forward_length", kTwinInner);
    keys_.add_u32(name + ".attention.head_count", kTwinHeads);
  }
  void add_matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
    const std::vector<std::byte> blocks =
        reference_blocks::random_blocks(format_, rows * columns, static_cast<unsigned>(tensors_.size()));
    tensors_.push_back({name, {rows, columns}, ggml_type_of(format_.type), [blocks](std::vector<std::byte>& to) {
                          to.insert(to.end(), blocks.begin(), blocks.end());
                        }});
  }
  void add_floats(const std::string& name, std::vector<std::int64_t> shape, float mean) {
    std::normal_distribution<float> normal(mean, 0.1F);
    std::vector<float> values(static_cast<std::size_t>(*element_count(shape)));
    for (float& value : values) value = normal(random_);
    tensors_.push_back({name, std::move(shape), GgmlType::f32,
                        [values, name](std::vector<std::byte>& to) { quantize(GgmlType::f32, values, name, to); }});
  }

  void add_llama() {
    add_sizes("llama");
    keys_.add_u32("llama.attention.head_count_kv", kTwinKeyHeads);
    keys_.add_f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    add_matrix("token_embd.weight", kTwinVocabulary, kTwinWidth);
    for (std::int64_t layer = 0; layer < kTwinBlocks; ++layer) {
      const std::string block = "blk." + std::to_string(layer) + ".";
      add_floats(block + "attn_norm.weight", {kTwinWidth}, 1.0F);
      add_matrix(block + "attn_q.weight", kTwinWidth, kTwinWidth);
      add_matrix(block + "attn_k.weight", kTwinWidth / kTwinHeads * kTwinKeyHeads, kTwinWidth);
      add_matrix(block + "attn_v.weight", kTwinWidth / kTwinHeads * kTwinKeyHeads, kTwinWidth);
      add_matrix(block + "attn_output.weight", kTwinWidth, kTwinWidth);
      add_floats(block + "ffn_norm.weight", {kTwinWidth}, 1.0F);
      add_matrix(block + "ffn_gate.weight", kTwinInner, kTwinWidth);
      add_matrix(block + "ffn_up.weight", kTwinInner, kTwinWidth);
      add_matrix(block + "ffn_down.weight", kTwinWidth, kTwinInner);
    }
    add_floats("output_norm.weight", {kTwinWidth}, 1.0F);
  }
  void add_gpt2() {
    add_sizes("gpt2");
    keys_.add_f32("gpt2.attention.layer_norm_epsilon", 1e-5F);
    const auto add_layer = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
      add_matrix(name + ".weight", rows, columns);
      add_floats(name + ".bias", {rows}, 0.0F);
    };
    const auto add_norm = [&](const std::string& name) {
      add_floats(name + ".weight", {kTwinWidth}, 1.0F);
      add_floats(name + ".bias", {kTwinWidth}, 0.0F);
    };
    add_matrix("token_embd.weight", kTwinVocabulary, kTwinWidth);
    add_floats("position_embd.weight", {64, kTwinWidth}, 0.0F);
    for (std::int64_t layer = 0; layer < kTwinBlocks; ++layer) {
      const std::string block = "blk." + std::to_string(layer) + ".";
      add_norm(block + "attn_norm");
      add_layer(block + "attn_qkv", 3 * kTwinWidth, kTwinWidth);
      add_layer(block + "attn_output", kTwinWidth, kTwinWidth);
      add_norm(block + "ffn_norm");
      add_layer(block + "ffn_up", kTwinInner, kTwinWidth);
      add_layer(block + "ffn_down", kTwinWidth, kTwinInner);
    }
    add_norm("output_norm");
  }

  const reference_blocks::Format& format_;
  std::mt19937 random_;
  GgufKeys keys_;
  std::vector<GgufTensorToWrite> tensors_;
};

/// The weights of a file in f32, in the folder of a model.
WeightFiles write_wide_twin(const WeightFiles& files, const std::filesystem::path& folder) {
  std::deque<std::vector<float>> values;
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : files.names()) {
    const TensorView& view = *files.find(name);
    to_f32(view, values.emplace_back(static_cast<std::size_t>(*element_count(view.shape))));
    tensors.push_back({name, view.shape, values.back()});
  }
  std::filesystem::create_directories(folder);
  write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
  return WeightFiles::open(folder);
}

/// Three texts, of which every token asks for the next one.
Batch texts_of_twins() {
  constexpr auto kEntries = static_cast<std::int32_t>(kTwinVocabulary);
  Batch batch;
  Tokens tokens;
  for (const std::int32_t length : {21, 3, 30}) {
    for (std::int32_t i = 0; i < length; ++i) {
      tokens.ids.push_back((i * 7 + length) % kEntries);
      tokens.types.push_back(0);
      batch.positions.push_back(i);
      batch.classes.push_back(((i + 1) * 7 + length) % kEntries);
    }
    batch.examples.push_back(static_cast<std::uint32_t>(batch.examples.size()));
    batch.sequence_starts.push_back(batch.sequence_starts.back() + length);
  }
  batch.content = std::move(tokens);
  return batch;
}

struct TwinStep {
  std::vector<double> loss;
  std::map<std::string, std::vector<float>> gradients;
  friend bool operator==(const TwinStep&, const TwinStep&) = default;
};

class QuantizedTwins : public testing::TestWithParam<std::string> {
 protected:
  /// Of a step that trains norms and biases alone, through all layers.
  TwinStep step(const ModelConfig& config, const WeightFiles& files, DType activations, std::int64_t* quantized) const {
    const std::unique_ptr<Model> model = make_model(config, {HeadKind::causal_language_model, kTwinVocabulary, {}});
    EXPECT_TRUE(load_weights(*model, files, *device_, {}).initialized.empty());
    *quantized = 0;
    for (const Parameter& parameter : model->parameters().all()) {
      parameter.variable.set_requires_gradient(parameter.shape.dimensions() == 1);
      if (is_quantized(parameter.variable.value().type())) ++*quantized;
    }
    ensure_compute_copies(*model, *device_, activations);
    const DeviceBatch batch = to_device(texts_of_twins(), model->readout(), {.labelled = true}, *device_);
    const Tensor sum = device_->zeros({2}, DType::f64);
    Tape tape(*device_, Tape::Mode::training, {}, activations);
    model->loss(tape, batch.input, batch.selection, batch.targets, sum);
    tape.backward();
    TwinStep found{device_->download<double>(sum), {}};
    for (const Parameter& parameter : model->parameters().all())
      if (parameter.variable.gradient_written())
        found.gradients[parameter.name] = device_->download<float>(parameter.variable.gradient());
    return found;
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_P(QuantizedTwins, HaveTheSameBits) {
  for (const reference_blocks::Format& format : reference_blocks::formats()) {
    // What lies in another order there than in a folder is tried in one format with a scale for 32 and one for 256.
    if (GetParam() == "gpt2" && format.type != DType::q8_0 && format.type != DType::q4_k) continue;
    const std::string name(name_of(format.type));
    const std::filesystem::path path = folder_.path() / (name + ".gguf");
    TinyGguf(GetParam(), format, path);
    const ModelConfig config = read_model_config(path);
    const WeightFiles files = WeightFiles::open(path);
    const WeightFiles wide = write_wide_twin(files, folder_.path() / name);
    for (const DType activations : {DType::f32, DType::bf16}) {
      if (activations == DType::bf16 && !device_->has_bf16()) continue;
      std::int64_t quantized = 0;
      const TwinStep found = step(config, files, activations, &quantized);
      // Of the block seven matrices, or six of which three are one tensor, and the table of words.
      EXPECT_EQ(quantized, kTwinBlocks * (GetParam() == "llama" ? 7 : 6) + 1) << name;
      const TwinStep expected = step(config, wide, activations, &quantized);
      EXPECT_EQ(quantized, 0) << name;
      EXPECT_EQ(found.loss, expected.loss) << name << ", " << name_of(activations);
      EXPECT_GE(expected.gradients.size(), 3U);
      EXPECT_TRUE(found.gradients == expected.gradients) << name << ", " << name_of(activations);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, QuantizedTwins, testing::Values("llama", "gpt2"),
                         [](const auto& architecture) { return architecture.param; });

}  // namespace
}  // namespace temper
