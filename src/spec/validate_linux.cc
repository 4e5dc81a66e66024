// Rules of config-linux.md that concern one property alone; resources and seccomp have their own
// files.
#include <algorithm>

#include "rules.h"
#include <corten/base/strings.h>
#include <corten/spec/names.h>

namespace corten::spec {

namespace {

void device_types(const Linux& linux_, const Report& report) {
  const Path list = report.at / "devices";
  for (std::size_t i = 0; i < linux_.devices.size(); ++i) {
    const std::string& type = linux_.devices[i].type;
    if (type == "c" || type == "b" || type == "u" || type == "p") continue;
    const Path entry = list / i;
    report.expected(entry / "type", "one of c, b, u, p", type);
  }
}

void device_paths(const Linux& linux_, const Report& report) {
  const Path list = report.at / "devices";
  for (std::size_t i = 0; i < linux_.devices.size(); ++i) {
    const std::string& path = linux_.devices[i].path;
    if (is_absolute(path)) continue;
    const Path entry = list / i;
    report.expected(entry / "path", "an absolute path", path);
  }
}

// mknod(2) cuts a number that does not fit dev_t silently, which would make another device.
void device_number(const std::optional<int64_t>& number,
                   int64_t max,
                   const Path& path,
                   const Report& report) {
  if (!number) return report.broken(path, "this required property is missing");
  if (*number < 0 || *number > max) {
    report.expected(path, "an integer from 0 to " + std::to_string(max), *number);
  }
}

void device_numbers(const Linux& linux_, const Report& report) {
  constexpr int64_t kMaxMajor = (1 << 12) - 1;  // MINORBITS of linux/kdev_t.h
  constexpr int64_t kMaxMinor = (1 << 20) - 1;
  const Path list = report.at / "devices";
  for (std::size_t i = 0; i < linux_.devices.size(); ++i) {
    const Device& device = linux_.devices[i];
    if (device.type == "p") continue;
    const Path entry = list / i;
    device_number(device.major, kMaxMajor, entry / "major", report);
    device_number(device.minor, kMaxMinor, entry / "minor", report);
  }
}

// LX-024: the container's cgroup stays below the place that the runtime chose.
void cgroups_path(const Linux& linux_, const Report& report) {
  const auto& path = linux_.cgroups_path;
  if (!path) return;
  if (has_dotdot(*path)) report.expected(report.at / "cgroupsPath", "a path without '..'", *path);
  if (has_newline(*path)) report.expected(report.at / "cgroupsPath", "one line", *path);
  // NAME_MAX and PATH_MAX, with room for the hierarchy's mount point: found here, nothing is left
  // half made.
  constexpr std::size_t kMaxName = 255;
  constexpr std::size_t kMaxPath = 3840;
  const auto parts = split(*path, '/');
  const bool long_name = std::any_of(
      parts.begin(), parts.end(), [](std::string_view part) { return part.size() > kMaxName; });
  if (long_name || path->size() > kMaxPath)
    report.expected(report.at / "cgroupsPath", "a path with names of at most 255 bytes", *path);
}

void rootfs_propagation(const Linux& linux_, const Report& report) {
  const auto& value = linux_.rootfs_propagation;
  if (!value || value->empty()) return;
  check_name(kRootfsPropagations, *value, report.at / "rootfsPropagation", report);
}

void absolute_paths(const std::vector<std::string>& paths, const Path& list, const Report& report) {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (!is_absolute(paths[i])) report.expected(list / i, "an absolute path", paths[i]);
  }
}

// LX-086, LX-087.
void masked_paths(const Linux& linux_, const Report& report) {
  absolute_paths(linux_.masked_paths, report.at / "maskedPaths", report);
}
void readonly_paths(const Linux& linux_, const Report& report) {
  absolute_paths(linux_.readonly_paths, report.at / "readonlyPaths", report);
}

void mount_label(const Linux& linux_, const Report& report) {
  if (linux_.mount_label && has_newline(*linux_.mount_label)) {
    report.expected(report.at / "mountLabel", "one line", *linux_.mount_label);
  }
}

// The name of one directory in /sys/fs/resctrl; "/" is its root.
void intel_rdt_clos_id(const Linux& linux_, const Report& report) {
  if (!linux_.intel_rdt || !linux_.intel_rdt->clos_id) return;
  const std::string& id = *linux_.intel_rdt->clos_id;
  const Path path = report.at / "intelRdt";
  if (id == "/" || id.empty()) return;
  if (id == "." || id == ".." || id.find('/') != std::string::npos) {
    report.expected(path / "closID", "'/' or a name without '/'", id);
  }
}

// LX-053 to LX-056.
void intel_rdt_schemas(const Linux& linux_, const Report& report) {
  if (!linux_.intel_rdt) return;
  const IntelRdt& rdt = *linux_.intel_rdt;
  const Path path = report.at / "intelRdt";
  if (rdt.l3_cache_schema && has_newline(*rdt.l3_cache_schema)) {
    report.expected(path / "l3CacheSchema", "one line", *rdt.l3_cache_schema);
  }
  if (rdt.mem_bw_schema && has_newline(*rdt.mem_bw_schema)) {
    report.expected(path / "memBwSchema", "one line", *rdt.mem_bw_schema);
  }
  if (rdt.mem_bw_schema && !rdt.mem_bw_schema->empty() && !rdt.mem_bw_schema->starts_with("MB:")) {
    report.expected(path / "memBwSchema", "a line that starts with MB:", *rdt.mem_bw_schema);
  }
  const Path schemata = path / "schemata";
  for (std::size_t i = 0; i < rdt.schemata.size(); ++i) {
    if (has_newline(rdt.schemata[i])) report.expected(schemata / i, "one line", rdt.schemata[i]);
  }
}

void memory_policy_names(const Linux& linux_, const Report& report) {
  if (!linux_.memory_policy) return;
  const Path path = report.at / "memoryPolicy";
  check_name(kMemoryPolicyModes, linux_.memory_policy->mode, path / "mode", report);
  const Path flags = path / "flags";
  for (std::size_t i = 0; i < linux_.memory_policy->flags.size(); ++i) {
    check_name(kMemoryPolicyFlags, linux_.memory_policy->flags[i], flags / i, report);
  }
}

// set_mempolicy(2): which modes take nodes.
void memory_policy_nodes(const Linux& linux_, const Report& report) {
  if (!linux_.memory_policy) return;
  const MemoryPolicy& policy = *linux_.memory_policy;
  const Path object = report.at / "memoryPolicy";
  const Path path = object / "nodes";
  if (!parse_id_list(policy.nodes)) {
    return report.expected(path, "a list like 0-3,7", policy.nodes);
  }
  const bool takes_none = policy.mode == "MPOL_DEFAULT" || policy.mode == "MPOL_LOCAL";
  const bool takes_any = policy.mode == "MPOL_PREFERRED";
  if (takes_none && !policy.nodes.empty()) {
    report.expected(path, "no nodes for " + policy.mode, policy.nodes);
  }
  if (!takes_none && !takes_any && policy.nodes.empty()) {
    report.expected(path, "at least one node for " + policy.mode, policy.nodes);
  }
}

// set_mempolicy(2): the two say opposite things about the numbers.
void memory_policy_flags(const Linux& linux_, const Report& report) {
  if (!linux_.memory_policy) return;
  bool is_static = false;
  bool is_relative = false;
  for (const auto& flag : linux_.memory_policy->flags) {
    is_static = is_static || flag == "MPOL_F_STATIC_NODES";
    is_relative = is_relative || flag == "MPOL_F_RELATIVE_NODES";
  }
  const Path path = report.at / "memoryPolicy";
  if (is_static && is_relative) {
    report.broken(path / "flags",
                  "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
  }
}

void personality(const Linux& linux_, const Report& report) {
  if (!linux_.personality) return;
  const Path path = report.at / "personality";
  check_name(kPersonalityDomains, linux_.personality->domain, path / "domain", report);
  if (!linux_.personality->flags.empty()) {
    report.expected(
        path / "flags", "no flags: the spec defines none", linux_.personality->flags.front());
  }
}

using LinuxRule = void (*)(const Linux&, const Report&);
constexpr LinuxRule kLinuxRules[] = {
    device_types,
    device_paths,
    device_numbers,
    cgroups_path,
    rootfs_propagation,
    masked_paths,
    readonly_paths,
    mount_label,
    intel_rdt_clos_id,
    intel_rdt_schemas,
    memory_policy_names,
    memory_policy_nodes,
    memory_policy_flags,
    personality,
};

}  // namespace

void check_linux(const Linux& linux_, Problems& problems) {
  const Report report{problems, Path("/linux")};
  for (const auto rule : kLinuxRules) rule(linux_, report);
}

}  // namespace corten::spec
