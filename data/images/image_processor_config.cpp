// Reading preprocessor_config.json, and writing it back. Classes and what they have where the file is silent are those
// of transformers 5.24; how sizes were written before 4.22, as single numbers, is noted there too.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/images/image_processor.h"

namespace temper {
namespace {

using nlohmann::json;

constexpr std::int64_t kLargestSide = 16384;
constexpr std::int64_t kUsualSide = 224;
/// ConvNeXt's rule: from this edge on nothing is cut off.
constexpr std::int64_t kUncroppedEdge = 384;

using ChannelValues = std::array<double, 3>;
constexpr ChannelValues kHalf = {0.5, 0.5, 0.5};
constexpr ChannelValues kImageNetMean = {0.485, 0.456, 0.406};
constexpr ChannelValues kImageNetDeviation = {0.229, 0.224, 0.225};
constexpr ChannelValues kClipMean = {0.48145466, 0.4578275, 0.40821073};
constexpr ChannelValues kClipDeviation = {0.26862954, 0.26130258, 0.27577711};

/// What a class has where its file leaves a key out.
struct ProcessorClass {
  std::string_view name;
  ResizeFilter filter = ResizeFilter::bilinear;
  ChannelValues mean = kHalf;
  ChannelValues deviation = kHalf;
  std::int64_t side = kUsualSide;
  std::int64_t crop = 0;           ///< 0: nothing is cropped
  bool square_from_number = true;  ///< a size of one number is a square, else the shorter edge
  double crop_share = 0.0;
};

constexpr ProcessorClass kProcessorClasses[] = {
    {"ViTImageProcessor"},
    {"DeiTImageProcessor", ResizeFilter::bicubic, kHalf, kHalf, 256, kUsualSide},
    {"BitImageProcessor", ResizeFilter::bicubic, kClipMean, kClipDeviation, kUsualSide, kUsualSide, false},
    {"CLIPImageProcessor", ResizeFilter::bicubic, kClipMean, kClipDeviation, kUsualSide, kUsualSide, false},
    {"ConvNextImageProcessor", ResizeFilter::bicubic, kHalf, kHalf, 384, 0, false, 224.0 / 256.0},
};

/// "ViTFeatureExtractor", "ViTImageProcessorFast" and "ViTImageProcessorPil" are "ViTImageProcessor".
std::string plain_class(std::string name) {
  for (const std::string_view ending : {"Fast", "Pil"})
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  constexpr std::string_view kOld = "FeatureExtractor";
  if (name.ends_with(kOld)) name.replace(name.size() - kOld.size(), kOld.size(), "ImageProcessor");
  return name;
}

/// The keys of a file's object, and what to say of those that are wrong.
class Keys {
 public:
  Keys(const json& object, std::string place) : object_(object), place_(std::move(place)) {}

  [[nodiscard]] const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  [[nodiscard]] bool flag(const char* key, bool otherwise) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) refuse(key, *value, "true or false");
    return value->get<bool>();
  }
  [[nodiscard]] double number(const char* key, double otherwise) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number() || !(value->get<double>() > 0.0) || !std::isfinite(value->get<double>()))
      refuse(key, *value, "a number above 0");
    return value->get<double>();
  }
  [[nodiscard]] std::string text(const char* key, std::string otherwise) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) refuse(key, *value, "a text");
    return value->get<std::string>();
  }
  /// One number or a list of them, each finite; deviations not 0.
  [[nodiscard]] std::vector<double> channel_values(const char* key, const ChannelValues& otherwise,
                                                   bool is_deviation) const {
    const json* value = find(key);
    if (value == nullptr) return {otherwise.begin(), otherwise.end()};
    std::vector<double> values;
    for (const json& one : value->is_array() ? *value : json::array({*value})) {
      if (!one.is_number() || !std::isfinite(one.get<double>()) || (is_deviation && one.get<double>() == 0.0))
        refuse(key, *value, is_deviation ? "a number, or one per channel, none 0" : "a number, or one per channel");
      values.push_back(one.get<double>());
    }
    if (values.size() != 1 && values.size() != 3) refuse(key, *value, "one number, or three");
    return values;
  }
  [[nodiscard]] std::int64_t side(const char* key, const json& value) const {
    if (!value.is_number_integer() || value.get<double>() < 1.0 || value.get<double>() > kLargestSide)
      refuse(key, value, "whole numbers of 1 to 16384 pixels");
    return value.get<std::int64_t>();
  }
  /// What an edge has to be so that a share of it stays.
  [[nodiscard]] std::int64_t enlarged(std::int64_t edge, double share) const {
    const double before = std::floor(static_cast<double>(edge) / share);
    if (before > static_cast<double>(kLargestSide))
      refuse("crop_pct", share, "a share that leaves a size of 16384 pixels at most");
    return static_cast<std::int64_t>(before);
  }
  /// [height, width], or the two keys.
  [[nodiscard]] std::optional<ImageExtent> extent(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_array() && value->size() == 2) return ImageExtent{side(key, (*value)[0]), side(key, (*value)[1])};
    if (value->is_object() && value->size() == 2 && value->contains("height") && value->contains("width"))
      return ImageExtent{side(key, value->at("height")), side(key, value->at("width"))};
    return std::nullopt;
  }
  [[noreturn]] void refuse(const char* key, const json& value, std::string_view expected) const {
    throw Error("{}: {} is {}, expected {}", place_, key, value.dump(), expected);
  }
  [[nodiscard]] const std::string& place() const { return place_; }

 private:
  const json& object_;
  std::string place_;
};

/// ConvNeXt's rule: what follows from an edge.
void apply_crop_share(ImageProcessor& processor, std::int64_t edge, double share) {
  processor.crop_share = share;
  if (edge >= kUncroppedEdge) {
    processor.resize_rule = ResizeRule::exact;
    processor.size = {edge, edge};
    processor.edge = 0;
    processor.crop = {};
    return;
  }
  processor.resize_rule = ResizeRule::shortest_edge;
  processor.size = {};
  processor.edge = static_cast<std::int64_t>(static_cast<double>(edge) / share);
  processor.crop = {edge, edge};
}

/// The size that a processor resizes to: a number, a pair, or one of the two kinds of objects.
void read_size(const Keys& keys, const ProcessorClass& of, ImageProcessor& processor) {
  const json* value = keys.find("size");
  std::optional<std::int64_t> edge;
  if (const auto extent = keys.extent("size")) {
    processor.size = *extent;
  } else if (value == nullptr || value->is_number()) {
    const std::int64_t number = value == nullptr ? of.side : keys.side("size", *value);
    if (of.square_from_number)
      processor.size = {number, number};
    else
      edge = number;
  } else if (value->is_object() && value->size() == 1 && value->contains("shortest_edge")) {
    edge = keys.side("size", value->at("shortest_edge"));
  } else {
    keys.refuse("size", *value, "a number, height and width, or shortest_edge");
  }
  if (of.crop_share > 0.0) {
    if (!edge) keys.refuse("size", *value, "shortest_edge, which ConvNextImageProcessor asks for");
    const double share = std::min(keys.number("crop_pct", of.crop_share), 1.0);
    static_cast<void>(keys.enlarged(*edge, share));
    return apply_crop_share(processor, *edge, share);
  }
  processor.resize_rule = edge ? ResizeRule::shortest_edge : ResizeRule::exact;
  processor.edge = edge.value_or(0);
}

/// What is kept of the middle, after read_size.
void read_crop(const Keys& keys, const ProcessorClass& of, ImageProcessor& processor) {
  if (keys.flag("do_center_crop", of.crop > 0)) {
    const json* value = keys.find("crop_size");
    if (const auto extent = keys.extent("crop_size")) {
      processor.crop = *extent;
    } else if (value != nullptr && !value->is_number()) {
      keys.refuse("crop_size", *value, "a number, or height and width");
    } else {
      const std::int64_t usual = of.crop > 0 ? of.crop : kUsualSide;
      const std::int64_t side = value == nullptr ? usual : keys.side("crop_size", *value);
      processor.crop = {side, side};
    }
  } else if (processor.resize_rule == ResizeRule::shortest_edge && processor.crop.pixels() == 0) {
    processor.crop = {processor.edge, processor.edge};
  }
}

ResizeFilter filter_of(const Keys& keys, ResizeFilter otherwise) {
  const json* value = keys.find("resample");
  if (value == nullptr) return otherwise;
  if (!value->is_number_integer() || value->get<double>() < 0.0 || value->get<double>() > 5.0)
    keys.refuse("resample", *value, "0 (nearest), 1 (lanczos), 2 (bilinear), 3 (bicubic), 4 (box) or 5 (hamming)");
  return static_cast<ResizeFilter>(value->get<int>());
}

ImageProcessor processor_of_file(const json& object, const std::string& text, const std::string& place) {
  const Keys keys(object, place);
  const std::string name = plain_class(keys.text("image_processor_type", keys.text("feature_extractor_type", "")));
  const auto* const found = std::find_if(std::begin(kProcessorClasses), std::end(kProcessorClasses),
                                         [&](const auto& one) { return one.name == name; });
  const ProcessorClass& of = found == std::end(kProcessorClasses) ? kProcessorClasses[0] : *found;
  for (const char* key : {"do_pad", "rescale_offset"})
    if (keys.flag(key, false)) keys.refuse(key, true, "false: Temper does not do this");
  ImageProcessor processor;
  processor.source = place;
  processor.document = text;
  processor.filter = filter_of(keys, of.filter);
  read_size(keys, of, processor);
  if (!keys.flag("do_resize", true)) {
    // ConvNeXt's crop belongs to its resizing.
    if (processor.crop.pixels() > 0) processor.size = processor.crop;
    if (processor.size.pixels() == 0) processor.size = {processor.edge, processor.edge};
    processor.resize_rule = ResizeRule::none;
    processor.edge = 0;
    processor.crop = {};
    processor.crop_share = 0.0;
  }
  read_crop(keys, of, processor);
  processor.scale = keys.flag("do_rescale", true) ? keys.number("rescale_factor", 1.0 / 255.0) : 1.0;
  if (keys.flag("do_normalize", true)) {
    processor.mean = keys.channel_values("image_mean", of.mean, false);
    processor.deviation = keys.channel_values("image_std", of.deviation, true);
  }
  return processor;
}

constexpr std::string_view kFilterNames[] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"};

/// timm's evaluation: the shorter edge becomes size / crop_pct, and the middle is kept; "squash" gives up proportions.
ImageProcessor processor_of_timm(const json& object, const std::string& place) {
  json whole = object;
  if (json& size = whole["input_size"]; size.is_null()) size = {3, kUsualSide, kUsualSide};
  const Keys keys(whole, place + ", pretrained_cfg");
  ImageProcessor processor;
  processor.source = keys.place();
  processor.document = whole.dump();
  const json* input = keys.find("input_size");
  if (!input->is_array() || input->size() != 3) keys.refuse("input_size", *input, "channels, height and width");
  const ImageExtent extent{keys.side("input_size", (*input)[1]), keys.side("input_size", (*input)[2])};
  const double share = std::min(keys.number("crop_pct", 0.875), 1.0);
  const std::string mode = keys.text("crop_mode", "center");
  if (mode != "center" && mode != "squash") keys.refuse("crop_mode", mode, "\"center\" or \"squash\"");
  processor.timm_share = share;
  processor.crop = extent;
  processor.size = {keys.enlarged(extent.height, share), keys.enlarged(extent.width, share)};
  if (mode == "center" && extent.height == extent.width) {
    processor.resize_rule = ResizeRule::shortest_edge;
    processor.edge = processor.size.height;
    processor.size = {};
  } else if (mode == "center") {
    keys.refuse("input_size", *input, "a square where crop_mode is \"center\"");
  }
  const std::string filter = keys.text("interpolation", "bicubic");
  const auto* const found = std::find(std::begin(kFilterNames), std::end(kFilterNames), filter);
  if (found == std::end(kFilterNames))
    keys.refuse("interpolation", filter, "nearest, lanczos, bilinear, bicubic, box or hamming");
  processor.filter = static_cast<ResizeFilter>(found - std::begin(kFilterNames));
  processor.mean = keys.channel_values("mean", kImageNetMean, false);
  processor.deviation = keys.channel_values("std", kImageNetDeviation, true);
  return processor;
}

ImageProcessor processor_of_model(const json& config, const std::string& place) {
  const Keys keys(config, place);
  const std::string type = keys.text("model_type", "");
  ImageProcessor processor;
  const auto extent = keys.extent("image_size");
  const json* number = keys.find("image_size");
  if (!extent && number != nullptr && !number->is_number())
    keys.refuse("image_size", *number, "a number, or height and width");
  const std::int64_t side = number != nullptr && !extent ? keys.side("image_size", *number) : kUsualSide;
  processor.size = extent.value_or(ImageExtent{side, side});
  const json* channels = keys.find("num_channels");
  const bool grey = channels != nullptr && *channels == 1;
  const bool halves = type == "vit" || grey;
  processor.filter = type == "vit" ? ResizeFilter::bilinear : ResizeFilter::bicubic;
  const ChannelValues& mean = halves ? kHalf : kImageNetMean;
  const ChannelValues& deviation = halves ? kHalf : kImageNetDeviation;
  const auto values = grey ? 1 : 3;
  processor.mean.assign(mean.begin(), mean.begin() + values);
  processor.deviation.assign(deviation.begin(), deviation.begin() + values);
  processor.source = "the usual values (there is no preprocessor_config.json)";
  return processor;
}

json parsed_object(const std::string& text, const std::string& place) {
  json object;
  try {
    object = json::parse(text);
  } catch (const json::parse_error& error) {
    throw Error("{}: is not valid JSON at byte {}; fetch the file again", place, error.byte);
  }
  if (!object.is_object()) throw Error("{}: holds no JSON object; fetch the file again", place);
  return object;
}

std::string text_of(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? read_text_file(path) : std::string();
}

json extent_object(ImageExtent extent) { return {{"height", extent.height}, {"width", extent.width}}; }

/// `length` in the proportion of two sides, rounded.
std::int64_t in_proportion(std::int64_t length, std::int64_t side, std::int64_t of) {
  return (2 * length * side + of) / (2 * of);
}

}  // namespace

void ImageProcessor::set_extent(ImageExtent wanted) {
  for (const std::int64_t side : {wanted.height, wanted.width})
    if (side < 1 || side > kLargestSide)
      throw usage_error("images of {} x {} pixels were asked for, expected 1 to {} each way", wanted.width,
                        wanted.height, kLargestSide);
  const ImageExtent before = extent();
  if (wanted == before) return;
  if (crop_share > 0.0) {
    if (wanted.height != wanted.width)
      throw usage_error("images of {} x {} pixels were asked for, but {} makes squares", wanted.width, wanted.height,
                        source);
    return apply_crop_share(*this, wanted.height, crop_share);
  }
  if (timm_share > 0.0) {
    const auto before_cut = [this](std::int64_t side) {
      return static_cast<std::int64_t>(std::floor(static_cast<double>(side) / timm_share));
    };
    if (before_cut(std::max(wanted.height, wanted.width)) > kLargestSide)
      throw usage_error("images of {} x {} pixels were asked for, which {} cuts out of larger ones than {} pixels",
                        wanted.width, wanted.height, source, kLargestSide);
    if (resize_rule == ResizeRule::shortest_edge && wanted.height != wanted.width)
      throw usage_error("images of {} x {} pixels were asked for, but {} makes squares", wanted.width, wanted.height,
                        source);
    crop = wanted;
    if (resize_rule == ResizeRule::shortest_edge)
      edge = before_cut(wanted.height);
    else
      size = {before_cut(wanted.height), before_cut(wanted.width)};
    return;
  }
  if (crop.pixels() == 0 || resize_rule == ResizeRule::none) {
    size = crop.pixels() == 0 ? wanted : size;
    crop = crop.pixels() == 0 ? crop : wanted;
    return;
  }
  const bool square = wanted.height == wanted.width;
  const ImageExtent resized = resize_rule == ResizeRule::exact ? size : ImageExtent{edge, edge};
  if (resize_rule == ResizeRule::shortest_edge && square && before.height == before.width) {
    edge = in_proportion(edge, wanted.height, before.height);
  } else {
    // The shorter edge says nothing of a rectangle.
    resize_rule = ResizeRule::exact;
    edge = 0;
    size = {in_proportion(resized.height, wanted.height, before.height),
            in_proportion(resized.width, wanted.width, before.width)};
  }
  crop = wanted;
}

std::string ImageProcessor::to_pretrained_cfg() const {
  json object = json::parse(document);
  object["input_size"] = {object.at("input_size").at(0), crop.height, crop.width};
  object["crop_pct"] = timm_share;
  object["crop_mode"] = resize_rule == ResizeRule::shortest_edge ? "center" : "squash";
  object["interpolation"] = kFilterNames[static_cast<std::size_t>(filter)];
  object["mean"] = mean;
  object["std"] = deviation;
  return object.dump(2) + "\n";
}

std::string ImageProcessor::to_json() const {
  const bool is_new = document.empty() || timm_share > 0.0;
  json object = is_new ? json::object() : json::parse(document);
  if (is_new) {
    object["image_processor_type"] =
        resize_rule == ResizeRule::shortest_edge ? "BitImageProcessor" : "ViTImageProcessor";
    object["do_convert_rgb"] = mean.size() != 1;
    object["resample"] = static_cast<int>(filter);
    object["do_rescale"] = scale != 1.0;
    object["rescale_factor"] = scale;
    object["do_normalize"] = !mean.empty();
    object["image_mean"] = mean;
    object["image_std"] = deviation;
    object["do_center_crop"] = crop.pixels() > 0;
  }
  object["do_resize"] = resize_rule != ResizeRule::none;
  if (crop_share > 0.0) {
    object["size"] = {{"shortest_edge", extent().height}};
    object["crop_pct"] = crop_share;
  } else {
    if (resize_rule == ResizeRule::shortest_edge)
      object["size"] = {{"shortest_edge", edge}};
    else if (resize_rule == ResizeRule::exact || crop.pixels() == 0)
      object["size"] = extent_object(size);
    if (crop.pixels() > 0) {
      object["do_center_crop"] = true;
      object["crop_size"] = extent_object(crop);
    }
  }
  return object.dump(2) + "\n";
}

ImageProcessor parse_image_processor(const std::string& preprocessor_config, const std::string& config,
                                     const std::string& place) {
  if (!preprocessor_config.empty()) {
    const std::string file = place + "/preprocessor_config.json";
    return processor_of_file(parsed_object(preprocessor_config, file), preprocessor_config, file);
  }
  const std::string file = place + "/config.json";
  const json object = config.empty() ? json::object() : parsed_object(config, file);
  const auto timm = object.find("pretrained_cfg");
  if (timm != object.end() && timm->is_object()) return processor_of_timm(*timm, file);
  return processor_of_model(object, file);
}

ImageProcessor read_image_processor(const std::filesystem::path& folder, const std::string& config) {
  const json object = config.empty() ? json::object() : parsed_object(config, (folder / "config.json").string());
  const bool is_timm = object.contains("pretrained_cfg") && !object.contains("model_type");
  return parse_image_processor(is_timm ? std::string() : text_of(folder / "preprocessor_config.json"), config,
                               folder.string());
}

}  // namespace temper
