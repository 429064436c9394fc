#include "runtime/planning/forecast.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/memory_usage.h"
#include "comm/exchange/gradient_buckets.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "model/freezing.h"
#include "model/huggingface/model_files.h"
#include "model/weights.h"
#include "runtime/evaluation/model_selection.h"
#include "runtime/evaluation/reference_probabilities.h"
#include "runtime/frozen/frozen_layout.h"
#include "runtime/frozen/phase_caches.h"
#include "runtime/inputs/image_data.h"
#include "runtime/inputs/index_check.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"
#include "runtime/steps/phases.h"
#include "runtime/steps/step_settings.h"

namespace temper {
namespace {

constexpr std::int64_t kMostRows = 20'000;
constexpr std::int64_t kMostSteps = 24;
constexpr std::int64_t kMostGrains = 768;
constexpr std::int64_t kMostBlocks = 4;

/// What all phases and alternatives are planned on.
struct SampledSteps {
  std::vector<StepBatch> steps;  ///< of all grains
  Batch largest;                 ///< the micro-batch with most tokens
};

SampledSteps sample_steps(const ExampleSource& rows, const LoaderOptions& options) {
  SampledSteps sampled;
  const std::int64_t steps = steps_per_epoch(rows.epoch_rows(), options.batch_size);
  const std::int64_t kept = std::clamp<std::int64_t>(kMostGrains / options.grains, 2, kMostSteps);
  const std::vector<std::uint32_t> order = rows.order_of(options.seed, 0, options.shuffle);
  for (std::int64_t i = 0; i < steps; ++i) {
    StepBatch step = make_step(rows, options, {0, i}, order);
    for (auto& grain : step.grains)
      for (Batch& micro : grain)
        if (micro.tokens() > sampled.largest.tokens()) sampled.largest = micro;
    // The last step of an epoch is smaller than the others.
    const bool whole = step.global_rows == options.batch_size || steps == 1;
    if (whole && i * kept / steps == static_cast<std::int64_t>(sampled.steps.size()))
      sampled.steps.push_back(std::move(step));
  }
  return sampled;
}

/// Elements of the pages that these rows of a table lie in, f32.
std::int64_t in_pages(const RowSet& rows, std::int64_t width) {
  const auto elements_of_page = static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE) / sizeof(float));
  std::int64_t pages = 0;
  std::int64_t next = 0;  // the first page not counted yet
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    if (!rows.contains(row)) continue;
    const std::int64_t first = std::max(next, row * width / elements_of_page);
    next = ((row + 1) * width - 1) / elements_of_page + 1;
    pages += std::max<std::int64_t>(next - first, 0);
  }
  return std::min(pages * elements_of_page, rows.rows() * width);
}

/// Of a row that an epoch takes.
double mean_tokens(const ExampleSource& rows) {
  double tokens = 0.0;
  const std::vector<std::uint32_t> order = rows.order_of(0, 0, /*shuffle=*/false);
  for (const std::uint32_t row : order) tokens += static_cast<double>(rows.cost(row));
  return tokens / static_cast<double>(order.size());
}

class Forecaster {
 public:
  Forecaster(const Configuration& configuration, int ranks, int nodes, const MachineProfile* machine)
      : configuration_(configuration), machine_(machine), task_(task_named(configuration.model.task)) {
    forecast_.ranks = ranks;
    forecast_.nodes = nodes;
    const std::int64_t at_start = memory_usage().resident;
    ModelFolder folder(configuration.model.path, truncation_side(configuration.data.truncate),
                       configuration.model.adapter);
    config_ = folder.config;
    require_head(config_, task_.head);
    const std::int64_t max_length = folder.max_length(configuration.data.max_length);
    folder.set_image_size(configuration.images.size);
    data_ = is_of_images(task_.head) ? sample_image_data(configuration, task_, config_, *folder.processor)
                                     : sample_run_data(configuration, task_, *folder.tokenizer, config_, max_length,
                                                       default_cpu_threads(1), kMostRows);
    require_rows(configuration, data_.train_rows, data_.validation_rows);
    if (data_.train_rows == 0) throw Error("{}: holds no rows to train on", configuration.data.train.text());
    require_indices(data_.rows(), index_limits(config_, head_request(task_, data_.labels)),
                    configuration.data.train.text());
    forecast_.train_rows = data_.train_rows;
    forecast_.of_images = is_of_images(task_.head);

    grains_ = configuration.train.grains > 0 ? static_cast<int>(configuration.train.grains) : ranks;
    LoaderOptions loading;
    const ExampleSource& taken = data_.training();
    forecast_.rows_looked_at = taken.rows();
    forecast_.tokens_a_row = mean_tokens(taken);
    step_rows_ = std::min(configuration.train.batch_size, taken.epoch_rows());
    loading.batch_size = step_rows_;
    loading.grains = grains_;
    loading.last_grain = grains_;
    loading.micro_batches = static_cast<int>(configuration.train.gradient_accumulation);
    loading.seed = static_cast<std::uint64_t>(configuration.train.seed);
    loading.shuffle = configuration.data.shuffle;
    loading.outline = data_.images != nullptr;
    sampled_ = sample_steps(taken, loading);
    forecast_.longest_micro_batch = sampled_.largest.tokens();

    // What a rank holds beside tensors: a started program, and what has been read here.
    const std::int64_t more = data_.bytes_of_others();
    const std::int64_t here = memory_usage().resident;
    process_bytes_ =
        std::max<std::int64_t>(0, more) + (machine != nullptr ? machine->resident_bytes + here - at_start : here);
    bf16_ = configuration.train.precision == "bf16" && (machine == nullptr || machine->alone.bf16_operations > 0.0);
    if (configuration.train.precision == "bf16" && !bf16_)
      forecast_.notes.push_back("the machine was measured without bf16: the run will compute in f32");
    forecast_.precision = bf16_ ? "bf16" : "f32";
  }

  RunForecast run() {
    const TrainSection& train = configuration_.train;
    const std::int64_t steps_an_epoch = steps_per_epoch(data_.train_rows, train.batch_size);
    const std::vector<PhasePlan> phases = plan_phases(configuration_.tuning, train, steps_an_epoch, {});
    forecast_.total_steps = phases.back().end_step;
    const auto memory_of_node = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
    look_at_files();
    DryRun patterns(config_, head_request(task_, data_.labels), DType::f32, held_, &configuration_, drawn_);
    const bool merges = patterns.lora() && std::any_of(phases.begin(), phases.end(),
                                                       [](const PhasePlan& phase) { return phase.merge_adapters; });
    const std::unique_ptr<Model> merged = merges ? make_model(config_, head_request(task_, data_.labels)) : nullptr;
    require_patterns({patterns.model(), merged.get()}, phases, configuration_.tuning.rates);
    if (merges)
      if (const std::string reason = reason_against_merging(patterns.model(), *patterns.lora()); !reason.empty())
        throw usage_error("tuning.phases: {}; take merge_adapters out, or that module", reason);
    for (const PhasePlan& phase : phases) {
      merged_ = merged_ || phase.merge_adapters;
      PhaseForecast forecast{phase.begin_step, phase.end_step, 0, {}, phase.freeze, {}, {}, {}};
      const std::int64_t interval = train.checkpoint_activations.layers;
      PhaseLength length =
          length_of(phase, steps_an_epoch, forecast_.total_steps,
                    data_.validation_rows > 0 ? evaluation_steps(configuration_.evaluate, steps_an_epoch) : 0);
      length.epoch_share = epoch_share_of(data_.training());
      length.rows_change = data_.rows().is_transformed();
      forecast.evaluations = length.evaluations;
      for (const EvaluationSetConfig& set : configuration_.evaluate.sets)
        forecast.set_evaluations.push_back(
            length_of(phase, steps_an_epoch, forecast_.total_steps,
                      set.every_steps > 0 ? set.every_steps : evaluation_steps(configuration_.evaluate, steps_an_epoch))
                .evaluations);
      is_first_ = forecast_.phases.empty();
      forecast.facts = facts_of(phase.freeze, interval, bf16_, length);
      forecast.plan = plan_step(forecast.facts, machine_);
      std::vector<Alternative> others;
      const auto also = [&](std::string change, std::span<const std::string> freeze, std::int64_t layers, bool bf16) {
        others.push_back({std::move(change), plan_step(facts_of(freeze, layers, bf16, length), machine_)});
      };
      if (interval == 0) also("train.checkpoint_activations=blocks", phase.freeze, 1, bf16_);
      if (!bf16_ && machine_ != nullptr && machine_->alone.bf16_operations > 0.0)
        also("train.precision=bf16", phase.freeze, interval, true);
      const std::vector<std::string> lower = lower_half_patterns(patterns.model(), architecture_of(config_).layers);
      if (phase.freeze.empty() && !lower.empty() && !trains_adapters(configuration_))
        also(fmt::format("tuning.freeze=[\"{}\"]", fmt::join(lower, "\", \"")), lower, interval, bf16_);
      add_disk(forecast.facts);
      forecast.advice = advice(forecast.facts, forecast.plan, others, machine_, memory_of_node);
      forecast_.phases.push_back(std::move(forecast));
    }
    forecast_.disk.checkpoints = checkpoints_at_once(configuration_.checkpoint, data_.validation_rows > 0,
                                                     forecast_.total_steps, steps_an_epoch);
    if (const auto room = free_room(configuration_.output.dir)) {
      forecast_.disk_room = *room;
      if (const std::string note = disk_note(forecast_.disk, configuration_.output.dir, *room); !note.empty())
        forecast_.notes.push_back(note);
    }
    if (machine_ != nullptr && !busy_note(*machine_).empty()) forecast_.notes.push_back(busy_note(*machine_));
    add_up();
    return std::move(forecast_);
  }

 private:
  /// What a phase leaves in output.dir.
  void add_disk(const StepFacts& facts) {
    constexpr std::int64_t kNarrowBytes = sizeof(BFloat16);
    constexpr std::int64_t kFloatBytes = sizeof(float);
    const std::int64_t saved =
        facts.trainable * (1 + facts.rule_state.arrays) + facts.rule_state.sliced + facts.rule_state.whole;
    forecast_.disk.checkpoint = std::max(forecast_.disk.checkpoint, saved * kFloatBytes);
    if (!configuration_.output.export_model) return;
    const bool adapters_alone = trains_adapters(configuration_) && !merged_;
    const std::int64_t narrow = facts.in_bf16 + facts.in_f16;
    forecast_.disk.model = adapters_alone ? facts.trainable * kFloatBytes
                                          : (facts.parameters - narrow) * kFloatBytes + narrow * kNarrowBytes;
  }

  static RuleStateFacts state_of(const UpdateRule& rule, const Model& model) {
    RuleStateFacts facts{.arrays = 0};
    for (const StateArray& array : rule.state) {
      if (array.extent == StateExtent::elements) {
        ++facts.arrays;
        continue;
      }
      for (const Parameter& parameter : model.parameters().all()) {
        if (!parameter.trainable()) continue;
        const MatrixExtent matrix = matrix_extent(parameter.shape);
        (array.is_whole() ? facts.whole : facts.sliced) +=
            array.elements(parameter.size(), matrix.rows, matrix.columns);
      }
    }
    return facts;
  }

  /// How a run would hold what it does not train, and what it would draw. A plan needs no weights: without, all is
  /// taken for f32, and for there.
  void look_at_files() {
    const std::vector<std::filesystem::path> files = model_files(configuration_.model.path).weights;
    std::error_code ignored;
    const bool are_there = std::any_of(files.begin(), files.end(), [&](const std::filesystem::path& file) {
      return std::filesystem::exists(file, ignored);
    });
    if (configuration_.model.initialize || !are_there) return;
    const std::unique_ptr<Model> model = make_model(config_, head_request(task_, data_.labels));
    const WeightFiles weights = WeightFiles::open(configuration_.model.path);
    held_ = held_types(*model, weights);
    for (const Parameter& parameter : model->parameters().all()) {
      if (parameter.role != ParameterRole::head) continue;
      const bool is_there = std::ranges::any_of(model->names().forms_of(parameter), [&](const StoredForm& form) {
        const TensorView* stored = weights.find(form.name);
        const Shape shape = form.shape_of_tensor(parameter.shape);
        return stored != nullptr && std::ranges::equal(stored->shape, shape.extents());
      });
      if (!is_there) drawn_.push_back(parameter.name);
    }
  }

  /// Of a phase that is so long.
  StepFacts facts_of(std::span<const std::string> freeze, std::int64_t interval, bool bf16, const PhaseLength& length) {
    DryRun dry(config_, head_request(task_, data_.labels), bf16 ? DType::bf16 : DType::f32, held_,
               merged_ ? nullptr : &configuration_, drawn_);
    dry.configure(freeze, interval, configuration_.tuning.frozen_dropout);
    StepFacts facts;
    facts.ranks = forecast_.ranks;
    facts.nodes = forecast_.nodes;
    facts.grains = grains_;
    facts.parameters = dry.parameters();
    facts.trainable = dry.trainable();
    facts.in_bf16 = dry.held_in(DType::bf16);
    facts.in_f16 = dry.held_in(DType::f16);
    facts.frozen_bytes = dry.frozen_bytes();
    facts.arena_elements = dry.arena_elements();
    facts.table = table_of(dry.model());
    facts.gradient_buffers = 0;
    for (int rank = 0; rank < facts.ranks; ++rank)
      facts.gradient_buffers = std::max(
          facts.gradient_buffers, GradientBuckets::count_buffers(grains_, leaves_of_rank(grains_, facts.ranks, rank)));
    facts.rule = &update_rule(configuration_.train.update.rule);
    facts.rule_state = state_of(*facts.rule, dry.model());
    facts.bf16 = bf16;
    facts.process_bytes = process_bytes_;
    facts.phase_steps = length.steps;
    facts.frozen = frozen_of(dry, bf16 ? DType::bf16 : DType::f32, length);
    const bool cached = facts.frozen.training;
    for (const StepBatch& step : sampled_.steps) {
      std::vector<PassDemand>& ranks = facts.steps.emplace_back(static_cast<std::size_t>(facts.ranks));
      for (int rank = 0; rank < facts.ranks; ++rank) {
        const TreeNode own = leaves_of_rank(grains_, facts.ranks, rank);
        for (int grain = own.begin; grain < own.end; ++grain)
          for (const Batch& micro : step.grains[static_cast<std::size_t>(grain)])
            if (micro.sequences() > 0) ranks[static_cast<std::size_t>(rank)] += dry.run(micro, cached);
      }
    }
    facts.activation_bytes = dry.run(sampled_.largest, cached).activation_bytes;
    if (is_first_ && data_.pairs) facts.reference = reference_of(dry);
    return facts;
  }

  /// What the model makes of all pairs before it is trained; the blocks looked at stand for all. It may be known from
  /// another start, which a plan does not count on.
  [[nodiscard]] ReferenceFacts reference_of(DryRun& dry) const {
    const TokenStore& rows = data_.train;
    std::vector<std::int64_t> starts{0};
    while (starts.back() < rows.rows())
      starts.push_back(end_of_reference_block(rows, starts.back(), kReferenceBlockTokens));
    const auto blocks = static_cast<std::int64_t>(starts.size()) - 1;
    const std::int64_t looked_at = std::min(blocks, kMostBlocks);
    ReferenceFacts facts;
    facts.model_bytes = dry.untrained_bytes();
    for (std::int64_t i = 0; i < looked_at; ++i) {
      const auto block = static_cast<std::size_t>(i * blocks / looked_at);
      std::vector<std::int64_t> examples(static_cast<std::size_t>(starts[block + 1] - starts[block]));
      std::iota(examples.begin(), examples.end(), starts[block]);
      facts.sample += dry.run_reference(rows.read(examples, 0));
    }
    // Of the rows that are measured, the number is that of answers, too.
    const std::int64_t all = std::accumulate(data_.set_rows.begin(), data_.set_rows.end(),
                                             data_.train_sequences + data_.validation_rows + data_.test_rows);
    const double share = static_cast<double>(all) / static_cast<double>(rows.rows());
    const double rounds = std::ceil(share * static_cast<double>(blocks) / static_cast<double>(forecast_.ranks));
    facts.samples = rounds / static_cast<double>(looked_at);
    return facts;
  }

  /// The frozen part, where the ranks of a node compute it once for each row, block by block; the blocks looked at
  /// stand for all.
  [[nodiscard]] FrozenFacts frozen_of(DryRun& dry, DType type, const PhaseLength& length) const {
    CacheSettings caching = cache_settings(configuration_);
    FrozenFacts facts;
    facts.training = PhaseCaches::worthwhile(caching, dry.model(), length, PhaseCaches::Rows::training);
    facts.validation = PhaseCaches::worthwhile(caching, dry.model(), length, PhaseCaches::Rows::validation);
    facts.rows = (facts.training ? data_.train_sequences : 0) + (facts.validation ? data_.validation_rows : 0);
    if (facts.rows == 0) return facts;
    const ExampleSource& rows = data_.rows();
    const FrozenLayout layout = lay_out_frozen(rows, dry.model(), dry.model().frozen_stages(), type);
    const double share = static_cast<double>(facts.rows) / static_cast<double>(rows.rows());
    facts.bytes = static_cast<std::int64_t>(share * static_cast<double>(layout.bytes()));
    facts.in_memory = !caching.keep && facts.bytes <= caching.memory_mib << 20;
    const std::int64_t looked_at = std::min(layout.blocks(), kMostBlocks);
    for (std::int64_t i = 0; i < looked_at; ++i) {
      const auto block = static_cast<std::size_t>(i * layout.blocks() / looked_at);
      std::vector<std::int64_t> examples(
          static_cast<std::size_t>(layout.block_starts[block + 1] - layout.block_starts[block]));
      std::iota(examples.begin(), examples.end(), layout.block_starts[block]);
      facts.sample += dry.run_frozen(rows.read(examples, {0, /*outline=*/true}));
      facts.sample_rows += static_cast<std::int64_t>(examples.size());
    }
    // A node computes as many blocks at once as it has ranks; the one with fewest needs longest.
    const int ranks_of_node = std::max(1, forecast_.ranks / forecast_.nodes);
    const double rounds = std::ceil(share * static_cast<double>(layout.blocks()) / ranks_of_node);
    facts.samples = rounds / static_cast<double>(looked_at);
    return facts;
  }

  /// What the training texts read of the model's token table.
  [[nodiscard]] TableFacts table_of(const Model& model) const {
    const Variable table = model.token_table();
    TableFacts facts;
    if (!table.defined() || !table.requires_gradient()) return facts;
    const std::int64_t rows = table.value().rows();
    const std::int64_t width = table.value().columns();
    // Of texts that were not looked at, nobody knows what they read.
    const UpdateSettings& settings = configuration_.train.update;
    const bool lazy = update_rule(settings.rule).supports_lazy_decay(settings);
    const bool known = data_.train.rows() == data_.train_sequences && lazy;
    RowSet read = known ? RowSet(rows) : RowSet::all(rows);
    if (known) read.insert_all_of(data_.train.ids());
    facts.elements = rows * width;
    facts.read = read.count() * width;
    facts.touched = in_pages(read, width);
    for (const StepBatch& step : sampled_.steps) {
      RowSet of_step(rows);
      for (const auto& grain : step.grains)
        for (const Batch& micro : grain) of_step.insert_all_of(micro.text().ids);
      facts.read_a_step += static_cast<double>(of_step.count() * width) / static_cast<double>(sampled_.steps.size());
    }
    return facts;
  }

  /// An evaluation is the forward pass of its rows, which have about as many tokens as those that train.
  [[nodiscard]] double evaluated_row_seconds(const PhaseForecast& phase, bool frozen_is_known) const {
    const StepPlan& plan = phase.plan;
    const double compute = plan.seconds->products + plan.seconds->passes;
    const double forward = plan.forward_operations / (plan.forward_operations + plan.backward_operations);
    const double of_step = compute * forward / static_cast<double>(step_rows_);
    const double frozen = plan.frozen_row_seconds / forecast_.ranks;
    if (phase.facts.frozen.training == frozen_is_known) return of_step;
    return frozen_is_known ? std::max(0.0, of_step - frozen) : of_step + frozen;
  }

  void add_up() {
    for (const PhaseForecast& phase : forecast_.phases) {
      if (!phase.plan.seconds) {
        forecast_.notes.push_back("no times: " + phase.plan.missing);
        forecast_.seconds = 0.0;
        return;
      }
      forecast_.seconds += phase.plan.seconds_of(phase.end_step - phase.begin_step);
    }
    for (const PhaseForecast& phase : forecast_.phases) {
      forecast_.evaluation_seconds += static_cast<double>(phase.evaluations * data_.validation_rows) *
                                      evaluated_row_seconds(phase, phase.facts.frozen.validation);
      // No cache holds the rows of a set.
      for (std::size_t i = 0; i < data_.set_rows.size(); ++i)
        forecast_.evaluation_seconds +=
            static_cast<double>(phase.set_evaluations[i] * data_.set_rows[i]) * evaluated_row_seconds(phase, false);
    }
    forecast_.evaluation_seconds +=
        static_cast<double>(data_.test_rows) * evaluated_row_seconds(forecast_.phases.back(), false);
    forecast_.seconds += forecast_.evaluation_seconds;
    if (configuration_.train.early_stopping > 0)
      forecast_.notes.push_back("train.early_stopping may end the run earlier");
  }

  bool merged_ = false;   ///< a phase has merged the adapters
  bool is_first_ = true;  ///< the phase that is looked at
  const Configuration& configuration_;
  const MachineProfile* machine_;
  const TaskSpec& task_;
  ModelConfig config_;
  DataSample data_;
  SampledSteps sampled_;
  std::int64_t step_rows_ = 1;
  std::vector<DType> held_;         ///< of each parameter
  std::vector<std::string> drawn_;  ///< parameters of the head that the files lack
  int grains_ = 1;
  bool bf16_ = false;
  std::int64_t process_bytes_ = 0;
  RunForecast forecast_;
};

}  // namespace

RunForecast forecast_run(const Configuration& configuration, int ranks, int nodes, const MachineProfile* machine) {
  return Forecaster(configuration, ranks, nodes, machine).run();
}

}  // namespace temper
