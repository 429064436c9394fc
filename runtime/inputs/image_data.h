// The data of a run on images: tables of pictures read, files looked at by all ranks together, and what would spoil a
// fine-tune told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/images/image_source.h"
#include "data/images/survey.h"
#include "data/tables/labels.h"
#include "model/architectures/model_config.h"
#include "runtime/config/config.h"
#include "runtime/inputs/run_data.h"

namespace temper {

/// How pictures become what the model sees: as its folder says, in the size that is asked for (0: as it says). Throws a
/// usage Error for a size that the model cannot take.
ImageProcessor image_processor_of(const ModelConfig& model, std::int64_t size);

/// A processor in the size that is asked for; throws as above.
ImageProcessor sized(const ModelConfig& model, ImageProcessor processor, std::int64_t size);

/// What reading the pictures of a configuration needs beside their names. `trains`: they are augmented.
ImageReading image_reading(const Configuration& configuration, const ModelConfig& model,
                           const ImageProcessor& processor, int threads, bool trains);

/// The rows of a table of pictures. `labels` null: their labels are not read. `group`: column of their groups; empty:
/// none. Throws Error, with its place, for a row without a path, and as RowLabels does.
ImageRows read_image_rows(const TableSource& table, const ColumnChoice& columns, const LabelSet* labels, LabelKind kind,
                          const std::string& group);

/// Where decoded pictures of all sets of a run are kept.
std::shared_ptr<PictureCache> picture_cache(const Configuration& configuration);

/// In the place of the digest of a picture that cannot be read.
inline constexpr std::uint64_t kNoDigest = 0;

/// Pictures that occur before in a list, byte by byte.
struct RepeatedPictures {
  std::int64_t again = 0;
  std::string example;  ///< "b.png is a.png"; of several "first b.png is a.png"
};
RepeatedPictures repeated_pictures(std::span<const std::string> files, std::span<const std::uint64_t> digests);

/// How much of each file is looked at.
enum class LookAt : std::uint8_t {
  headers,  ///< what is damaged behind it shows once it is read
  pixels,   ///< everything is decoded
};

/// What is known of the files of a set once they have been looked at.
struct LookedAtImages {
  PictureSurvey survey;                  ///< on rank 0
  std::vector<std::uint64_t> digests;    ///< [rows] of the files' bytes, or kNoDigest, on every rank
  std::vector<std::int64_t> unreadable;  ///< rows that are skipped, on every rank
  std::vector<std::string> reasons;      ///< why, a sentence each, on every rank
};

/// Collective. Looks at every file, each rank at its share, in as many threads as `reading` says: its header or its
/// pixels, and its bytes for the digest. On rank 0 samples of some are counted as well. Throws Error on all ranks for
/// the first that is no picture or that cannot be read, unless `reading` skips such. What is decoded is kept in the
/// cache of `reading`.
LookedAtImages look_at_images(const ImageRows& rows, const ImageReading& reading, Communicator& communicator,
                              LookAt depth = LookAt::headers);

/// Collective; as prepare_run_data for texts. Throws Error as well for the same group in two sets, and for the same
/// picture under two classes.
RunData prepare_image_data(const Configuration& configuration, const TaskSpec& task, const ModelConfig& model,
                           const ImageProcessor& processor, int threads, Communicator& communicator,
                           const std::function<void(const std::string&)>& say);

/// What a plan needs to know of the data, on this rank alone; as sample_run_data of texts. Headers of some files are
/// read.
DataSample sample_image_data(const Configuration& configuration, const TaskSpec& task, const ModelConfig& model,
                             const ImageProcessor& processor);

}  // namespace temper
