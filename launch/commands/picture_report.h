// temper inspect of pictures: what their files are, and what they look like, before and after augmentation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "runtime/inputs/picture_requests.h"

namespace temper {

struct PictureQuestion {
  std::string path;  ///< a folder of pictures or of classes, a table that lists pictures, or a picture
  std::string image = "image";
  std::vector<std::string> label{"label"};
  std::string sheet;              ///< PNG file for the contact sheet; empty: none
  std::string model;              ///< pictures are read and shown as this model does it; empty: as they are
  std::string augment;            ///< a run's configuration whose [augment] distorts them and whose [images] reads them
  PictureRequests requests = {};  ///< come before what model and configuration say
  std::int64_t rows = 24;         ///< pictures on the sheet
};

/// Collective. {"kind": "pictures", "path", "rows", "distinct_labels", "label_counts": {label: n}, "facts":
/// [{"sentence"}], "findings": [...], "sheet"}. Every file is decoded. Those that cannot be read are findings: how
/// many, and the first five with the reason; where none can be read, this throws Error. The sheet shows rows that can
/// be read and are evenly apart, with their labels; distorted as in epochs 0 and 1 of the run whose training rows these
/// are.
nlohmann::ordered_json inspect_pictures(const PictureQuestion& question, Communicator& world);

}  // namespace temper
