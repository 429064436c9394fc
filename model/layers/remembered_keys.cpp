#include "model/layers/remembered_keys.h"

namespace temper {

KeysAndValues remembered(const PackedInput& input, const Variable& keys, const Variable& values,
                         std::uint32_t dropout_place) {
  if (!input.past.defined()) return {keys, values};
  const CachedLayer& all = input.past.cache->append(dropout_place, keys.value(), values.value(), input.past.rows);
  return {Variable(all.keys), Variable(all.values)};
}

}  // namespace temper
