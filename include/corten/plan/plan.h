// The Plan: everything the kernel side will do, with every choice made and in kernel units. Built
// by plan::build from the Spec, the command line and the host's facts; immutable from then on. It
// is all that the child side sees: it crosses the fork by copy-on-write memory, so nothing is
// serialised.
// `--dry-run` prints it as JSON.
#pragma once

#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace corten::plan {

struct IdMapping {
  uint32_t container_id = 0;
  uint32_t host_id = 0;
  uint32_t size = 0;
  bool operator==(const IdMapping&) const = default;
};

// A namespace to join: setns(open(path), flag).
struct NamespaceJoin {
  int flag = 0;  // CLONE_NEW*
  std::string path;
  std::size_t index = 0;  // in linux.namespaces, for errors
};

struct Namespaces {
  uint64_t unshare = 0;             // CLONE_NEW* of the new ones
  std::vector<NamespaceJoin> join;  // in the order of joining: user first, mount last
  std::vector<IdMapping> uid_map;   // for a new user namespace
  std::vector<IdMapping> gid_map;
  // The text for /proc/PID/timens_offsets, "" = none. Written before the first child exists.
  std::string time_offsets;

  bool is_new(int flag) const { return (unshare & static_cast<uint64_t>(flag)) != 0; }
  bool joins(int flag) const {
    for (const auto& one : join) {
      if (one.flag == flag) return true;
    }
    return false;
  }
  // Not the runtime's own.
  bool own(int flag) const { return is_new(flag) || joins(flag); }
};

// One key of fsconfig(2): FSCONFIG_SET_FLAG without a value, FSCONFIG_SET_STRING with one.
struct FsOption {
  std::string key;
  std::optional<std::string> value;
  // A generic option (iversion, mand) that some filesystems or kernels do not have: a refusal with
  // EINVAL is ignored, as mount(2) ignores the flag.
  bool optional = false;
};

// MOUNT_ATTR_* for mount_setattr(2).
struct MountAttributes {
  uint64_t set = 0;
  uint64_t clear = 0;
  bool empty() const { return set == 0 && clear == 0; }
};

// An id-mapped mount: empty mappings mean those of the container's user namespace.
struct MountIdmap {
  bool recursive = false;
  std::vector<IdMapping> uid_map;
  std::vector<IdMapping> gid_map;
};

enum class MountKind : uint8_t {
  Filesystem,   // fsopen(type)
  Bind,         // open_tree(source)
  Remount,      // change what is mounted at the destination
  Propagation,  // no source, no type, only propagation flags: change what is mounted there
  Cgroup,       // the container's view of its cgroups, v1 or v2
};

// One entry of `mounts`, in the config's order.
struct Mount {
  std::size_t index = 0;  // in config.json: errors say /mounts/<index>
  MountKind kind = MountKind::Filesystem;
  std::string destination;  // absolute and clean, inside the rootfs
  std::string source;       // Bind: absolute host path. Filesystem: the device or dummy name
  std::string type;
  bool recursive = false;                // rbind: with everything below the source
  std::vector<FsOption> data;            // superblock options, in order
  MountAttributes attributes;            // of this mount
  MountAttributes recursive_attributes;  // of this mount and everything below (rro, rnosuid ...)
  std::vector<uint64_t> propagation;     // MS_SHARED ..., MS_REC included; applied in order
  std::optional<MountIdmap> idmap;
  bool copy_up = false;  // tmpcopyup: the content below the mount point moves into the tmpfs
  bool source_is_file_ok = true;
};

enum class DeviceType : uint8_t { Char, Block, Fifo };

// A device node to make. Made by mknod(2); in a user namespace bound from the host instead.
struct Device {
  DeviceType type = DeviceType::Char;
  std::string path;  // absolute and clean, inside the rootfs
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t mode = 0666;  // permission bits
  uint32_t uid = 0;      // in the container's user namespace
  uint32_t gid = 0;
  std::string pointer;  // JSON pointer of the config's entry; "" for a default device
};

struct Rlimit {
  int resource = 0;  // RLIMIT_*
  std::string name;
  uint64_t soft = 0;
  uint64_t hard = 0;
};

// Bit n = capability number n.
struct Capabilities {
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
  uint64_t bounding = 0;
  uint64_t ambient = 0;
};

struct Seccomp {
  std::vector<sock_filter> filter;
  uint32_t flags = 0;   // SECCOMP_FILTER_FLAG_*
  bool notify = false;  // a listener fd comes back and goes to listener_path
  std::string listener_path;
  std::string listener_metadata;
};

struct Scheduler {
  uint32_t policy = 0;  // SCHED_*
  uint64_t flags = 0;   // SCHED_FLAG_*
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;  // ns
  uint64_t deadline = 0;
  uint64_t period = 0;
};

struct MemoryPolicy {
  int mode = 0;                 // MPOL_* with its flags
  std::vector<uint64_t> nodes;  // bit mask
};

struct ConsoleSize {
  uint16_t rows = 0;
  uint16_t columns = 0;
};

// The user's process: shared by create and exec, so that exec cannot miss anything that create
// does.
struct Process {
  std::vector<std::string> args;
  std::vector<std::string> env;  // as configured; HOME is added by init when it is missing
  std::string cwd;               // absolute
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;  // exactly these, possibly none
  bool keep_groups = false;      // run.oci.keep_original_groups
  uint32_t umask = 0022;
  Capabilities capabilities;
  bool no_new_privileges = false;
  std::vector<Rlimit> rlimits;
  std::optional<int> oom_score_adj;
  std::string apparmor_profile;  // "" = none
  std::string selinux_label;     // "" = none
  std::optional<Seccomp> seccomp;
  std::optional<Scheduler> scheduler;
  std::optional<int> io_priority;  // value for ioprio_set(2)
  std::optional<MemoryPolicy> memory_policy;
  std::optional<unsigned long> personality;
  bool terminal = false;
  std::optional<ConsoleSize> console_size;
  bool new_session_keyring = true;
  std::string initial_affinity;  // cpulist, exec only
  std::string final_affinity;
  unsigned preserve_fds = 0;  // descriptors 3 .. 3+n-1 stay open in the program
};

struct Hook {
  std::string path;
  std::vector<std::string> args;                // argv, never empty
  std::optional<std::vector<std::string>> env;  // nullopt: not given
  std::optional<int64_t> timeout;               // seconds
  std::string pointer;                          // JSON pointer: "/hooks/prestart/0"
};

struct Hooks {
  std::vector<Hook> prestart;
  std::vector<Hook> create_runtime;
  std::vector<Hook> create_container;
  std::vector<Hook> start_container;
  std::vector<Hook> poststart;
  std::vector<Hook> poststop;
  // Host files that the hooks' output is appended to, "" = kept for the error text:
  // run.oci.hooks.stdout and run.oci.hooks.stderr.
  std::string stdout_path{};
  std::string stderr_path{};
};

enum class CgroupDriver : uint8_t { Cgroupfs, Systemd, Disabled };

// One write to a control file. The builders turn linux.resources into these; the cgroup layer only
// writes.
struct CgroupWrite {
  std::string controller;  // "memory", "cpu", ...: says which hierarchy
  std::string file;        // "memory.limit_in_bytes"
  std::string value;
  std::string pointer;  // JSON pointer of the property
  // The kernel may lack the file and the property was given only by habit: a missing file is
  // ignored.
  bool optional = false;
  // Written instead when `file` does not exist: blkio.bfq.weight and blkio.weight, for example.
  // "" = none. With `optional` both may be missing.
  std::string fallback_file = {};
  std::string fallback_value = {};
  // The kernel refuses this value with EINVAL as long as a later file of the same controller has
  // its old value (memory.limit_in_bytes and memory.memsw.limit_in_bytes): tried once more at the
  // end.
  bool retry = false;
  // checkBeforeUpdate: the file with the present usage; a value below it is refused before anything
  // is written. "" = no check. A missing file passes.
  std::string usage_file = {};
};

// A rule of the device controller, in the order of application, defaults included.
struct DeviceRule {
  bool allow = false;
  char type = 'a';     // 'a', 'b', 'c'
  int64_t major = -1;  // -1 = any
  int64_t minor = -1;
  uint8_t access = 7;  // bits: 1 = mknod, 2 = read, 4 = write (BPF_DEVCG_ACC_*)
  bool operator==(const DeviceRule&) const = default;
};

struct Cgroup {
  CgroupDriver driver = CgroupDriver::Cgroupfs;
  std::string path;       // cgroupfs: absolute below each hierarchy's mount point; "" when disabled
  bool relative = false;  // path starts at the runtime's own cgroup in each hierarchy
  // Without rights to make cgroups the container has none, if nothing in the config needs them.
  bool optional = false;
  bool user_manager = false;  // systemd: the user's own, not the host's
  std::string slice;          // systemd: "system.slice"
  std::string scope;          // systemd: "corten-abc.scope"
  std::vector<std::pair<std::string, std::string>> systemd_properties;  // org.systemd.property.*
  std::vector<CgroupWrite> writes;       // before the first process enters
  std::vector<CgroupWrite> late_writes;  // after the container's processes exist (pids.limit 0)
  std::vector<DeviceRule> device_rules;
  bool own_namespace = false;  // a cgroup namespace is made or joined
  bool delegate = false;  // chown to the container's root user (config-linux.md "Cgroup ownership")
  // In cgroup v2, relative to the container's cgroup, which keeps the limits; "" = none.
  std::string subgroup;   // the processes' cgroup and the root of their cgroup namespace
  std::string delegated;  // below the subgroup: entered when the cgroup namespace is made
};

struct NetDevice {
  std::string host_name;
  std::string name;  // may hold one %d
  std::string pointer;
};

// One line for a schemata file of the resctrl filesystem.
struct RdtSchema {
  std::string line;     // without a line end
  std::string pointer;  // JSON pointer of the property
  // A class of service that closID names and that exists must have these values already.
  bool must_match = false;
};

struct IntelRdt {
  std::string clos_id;              // directory below the resctrl mount; "" = the root
  bool configured_clos = false;     // closID was given: the directory is not ours to remove
  std::vector<RdtSchema> schemata;  // in the order of writing
  bool monitoring = false;
};

// A kernel parameter; init writes it when the namespaces are there.
struct Sysctl {
  std::string path;  // below /proc/sys: "net/ipv4/ip_forward"
  std::string value;
  std::string pointer;  // "/linux/sysctl/net.ipv4.ip_forward"
};

struct Plan {
  std::string id;
  std::string bundle;  // absolute
  std::string rootfs;  // absolute host path; "" = no root (never on Linux containers)
  bool rootfs_readonly = false;
  uint64_t rootfs_propagation = 0;  // MS_SLAVE|MS_REC when not configured; MS_REC as configured
  bool no_pivot = false;
  std::string hostname;  // "" = leave
  std::string domainname;
  Namespaces namespaces;
  Cgroup cgroup;
  std::vector<Mount> mounts;
  std::vector<Device> devices;    // configured and default ones
  bool rootless_devices = false;  // nodes are bound from the host: mknod is not possible
  // The runtime has no privilege over the host: what needs some is done by init, in the user
  // namespace.
  bool unprivileged = false;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::vector<Sysctl> sysctls;
  std::string mount_label;  // SELinux context for mounts
  std::vector<NetDevice> net_devices;
  std::optional<IntelRdt> intel_rdt;
  Hooks hooks;
  std::optional<Process> process;  // nullopt: create without process, start will fail
  std::vector<std::pair<std::string, std::string>> annotations;
  std::vector<std::string>
      warnings;  // logged by the operation, for example ungrantable capabilities
};

}  // namespace corten::plan
