#include "runtime/evaluation/reference_probabilities.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "data/token_rows.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/device_batch.h"

namespace temper {
namespace {

constexpr double kSecondsBetweenNotes = 10.0;
/// What is written grows with what is known, so it is written the more rarely the longer it takes.
constexpr double kSecondsBetweenKeeping = 30.0;
constexpr double kLeastTimesOfKeeping = 20.0;

/// Writes those of rows [first, end) to `of_rows` [end - first].
void compute_block(const TokenStore& rows, std::int64_t first, std::int64_t end, Model& model, Device& device,
                   DType activations, std::span<double> of_rows) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(end - first));
  std::iota(numbers.begin(), numbers.end(), first);
  const Batch host = rows.read(numbers, kEvaluationEpoch);
  const DeviceBatch batch = to_device(host, model.readout(), BatchUse{}, device);
  Tape tape(device, Tape::Mode::evaluation, {}, activations);
  const RowLosses losses{Tensor::empty(device.memory(), {batch.rows}, DType::f64)};
  model.row_losses(tape, batch.input, batch.selection, batch.targets, device.zeros({2}, DType::f64), losses);
  const std::vector<double> each = device.download<double>(losses.losses);
  std::size_t next = 0;
  for (std::size_t s = 0; s < numbers.size(); ++s) {
    double log_probability = 0.0;
    for (std::int32_t token = host.sequence_starts[s]; token < host.sequence_starts[s + 1]; ++token)
      if (host.classes[static_cast<std::size_t>(token)] != kUnlabelled) log_probability -= each[next++];
    of_rows[s] = log_probability;
  }
}

/// Of weights that are computed with in another type than they lie in, the copies; nothing else is to keep them.
void drop_compute_copies(const Model& model, DType activations) {
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.variable.value().type() != activations) parameter.variable.set_compute_copy({});
}

/// The references of one store's rows, from the first to the last, which all ranks know up to the same row.
class ReferencePass {
 public:
  /// `file`: of rank 0; empty: nothing is kept.
  ReferencePass(const TokenStore& rows, std::filesystem::path file, Communicator& communicator,
                const ReferenceSettings& settings)
      : rows_(rows), file_(std::move(file)), communicator_(communicator), settings_(settings) {}

  /// Collective. What rank 0 finds in the file, on all ranks.
  void read() {
    if (!file_.empty()) values_ = read_references(file_, rows_.rows());
    std::array<std::int64_t, 1> known{static_cast<std::int64_t>(values_.size())};
    communicator_.all_reduce(std::span(known), Reduction::max);
    values_.resize(static_cast<std::size_t>(known.front()));
    if (known.front() > 0) communicator_.broadcast(std::as_writable_bytes(std::span(values_)), 0);
    known_before_ = known.front();
  }

  [[nodiscard]] bool is_whole() const { return done() == rows_.rows(); }

  /// Collective. Goes on to the last row, or until a rank wants to stop.
  void compute(Model& model, Device& device) {
    if (done() > 0)
      settings_.say(fmt::format("reference: goes on behind {} of {}, which an earlier start has left", grouped(pairs()),
                                grouped(all_pairs(), "pair")));
    bool stop = false;
    while (!is_whole() && !stop) {
      stop = take_round(model, device);
      if (is_whole() || stop) break;
      if (seconds_since(last_note_) >= kSecondsBetweenNotes) note();
      if (seconds_since(last_keeping_) >= std::max(kSecondsBetweenKeeping, kLeastTimesOfKeeping * seconds_of_keeping_))
        keep();
    }
    keep();
    if (is_whole()) {
      settings_.say(fmt::format("reference: what the model makes of {} before it is trained, computed in {:.1f} s",
                                grouped(all_pairs(), "pair"), seconds_since(began_)));
      return;
    }
    settings_.say(fmt::format("reference: stopped behind {} of {}; {}", grouped(pairs()), grouped(all_pairs(), "pair"),
                              settings_.folder.empty()
                                  ? "none are kept, as data.cache is false, so another start begins "
                                    "with the first"
                                  : "another start goes on from there"));
  }

  /// Of rank 0: whether the file has something that was computed now.
  [[nodiscard]] bool has_kept() const { return has_kept_; }
  [[nodiscard]] std::vector<double> take() { return std::move(values_); }

 private:
  [[nodiscard]] std::int64_t done() const { return static_cast<std::int64_t>(values_.size()); }
  [[nodiscard]] std::int64_t pairs() const { return done() / 2; }
  [[nodiscard]] std::int64_t all_pairs() const { return rows_.rows() / 2; }

  /// A block of each rank, and then all ranks know all of them. True where one wants to stop.
  bool take_round(Model& model, Device& device) {
    const std::int64_t first = done();
    std::int64_t end = first;
    std::int64_t own_first = 0;
    std::int64_t own_end = 0;
    for (int rank = 0; rank < communicator_.size() && end < rows_.rows(); ++rank) {
      const std::int64_t begin = end;
      end = end_of_reference_block(rows_, begin, settings_.block_tokens);
      if (rank != communicator_.rank()) continue;
      own_first = begin;
      own_end = end;
    }
    // The last number is how many ranks want to stop. Of a row, all ranks but one have a zero.
    std::vector<double> round(static_cast<std::size_t>(end - first) + 1);
    if (own_first < own_end)
      compute_block(rows_, own_first, own_end, model, device, settings_.activations,
                    std::span(round).subspan(static_cast<std::size_t>(own_first - first),
                                             static_cast<std::size_t>(own_end - own_first)));
    round.back() = settings_.stop_requested() ? 1.0 : 0.0;
    communicator_.all_reduce(std::span(round), Reduction::sum);
    const bool stop = round.back() > 0.0;
    round.pop_back();
    if (!std::all_of(round.begin(), round.end(), [](double value) { return std::isfinite(value); }))
      throw Error("the model makes nothing finite of some of the pairs before it is trained; check its weights");
    values_.insert(values_.end(), round.begin(), round.end());
    return stop;
  }

  void note() {
    last_note_ = Clock::now();
    const double share =
        static_cast<double>(done() - known_before_) / static_cast<double>(rows_.rows() - known_before_);
    const double left = seconds_since(began_) / share * (1.0 - share);
    settings_.say(fmt::format("reference: {} of {}, about {} left", grouped(pairs()), grouped(all_pairs(), "pair"),
                              human_duration(left)));
  }

  void keep() {
    if (file_.empty()) return;
    const Clock::time_point began = Clock::now();
    try {
      write_references(file_, values_);
      has_kept_ = done() > known_before_;
    } catch (const std::exception& error) {
      settings_.say(fmt::format("{}; the run does without it", error.what()));
      file_.clear();
    }
    last_keeping_ = Clock::now();
    seconds_of_keeping_ = seconds_since(began);
  }

  const TokenStore& rows_;
  std::filesystem::path file_;
  Communicator& communicator_;
  const ReferenceSettings& settings_;
  std::vector<double> values_;  ///< of the first rows
  std::int64_t known_before_ = 0;
  bool has_kept_ = false;
  Clock::time_point began_ = Clock::now();
  Clock::time_point last_note_ = began_;
  Clock::time_point last_keeping_ = began_;
  double seconds_of_keeping_ = 0.0;
};

}  // namespace

std::int64_t end_of_reference_block(const TokenStore& rows, std::int64_t first, std::int64_t block_tokens) {
  std::int64_t end = first + 1;
  for (std::int64_t tokens = rows.length(first); end < rows.rows() && tokens + rows.length(end) <= block_tokens; ++end)
    tokens += rows.length(end);
  return end;
}

ReferenceOutcome compare_with_model(std::span<PairedRows* const> pairs, Model& model, Device& device,
                                    Communicator& communicator, const ReferenceSettings& settings) {
  const bool keeps = !settings.folder.empty() && communicator.rank() == 0;
  const std::string key =
      keeps ? reference_key(model, device, settings.activations, settings.new_adapters) : std::string();
  ReferenceOutcome outcome;
  for (PairedRows* rows : pairs) {
    const TokenStore& store = rows->store();
    ReferencePass pass(store, keeps ? reference_file(settings.folder, key, store) : std::filesystem::path(),
                       communicator, settings);
    pass.read();
    if (pass.is_whole()) {
      settings.say(fmt::format("reference: known for {}", grouped(store.rows() / 2, "pair")));
    } else {
      ensure_compute_copies(model, device, settings.activations);
      pass.compute(model, device);
      outcome.has_kept = outcome.has_kept || pass.has_kept();
    }
    outcome.is_whole = pass.is_whole();
    if (!outcome.is_whole) break;
    rows->compare_with(pass.take());
  }
  drop_compute_copies(model, settings.activations);
  device.memory().trim();
  std::array<std::int64_t, 1> kept{outcome.has_kept ? 1 : 0};
  communicator.all_reduce(std::span(kept), Reduction::max);
  outcome.has_kept = kept.front() != 0;
  return outcome;
}

}  // namespace temper
