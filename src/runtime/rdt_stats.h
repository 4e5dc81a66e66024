// What the resctrl filesystem says of a container, for `events`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "record.h"
#include "resctrl.h"

namespace corten::runtime {

// In the shape of runc's `intel_rdt`. What this host's hardware lacks is absent.
struct RdtStats {
  struct L3CacheInfo {
    std::string cbm_mask;
    uint64_t min_cbm_bits = 0, num_closids = 0;
  };
  struct MemBwInfo {
    uint64_t bandwidth_gran = 0, delay_linear = 0, min_bandwidth = 0, num_closids = 0;
  };
  struct MbmStats {  // of one cache domain
    uint64_t total_bytes = 0, local_bytes = 0;
  };

  std::optional<L3CacheInfo> l3_cache_info;
  std::string l3_cache_schema_root;
  std::string l3_cache_schema;
  std::optional<MemBwInfo> mem_bw_info;
  std::string mem_bw_schema_root;
  std::string mem_bw_schema;
  std::vector<std::string> schemata;
  std::optional<std::vector<MbmStats>> mbm_stats;
  std::optional<std::vector<uint64_t>> cmt_stats;  // bytes in the cache, one a domain
};

// Files that cannot be read are left out: groups can go while this looks at them.
RdtStats read_rdt_stats(const Resctrl& resctrl, const RdtGroups& groups, const std::string& id);

}  // namespace corten::runtime
