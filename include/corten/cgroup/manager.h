// The cgroups of one container. The plan says what to write; this layer finds the directories,
// makes them, writes, lets processes in, freezes, kills, counts and removes. v1, v2 and hybrid
// hosts look the same from here: every controller is used in the hierarchy where the host has it
// mounted. Parent side, but for Entrance, which is used by the child between fork and its first
// namespace.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/host_facts.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>

namespace corten::cgroup {

// One directory of the container: in a v1 hierarchy, or in the cgroup2 hierarchy.
struct Location {
  std::vector<std::string> controllers;  // v1: those of the hierarchy ("cpu", "cpuacct"); v2: empty
  std::string mount_point;               // "/sys/fs/cgroup/cpu,cpuacct"
  std::string path;                      // below the mount point, absolute: "/abc"
  bool v2 = false;
  // How many leading components of `path` existed before create(): remove() leaves those alone
  // (RT-051).
  unsigned existing_components = 0;
};

// What is stored with the container's state: enough to find everything again, also after a crash in
// the middle of create().
struct Record {
  plan::CgroupDriver driver = plan::CgroupDriver::Cgroupfs;
  std::vector<Location> locations;
  std::string scope;          // systemd unit, once it was started; "" with cgroupfs
  bool user_manager = false;  // the unit is one of the user's systemd, not of the host's
};

// What a child needs to enter: descriptors opened by the parent, inherited by fork, CLOEXEC.
struct Entrance {
  // v1: `tasks` of every hierarchy. The single-threaded child writes "0" to each: no global lock is
  // taken for that, where the parent's write of a pid to cgroup.procs costs an RCU grace period.
  std::vector<sys::UniqueFd> tasks;
  // v1, made while the child already runs: `tasks` below the hierarchy's mount point, opened by
  // enter_self().
  struct Later {
    sys::UniqueFd mount_point;
    std::string tasks;
  };
  std::vector<Later> later;
  // v2: the directory for CLONE_INTO_CGROUP; empty when the host has no cgroup2.
  sys::UniqueFd v2_dir;
  // v2: cgroup.procs of the delegated cgroup, for when the cgroup namespace is made; mostly empty.
  sys::UniqueFd v2_delegated;
  // v2: entered when v2_dir takes no processes (is_closed_to_processes); empty = that is an error.
  sys::UniqueFd v2_fallback;

  // Moves the calling process in (v1 hierarchies; v2 too when `with_v2`, for a process that was not
  // cloned into it). Child side. Errors: System, naming the hierarchy's file.
  enum class WithV2 : uint8_t { No, Yes };
  Result<> enter_self(WithV2 with_v2) const;
};

struct OomEvents {
  uint64_t oom_kill = 0;   // processes of the container that the OOM killer took
  bool own_limit = false;  // the container's own limit was reached, not only one above it
};

class Manager {
 public:
  virtual ~Manager() = default;

  virtual const Record& record() const = 0;

  // Makes the directories. A directory that exists already is taken over only when it is empty of
  // processes and not frozen (LX-023). Fills existing_components of the record.
  // Errors: System or WrongState; what was made is removed again.
  virtual Result<> create() = 0;
  // Before create(), in its place for what a child has to be born into: makes the v2 directory, and
  // returns an entrance whose v1 directories come into being by create(), while the child does
  // something else. Errors: Unsupported when the driver cannot do that; as create().
  virtual Result<Entrance> create_entrance() = 0;
  // Makes cgroups below the v2 one, which entrance() then leads to: `subgroup`, where the first
  // process is born, and `delegated` below that. Relative paths, "" for none.
  virtual Result<> nest(const std::string& /*subgroup*/, const std::string& /*delegated*/) {
    return {};
  }
  // After settle(): the first process is in the innermost of them. The kernel passes controllers on
  // from cgroups without processes only.
  virtual Result<> pass_controllers() { return {}; }
  // The container's first process is inside: what held the place for it may go.
  virtual void settle() {}

  // Of a container in the making: writes the control files in order. Errors name the JSON pointer,
  // the file and the value; a missing controller or file is an error unless the write is optional.
  virtual Result<> apply(const std::vector<plan::CgroupWrite>& writes) = 0;
  // As apply() on a living container: when one write fails, the files written before it get their
  // old values.
  virtual Result<> update(const std::vector<plan::CgroupWrite>& writes) = 0;
  // One control file of the controller, whole. Errors: ENOENT when the host or the kernel lacks it.
  virtual Result<std::string> read(std::string_view controller, const std::string& file) const = 0;
  // True when the controller's files are those of cgroup v2.
  virtual bool is_v2(std::string_view controller) const = 0;
  // v1: devices.deny/allow; v2: one eBPF program, replaced atomically (BPF_F_REPLACE).
  virtual Result<> apply_devices(const std::vector<plan::DeviceRule>& rules) = 0;
  // Lets the container's root own the v2 directory and the files of /sys/kernel/cgroup/delegate
  // (config-linux.md "Cgroup ownership"). uid and gid in the initial user namespace.
  virtual Result<> delegate(uid_t uid, gid_t gid) = 0;

  virtual Result<Entrance> entrance() const = 0;
  // Moves another process in (fallback of exec).
  virtual Result<> add(pid_t pid) = 0;

  virtual Result<> freeze() = 0;
  virtual Result<> thaw() = 0;
  virtual Result<bool> frozen() const = 0;

  // Every process in the container's cgroups and below.
  virtual Result<std::vector<pid_t>> pids() const = 0;
  // cgroup.kill where there is one (v2), else freeze, signal each, thaw. SIGKILL thaws at the end.
  virtual Result<> signal_all(int signal) = 0;

  // Kills what is left, waits for it on events (not by polling with sleeps where an event exists)
  // and removes the directories bottom-up. A directory that is gone already is fine; idempotent.
  // milliseconds: deadline. Errors: Timeout that names the pids that are left and their state.
  virtual Result<> remove(int milliseconds) = 0;

  // How often the OOM killer struck (memory.oom_control / memory.events).
  virtual Result<OomEvents> oom_events() const = 0;
};

// Decides where the container goes. Pure but for reading nothing; create() does the work.
// Errors: Unsupported when the host has no cgroups and the plan needs some.
Result<std::unique_ptr<Manager>> make_manager(const plan::Cgroup& plan,
                                              const plan::CgroupFacts& facts);

// A manager for a container that exists, from its record.
std::unique_ptr<Manager> open_manager(Record record);

}  // namespace corten::cgroup
