#include "data/images/image_source.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"

namespace temper {
namespace {

/// Calls use(i) for 0 to count - 1 in several threads. Throws what the first of them threw.
template <typename Use>
void for_each_in_threads(std::size_t count, std::size_t threads, const Use& use) {
  std::vector<std::exception_ptr> errors(count);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        use(i);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min(threads, count); ++i) helpers.emplace_back(work);
    work();
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace

std::string ImageRows::place(std::int64_t row) const {
  if (lists.empty()) return {};
  const auto at = static_cast<std::size_t>(row);
  return fmt::format("{}, line {}: ", lists[list_of[at]].string(), lines[at]);
}

ImageSource::ImageSource(ImageRows rows, ImageReading reading, std::span<const std::int64_t> unreadable)
    : rows_(std::move(rows)), reading_(std::move(reading)) {
  for (const std::int64_t row : unreadable) unreadable_.emplace(row, std::string());
}

void ImageSource::append(std::int64_t row, std::uint32_t example, Batch& batch) const {
  const BatchReading reading;
  append_read(row, example, reading, batch);
  auto& pixels = std::get<Pixels>(batch.content);
  const auto size = static_cast<std::size_t>(image_extent().pixels() * reading_.channels);
  pixels.values.resize(pixels.values.size() + size);
  read_pixels(row, reading.epoch, std::span(pixels.values).last(size));
}

void ImageSource::append_read(std::int64_t row, std::uint32_t example, const BatchReading& /*reading*/,
                              Batch& batch) const {
  if (!std::holds_alternative<Pixels>(batch.content)) batch.content = Pixels();
  auto& pixels = std::get<Pixels>(batch.content);
  const ImageExtent extent = image_extent();
  pixels.height = static_cast<std::int32_t>(extent.height);
  pixels.width = static_cast<std::int32_t>(extent.width);
  pixels.channels = static_cast<std::int32_t>(reading_.channels);
  for (std::int64_t t = 0; t < reading_.tokens; ++t) batch.positions.push_back(static_cast<std::int32_t>(t));
  batch.sequence_starts.push_back(batch.sequence_starts.back() + static_cast<std::int32_t>(reading_.tokens));
  batch.examples.push_back(example);
  const auto place = static_cast<std::size_t>(row);
  if (!rows_.classes.empty()) batch.classes.push_back(rows_.classes[place]);
  const auto width = static_cast<std::size_t>(rows_.target_width);
  batch.target_width = rows_.target_width;
  const auto targets = std::span(rows_.targets).subspan(place * width, width);
  batch.targets.insert(batch.targets.end(), targets.begin(), targets.end());
}

void ImageSource::complete(std::span<const std::int64_t> rows, const BatchReading& reading, Batch& batch) const {
  if (reading.outline || rows.empty()) return;
  auto& pixels = std::get<Pixels>(batch.content);
  const auto size = static_cast<std::size_t>(image_extent().pixels() * reading_.channels);
  pixels.values.resize(rows.size() * size);
  for_each_in_threads(rows.size(), static_cast<std::size_t>(std::max(1, reading_.threads)), [&](std::size_t i) {
    const std::int64_t found = read_pixels(rows[i], reading.epoch, std::span(pixels.values).subspan(i * size, size));
    if (found != rows[i]) relabel(i, found, batch);
  });
  if (reading.epoch != kEvaluationEpoch && reading_.augmentation.mixes()) mix(rows, reading.epoch, batch);
}

void ImageSource::relabel(std::size_t place, std::int64_t row, Batch& batch) const {
  const auto from = static_cast<std::size_t>(row);
  if (!rows_.classes.empty()) batch.classes[place] = rows_.classes[from];
  const auto width = static_cast<std::size_t>(rows_.target_width);
  std::copy_n(rows_.targets.begin() + static_cast<std::ptrdiff_t>(from * width), width,
              batch.targets.begin() + static_cast<std::ptrdiff_t>(place * width));
}

void ImageSource::mix(std::span<const std::int64_t> taken, std::int64_t epoch, Batch& batch) const {
  auto& pixels = std::get<Pixels>(batch.content);
  const std::size_t size = pixels.values.size() / taken.size();
  std::vector<Mixing> mixings(taken.size());
  std::vector<std::int64_t> partners(taken.size());
  for_each_in_threads(taken.size(), static_cast<std::size_t>(std::max(1, reading_.threads)), [&](std::size_t i) {
    const ExampleDraw draw{reading_.seed, epoch, static_cast<std::uint32_t>(taken[i])};
    mixings[i] = draw_mixing(reading_.augmentation, draw, rows(), image_extent());
    if (mixings[i].kind == Mixing::Kind::none) return;
    std::vector<float> partner(size);
    partners[i] = read_pixels(mixings[i].partner, epoch, partner);
    mix_pixels(std::span(pixels.values).subspan(i * size, size), partner, mixings[i], image_extent(),
               reading_.channels);
  });
  const std::vector<std::int32_t> classes = std::exchange(batch.classes, {});
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const Mixing& mixing = mixings[i];
    const bool mixes = mixing.kind != Mixing::Kind::none;
    const float kept = mixes ? mixing.weight : 1.0F;
    const auto partner = static_cast<std::size_t>(partners[i]);
    const auto width = static_cast<std::size_t>(rows_.target_width);
    for (std::size_t t = 0; mixes && t < width; ++t) {
      float& target = batch.targets[i * width + t];
      target = kept * target + (1.0F - kept) * rows_.targets[partner * width + t];
    }
    if (classes.empty()) continue;
    // Two each, so that what is laid out depends on the number of examples alone.
    batch.classes.insert(batch.classes.end(), {classes[i], mixes ? rows_.classes[partner] : classes[i]});
    batch.weights.insert(batch.weights.end(), {kept, 1.0F - kept});
    batch.class_sequences.insert(batch.class_sequences.end(), 2, static_cast<std::int32_t>(i));
  }
}

std::int64_t ImageSource::read_pixels(std::int64_t row, std::int64_t epoch, std::span<float> pixels) const {
  const auto [found, picture] = readable(row);
  try {
    if (epoch == kEvaluationEpoch && reading_.view != PictureView::whole) {
      normalize_pixels(viewed(*picture, reading_.processor, reading_.view), reading_.processor, reading_.channels,
                       pixels);
    } else if (epoch == kEvaluationEpoch || !reading_.augmentation.changes_pictures()) {
      to_pixels(*picture, reading_.processor, reading_.channels, pixels);
    } else {
      const ExampleDraw draw{reading_.seed, epoch, static_cast<std::uint32_t>(row)};
      normalize_pixels(augment(*picture, reading_.augmentation, reading_.processor, draw), reading_.processor,
                       reading_.channels, pixels);
    }
  } catch (const Error& error) {
    throw Error("{}: {}", rows_.files[static_cast<std::size_t>(found)], error.what());
  }
  return found;
}

std::shared_ptr<const Picture> ImageSource::picture(std::int64_t row) const {
  const std::string& name = rows_.files[static_cast<std::size_t>(row)];
  if (reading_.cache != nullptr)
    if (std::shared_ptr<const Picture> kept = reading_.cache->find(name)) return kept;
  try {
    const MappedFile file(name);
    auto decoded = std::make_shared<const Picture>(decode_picture(file.bytes(), name, reading_.decode).picture);
    if (reading_.cache != nullptr) reading_.cache->keep(name, decoded);
    return decoded;
  } catch (const Error& error) {
    if (rows_.lists.empty()) throw;
    throw Error("{}{}", rows_.place(row), error.what());
  }
}

ImageSource::Readable ImageSource::readable(std::int64_t row) const {
  if (!reading_.skips_unreadable) return {row, picture(row)};
  for (std::int64_t tried = 0; tried < rows(); ++tried) {
    const std::int64_t other = (row + tried) % rows();
    // Opened once: of a long run of such files, each row would open all that follow.
    if (is_unreadable(other)) continue;
    try {
      return {other, picture(other)};
    } catch (const Error& error) {
      const std::scoped_lock lock(mutex_);
      unreadable_.emplace(other, error.what());
    }
  }
  return {row, picture(row)};  // which tells why not
}

std::vector<std::string> ImageSource::unreadable() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> sentences;
  std::unordered_set<std::string_view> known;
  for (const auto& [row, sentence] : unreadable_)
    if (!sentence.empty() && known.insert(sentence).second) sentences.push_back(sentence);
  return sentences;
}

bool ImageSource::stands_for_itself(std::int64_t row) const {
  return !reading_.skips_unreadable || readable(row).row == row;
}

bool ImageSource::is_unreadable(std::int64_t row) const {
  const std::scoped_lock lock(mutex_);
  return unreadable_.contains(row);
}

}  // namespace temper
