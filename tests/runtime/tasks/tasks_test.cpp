// Every task of the table is known everywhere: what one part of the program lacks, or knows by another name, is found
// here.
#include "runtime/tasks/task.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/text/masking.h"
#include "data/text/row_tokenization.h"
#include "data/token_store.h"
#include "model/huggingface/model_card.h"
#include "runtime/config/config_keys.h"
#include "runtime/config/usual_names.h"
#include "runtime/frozen/phase_caches.h"
#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"
#include "runtime/inputs/trained_use.h"
#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/scores.h"
#include "tests/data/temporary_folder.h"
#include "tests/model_fixture.h"
#include "tests/tiny_files.h"
#include "tests/world.h"

namespace temper {
namespace {

TEST(Tasks, AreWhatTheConfigurationOffers) {
  const auto& keys = configuration_keys();
  const auto key = std::ranges::find(keys, "model.task", &ConfigurationKey::full_name);
  ASSERT_NE(key, keys.end());
  EXPECT_EQ(key->choices, task_names());
  std::set<std::string_view> names;
  for (const TaskSpec& task : tasks()) {
    EXPECT_EQ(&task_named(task.name), &task);
    EXPECT_TRUE(names.insert(task.name).second) << task.name;
    for (const std::string_view other : task.other_names) {
      EXPECT_TRUE(names.insert(other).second) << other;
      EXPECT_EQ(usual_name(other), task.name);
    }
  }
  EXPECT_THROW(task_named("clairvoyance"), Error);
}

TEST(Tasks, AreJudgedByOneOfTheirMetrics) {
  for (const TaskSpec& task : tasks()) {
    const std::vector<std::string> metrics = metric_names(task);
    EXPECT_EQ(metrics.front(), "loss") << task.name;
    EXPECT_EQ(std::ranges::count(metrics, task.best_metric), 1) << task.name;
    EXPECT_EQ(choose_metric("", task), task.best_metric);
    EXPECT_EQ(choose_metric("loss", task), "loss");
    EXPECT_THROW(choose_metric("acuracy", task), Error);
  }
}

/// The architectures that have a head for a task.
std::vector<ModelConfig> models_for(const TaskSpec& task) {
  std::vector<ModelConfig> models;
  for (const std::string& type : supported_model_types())
    if (find_architecture(type)->offers(task.head))
      models.push_back(parse_model_config("{\"model_type\":\"" + type + "\"}", ""));
  return models;
}

TEST(Tasks, AreReadFromTheConfigurationThatTransformersWrites) {
  std::set<const TaskSpec*> seen;
  std::vector<std::string> fixtures = testing_support::own_fixtures();
  for (const std::string& name : testing_support::own_image_fixtures()) fixtures.push_back(name);
  for (const std::string& name : fixtures) {
    const testing_support::ModelFixture fixture(name);
    EXPECT_EQ(&task_of(fixture.config), fixture.task) << name;
    seen.insert(fixture.task);
  }
  for (const TaskSpec& task : tasks())
    EXPECT_TRUE(models_for(task).empty() || seen.contains(&served_by(task))) << "there is no fixture of " << task.name;
}

/// A row of a file as a task has it, and how many labels it tells of.
Table table_for(const TaskSpec& task) {
  const std::map<LabelKind, std::string> labels{{LabelKind::single_class, "b"}, {LabelKind::multi_label, "a|b"},
                                                {LabelKind::regression, "1.5"}, {LabelKind::token_class, "a b"},
                                                {LabelKind::none, ""},          {LabelKind::next_token, ""},
                                                {LabelKind::preference, ""}};
  return {"rows.csv", {"text", "label"}, {{"good road", labels.at(task.labels)}}, {2}};
}

/// One row of outputs for each text or image.
bool is_of_rows(HeadKind head) { return head == HeadKind::sequence || head == HeadKind::image; }

class EveryTask : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    testing_support::write_tiny_model(folder_.path());
    tokenizer_ = Tokenizer::load(folder_.path() / "tokenizer.json");
    configuration_.data.train.values = {"rows.csv"};
    configuration_.model.task = task_.name;
    labels_ = has_names(task_.labels) ? LabelSet::from_names({"a", "b"}) : LabelSet();
    request_ = head_request(task_, labels_);
    outputs_ = is_over_vocabulary(task_.head) ? tokenizer_->vocabulary_size() : request_.labels;
    const TokenizeOptions options{16, 1, task_.labels};
    ColumnChoice columns = columns_of(configuration_.data, task_);
    // Of images too, what is looked at are their labels.
    if (is_of_images(task_.head)) columns.text = "text";
    rows_ = tokenize_rows(table_, columns, *tokenizer_, labels_, options, 0, 1);
    const std::vector<std::int64_t> all{0};
    TokenStore source(rows_);
    if (takes_conversations(task_.labels)) source.label_with_next_tokens();
    if (task_.masks_tokens) source.transform_with(masking(*tokenizer_, tokenizer_->vocabulary_size()), 1);
    batch_ = source.read(all, 0);
    if (is_of_images(task_.head)) batch_.content = Pixels();
  }

  const TaskSpec& task_ = tasks()[GetParam()];
  Table table_ = table_for(task_);
  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  Configuration configuration_;
  LabelSet labels_;
  HeadRequest request_;
  std::int64_t outputs_ = 0;
  TokenRows rows_;
  Batch batch_;
};

TEST_P(EveryTask, HasLabelsThatItsLossAndItsHeadTake) {
  EXPECT_EQ(batch_.target_width > 0, task_.loss != LossKind::cross_entropy && task_.loss != LossKind::preference);
  const bool of_tokens = !is_of_rows(task_.head);
  EXPECT_EQ(batch_.classes.size(), batch_.target_width > 0 ? 0 : of_tokens ? batch_.text().ids.size() : 1);
  EXPECT_GT(outputs_, 0);
  EXPECT_EQ(request_.kind, task_.head);
  EXPECT_EQ(request_.loss.kind, task_.loss);
}

TEST_P(EveryTask, HasAHeadWithAClassOfTransformersThatTellsOfIt) {
  for (const ModelConfig& config : models_for(task_)) {
    const std::unique_ptr<Model> model = make_model(config, request_);
    EXPECT_EQ(model->readout().is_per_sequence(), is_of_rows(task_.head)) << config.model_type;
    ModelConfig exported = config;
    exported.architectures = {model->class_name()};
    exported.problem_type = problem_type_of(task_, labels_.size());
    exported.labels = has_names(task_.labels) ? labels_.names() : std::vector<std::string>{"LABEL_0"};
    EXPECT_EQ(&task_of(exported), &served_by(task_)) << model->class_name();
  }
  for (const std::string& type : supported_model_types()) {
    if (find_architecture(type)->offers(task_.head)) continue;
    const ModelConfig config = parse_model_config("{\"model_type\":\"" + type + "\"}", "");
    EXPECT_THROW(make_model(config, request_), Error) << type;
  }
}

TEST_P(EveryTask, HasScoresAndPredictionsOfTheOutputs) {
  if (!task_.serves_as.empty()) return;  // its scores are read of pairs, and what it delivers is another task's
  // A model that is sure of its first output.
  const bool per_sequence = is_of_rows(task_.head);
  const auto columns = static_cast<std::size_t>(outputs_);
  std::vector<float> outputs((per_sequence ? 1 : batch_.text().ids.size()) * columns, 0.0F);
  for (std::size_t row = 0; row < outputs.size(); row += columns) outputs[row] = 4.0F;

  std::vector<std::int32_t> classes;
  for (const std::int32_t c : batch_.classes)
    if (c != kUnlabelled) classes.push_back(c);
  const auto scores = task_.make_scores({.outputs = request_.labels, .rows = 1, .text_bytes = 3});
  scores->add({batch_, 0, classes, outputs, columns});
  scores->reduce(world_communicator());
  const Metrics metrics = scores->metrics(3.0, 2.0);
  EXPECT_EQ(metrics.value("loss"), 1.5);
  // One row has no other to be told from.
  for (const auto& [name, value] : metrics.values)
    EXPECT_TRUE(std::isfinite(value) || name == "auroc" || name == "average_precision") << name;

  const PredictionContext context{
      .labels = labels_, .tokenizer = tokenizer_.get(), .vocabulary = tokenizer_->vocabulary_size(), .max_length = 16};
  const auto writer = task_.make_prediction_writer(context);
  const std::vector<std::int32_t> words{kUnlabelled, 0, 1, kUnlabelled};
  PredictionJson json = PredictionJson::object();
  writer->write(json, {table_.rows[0][0], {rows_.ids, words, outputs}});
  EXPECT_FALSE(json.empty());
  for (const auto& [member, value] : json.items())
    EXPECT_EQ(std::ranges::count(task_.predicted_members, member), 1) << member << " is not in the table";
}

TEST_P(EveryTask, HasAPlaceOnTheHubAndATableUse) {
  Lineage lineage;
  lineage.hub_pipeline = task_.hub_pipeline;
  EXPECT_NE(model_card(lineage).find("\npipeline_tag: "), std::string::npos);
  const TrainedUse use = trained_use(configuration_, task_, 16);
  EXPECT_EQ(use.task, served_by(task_).name);
  EXPECT_EQ(use.label.empty(), !has_label_column(task_.labels));
  EXPECT_EQ(use.masking_seed.has_value(), task_.masks_tokens);
  EXPECT_EQ(cache_settings(configuration_).wanted, !task_.masks_tokens);
}

INSTANTIATE_TEST_SUITE_P(Table, EveryTask, testing::Range(std::size_t{0}, tasks().size()), [](const auto& row) {
  std::string name(tasks()[row.param].name);
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace temper
