#include "runtime/inputs/image_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <numeric>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/counted.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "base/mapped_file.h"
#include "base/name_list.h"
#include "base/nearest_name.h"
#include "comm/agreement.h"
#include "data/images/picture_table.h"
#include "data/tables/row_labels.h"
#include "runtime/inputs/class_weights.h"
#include "runtime/inputs/picture_agreement.h"
#include "runtime/inputs/run_tables.h"

namespace temper {
namespace {

constexpr std::int64_t kDecodedOfSet = 64;  ///< pictures of a set whose samples are looked at

/// What the header of a file says, as ranks send it.
struct SentFacts {
  std::uint64_t digest = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t frames = 0;
  std::int32_t bits = 0;
  std::int32_t flags = 0;  ///< 1: inverted, 2: could not be read, 4: signed, 8: floats
  char format[8] = {};
  char named_as[8] = {};
};

SentFacts sent(const PictureFacts& facts, std::uint64_t digest) {
  SentFacts out{digest, facts.extent.height, facts.extent.width, facts.channels, facts.frames, facts.bits};
  out.flags = (facts.inverted ? 1 : 0) | (facts.is_signed ? 4 : 0) | (facts.is_float ? 8 : 0);
  std::copy_n(facts.format.begin(), std::min(facts.format.size(), sizeof out.format - 1), out.format);
  std::copy_n(facts.named_as.begin(), std::min(facts.named_as.size(), sizeof out.named_as - 1), out.named_as);
  return out;
}

PictureFacts received(const SentFacts& sent) {
  PictureFacts facts;
  facts.format = sent.format;
  facts.extent = {sent.height, sent.width};
  facts.channels = sent.channels;
  facts.bits = sent.bits;
  facts.inverted = (sent.flags & 1) != 0;
  facts.is_signed = (sent.flags & 4) != 0;
  facts.is_float = (sent.flags & 8) != 0;
  facts.named_as = sent.named_as;
  facts.frames = sent.frames;
  return facts;
}

/// Numbers groups by their names, in the order in which they come.
class GroupNumbers {
 public:
  std::int32_t of(const std::string& name, std::vector<std::string>& names) {
    const auto [place, is_new] = numbers_.emplace(name, static_cast<std::int32_t>(names.size()));
    if (is_new) names.push_back(name);
    return place->second;
  }

 private:
  std::unordered_map<std::string, std::int32_t> numbers_;
};

/// A set of the run, and what it is called in messages.
struct NamedSet {
  std::string name;
  std::string source;
  std::shared_ptr<const ImageSource> images;
  LookedAtImages looked_at = {};
};

void require_groups_apart(const std::vector<NamedSet>& sets) {
  std::unordered_map<std::string, std::size_t> first;
  for (std::size_t set = 0; set < sets.size(); ++set)
    for (const std::string& group : sets[set].images->listed().group_names)
      if (const auto [known, is_new] = first.emplace(group, set); !is_new && known->second != set)
        throw Error(
            "{}: the group {} is in the {} set and in the {} set; rows of a group (data.group) belong into one of "
            "them, "
            "or the model is measured on what it has seen",
            sets[set].source, quoted_name(group), sets[known->second].name, sets[set].name);
}

/// Throws Error where files of the same bytes have different classes.
void require_one_class_each(const NamedSet& set, const LabelSet& labels) {
  const ImageRows& rows = set.images->listed();
  if (rows.classes.empty()) return;
  std::unordered_map<std::uint64_t, std::size_t> first;
  for (std::size_t row = 0; row < rows.files.size(); ++row) {
    if (set.looked_at.digests[row] == kNoDigest) continue;
    const auto [known, is_new] = first.emplace(set.looked_at.digests[row], row);
    if (is_new || rows.classes[known->second] == rows.classes[row]) continue;
    throw Error(
        "{} and {} are the same picture, byte by byte, but the first is labelled {} and the second {}; take the wrong "
        "one out",
        rows.files[known->second], rows.files[row], quoted_name(labels.name(rows.classes[known->second])),
        quoted_name(labels.name(rows.classes[row])));
  }
}

/// Throws Error where the folder of a class does not stand for a label of the task.
void require_known_folder(const Table& table, std::size_t row, const LabelSet& labels, LabelKind kind) {
  if (table.columns.size() < 2) return;
  const std::string& name = table.rows[row][1];
  const std::string folder = (table.files[table.file_of[row]] / name).string();
  if (kind == LabelKind::regression)
    throw Error(
        "{}: a folder gives its pictures the name of a class, but this task needs numbers; list the pictures in a "
        "table (CSV, JSONL) with the columns \"{}\" and \"{}\"",
        folder, table.columns[0], table.columns[1]);
  if (labels.id_of(name)) return;
  const std::string nearest = nearest_name(name, labels.names());
  throw Error("the folder {} is no class of the training set{}; its classes are {}; rename the folder, or take it out",
              folder, nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest), name_list(labels.names()));
}

/// What is kept of a file that has been looked at.
struct LookedAtFile {
  SentFacts facts;
  std::string fault;  ///< why it cannot be read; empty: it can
};

LookedAtFile look_at_file(const ImageRows& rows, std::size_t row, const ImageReading& reading, LookAt depth) {
  const std::string& name = rows.files[row];
  try {
    const MappedFile file(name);
    if (depth == LookAt::headers)
      return {sent(picture_facts(file.bytes(), name, reading.decode), xxh3(file.bytes())), {}};
    DecodedPicture decoded = decode_picture(file.bytes(), name, reading.decode);
    if (reading.cache != nullptr)
      reading.cache->keep(name, std::make_shared<const Picture>(std::move(decoded.picture)));
    return {sent(decoded.facts, xxh3(file.bytes())), {}};
  } catch (const Error& error) {
    return {{.flags = 2}, rows.place(static_cast<std::int64_t>(row)) + error.what()};
  } catch (const std::exception& error) {
    // Nothing may leave a thread; memory may be short.
    return {{.flags = 2}, fmt::format("{}: {}", name, error.what())};
  }
}

/// Names the first pictures that a set is read without.
void tell_skipped(const std::string& set, const LookedAtImages& looked_at, std::int64_t rows,
                  const std::function<void(const std::string&)>& say) {
  for (std::size_t i = 0; i < std::min(looked_at.reasons.size(), kPicturesNamed); ++i)
    say(looked_at.reasons[i] + "; skipped (images.unreadable)");
  if (!looked_at.unreadable.empty())
    say(fmt::format("{} of the {} of the {} set cannot be read; the next that can be takes the place of each",
                    looked_at.unreadable.size(), counted(rows, "picture"), set));
}

/// Rows [begin, end), in several threads. Where none are skipped, those behind the first fault may be left out.
std::vector<LookedAtFile> look_at_share(const ImageRows& rows, std::size_t begin, std::size_t end,
                                        const ImageReading& reading, LookAt depth) {
  std::vector<LookedAtFile> found(end - begin);
  std::atomic<std::size_t> next = begin;
  std::atomic<bool> ends = false;
  const auto work = [&] {
    for (std::size_t row = next++; row < end && !ends; row = next++) {
      found[row - begin] = look_at_file(rows, row, reading, depth);
      if (!found[row - begin].fault.empty() && !reading.skips_unreadable) ends = true;
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int i = 1; i < reading.threads; ++i) helpers.emplace_back(work);
    work();
  }
  return found;
}

/// Pictures that lie beside a list, or in a folder, belong to what a run was trained on.
void add_content(std::vector<DataFileLineage>& files, const NamedSet& set) {
  const std::string role = set.name == "training"                           ? "train"
                           : set.name == "validation" || set.name == "test" ? set.name
                                                                            : "evaluation/" + set.name;
  const std::string content = sha256_hex(std::as_bytes(std::span(set.looked_at.digests)));
  for (DataFileLineage& file : files)
    if (file.role == role) {
      file.sha256 = sha256_hex(file.sha256 + content);
      file.pictures_sha256 = content;
    }
}

/// How many pictures of `other` are in `train` as well.
Finding overlap(const NamedSet& train, const NamedSet& other) {
  std::unordered_map<std::uint64_t, std::size_t> first;
  for (std::size_t row = 0; row < train.looked_at.digests.size(); ++row)
    first.emplace(train.looked_at.digests[row], row);
  std::int64_t both = 0;
  std::string example;
  for (std::size_t row = 0; row < other.looked_at.digests.size(); ++row) {
    const auto known = first.find(other.looked_at.digests[row]);
    if (known == first.end() || known->first == kNoDigest) continue;
    if (both++ == 0)
      example = fmt::format("{} is {}", other.images->listed().files[row], train.images->listed().files[known->second]);
  }
  return {Severity::warning, "overlap",
          fmt::format("{} of the {} set {} in the training set as well, byte by byte ({}{}), so metrics of it are too "
                      "good; take {} out of one of them",
                      counted(both, "picture"), other.name, both == 1 ? "is" : "are", both == 1 ? "" : "first ",
                      example, both == 1 ? "it" : "them"),
          static_cast<double>(both)};
}

std::vector<Finding> duplicates(const NamedSet& set) {
  const RepeatedPictures found = repeated_pictures(set.images->listed().files, set.looked_at.digests);
  if (found.again == 0) return {};
  return {{Severity::note, "duplicates",
           fmt::format("{} of the {} set {} in it before, byte by byte ({})", counted(found.again, "picture"), set.name,
                       found.again == 1 ? "is" : "are", found.example),
           static_cast<double>(found.again)}};
}

/// How many groups each set has.
std::string groups_note(const std::vector<NamedSet>& sets, const std::string& column) {
  std::string counts;
  for (const NamedSet& set : sets)
    counts += fmt::format("{}{} in the {} set", counts.empty() ? "" : ", ",
                          grouped(static_cast<std::int64_t>(set.images->listed().group_names.size())), set.name);
  return fmt::format("groups by {}: {}; intervals are drawn by them", quoted_name(column), counts);
}

std::vector<std::int64_t> label_counts(const ImageRows& rows, const LabelSet& labels) {
  std::vector<std::int64_t> counts(labels.size());
  for (const std::int32_t label : rows.classes) ++counts[static_cast<std::size_t>(label)];
  for (std::size_t i = 0; i < rows.targets.size() && !labels.names().empty(); ++i)
    if (rows.targets[i] > 0.5F) ++counts[i % labels.size()];
  return counts;
}

std::filesystem::path temporary_folder(const std::string& configured) {
  if (!configured.empty()) return configured;
  std::error_code unknown;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(unknown);
  return unknown ? std::filesystem::path("/tmp") : folder;
}

AugmentationSettings augmentation_of(const AugmentSection& section) {
  AugmentationSettings settings;
  settings.resized_crop = !section.crop_scale.empty();
  if (settings.resized_crop) settings.crop_scale = {section.crop_scale[0], section.crop_scale[1]};
  settings.horizontal_flip = section.horizontal_flip;
  settings.vertical_flip = section.vertical_flip;
  settings.rotation = section.rotation;
  settings.rand_augment_operations = section.randaugment;
  settings.rand_augment_magnitude = section.randaugment_magnitude;
  settings.brightness = section.brightness;
  settings.contrast = section.contrast;
  settings.saturation = section.saturation;
  settings.erasing = section.erasing;
  settings.mixup = section.mixup;
  settings.cutmix = section.cutmix;
  return settings;
}

}  // namespace

ImageProcessor image_processor_of(const ModelConfig& model, std::int64_t size) {
  return sized(model, read_image_processor(model.folder, model.json), size);
}

ImageProcessor sized(const ModelConfig& model, ImageProcessor processor, std::int64_t size) {
  if (size > 0) processor.set_extent({size, size});
  const ImageExtent extent = processor.extent();
  try {
    (void)model.images.tokens(extent);
  } catch (const Error& error) {
    throw usage_error("images of {} by {} pixels ({}) do not fit the model {}: {}", extent.height, extent.width,
                      size > 0 ? "images.size" : processor.source, model.folder.string(), error.what());
  }
  return processor;
}

std::shared_ptr<PictureCache> picture_cache(const Configuration& configuration) {
  const ImagesSection& section = configuration.images;
  PictureCacheSettings settings{section.cache_mib << 20, {}, section.cache_file_mib << 20};
  if (section.cache_file_mib > 0) settings.folder = temporary_folder(configuration.run.cache_dir);
  return std::make_shared<PictureCache>(std::move(settings));
}

ImageReading image_reading(const Configuration& configuration, const ModelConfig& model,
                           const ImageProcessor& processor, int threads, bool trains) {
  const ImagesSection& section = configuration.images;
  ImageReading reading;
  reading.processor = processor;
  reading.channels = model.images.channels;
  reading.tokens = model.images.tokens(processor.extent());
  reading.decode.most_pixels = section.most_megapixels * 1'000'000;
  if (section.frame >= 0) reading.decode.frame = section.frame;
  reading.decode.axis = static_cast<int>(section.axis);
  if (section.slice >= 0) reading.decode.slice = section.slice;
  if (!section.window.empty()) reading.decode.window = PictureWindow{section.window[0], section.window[1]};
  if (trains) reading.augmentation = augmentation_of(configuration.augment);
  reading.seed = static_cast<std::uint64_t>(configuration.train.seed);
  reading.skips_unreadable = section.unreadable == "skip";
  reading.threads = threads;
  return reading;
}

ImageRows read_image_rows(const TableSource& table, const ColumnChoice& columns, const LabelSet* labels, LabelKind kind,
                          const std::string& group) {
  const Table& head = table.head();
  const std::size_t image = column_index(head, columns.text);
  std::optional<std::size_t> group_column;
  if (!group.empty()) group_column = column_index(head, group);
  std::optional<LabelReader> reader;
  std::optional<RowLabels> of_rows;
  if (labels != nullptr) {
    reader.emplace(head, columns, kind);
    table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
      reader->look_at(chunk);
      return true;
    });
    of_rows.emplace(head, columns, *reader, *labels, kind);
  }
  ImageRows rows;
  if (!head.of_pictures) rows.lists = head.files.empty() ? std::vector{head.path} : head.files;
  if (of_rows) rows.target_width = of_rows->target_width();
  GroupNumbers groups;
  table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    for (std::size_t row = 0; row < chunk.rows.size(); ++row) {
      const std::vector<std::string>& fields = chunk.rows[row];
      if (of_rows && chunk.of_pictures) require_known_folder(chunk, row, *labels, kind);
      try {
        if (fields[image].empty())
          throw Error("the column \"{}\" is empty, expected the path of a picture", columns.text);
        rows.files.push_back(picture_path(chunk, row, fields[image]).string());
        if (!rows.lists.empty()) {
          rows.list_of.push_back(chunk.file_of.empty() ? 0 : chunk.file_of[row]);
          rows.lines.push_back(static_cast<std::uint32_t>(chunk.lines[row]));
        }
        if (of_rows) of_rows->append(fields, rows.classes, rows.targets);
        if (group_column) {
          if (fields[*group_column].empty())
            throw Error("the column \"{}\" is empty, expected the group that the picture belongs to", group);
          rows.groups.push_back(groups.of(fields[*group_column], rows.group_names));
        }
      } catch (const Error& error) {
        throw Error("{}: {}", place_of(chunk, row), error.what());
      }
    }
    return true;
  });
  return rows;
}

RepeatedPictures repeated_pictures(std::span<const std::string> files, std::span<const std::uint64_t> digests) {
  RepeatedPictures found;
  std::unordered_map<std::uint64_t, std::size_t> first;
  for (std::size_t row = 0; row < digests.size(); ++row) {
    if (digests[row] == kNoDigest) continue;
    const auto [known, is_new] = first.emplace(digests[row], row);
    if (!is_new && found.again++ == 0) found.example = fmt::format("{} is {}", files[row], files[known->second]);
  }
  if (found.again > 1) found.example.insert(0, "first ");
  return found;
}

LookedAtImages look_at_images(const ImageRows& rows, const ImageReading& reading, Communicator& communicator,
                              LookAt depth) {
  require_same_rows(rows, communicator);
  if (!reading.skips_unreadable) require_listed_files(rows, communicator);
  const auto count = static_cast<std::size_t>(rows.rows());
  const auto size = static_cast<std::size_t>(communicator.size());
  const auto rank = static_cast<std::size_t>(communicator.rank());
  std::vector<SentFacts> mine;
  std::vector<std::string> faults;
  agree_on_success(communicator, failure_of([&] {
                     for (const LookedAtFile& file :
                          look_at_share(rows, count * rank / size, count * (rank + 1) / size, reading, depth)) {
                       mine.push_back(file.facts);
                       if (file.fault.empty()) continue;
                       if (!reading.skips_unreadable) throw Error("{}", file.fault);
                       faults.push_back(file.fault);
                     }
                   }));
  LookedAtImages found;
  found.reasons = sentences_of_all(faults, communicator);
  found.digests.reserve(count);
  for (const std::vector<std::byte>& part : communicator.all_gather_variable(std::as_bytes(std::span(mine))))
    for (std::size_t offset = 0; offset < part.size(); offset += sizeof(SentFacts)) {
      SentFacts facts;
      std::memcpy(&facts, part.data() + offset, sizeof facts);
      if ((facts.flags & 2) != 0)
        found.unreadable.push_back(static_cast<std::int64_t>(found.digests.size()));
      else if (rank == 0)
        found.survey.add(rows.files[found.digests.size()], received(facts));
      found.digests.push_back(facts.digest);
    }
  agree_on_success(communicator, failure_of([&] {
                     if (rank != 0) return;
                     const std::size_t decoded = std::min<std::size_t>(count, kDecodedOfSet);
                     for (std::size_t i = 0; i < decoded; ++i) {
                       const std::size_t row = count * i / decoded;
                       const std::string& name = rows.files[row];
                       try {
                         const DecodedPicture one = decode_picture(MappedFile(name).bytes(), name, reading.decode);
                         found.survey.add_samples(one.picture, one.facts.not_finite);
                       } catch (const Error& error) {
                         if (!reading.skips_unreadable)
                           throw Error("{}{}", rows.place(static_cast<std::int64_t>(row)), error.what());
                       }
                     }
                   }));
  return found;
}

RunData prepare_image_data(const Configuration& configuration, const TaskSpec& task, const ModelConfig& model,
                           const ImageProcessor& processor, int threads, Communicator& communicator,
                           const std::function<void(const std::string&)>& say) {
  refuse_needless_keys(configuration, task);
  const bool diagnoses = communicator.rank() == 0;
  const RunTables tables = read_run_tables(configuration, task, model.labels, /*with_texts=*/false);
  RunData data;
  data.labels = tables.labels;
  const ColumnChoice columns = columns_of(configuration.data, task);
  std::vector<NamedSet> sets;
  const std::shared_ptr<PictureCache> cache = picture_cache(configuration);
  const auto add = [&](const RunTable& table, std::string name, std::string source, bool trains) {
    if (table.rows() == 0) return;
    ImageRows rows = read_image_rows(*table.source, columns, &data.labels, task.labels, configuration.data.group);
    ImageReading reading = image_reading(configuration, model, processor, threads, trains);
    reading.cache = cache;
    // What is skipped is known beforehand then.
    LookedAtImages looked_at =
        look_at_images(rows, reading, communicator, reading.skips_unreadable ? LookAt::pixels : LookAt::headers);
    tell_skipped(name, looked_at, rows.rows(), say);
    auto images = std::make_shared<const ImageSource>(std::move(rows), std::move(reading), looked_at.unreadable);
    sets.push_back({std::move(name), std::move(source), std::move(images), std::move(looked_at)});
  };
  const auto newest = [&](const RunTable& table) { return table.rows() == 0 ? nullptr : sets.back().images; };
  const DataSection& section = configuration.data;
  add(tables.train, "training", section.train.text(), true);
  data.images.train = newest(tables.train);
  if (!sets.empty()) data.images.train_unreadable = static_cast<std::int64_t>(sets.back().looked_at.unreadable.size());
  add(tables.validation, "validation", (section.validation.empty() ? section.train : section.validation).text(), false);
  data.images.validation = newest(tables.validation);
  add(tables.test, "test", section.test.text(), false);
  data.images.test = newest(tables.test);
  for (std::size_t i = 0; i < tables.sets.size(); ++i) {
    const EvaluationSetConfig& set = configuration.evaluate.sets[i];
    add(tables.sets[i], set.name, set.data.text(), false);
    EvaluationSet& added = data.sets.emplace_back();
    added.name = set.name;
    added.every_steps = set.every_steps;
    added.images = newest(tables.sets[i]);
  }
  require_groups_apart(sets);
  for (const NamedSet& set : sets) require_one_class_each(set, data.labels);
  data.files = lineage_of_files(configuration, tables);
  for (const NamedSet& set : sets) add_content(data.files, set);
  if (!diagnoses || sets.empty()) return data;
  if (!section.group.empty()) say(groups_note(sets, section.group));
  const auto tell = [&](std::vector<Finding> findings) {
    data.findings.insert(data.findings.end(), findings.begin(), findings.end());
  };
  for (const OneOrMore* names : {&section.train, &section.validation, &section.test})
    for (const std::string& note : unread_picture_notes(names->values)) say(note);
  for (const NamedSet& set : sets) {
    for (const std::string& sentence : set.looked_at.survey.sentences())
      say(fmt::format("{} set: {}", set.name, sentence));
    tell(set.looked_at.survey.findings());
    for (Finding& finding : set.looked_at.survey.cut_off(processor)) {
      finding.sentence.insert(0, set.name + " set: ");
      data.findings.push_back(std::move(finding));
    }
    tell(duplicates(set));
    if (&set == &sets.front()) continue;
    if (Finding both = overlap(sets.front(), set); both.value > 0.0) data.findings.push_back(std::move(both));
  }
  tell(diagnose_label_names(data.labels, task.labels));
  if (has_names(task.labels))
    tell(diagnose_label_counts(label_counts(sets.front().images->listed(), data.labels), data.labels,
                               rare_label_advice(configuration.train, task.labels)));
  return data;
}

DataSample sample_image_data(const Configuration& configuration, const TaskSpec& task, const ModelConfig& model,
                             const ImageProcessor& processor) {
  refuse_needless_keys(configuration, task);
  const RunTables tables = read_run_tables(configuration, task, model.labels, /*with_texts=*/false);
  DataSample sample;
  sample.labels = tables.labels;
  ImageRows rows = read_image_rows(*tables.train.source, columns_of(configuration.data, task), &tables.labels,
                                   task.labels, configuration.data.group);
  ImageReading reading = image_reading(configuration, model, processor, /*threads=*/1, /*trains=*/true);
  sample.train_rows = sample.train_sequences = rows.rows();
  sample.validation_rows = tables.validation.rows();
  sample.test_rows = tables.test.rows();
  for (const RunTable& set : tables.sets) sample.set_rows.push_back(set.rows());
  // What one decoded picture takes, by the headers of some.
  const auto looked_at = std::min<std::int64_t>(rows.rows(), kDecodedOfSet);
  double bytes = 0.0;
  for (std::int64_t i = 0; i < looked_at; ++i) {
    const std::string& name = rows.files[static_cast<std::size_t>(rows.rows() * i / looked_at)];
    PictureFacts facts;
    try {
      facts = picture_facts(MappedFile(name).bytes(), name, reading.decode);
    } catch (const Error&) {
      if (!reading.skips_unreadable) throw;
      continue;
    }
    bytes += static_cast<double>(facts.extent.pixels() * std::min<std::int64_t>(facts.channels, 3) *
                                 (facts.is_float ? 4 : (facts.bits + 7) / 8));
  }
  const std::int64_t all = std::accumulate(sample.set_rows.begin(), sample.set_rows.end(),
                                           sample.train_rows + sample.validation_rows + sample.test_rows);
  if (looked_at > 0)
    sample.picture_bytes =
        std::min(configuration.images.cache_mib << 20,
                 static_cast<std::int64_t>(bytes / static_cast<double>(looked_at) * static_cast<double>(all)));
  sample.images = std::make_shared<const ImageSource>(std::move(rows), std::move(reading));
  return sample;
}

}  // namespace temper
