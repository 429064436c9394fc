#include "data/pictures/decode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "data/pictures/picture_format.h"
#include "tests/data/pictures/picture_cases.h"
#include "tests/shared_data.h"

namespace temper {
namespace {

using testing_support::bytes_of_base64;
using testing_support::picture_cases;
using testing_support::PictureCase;

/// The samples' bytes, and the name of their type.
std::vector<std::byte> raw_samples(const Picture& picture) {
  return std::visit(
      [](const auto& samples) {
        const auto bytes = std::as_bytes(std::span(samples));
        return std::vector<std::byte>(bytes.begin(), bytes.end());
      },
      picture.samples);
}

std::string type_of(const Picture& picture) {
  constexpr const char* kTypes[] = {"uint8", "uint16", "float32"};
  return kTypes[picture.samples.index()];
}

/// `decoded`: what only the pixels tell counts too.
void expect_facts(const PictureFacts& facts, const nlohmann::json& said, bool decoded) {
  const nlohmann::json told{{"channels", facts.channels},     {"bits", facts.bits},
                            {"inverted", facts.inverted},     {"frames", facts.frames},
                            {"is_float", facts.is_float},     {"is_signed", facts.is_signed},
                            {"not_finite", facts.not_finite}, {"orientation", facts.orientation}};
  for (const auto& [name, value] : said.items()) {
    if (!decoded && (name == "not_finite" || name == "orientation")) continue;
    EXPECT_EQ(told.at(name), value) << name;
  }
}

/// The error's sentence; empty: none was thrown.
std::string fault_of(std::span<const std::byte> file, const std::string& name, const DecodeOptions& options = {}) {
  try {
    decode_picture(file, name, options);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

std::vector<std::byte> file_named(const std::string& name) {
  for (const PictureCase& one : picture_cases("cases"))
    if (one.name == name) return one.file;
  ADD_FAILURE() << name;
  return {};
}

// Pillow, pydicom and nibabel read the same samples.
TEST(DecodePicture, ReadsWhatOtherProgramsRead) {
  const std::vector<PictureCase> cases = picture_cases("cases");
  EXPECT_GE(cases.size(), 143U);
  for (const PictureCase& one : cases) {
    SCOPED_TRACE(one.name);
    DecodedPicture decoded;
    ASSERT_NO_THROW(decoded = decode_picture(one.file, one.name, one.options))
        << fault_of(one.file, one.name, one.options);
    const Picture& picture = decoded.picture;
    const nlohmann::json& shape = one.said.at("shape");
    EXPECT_EQ(picture.extent, (ImageExtent{shape.at(0), shape.at(1)}));
    EXPECT_EQ(picture.channels, shape.size() == 3 ? shape.at(2).get<std::int64_t>() : 1);
    EXPECT_EQ(type_of(picture), one.said.at("type"));
    EXPECT_EQ(raw_samples(picture), bytes_of_base64(one.said.at("samples")));
    EXPECT_EQ(picture.black, one.said.at("black").get<float>());
    EXPECT_EQ(picture.white, one.said.at("white").get<float>());
    expect_facts(decoded.facts, one.said.at("facts"), true);
    EXPECT_EQ(decoded.facts.format, format_name(format_of_name(one.name)));
    EXPECT_EQ(decoded.facts.named_as, "");
  }
}

TEST(PictureFacts, AreToldByTheHeader) {
  for (const PictureCase& one : picture_cases("cases")) {
    SCOPED_TRACE(one.name);
    const PictureFacts decoded = decode_picture(one.file, one.name, one.options).facts;
    // Without a frame or slice: a survey is what tells that there are several.
    DecodeOptions options;
    options.axis = one.options.axis;
    const PictureFacts facts = picture_facts(one.file, one.name, options);
    EXPECT_EQ(facts.extent, decoded.extent);
    EXPECT_EQ(facts.format, decoded.format);
    EXPECT_EQ(facts.channels, decoded.channels);
    EXPECT_EQ(facts.bits, decoded.bits);
    expect_facts(facts, one.said.at("facts"), false);
  }
}

TEST(DecodePicture, RefusesWithOneClearSentence) {
  for (const PictureCase& one : picture_cases("refused")) {
    SCOPED_TRACE(one.name);
    const std::string fault = fault_of(one.file, "scans/" + one.name, one.options);
    EXPECT_TRUE(fault.starts_with("scans/" + one.name)) << fault;
    EXPECT_EQ(std::count(fault.begin(), fault.end(), '\n'), 0) << fault;
    for (const nlohmann::json& part : one.said.at("says"))
      EXPECT_NE(fault.find(part.get<std::string>()), std::string::npos) << fault << "\nexpected: " << part;
  }
}

TEST(DecodePicture, RefusesWhatIsCutShort) {
  for (const PictureCase& one : picture_cases("cases")) {
    SCOPED_TRACE(one.name);
    const std::vector<std::byte> whole = raw_samples(decode_picture(one.file, one.name, one.options).picture);
    const std::span<const std::byte> file(one.file);
    for (std::size_t size = 0; size < file.size(); size += 1 + file.size() / 60) {
      try {
        // What is missing may be padding, or behind the picture.
        EXPECT_EQ(raw_samples(decode_picture(file.first(size), one.name, one.options).picture), whole) << size;
        EXPECT_GT(size, file.size() / 2);
      } catch (const Error& error) {
        EXPECT_TRUE(std::string(error.what()).starts_with(one.name)) << error.what();
      }
    }
  }
}

TEST(DecodePicture, GoesByTheContentAndSaysWhatTheNameSaid) {
  const std::vector<std::byte> png = file_named("grey.png");
  const DecodedPicture decoded = decode_picture(png, "scans/one.JPEG");
  EXPECT_EQ(decoded.facts.format, "PNG");
  EXPECT_EQ(decoded.facts.named_as, "JPEG");
  EXPECT_EQ(picture_facts(png, "scans/one.nii.gz").named_as, "NIfTI");
  EXPECT_EQ(picture_facts(png, "scans/one").named_as, "");
  EXPECT_EQ(raw_samples(decoded.picture), raw_samples(decode_picture(png, "one.png").picture));
  const std::string fault = fault_of(std::span(png).first(60), "scans/one.jpg");
  EXPECT_TRUE(fault.starts_with("scans/one.jpg (named as JPEG, but PNG by its content): the PNG file is cut short"))
      << fault;
}

TEST(DecodePicture, TakesAsManyPixelsAsItMay) {
  DecodeOptions options;
  for (const std::string name :
       {"colour.png", "quality75-2.jpg", "raw.tif", "colour.dcm", "palette.png", "palette.tif"}) {
    const std::vector<std::byte> file = file_named(name);
    options.most_pixels = decode_picture(file, name).picture.extent.pixels();
    EXPECT_EQ(fault_of(file, name, options), "");
    --options.most_pixels;
    const std::string fault = fault_of(file, name, options);
    EXPECT_NE(fault.find(" megapixels; raise images.most_megapixels"), std::string::npos) << fault;
    EXPECT_THROW(picture_facts(file, name, options), Error) << name;
  }
}

// Cut along axis 0, the picture has one pixel, and a line of the volume 60 voxels.
TEST(DecodePicture, TakesAsLongALineOfAVolumeAsItMay) {
  std::vector<std::byte> file = file_named("u1-little.nii");
  constexpr std::size_t kSizes = 42;
  const std::int16_t sizes[] = {60, 1, 1};
  std::memcpy(file.data() + kSizes, sizes, sizeof(sizes));
  DecodeOptions options;
  options.axis = 0;
  options.most_pixels = 60;
  EXPECT_EQ(fault_of(file, "long.nii", options), "");
  --options.most_pixels;
  EXPECT_NE(fault_of(file, "long.nii", options).find("has lines of 60 voxels along axis 0"), std::string::npos);
  EXPECT_THROW(picture_facts(file, "long.nii", options), Error);
}

TEST(DecodePicture, AppliesAWindowInTheFilesUnits) {
  DecodeOptions options;
  options.window = PictureWindow{100, 50};
  const Picture bright = decode_picture(file_named("grey16.png"), "grey16.png", options).picture;
  EXPECT_EQ(bright.black, 75.0F);
  EXPECT_EQ(bright.white, 125.0F);
  EXPECT_EQ(decode_picture(file_named("colour.dcm"), "colour.dcm", options).picture.white, 125.0F);
  // MONOCHROME1 is reflected in the window: by the standard's function, [75, 124] for whole numbers.
  const Picture turned = decode_picture(file_named("monochrome1.dcm"), "monochrome1.dcm", options).picture;
  const Picture plain = decode_picture(file_named("twelve.dcm"), "twelve.dcm", options).picture;
  EXPECT_EQ(turned.black, 75.0F);
  EXPECT_EQ(turned.white, 124.0F);
  const auto& there = std::get<std::vector<float>>(turned.samples);
  const auto& here = std::get<std::vector<float>>(plain.samples);
  for (std::size_t i = 0; i < here.size(); ++i) EXPECT_EQ(there[i], 75.0F + 124.0F - here[i]);
  options.window->width = 0;
  EXPECT_THROW(decode_picture(file_named("grey.png"), "grey.png", options), Error);
}

TEST(DecodePicture, WorksInSeveralThreads) {
  const std::vector<PictureCase> cases = picture_cases("cases");
  std::vector<std::vector<std::vector<std::byte>>> found(4);
  std::vector<std::thread> threads;
  for (auto& mine : found)
    threads.emplace_back([&] {
      for (const PictureCase& one : cases)
        mine.push_back(raw_samples(decode_picture(one.file, one.name, one.options).picture));
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 1; i < found.size(); ++i) EXPECT_EQ(found[i], found[0]);
}

TEST(DecodePicture, ReadsTheSamplesOfChestXrays) {
  TEMPER_REQUIRE_SHARED(folder, "data/chest_xray/test");
  std::size_t files = 0;
  std::int64_t sum = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".png") continue;
    const MappedFile file(entry.path());
    const DecodedPicture decoded = decode_picture(file.bytes(), entry.path().string());
    EXPECT_EQ(decoded.picture.extent, (ImageExtent{28, 28}));
    EXPECT_EQ(decoded.facts.bits, 8);
    const auto& samples = std::get<std::vector<std::uint8_t>>(decoded.picture.samples);
    sum += std::accumulate(samples.begin(), samples.end(), std::int64_t{0});
    ++files;
  }
  EXPECT_EQ(files, 624U);
  EXPECT_EQ(sum, 70355184);  // Pillow's
}

TEST(PictureFormats, AreFoundByContentAndByName) {
  EXPECT_EQ(format_of_name("a/b.NII.GZ"), PictureFormat::nifti);
  EXPECT_EQ(format_of_name("a/b.Tiff"), PictureFormat::tiff);
  EXPECT_EQ(format_of_name("a/IM0001"), PictureFormat::unknown);
  EXPECT_EQ(format_of_name(""), PictureFormat::unknown);
  EXPECT_EQ(format_of_content({}), PictureFormat::unknown);
  for (const PictureCase& one : picture_cases("cases"))
    EXPECT_EQ(format_of_content(one.file), format_of_name(one.name)) << one.name;
}

}  // namespace
}  // namespace temper
