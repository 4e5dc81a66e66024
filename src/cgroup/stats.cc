#include <algorithm>
#include <cerrno>
#include <limits>

#include <fmt/format.h>

#include "directory.h"
#include <corten/base/strings.h>
#include <corten/cgroup/stats.h>

namespace corten::cgroup {

namespace {

constexpr uint64_t kNsPerUs = 1000;
constexpr uint32_t kMaxIds = 65536;  // cpus or memory nodes in one list

// nullopt: this host has no such controller or file.
Result<std::optional<std::string>> read_optional(const Manager& manager,
                                                 std::string_view controller,
                                                 const std::string& file) {
  Result<std::string> text = manager.read(controller, file);
  if (text) return std::optional<std::string>(*std::move(text));
  // EOPNOTSUPP: pressure files when PSI is compiled in and switched off.
  const int code = text.error().errno_value();
  if (code == ENOENT || code == EOPNOTSUPP) return std::optional<std::string>();
  return std::move(text).error();
}

Error malformed(std::string_view file, std::string_view text) {
  return Error(ErrorKind::System,
               fmt::format("{}: not what the kernel documents: {}", file, quote(text)));
}

// 0 when the file is missing; "max" is the largest number.
Result<uint64_t> read_number(const Manager& manager,
                             std::string_view controller,
                             const std::string& file) {
  const auto text = TRY(read_optional(manager, controller, file));
  if (!text) return uint64_t{0};
  if (trim(*text) == "max") return std::numeric_limits<uint64_t>::max();
  const auto number = parse_integer<uint64_t>(trim(*text));
  if (!number) return malformed(file, *text);
  return *number;
}

using Flat = std::map<std::string, uint64_t, std::less<>>;

// "key value" a line.
Result<Flat> read_flat(const Manager& manager,
                       std::string_view controller,
                       const std::string& file) {
  Flat values;
  const auto text = TRY(read_optional(manager, controller, file));
  if (!text) return values;
  for (const auto line : split(*text, '\n')) {
    const auto blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    const auto number = parse_integer<uint64_t>(trim(line.substr(blank)));
    if (number) values.emplace(line.substr(0, blank), *number);
  }
  return values;
}

uint64_t value_of(const Flat& values, std::string_view key) {
  const auto found = values.find(key);
  return found == values.end() ? 0 : found->second;
}

// "1 2 3": one number a cpu.
Result<std::vector<uint64_t>> read_numbers(const Manager& manager, const std::string& file) {
  std::vector<uint64_t> numbers;
  const auto text = TRY(read_optional(manager, "cpuacct", file));
  if (!text) return numbers;
  for (const auto part : split(trim(*text), ' ')) {
    const auto number = parse_integer<uint64_t>(part);
    if (number) numbers.push_back(*number);
  }
  return numbers;
}

// "0-2,7" -> 0 1 2 7.
Result<std::vector<uint32_t>> read_ids(const Manager& manager, const std::string& file) {
  std::vector<uint32_t> ids;
  const auto text = TRY(read_optional(manager, "cpuset", file));
  if (!text || trim(*text).empty()) return ids;
  for (const auto part : split(trim(*text), ',')) {
    const auto range = split(part, '-');
    const auto first = parse_integer<uint32_t>(range.front());
    const auto last = parse_integer<uint32_t>(range.back());
    if (!first || !last || *first > *last || *last >= kMaxIds) return malformed(file, *text);
    for (uint32_t id = *first; id <= *last; ++id) ids.push_back(id);
  }
  return ids;
}

bool is_decimal(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
}

// The value of "key=" in "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"; "" when there is none or
// it is no number.
std::string_view value_in(std::string_view line, std::string_view key) {
  for (const auto part : split(line, ' ')) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos || part.substr(0, equals) != key) continue;
    const auto value = part.substr(equals + 1);
    return is_decimal(value) ? value : std::string_view();
  }
  return {};
}

std::optional<PressureLine> parse_pressure_line(std::string_view line) {
  const auto total = parse_integer<uint64_t>(value_in(line, "total"));
  PressureLine parsed{std::string(value_in(line, "avg10")),
                      std::string(value_in(line, "avg60")),
                      std::string(value_in(line, "avg300")),
                      total.value_or(0)};
  if (parsed.avg10.empty() || parsed.avg60.empty() || parsed.avg300.empty()) return std::nullopt;
  return parsed;
}

// cgroup2 has these for every directory, whatever the controllers: on a hybrid host as well.
Result<std::optional<Pressure>> read_pressure(const Manager& manager, const std::string& file) {
  const auto text = TRY(read_optional(manager, "cgroup", file));
  if (!text) return std::optional<Pressure>();
  std::optional<Pressure> pressure;
  for (const auto line : split(*text, '\n')) {
    auto parsed = parse_pressure_line(line);
    if (!parsed) continue;
    if (line.starts_with("some ")) {
      pressure.emplace().some = *std::move(parsed);
    } else if (line.starts_with("full ") && pressure) {
      pressure->full = std::move(parsed);
    }
  }
  return pressure;
}

Result<CpuStats> read_cpu_v1(const Manager& manager) {
  CpuStats cpu;
  cpu.total = TRY(read_number(manager, "cpuacct", "cpuacct.usage"));
  cpu.kernel = TRY(read_number(manager, "cpuacct", "cpuacct.usage_sys"));
  cpu.user = TRY(read_number(manager, "cpuacct", "cpuacct.usage_user"));
  cpu.per_cpu = TRY(read_numbers(manager, "cpuacct.usage_percpu"));
  cpu.per_cpu_kernel = TRY(read_numbers(manager, "cpuacct.usage_percpu_sys"));
  cpu.per_cpu_user = TRY(read_numbers(manager, "cpuacct.usage_percpu_user"));
  const Flat stat = TRY(read_flat(manager, "cpu", "cpu.stat"));
  cpu.periods = value_of(stat, "nr_periods");
  cpu.throttled_periods = value_of(stat, "nr_throttled");
  cpu.throttled_time = value_of(stat, "throttled_time");
  return cpu;
}

Result<CpuStats> read_cpu_v2(const Manager& manager) {
  CpuStats cpu;
  const Flat stat = TRY(read_flat(manager, "cpu", "cpu.stat"));
  cpu.total = value_of(stat, "usage_usec") * kNsPerUs;
  cpu.kernel = value_of(stat, "system_usec") * kNsPerUs;
  cpu.user = value_of(stat, "user_usec") * kNsPerUs;
  cpu.periods = value_of(stat, "nr_periods");
  cpu.throttled_periods = value_of(stat, "nr_throttled");
  cpu.throttled_time = value_of(stat, "throttled_usec") * kNsPerUs;
  return cpu;
}

Result<CpusetStats> read_cpuset(const Manager& manager) {
  CpusetStats cpuset;
  const bool v2 = manager.is_v2("cpuset");
  cpuset.cpus = TRY(read_ids(manager, v2 ? "cpuset.cpus.effective" : "cpuset.cpus"));
  cpuset.mems = TRY(read_ids(manager, v2 ? "cpuset.mems.effective" : "cpuset.mems"));
  for (const std::string name : {"cpu_exclusive",
                                 "mem_hardwall",
                                 "mem_exclusive",
                                 "memory_migrate",
                                 "memory_spread_page",
                                 "memory_spread_slab",
                                 "memory_pressure",
                                 "sched_load_balance",
                                 "sched_relax_domain_level"}) {
    auto& value = cpuset.switches[name];
    if (v2) continue;
    const auto text = TRY(read_optional(manager, "cpuset", "cpuset." + name));
    if (text) value = parse_integer<int64_t>(trim(*text)).value_or(0);
  }
  return cpuset;
}

Result<MemoryEntry> read_memory_v1(const Manager& manager, const std::string& prefix) {
  MemoryEntry entry;
  entry.limit = TRY(read_number(manager, "memory", prefix + ".limit_in_bytes"));
  entry.usage = TRY(read_number(manager, "memory", prefix + ".usage_in_bytes"));
  entry.max = TRY(read_number(manager, "memory", prefix + ".max_usage_in_bytes"));
  entry.failcnt = TRY(read_number(manager, "memory", prefix + ".failcnt"));
  return entry;
}

Result<MemoryStats> read_memory_v1(const Manager& manager) {
  MemoryStats memory;
  memory.usage = TRY(read_memory_v1(manager, "memory"));
  memory.swap = TRY(read_memory_v1(manager, "memory.memsw"));
  memory.kernel = TRY(read_memory_v1(manager, "memory.kmem"));
  memory.kernel_tcp = TRY(read_memory_v1(manager, "memory.kmem.tcp"));
  memory.raw = TRY(read_flat(manager, "memory", "memory.stat"));
  memory.cache = value_of(memory.raw, "cache");
  const Flat control = TRY(read_flat(manager, "memory", "memory.oom_control"));
  if (control.contains("oom_kill")) memory.events["oom_kill"] = value_of(control, "oom_kill");
  return memory;
}

// v2 counts swap alone; the shape of v1, which readers know, counts both together.
MemoryEntry together(const MemoryEntry& memory, const MemoryEntry& swap) {
  constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
  MemoryEntry both = swap;
  both.usage += memory.usage;
  const bool unlimited =
      swap.limit == kNoLimit || memory.limit == kNoLimit || kNoLimit - swap.limit < memory.limit;
  both.limit = unlimited ? kNoLimit : memory.limit + swap.limit;
  both.max = 0;  // the two high-water marks need not have been reached at the same time
  return both;
}

Result<MemoryStats> read_memory_v2(const Manager& manager) {
  MemoryStats memory;
  memory.usage.limit = TRY(read_number(manager, "memory", "memory.max"));
  memory.usage.usage = TRY(read_number(manager, "memory", "memory.current"));
  memory.usage.max = TRY(read_number(manager, "memory", "memory.peak"));
  memory.raw = TRY(read_flat(manager, "memory", "memory.stat"));
  memory.events = TRY(read_flat(manager, "memory", "memory.events"));
  memory.usage.failcnt = value_of(memory.events, "max");
  memory.cache = value_of(memory.raw, "file");
  memory.kernel.usage = value_of(memory.raw, "kernel");
  MemoryEntry swap;
  swap.limit = TRY(read_number(manager, "memory", "memory.swap.max"));
  swap.usage = TRY(read_number(manager, "memory", "memory.swap.current"));
  const Flat events = TRY(read_flat(manager, "memory", "memory.swap.events"));
  swap.failcnt = value_of(events, "max");
  memory.swap = together(memory.usage, swap);
  return memory;
}

// "8:0 Read 4096" or "8:0 4096" a line; the sum over all devices ("Total 4096") is left out.
Result<std::vector<BlockIoEntry>> read_block_io_v1(const Manager& manager,
                                                   const std::string& file) {
  std::vector<BlockIoEntry> entries;
  const auto text = TRY(read_optional(manager, "blkio", file));
  if (!text) return entries;
  for (const auto line : split(*text, '\n')) {
    const auto parts = split(line, ' ');
    const auto numbers = split(parts.front(), ':');
    if (numbers.size() != 2 || parts.size() < 2 || parts.size() > 3) continue;
    const auto major = parse_integer<uint64_t>(numbers[0]);
    const auto minor = parse_integer<uint64_t>(numbers[1]);
    const auto value = parse_integer<uint64_t>(parts.back());
    if (!major || !minor || !value) return malformed(file, line);
    entries.push_back(
        {*major, *minor, parts.size() == 3 ? std::string(parts[1]) : std::string(), *value});
  }
  return entries;
}

Result<BlockIoStats> read_block_io_v1(const Manager& manager) {
  BlockIoStats stats;
  // The BFQ scheduler's counters where it runs the devices, else those of the throttling policy.
  const std::string bfq = "blkio.bfq.";
  stats.serviced = TRY(read_block_io_v1(manager, bfq + "io_serviced_recursive"));
  const std::string prefix = stats.serviced.empty() ? "blkio.throttle." : bfq;
  stats.serviced = TRY(read_block_io_v1(manager, prefix + "io_serviced_recursive"));
  stats.service_bytes = TRY(read_block_io_v1(manager, prefix + "io_service_bytes_recursive"));
  stats.queued = TRY(read_block_io_v1(manager, bfq + "io_queued_recursive"));
  stats.service_time = TRY(read_block_io_v1(manager, bfq + "io_service_time_recursive"));
  stats.wait_time = TRY(read_block_io_v1(manager, bfq + "io_wait_time_recursive"));
  stats.merged = TRY(read_block_io_v1(manager, bfq + "io_merged_recursive"));
  stats.time = TRY(read_block_io_v1(manager, bfq + "time_recursive"));
  stats.sectors = TRY(read_block_io_v1(manager, bfq + "sectors_recursive"));
  return stats;
}

void add_io_stat(
    BlockIoStats& stats, uint64_t major, uint64_t minor, std::string_view key, uint64_t value) {
  struct Known {
    std::string_view key;
    std::vector<BlockIoEntry> BlockIoStats::*entries;
    const char* op;
  };
  constexpr Known kKnown[] = {{"rbytes", &BlockIoStats::service_bytes, "Read"},
                              {"wbytes", &BlockIoStats::service_bytes, "Write"},
                              {"dbytes", &BlockIoStats::service_bytes, "Discard"},
                              {"rios", &BlockIoStats::serviced, "Read"},
                              {"wios", &BlockIoStats::serviced, "Write"},
                              {"dios", &BlockIoStats::serviced, "Discard"}};
  for (const auto& known : kKnown) {
    if (known.key == key) (stats.*known.entries).push_back({major, minor, known.op, value});
  }
}

// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" a line.
Result<BlockIoStats> read_block_io_v2(const Manager& manager) {
  BlockIoStats stats;
  const auto text = TRY(read_optional(manager, "io", "io.stat"));
  if (!text) return stats;
  for (const auto line : split(*text, '\n')) {
    const auto parts = split(line, ' ');
    const auto numbers = split(parts.front(), ':');
    if (numbers.size() != 2) continue;  // "(unknown)": a device that went away
    const auto major = parse_integer<uint64_t>(numbers[0]);
    const auto minor = parse_integer<uint64_t>(numbers[1]);
    if (!major || !minor) continue;
    for (const auto part : parts) {
      const auto equals = part.find('=');
      if (equals == std::string_view::npos) continue;
      const auto value = parse_integer<uint64_t>(part.substr(equals + 1));
      if (value) add_io_stat(stats, *major, *minor, part.substr(0, equals), *value);
    }
  }
  return stats;
}

Result<HugetlbStats> read_hugetlb(const Manager& manager, const std::string& size) {
  const std::string prefix = "hugetlb." + size;
  HugetlbStats stats;
  if (manager.is_v2("hugetlb")) {
    stats.usage = TRY(read_number(manager, "hugetlb", prefix + ".current"));
    const Flat events = TRY(read_flat(manager, "hugetlb", prefix + ".events"));
    stats.failcnt = value_of(events, "max");
    return stats;
  }
  stats.usage = TRY(read_number(manager, "hugetlb", prefix + ".usage_in_bytes"));
  stats.max = TRY(read_number(manager, "hugetlb", prefix + ".max_usage_in_bytes"));
  stats.failcnt = TRY(read_number(manager, "hugetlb", prefix + ".failcnt"));
  return stats;
}

}  // namespace

Result<Stats> read_stats(const Manager& manager, const std::vector<std::string>& page_sizes) {
  Stats stats;
  stats.cpu = TRY(manager.is_v2("cpuacct") ? read_cpu_v2(manager) : read_cpu_v1(manager));
  stats.cpu.pressure = TRY(read_pressure(manager, "cpu.pressure"));
  stats.cpuset = TRY(read_cpuset(manager));
  stats.memory = TRY(manager.is_v2("memory") ? read_memory_v2(manager) : read_memory_v1(manager));
  stats.memory.pressure = TRY(read_pressure(manager, "memory.pressure"));
  stats.pids_current = TRY(read_number(manager, "pids", "pids.current"));
  stats.pids_limit = TRY(read_number(manager, "pids", "pids.max"));
  if (stats.pids_limit == std::numeric_limits<uint64_t>::max()) stats.pids_limit = 0;
  stats.block_io =
      TRY(manager.is_v2("blkio") ? read_block_io_v2(manager) : read_block_io_v1(manager));
  stats.block_io.pressure = TRY(read_pressure(manager, "io.pressure"));
  for (const auto& size : page_sizes) stats.hugetlb[size] = TRY(read_hugetlb(manager, size));
  return stats;
}

}  // namespace corten::cgroup
