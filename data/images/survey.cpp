#include "data/images/survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <variant>

#include "base/human_numbers.h"

namespace temper {
namespace {

constexpr double kSaturated = 0.05;
constexpr double kNarrow = 0.125;

std::string of_extent(ImageExtent extent) { return fmt::format("{} x {}", extent.width, extent.height); }

/// "PNG (300 files), JPEG (2 files)", most files first; of one group its name alone.
template <typename Groups>
std::string listed(const Groups& groups) {
  std::vector<std::pair<std::int64_t, std::string>> sorted;
  for (const auto& [name, group] : groups) sorted.emplace_back(group.files, name);
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  if (sorted.size() == 1) return sorted.front().second;
  std::string text;
  for (const auto& [files, name] : sorted)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name, grouped(files, "file"));
  return text;
}

/// "300 files have 8 bits (first a.png), 2 files have 16 bits (first b.png)"
template <typename Groups>
std::string compared(const Groups& groups) {
  std::string text;
  for (const auto& [name, group] : groups)
    text += fmt::format("{}{} {} {} (first {})", text.empty() ? "" : ", ", grouped(group.files, "file"),
                        group.files == 1 ? "has" : "have", name, group.example);
  return text;
}

/// The share of the files that are not in the largest group.
template <typename Groups>
double share_of_others(const Groups& groups) {
  std::int64_t all = 0;
  std::int64_t most = 0;
  for (const auto& [name, group] : groups) {
    all += group.files;
    most = std::max(most, group.files);
  }
  return all == 0 ? 0.0 : static_cast<double>(all - most) / static_cast<double>(all);
}

std::string channels_named(std::int64_t channels) {
  if (channels == 1) return "1 channel (grey)";
  return fmt::format("{} channels", channels);
}

std::string percentage(double share) { return significant(100.0 * share, 2) + " %"; }

}  // namespace

void PictureSurvey::add(const std::string& file, const PictureFacts& facts) {
  const auto note = [&](Groups& groups, const std::string& name) {
    Group& group = groups[name];
    if (group.files++ == 0) group.example = file;
  };
  note(formats_, facts.format);
  note(bits_, grouped(facts.bits, "bit") + (facts.is_float ? " (floats)" : facts.is_signed ? " (signed)" : ""));
  note(channels_, channels_named(facts.channels));
  note(polarities_, facts.inverted ? "white as the lowest value" : "black as the lowest value");
  if (!facts.named_as.empty()) note(named_otherwise_, fmt::format("{} named as {}", facts.format, facts.named_as));
  if (facts.frames > 1) note(frames_, "several");
  extents_.push_back(facts.extent);
}

void PictureSurvey::add_samples(const Picture& picture, std::int64_t not_finite) {
  not_finite_ += not_finite;
  const double black = picture.black;
  const double range = static_cast<double>(picture.white) - black;
  if (range == 0.0 || picture.values() == 0) return;
  double lowest = decoded_ == 0 ? HUGE_VAL : lowest_;
  double highest = decoded_ == 0 ? -HUGE_VAL : highest_;
  std::visit(
      [&](const auto& samples) {
        for (const auto sample : samples) {
          const double place = (static_cast<double>(sample) - black) / range;
          if (std::isnan(place)) continue;
          at_black_ += place <= 0.0 ? 1.0 : 0.0;
          at_white_ += place >= 1.0 ? 1.0 : 0.0;
          lowest = std::min(lowest, place);
          highest = std::max(highest, place);
        }
        samples_ += static_cast<double>(samples.size());
      },
      picture.samples);
  if (lowest > highest) return;
  lowest_ = lowest;
  highest_ = highest;
  ++decoded_;
}

std::vector<std::string> PictureSurvey::sentences() const {
  if (extents_.empty()) return {"no pictures"};
  std::vector<std::string> made;
  made.push_back(fmt::format("{} in the format {}, with {} per sample and {}.", grouped(files(), "picture"),
                             listed(formats_), listed(bits_), listed(channels_)));
  std::vector<ImageExtent> sorted = extents_;
  std::stable_sort(sorted.begin(), sorted.end(), [](ImageExtent a, ImageExtent b) { return a.pixels() < b.pixels(); });
  if (std::all_of(sorted.begin(), sorted.end(), [&](ImageExtent one) { return one == sorted.front(); }))
    made.push_back(fmt::format("Each is {} pixels wide and high.", of_extent(sorted.front())));
  else
    made.push_back(fmt::format("The smallest is {} pixels wide and high, the median {}, the largest {}.",
                               of_extent(sorted.front()), of_extent(sorted[sorted.size() / 2]),
                               of_extent(sorted.back())));
  made.push_back(fmt::format("Polarity: {}.", listed(polarities_)));
  if (!frames_.empty())
    made.push_back(fmt::format("{} of more than one frame or slice (first {}).",
                               grouped(frames_.begin()->second.files, "file"), frames_.begin()->second.example));
  if (decoded_ > 0)
    made.push_back(
        fmt::format("In {} that {} decoded, samples lie at {} to {} of the range from black to white; {} are "
                    "at black or below, {} at white or above.",
                    grouped(decoded_, "picture"), decoded_ == 1 ? "was" : "were", percentage(lowest_),
                    percentage(highest_), percentage(at_black_ / samples_), percentage(at_white_ / samples_)));
  return made;
}

std::vector<Finding> PictureSurvey::findings() const {
  std::vector<Finding> found;
  if (bits_.size() > 1)
    found.push_back(
        {Severity::warning, "mixed_bits",
         fmt::format("pictures have different numbers of bits: {}; check that black and white mean the same "
                     "in all of them",
                     compared(bits_)),
         share_of_others(bits_)});
  if (polarities_.size() > 1)
    found.push_back(
        {Severity::warning, "mixed_polarity",
         fmt::format("pictures are stored with different polarity: {}; they were turned over so that bright "
                     "is high in all of them, check that it is so",
                     compared(polarities_)),
         share_of_others(polarities_)});
  if (channels_.size() > 1)
    found.push_back({Severity::warning, "mixed_channels",
                     fmt::format("pictures have different numbers of channels: {}; a model may tell classes by them",
                                 compared(channels_)),
                     share_of_others(channels_)});
  if (!named_otherwise_.empty()) {
    std::int64_t named = 0;
    for (const auto& [name, group] : named_otherwise_) named += group.files;
    const auto& [kind, first] = *named_otherwise_.begin();
    found.push_back(
        {Severity::warning, "mislabelled",
         fmt::format("{} {} of another format than the name says (first {}, a {}); it is read by its content",
                     grouped(named, "file"), named == 1 ? "is" : "are", first.example, kind),
         static_cast<double>(named) / static_cast<double>(files())});
  }
  if (not_finite_ > 0)
    found.push_back({Severity::warning, "not_finite",
                     fmt::format("{} of the pictures that were decoded {} not finite; infinite ones became black or "
                                 "white, others black",
                                 grouped(not_finite_, "sample"), not_finite_ == 1 ? "was" : "were"),
                     static_cast<double>(not_finite_)});
  if (decoded_ == 0) return found;
  const double white = at_white_ / samples_;
  if (white > kSaturated)
    found.push_back({Severity::warning, "saturated",
                     fmt::format("{} of the samples of {} are at white or above, where differences are lost; check the "
                                 "window, or how the pictures were converted",
                                 percentage(white), grouped(decoded_, "picture")),
                     white});
  const double filled = highest_ - lowest_;
  if (filled < kNarrow)
    found.push_back({Severity::warning, "narrow_range",
                     fmt::format("the samples of {} fill {} of the range from black to white; set black and white to "
                                 "what the pictures hold, such as a window",
                                 grouped(decoded_, "picture"), percentage(filled)),
                     filled});
  return found;
}

std::vector<Finding> PictureSurvey::cut_off(const ImageProcessor& processor) const {
  constexpr double kMuch = 1.0 / 3.0;
  std::int64_t much = 0;
  double most = 0.0;
  double least = 1.0;
  ImageExtent worst;
  for (const ImageExtent& extent : extents_) {
    const double share = cut_share(extent, processor);
    if (share <= kMuch) continue;
    ++much;
    least = std::min(least, share);
    if (share <= most) continue;
    most = share;
    worst = extent;
  }
  if (much == 0) return {};
  const double share = static_cast<double>(much) / static_cast<double>(files());
  return {{Severity::warning, "cut_off",
           fmt::format("of {} ({}) the model does not see {}{} of the area ({} of {} pixels), since {} keeps the "
                       "middle; cut or pad them to squares where their ends matter, or let preprocessor_config.json "
                       "resize to a height and a width without do_center_crop",
                       grouped(much, "picture"), percentage(share),
                       percentage(least) == percentage(most) ? "" : percentage(least) + " to ", percentage(most),
                       percentage(most), of_extent(worst), processor.source.empty() ? "it" : processor.source),
           share}};
}

}  // namespace temper
