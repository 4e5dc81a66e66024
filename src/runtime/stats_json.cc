#include "stats_json.h"

#include <optional>

#include <fmt/format.h>

#include <corten/base/json_text.h>
#include <corten/base/strings.h>

namespace corten::runtime {

namespace {

// What is 0 is left out where runc's types say omitempty.
void optional_field(JsonWriter& json, std::string_view name, uint64_t value) {
  if (value != 0) json.field(name, value);
}

void numbers(JsonWriter& json, std::string_view name, const auto& values) {
  if (values.empty()) return;
  json.key(name).begin_array();
  for (const auto value : values) json.value(value);
  json.end_array();
}

void pressure_line(JsonWriter& json, std::string_view name, const cgroup::PressureLine& line) {
  json.key(name).begin_object();
  json.key("avg10").raw(line.avg10).key("avg60").raw(line.avg60).key("avg300").raw(line.avg300);
  json.field("total", line.total).end_object();
}

void pressure(JsonWriter& json, const std::optional<cgroup::Pressure>& stalls) {
  if (!stalls) return;
  json.key("psi").begin_object();
  pressure_line(json, "some", stalls->some);
  if (stalls->full) pressure_line(json, "full", *stalls->full);
  json.end_object();
}

void cpu(JsonWriter& json, const cgroup::CpuStats& stats) {
  json.key("cpu").begin_object().key("usage").begin_object();
  optional_field(json, "total", stats.total);
  numbers(json, "percpu", stats.per_cpu);
  numbers(json, "percpu_kernel", stats.per_cpu_kernel);
  numbers(json, "percpu_user", stats.per_cpu_user);
  json.field("kernel", stats.kernel).field("user", stats.user).end_object();
  json.key("throttling").begin_object();
  optional_field(json, "periods", stats.periods);
  optional_field(json, "throttledPeriods", stats.throttled_periods);
  optional_field(json, "throttledTime", stats.throttled_time);
  json.end_object();
  pressure(json, stats.pressure);
  json.end_object();
}

void cpuset(JsonWriter& json, const cgroup::CpusetStats& stats) {
  json.key("cpuset").begin_object();
  numbers(json, "cpus", stats.cpus);
  numbers(json, "mems", stats.mems);
  for (const auto& [name, value] : stats.switches) json.field(name, value);
  json.end_object();
}

void memory_entry(JsonWriter& json, std::string_view name, const cgroup::MemoryEntry& entry) {
  json.key(name).begin_object().field("limit", entry.limit);
  optional_field(json, "usage", entry.usage);
  optional_field(json, "max", entry.max);
  json.field("failcnt", entry.failcnt).end_object();
}

void memory(JsonWriter& json, const cgroup::MemoryStats& stats) {
  json.key("memory").begin_object();
  optional_field(json, "cache", stats.cache);
  memory_entry(json, "usage", stats.usage);
  memory_entry(json, "swap", stats.swap);
  memory_entry(json, "kernel", stats.kernel);
  memory_entry(json, "kernelTCP", stats.kernel_tcp);
  json.key("raw").begin_object();
  for (const auto& [name, value] : stats.raw) json.field(name, value);
  json.end_object();
  pressure(json, stats.pressure);
  json.key("event_count").begin_object();
  for (const auto& [name, value] : stats.events) json.field(name, value);
  json.end_object().end_object();
}

void block_io_entries(JsonWriter& json,
                      std::string_view name,
                      const std::vector<cgroup::BlockIoEntry>& entries) {
  if (entries.empty()) return;
  json.key(name).begin_array();
  for (const auto& entry : entries) {
    json.begin_object();
    optional_field(json, "major", entry.major);
    optional_field(json, "minor", entry.minor);
    if (!entry.op.empty()) json.field("op", entry.op);
    optional_field(json, "value", entry.value);
    json.end_object();
  }
  json.end_array();
}

void block_io(JsonWriter& json, const cgroup::BlockIoStats& stats) {
  json.key("blkio").begin_object();
  block_io_entries(json, "ioServiceBytesRecursive", stats.service_bytes);
  block_io_entries(json, "ioServicedRecursive", stats.serviced);
  block_io_entries(json, "ioQueueRecursive", stats.queued);
  block_io_entries(json, "ioServiceTimeRecursive", stats.service_time);
  block_io_entries(json, "ioWaitTimeRecursive", stats.wait_time);
  block_io_entries(json, "ioMergedRecursive", stats.merged);
  block_io_entries(json, "ioTimeRecursive", stats.time);
  block_io_entries(json, "sectorsRecursive", stats.sectors);
  pressure(json, stats.pressure);
  json.end_object();
}

void hugetlb(JsonWriter& json, const cgroup::Stats& stats) {
  json.key("hugetlb").begin_object();
  for (const auto& [size, one] : stats.hugetlb) {
    json.key(size).begin_object();
    optional_field(json, "usage", one.usage);
    optional_field(json, "max", one.max);
    json.field("failcnt", one.failcnt).end_object();
  }
  json.end_object();
}

void network(JsonWriter& json, const std::vector<NetworkInterface>& interfaces) {
  json.key("network_interfaces");
  if (interfaces.empty()) {
    json.null();
    return;
  }
  json.begin_array();
  for (const auto& one : interfaces) {
    json.begin_object().field("Name", one.name);
    json.field("RxBytes", one.rx_bytes).field("RxPackets", one.rx_packets);
    json.field("RxErrors", one.rx_errors).field("RxDropped", one.rx_dropped);
    json.field("TxBytes", one.tx_bytes).field("TxPackets", one.tx_packets);
    json.field("TxErrors", one.tx_errors).field("TxDropped", one.tx_dropped).end_object();
  }
  json.end_array();
}

void text_field(JsonWriter& json, std::string_view name, const std::string& text) {
  if (!text.empty()) json.field(name, text);
}

void rdt_counters(JsonWriter& json, const RdtStats& stats) {
  if (stats.mbm_stats) {
    json.key("mbm_stats").begin_array();
    for (const auto& one : *stats.mbm_stats) {
      json.begin_object().field("mbm_total_bytes", one.total_bytes);
      json.field("mbm_local_bytes", one.local_bytes).end_object();
    }
    json.end_array();
  }
  if (stats.cmt_stats) {
    json.key("cmt_stats").begin_array();
    for (const auto bytes : *stats.cmt_stats)
      json.begin_object().field("llc_occupancy", bytes).end_object();
    json.end_array();
  }
}

void intel_rdt(JsonWriter& json, const RdtStats& stats) {
  json.key("intel_rdt").begin_object();
  if (stats.l3_cache_info) {
    json.key("l3_cache_info").begin_object();
    text_field(json, "cbm_mask", stats.l3_cache_info->cbm_mask);
    optional_field(json, "min_cbm_bits", stats.l3_cache_info->min_cbm_bits);
    optional_field(json, "num_closids", stats.l3_cache_info->num_closids);
    json.end_object();
  }
  text_field(json, "l3_cache_schema_root", stats.l3_cache_schema_root);
  text_field(json, "l3_cache_schema", stats.l3_cache_schema);
  if (stats.mem_bw_info) {
    json.key("mem_bw_info").begin_object();
    optional_field(json, "bandwidth_gran", stats.mem_bw_info->bandwidth_gran);
    optional_field(json, "delay_linear", stats.mem_bw_info->delay_linear);
    optional_field(json, "min_bandwidth", stats.mem_bw_info->min_bandwidth);
    optional_field(json, "num_closids", stats.mem_bw_info->num_closids);
    json.end_object();
  }
  text_field(json, "mem_bw_schema_root", stats.mem_bw_schema_root);
  text_field(json, "mem_bw_schema", stats.mem_bw_schema);
  if (!stats.schemata.empty()) json.strings("schemata", stats.schemata);
  rdt_counters(json, stats);
  json.end_object();
}

}  // namespace

std::vector<NetworkInterface> parse_net_dev(std::string_view text) {
  std::vector<NetworkInterface> interfaces;
  for (const auto line : split(text, '\n')) {
    const auto colon = line.rfind(':');  // an alias such as "eth0:1" has one in its name
    if (colon == std::string_view::npos) continue;
    std::vector<uint64_t> values;
    for (const auto part : split(line.substr(colon + 1), ' ')) {
      const auto number = parse_integer<uint64_t>(part);
      if (number) values.push_back(*number);
    }
    constexpr std::size_t kColumns = 16;  // 8 received, 8 sent (proc(5))
    if (values.size() < kColumns) continue;
    interfaces.push_back({std::string(trim(line.substr(0, colon))),
                          values[0],
                          values[1],
                          values[2],
                          values[3],
                          values[8],
                          values[9],
                          values[10],
                          values[11]});
  }
  return interfaces;
}

std::string huge_page_size_name(std::string_view directory) {
  constexpr std::string_view kPrefix = "hugepages-";
  if (!directory.starts_with(kPrefix) || !directory.ends_with("kB")) return "";
  directory.remove_prefix(kPrefix.size());
  auto size = parse_integer<uint64_t>(directory.substr(0, directory.size() - 2));
  if (!size) return "";
  constexpr const char* kUnits[] = {"KB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (*size >= 1024 && *size % 1024 == 0 && unit + 1 < std::size(kUnits)) {
    *size /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", *size, kUnits[unit]);
}

std::string stats_json(std::string_view id,
                       const cgroup::Stats& stats,
                       const std::vector<NetworkInterface>& interfaces,
                       const RdtStats& rdt) {
  JsonWriter json;
  json.begin_object().field("type", "stats").field("id", id).key("data").begin_object();
  cpu(json, stats.cpu);
  cpuset(json, stats.cpuset);
  memory(json, stats.memory);
  json.key("pids").begin_object();
  optional_field(json, "current", stats.pids_current);
  optional_field(json, "limit", stats.pids_limit);
  json.end_object();
  block_io(json, stats.block_io);
  hugetlb(json, stats);
  intel_rdt(json, rdt);
  network(json, interfaces);
  json.end_object().end_object();
  return json.take();
}

std::string oom_json(std::string_view id) {
  JsonWriter json;
  json.begin_object().field("type", "oom").field("id", id).end_object();
  return json.take();
}

}  // namespace corten::runtime
