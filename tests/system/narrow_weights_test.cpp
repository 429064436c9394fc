// A model whose files are bf16 gives what its twin in f32 gives, bit for bit: frozen weights stay in bf16, are
// multiplied so, and go out as they came.
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "base/half_float.h"
#include "model/huggingface/weight_files.h"
#include "tests/system/precisions.h"
#include "tests/system/tiny_run.h"
#include "tests/tiny_text_model.h"

namespace temper::system_tests {
namespace {

namespace fs = std::filesystem;

/// Rounds the weights of a model folder to bf16 or f16, and writes them as such to <folder>-narrow, and as f32 to
/// <folder>-wide, beside the folder's other files. Sharded: two files and their index.
void write_twins(const fs::path& folder, StoredType type = StoredType::bf16) {
  const WeightFiles files = WeightFiles::open(folder);
  std::deque<std::vector<std::uint16_t>> narrow;
  std::deque<std::vector<float>> wide;
  std::vector<TensorToWrite> as_narrow;
  std::vector<TensorToWrite> in_f32;
  for (const std::string& name : files.names()) {
    const TensorView& tensor = *files.find(name);
    std::vector<float>& values = wide.emplace_back(static_cast<std::size_t>(*element_count(tensor.shape)));
    to_f32(tensor, values);
    std::vector<std::uint16_t>& rounded = narrow.emplace_back();
    for (float& value : values) {
      rounded.push_back(type == StoredType::f16 ? to_f16(value) : to_bf16(value));
      value = type == StoredType::f16 ? from_f16(rounded.back()) : from_bf16(rounded.back());
    }
    as_narrow.push_back({name, tensor.shape, {}, rounded, type});
    in_f32.push_back({name, tensor.shape, values});
  }
  for (const auto& [end, tensors] : {std::pair{"-narrow", &as_narrow}, {"-wide", &in_f32}}) {
    const fs::path twin = folder.string() + end;
    fs::copy(folder, twin, fs::copy_options::recursive);
    fs::remove(twin / "model.safetensors");
    const std::size_t half = tensors->size() / 2;
    const std::map<std::string, std::string> metadata{{"format", "pt"}};
    write_safetensors(twin / "model-00001-of-00002.safetensors", std::span(*tensors).first(half), metadata);
    write_safetensors(twin / "model-00002-of-00002.safetensors", std::span(*tensors).subspan(half), metadata);
    std::string map;
    for (std::size_t i = 0; i < tensors->size(); ++i)
      map += std::string(i == 0 ? "" : ",") + "\"" + (*tensors)[i].name + "\":\"model-0000" + (i < half ? "1" : "2") +
             "-of-00002.safetensors\"";
    write_file_atomically(twin / "model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  }
}

class NarrowWeights : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    write_twins(path("model"));
    testing_support::write_text_model(path("text"));
    write_twins(path("text"));
  }

  using Values = std::map<std::string, std::vector<float>>;
  static Values values_of(const WeightFiles& files) {
    Values values;
    for (const std::string& name : files.names()) {
      std::vector<float>& of_tensor = values[name];
      of_tensor.resize(static_cast<std::size_t>(*element_count(files.find(name)->shape)));
      to_f32(*files.find(name), of_tensor);
    }
    return values;
  }

  /// Trains both twins and expects the same model. Gives the folder of the narrow one's.
  fs::path expect_same_training(const std::string& name, std::vector<std::string> overrides, int ranks = 0) {
    fs::path exported;
    std::map<std::string, Values> found;
    overrides.emplace_back("output.tensorboard=false");
    for (const std::string twin : {"wide", "narrow"}) {
      std::vector<std::string> own = overrides;
      own.push_back("model.path=model-" + twin);
      const std::string output = name + "-" + twin;
      const Outcome outcome = train(output, own, ranks);
      EXPECT_EQ(outcome.status, 0) << name << ": " << outcome.err;
      exported = path(output) / "model";
      if (outcome.status == 0) found[twin] = values_of(WeightFiles::open(exported));
    }
    EXPECT_FALSE(found["wide"].empty());
    EXPECT_TRUE(found["wide"] == found["narrow"]) << name;
    return exported;
  }

  Outcome temper(const std::vector<std::string>& arguments, int ranks = 0) const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.ranks = ranks;
    invocation.folder = folder_;
    return run(invocation);
  }
};

TEST_F(NarrowWeights, TrainAsTheirTwinInF32) {
  const std::string lower = "tuning.freeze=[\"embeddings\", \"encoder.layer.0\"]";
  expect_same_training("all", {"train.epochs=1"});
  expect_same_training("head", {"tuning.freeze=[\"*\"]", "train.epochs=2"});
  expect_same_training("lower", {lower, "train.grains=2"}, 2);
  expect_same_training("words", {"tuning.freeze=[\"encoder\"]", "train.epochs=1"});
  expect_same_training("in-bf16", {lower, "train.precision=bf16", "train.epochs=1"});
  expect_same_training("recomputed", {lower, "train.checkpoint_activations=blocks", "tuning.frozen_cache=false"});
}

TEST_F(NarrowWeights, OfF16TrainAsTheirTwinInF32) {
  for (const char* twin : {"model-narrow", "model-wide"}) fs::remove_all(path(twin));
  write_twins(path("model"), StoredType::f16);
  const std::string lower = "tuning.freeze=[\"embeddings\", \"encoder.layer.0\"]";
  expect_same_training("lower", {lower, "train.grains=2"}, 2);
  expect_same_training("in-bf16", {lower, "train.precision=bf16", "train.epochs=1"});
}

TEST_F(NarrowWeights, AreTrainedInF32OnceTheirPhaseComes) {
  expect_same_training("phases",
                       {"tuning.phases=[{ freeze = [\"*\"], epochs = 1 }, { freeze = [\"embeddings\", "
                        "\"encoder.layer.0\"], epochs = 1 }, { freeze = [\"encoder.layer.1\"], epochs = 1 }]",
                        "train.grains=2"},
                       2);
}

TEST_F(NarrowWeights, GoOutAsTheyCame) {
  const fs::path folder =
      expect_same_training("frozen", {"tuning.freeze=[\"embeddings\", \"encoder.layer.0\"]", "train.epochs=1"});
  const WeightFiles exported = WeightFiles::open(folder);
  const WeightFiles base = WeightFiles::open(path("model-narrow"));
  int frozen = 0;
  for (const std::string& name : base.names()) {
    if (name.find("embeddings") == std::string::npos && name.find("layer.0.") == std::string::npos) continue;
    const TensorView* tensor = exported.find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(tensor->type, StoredType::bf16) << name;
    EXPECT_TRUE(std::equal(tensor->bytes.begin(), tensor->bytes.end(), base.find(name)->bytes.begin(),
                           base.find(name)->bytes.end()))
        << name;
    ++frozen;
  }
  EXPECT_GT(frozen, 16);
  EXPECT_EQ(exported.find("bert.encoder.layer.1.output.dense.weight")->type, StoredType::f32);
}

TEST_F(NarrowWeights, PredictAndGenerateAsTheirTwin) {
  for (const std::string& precision : precisions_here()) {
    const auto answers = [&](const std::string& twin, int ranks) {
      const Outcome outcome =
          temper({"generate", "text-" + twin, "dhb", "f", "acgg. a", "--json", "--precision", precision}, ranks);
      EXPECT_EQ(outcome.status, 0) << outcome.err;
      return outcome.out;
    };
    const std::string expected = answers("wide", 0);
    EXPECT_EQ(answers("narrow", 0), expected);
    // The text model's matrices are stored transposed: they are turned once for both ranks.
    EXPECT_EQ(answers("narrow", 2), expected);
  }
  const fs::path wide = path("scored-wide") / "model";
  ASSERT_EQ(train("scored", {"tuning.freeze=[\"*\"]", "train.epochs=1", "model.path=model-narrow"}).status, 0);
  fs::rename(path("scored") / "model", path("scored-model"));
  write_twins(path("scored-model"));
  const Outcome of_wide = temper({"eval", "scored-model-wide", "data/test.csv", "--json"});
  const Outcome of_narrow = temper({"eval", "scored-model-narrow", "data/test.csv", "--json"}, 2);
  ASSERT_EQ(of_wide.status, 0) << of_wide.err;
  const auto loss = [](const std::string& line) { return line.substr(line.find("\"loss\""), 40); };
  EXPECT_EQ(loss(of_narrow.last_line()), loss(of_wide.last_line()));
}

/// Where a node has no shared memory to spare, each rank converts, and one says so.
TEST_F(NarrowWeights, AreConvertedByEachRankWhereANodeHasNoRoom) {
  Invocation invocation;
  invocation.arguments = {"generate", "text-narrow", "dhb", "f", "acgg. a", "--json"};
  invocation.folder = folder_;
  const Outcome alone = run(invocation);
  ASSERT_EQ(alone.status, 0) << alone.err;
  invocation.ranks = 2;
  invocation.environment = {"LD_PRELOAD=" TEMPER_NO_SHARED_MEMORY,
                            "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0"};
  const Outcome crowded = run(invocation);
  ASSERT_EQ(crowded.status, 0) << crowded.err;
  EXPECT_EQ(crowded.out, alone.out);
  const std::size_t said = crowded.err.find("each rank has the weights that are converted for itself");
  EXPECT_NE(said, std::string::npos) << crowded.err;
  EXPECT_EQ(crowded.err.find("each rank has the weights", said + 1), std::string::npos) << crowded.err;
}

}  // namespace
}  // namespace temper::system_tests
