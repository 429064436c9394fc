#include "runtime/reporting/trace_file.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

using Track = Timeline::Track;

/// In the order in which they stand below each other.
constexpr std::array<std::pair<Track, const char*>, 6> kTracks{{{Track::steps, "steps"},
                                                                {Track::sections, "sections"},
                                                                {Track::kernels, "kernels"},
                                                                {Track::buckets, "buckets"},
                                                                {Track::waits, "waits for other ranks"},
                                                                {Track::loader, "loader"}}};

}  // namespace

std::string trace_events(const Timeline& timeline, int rank) {
  std::string out = fmt::format(R"({{"ph":"M","name":"process_name","pid":{0},"tid":0,"args":{{"name":"rank {0}"}}}})"
                                "\n",
                                rank);
  for (const auto& [track, name] : kTracks)
    out += fmt::format(R"({{"ph":"M","name":"thread_name","pid":{0},"tid":{1},"args":{{"name":"{2}"}}}})"
                       "\n"
                       R"({{"ph":"M","name":"thread_sort_index","pid":{0},"tid":{1},"args":{{"sort_index":{1}}}}})"
                       "\n",
                       rank, static_cast<int>(track), name);
  for (const Timeline::Span& span : timeline.spans()) {
    const std::string number = span.number >= 0 ? fmt::format(" {}", span.number) : "";
    out += fmt::format(R"({{"ph":"X","name":"{}{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f}}})"
                       "\n",
                       span.name, number, rank, static_cast<int>(span.track), 1e-3 * static_cast<double>(span.begin),
                       1e-3 * static_cast<double>(span.end - span.begin));
  }
  return out;
}

void write_trace(const std::filesystem::path& file, const Timeline& timeline, Communicator& communicator,
                 const std::string& note) {
  std::string events = trace_events(timeline, communicator.rank());
  const auto ranks = static_cast<std::size_t>(communicator.size());
  const std::array<std::int64_t, 1> mine{static_cast<std::int64_t>(events.size())};
  std::vector<std::int64_t> sizes(ranks);
  communicator.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(sizes)));
  if (communicator.rank() != 0) {
    communicator.exchange({{0, std::as_bytes(std::span(events))}}, {});
    return;
  }
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << "{\"displayTimeUnit\":\"ms\",\"otherData\":" << nlohmann::json{{"note", note}}.dump()
      << ",\"traceEvents\":[\n";
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    if (rank > 0) {
      events.assign(static_cast<std::size_t>(sizes[rank]), ' ');
      communicator.exchange({}, {{static_cast<int>(rank), std::as_writable_bytes(std::span(events))}});
    }
    for (std::size_t begin = 0; begin < events.size();) {
      const std::size_t end = events.find('\n', begin);
      if (rank > 0 || begin > 0) out << ",\n";
      out << std::string_view(events).substr(begin, end - begin);
      begin = end + 1;
    }
  }
  out << "\n]}\n";
  out.close();
  if (!out) throw Error("{}: the profile cannot be written; choose another file with --profile=FILE", file.string());
}

}  // namespace temper
