// Rules about what needs a namespace of the container's own: without one the setting would reach
// the host, or the kernel would refuse it with a bare EINVAL.
#include <algorithm>
#include <set>

#include "rules.h"
#include <corten/spec/names.h>

namespace corten::spec {

namespace {

constexpr uint64_t kIdCount = 4294967295;  // ids 0 to 4294967294
constexpr std::size_t kMaxMappings = 340;  // user_namespaces(7), Linux 4.15

void namespace_types(const Spec& spec, const Report& report) {
  const Path list = report.at / "namespaces";
  for (std::size_t i = 0; i < spec.linux_->namespaces.size(); ++i) {
    const Path entry = list / i;
    check_name(kNamespaceTypes, spec.linux_->namespaces[i].type, entry / "type", report);
  }
}

// LX-008.
void namespaces_unique(const Spec& spec, const Report& report) {
  const Path list = report.at / "namespaces";
  uint64_t seen = 0;
  for (std::size_t i = 0; i < spec.linux_->namespaces.size(); ++i) {
    const std::string& type = spec.linux_->namespaces[i].type;
    const uint64_t flag = kNamespaceTypes.find(type).value_or(0);
    const Path entry = list / i;
    if ((seen & flag) != 0) report.broken(entry / "type", quote(type) + " is given more than once");
    seen |= flag;
  }
}

// LX-003.
void namespace_paths(const Spec& spec, const Report& report) {
  const Path list = report.at / "namespaces";
  for (std::size_t i = 0; i < spec.linux_->namespaces.size(); ++i) {
    const auto& path = spec.linux_->namespaces[i].path;
    if (!path || path->empty() || is_absolute(*path)) continue;
    const Path entry = list / i;
    report.expected(entry / "path", "an absolute path", *path);
  }
}

// One map, as the kernel checks it: user_namespaces(7) "Defining user and group ID mappings".
void check_mappings(const std::vector<IdMapping>& mappings,
                    const Path& list,
                    const Report& report) {
  if (mappings.size() > kMaxMappings) {
    return report.expected(list, "at most 340 mappings", mappings.size());
  }
  const auto overlap = [](uint64_t a, uint64_t b, const IdMapping& x, const IdMapping& y) {
    return a < b + y.size && b < a + x.size;
  };
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    const IdMapping& one = mappings[i];
    const Path entry = list / i;
    const uint64_t last = std::max<uint64_t>(one.container_id, one.host_id) + one.size;
    if (one.size == 0) report.expected(entry / "size", "more than 0", one.size);
    if (last > kIdCount) report.expected(entry / "size", "no id above 4294967294", one.size);
    for (std::size_t k = 0; k < i; ++k) {
      const IdMapping& other = mappings[k];
      if (overlap(one.container_id, other.container_id, one, other) ||
          overlap(one.host_id, other.host_id, one, other)) {
        report.broken(entry, "this mapping overlaps with mapping " + std::to_string(k));
        break;
      }
    }
  }
}

void user_mappings_valid(const Spec& spec, const Report& report) {
  check_mappings(spec.linux_->uid_mappings, report.at / "uidMappings", report);
  check_mappings(spec.linux_->gid_mappings, report.at / "gidMappings", report);
}

void user_mappings_need_namespace(const Spec& spec, const Report& report) {
  if (find_namespace(spec, "user").listed) return;
  constexpr std::string_view kText = "this property needs a user namespace in /linux/namespaces";
  if (!spec.linux_->uid_mappings.empty()) report.broken(report.at / "uidMappings", kText);
  if (!spec.linux_->gid_mappings.empty()) report.broken(report.at / "gidMappings", kText);
}

// Without a map no id exists in the new namespace, and the container could not even become root.
// Engines that join one by path pass the mappings as well; that is accepted.
void new_user_namespace_needs_mappings(const Spec& spec, const Report& report) {
  const auto user = find_namespace(spec, "user");
  if (!user.listed || user.joined) return;
  constexpr std::string_view kText = "a new user namespace needs at least one mapping here";
  if (spec.linux_->uid_mappings.empty()) report.broken(report.at / "uidMappings", kText);
  if (spec.linux_->gid_mappings.empty()) report.broken(report.at / "gidMappings", kText);
}

bool is_mapped(const std::vector<IdMapping>& mappings, uint32_t id) {
  return std::any_of(mappings.begin(), mappings.end(), [&](const IdMapping& one) {
    return id >= one.container_id && id - one.container_id < one.size;
  });
}

// setresuid(2) would give EINVAL when the program is started. What another namespace maps, which is
// joined by its path, is not known here.
void process_ids_mapped(const Spec& spec, const Report& report) {
  const auto user = find_namespace(spec, "user");
  if (!user.listed || user.joined || !spec.process) return;
  const Path process("/process");
  const Path pointer = process / "user";
  const auto check = [&](const std::vector<IdMapping>& mappings,
                         uint32_t id,
                         std::string_view name,
                         std::string_view property) {
    if (mappings.empty() || is_mapped(mappings, id)) return;
    report.expected(pointer / name, "an id that /linux/" + std::string(property) + " maps", id);
  };
  check(spec.linux_->uid_mappings, spec.process->user.uid, "uid", "uidMappings");
  check(spec.linux_->gid_mappings, spec.process->user.gid, "gid", "gidMappings");
}

// time_namespaces(7): offsets can be set only before the first process is in.
void time_offsets(const Spec& spec, const Report& report) {
  const Path path = report.at / "timeOffsets";
  if (spec.linux_->time_offsets.empty()) return;
  const auto time = find_namespace(spec, "time");
  if (!time.listed || time.joined) {
    report.broken(path, "this property needs a new time namespace in /linux/namespaces");
  }
  for (const auto& offset : spec.linux_->time_offsets) {
    check_name(kTimeOffsetClocks, offset.clock, path / offset.clock, report);
    const Path clock = path / offset.clock;
    if (offset.nanosecs > 999999999) {
      report.expected(clock / "nanosecs", "an integer from 0 to 999999999", offset.nanosecs);
    }
  }
}

// dev_valid_name() of the kernel; `%d` is filled in by it (LX-018).
bool is_device_name(std::string_view name) {
  constexpr std::size_t kMaxLength = 15;  // IFNAMSIZ - 1
  if (name.empty() || name.size() > kMaxLength || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<uint8_t>(c) > ' ' && c != '/' && c != ':' && c != 0x7f;
  });
}
bool is_device_template(std::string_view name) {
  const auto percent = name.find('%');
  if (percent == std::string_view::npos) return true;
  return name.substr(percent, 2) == "%d" && name.find('%', percent + 1) == std::string_view::npos;
}

void net_devices_need_namespace(const Spec& spec, const Report& report) {
  if (spec.linux_->net_devices.empty() || find_namespace(spec, "network").listed) return;
  report.broken(
      report.at / "netDevices",
      "this property needs a network namespace of the container's own in /linux/namespaces");
}

void net_device_names(const Spec& spec, const Report& report) {
  const Path path = report.at / "netDevices";
  for (const auto& device : spec.linux_->net_devices) {
    const Path entry = path / device.host_name;
    if (!is_device_name(device.host_name)) {
      report.expected(entry, "the name of a network device", device.host_name);
    }
    if (device.name.empty()) continue;
    if (!is_device_name(device.name) || !is_device_template(device.name)) {
      report.expected(
          entry / "name", "a name for a network device, with at most one %d", device.name);
    }
  }
}

void net_device_targets_unique(const Spec& spec, const Report& report) {
  const Path path = report.at / "netDevices";
  std::set<std::string_view> targets;
  for (const auto& device : spec.linux_->net_devices) {
    const std::string_view target = device.name.empty() ? device.host_name : device.name;
    if (target.find('%') != std::string_view::npos || targets.insert(target).second) continue;
    const Path entry = path / device.host_name;
    report.broken(entry / "name", quote(target) + " is the name of another device, too");
  }
}

void sysctls(const Spec& spec, const Report& report) {
  const Path list = report.at / "sysctl";
  for (const auto& [name, value] : spec.linux_->sysctl) {
    const Path entry = list / name;
    const auto path = sysctl_path(name);
    if (!path) {
      report.broken(entry, path.error().message());
      continue;
    }
    if (has_newline(value)) report.expected(entry, "one line", value);
    if (*path == "kernel/hostname") {
      report.broken(entry, "use the property hostname instead");
      continue;
    }
    const auto type = sysctl_namespace(*path);
    if (type.empty()) {
      report.broken(entry, "this kernel parameter is not namespaced: it would change the host");
    } else if (!find_namespace(spec, type).listed) {
      report.broken(entry,
                    "this kernel parameter needs a " + std::string(type) +
                        " namespace of the container's own in /linux/namespaces");
    }
  }
}

using NamespaceRule = void (*)(const Spec&, const Report&);
constexpr NamespaceRule kNamespaceRules[] = {
    namespace_types,
    namespaces_unique,
    namespace_paths,
    user_mappings_valid,
    user_mappings_need_namespace,
    new_user_namespace_needs_mappings,
    process_ids_mapped,
    time_offsets,
    net_devices_need_namespace,
    net_device_names,
    net_device_targets_unique,
    sysctls,
};

bool has_option(const Mount& mount, std::string_view option) {
  return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
}

// CF-068, CF-069, CF-075, CF-076: an id-mapped mount without mappings takes the user namespace's.
void idmapped_mounts(const Spec& spec, const Report& report) {
  const bool has_user_namespace = find_namespace(spec, "user").listed;
  const Path list = report.at / "mounts";
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    const Mount& mount = spec.mounts[i];
    const Path entry = list / i;
    check_mappings(mount.uid_mappings, entry / "uidMappings", report);
    check_mappings(mount.gid_mappings, entry / "gidMappings", report);
    if (!has_option(mount, "idmap") && !has_option(mount, "ridmap")) continue;
    if (!mount.uid_mappings.empty() || !mount.gid_mappings.empty() || has_user_namespace) continue;
    report.broken(entry / "options",
                  "idmap and ridmap need uidMappings and gidMappings, or a user namespace");
  }
}

}  // namespace

NamespaceUse find_namespace(const Spec& spec, std::string_view type) {
  if (!spec.linux_) return {};
  for (const auto& one : spec.linux_->namespaces) {
    if (one.type == type) return {.listed = true, .joined = one.path && !one.path->empty()};
  }
  return {};
}

void check_namespaces(const Spec& spec, Problems& problems) {
  const Report top{problems, Path()};
  idmapped_mounts(spec, top);
  if (!spec.linux_) return;
  const Report report{problems, Path("/linux")};
  for (const auto rule : kNamespaceRules) rule(spec, report);
}

}  // namespace corten::spec
