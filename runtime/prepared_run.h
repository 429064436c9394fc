// What is read, agreed on and built before the first step of a run, and is kept for the whole run: its folder, data,
// model, loss and lineage. The rooms that train, save, evaluate and deliver are handed a reference to it.
//
// Nothing in output.dir changes before all that may refuse the run has been asked: files that differ between hosts, a
// checkpoint of another run, rows, labels, patterns. An older run's files are set aside last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "comm/nccl_communicator.h"
#include "model/adapters/peft_folder.h"
#include "model/huggingface/lineage.h"
#include "runtime/checkpoints/base_model_digest.h"
#include "runtime/checkpoints/checkpoint_folder.h"
#include "runtime/config/config.h"
#include "runtime/environment/host_agreement.h"
#include "runtime/environment/job.h"
#include "runtime/environment/run_folder.h"
#include "runtime/evaluation/reference_probabilities.h"
#include "runtime/inputs/device_setup.h"
#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"
#include "runtime/reporting/run_reporter.h"
#include "runtime/steps/phases.h"
#include "runtime/steps/step_settings.h"
#include "runtime/steps/training_state.h"
#include "runtime/tasks/entities.h"
#include "runtime/tasks/row_measures.h"
#include "tensor/device.h"

namespace temper {

/// What a run is prepared for: a probe of learning rates leaves the folder's run as it is, and writes no logs.
enum class RunPurpose : std::uint8_t { training, probe };

class PreparedRun {
 public:
  /// Collective. All references are borrowed, and must outlive it. `state` becomes where the run stands: at its begin,
  /// or where the checkpoint was made that it goes on from. `wants_to_stop`: whether this rank does; preparations that
  /// take long are then left as they are, and the run is not to be trained (is_ready). Throws Error, a usage Error
  /// where the configuration is at fault, on all ranks.
  PreparedRun(const Configuration& configuration, Device& device, Communicator& communicator, const Job& job,
              RunReporter& reporter, TrainingState& state, std::function<bool()> wants_to_stop,
              RunPurpose purpose = RunPurpose::training);
  PreparedRun(const PreparedRun&) = delete;
  PreparedRun& operator=(const PreparedRun&) = delete;

  /// False where a rank wanted to stop before all was prepared.
  [[nodiscard]] bool is_ready() const { return reference_.is_whole; }
  /// Whether preparations have got anywhere that another start goes on from.
  [[nodiscard]] bool has_kept_preparations() const { return reference_.has_kept; }

  [[nodiscard]] const Configuration& configuration() const { return configuration_; }
  [[nodiscard]] Device& device() { return device_; }
  [[nodiscard]] Communicator& communicator() { return communicator_; }
  [[nodiscard]] RunReporter& reporter() { return reporter_; }
  /// The function that prints sentences for the user.
  [[nodiscard]] const Say& say() const { return say_; }

  [[nodiscard]] RunFolder& folder() { return *folder_; }
  [[nodiscard]] const RunData& data() const { return *data_; }
  [[nodiscard]] const ModelFolder& model_folder() const { return *model_folder_; }
  [[nodiscard]] Model& model() { return *model_->model; }
  /// The model with its adapters, if it has some.
  [[nodiscard]] const RunModel& run_model() const { return *model_; }
  /// Merges the adapters into the model, which has none from then on.
  void merge_adapters();
  /// Whether the folder of a model holds what this run delivers.
  [[nodiscard]] bool has_delivered() const;
  /// Whether a finished run has nothing left to hand over, as this rank sees its folder: neither model nor test
  /// metrics.
  [[nodiscard]] bool has_handed_over() const;
  /// Files that the model was loaded from; its frozen weights may still lie there.
  [[nodiscard]] WeightFiles& weight_files() { return model_->files; }

  [[nodiscard]] const TaskSpec& task() const { return task_; }
  [[nodiscard]] DType activations() const { return activations_; }
  /// What models are compared by.
  [[nodiscard]] const std::string& metric() const { return metric_; }
  /// What is measured beside the task's metrics.
  [[nodiscard]] const MeasureSettings& measures() const { return measures_; }
  /// Of labels of words whose names have prefixes; else null.
  [[nodiscard]] const EntityLabels* entities() const { return entities_ ? &*entities_ : nullptr; }
  /// Between the ranks' GPUs; null where MPI is used.
  [[nodiscard]] NcclCommunicator* nccl() { return nccl_.get(); }
  /// Tokens per row.
  [[nodiscard]] std::int64_t max_length() const { return model_folder_->max_length(configuration_.data.max_length); }

  [[nodiscard]] std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// What the learning rate follows.
  [[nodiscard]] const TrainSection& schedule() const { return schedule_; }
  /// The run's phases, of which those before `state.phase` are as they were.
  [[nodiscard]] std::vector<PhasePlan> phases(const TrainingState& state) const;
  [[nodiscard]] RunSummary summary(const TrainingState& state) const;

  /// That this start goes on from; nothing where it goes on from none. Whoever takes it drops it once its moments are
  /// restored.
  [[nodiscard]] std::optional<FoundCheckpoint> take_checkpoint() { return std::exchange(resumed_, std::nullopt); }

  /// The model before any training. Its newly initialised weights are the same each time.
  void load_base_model();
  /// Starts to hash the base model, in the background: after the first step, so as not to delay it.
  void begin_base_model_digest() { base_model_digest_->begin(); }
  /// Collective. The lineage with the base model's digest, which may have to be waited for.
  const Lineage& complete_lineage();

 private:
  /// Collective. Throws Error where the folder is not this run's to write in.
  void take_folder(const HostAgreement& hosts);
  void find_start(TrainingState& state);
  void prepare_data(TrainingState& state);
  void prepare_model(const TrainingState& state);
  /// Collective. Lets pairs of answers be compared with what the model, which must be as the run starts, makes of them.
  void compare_with_start();
  /// Collective. Makes the model and the state those of the checkpoint, if there is one.
  void go_to_start(TrainingState& state);
  /// Warns of settings of a new run that are possible but inadvisable.
  void warn_of_start(const TrainingState& state, std::span<const PhasePlan> plan, const ModelsOfPhases& models);
  /// What the model is once a phase has merged its adapters, without values; null where no phase will. Throws a usage
  /// Error where they cannot be merged.
  [[nodiscard]] std::unique_ptr<Model> model_of_merged(std::span<const PhasePlan> plan) const;
  /// Says so where the folder has less room than the run may take. Throws Error where not even one checkpoint fits.
  void check_disk(const TrainingState& state, std::span<const PhasePlan> plan);
  /// Collective. What is left of an older run is set aside, and the logs are opened.
  void open_folder(const TrainingState& state);
  [[nodiscard]] std::uint64_t seed() const { return static_cast<std::uint64_t>(configuration_.train.seed); }

  const Configuration& configuration_;
  Device& device_;
  Communicator& communicator_;
  const Job& job_;
  RunPurpose purpose_;
  RunReporter& reporter_;
  Say say_;
  std::function<bool()> wants_to_stop_;  ///< this rank
  const TaskSpec& task_;

  std::optional<RunFolder> folder_;
  std::optional<FoundCheckpoint> resumed_;
  std::optional<TrainSection> length_before_;  ///< of a resumed run that is to have another length
  DType activations_ = DType::f32;
  std::unique_ptr<NcclCommunicator> nccl_;
  std::optional<ModelFolder> model_folder_;
  std::optional<RunData> data_;
  std::optional<RunModel> model_;
  HeadRequest head_;
  std::optional<EntityLabels> entities_;
  std::string metric_;
  MeasureSettings measures_;
  ReferenceOutcome reference_;
  Lineage lineage_;
  std::optional<BaseModelDigest> base_model_digest_;
  AdapterBase adapter_base_;  ///< what model.adapter was trained on, as far as it is known
  std::int64_t steps_per_epoch_ = 0;
  TrainSection schedule_;
};

}  // namespace temper
