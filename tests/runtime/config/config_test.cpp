#include "runtime/config/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "tests/places.h"

namespace temper {
namespace {

constexpr const char* kSmallest = "[model]\npath = \"m\"\n[data]\ntrain = \"t.csv\"\n";

Configuration parse(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  return parse_configuration(toml, "run.toml", overrides);
}

/// The sentence with which the text is refused; it must be a usage error.
std::string refusal(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  try {
    parse(toml, overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  ADD_FAILURE() << "not refused: " << toml;
  return "";
}

#define EXPECT_REFUSED(toml, part)                                         \
  do {                                                                     \
    const std::string sentence = refusal(std::string(kSmallest) + (toml)); \
    EXPECT_NE(sentence.find(part), std::string::npos) << sentence;         \
  } while (false)

TEST(Configuration, ReadsEveryKindOfValue) {
  const Configuration read = parse(R"([model]
path = "models/minilm"
task = "multi-label"
replace_head = true
[data]
train = "a.csv"
labels = ["x", "y"]
[tuning]
layer_decay = 0.9
rates = { classifier = 10, "encoder.layer.5" = 2.0 }
phases = [{ freeze = ["*"], epochs = 1 }, { freeze = ["embeddings"], learning_rate = 1e-5, plateau_patience = 2 }]
[train]
epochs = 2
batch_size = 16
learning_rate = 1e-4
class_weight_values = [1, 2.5]
)");
  EXPECT_EQ(read.model.path, "models/minilm");
  EXPECT_TRUE(read.model.replace_head);
  EXPECT_EQ(read.data.labels, (std::vector<std::string>{"x", "y"}));
  EXPECT_DOUBLE_EQ(read.train.epochs, 2.0);
  EXPECT_EQ(read.train.batch_size, 16);
  EXPECT_EQ(read.train.class_weight_values, (std::vector<double>{1.0, 2.5}));
  ASSERT_EQ(read.tuning.rates.size(), 2U);
  EXPECT_EQ(read.tuning.rates.back().first, "encoder.layer.5") << "the longer pattern comes later and wins";
  ASSERT_EQ(read.tuning.phases.size(), 2U);
  EXPECT_DOUBLE_EQ(read.tuning.phases[0].epochs, 1.0);
  EXPECT_DOUBLE_EQ(read.tuning.phases[1].learning_rate.value(), 1e-5);
  EXPECT_EQ(read.tuning.phases[1].plateau_patience, 2);
}

TEST(Configuration, OverridesWinOverTheFile) {
  const Configuration read = parse(kSmallest, {"train.epochs=1", "model.path=models/x", "data.labels=[\"a\"]",
                                               "output.dir=runs/2024", "train.learning_rate=3e-5", "data.cache=false"});
  EXPECT_DOUBLE_EQ(read.train.epochs, 1.0);
  EXPECT_EQ(read.model.path, "models/x");
  EXPECT_EQ(read.data.labels, std::vector<std::string>{"a"});
  EXPECT_EQ(read.output.dir, "runs/2024");
  EXPECT_DOUBLE_EQ(read.train.learning_rate, 3e-5);
  EXPECT_FALSE(read.data.cache);
}

TEST(Configuration, OneColumnHasOneUse) {
  const std::string pairs = "data.text_pair=text";
  EXPECT_NE(refusal(kSmallest, {pairs}).find("data.text and data.text_pair both name the column 'text'"),
            std::string::npos);
  EXPECT_NE(refusal(kSmallest, {"data.text=label"}).find("data.text and data.label both name"), std::string::npos);
  EXPECT_NE(refusal(kSmallest, {"data.text_pair=a", "data.label=[\"b\", \"a\"]"}).find("data.text_pair and data.label"),
            std::string::npos);
  EXPECT_EQ(parse(kSmallest, {"data.text=label", "model.task=masked-lm"}).data.text, "label") << "has no labels";
}

TEST(Configuration, NamesOfOtherProgramsAreKnown) {
  const auto suggests = [](const std::string& setting, const std::string& ours) {
    const std::string sentence = refusal(kSmallest, {setting});
    EXPECT_NE(sentence.find("did you mean '" + ours + "'?"), std::string::npos) << sentence;
  };
  suggests("train.lr=1e-4", "train.learning_rate");
  suggests("model.lr=1e-4", "train.learning_rate");
  suggests("data.max_seq_length=64", "data.max_length");
  suggests("evaluate.eval_steps=5", "evaluate.every_steps");
  suggests("model.task=classification", "sequence-classification");
  suggests("run.device=gpu", "cuda");
  suggests("tuning.phases=[{ lr = 1e-4 }]", "learning_rate");
  suggests("train.learing_rate=1e-4", "train.learning_rate");
}

TEST(Configuration, AStringMayLookLikeANumberInAnOverride) {
  EXPECT_EQ(parse(kSmallest, {"output.dir=42"}).output.dir, "42");
}

TEST(Configuration, AKeyOfOneOrMoreTakesAStringOrAnArray) {
  const Configuration one =
      parse(kSmallest, {"data.label=toxic", "data.test=[\"a.csv\", \"b.csv\"]", "data.validation=7"});
  EXPECT_EQ(one.data.label.values, std::vector<std::string>{"toxic"});
  EXPECT_FALSE(one.data.label.listed);
  EXPECT_EQ(one.data.test.values, (std::vector<std::string>{"a.csv", "b.csv"}));
  EXPECT_EQ(one.data.test.text(), "a.csv, b.csv");
  EXPECT_EQ(one.data.validation.text(), "7") << "a name may look like a number";
  const Configuration listed = parse(kSmallest, {"data.label=[\"toxic\"]"});
  EXPECT_TRUE(listed.data.label.listed);
  EXPECT_EQ(listed.data.label.values, one.data.label.values);
  EXPECT_EQ(differing_keys(one, parse(kSmallest, {"data.label=toxic", "data.validation=7"})),
            std::vector<std::string>{});
  EXPECT_EQ(differing_keys(parse(kSmallest, {"data.label=toxic"}), listed), std::vector<std::string>{"data.label"});
  EXPECT_EQ(to_toml(parse(to_toml(listed))), to_toml(listed));
  EXPECT_EQ(to_toml(parse(to_toml(one))), to_toml(one));
  const auto refused = [](const std::string& line) { return refusal("[model]\npath = \"m\"\n[data]\n" + line); };
  EXPECT_NE(refused("train = \"t\"\nlabel = [\"a\", \"\"]\n").find("an empty string"), std::string::npos);
  EXPECT_NE(refused("train = \"t\"\nlabel = 3\n").find("a string or an array of strings"), std::string::npos);
  EXPECT_NE(refused("train = []\n").find("data.train is missing"), std::string::npos);
}

TEST(Configuration, WeightsOfFilesAreOneForEachName) {
  const Configuration mixed = parse(kSmallest, {"data.train=[\"a\", \"b\"]", "data.train_weights=[3, 0.5]"});
  EXPECT_EQ(mixed.data.train_weights, (std::vector<double>{3.0, 0.5}));
  EXPECT_EQ(to_toml(parse(to_toml(mixed))), to_toml(mixed));
  EXPECT_EQ(differing_keys(mixed, parse(kSmallest, {"data.train=[\"a\", \"b\"]"})),
            std::vector<std::string>{"data.train_weights"});
  EXPECT_NE(refusal(kSmallest, {"data.train=[\"a\", \"b\"]", "data.train_weights=[1]"})
                .find("data.train_weights has 1 weight, but data.train names 2; give each of them one"),
            std::string::npos);
  EXPECT_NE(refusal(kSmallest, {"data.train_weights=[0]"}).find("above 0"), std::string::npos);
}

TEST(Configuration, WritesWhatItReads) {
  Configuration configuration = parse(kSmallest);
  configuration.model.path = "a \"quoted\" \\ path\n";
  configuration.train.learning_rate = 1.0 / 3.0;
  configuration.train.update.epsilon = 1e-8;
  configuration.tuning.rates = {{"classifier", 10.0}, {"encoder.layer.5", 0.1}};
  PhaseConfig phase;
  phase.freeze = {"*"};
  phase.fraction = 0.25;
  phase.layer_decay = 0.8;
  configuration.tuning.phases = {phase, PhaseConfig{}};
  const std::string text = to_toml(configuration);
  const Configuration again = parse(text);
  EXPECT_EQ(to_toml(again), text);
  EXPECT_EQ(again.model.path, configuration.model.path);
  EXPECT_EQ(again.train.learning_rate, configuration.train.learning_rate);
  EXPECT_EQ(again.tuning.rates, configuration.tuning.rates);
  EXPECT_EQ(again.tuning.phases, configuration.tuning.phases);
}

TEST(Configuration, NamesTheNearestKey) {
  EXPECT_REFUSED("[train]\nlearing_rate = 1e-4\n", "learning_rate");
  EXPECT_REFUSED("[trian]\nepochs = 1\n", "did you mean 'train'");
  EXPECT_REFUSED("[train]\nmax_length = 4\n", "data.max_length");
  EXPECT_REFUSED("[tuning]\nphases = [{ freez = [] }]\n", "freeze");
}

TEST(Configuration, NamesTheLine) { EXPECT_REFUSED("[train]\nepochs = 1\nbatchsize = 4\n", "run.toml line 7"); }

TEST(Configuration, RefusesWrongTypes) {
  EXPECT_REFUSED("[train]\nepochs = \"three\"\n", "expected a finite number");
  EXPECT_REFUSED("[train]\nbatch_size = 2.5\n", "expected a whole number");
  EXPECT_REFUSED("[train]\nepochs = nan\n", "expected a finite number");
  EXPECT_REFUSED("[checkpoint]\nresume = 1\n", "expected true or false");
  EXPECT_REFUSED("[tuning]\nfreeze = \"embeddings\"\n", "expected an array of strings");
}

TEST(Configuration, RefusesValuesOutOfRangeAndSaysWhatIsAllowed) {
  EXPECT_REFUSED("[train]\nlearning_rate = -1e-4\n", "must be above 0");
  EXPECT_REFUSED("[train]\noptimizer = \"sgd\"\nbeta1 = 0.8\n",
                 "train.beta1 has no effect with train.optimizer = \"sgd\"");
  EXPECT_REFUSED("[train]\nbatch_size = 0\n", "must be at least 1");
  EXPECT_REFUSED("[train]\nlabel_smoothing = 1.0\n", "must be at least 0 and below 1");
  EXPECT_REFUSED("[train]\noptimizer = \"adam\"\n", "adamw");
}

TEST(Configuration, KnowsUpdateRulesByTheirTable) {
  for (const char* name : {"adamw", "sgd", "adafactor", "lion"}) {
    EXPECT_REFUSED("[train]\noptimizer = \"quite another\"\n", name);
    EXPECT_EQ(parse(kSmallest, {std::string("train.optimizer=") + name}).train.update.rule, name);
  }
}

TEST(Configuration, TakesTheDefaultsOfTheUpdateRule) {
  EXPECT_EQ(parse(kSmallest).train.update.beta2, 0.999);
  const Configuration lion = parse(kSmallest, {"train.optimizer=lion"});
  EXPECT_EQ(lion.train.update.beta2, 0.99);
  EXPECT_EQ(parse(kSmallest, {"train.beta2=0.95", "train.optimizer=lion"}).train.update.beta2, 0.95);
  EXPECT_EQ(parse(kSmallest, {"train.optimizer=adafactor"}).train.update.epsilon, 1e-30);
  EXPECT_EQ(parse(to_toml(lion)).train.update.beta2, 0.99);
  const Configuration given = parse(std::string(kSmallest) + "[train]\nbeta2 = 0.999\noptimizer = \"lion\"\n");
  EXPECT_EQ(given.train.update.beta2, 0.999) << "which is the default of others, but was asked for";
}

TEST(Configuration, RefusesWhatIsMissingOrContradicts) {
  EXPECT_NE(refusal("[model]\npath = \"m\"\n").find("data.train is missing"), std::string::npos);
  EXPECT_REFUSED("validation = \"v.csv\"\nvalidation_fraction = 0.1\n", "exclude each other");
  EXPECT_REFUSED("[tuning]\nfreeze = [\"*\"]\nphases = [{ epochs = 1 }]\n", "exclude each other");
  EXPECT_REFUSED("[tuning]\nphases = [{ freeze = [\"*\"] }, { epochs = 1 }]\n", "has no end");
  EXPECT_REFUSED("[tuning]\nphases = [{ epochs = 1, steps = 3 }]\n", "ends by one of");
}

TEST(Configuration, TellsOfASyntaxErrorWhereItIs) { EXPECT_REFUSED("[train\n", "line 5"); }

TEST(Configuration, RefusesOverridesThatNameNothing) {
  EXPECT_NE(refusal(kSmallest, {"epochs=1"}).find("section.key=value"), std::string::npos);
  EXPECT_NE(refusal(kSmallest, {"train.epoch=1"}).find("train.epochs"), std::string::npos);
  EXPECT_NE(refusal(kSmallest, {"train.epochs=-1"}).find("above 0"), std::string::npos);
}

TEST(Configuration, CallsANumberThatNothingHoldsTooLarge) {
  for (const std::string set : {"train.epochs=1e400", "train.epochs=-1e400", "train.epochs=99999999999999999999",
                                "train.batch_size=99999999999999999999", "train.batch_size=+99999999999999999999"}) {
    const std::size_t equals = set.find('=');
    const std::string start = "--set " + set + ": " + set.substr(0, equals) + " is " + set.substr(equals + 1) +
                              ", which is too large; it must be";
    EXPECT_TRUE(refusal(kSmallest, {set}).starts_with(start)) << refusal(kSmallest, {set});
  }
  EXPECT_NE(refusal(kSmallest, {"train.epochs=many"}).find("of type string"), std::string::npos);
}

TEST(Configuration, APhasesPlaceIsNamedOnce) {
  const std::string set = "tuning.phases=[{freez=[\"*\"]}]";
  EXPECT_TRUE(refusal(kSmallest, {set}).starts_with("--set " + set + ": unknown key")) << refusal(kSmallest, {set});
  const std::string both = "tuning.phases=[{epochs=1,steps=2}]";
  EXPECT_TRUE(refusal(kSmallest, {both}).starts_with("--set " + both + ": a phase ends")) << refusal(kSmallest, {both});
  const std::string in_file =
      refusal(std::string(kSmallest) + "[tuning]\nphases = [\n  { epochs = 1 },\n  { epochs = 0 },\n]\n");
  EXPECT_EQ(in_file.find(" line "), in_file.rfind(" line ")) << in_file;
  EXPECT_NE(in_file.find("run.toml line 8: tuning.phases.epochs"), std::string::npos) << in_file;
}

TEST(Configuration, NamesEvaluationSets) {
  const std::string sets =
      "evaluate.sets=[{name=\"old\",data=\"old.csv\",every_steps=5},{name=\"both.2\",data=[\"a.csv\",\"b.csv\"]}]";
  const Configuration read = parse(kSmallest, {sets});
  ASSERT_EQ(read.evaluate.sets.size(), 2U);
  EXPECT_EQ(read.evaluate.sets[0].name, "old");
  EXPECT_EQ(read.evaluate.sets[0].data.values, std::vector<std::string>{"old.csv"});
  EXPECT_EQ(read.evaluate.sets[0].every_steps, 5);
  EXPECT_EQ(read.evaluate.sets[1].data.values, (std::vector<std::string>{"a.csv", "b.csv"}));
  EXPECT_EQ(read.evaluate.sets[1].every_steps, 0);
  const Configuration again = parse(to_toml(read));
  ASSERT_EQ(again.evaluate.sets.size(), 2U);
  EXPECT_EQ(to_toml(again), to_toml(read));

  const auto refused = [](const std::string& value) { return refusal(kSmallest, {"evaluate.sets=" + value}); };
  EXPECT_NE(refused("[{data=\"a.csv\"}]").find("has no name"), std::string::npos);
  EXPECT_NE(refused("[{name=\"a\"}]").find("has no data"), std::string::npos);
  EXPECT_NE(refused("[{name=\"a\",data=\"\"}]").find("has no data"), std::string::npos);
  EXPECT_NE(refused("[{name=\"a/b\",data=\"a.csv\"}]").find("letters, digits"), std::string::npos);
  EXPECT_NE(refused("[{name=\"a\",data=\"a.csv\"},{name=\"a\",data=\"b.csv\"}]").find("two sets"), std::string::npos);
  EXPECT_NE(refused("[{name=\"a\",dat=\"a.csv\"}]").find("did you mean 'data'"), std::string::npos);
  EXPECT_NE(refused("[{name=\"a\",data=\"a.csv\",every_steps=-1}]").find("every_steps"), std::string::npos);
  EXPECT_NE(refused("[\"a.csv\"]").find("a table such as"), std::string::npos);
}

TEST(Configuration, WantsAFolderForTheRun) {
  EXPECT_EQ(refusal(kSmallest, {"output.dir="}), "run.toml: output.dir is empty; name a folder for the run");
  EXPECT_NE(refusal("[model]\npath = \"m\"\n").find("data.train is missing: rows to train on"), std::string::npos);
}

TEST(Configuration, ChoosesDeviceAndPrecision) {
  const Configuration by_default = parse(kSmallest);
  EXPECT_EQ(by_default.run.device, "auto");
  EXPECT_EQ(by_default.run.gpu_communication, "auto");
  EXPECT_EQ(by_default.train.precision, "f32");
  EXPECT_EQ(by_default.train.sum_order, "fixed");
  const Configuration read = parse(std::string(kSmallest) + R"([train]
precision = "bf16"
sum_order = "library"
[run]
device = "cuda"
gpu_communication = "mpi"
)");
  EXPECT_EQ(read.train.precision, "bf16");
  EXPECT_EQ(read.train.sum_order, "library");
  EXPECT_EQ(read.run.device, "cuda");
  EXPECT_EQ(read.run.gpu_communication, "mpi");
  EXPECT_EQ(to_toml(parse(to_toml(read))), to_toml(read));
  for (const char* way : {"auto", "nccl", "mpi"})
    EXPECT_EQ(parse(kSmallest, {std::string("run.gpu_communication=") + way}).run.gpu_communication, way);
  for (const char* device : {"auto", "cpu", "cuda"})
    EXPECT_EQ(parse(kSmallest, {std::string("run.device=") + device}).run.device, device);
}

TEST(Configuration, RefusesAdapterKeysThatWouldDoNothing) {
  EXPECT_REFUSED("[lora]\nrank = 2\nalpha_pattern = { q_proj = 0.0 }\n", "lora.alpha_pattern has 0 for q_proj");
  EXPECT_REFUSED("[lora]\nrank = 2\ntargets = [\"q_proj\"]\nlayers_pattern = [\"h\"]\n",
                 "lora.layers_pattern says where the numbers of lora.layers stand");
}

TEST(Configuration, ReadsALayerIntervalAsAWordOrANumber) {
  const auto interval = [](const std::string& value) {
    const Configuration read = parse(kSmallest, {"train.checkpoint_activations=" + value});
    EXPECT_EQ(to_toml(parse(to_toml(read))), to_toml(read));
    return parse(to_toml(read)).train.checkpoint_activations.layers;
  };
  EXPECT_EQ(parse(kSmallest).train.checkpoint_activations.layers, 0);
  EXPECT_EQ(interval("none"), 0);
  EXPECT_EQ(interval("blocks"), 1);
  EXPECT_EQ(interval("1"), 1);
  EXPECT_EQ(interval("3"), 3);
  EXPECT_REFUSED("[train]\ncheckpoint_activations = \"layers\"\n", "known are none, blocks");
  EXPECT_REFUSED("[train]\ncheckpoint_activations = 0\n", "must be at least 1");
  EXPECT_REFUSED("[train]\ncheckpoint_activations = true\n", "expected a string or a whole number");
  EXPECT_TRUE(differing_keys(parse(kSmallest), parse(kSmallest, {"train.checkpoint_activations=2"})).empty());
}

TEST(Configuration, RefusesDevicesAndPrecisionsThatItDoesNotHaveAndSaysWhichItHas) {
  EXPECT_REFUSED("[train]\nprecision = \"f16\"\n", "bf16");
  EXPECT_REFUSED("[train]\nprecision = 32\n", "train.precision");
  EXPECT_REFUSED("[train]\nsum_order = \"any\"\n", "library");
  EXPECT_REFUSED("[train]\ncompress_gradients = \"f16\"\n", "bf16");
  EXPECT_REFUSED("[run]\ndevice = \"accelerator\"\n", "cuda");
  EXPECT_REFUSED("[run]\ngpu_communication = \"gloo\"\n", "nccl");
}

TEST(Configuration, OnlyKeysThatDecideTheWeightsCountAsDifferent) {
  const Configuration a = parse(kSmallest);
  EXPECT_TRUE(differing_keys(a, parse(kSmallest, {"output.dir=elsewhere", "run.threads=3"})).empty());
  EXPECT_EQ(differing_keys(a, parse(kSmallest, {"train.seed=1", "tuning.layer_decay=0.5"})),
            (std::vector<std::string>{"tuning.layer_decay", "train.seed"}));
  EXPECT_TRUE(differing_keys(a, parse(kSmallest, {"run.device=cpu", "run.gpu_communication=mpi"})).empty());
  EXPECT_EQ(differing_keys(a, parse(kSmallest, {"train.precision=bf16", "train.sum_order=library",
                                                "train.compress_gradients=bf16"})),
            (std::vector<std::string>{"train.precision", "train.sum_order", "train.compress_gradients"}));
}

TEST(Configuration, WhatIsNoTomlIsToldInTheWordsOfItsWriter) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"[train\nepochs = 3", "line 1, column 7: the section's name is not closed; expected a ] behind it"},
      {"[train]]", "line 1, column 8: the section's name is followed by ]"},
      {"[train]\nseed = 1\n[train]", "line 3, column 1: the section [train] was there before"},
      {"[train]\nepochs = 1\nepochs = 2", "line 3, column 10: epochs has a value already"},
      {"[model]\npath = m", "line 2, column 8: m is no value; a text needs quotes (\"m\")"},
      {"[model]\npath = \"m\ntask = \"x\"", "line 2, column 10: a text is not closed"},
      {"[model]\npath = \"\"\"m", "a text is not closed"},
      {"[model]\npath \"m\"", "line 2, column 6: path is followed by \"m\"; expected = and a value"},
      {"[model]\npath =\n[data]", "a value is missing behind the ="},
      {"[model]\npath =", "a value is missing behind the ="},
      {"[model]\npath = \"C:\\data\"", "\\d is none; double it"},
      {"[model]\npath = \u201Cm\u201D", "has no straight quotes"},
      {"[model]\npath = 'it's'", "a text with an apostrophe stands in \"...\""},
      {"[model]\nna\u00EFve = 3", "the key na\u00EFve has other characters"},
      {"[data]\ncache = True", "True is no value; write true"},
      {"[data]\ncache = off", "off is no value; write false"},
      {"[data]\ncache = None", "None is no value; leave the key out"},
      {"[data]\nlabels = [\"a\" \"b\"]", "line 2, column 15: found \"b\"] in an array; expected a comma"},
      {"[data]\nlabels = [\"a\", ", "an array is not closed"},
      {"[tuning]\nrates = { classifier: 10.0 }", "classifier is followed by a colon; write classifier = value"},
      {"[tuning]\nrates = { classifier = 10.0,\n }", "a table is not closed; expected a } on the same line"},
      {"[tuning]\nrates = { classifier = 10.0, }", "no comma behind its last value"},
      {"[train]\nepochs = 1,5", "line 2, column 11: the value 1 is followed by ,5; a decimal point is a point"},
      {"[train]\nepochs = 1 seed = 2", "each key stands on a line of its own"},
      {"[train]\nepochs == 1", "a single = stands between a key and its value"},
      {"[train]\nepochs = .5", ".5 is no number; a digit must stand on both sides of the point"},
      {"[train]\nepochs = 5%", "5% is no number"},
      {"[train]\nepochs = 03", "the number 03 begins with a 0"},
      {"[train]\nepochs = 99999999999999999999", "is too large"},
      {"[data]\nlabels = [\n  \"a\",\n  b\n]", "line 4, column 3: b is no value; a text needs quotes (\"b\")"},
      {"[data]\nlabels = [\n  True,\n]", "line 3, column 3: True is no value; write true"},
      {"[data]\nlabels = [\"x, [\", 'y = ', yes]", "yes is no value; write true"},
      {"[data]\nlabels = [1, 02]", "the number 02 begins with a 0"},
      {"[data]\nlabels = [1, 2.]", ": 2. is no number; a digit must stand on both sides"},
      {"[data]\nlabels = [1, none]", ": none is no value; leave the key out"},
      {"[data]\nlabels = [1, 99999999999999999999]", "the number 99999999999999999999 is too large"},
      {"[data]\nlabels = [[1, 2], [.5]]", ": .5 is no number"},
      {"[data]\nlabels = [1,,2]", "a value is missing before a comma of an array"},
      {"[data]\nlabels = [\n1\n] 2", "a value is followed by 2; expected the end of the line"},
      {"[tuning]\nphases = [\n  {freeze = [], epochs = .5},\n]", ": .5 is no number; a digit must stand"},
      {"[tuning]\nphases = [\n  {freeze = [], freeze = 2},\n]", ": freeze has a value already"},
      {"[tuning]\nrates = {x = 1, x = 2}", ": x has a value already"},
      {"[tuning]\nrates = {\"x y\" = 1, \"x y\" = 2}", ": a key of this table has a value already"},
      {"[tuning]\nrates = {x = {y = nope}}", ": nope is no value; a text needs quotes"},
      {"[tuning]\nrates = {x = , y = 1}", ": a value is missing behind the ="},
      {"[tuning]\nrates = {x = 1 2}", "found 2} in a table; expected a comma"},
      {"rates = 1\nrates.x = 2", ": rates.x cannot be set, since a part of this name has a value already"},
      {"[model]\npath", "path is followed by nothing; expected = and a value"},
      {"[model]\npath = \"\\\u00E9\"", "and \\\u00E9 is none; double it"},
      {"{\"train\": 1}", "line 1, column 1: found {\"train\": 1}; expected a [section], key = value"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string sentence = refusal(text);
    EXPECT_TRUE(sentence.starts_with("run.toml line ")) << sentence;
    EXPECT_NE(sentence.find(expected), std::string::npos) << text << "\n" << sentence;
    for (const char* jargon : {"Error while parsing", "key-value pair", "end-of-file", "saw", "U+"})
      EXPECT_EQ(sentence.find(jargon), std::string::npos) << sentence;
  }
}

TEST(Configuration, TheDocumentationIsWhatTheProgramSays) {
  EXPECT_EQ(read_text_file(testing_support::source_directory() / "docs" / "configuration.md"), describe_configuration())
      << "write it anew: temper train --help-config > docs/configuration.md";
}

}  // namespace
}  // namespace temper
