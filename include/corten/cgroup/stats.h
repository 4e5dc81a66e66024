// What the container's cgroups count, with v1 and v2 brought to one shape, and the notification of
// an OOM kill. Parent side.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/cgroup/manager.h>
#include <corten/sys/fd.h>

namespace corten::cgroup {

// Pressure stall information (PSI): the share of time that tasks waited for a resource.
struct PressureLine {
  std::string avg10;  // percent as the kernel writes it: "0.00" to "100.00", over 10 s
  std::string avg60;
  std::string avg300;
  uint64_t total = 0;  // microseconds
};
struct Pressure {
  PressureLine some;
  std::optional<PressureLine> full;  // older kernels have none for the cpu
};

struct CpuStats {
  uint64_t total = 0;  // nanoseconds, as the two below
  uint64_t kernel = 0;
  uint64_t user = 0;
  std::vector<uint64_t> per_cpu;  // v1 only, nanoseconds
  std::vector<uint64_t> per_cpu_kernel;
  std::vector<uint64_t> per_cpu_user;
  uint64_t periods = 0;
  uint64_t throttled_periods = 0;
  uint64_t throttled_time = 0;  // nanoseconds
  std::optional<Pressure> pressure;
};

struct CpusetStats {
  std::vector<uint32_t> cpus;  // in force: on v2 those of the parents as well
  std::vector<uint32_t> mems;
  // v1's switches; 0 on v2.
  std::map<std::string, int64_t, std::less<>> switches;
};

struct MemoryEntry {
  uint64_t limit = 0;  // bytes; v2's "max" is UINT64_MAX
  uint64_t usage = 0;
  uint64_t max = 0;  // high-water mark; 0 when the kernel does not tell
  uint64_t failcnt = 0;
};
struct MemoryStats {
  uint64_t cache = 0;  // bytes of page cache
  MemoryEntry usage;
  MemoryEntry swap;  // memory and swap together, as v1 counts
  MemoryEntry kernel;
  MemoryEntry kernel_tcp;
  std::map<std::string, uint64_t, std::less<>> raw;     // memory.stat
  std::map<std::string, uint64_t, std::less<>> events;  // memory.events; v1: oom_kill
  std::optional<Pressure> pressure;
};

struct BlockIoEntry {
  uint64_t major = 0;
  uint64_t minor = 0;
  std::string op;  // "Read", "Write", "Discard", v1 also "Sync", "Async", "Total"; "" = none
  uint64_t value = 0;
};
// All of them count the cgroups below as well. v2 has the first two.
struct BlockIoStats {
  std::vector<BlockIoEntry> service_bytes;
  std::vector<BlockIoEntry> serviced;
  std::vector<BlockIoEntry> queued;
  std::vector<BlockIoEntry> service_time;
  std::vector<BlockIoEntry> wait_time;
  std::vector<BlockIoEntry> merged;
  std::vector<BlockIoEntry> time;
  std::vector<BlockIoEntry> sectors;
  std::optional<Pressure> pressure;
};

struct HugetlbStats {
  uint64_t usage = 0;  // bytes
  uint64_t max = 0;    // high-water mark, v1 only
  uint64_t failcnt = 0;
};

struct Stats {
  CpuStats cpu;
  CpusetStats cpuset;
  MemoryStats memory;
  uint64_t pids_current = 0;
  uint64_t pids_limit = 0;  // 0 = none
  BlockIoStats block_io;
  std::map<std::string, HugetlbStats, std::less<>> hugetlb;  // by page size: "2MB"
};

// Reads everything that the host counts; a controller or file that it lacks gives zeros.
// page_sizes: those of the host in the form of the hugetlb files' names, "2MB".
// Errors: System when a file exists and cannot be read or has no number.
// Source: cgroup-v1/{cpuacct,cpusets,memory,blkio-controller,hugetlb,pids}.rst and cgroup-v2.rst of
// the kernel's documentation.
Result<Stats> read_stats(const Manager& manager, const std::vector<std::string>& page_sizes);

// Tells when the OOM killer strikes in the container's memory cgroup.
// v1: an eventfd registered with memory.oom_control; the kernel also signals it when the cgroup is
// removed. v2: memory.events, which becomes ready with POLLPRI at every change.
class OomWatch {
 public:
  // Errors: Unsupported when the host has no memory controller; System.
  static Result<OomWatch> open(const Record& record);

  // To wait for with poll(2).
  int fd() const { return fd_.get(); }
  short poll_events() const;
  // How many OOM events there were since the last call (or since open). Does not block.
  // A cgroup that is gone has none.
  Result<uint64_t> take();

 private:
  Result<uint64_t> take_v1();
  Result<uint64_t> take_v2();

  bool v2_ = false;
  sys::UniqueFd fd_;       // v1: the eventfd; v2: memory.events
  sys::UniqueFd control_;  // v1: memory.oom_control, which must stay open
  uint64_t seen_ = 0;      // v2: oom_kill at the last call
  bool removed_ = false;   // v1: the cgroup is gone
};

}  // namespace corten::cgroup
