// Reference values marked "seqeval" were computed once with seqeval 1.2.2 in its default mode on the same rows.
#include "runtime/tasks/entities.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

using Names = std::vector<std::string>;

std::vector<std::int32_t> ids_of(const Names& names, const Names& row) {
  std::vector<std::int32_t> ids;
  for (const std::string& label : row)
    ids.push_back(static_cast<std::int32_t>(std::find(names.begin(), names.end(), label) - names.begin()));
  return ids;
}

/// "PER 0-2 LOC 3-4": types and places of a row's entities.
std::string found(const Names& names, const Names& row) {
  const EntityLabels labels(names);
  std::string text;
  for (const EntitySpan& span : labels.find(ids_of(names, row)))
    text += (text.empty() ? "" : " ") + labels.types()[span.type] + ' ' + std::to_string(span.begin) + '-' +
            std::to_string(span.end);
  return text;
}

const Names kIob{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
const Names kIobes{"O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B", "E-B", "S-B"};
const Names kBilou{"O", "B-A", "I-A", "L-A", "U-A", "B-B", "I-B", "L-B", "U-B"};
const Names kOdd{"O", "B-PER", "I-PER", "X-PER", "PER", "LOC", "I-geo-loc", "B-geo-loc", "B", "I", "é-PER", "."};

// seqeval's get_entities, whose ends are inclusive.
TEST(Entities, AreFoundAsSeqevalFindsThem) {
  EXPECT_EQ(found(kIob, {"B-PER", "I-PER", "O", "B-LOC"}), "PER 0-2 LOC 3-4");
  EXPECT_EQ(found(kIob, {"I-PER", "I-PER", "B-PER", "I-PER"}), "PER 0-2 PER 2-4") << "IOB1";
  EXPECT_EQ(found(kIob, {"O", "I-PER", "I-LOC", "I-LOC"}), "PER 1-2 LOC 2-4") << "a change of type begins another";
  EXPECT_EQ(found(kIob, {"B-PER", "B-PER", "I-LOC"}), "PER 0-1 PER 1-2 LOC 2-3");
  EXPECT_EQ(found(kIobes, {"B-A", "I-A", "E-A", "S-A", "E-A", "I-A"}), "A 0-3 A 3-4 A 4-5 A 5-6");
  EXPECT_EQ(found(kIobes, {"S-A", "S-A", "B-A", "E-B"}), "A 0-1 A 1-2 A 2-3 B 3-4");
  EXPECT_EQ(found(kOdd, {"B-geo-loc", "I-geo-loc", "O", "PER", "PER", "LOC"}), "geo-loc 0-2 ER 3-5 OC 5-6");
  EXPECT_EQ(found(kOdd, {"B", "I", "O", "I", "B"}), "_ 0-2 _ 3-4 _ 4-5");
  EXPECT_EQ(found(kOdd, {"é-PER", "I-PER", "X-PER", "."}), "PER 0-3");
  EXPECT_EQ(found(kIob, {}), "");
  EXPECT_EQ(found(kIob, {"O", "O"}), "");
}

TEST(Entities, OfNamesWithoutPrefixesAreRunsOfEqualLabels) {
  const Names names{"LOC", "O", "PER"};
  EXPECT_FALSE(EntityLabels(names).have_prefixes());
  EXPECT_EQ(found(names, {"PER", "PER", "LOC", "O", "O", "LOC"}), "PER 0-2 LOC 2-3 LOC 5-6");
}

TEST(Entities, AWordWithoutALabelIsOutside) {
  const std::vector<std::int32_t> labels{1, 2, -1, 2};
  EXPECT_EQ(EntityLabels(kIob).find(labels), (std::vector<EntitySpan>{{1, 0, 2}, {1, 3, 4}}));
}

TEST(Entities, ASchemeIsKnownByItsPrefixes) {
  EXPECT_TRUE(EntityLabels(kIob).have_prefixes());
  EXPECT_TRUE(EntityLabels(Names{"B", "I", "O"}).have_prefixes());
  EXPECT_FALSE(EntityLabels(Names{"O", "T"}).have_prefixes());
  EXPECT_FALSE(EntityLabels(Names{"O"}).have_prefixes());
  EXPECT_FALSE(EntityLabels(Names{"NOUN", "VERB", "B"}).have_prefixes());
  EXPECT_FALSE(EntityLabels(Names{}).have_prefixes());
  EXPECT_EQ(EntityLabels(kIob).types(), (Names{"LOC", "PER"}));
  EXPECT_TRUE(entity_labels(LabelKind::token_class, kIob).has_value());
  EXPECT_FALSE(entity_labels(LabelKind::single_class, kIob).has_value());
  EXPECT_FALSE(entity_labels(LabelKind::token_class, {"O", "T"}).has_value());
}

/// Truths and predictions, of which so many per cent are equal; rows of up to eight words.
class RandomRows {
 public:
  RandomRows(std::size_t labels, std::uint64_t equal) : labels_(labels), equal_(equal) {}

  void add_to(EntityCounts& counts, const EntityLabels& labels, int rows) {
    for (int row = 0; row < rows; ++row) {
      std::vector<std::int32_t> truths;
      std::vector<std::int32_t> predictions;
      for (std::uint64_t word = next(9); word > 0; --word) {
        const auto truth = static_cast<std::int32_t>(next(labels_));
        const bool keep = next(100) < equal_;
        const auto other = static_cast<std::int32_t>(next(labels_));
        truths.push_back(truth);
        predictions.push_back(keep ? truth : other);
      }
      counts.add(labels, truths, predictions);
    }
  }

 private:
  std::uint64_t next(std::uint64_t range) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return (state_ >> 33U) % range;
  }

  std::size_t labels_;
  std::uint64_t equal_;
  std::uint64_t state_ = 12345;
};

struct SeqevalReference {
  Names names;
  std::array<double, 3> overall;  ///< f1, precision, recall
  std::vector<EntityScores> types;
};

// seqeval
TEST(EntityMetrics, OfMalformedRowsMatchSeqeval) {
  const std::vector<SeqevalReference> references{
      {kIob,
       {0.7367928938756427, 0.7337057728119181, 0.739906103286385},
       {{"LOC", 0.7652495378927912, 0.7527272727272727, 0.7589367552703941, 550},
        {"PER", 0.701688555347092, 0.7262135922330097, 0.7137404580152673, 515}}},
      {kIobes,
       {0.7716966379984364, 0.769290724863601, 0.7741176470588236},
       {{"A", 0.7698170731707317, 0.7781201848998459, 0.7739463601532567, 649},
        {"B", 0.7687400318979266, 0.7699680511182109, 0.7693535514764566, 626}}},
      {kBilou,
       {0.6710929519918284, 0.6759259259259259, 0.6663286004056795},
       {{"A", 0.6780684104627767, 0.6699801192842942, 0.6739999999999999, 503},
        {"B", 0.6736842105263158, 0.6625258799171843, 0.6680584551148224, 483}}},
      {kOdd,
       {0.6969292389853137, 0.6941489361702128, 0.6997319034852547},
       {{"ER", 0.7573529411764706, 0.7463768115942029, 0.7518248175182481, 138},
        {"OC", 0.6859504132231405, 0.680327868852459, 0.6831275720164609, 122},
        {"PER", 0.6445012787723785, 0.6774193548387096, 0.6605504587155964, 372},
        {"_", 0.6943231441048034, 0.6883116883116883, 0.691304347826087, 231},
        {"geo-loc", 0.7410358565737052, 0.7265625, 0.7337278106508875, 256}}},
      {{"O", "B", "I"},
       {0.7524752475247524, 0.7509881422924901, 0.753968253968254},
       {{"_", 0.7509881422924901, 0.753968253968254, 0.7524752475247524, 756}}}};
  for (const SeqevalReference& reference : references) {
    const EntityLabels labels(reference.names);
    EntityCounts counts;
    counts.resize(labels.types().size());
    RandomRows(reference.names.size(), 70).add_to(counts, labels, 400);
    const Metrics metrics = with_entities({{{"loss", 0.5}}, {}, {}}, labels, counts);
    EXPECT_NEAR(metrics.value("entity_f1"), reference.overall[0], 1e-12) << reference.names[1];
    EXPECT_NEAR(metrics.value("entity_precision"), reference.overall[1], 1e-12);
    EXPECT_NEAR(metrics.value("entity_recall"), reference.overall[2], 1e-12);
    ASSERT_EQ(metrics.entities.size(), reference.types.size());
    for (std::size_t i = 0; i < reference.types.size(); ++i) {
      EXPECT_EQ(metrics.entities[i].type, reference.types[i].type);
      EXPECT_NEAR(metrics.entities[i].precision, reference.types[i].precision, 1e-12) << metrics.entities[i].type;
      EXPECT_NEAR(metrics.entities[i].recall, reference.types[i].recall, 1e-12) << metrics.entities[i].type;
      EXPECT_NEAR(metrics.entities[i].f1, reference.types[i].f1, 1e-12) << metrics.entities[i].type;
      EXPECT_EQ(metrics.entities[i].support, reference.types[i].support);
    }
  }
}

TEST(EntityMetrics, StandBehindTheLossAndAreZeroWithoutEntities) {
  const EntityLabels labels(kIob);
  EntityCounts counts;
  counts.resize(2);
  counts.add(labels, ids_of(kIob, {"O", "O"}), ids_of(kIob, {"O", "O"}));
  const Metrics metrics = with_entities({{{"loss", 0.5}, {"accuracy", 1.0}}, {}, {}}, labels, counts);
  EXPECT_EQ(metrics.values[1].first, "entity_f1");
  EXPECT_EQ(metrics.values[4].first, "accuracy");
  for (const std::string& name : entity_metric_names()) EXPECT_EQ(metrics.value(name), 0.0) << name;
  EXPECT_TRUE(metrics.entities.empty());
  EXPECT_TRUE(higher_is_better("entity_f1"));
}

TEST(EntityMetrics, FlatCountsOfTwoRanksAdd) {
  const EntityLabels labels(kIob);
  RandomRows rows(kIob.size(), 60);
  std::array<EntityCounts, 2> parts;
  for (EntityCounts& part : parts) {
    part.resize(2);
    rows.add_to(part, labels, 50);
  }
  EntityCounts whole;
  whole.resize(2);
  RandomRows(kIob.size(), 60).add_to(whole, labels, 100);
  std::vector<std::int64_t> sum = parts[0].flat();
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += parts[1].flat()[i];
  EXPECT_EQ(sum, whole.flat());
  EntityCounts both;
  both.resize(2);
  both.set_flat(sum);
  EXPECT_EQ(both.flat(), sum);
  sum.pop_back();
  EXPECT_THROW(both.set_flat(sum), Error);
}

TEST(EntityMetrics, CanChooseTheBestModelWhereThereAreEntities) {
  const TaskSpec& words = task_named("token-classification");
  const EntityLabels labels(kIob);
  EXPECT_EQ(choose_metric("entity_f1", words, &labels), "entity_f1");
  EXPECT_EQ(choose_metric("", words, &labels), "macro_f1");
  EXPECT_THROW(choose_metric("entity_f1", words), Error);
  EXPECT_THROW(choose_metric("entity_f1", task_named("sequence-classification")), Error);
}

}  // namespace
}  // namespace temper
