#include "model/heads/map_head.h"

#include <utility>

#include "model/heads/pooling.h"

namespace temper {

MapHead::MapHead(const ParameterPlace& place, std::optional<LayerNorm> norm, const std::string& classifier,
                 std::int64_t width, const HeadRequest& request)
    : Head(Readout{ReadTokens::mean}, request.loss),
      norm_(std::move(norm)),
      classifier_(place, classifier, request.labels, width) {
  classifier_.belongs_to(ModulePart::output);
}

Variable MapHead::outputs(Tape& tape, const HeadInput& input) const {
  const Variable mean = row_of_each_sequence(tape, input, readout());
  return classifier_(tape, norm_ ? (*norm_)(tape, mean) : mean);
}

}  // namespace temper
