// What a run will write to its folder, and whether there is room for it: asked before the first step, since a full disk
// is otherwise found when hours of training are to be saved.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "model/model.h"
#include "runtime/config/config.h"
#include "runtime/updates/update_rule.h"

namespace temper {

/// Bytes; the largest of all phases.
struct DiskNeed {
  std::int64_t checkpoint = 0;   ///< one
  std::int64_t checkpoints = 0;  ///< number of those that lie there at the same time
  std::int64_t model = 0;        ///< what is exported; 0: nothing

  [[nodiscard]] std::int64_t total() const { return checkpoint * checkpoints + model; }
};

/// Bytes of a checkpoint of what is trained now: parameters, and what the rule keeps of them.
std::int64_t checkpoint_bytes(const Model& model, const UpdateRule& rule);

/// Bytes of an export: of the adapters alone, or of all weights, those that are kept in bf16 as they are.
std::int64_t export_bytes(const Model& model, bool adapters_alone);

/// How many checkpoints lie there at once: those that are kept, the best one, and one that is being written.
std::int64_t checkpoints_at_once(const CheckpointSection& settings, bool has_best, std::int64_t total_steps,
                                 std::int64_t steps_per_epoch);

/// Bytes that may still be written where a folder is, or will be made; nothing where the system does not say.
std::optional<std::int64_t> free_room(const std::filesystem::path& folder);

/// A sentence with both figures where there is less room than the need; else empty. `held`: what lies there already
/// and makes room for what comes, such as the checkpoints of a run that goes on.
std::string disk_note(const DiskNeed& need, const std::filesystem::path& folder, std::int64_t room,
                      std::int64_t held = 0);

/// Whole MiB of a room, as messages tell it: never more than there is.
std::string whole_mebibytes(std::int64_t room);

/// Bytes of the files in a folder, which need not exist, whose names have this ending.
std::int64_t bytes_in(const std::filesystem::path& folder, std::string_view ending = "");

}  // namespace temper
