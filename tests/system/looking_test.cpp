// temper explain, temper inspect of pictures, embeddings and mistakes: what a user sees of them.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/mapped_file.h"
#include "data/pictures/decode.h"
#include "tests/system/tiny_run.h"
#include "tests/tiny_pictures.h"

namespace temper::system_tests {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class Looking : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    testing_support::write_tiny_vit(path("vit"));
    testing_support::write_picture_classes(path("pictures/train"), 8, 1);
    write("images.toml", R"([model]
path = "vit"
task = "image-classification"
initialize = true
[data]
train = "pictures/train"
test = "pictures/train"
[train]
epochs = 1
batch_size = 8
learning_rate = 3e-3
[augment]
rotation = 15
brightness = 0.3
[output]
dir = "runs/vit"
tensorboard = false
)");
  }

  Outcome run_program(const std::vector<std::string>& arguments, int ranks = 0) {
    return run({.arguments = arguments, .ranks = ranks, .folder = folder_});
  }
  void train() {
    const Outcome outcome = run_program({"train", "images.toml"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }
  Picture picture(const std::string& name) {
    const MappedFile file(path(name));
    return decode_picture(file.bytes(), name).picture;
  }
  std::string refusal(const std::vector<std::string>& arguments) {
    const Outcome outcome = run_program(arguments);
    EXPECT_NE(outcome.status, 0);
    return outcome.err;
  }
  static std::vector<Json> lines_of(const std::string& text) {
    std::vector<Json> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line));
    return lines;
  }
};

TEST_F(Looking, ExplainsPicturesTheSameOnSeveralRanks) {
  train();
  const Outcome alone =
      run_program({"explain", "runs/vit/model", "pictures/train/flat/00.png", "pictures/train/flat/01.png",
                   "pictures/train/upright/00.png", "-o", "maps", "--json"});
  ASSERT_EQ(alone.status, 0) << alone.err;
  const std::vector<Json> lines = lines_of(alone.out);
  ASSERT_EQ(lines.size(), 3U);
  for (const Json& line : lines) {
    EXPECT_EQ(line["method"], "attention-rollout");
    EXPECT_GE(line["fidelity"].get<double>(), -1.0);
    EXPECT_LE(line["fidelity"].get<double>(), 1.0);
    EXPECT_NEAR(line["erased"].get<double>(), 0.2, 0.01);
    EXPECT_GT(picture(line["overlay"].get<std::string>()).extent.width, 600);
  }
  EXPECT_EQ(lines[0]["overlay"], "maps/flat-00-explained.png");
  EXPECT_EQ(lines[2]["overlay"], "maps/upright-00-explained.png");
  const std::string kept = read(path("maps/01-explained.png"));
  const Outcome together =
      run_program({"explain", "runs/vit/model", "pictures/train/flat/00.png", "pictures/train/flat/01.png",
                   "pictures/train/upright/00.png", "-o", "maps", "--json"},
                  2);
  EXPECT_EQ(together.out, alone.out) << together.err;
  EXPECT_TRUE(read(path("maps/01-explained.png")) == kept);
  const Outcome folder =
      run_program({"explain", "runs/vit/model", "pictures/train", "-o", "all", "--class", "upright"});
  ASSERT_EQ(folder.status, 0) << folder.err;
  EXPECT_NE(folder.out.find("flat/00.png: upright "), std::string::npos) << folder.out;
  // Text and JSON say the same: fidelity is how much the probability falls.
  const Outcome text = run_program({"explain", "runs/vit/model", "pictures/train/flat/00.png", "-o", "one"});
  ASSERT_EQ(text.status, 0) << text.err;
  const double before = lines[0]["probability"].get<double>();
  const double fall = lines[0]["fidelity"].get<double>();
  char expected[64];
  std::snprintf(expected, sizeof expected, "probability %.3f -> %.3f without the most marked", before, before - fall);
  EXPECT_NE(text.out.find(expected), std::string::npos) << text.out << expected;
}

TEST_F(Looking, RefusesWhatCannotBeExplained) {
  train();
  const std::string picture = "pictures/train/flat/00.png";
  EXPECT_NE(refusal({"explain", "runs/vit/model", picture, "-o", "maps", "--class", "uprigth"})
                .find(R"(knows no class "uprigth"; did you mean "upright"?)"),
            std::string::npos);
  EXPECT_NE(refusal({"explain", "runs/vit/model", picture, "-o", "images.toml"}).find("images.toml: is a file"),
            std::string::npos);
  write("words.png", "no picture at all");
  EXPECT_NE(refusal({"explain", "runs/vit/model", "words.png", "-o", "maps"}).find("words.png"), std::string::npos);
  EXPECT_NE(refusal({"explain", "runs/vit/model", "absent.png", "-o", "maps"}).find("absent.png"), std::string::npos);
  ASSERT_EQ(run_program({"train", "run.toml", "--set", "output.dir=texts", "--set", "train.epochs=1"}).status, 0);
  EXPECT_NE(refusal({"explain", "texts/model", picture, "-o", "maps"}).find("which reads texts"), std::string::npos);
}

TEST_F(Looking, InspectsPicturesAndShowsThemBeforeAndAfter) {
  const Outcome plain = run_program({"inspect", "pictures/train", "--json"});
  ASSERT_EQ(plain.status, 0) << plain.err;
  const Json told = Json::parse(plain.last_line());
  EXPECT_EQ(told["kind"], "pictures");
  EXPECT_EQ(told["rows"], 16);
  EXPECT_EQ(told["label_counts"]["flat"], 8);
  EXPECT_FALSE(told["facts"].empty());
  const Outcome shown =
      run_program({"inspect", "pictures/train", "--pictures", "sheet.png", "--augment", "images.toml", "--rows", "4"});
  ASSERT_EQ(shown.status, 0) << shown.err;
  const Picture sheet = picture("sheet.png");
  EXPECT_GT(sheet.extent.height, 4 * 100);
  write("augment.toml", "[augment]\nrotation = 20\n");
  EXPECT_EQ(run_program(
                {"inspect", "pictures/train", "--pictures", "other.png", "--augment", "augment.toml", "--model", "vit"})
                .status,
            0);
  EXPECT_NE(refusal({"inspect", "pictures/train", "--augment", "images.toml"}).find("--pictures"), std::string::npos);
  EXPECT_NE(refusal({"inspect", "pictures/train", "--pictures", "s.png", "--model", "model"}).find("model of texts"),
            std::string::npos);
}

TEST_F(Looking, InspectTellsOfPicturesThatTrainingRefuses) {
  fs::copy_file(path("pictures/train/flat/00.png"), path("pictures/train/upright/90.png"));
  write("pictures/train/flat/91.png", "no picture");
  const Outcome outcome = run_program({"inspect", "pictures/train", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::string names;
  const Json report = Json::parse(outcome.last_line());
  for (const Json& finding : report["findings"]) names += finding["name"].get<std::string>() + " ";
  EXPECT_NE(names.find("conflicting_labels"), std::string::npos) << names;
  EXPECT_NE(names.find("unreadable"), std::string::npos) << names;
}

TEST_F(Looking, InspectDecodesEveryFile) {
  std::string damaged = read(path("pictures/train/flat/03.png"));
  damaged.resize(damaged.size() / 2);
  write("pictures/train/flat/03.png", damaged);
  const Outcome outcome = run_program({"inspect", "pictures/train", "--pictures", "sheet.png", "--json"}, 2);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("1 of 16 pictures cannot be read"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("flat/03.png"), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find("skipped (images.unreadable)"), std::string::npos) << outcome.out;
  for (const char* name : {"alone/1.png", "alone/2.png"}) {
    fs::create_directories(path("alone"));
    write(name, damaged);
  }
  EXPECT_NE(refusal({"inspect", "alone"}).find("none of 2 pictures can be read"), std::string::npos);
}

TEST_F(Looking, LeavesOutWhatCannotBeReadWhereItMay) {
  train();
  std::string damaged = read(path("pictures/train/flat/03.png"));
  damaged.resize(damaged.size() / 2);
  write("pictures/train/flat/03.png", damaged);
  for (const int ranks : {0, 2}) {
    const Outcome ended = run_program({"predict", "runs/vit/model", "pictures/train", "-o", "before.jsonl"}, ranks);
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.err.find("--skip-unreadable"), std::string::npos) << ended.err;
    EXPECT_EQ(lines_of(read(path("before.jsonl"))).size(), 3U) << "rows before it";
    const Outcome skipped = run_program({"predict", "runs/vit/model", "pictures/train", "--skip-unreadable"}, ranks);
    ASSERT_EQ(skipped.status, 0) << skipped.err;
    EXPECT_NE(skipped.err.find("1 of 16 pictures could not be read and is left out"), std::string::npos) << skipped.err;
    const std::vector<Json> rows = lines_of(skipped.out);
    ASSERT_EQ(rows.size(), 15U);
    EXPECT_EQ(rows[2]["image"], "flat/02.png");
    EXPECT_EQ(rows[3]["image"], "flat/04.png");
    const Outcome explained =
        run_program({"explain", "runs/vit/model", "pictures/train/flat", "-o", "maps", "--skip-unreadable"}, ranks);
    ASSERT_EQ(explained.status, 0) << explained.err;
    EXPECT_NE(explained.err.find("flat/03.png"), std::string::npos) << explained.err;
    EXPECT_TRUE(fs::exists(path("maps/04-explained.png")));
  }
  EXPECT_EQ(refusal({"explain", "runs/vit/model", "pictures/train/flat", "-o", "maps"}).find("unexpected"),
            std::string::npos);
}

TEST_F(Looking, PredictsPicturesByAnyName) {
  train();
  fs::copy_file(path("pictures/train/flat/00.png"), path("IM0001"));
  const Outcome named = run_program({"predict", "runs/vit/model", "IM0001", "pictures/train/upright/01.png"});
  ASSERT_EQ(named.status, 0) << named.err;
  ASSERT_EQ(lines_of(named.out).size(), 2U);
  EXPECT_EQ(lines_of(named.out)[1]["image"], "pictures/train/upright/01.png");
  write("paths.txt", "IM0001\npictures/train/upright/01.png\n");
  const Outcome listed = run_program({"predict", "runs/vit/model", "paths.txt"});
  EXPECT_EQ(listed.out, named.out) << listed.err;
  write("old.bmp", std::string("BM\x10\0\0\0\0\0\0\0", 10));
  EXPECT_NE(refusal({"predict", "runs/vit/model", "old.bmp"}).find("found a BMP picture; expected a picture (PNG"),
            std::string::npos);
  const Outcome dark = run_program({"predict", "runs/vit/model", "IM0001", "--window", "-600,100"});
  EXPECT_EQ(dark.status, 0) << dark.err;
  EXPECT_NE(dark.err.find("window -600,100 instead of that of the file (--window)"), std::string::npos) << dark.err;
  EXPECT_NE(dark.out, lines_of(named.out)[0].dump() + "\n");
  EXPECT_EQ(run_program({"predict", "runs/vit/model", "IM0001", "--slice", "7:1"}).status, 2);
  EXPECT_EQ(run_program({"eval", "runs/vit/model", "pictures/train", "--most-megapixels", "1"}).status, 0);
}

TEST_F(Looking, PredictsEmbeddings) {
  train();
  const Outcome pictures = run_program({"predict", "runs/vit/model", "pictures/train", "--embeddings", "first"});
  ASSERT_EQ(pictures.status, 0) << pictures.err;
  const std::vector<Json> rows = lines_of(pictures.out);
  ASSERT_EQ(rows.size(), 16U);
  EXPECT_EQ(rows[0]["embedding"].size(), 16U);
  EXPECT_TRUE(rows[0].contains("label"));
  ASSERT_EQ(run_program({"train", "run.toml", "--set", "output.dir=texts", "--set", "train.epochs=1"}).status, 0);
  write("lines.txt", "a good road\nthe bad table\n");
  const Outcome texts = run_program({"predict", "texts/model", "lines.txt", "--embeddings", "mean"});
  ASSERT_EQ(texts.status, 0) << texts.err;
  double squares = 0.0;
  const std::vector<Json> of_texts = lines_of(texts.out);
  for (const Json& value : of_texts[0]["embedding"]) squares += value.get<double>() * value.get<double>();
  EXPECT_NEAR(squares, 1.0, 1e-5);
  const Outcome base = run_program({"predict", "model", "lines.txt", "--embeddings", "mean"});
  ASSERT_EQ(base.status, 0) << base.err;
  EXPECT_FALSE(lines_of(base.out)[0].contains("label"));
  EXPECT_EQ(lines_of(base.out).size(), 2U);
  EXPECT_NE(refusal({"predict", "texts/model", "lines.txt", "--embeddings", "last"}).find("mean"), std::string::npos);
}

}  // namespace
}  // namespace temper::system_tests
