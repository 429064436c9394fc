// How fast picture files become the pixels of a model's input on one core: read, decoded, resized and normalised, as an
// evaluation does it, and as training does it with a random crop and flips. Prints the median of several passes over
// the files, which are in the page cache from the second on:
//
//     pictures_bench MODEL_FOLDER PICTURE...
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "data/images/augmentation.h"
#include "data/pictures/decode.h"
#include "model/huggingface/model_files.h"

namespace temper {
namespace {

constexpr int kPasses = 7;
constexpr std::int64_t kChannels = 3;

void measure(std::string_view what, std::span<const char* const> files,
             const std::function<void(const Picture& picture, std::uint32_t example)>& use) {
  std::vector<double> seconds;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < files.size(); ++i) {
      const MappedFile file(files[i]);
      use(decode_picture(file.bytes(), files[i]).picture, static_cast<std::uint32_t>(i));
    }
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kPasses / 2, seconds.end());
  fmt::print("{}\t{} pictures\t{:.1f} pictures/s\n", what, files.size(),
             static_cast<double>(files.size()) / seconds[kPasses / 2]);
}

void measure_all(const char* folder, std::span<const char* const> files) {
  const ImageProcessor processor = read_image_processor(folder, model_config_text(folder));
  std::vector<float> pixels(static_cast<std::size_t>(processor.extent().pixels() * kChannels));
  AugmentationSettings settings;
  settings.resized_crop = true;
  settings.crop_scale = {0.7, 1.0};
  settings.horizontal_flip = 0.5;
  measure("decoded", files, [](const Picture&, std::uint32_t) {});
  measure("decoded, resized, normalised", files,
          [&](const Picture& picture, std::uint32_t) { to_pixels(picture, processor, kChannels, pixels); });
  measure("decoded, cropped, flipped, normalised", files, [&](const Picture& picture, std::uint32_t example) {
    normalize_pixels(augment(picture, settings, processor, {1, 0, example}), processor, kChannels, pixels);
  });
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: pictures_bench MODEL_FOLDER PICTURE...\n");
    return 2;
  }
  try {
    temper::measure_all(argv[1], {argv + 2, static_cast<std::size_t>(argc - 2)});
  } catch (const std::exception& error) {
    fmt::print(stderr, "pictures_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
