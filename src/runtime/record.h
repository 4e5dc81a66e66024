// What is stored of a container: <root>/<id>/state.json. Written first of all, before anything that
// outlives this process is made, and replaced atomically: after a crash at any instruction `delete
// --force` finds here what has to go.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <corten/base/result.h>
#include <corten/cgroup/manager.h>
#include <corten/plan/plan.h>

namespace corten::runtime {

inline constexpr int kRecordVersion = 1;

// How far creation came. Whether a "created" container runs or has stopped is asked from the
// kernel.
enum class Phase : uint8_t { Creating, Created };

// A process that cannot be confused with another one that got its number later.
struct ProcessIdentity {
  pid_t pid = 0;            // 0 = none
  uint64_t start_time = 0;  // clock ticks since boot, field 22 of /proc/PID/stat
};

// A container with linux.intelRdt: its groups in the resctrl filesystem.
struct RdtGroups {
  std::string class_name;     // directory below the mount, "" = the root
  bool remove_class = false;  // delete removes the class: create made it, and no closID names it
  bool monitoring = false;    // mon_groups/<id> in the class is the container's, delete removes it
};

struct Record {
  int version = kRecordVersion;
  std::string oci_version;
  std::string id;
  std::string bundle;
  std::string rootfs;
  std::string created;  // RFC 3339
  uid_t owner = 0;
  Phase phase = Phase::Creating;
  ProcessIdentity runtime;  // who is creating it
  ProcessIdentity init;
  // The file that init executes until the program does: tells "created" from "running".
  dev_t init_exe_device = 0;
  ino_t init_exe_inode = 0;
  uint64_t namespaces = 0;  // CLONE_NEW* that are not the runtime's own
  bool has_process = true;
  bool has_seccomp = false;    // seccomp.bpf is beside the record
  uint32_t seccomp_flags = 0;  // SECCOMP_FILTER_FLAG_*
  bool seccomp_notify = false;
  std::string notify_socket;  // where `start` passes readiness on, "" = nowhere
  bool session_keyring = true;
  std::optional<unsigned long> personality;
  std::string seccomp_listener_path;  // SCMP_ACT_NOTIFY: where the listener goes
  std::string seccomp_listener_metadata;
  cgroup::Record cgroup;
  std::optional<RdtGroups> rdt;
  std::vector<plan::Hook> poststart;
  std::vector<plan::Hook> poststop;
  std::vector<std::pair<std::string, std::string>> annotations;

  std::string to_json() const;
  // Errors: Internal when the source is not a record or is of a newer version.
  static Result<Record> from_json(std::string_view source);
};

// Of a living process. Errors: NotFound when there is none.
Result<ProcessIdentity> identify(pid_t pid);
// True while the very process lives and is no zombie.
bool is_alive(const ProcessIdentity& process);

}  // namespace corten::runtime
