// The features document (features.md), generated from the tables that the parser and builders use.
#pragma once

#include <string>
#include <string_view>

namespace corten::plan {

// Indented JSON, the same on every host (FE-001). version: corten's own, for the annotations.
std::string features_json(std::string_view version);

}  // namespace corten::plan
