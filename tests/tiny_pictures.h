// Small pictures in folders by class, for tests that fine-tune on images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/pictures/picture.h"

namespace temper::testing_support {

/// An RGB picture of 8 bits whose samples are drawn by `seed` around `mean`, with a brighter bar: upright where
/// `upright`.
Picture striped_picture(std::int64_t height, std::int64_t width, std::uint32_t seed, bool upright, int mean = 96);

/// folder/{flat,upright}/NN.png, `each` of both classes, of 20 by 16 pixels.
void write_picture_classes(const std::filesystem::path& folder, int each, std::uint32_t seed);

/// config.json and preprocessor_config.json of a ViT of 2 layers of width 16 over patches of 4 pixels of images of 16;
/// its weights are drawn by the run (model.initialize).
void write_tiny_vit(const std::filesystem::path& folder);

}  // namespace temper::testing_support
