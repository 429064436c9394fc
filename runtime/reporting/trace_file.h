// The timelines of all ranks as one file in the Trace Event Format (JSON object form, complete events), which Perfetto
// and chrome://tracing show: one process per rank, one thread per track.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/timeline.h"
#include "comm/communicator.h"

namespace temper {

/// Lines of JSON, one event each, times in microseconds; the first ones name the process and its threads.
std::string trace_events(const Timeline& timeline, int rank);

/// Collective: rank 0 receives the others' events one rank after the other and writes them as they come. `note` stands
/// in the file's otherData. Throws Error on rank 0 if the file cannot be written.
void write_trace(const std::filesystem::path& file, const Timeline& timeline, Communicator& communicator,
                 const std::string& note);

}  // namespace temper
