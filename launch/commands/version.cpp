// temper version: what this program is built from.
#include <mpi.h>
#include <oneapi/dnnl/dnnl.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "comm/nccl_communicator.h"
#include "launch/commands/command.h"
#include "launch/commands/report.h"
#include "tensor/cuda_device.h"
#include "version.h"

namespace temper {

Command add_version_command(const CommandLine& program) {
  auto json = std::make_shared<bool>(false);
  const CommandLine command = program.command("version", "Print the version and what the program was built with");
  command.flag("--json", *json, "Print one JSON object as the last line");
  command.footer("Example:\n  temper version --json");
  return {command,
          [json](CommandContext& context) {
            if (!context.speaks()) return kExitDone;
            const dnnl_version_t* dnnl = dnnl_version();
            const std::string dnnl_text = fmt::format("{}.{}.{}", dnnl->major, dnnl->minor, dnnl->patch);
            char library[MPI_MAX_LIBRARY_VERSION_STRING];
            int length = 0;
            MPI_Get_library_version(library, &length);
            const std::string mpi(library, static_cast<std::size_t>(length));
            const std::string mpi_name = mpi.substr(0, mpi.find(','));
            const CudaAvailability cuda = cuda_availability();
            nlohmann::json devices{"cpu"};
            if (cuda.built) devices.push_back("cuda");
            if (*json) {
              print_json({{"version", kVersion},
                          {"mpi", mpi_name},
                          {"onednn", dnnl_text},
                          {"devices", devices},
                          {"cuda", cuda.versions},
                          {"nccl", nccl_version()},
                          {"gpus", cuda.devices}});
              return kExitDone;
            }
            std::printf("temper %s\ndevices  %s\nmpi      %s\nonednn   %s\n", kVersion,
                        cuda.built ? "cpu, cuda" : "cpu", mpi_name.c_str(), dnnl_text.c_str());
            if (cuda.built) {
              std::printf("cuda     %s\nnccl     %s\n", cuda.versions.c_str(),
                          !nccl_is_built()         ? "not built in"
                          : nccl_version().empty() ? "not installed"
                                                   : nccl_version().c_str());
              std::printf("gpus     %d%s%s\n", cuda.devices, cuda.unusable.empty() ? "" : ": ", cuda.unusable.c_str());
            }
            return kExitDone;
          },
          /*stops_cleanly=*/false,
          /*needs_ranks=*/false};
}

}  // namespace temper
