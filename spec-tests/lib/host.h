// What the suite needs to know of the machine: cgroup hierarchies, mounts, and which kernel
// features exist.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace spec {

// One line of mountinfo.
struct MountEntry {
  int id = 0;
  int parent = 0;
  std::string root;
  std::string target;
  std::set<std::string> options;      // per mount
  std::set<std::string> propagation;  // "shared", "master", "unbindable"
  std::string fstype;
  std::string source;
  std::set<std::string> super_options;  // per file system
};

MountEntry parse_mount_line(const std::string& line);
std::vector<MountEntry> own_mounts();

// The cgroup hierarchies that the runtime will see. On a hybrid host both parts are filled.
struct CgroupView {
  std::map<std::string, std::string> v1;  // controller (or "name=systemd") -> mount point
  std::string v2;                         // mount point, empty when there is none
  std::set<std::string> v2_controllers;

  bool pure_v2() const { return v1.empty() && !v2.empty(); }
  bool has_v1(const std::string& controller) const { return v1.contains(controller); }
  bool has_v2(const std::string& controller) const { return v2_controllers.contains(controller); }
  bool has(const std::string& controller) const { return has_v1(controller) || has_v2(controller); }
  std::vector<std::string> mount_points() const;
};
CgroupView read_cgroup_view();

// Makes path (absolute, as in cgroupsPath) in every hierarchy, ready to have children; and removes
// it with everything under it, processes included.
void make_cgroup_parent(const CgroupView& view, const std::string& path);
void remove_cgroup(const CgroupView& view, const std::string& path);
// The directories of that cgroup that exist.
std::vector<std::string> cgroup_directories(const CgroupView& view, const std::string& path);

// Inode number of a namespace of a process; type as in /proc/PID/ns.
uint64_t namespace_inode(int pid, const std::string& type);

bool have_capability(int capability);  // in the effective set
bool kernel_has_namespace(const std::string& type);
bool kernel_has_filesystem(const std::string& type);
std::vector<std::string> network_interfaces();

}  // namespace spec
