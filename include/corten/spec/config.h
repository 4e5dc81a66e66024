// config.json as types, in the order and with the names of the runtime-spec 1.3.0, so that the two
// read side by side. "Unset" is std::nullopt (or an empty container where the spec makes no
// difference). Filled by spec::parse, checked by spec::validate, used by plan::build.
// Properties for other platforms (windows, solaris, vm, zos, freebsd) are ignored, as the spec
// demands. Source: config.md and config-linux.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace corten::spec {

// config-linux.md "User namespace mappings": `size` ids from host_id appear as container_id.
struct IdMapping {
  uint32_t container_id = 0;
  uint32_t host_id = 0;
  uint32_t size = 0;
  bool operator==(const IdMapping&) const = default;
};

struct Root {
  std::string path;
  bool readonly = false;
};

struct Mount {
  std::string destination;
  std::optional<std::string> source;
  std::optional<std::string> type;
  std::vector<std::string> options;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
};

struct ConsoleSize {
  uint16_t height = 0;  // rows; the spec's uint, limited to what TIOCSWINSZ can carry
  uint16_t width = 0;   // columns
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE", ...
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct User {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::optional<uint32_t> umask;
  std::vector<uint32_t> additional_gids;
};

// Names as written ("CAP_CHOWN"); a name that this build does not know is a warning, not an error.
struct Capabilities {
  std::vector<std::string> effective;
  std::vector<std::string> bounding;
  std::vector<std::string> inheritable;
  std::vector<std::string> permitted;
  std::vector<std::string> ambient;
};

struct Scheduler {
  std::string policy;  // "SCHED_OTHER", ...
  int32_t nice = 0;
  int32_t priority = 0;
  std::vector<std::string> flags;
  uint64_t runtime = 0;   // ns
  uint64_t deadline = 0;  // ns
  uint64_t period = 0;    // ns
};

struct IoPriority {
  std::string io_class;  // "IOPRIO_CLASS_RT", ...
  int32_t priority = 0;  // [0, 7]
};

struct ExecCpuAffinity {
  std::string initial;  // cpulist, "" when unset
  std::string final;
};

struct Process {
  bool terminal = false;
  std::optional<ConsoleSize> console_size;
  std::string cwd;
  std::vector<std::string> env;
  std::vector<std::string> args;
  std::vector<Rlimit> rlimits;
  std::optional<std::string> apparmor_profile;
  std::optional<Capabilities> capabilities;
  bool no_new_privileges = false;
  std::optional<int32_t> oom_score_adj;
  std::optional<std::string> selinux_label;
  std::optional<IoPriority> io_priority;
  std::optional<Scheduler> scheduler;
  std::optional<ExecCpuAffinity> exec_cpu_affinity;
  User user;
};

struct Hook {
  std::string path;
  std::vector<std::string> args;                // argv, args[0] included; empty = {path}
  std::optional<std::vector<std::string>> env;  // nullopt = not given
  std::optional<int64_t> timeout;               // seconds, > 0
};

struct Hooks {
  std::vector<Hook> prestart;
  std::vector<Hook> create_runtime;
  std::vector<Hook> create_container;
  std::vector<Hook> start_container;
  std::vector<Hook> poststart;
  std::vector<Hook> poststop;
};

struct Namespace {
  std::string type;  // "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"
  std::optional<std::string> path;  // nullopt or "" = a new one
};

struct TimeOffset {
  std::string clock;  // "monotonic" or "boottime"
  int64_t secs = 0;
  uint32_t nanosecs = 0;  // [0, 999999999]
};

struct NetDevice {
  std::string host_name;  // the property's name
  std::string name;       // name inside the container; "" = host_name
};

struct Device {
  std::string type;  // "c", "b", "u", "p"
  std::string path;
  std::optional<int64_t> major;
  std::optional<int64_t> minor;
  std::optional<uint32_t> file_mode;  // permission bits
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

struct DeviceRule {
  bool allow = false;
  std::string type = "a";        // "a", "c", "b"
  std::optional<int64_t> major;  // nullopt and -1 = any
  std::optional<int64_t> minor;
  std::string access;  // of "rwm"; "" = all
};

struct Memory {
  std::optional<int64_t> limit;  // bytes, -1 = unlimited; 0 counts as unset
  std::optional<int64_t> reservation;
  std::optional<int64_t> swap;  // memory + swap
  std::optional<int64_t> kernel;
  std::optional<int64_t> kernel_tcp;
  std::optional<uint64_t> swappiness;  // [0, 100]
  std::optional<bool> disable_oom_killer;
  std::optional<bool> use_hierarchy;
  std::optional<bool> check_before_update;
};

struct Cpu {
  std::optional<uint64_t> shares;
  std::optional<int64_t> quota;    // us per period, -1 = unlimited
  std::optional<uint64_t> burst;   // us
  std::optional<uint64_t> period;  // us
  std::optional<int64_t> realtime_runtime;
  std::optional<uint64_t> realtime_period;
  std::string cpus;  // cpulist, "" when unset
  std::string mems;
  std::optional<int64_t> idle;  // 0 or 1
};

struct Pids {
  std::optional<int64_t> limit;  // -1 = max, 0 = a real limit of 0
};

struct WeightDevice {
  int64_t major = 0;
  int64_t minor = 0;
  std::optional<uint16_t> weight;
  std::optional<uint16_t> leaf_weight;
};

struct ThrottleDevice {
  int64_t major = 0;
  int64_t minor = 0;
  uint64_t rate = 0;  // bytes or operations per second
};

struct BlockIo {
  std::optional<uint16_t> weight;
  std::optional<uint16_t> leaf_weight;
  std::vector<WeightDevice> weight_device;
  std::vector<ThrottleDevice> throttle_read_bps_device;
  std::vector<ThrottleDevice> throttle_write_bps_device;
  std::vector<ThrottleDevice> throttle_read_iops_device;
  std::vector<ThrottleDevice> throttle_write_iops_device;
};

struct HugepageLimit {
  std::string page_size;  // "2MB", "1GB", ...
  uint64_t limit = 0;     // bytes
};

struct InterfacePriority {
  std::string name;
  uint32_t priority = 0;
};

struct NetworkResources {
  std::optional<uint32_t> class_id;
  std::vector<InterfacePriority> priorities;
};

struct Rdma {
  std::string device;
  std::optional<uint32_t> hca_handles;
  std::optional<uint32_t> hca_objects;
};

struct Resources {
  std::vector<DeviceRule> devices;
  std::optional<Memory> memory;
  std::optional<Cpu> cpu;
  std::optional<Pids> pids;
  std::optional<BlockIo> block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::optional<NetworkResources> network;
  std::vector<Rdma> rdma;
  std::vector<std::pair<std::string, std::string>> unified;  // file name -> value
};

struct SeccompArg {
  uint32_t index = 0;  // [0, 5]
  uint64_t value = 0;
  uint64_t value_two = 0;  // SCMP_CMP_MASKED_EQ: value = mask, value_two = datum
  std::string op;
};

struct SeccompSyscall {
  std::vector<std::string> names;
  std::string action;
  std::optional<uint32_t> errno_ret;
  std::vector<SeccompArg> args;
};

struct Seccomp {
  std::string default_action;
  std::optional<uint32_t> default_errno_ret;
  std::vector<std::string> architectures;
  std::optional<std::vector<std::string>> flags;
  std::optional<std::string> listener_path;
  std::optional<std::string> listener_metadata;
  std::vector<SeccompSyscall> syscalls;
};

struct IntelRdt {
  std::optional<std::string> clos_id;
  std::vector<std::string> schemata;
  std::optional<std::string> l3_cache_schema;
  std::optional<std::string> mem_bw_schema;
  bool enable_monitoring = false;
};

struct MemoryPolicy {
  std::string mode;   // "MPOL_BIND", ...
  std::string nodes;  // nodelist
  std::vector<std::string> flags;
};

struct Personality {
  std::string domain;  // "LINUX" or "LINUX32"
  std::vector<std::string> flags;
};

struct Linux {
  std::vector<Namespace> namespaces;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::vector<TimeOffset> time_offsets;
  std::vector<Device> devices;
  std::vector<NetDevice> net_devices;
  std::optional<std::string> cgroups_path;
  std::optional<Resources> resources;
  std::optional<IntelRdt> intel_rdt;
  std::optional<MemoryPolicy> memory_policy;
  std::vector<std::pair<std::string, std::string>> sysctl;
  std::optional<Seccomp> seccomp;
  std::optional<std::string> rootfs_propagation;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::optional<std::string> mount_label;
  std::optional<Personality> personality;
};

struct Spec {
  std::string oci_version;
  std::optional<Root> root;
  std::vector<Mount> mounts;
  std::optional<Process> process;
  std::optional<std::string> hostname;
  std::optional<std::string> domainname;
  Hooks hooks;
  std::vector<std::pair<std::string, std::string>> annotations;  // in the file's order
  std::optional<Linux> linux_;  // `linux` is a predefined macro in GNU dialects
};

}  // namespace corten::spec
