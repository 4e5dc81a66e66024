// Where the container's cgroups are and what is written there.
// Spec: config-linux.md "Cgroups Path", "Cgroup ownership".
#include <linux/sched.h>

#include <algorithm>

#include "builders.h"
#include <corten/base/strings.h>
#include <corten/plan/build.h>

namespace corten::plan {
namespace {

constexpr std::string_view kPathPointer = "/linux/cgroupsPath";
constexpr std::string_view kPropertyPrefix = "org.systemd.property.";
constexpr std::size_t kMaxUnitName = 255;  // systemd.unit(5)

Error path_error(std::string_view message) {
  return Error::spec(std::string(kPathPointer), message);
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

// A path that leaves its place would put the container into somebody else's cgroup.
Result<> place_by_path(const std::string& configured,
                       const BuildOptions& options,
                       const HostFacts& facts,
                       Cgroup& cgroup) {
  if (configured.empty()) {
    cgroup.path = clean_path(options.id);
    // An ordinary user owns nothing at the top, and perhaps nothing at all.
    cgroup.relative = !facts.privileged;
    cgroup.optional = !facts.privileged;
    return {};
  }
  if (has_dotdot(configured)) return path_error("'..' in " + quote(configured));
  if (has_control_characters(configured)) {
    return path_error("control characters in " + quote(configured));
  }
  cgroup.path = clean_path(configured);
  cgroup.relative = !configured.starts_with('/');
  if (cgroup.path == "/") return path_error("the root cgroup belongs to the host");
  return {};
}

// The characters of systemd.unit(5) "Description".
bool valid_unit_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxUnitName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view(":-_.\\@").find(c) != std::string_view::npos;
         });
}

// "a-b.slice" is inside "a.slice": "/a.slice/a-b.slice" (systemd.slice(5)). nullopt: malformed.
std::optional<std::string> slice_path(std::string_view slice) {
  constexpr std::string_view kSuffix = ".slice";
  if (!valid_unit_name(slice) || !slice.ends_with(kSuffix) || slice == kSuffix) return std::nullopt;
  const auto stem = slice.substr(0, slice.size() - kSuffix.size());
  if (stem == "-") return "";
  std::string path;
  std::string prefix;
  for (const auto part : split(stem, '-')) {
    if (part.empty()) return std::nullopt;
    if (!prefix.empty()) prefix += '-';
    prefix += part;
    path += '/' + prefix + std::string(kSuffix);
  }
  return path;
}

// "slice:prefix:name", the form that engines agree on.
Result<> place_by_unit(const std::string& configured,
                       const BuildOptions& options,
                       const HostFacts& facts,
                       Cgroup& cgroup) {
  const std::string text = configured.empty() ? ":corten:" + options.id : configured;
  const auto parts = split(text, ':');
  if (parts.size() != 3 || parts[2].empty()) {
    return path_error("with the systemd driver this is 'slice:prefix:name', not " + quote(text));
  }
  cgroup.slice = parts[0];
  cgroup.user_manager = facts.user_manager;
  if (cgroup.slice.empty()) cgroup.slice = facts.user_manager ? "user.slice" : "system.slice";
  if (cgroup.slice == "-") cgroup.slice = "-.slice";
  const auto parent = slice_path(cgroup.slice);
  if (!parent) return path_error("not a slice: " + quote(cgroup.slice));
  if (parts[2].ends_with(".slice")) {
    cgroup.scope = parts[2];
    const auto own = slice_path(cgroup.scope);
    if (!own || own->empty()) return path_error("not a slice: " + quote(cgroup.scope));
    cgroup.path = *own;  // where a slice is follows from its name alone
    return {};
  }
  if (!parts[1].empty()) cgroup.scope = std::string(parts[1]) + "-";
  cgroup.scope += std::string(parts[2]) + ".scope";
  if (!valid_unit_name(cgroup.scope)) return path_error("not a unit name: " + quote(cgroup.scope));
  cgroup.path = *parent + "/" + cgroup.scope;
  return {};
}

Result<Pairs> systemd_properties(const Pairs& annotations) {
  Pairs properties;
  for (const auto& [key, value] : annotations) {
    if (!std::string_view(key).starts_with(kPropertyPrefix)) continue;
    auto name = key.substr(kPropertyPrefix.size());
    const bool letters = std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    });
    if (name.size() < 3 || !letters) {
      return Error::spec("/annotations/" + pointer_token(key),
                         "not the name of a systemd property: " + quote(name));
    }
    properties.emplace_back(std::move(name), value);
  }
  return properties;
}

// "if and only if the cgroup filesystem is to be mounted read/write"
bool mounts_cgroup_writable(const std::vector<spec::Mount>& mounts) {
  return std::any_of(mounts.begin(), mounts.end(), [](const spec::Mount& mount) {
    const auto& options = mount.options;
    const auto has = [&](std::string_view option) {
      return std::find(options.begin(), options.end(), option) != options.end();
    };
    return mount.source == "cgroup" && clean_path(mount.destination) == "/sys/fs/cgroup" &&
           !has("ro") && !has("rro");
  });
}

// The processes that build the container are not the program's: its limit of tasks is set when they
// are done.
bool comes_late(const CgroupWrite& write) { return write.file == "pids.max"; }

Result<> add_writes(const spec::Resources& resources, const HostFacts& facts, Cgroup& cgroup) {
  auto writes = TRY(build_cgroup_writes(resources, facts.cgroup));
  for (auto& write : writes) {
    auto& list = comes_late(write) ? cgroup.late_writes : cgroup.writes;
    list.push_back(std::move(write));
  }
  return {};
}

// A cgroup below the container's own that an annotation asks for; "" without one.
Result<std::string> annotated_cgroup(const Pairs& annotations,
                                     std::string_view name,
                                     const HostFacts& facts) {
  const std::string value = find_annotation(annotations, name);
  const std::string pointer = "/annotations/" + pointer_token(name);
  if (has_dotdot(value) || has_control_characters(value))
    return Error::spec(pointer,
                       "expected a path below the container's cgroup, found " + quote(value));
  const std::string path = value.empty() ? value : clean_path(value).substr(1);
  if (path.empty()) return path;
  if (facts.cgroup.v2.empty())
    return unsupported(pointer, "a cgroup below the container's own needs cgroup v2");
  return path;
}

}  // namespace

Result<Cgroup> build_cgroup(const spec::Spec& spec,
                            const BuildOptions& options,
                            const HostFacts& facts,
                            const Namespaces& namespaces,
                            const std::vector<Device>& devices) {
  static const spec::Linux kNothing;
  const auto& linux_ = spec.linux_ ? *spec.linux_ : kNothing;
  Cgroup cgroup;
  cgroup.driver = options.cgroup_driver;
  cgroup.own_namespace = namespaces.own(CLONE_NEWCGROUP);
  if (cgroup.driver == CgroupDriver::Disabled) return cgroup;

  const auto configured = linux_.cgroups_path.value_or("");
  if (cgroup.driver == CgroupDriver::Systemd) {
    TRY(place_by_unit(configured, options, facts, cgroup));
    cgroup.systemd_properties = TRY(systemd_properties(spec.annotations));
    cgroup.subgroup = TRY(annotated_cgroup(spec.annotations, kSystemdSubgroup, facts));
  } else {
    TRY(place_by_path(configured, options, facts, cgroup));
  }
  cgroup.delegated = TRY(annotated_cgroup(spec.annotations, kDelegateCgroup, facts));
  if (linux_.resources) TRY(add_writes(*linux_.resources, facts, cgroup));
  // Without privilege no rule can be set, and none is needed: no device can be made, and those that
  // are bound into the container are reached with the user's own rights.
  if (facts.privileged) {
    cgroup.device_rules = build_device_rules(
        linux_.resources ? linux_.resources->devices : std::vector<spec::DeviceRule>{}, devices);
  }
  cgroup.delegate = facts.cgroup.unified() && namespaces.is_new(CLONE_NEWCGROUP) &&
                    mounts_cgroup_writable(spec.mounts);
  return cgroup;
}

}  // namespace corten::plan
