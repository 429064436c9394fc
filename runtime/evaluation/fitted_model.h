// A fine-tuned model, ready to be evaluated or to predict, as temper eval and temper predict use it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/tables/table_source.h"
#include "runtime/inputs/image_data.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"
#include "runtime/inputs/table_use.h"
#include "runtime/tasks/metrics.h"

namespace temper {

/// Whether a model must have a head: for its hidden state alone it need not.
enum class HeadNeed : std::uint8_t { required, none };

class FittedModel {
 public:
  /// What a folder, or the last adapter on it, was trained for.
  struct Purpose {
    std::optional<TrainedUse> trained;  ///< what is known of its training
    const TaskSpec* task;
    std::vector<std::string> labels;
  };

  /// Reads a model folder; the task comes from its config.json, or where there are adapters on it, from what the last
  /// one says. With a communicator this is collective, as RunModel is. Throws Error if it has no head where one is
  /// required (else it gets one of drawn weights, of whole rows or images), and if its temper.json is damaged.
  FittedModel(const std::filesystem::path& folder, Device& device, Communicator* communicator = nullptr)
      : FittedModel(ModelChoice{folder, {}}, device, communicator) {}
  FittedModel(const ModelChoice& choice, Device& device, Communicator* communicator = nullptr,
              HeadNeed head = HeadNeed::required);
  /// False: what the head says is meaningless.
  [[nodiscard]] bool has_head() const { return has_head_; }

  [[nodiscard]] const TaskSpec& task() const { return *purpose_.task; }
  [[nodiscard]] const LabelSet& labels() const { return labels_; }
  [[nodiscard]] const Tokenizer& tokenizer() const { return *folder_.tokenizer; }
  [[nodiscard]] Model& model() { return *model_->model; }
  /// The model with its files and the adapter that stands beside it, if there is one.
  [[nodiscard]] RunModel& run_model() { return *model_; }
  [[nodiscard]] const ModelFolder& folder() const { return folder_; }
  /// What the model's head was made for.
  [[nodiscard]] const HeadRequest& head() const { return model_->model->head_request(); }
  [[nodiscard]] const ModelConfig& config() const { return folder_.config; }
  /// Notes on the folder and on where its weights lie for the user, one sentence each.
  [[nodiscard]] const std::vector<std::string>& notes() const { return folder_.notes; }
  /// Maximum tokens per row here: the request, limited to the model's positions.
  [[nodiscard]] std::int64_t max_length(std::int64_t requested) const { return folder_.max_length(requested); }
  /// Tokens that the model takes at most; of images there is no limit.
  [[nodiscard]] std::int64_t positions() const { return max_length(INT64_MAX); }

  /// Of a model of images: how it reads pictures.
  [[nodiscard]] ImageReading image_reading(const TableUse& use, int threads, PictureView view) const;
  /// The views of the pictures that are asked for, at least one.
  [[nodiscard]] std::vector<std::unique_ptr<ImageSource>> image_views(const ImageRows& rows, const TableUse& use,
                                                                      int threads) const;

  /// What is known of its training; nothing for a model from elsewhere.
  [[nodiscard]] const std::optional<TrainedUse>& trained() const { return purpose_.trained; }

  /// Its thresholds and temperature; null where it has none.
  [[nodiscard]] const Calibration* calibration() const {
    return trained() && trained()->calibration ? &*trained()->calibration : nullptr;
  }

  /// Collective. Nothing if a signal asked any rank to stop. One line through `say` tells how many rows are cut, one
  /// that intervals come from fewer resamples than were asked for. Throws
  /// Error where the loss is not finite. `outputs`: becomes what the model says of each row, of tasks that say
  /// something of rows; may be null.
  std::optional<Metrics> evaluate_table(const TableSource& table, const TableUse& use, std::int64_t batch_size,
                                        int threads, Communicator& communicator,
                                        const std::function<bool()>& stop_requested,
                                        const std::function<void(const std::string&)>& say,
                                        RowOutputs* outputs = nullptr);

 private:
  std::optional<Metrics> measure(const ExampleSource& rows, const std::string& source, const TableUse& use,
                                 std::int64_t batch_size, Communicator& communicator,
                                 const std::function<bool()>& stop_requested,
                                 const std::function<void(const std::string&)>& say, RowOutputs* outputs,
                                 std::vector<const ExampleSource*> more_views = {});
  void say_cut_rows(const TokenStore& rows, const TableSource& table, const ColumnChoice& columns, const TableUse& use,
                    int threads, Communicator& communicator, const std::function<void(const std::string&)>& say) const;

  Device& device_;
  ModelFolder folder_;
  Purpose purpose_;
  LabelSet labels_;
  std::optional<RunModel> model_;
  bool has_head_ = true;
};

/// All but the first.
std::vector<const ExampleSource*> behind_first(std::span<const std::unique_ptr<ImageSource>> views);

}  // namespace temper
