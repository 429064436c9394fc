#include "runtime/frozen/phase_caches.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/clock.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "runtime/tasks/task.h"

namespace temper {
namespace {

constexpr double kSecondsBetweenLines = 10.0;

std::filesystem::path folder_of(const CacheSettings& settings) {
  if (!settings.folder.empty()) return settings.folder;
  std::error_code status;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(status);
  return status ? std::filesystem::path("/tmp") : folder;
}

}  // namespace

CacheSettings cache_settings(const Configuration& configuration) {
  CacheSettings settings;
  settings.wanted = configuration.tuning.frozen_cache && !configuration.tuning.frozen_dropout &&
                    !task_named(configuration.model.task).masks_tokens;
  settings.memory_mib = configuration.run.cache_memory_mib;
  settings.folder = configuration.run.cache_dir;
  settings.keep = configuration.run.keep_cache;
  return settings;
}

PhaseLength length_of(const PhasePlan& phase, std::int64_t steps_per_epoch, std::int64_t total_steps,
                      std::int64_t evaluation_steps) {
  PhaseLength length{.steps = phase.end_step - phase.begin_step, .steps_per_epoch = steps_per_epoch};
  if (evaluation_steps == 0) return length;
  length.evaluations = phase.end_step / evaluation_steps - phase.begin_step / evaluation_steps;
  // The end of the run is evaluated in any case.
  if (phase.end_step == total_steps && phase.end_step % evaluation_steps != 0) ++length.evaluations;
  return length;
}

double epoch_share_of(const ExampleSource& rows) {
  const auto all = static_cast<double>(std::max<std::int64_t>(rows.rows(), 1));
  return std::min(static_cast<double>(rows.epoch_rows()) / all, 1.0);
}

PhaseCaches::PhaseCaches(Model& model, Device& device, Communicator& communicator, CacheSettings settings,
                         PhaseLength length)
    : model_(model),
      device_(device),
      communicator_(communicator),
      settings_(std::move(settings)),
      length_(length),
      memory_left_(settings_.memory_mib << 20) {}

bool PhaseCaches::worthwhile(const CacheSettings& settings, const Model& model, const PhaseLength& length, Rows rows) {
  // Above the embeddings alone a copy costs as much as they do.
  if (!settings.wanted || model.frozen_stages() < 2) return false;
  if (rows == Rows::validation) return length.evaluations >= 2;
  if (length.rows_change) return false;
  // At least as many rows are read as are computed.
  return static_cast<double>(length.steps) * length.epoch_share >= static_cast<double>(length.steps_per_epoch);
}

bool PhaseCaches::find_room(FrozenCache& cache, const ExampleSource& data) {
  if (!settings_.keep && cache.layout().bytes() <= memory_left_) {
    try {
      cache.keep_in(make_memory_store(cache.layout(), communicator_));
      memory_left_ -= cache.layout().bytes();
      return true;
    } catch (const Error& error) {
      settings_.say(fmt::format("frozen layers: {}; the cache goes into a file", error.what()));
    }
  }
  FrozenFileSettings file{folder_of(settings_), settings_.keep, {}};
  if (file.keep) file.content_key = frozen_content_key(cache.layout(), data, model_, device_);
  try {
    cache.keep_in(make_file_store(cache.layout(), communicator_, file));
    return true;
  } catch (const Error& error) {
    settings_.say(fmt::format("frozen layers: no cache, they are computed with each batch. {}", error.what()));
    return false;
  }
}

bool PhaseCaches::prepare(Rows rows, const ExampleSource& data) {
  const auto index = static_cast<std::size_t>(rows);
  if (tried_[index]) return true;
  tried_[index] = true;
  // What a row reads as may change, as where a picture stands in for one that cannot be read: labels would be of another.
  if (!worthwhile(rows) || data.is_transformed()) return true;
  const Clock::time_point began = Clock::now();
  auto cache =
      std::make_unique<FrozenCache>(lay_out_frozen(data, model_, model_.frozen_stages(), settings_.activations));
  if (!find_room(*cache, data)) return true;
  const char* which = rows == Rows::training ? "training" : "validation";
  const bool known = cache->store().complete();
  settings_.say(fmt::format("frozen layers: {} for {} {} {}, {} MiB {}", known ? "known" : "computed once",
                            grouped(data.rows()), which, plural(data.rows(), "row"), mebibytes(cache->layout().bytes()),
                            cache->store().place()));
  FillSettings filling;
  filling.stop_requested = settings_.stop_requested;
  Clock::time_point last_line = began;
  filling.progress = [&](std::int64_t done) {
    if (seconds_since(last_line) < kSecondsBetweenLines) return;
    last_line = Clock::now();
    settings_.say(fmt::format("frozen layers: {} of {}", grouped(done), grouped(data.rows(), "row")));
  };
  const bool filled = fill(*cache, model_, device_, communicator_, data, filling);
  const double seconds = seconds_since(began);
  if (rows == Rows::training) training_seconds_ += seconds;
  if (!filled) {
    tried_[index] = false;
    return false;
  }
  if (!known) settings_.say(fmt::format("frozen layers: {} in {:.1f} s", grouped(data.rows(), "row"), seconds));
  caches_[index] = std::move(cache);
  return true;
}

}  // namespace temper
