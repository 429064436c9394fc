#include "data/images/survey.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace temper {
namespace {

using Bytes = std::vector<std::uint8_t>;

PictureFacts facts(ImageExtent extent) {
  PictureFacts made;
  made.format = "PNG";
  made.extent = extent;
  return made;
}

TEST(PictureSurvey, TellsWhatPicturesOfOneKindAre) {
  PictureSurvey survey;
  survey.add("a.png", facts({28, 32}));
  survey.add("b.png", facts({28, 32}));
  survey.add_samples({{1, 4}, 1, Bytes{0, 51, 102, 204}, 0.0F, 255.0F});
  EXPECT_EQ(
      survey.sentences(),
      (std::vector<std::string>{
          "2 pictures in the format PNG, with 8 bits per sample and 1 channel (grey).",
          "Each is 32 x 28 pixels wide and high.", "Polarity: black as the lowest value.",
          "In 1 picture that was decoded, samples lie at 0.0 % to 80 % of the range from black to white; 25 % are at "
          "black or below, 0.0 % at white or above."}));
  EXPECT_TRUE(survey.findings().empty());
}

TEST(PictureSurvey, WarnsOfPicturesThatDiffer) {
  PictureSurvey survey;
  survey.add("a.png", facts({20, 10}));
  survey.add("b.png", facts({40, 30}));
  PictureFacts other = facts({200, 100});
  other.format = "DICOM";
  other.bits = 12;
  other.inverted = true;
  other.channels = 3;
  other.frames = 7;
  survey.add("c.dcm", other);
  const std::vector<std::string> sentences = survey.sentences();
  EXPECT_EQ(
      sentences[0],
      "3 pictures in the format PNG (2 files), DICOM (1 file), with 8 bits (2 files), 12 bits (1 file) per sample "
      "and 1 channel (grey) (2 files), 3 channels (1 file).");
  EXPECT_EQ(sentences[1], "The smallest is 10 x 20 pixels wide and high, the median 30 x 40, the largest 100 x 200.");
  EXPECT_EQ(sentences[3], "1 file of more than one frame or slice (first c.dcm).");
  const std::vector<Finding> findings = survey.findings();
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].name, "mixed_bits");
  EXPECT_NE(findings[0].sentence.find("1 file has 12 bits (first c.dcm), 2 files have 8 bits (first a.png)"),
            std::string::npos)
      << findings[0].sentence;
  EXPECT_EQ(findings[1].name, "mixed_polarity");
  EXPECT_EQ(findings[2].name, "mixed_channels");
  EXPECT_NEAR(findings[0].value, 1.0 / 3.0, 1e-12);
}

TEST(PictureSurvey, TellsSignedNumbersAndFloatsApart) {
  PictureSurvey survey;
  PictureFacts word = facts({20, 10});
  word.bits = 16;
  survey.add("a.dcm", word);
  word.is_signed = true;
  survey.add("b.dcm", word);
  word.is_float = true;
  survey.add("c.tif", word);
  EXPECT_EQ(survey.sentences()[0],
            "3 pictures in the format PNG, with 16 bits (1 file), 16 bits (floats) (1 file), 16 bits (signed) (1 file) "
            "per sample and 1 channel (grey).");
  ASSERT_EQ(survey.findings().size(), 1U);
  EXPECT_EQ(survey.findings()[0].name, "mixed_bits");
}

TEST(PictureSurvey, WarnsOfNamesAndOfSamplesThatAreNoNumbers) {
  PictureSurvey survey;
  PictureFacts named = facts({20, 10});
  named.named_as = "JPEG";
  survey.add("a.jpg", named);
  survey.add("b.png", facts({20, 10}));
  survey.add_samples({{1, 2}, 1, Bytes{0, 200}, 0.0F, 255.0F}, 3);
  const std::vector<Finding> findings = survey.findings();
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].name, "mislabelled");
  EXPECT_EQ(findings[0].value, 0.5);
  EXPECT_EQ(
      findings[0].sentence,
      "1 file is of another format than the name says (first a.jpg, a PNG named as JPEG); it is read by its content");
  EXPECT_EQ(findings[1].name, "not_finite");
  EXPECT_EQ(findings[1].value, 3.0);
}

TEST(PictureSurvey, WarnsOfSaturationAndNarrowRanges) {
  PictureSurvey bright;
  bright.add("a.png", facts({1, 4}));
  bright.add_samples({{1, 4}, 1, std::vector<float>{0.0F, 3.0F, 40.0F, std::nanf("")}, 0.0F, 10.0F});
  const std::vector<Finding> saturated = bright.findings();
  ASSERT_EQ(saturated.size(), 1U);
  EXPECT_EQ(saturated[0].name, "saturated");
  EXPECT_EQ(saturated[0].value, 0.25);

  PictureSurvey dark;
  dark.add("a.png", facts({1, 2}));
  dark.add_samples({{1, 2}, 1, std::vector<std::uint16_t>{10, 4095}, 0.0F, 65535.0F});
  const std::vector<Finding> narrow = dark.findings();
  ASSERT_EQ(narrow.size(), 1U);
  EXPECT_EQ(narrow[0].name, "narrow_range");
  EXPECT_EQ(PictureSurvey().sentences(), std::vector<std::string>{"no pictures"});
}

TEST(PictureSurvey, TellsWhatTheProcessorCutsOff) {
  ImageProcessor processor;
  processor.resize_rule = ResizeRule::shortest_edge;
  processor.edge = 100;
  processor.crop = {100, 100};
  PictureSurvey survey;
  survey.add("square.png", facts({50, 50}));
  survey.add("wide.png", facts({100, 140}));
  EXPECT_TRUE(survey.cut_off(processor).empty()) << "less than a third";
  survey.add("strip.png", facts({100, 400}));
  survey.add("upright.png", facts({200, 100}));
  const std::vector<Finding> found = survey.cut_off(processor);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].value, 0.5);
  EXPECT_NE(
      found[0].sentence.find("of 2 pictures (50 %) the model does not see 50 % to 75 % of the area (75 % of 400 x "
                             "100 pixels)"),
      std::string::npos)
      << found[0].sentence;
  processor.crop = {};
  processor.resize_rule = ResizeRule::exact;
  EXPECT_TRUE(survey.cut_off(processor).empty());
}

}  // namespace
}  // namespace temper
