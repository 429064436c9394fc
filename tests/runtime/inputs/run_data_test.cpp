// The data of a run, from files to tokenised rows: on one rank and, under mpirun, on several.
#include "runtime/inputs/run_data.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "runtime/inputs/run_tables.h"
#include "tests/tiny_files.h"
#include "tests/world.h"

namespace temper {
namespace {

using Names = std::vector<std::string>;

/// A folder of each rank's own, with a tiny tokenizer and the files that a test writes.
class RunDataTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-run-data-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    testing_support::write_tiny_model(folder_ / "model");
    tokenizer_ = Tokenizer::load(folder_ / "model/tokenizer.json");
    configuration_.output.dir = (folder_ / "out").string();
    configuration_.data.cache = false;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, std::string_view content) const {
    write_file_atomically(folder_ / name, content);
    return (folder_ / name).string();
  }
  ModelConfig model_of(const Names& labels) const {
    ModelConfig model;
    model.labels = labels;
    model.vocabulary_size = tokenizer_->vocabulary_size();
    return model;
  }
  static std::vector<std::int32_t> classes_of(const TokenStore& rows) {
    return {rows.classes().begin(), rows.classes().end()};
  }
  static std::vector<float> targets_of(const TokenStore& rows) {
    return {rows.targets().begin(), rows.targets().end()};
  }
  RunData prepare(const TaskSpec& task, const Names& model_labels = {}) {
    return prepare_run_data(configuration_, task, *tokenizer_, model_of(model_labels), 16, 1, world_communicator(),
                            [](const std::string&) {});
  }
  RunData prepare(std::string_view train, const TaskSpec& task, const Names& model_labels = {}) {
    configuration_.data.train = file("train.csv", train);
    return prepare(task, model_labels);
  }
  std::string refusal(std::string_view train, const TaskSpec& task, const Names& model_labels = {}) {
    try {
      prepare(train, task, model_labels);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }
  static Names names_of(const std::vector<Finding>& findings) {
    Names names;
    for (const Finding& finding : findings) names.push_back(finding.name);
    return names;
  }

  std::filesystem::path folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  Configuration configuration_;
};

#define EXPECT_HAS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << "in: " << (text)

const TaskSpec& kClassification = task_named("sequence-classification");

TEST_F(RunDataTest, SeveralFilesAreOneDataSetWithALineageForEach) {
  configuration_.data.train.values = {file("b.csv", "text,label\ngood day,x\nbad day,y\n"),
                                      (folder_ / "part*").string()};
  file("part2.csv", "label,text,more\ny,the road,1\n");
  file("part1.jsonl",
       "{\"text\": \"the stone\", \"label\": \"x\", \"note\": 1}\n\n{\"text\": \"a\", \"label\": \"y\"}\n");
  configuration_.data.test = file("test.csv", "text,label\nit,y\n");
  configuration_.evaluate.sets = {{.name = "old", .data = {}}};
  configuration_.evaluate.sets.front().data.values = {file("old1.csv", "text,label\nit,y\na,x\n"),
                                                      file("old2.csv", "text,label\na,x\n")};
  const RunData data = prepare(kClassification);
  EXPECT_EQ(data.train.rows(), 5);
  EXPECT_EQ(classes_of(data.train), (std::vector<std::int32_t>{0, 1, 0, 1, 1}));
  ASSERT_EQ(data.files.size(), 6U);
  EXPECT_EQ(data.files[0].file, "b.csv");
  EXPECT_EQ(data.files[1].file, "part1.jsonl") << "what fits a pattern is sorted";
  EXPECT_EQ(data.files[1].rows, 2);
  EXPECT_EQ(data.files[1].sha256, sha256_file(folder_ / "part1.jsonl"));
  EXPECT_EQ(data.files[2].file, "part2.csv");
  EXPECT_EQ(data.files[2].rows, 1);
  EXPECT_EQ(data.files[2].role, "train");
  EXPECT_EQ(data.files[3].role, "test");
  EXPECT_EQ(data.files[4].role, "evaluation/old");
  EXPECT_EQ(data.files[4].rows, 2);
  EXPECT_EQ(data.files[5].file, "old2.csv");
  EXPECT_EQ(sample_run_data(configuration_, kClassification, *tokenizer_, model_of({}), 16, 1, 10).set_rows,
            (std::vector<std::int64_t>{3}));
}

TEST_F(RunDataTest, FilesAreMixedByWeight) {
  configuration_.data.train.values = {file("new.csv", "text,label\ngood day,x\nbad day,y\ngood,x\nbad,y\n"),
                                      (folder_ / "old*.csv").string()};
  file("old1.csv", "label,text\nx,the road\n");
  file("old2.csv", "text,label\nthe stone,y\na,x\nit,y\n");
  configuration_.data.train_weights = {2.0, 1.0};
  const RunData data = prepare(kClassification);
  ASSERT_NE(data.mixture, nullptr);
  EXPECT_EQ(&data.training(), data.mixture.get());
  EXPECT_EQ(data.train.rows(), 8);
  EXPECT_EQ(data.mixture->rows_of(0), 4);
  EXPECT_EQ(data.mixture->rows_of(1), 4) << "a pattern is one of the names";
  EXPECT_EQ(data.mixture->epoch_rows(), 6);
  ASSERT_GE(data.files.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(data.files[i].mixed_as, i == 0 ? 0 : 1) << data.files[i].file;
  const std::vector<std::int64_t> all{0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(data.mixture->read(all, 0), data.train.read(all, 0)) << "rows are called as in the store";
  if (world_communicator().rank() == 0) {
    const auto told = std::find_if(data.findings.begin(), data.findings.end(),
                                   [](const Finding& finding) { return finding.name == "mixture"; });
    ASSERT_NE(told, data.findings.end());
    EXPECT_EQ(told->sentence, "an epoch takes 6 rows: 4 of " + configuration_.data.train.values[0] +
                                  " (each once), 2 of " + configuration_.data.train.values[1] +
                                  " (of 4, 50 % of them)");
  }
  const DataSample sample = sample_run_data(configuration_, kClassification, *tokenizer_, model_of({}), 16, 1, 100);
  EXPECT_EQ(sample.train_rows, 6);
  EXPECT_EQ(sample.train_sequences, 8);
  configuration_.data.train_weights = {1.0, 3.0};
  EXPECT_EQ(prepare(kClassification).training().epoch_rows(), 16) << "old rows come three times";
}

TEST_F(RunDataTest, MixedTextsArePackedAndCutWithinTheirFile) {
  configuration_.data.format = "text";
  configuration_.data.train.values = {file("a.txt", "good day good day\nthe road\n"), file("b.txt", "bad bad bad\n")};
  configuration_.data.train_weights = {1.0, 1.0};
  const TaskSpec& task = task_named("causal-lm");
  for (const char* pack : {"documents", "blocks", "none"}) {
    configuration_.data.pack = pack;
    const RunData data = prepare(task);
    ASSERT_EQ(data.parts.size(), 2U) << pack;
    EXPECT_EQ(data.parts[0].rows + data.parts[1].rows, data.train.rows()) << pack;
    // The second file's one document begins a row, whatever stands before it.
    const std::int64_t begin = data.train.starts()[static_cast<std::size_t>(data.parts[1].first)];
    EXPECT_EQ(begin, data.train.document_starts()[2]) << pack;
    EXPECT_EQ(data.packed.has_value(), false) << pack;
    EXPECT_EQ(data.training().epoch_rows(), data.mixture->rows_taken(0) + data.mixture->rows_taken(1)) << pack;
  }
}

TEST_F(RunDataTest, AMixedFileThatKeepsNoRowIsNamed) {
  configuration_.data.train.values = {file("new.csv", "text,label\ngood day,x\nbad day,y\n"),
                                      file("none.csv", "text,label\n")};
  configuration_.data.train_weights = {1.0, 1.0};
  try {
    prepare(kClassification);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_HAS(error.what(), "none.csv");
  }
}

TEST_F(RunDataTest, ASetWithoutRowsHasNoFigures) {
  configuration_.evaluate.sets = {{.name = "old", .data = {}}};
  configuration_.evaluate.sets.front().data = file("old.txt", "");  // blank lines alone, its reader refuses
  configuration_.data.train = file("corpus.txt", "good day\nthe road\n");
  const TaskSpec& task = task_named("masked-lm");
  try {
    prepare(task);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_HAS(error.what(), "old.txt: the file is empty");
  }
  EXPECT_THROW((void)sample_run_data(configuration_, task, *tokenizer_, model_of({}), 16, 1, 10), Error);
}

TEST_F(RunDataTest, TokenisedRowsAreNotOnTheHeap) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "skipped: a sanitizer keeps books of its own";
#endif
  constexpr std::int64_t kRows = 100000;
  constexpr std::int64_t kFew = std::int64_t{1} << 20;  // the starts of the rows alone are 800,000 bytes
  std::string text = "text,label\n";
  for (std::int64_t row = 0; row < kRows; ++row) text += row % 3 == 0 ? "the good stone,x\n" : "a bad day,y\n";
  const auto heap = [] {
    const auto info = mallinfo2();
    return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
  };
  configuration_.data.train = file("train.csv", text);
  // Ranks have folders of their own here, where no file can be everybody's; their rows lie in memory that they share.
  configuration_.data.cache = world_communicator().size() == 1;
  prepare(kClassification);
  for (const bool anew : {false, true}) {
    if (anew) configuration_.data.text_pair = "label";
    const std::int64_t before = heap();
    const RunData data = prepare(kClassification);
    EXPECT_EQ(data.train.rows(), kRows);
    EXPECT_LT(heap() - before, kFew) << (anew ? "tokenised" : "from the cache");
  }
}

TEST_F(RunDataTest, LinesOfTextTrainAMaskedLanguageModel) {
  configuration_.data.train = file("corpus.txt", "good day\n\nthe road is nice\n");
  EXPECT_EQ(prepare(task_named("masked-lm")).train.rows(), 2);
  configuration_.data.train = file("corpus.txt", "good day\n");
  try {
    prepare(kClassification);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_HAS(error.what(), "has no column \"label\"");
  }
}

TEST_F(RunDataTest, ClassesThatAreKeptBackForValidationAreKnown) {
  std::string csv = "text,label\n";
  for (int i = 0; i < 40; ++i) csv += "row " + std::to_string(i) + (i % 2 == 0 ? ",x\n" : ",y\n");
  configuration_.data.validation_fraction = 0.3;
  int hidden = 0;
  for (int i = 0; i < 12; ++i) {
    const RunData data = prepare(csv + "rare text " + std::to_string(i) + ",rare\n", kClassification);
    EXPECT_EQ(data.labels.names(), (Names{"rare", "x", "y"}));
    EXPECT_EQ(data.train.rows() + data.validation.rows(), 41);
    EXPECT_EQ(data.files.front().rows, data.train.rows());
    const std::vector<std::int32_t> classes = classes_of(data.train);
    if (std::find(classes.begin(), classes.end(), 0) != classes.end()) continue;
    ++hidden;
    if (world_communicator().rank() == 0) {
      const Names found = names_of(data.findings);
      EXPECT_NE(std::find(found.begin(), found.end(), "unused_label"), found.end());
    }
  }
  EXPECT_GT(hidden, 0) << "the rows of this test should include one that is kept back";
}

TEST_F(RunDataTest, OneClassIsRefused) {
  EXPECT_HAS(refusal("text,label\na,pos\nb,pos\n", kClassification),
             "all rows have the label \"pos\" in column \"label\"");
  EXPECT_HAS(refusal("text,label\na,pos\nb,pos\n", kClassification), "data.labels = [\"pos\", \"...\"]");
  EXPECT_HAS(refusal("text,label\na,pos\n", kClassification, {"neg", "pos"}), "data.labels = [\"neg\", \"pos\"]");
  EXPECT_EQ(refusal("text,label\na,pos\n", task_named("multi-label")), "");
  configuration_.data.labels = {"pos"};
  EXPECT_HAS(refusal("text,label\na,pos\n", kClassification), "data.labels has \"pos\" alone");
  configuration_.data.labels = {"neg", "pos"};
  EXPECT_EQ(refusal("text,label\na,pos\n", kClassification), "") << "the other may come later";
}

TEST_F(RunDataTest, RowsOfWhichNoneHasALabelAreRefused) {
  EXPECT_HAS(refusal("text,label\na,\nb,\n", task_named("multi-label")), "no row has a label in column \"label\"");
  EXPECT_HAS(refusal("text,label\na b,-100 -100\n", task_named("token-classification")),
             "no row has a label in column \"label\"");
  configuration_.data.labels = {"x", "y"};
  EXPECT_HAS(refusal("text,label\na,\nb,\n", task_named("multi-label")),
             "no training row has a label in column \"label\"");
  EXPECT_HAS(refusal("text,label\na,\"[0, 0]\"\n", task_named("multi-label")),
             "no training row has a label in column \"label\"");
  EXPECT_HAS(refusal("text,label\na b,-100 -100\n", task_named("token-classification")),
             "no training row has a label in column \"label\"");
  configuration_.data.labels = {};
  configuration_.data.label.values = {"x", "y"};
  configuration_.data.label.listed = true;
  EXPECT_HAS(refusal("text,x,y\na,0,0\n", task_named("multi-label")),
             "no training row has a label in columns \"x\", \"y\"");
}

TEST_F(RunDataTest, ArraysAreIndicatorsWithDataLabels) {
  const char* csv = "text,label\na,\"[0, 1, 0]\"\nb,\"[1, 1, 0]\"\n";
  EXPECT_HAS(refusal(csv, task_named("multi-label")), "data.labels = [\"...\", ...], or write the names");
  configuration_.data.labels = {"x", "y", "z"};
  EXPECT_EQ(targets_of(prepare(csv, task_named("multi-label")).train), (std::vector<float>{0, 1, 0, 1, 1, 0}));
  configuration_.data.labels = {"x", "y"};
  EXPECT_HAS(refusal(csv, task_named("multi-label")), "for each of 3 labels, but 2 labels are known");
}

TEST_F(RunDataTest, ColumnsMayBeLabels) {
  configuration_.data.label.values = {"toxic", "rude"};
  configuration_.data.label.listed = true;
  const RunData data = prepare("id,text,toxic,rude\n1,a,0,1\n2,b,1,0\n", task_named("multi-label"));
  EXPECT_EQ(data.labels.names(), (Names{"toxic", "rude"}));
  EXPECT_EQ(targets_of(data.train), (std::vector<float>{0, 1, 1, 0}));
  EXPECT_EQ(classes_of(prepare("id,text,toxic,rude\n1,a,0,1\n2,b,1,0\n", kClassification).train),
            (std::vector<std::int32_t>{1, 0}));
  EXPECT_HAS(refusal("text,toxic,rude\na,0,1\n", task_named("regression")), "this task takes one column");
  configuration_.data.label.values = {"toxic"};
  EXPECT_EQ(targets_of(prepare("text,toxic\na,0\nb,1\n", task_named("multi-label")).train), (std::vector<float>{0, 1}));
  EXPECT_HAS(refusal("text,toxic\na,0\nb,1\n", kClassification), "lists the column \"toxic\" alone");
}

TEST_F(RunDataTest, NumbersOfARegressionAreNoLabels) {
  const RunData data = prepare("text,label\na,1\nthe,2.5\n", task_named("regression"));
  EXPECT_TRUE(data.labels.names().empty());
  EXPECT_EQ(targets_of(data.train), (std::vector<float>{1.0F, 2.5F}));
}

TEST_F(RunDataTest, LabelsThatLookAlikeAreAFinding) {
  const RunData data = prepare("text,label\na, pos\nb,pos\nc,neg\n", kClassification);
  if (world_communicator().rank() != 0) return;
  const Names found = names_of(data.findings);
  EXPECT_NE(std::find(found.begin(), found.end(), "labels_alike"), found.end());
}

TEST_F(RunDataTest, NamesOfTheModelAreKeptWhereTheDataFitThem) {
  const auto names = [&](const char* rows, const Names& model) {
    return prepare("text,label\n" + std::string(rows), kClassification, model).labels.names();
  };
  EXPECT_EQ(names("a,neg\nb,pos\n", {"pos", "neg"}), (Names{"pos", "neg"})) << "the model's order";
  EXPECT_EQ(names("a,0\nb,1\n", {"pos", "neg"}), (Names{"pos", "neg"})) << "numbers are the model's ids";
  EXPECT_EQ(names("a,1.0\nb,0.0\n", {"pos", "neg"}), (Names{"pos", "neg"}));
  EXPECT_EQ(names("a,0\nb,1\n", {"LABEL_0", "LABEL_1"}), (Names{"0", "1"})) << "which are no names";
  EXPECT_EQ(names("a,0\nb,2\n", {"pos", "neg"}), (Names{"0", "2"}));
  EXPECT_EQ(names("a,0\nb,1\n", {"x", "y", "z"}), (Names{"0", "1"}));
  EXPECT_EQ(names("a,1\nb,0\n", {"1", "0"}), (Names{"1", "0"}));
  EXPECT_EQ(names("a,NEG\nb,Pos\n", {"pos", "neg"}), (Names{"Pos", "NEG"})) << "the model's order, the data's spelling";
  EXPECT_EQ(names("a,bad\nb,good\n", {"pos", "neg"}), (Names{"bad", "good"}));
  EXPECT_EQ(classes_of(prepare("text,label\na,1\nb,0\n", kClassification, {"pos", "neg"}).train),
            (std::vector<std::int32_t>{1, 0}));
}

TEST_F(RunDataTest, ALargerHeadIsKeptByItsNames) {
  const Names model{"neg", "neutral", "pos"};
  EXPECT_EQ(labels_that_keep_head(LabelSet::from_names({"neg", "pos"}), model),
            "data.labels = [\"neg\", \"neutral\", \"pos\"]");
  EXPECT_EQ(labels_that_keep_head(LabelSet::from_names({"0", "1"}), model),
            "data.labels = [\"neg\", \"neutral\", \"pos\"]")
      << "the data number what the model names";
  EXPECT_EQ(labels_that_keep_head(LabelSet::from_names({"a"}), {"a", "b \"c\""}), R"(data.labels = ["a", "b \"c\""])");
  EXPECT_EQ(labels_that_keep_head(LabelSet::from_names({"bad", "pos"}), model), "");
  EXPECT_EQ(labels_that_keep_head(LabelSet::from_names({"neg", "neutral", "pos", "x"}), model), "");
}

TEST_F(RunDataTest, ASampleIsSpreadOverTheRows) {
  std::string csv = "text,label\n";
  for (int i = 0; i < 100; ++i) csv += i < 50 ? "good,x\n" : "the good road,y\n";
  configuration_.data.train = file("train.csv", csv);
  const DataSample sample = sample_run_data(configuration_, kClassification, *tokenizer_, model_of({}), 16, 1, 10);
  EXPECT_EQ(sample.train_rows, 100);
  EXPECT_EQ(classes_of(sample.train), (std::vector<std::int32_t>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}));
}

}  // namespace
}  // namespace temper
