#include "tests/runtime/evaluation/fitted_folder.h"

#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"
#include "runtime/model_export.h"
#include "tests/tiny_files.h"

namespace temper::testing_support {

std::filesystem::path write_fitted_folder(const std::filesystem::path& folder, const TaskSpec& task,
                                          const std::vector<std::string>& labels, const TrainedUse& use) {
  write_tiny_model(folder / "base");
  const std::unique_ptr<Device> device = make_cpu_device();
  const ModelFolder base(folder / "base");
  const RunModel model(base, head_request(task, LabelSet::from_names(labels)), -1.0, LoadOptions{false, 3}, *device);
  export_trained_model(*model.model, *device, task, base.source(), labels, use, {}, folder / "fitted");
  return folder / "fitted";
}

}  // namespace temper::testing_support
