#include "runtime/steps/parameter_store.h"

#include <algorithm>
#include <utility>

#include "runtime/steps/compute_copies.h"

namespace temper {

TrainableSlots::TrainableSlots(const Model& model, std::int64_t chunks) {
  const auto& all = model.parameters().all();
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> stages;
  for (std::size_t i = all.size(); i-- > 0;) {
    if (!all[i].trainable()) continue;
    parameters.push_back(i);
    sizes.push_back(all[i].size());
    stages.push_back(all[i].stage);
  }
  layout = ArenaLayout(sizes, stages, chunks);
}

ParameterStore::ParameterStore(Model& model, Device& device, Communicator& communicator, const StoreSettings& settings)
    : model_(model),
      device_(device),
      communicator_(communicator),
      slots_(model, section_chunks(communicator.size(), route_of(communicator, device, settings.links))),
      plan_(plan_buckets(slots_.layout, communicator.size(), route_of(communicator, device, settings.links),
                         settings.bucket_elements)),
      table_(sparse_table(settings.updated_rows)),
      exchange_(
          make_parameter_exchange(communicator, device,
                                  {.layout = slots_.layout,
                                   .plan = plan_,
                                   .links = settings.links,
                                   .compute_copy = settings.activations == DType::bf16 && device.shares_host_memory(),
                                   .table = table_})) {
  if (BFloat16* shared = exchange_->compute_copy(); shared != nullptr) {
    compute_copy_ = Tensor::view(shared, {layout().elements()}, DType::bf16);
  } else if (settings.activations != DType::f32) {
    compute_copy_ = Tensor::empty(device.memory(), {layout().elements()}, settings.activations);
  }
  move_into_arena();
  ensure_compute_copies(model, device, settings.activations);
  place_stages();
}

void ParameterStore::move_into_arena() {
  // Each rank brings the slices that it owns, then all parameters view the arena.
  float* arena = parameters();
  for (const OwnSlice& slice : own_slices()) {
    const Tensor& value = parameter(slice.slot).variable.value();
    float* place = arena + layout().slots()[slice.slot].begin + slice.begin;
    const Matrix to{place, 1, slice.size, slice.size};
    if (is_quantized(value.type())) {
      // A slice need not begin with a block.
      const HostCopy values(device_, value, slice.begin, slice.size);
      device_.kernels().run(calls::Copy{.x = ConstMatrix{values.values().data(), 1, slice.size, slice.size}, .y = to});
      continue;
    }
    device_.kernels().run(calls::Copy{.x = value.as_row().window(0, 1, slice.begin, slice.size), .y = to});
  }
  const bool shares_working = exchange_->compute_copy() != nullptr;
  if (shares_working)
    for (const ElementRange range : plan_.owned_by(communicator_.rank())) round(range);
  exchange_->share(SharedRows::all);
  if (!shares_working) round({0, layout().elements()});
  for (std::size_t slot = 0; slot < slots_.parameters.size(); ++slot) {
    const Parameter& moved = parameter(slot);
    const std::int64_t begin = layout().slots()[slot].begin;
    moved.variable.set_value(Tensor::view(arena + begin, moved.shape));
    if (compute_copy_.defined())
      moved.variable.set_compute_copy(compute_copy_.part(
          begin * static_cast<std::int64_t>(size_of(compute_copy_.type())), moved.shape, compute_copy_.type()));
  }
}

void ParameterStore::place_stages() {
  // The head stands on the last stage.
  std::vector<std::vector<Placement*>> placements(static_cast<std::size_t>(model_.stages()) + 1);
  for (const Parameter& each : model_.parameters().all()) {
    std::vector<Placement*>& of_stage = placements[static_cast<std::size_t>(each.stage)];
    Placement* placement = &replicated_;
    if (is_mapped(each)) placement = &mapped_;
    if (std::find(of_stage.begin(), of_stage.end(), placement) == of_stage.end()) of_stage.push_back(placement);
  }
  ahead_.emplace(std::move(placements), model_.frozen_stages());
  model_.observe_stages(&*ahead_);
}

ParameterStore::~ParameterStore() {
  // The next phase's store may have taken the place already; of a released one, the model may be gone.
  if (ahead_ && model_.stage_observer() == &*ahead_) model_.observe_stages(nullptr);
}

bool ParameterStore::is_mapped(const Parameter& parameter) const {
  // What is trained views the arena; of what is not, only the mapped file is somebody else's memory.
  return !parameter.trainable() && !parameter.variable.value().owns_memory();
}

std::string_view ParameterStore::placement_of(std::size_t parameter) const {
  return is_mapped(model_.parameters().all()[parameter]) ? mapped_.name() : replicated_.name();
}

std::optional<SparseTable> ParameterStore::sparse_table(const std::optional<RowSet>& updated) const {
  // Which rows are read is known on the host.
  const Variable table = model_.token_table();
  if (!updated || !table.defined() || !device_.shares_host_memory()) return {};
  for (std::size_t slot = 0; slot < slots_.parameters.size(); ++slot)
    if (parameter(slot).variable == table)
      return SparseTable{static_cast<std::int64_t>(slot), table.value().columns(), *updated};
  return {};
}

std::vector<ParameterStore::OwnSlice> ParameterStore::own_slices() const {
  std::vector<OwnSlice> slices;
  for (const ElementRange range : plan_.owned_by(communicator_.rank()))
    for (std::size_t i = layout().first_slot_after(range.begin); i < layout().slots().size(); ++i) {
      const ArenaSlot slot = layout().slots()[i];
      const std::int64_t begin = std::max(slot.begin, range.begin);
      const std::int64_t end = std::min(slot.begin + slot.size, range.end);
      if (begin >= range.end) break;
      if (begin < end) slices.push_back({i, begin - slot.begin, end - begin});
    }
  return slices;
}

void ParameterStore::bind_gradients(float* gradients) const {
  for (std::size_t slot = 0; slot < slots_.parameters.size(); ++slot) {
    const Parameter& bound = parameter(slot);
    bound.variable.bind_gradient(Tensor::view(gradients + layout().slots()[slot].begin, bound.shape),
                                 static_cast<std::int64_t>(slot));
    // It is zero already, so nobody needs to clear it.
    if (table_ && static_cast<std::int64_t>(slot) == table_->slot) bound.variable.mark_gradient_written();
  }
}

void ParameterStore::share(SharedRows rows) {
  exchange_->share(rows);
  // Whoever writes slices rounds them; on one rank, or where what is rounded is shared too, that is all.
  if (communicator_.size() > 1 && exchange_->compute_copy() == nullptr) round({0, layout().elements()});
}

void ParameterStore::round(ElementRange range) {
  if (!compute_copy_.defined()) return;
  const std::int64_t size = range.size();
  const Rows rounded(compute_copy_.data<BFloat16>() + range.begin, 1, size, size, DType::bf16);
  device_.kernels().run(calls::Copy{.x = ConstMatrix{parameters() + range.begin, 1, size, size}, .y = rounded});
}

HostCopy ParameterStore::read(std::size_t parameter, ElementRange elements) const {
  return {device_, model_.parameters().all()[parameter].variable.value(), elements.begin, elements.size()};
}

void ParameterStore::release() {
  for (const std::size_t index : slots_.parameters) {
    const Parameter& held = model_.parameters().all()[index];
    const Tensor copy = Tensor::empty(device_.memory(), held.shape);
    device_.kernels().run(calls::Copy{.x = held.variable.value().as_rows(), .y = copy.as_rows()});
    held.variable.set_value(copy);
    held.variable.bind_gradient(Tensor(), -1);
  }
  model_.observe_stages(nullptr);
  ahead_.reset();
  // Ranks that share the arena read it until here.
  communicator_.barrier();
}

}  // namespace temper
