#include "runtime/probing/probe_record.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "tests/data/temporary_folder.h"
#include "tests/runtime/probing/probed.h"

namespace temper {
namespace {

using testing_support::probed;
using testing_support::TemporaryFolder;

Configuration asked() {
  Configuration configuration;
  configuration.model.path = "model";
  configuration.data.train = OneOrMore("train.csv");
  configuration.train.learning_rate = 5e-5;
  return configuration;
}

ProbedCurve good_curve() { return probed(2.0, {{1e-5, 1.9}, {1e-4, 1.0}, {1e-3, 1.5}}, true); }

void write(const std::filesystem::path& folder, const ProbedCurve& curve, const Configuration& configuration) {
  write_probe(folder, curve, advise(curve), configuration);
}

TEST(ProbeRecord, KeepsTheCurveExactly) {
  ProbedCurve curve = good_curve();
  curve.rates[1].losses = {0.1 + 0.2, 1.0 / 3.0};
  curve.rates[2].not_finite_step = 3;
  curve.rates[2].end.training = std::numeric_limits<double>::quiet_NaN();
  const auto json = nlohmann::json::parse(probe_record(curve, advise(curve), asked()));
  EXPECT_EQ(json.at("recommended"), 1e-4);
  EXPECT_EQ(json.at("key"), "train.learning_rate");
  EXPECT_EQ(json.at("configured"), 5e-5);
  EXPECT_EQ(json.at("compared_by"), "validation_loss");
  EXPECT_EQ(json.at("untrained").at("validation_loss"), 2.0);
  EXPECT_EQ(json.at("rates").at(1).at("losses").get<std::vector<double>>(), curve.rates[1].losses);
  EXPECT_EQ(json.at("rates").at(2).at("not_finite_step"), 3);
  EXPECT_TRUE(json.at("rates").at(2).at("training_loss").is_null());
}

TEST(ProbeRecord, IsMentionedToARunOfTheSameConfiguration) {
  const TemporaryFolder folder;
  EXPECT_EQ(probe_note(folder.path(), asked()), "") << "there is none";
  write(folder.path(), good_curve(), asked());
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "rate-probe.svg"));
  const std::string file = (folder.path() / "rate-probe.json").string();
  EXPECT_EQ(probe_note(folder.path(), asked()), file + " recommends a learning rate of 0.0001; this run has 5e-05");
  Configuration advised = asked();
  advised.train.learning_rate = 1e-4;
  advised.train.epochs = 20;
  EXPECT_EQ(probe_note(folder.path(), advised), file + " recommends a learning rate of 0.0001, which this run has");
  Configuration other = asked();
  other.lora.rank = 8;
  EXPECT_NE(probe_note(folder.path(), other).find("for another configuration (it differs in lora.rank)"),
            std::string::npos);
}

TEST(ProbeRecord, IsMentionedByTheRateOfTheFirstPhase) {
  const TemporaryFolder folder;
  Configuration phases = asked();
  phases.tuning.phases.resize(2);
  phases.tuning.phases[0].steps = 5;
  phases.tuning.phases[0].learning_rate = 1e-2;
  write(folder.path(), good_curve(), phases);
  EXPECT_NE(probe_note(folder.path(), phases).find("; this run has 0.01"), std::string::npos);
  phases.tuning.phases[0].learning_rate = 1e-4;
  EXPECT_NE(probe_note(folder.path(), phases).find("which this run has"), std::string::npos);
}

TEST(ProbeRecord, IsPassedOverWhereItCannotBeRead) {
  const TemporaryFolder folder;
  write(folder.path(), probed(2.0, {{1e-5, 2.5}, {1e-4, 3.0}}), asked());
  EXPECT_EQ(probe_note(folder.path(), asked()), "") << "nothing is recommended";
  for (const char* text :
       {"", "{", "[]", "{}", R"({"recommended": "much"})", R"({"recommended": 1, "configuration": 3})",
        R"({"recommended": 1, "configuration": "[nowhere]\nkey = 1"})"}) {
    write_file_atomically(folder.path() / "rate-probe.json", text);
    EXPECT_EQ(probe_note(folder.path(), asked()), "") << text;
  }
}

}  // namespace
}  // namespace temper
