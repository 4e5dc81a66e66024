// User and group id mappings.
#include "builders.h"

namespace corten::plan {

std::vector<IdMapping> build_id_map(const std::vector<spec::IdMapping>& mappings) {
  std::vector<IdMapping> map;
  map.reserve(mappings.size());
  for (const auto& one : mappings) {
    map.push_back({.container_id = one.container_id, .host_id = one.host_id, .size = one.size});
  }
  return map;
}

}  // namespace corten::plan
