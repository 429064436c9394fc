#include "tests/tiny_pictures.h"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "data/pictures/png_writer.h"

namespace temper::testing_support {

Picture striped_picture(std::int64_t height, std::int64_t width, std::uint32_t seed, bool upright, int mean) {
  std::mt19937 random(seed);
  Picture picture{{height, width}, 3, {}, 0.0F, 255.0F};
  std::vector<std::uint8_t> samples;
  const auto bar = static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(upright ? width - 3 : height - 3));
  for (std::int64_t row = 0; row < height; ++row)
    for (std::int64_t column = 0; column < width; ++column) {
      const std::int64_t along = upright ? column : row;
      const int lift = along >= bar && along < bar + 3 ? 100 : 0;
      for (int channel = 0; channel < 3; ++channel)
        samples.push_back(
            static_cast<std::uint8_t>(std::clamp(mean + lift + static_cast<int>(random() % 41) - 20, 0, 255)));
    }
  picture.samples = std::move(samples);
  return picture;
}

void write_picture_classes(const std::filesystem::path& folder, int each, std::uint32_t seed) {
  for (const bool upright : {false, true}) {
    const std::filesystem::path of_class = folder / (upright ? "upright" : "flat");
    std::filesystem::create_directories(of_class);
    for (int i = 0; i < each; ++i)
      write_png(
          of_class / fmt::format("{:02}.png", i),
          striped_picture(20, 16, seed * 1000 + static_cast<std::uint32_t>(2 * i) + (upright ? 1U : 0U), upright));
  }
}

void write_tiny_vit(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "config.json",
                        R"({"model_type": "vit", "architectures": ["ViTModel"], "hidden_size": 16,
 "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 16, "patch_size": 4,
 "num_channels": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "qkv_bias": true,
 "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
)");
  write_file_atomically(folder / "preprocessor_config.json", R"({"do_resize": true, "size": {"height": 16, "width": 16},
 "resample": 2, "do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true,
 "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "image_processor_type": "ViTImageProcessor"}
)");
}

}  // namespace temper::testing_support
