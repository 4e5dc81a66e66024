// Questions about the host that several layers ask.
#include <algorithm>

#include <corten/plan/host_facts.h>

namespace corten::plan {

const CgroupV1Hierarchy* CgroupFacts::find_v1(std::string_view controller) const {
  for (const auto& hierarchy : v1) {
    const auto& names = hierarchy.controllers;
    if (std::find(names.begin(), names.end(), controller) != names.end()) return &hierarchy;
  }
  return nullptr;
}

bool CgroupFacts::has_v2(std::string_view controller) const {
  return std::any_of(v2.begin(), v2.end(), [&](const CgroupV2Hierarchy& hierarchy) {
    const auto& names = hierarchy.controllers;
    return std::find(names.begin(), names.end(), controller) != names.end();
  });
}

}  // namespace corten::plan
