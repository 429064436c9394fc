// A map over the picture that it is of.
#pragma once

#include <string>
#include <vector>

#include "data/images/image_processor.h"
#include "data/pictures/picture.h"
#include "runtime/explaining/relevance_map.h"

namespace temper {

/// The picture beside the picture under the map, with a bar of its colours (the most marked place on top), and words
/// beneath. The map lies where the model saw the picture: what `processor` cuts off is dimmed. An RGB picture of 8
/// bits.
Picture overlay_sheet(const Picture& picture, const RelevanceMap& map, const ImageProcessor& processor,
                      const std::vector<std::string>& picture_words, const std::vector<std::string>& map_words);

}  // namespace temper
