// Tables with all their rows, as small tests look at them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <span>
#include <vector>

#include "data/tables/label_reader.h"
#include "data/tables/table_reader.h"

namespace temper::testing_support {

inline Table all_rows(const TableSource& source, std::int64_t most = 2) {
  Table all = source.head();
  source.read(most, [&](Table& chunk, std::int64_t first) {
    EXPECT_EQ(static_cast<std::int64_t>(all.rows.size()), first);
    EXPECT_LE(static_cast<std::int64_t>(chunk.rows.size()), most);
    for (std::size_t row = 0; row < chunk.rows.size(); ++row) move_row(chunk, row, all);
    return true;
  });
  EXPECT_EQ(static_cast<std::int64_t>(all.rows.size()), source.rows());
  return all;
}

inline Table read_table(const std::filesystem::path& path) { return all_rows(*open_table(path)); }

inline Table read_tables(std::span<const std::filesystem::path> paths) { return all_rows(*open_tables(paths)); }

inline LabelSet collect_labels(const Table& table, const ColumnChoice& columns, LabelKind kind) {
  LabelCollector collector(table, columns, kind);
  collector.look_at(table);
  return collector.labels();
}

}  // namespace temper::testing_support
