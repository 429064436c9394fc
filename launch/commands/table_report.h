// What temper inspect reports about a data file.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>

#include "data/diagnostics.h"
#include "data/tables/table.h"

namespace temper {

/// Rows, columns, and, where the file has the columns of `columns`, how often each label occurs and what training on it
/// would warn of. Rows that name several labels, in lists or between bars, count for each.
nlohmann::ordered_json inspect_table(const std::filesystem::path& path, const ColumnChoice& columns);

/// Lists them as "findings" of a report.
void add_findings(std::span<const Finding> findings, nlohmann::ordered_json& report);

}  // namespace temper
