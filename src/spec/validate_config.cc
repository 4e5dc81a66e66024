// Rules of config.md: the top level, root, mounts, hooks, annotations.
#include "rules.h"
#include <corten/spec/names.h>

namespace corten::spec {

namespace {

constexpr std::size_t kMaxUtsName = 64;  // __NEW_UTS_LEN of linux/utsname.h

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kIdentifier =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";

// SemVer 2.0.0 item 2, 9: digits without a leading zero.
bool is_semver_number(std::string_view text) {
  if (text.empty() || text.find_first_not_of(kDigits) != std::string_view::npos) return false;
  return text.size() == 1 || text.front() != '0';
}

// SemVer 2.0.0 items 9 (pre-release: numbers without a leading zero) and 10 (build metadata).
enum class LeadingZeros { Refused, Allowed };
bool are_identifiers(std::string_view text, LeadingZeros zeros) {
  for (const auto part : split(text, '.')) {
    if (part.empty() || part.find_first_not_of(kIdentifier) != std::string_view::npos) return false;
    const bool numeric = part.find_first_not_of(kDigits) == std::string_view::npos;
    if (zeros == LeadingZeros::Refused && numeric && !is_semver_number(part)) return false;
  }
  return true;
}

bool is_semver(std::string_view text) {
  if (const auto plus = text.find('+'); plus != std::string_view::npos) {
    if (!are_identifiers(text.substr(plus + 1), LeadingZeros::Allowed)) return false;
    text = text.substr(0, plus);
  }
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    if (!are_identifiers(text.substr(dash + 1), LeadingZeros::Refused)) return false;
    text = text.substr(0, dash);
  }
  const auto core = split(text, '.');
  if (core.size() != 3) return false;
  for (const auto number : core) {
    if (!is_semver_number(number)) return false;
  }
  return true;
}

// CF-001. A newer 1.x is accepted: minor versions only add properties, and unknown ones are
// ignored.
void oci_version(const Spec& spec, const Report& report) {
  const Path path = report.at / "ociVersion";
  if (!is_semver(spec.oci_version)) {
    report.expected(path, "a SemVer 2.0.0 version like 1.3.0", spec.oci_version);
  } else if (!spec.oci_version.starts_with("1.")) {
    report.expected(path, "major version 1", spec.oci_version);
  }
}

void root_path(const Spec& spec, const Report& report) {
  const Path root = report.at / "root";
  if (!spec.root) return report.broken(root, "this required property is missing");
  if (spec.root->path.empty()) report.expected(root / "path", "a path", spec.root->path);
}

// config.md "Hostname", "Domainname": in the runtime's own UTS namespace they would rename the
// host.
void uts_name(const std::optional<std::string>& value,
              std::string_view name,
              const Spec& spec,
              const Report& report) {
  if (!value || value->empty()) return;
  const Path path = report.at / name;
  if (value->size() > kMaxUtsName) report.expected(path, "at most 64 bytes", *value);
  if (!find_namespace(spec, "uts").listed) {
    report.broken(
        path, "this property needs a UTS namespace of the container's own in /linux/namespaces");
  }
}
void hostname(const Spec& spec, const Report& report) {
  uts_name(spec.hostname, "hostname", spec, report);
}
void domainname(const Spec& spec, const Report& report) {
  uts_name(spec.domainname, "domainname", spec, report);
}

// CF-121.
void annotation_names(const Spec& spec, const Report& report) {
  const Path annotations = report.at / "annotations";
  for (const auto& [name, value] : spec.annotations) {
    if (name.empty()) report.broken(annotations / name, "expected a name, found ''");
  }
}

using ConfigRule = void (*)(const Spec&, const Report&);
constexpr ConfigRule kConfigRules[] = {
    oci_version, root_path, hostname, domainname, annotation_names};

void mount_destination(const Mount& mount, const Report& report) {
  if (mount.destination.empty())
    report.expected(report.at / "destination", "a path", mount.destination);
}

// CF-082.
void mount_mappings_together(const Mount& mount, const Report& report) {
  if (mount.uid_mappings.empty() == mount.gid_mappings.empty()) return;
  const bool lacks_uid = mount.uid_mappings.empty();
  report.broken(report.at / (lacks_uid ? "uidMappings" : "gidMappings"),
                lacks_uid ? "this property is required since gidMappings is given"
                          : "this property is required since uidMappings is given");
}

using MountRule = void (*)(const Mount&, const Report&);
constexpr MountRule kMountRules[] = {mount_destination, mount_mappings_together};

// CF-095.
void hook_path(const Hook& hook, const Report& report) {
  if (!is_absolute(hook.path)) report.expected(report.at / "path", "an absolute path", hook.path);
}

// CF-096.
void hook_timeout(const Hook& hook, const Report& report) {
  if (hook.timeout && *hook.timeout <= 0) {
    report.expected(report.at / "timeout", "more than 0 seconds", *hook.timeout);
  }
}

using HookRule = void (*)(const Hook&, const Report&);
constexpr HookRule kHookRules[] = {hook_path, hook_timeout};

void check_hook_list(const std::vector<Hook>& hooks, HookKind kind, Problems& problems) {
  const Path root("/hooks");
  const Path list = root / kHookKinds.name_of(kind);
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    const Report report{problems, list / i};
    for (const auto rule : kHookRules) rule(hooks[i], report);
  }
}

}  // namespace

void check_config(const Spec& spec, Problems& problems) {
  const Report report{problems, Path()};
  for (const auto rule : kConfigRules) rule(spec, report);
}

void check_mounts(const std::vector<Mount>& mounts, Problems& problems) {
  const Path list("/mounts");
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    const Report report{problems, list / i};
    for (const auto rule : kMountRules) rule(mounts[i], report);
  }
}

void check_hooks(const Hooks& hooks, Problems& problems) {
  check_hook_list(hooks.prestart, HookKind::Prestart, problems);
  check_hook_list(hooks.create_runtime, HookKind::CreateRuntime, problems);
  check_hook_list(hooks.create_container, HookKind::CreateContainer, problems);
  check_hook_list(hooks.start_container, HookKind::StartContainer, problems);
  check_hook_list(hooks.poststart, HookKind::Poststart, problems);
  check_hook_list(hooks.poststop, HookKind::Poststop, problems);
}

}  // namespace corten::spec
