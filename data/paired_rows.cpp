#include "data/paired_rows.h"

#include "base/error.h"

namespace temper {

PairedRows::PairedRows(const TokenStore& store) : store_(store) {
  if (store.rows() % 2 != 0) throw Error("{} rows are no pairs: one is without another", store.rows());
}

void PairedRows::append(std::int64_t row, std::uint32_t /*example*/, Batch& batch) const {
  for (const std::int64_t of_store : {2 * row, 2 * row + 1}) {
    store_.append(of_store, static_cast<std::uint32_t>(of_store), batch);
    batch.references.push_back(references_ == nullptr ? 0.0 : (*references_)[static_cast<std::size_t>(of_store)]);
  }
}

void PairedRows::compare_with(std::vector<double> references) {
  if (static_cast<std::int64_t>(references.size()) != store_.rows())
    throw Error("{} rows were to be compared with {} others", store_.rows(), references.size());
  references_ = std::make_shared<const std::vector<double>>(std::move(references));
}

}  // namespace temper
