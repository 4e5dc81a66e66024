// What the plan builders need to know about the host: data only. host::probe fills it by trying
// things, never by comparing version numbers; tests fill it by hand.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corten::plan {

// One mounted cgroup v1 hierarchy.
struct CgroupV1Hierarchy {
  std::vector<std::string> controllers;  // {"cpu", "cpuacct"}; {"name=systemd"} for a named one
  std::string mount_point;               // "/sys/fs/cgroup/cpu,cpuacct"
  std::string own_path;  // the runtime's own cgroup in it, from /proc/self/cgroup: "/"
};

// The cgroup2 hierarchy, when it is mounted.
struct CgroupV2Hierarchy {
  std::string mount_point;  // "/sys/fs/cgroup" or "/sys/fs/cgroup/unified"
  std::string own_path;
  std::vector<std::string> controllers;  // cgroup.controllers of the root of the mount
};

// v1 only, v2 only, or both (hybrid). Each controller is used where it is mounted.
struct CgroupFacts {
  std::vector<CgroupV1Hierarchy> v1;
  std::vector<CgroupV2Hierarchy> v2;  // zero or one element

  bool unified() const { return v1.empty() && !v2.empty(); }
  const CgroupV1Hierarchy* find_v1(std::string_view controller) const;
  bool has_v2(std::string_view controller) const;
};

struct HostFacts {
  uid_t euid = 0;
  gid_t egid = 0;
  bool privileged = true;  // CAP_SYS_ADMIN in effect and in the initial user namespace
  bool initial_user_namespace = true;
  // The host's systemd belongs to another user: units are made by this user's own.
  bool user_manager = false;
  CgroupFacts cgroup;
  uint64_t bounding_capabilities = ~uint64_t{0};  // what can be granted at all
  uint64_t permitted_capabilities = ~uint64_t{0};
  int last_capability = 40;  // CAP_CHECKPOINT_RESTORE
  bool apparmor = false;     // the LSM is enabled
  bool selinux = false;
};

}  // namespace corten::plan
