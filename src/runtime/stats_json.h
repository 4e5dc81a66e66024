// The statistics as JSON, in the shape that runc's `events` has and go-runc reads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rdt_stats.h"
#include <corten/cgroup/stats.h>

namespace corten::runtime {

// One line of /proc/PID/net/dev.
struct NetworkInterface {
  std::string name;
  uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

// The text of /proc/PID/net/dev; lines that are not understood are left out.
std::vector<NetworkInterface> parse_net_dev(std::string_view text);

// "hugepages-2048kB" -> "2MB", the form of the cgroup's file names; "" for other names.
std::string huge_page_size_name(std::string_view directory);

// {"type":"stats","id":ID,"data":{...}}, without a line end. interfaces: empty = null.
std::string stats_json(std::string_view id,
                       const cgroup::Stats& stats,
                       const std::vector<NetworkInterface>& interfaces,
                       const RdtStats& rdt = {});

// {"type":"oom","id":ID}.
std::string oom_json(std::string_view id);

}  // namespace corten::runtime
