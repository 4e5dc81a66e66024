#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <corten/base/strings.h>
#include <corten/host/probe.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::host {

namespace {

constexpr const char* kCgroupRoot = "/sys/fs/cgroup";
constexpr std::size_t kMaxProcText = std::size_t{16} << 20U;
constexpr ino_t kInitialUserNamespace = 0xEFFFFFFDU;  // PROC_USER_INIT_INO of the kernel

// One line of /proc/self/cgroup: "4:memory:/path", "1:name=systemd:/", "0::/".
struct Membership {
  std::string controllers;  // "" = cgroup2
  std::string path;
};

std::vector<Membership> parse_memberships(std::string_view text) {
  std::vector<Membership> all;
  for (const auto line : split(text, '\n')) {
    const auto first = line.find(':');
    if (first == std::string_view::npos) continue;
    const auto second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    all.push_back({std::string(line.substr(first + 1, second - first - 1)),
                   std::string(line.substr(second + 1))});
  }
  return all;
}

std::vector<std::string> words(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (const auto part : split(text, separator)) {
    const auto word = trim(part);
    if (!word.empty()) out.emplace_back(word);
  }
  return out;
}

bool is_filesystem(const std::string& path, long magic) {
  const Result<struct statfs> status = sys::statfs(path);
  return status && status->f_type == magic;
}

// Somebody else's file system, or one that cannot be looked at, is not the usual layout.
enum class Presence { Mounted, Missing, Unclear };

Presence hierarchy_at(const std::string& path, long magic) {
  const Result<struct statfs> status = sys::statfs(path);
  if (status) return status->f_type == magic ? Presence::Mounted : Presence::Missing;
  return status.error().errno_value() == ENOENT ? Presence::Missing : Presence::Unclear;
}

std::string read_controllers(const std::string& mount_point) {
  return sys::read_file(mount_point + "/cgroup.controllers", kMaxProcText).value_or("");
}

// Every distribution mounts the hierarchies below /sys/fs/cgroup under the names of their
// controllers. nullopt: this host is different.
std::optional<plan::CgroupFacts> usual_layout(const std::vector<Membership>& memberships) {
  plan::CgroupFacts facts;
  const std::string root = kCgroupRoot;
  if (is_filesystem(root, CGROUP2_SUPER_MAGIC)) {
    const auto own = std::find_if(memberships.begin(),
                                  memberships.end(),
                                  [](const Membership& one) { return one.controllers.empty(); });
    facts.v2.push_back(
        {root, own == memberships.end() ? "/" : own->path, words(read_controllers(root), ' ')});
    return facts;
  }
  for (const auto& one : memberships) {
    if (one.controllers.empty()) {
      const std::string unified = root + "/unified";
      const Presence presence = hierarchy_at(unified, CGROUP2_SUPER_MAGIC);
      if (presence == Presence::Unclear) return std::nullopt;
      if (presence == Presence::Mounted)
        facts.v2.push_back({unified, one.path, words(read_controllers(unified), ' ')});
      continue;
    }
    const bool named = one.controllers.starts_with("name=");
    const std::string mount_point =
        root + "/" + (named ? one.controllers.substr(5) : one.controllers);
    const Presence presence = hierarchy_at(mount_point, CGROUP_SUPER_MAGIC);
    if (presence == Presence::Mounted) {
      facts.v1.push_back({words(one.controllers, ','), mount_point, one.path});
    } else if (!named || presence == Presence::Unclear) {
      return std::nullopt;  // a controller that is in use and mounted somewhere else
    }
  }
  return facts;
}

// A line of mountinfo: "36 35 98:0 /root /mount/point options - type source super,options"
// (proc(5)).
struct MountLine {
  std::string_view root;
  std::string_view mount_point;
  std::string_view type;
  std::string_view super_options;
};

std::optional<MountLine> parse_mount_line(std::string_view line) {
  const auto dash = line.find(" - ");
  if (dash == std::string_view::npos) return std::nullopt;
  const auto before = split(line.substr(0, dash), ' ');
  const auto after = split(line.substr(dash + 3), ' ');
  if (before.size() < 6 || after.size() < 3) return std::nullopt;
  return MountLine{before[3], before[4], after[0], after[2]};
}

bool has_controllers(std::string_view super_options, const std::vector<std::string>& controllers) {
  const auto options = split(super_options, ',');
  return std::all_of(controllers.begin(), controllers.end(), [&](const std::string& name) {
    return std::find(options.begin(), options.end(), name) != options.end();
  });
}

uint64_t bounding_set(int& last_capability) {
  uint64_t set = 0;
  for (int capability = 0; capability < 64; ++capability) {
    const int held = ::prctl(PR_CAPBSET_READ, static_cast<unsigned long>(capability), 0, 0, 0);
    if (held < 0) break;  // EINVAL: the kernel knows no further one
    last_capability = capability;
    if (held == 1) set |= uint64_t{1} << static_cast<unsigned>(capability);
  }
  return set;
}

bool starts_with_y(const std::string& path) {
  const Result<sys::UniqueFd> file = sys::openat2_existing(AT_FDCWD, path, O_RDONLY, 0);
  return file && file->valid() && sys::read_all(file->get(), 16).value_or("N").starts_with('Y');
}

// The user's own manager, or the system's when root has left its socket to somebody else.
bool is_user_manager(uid_t euid) {
  if (euid != 0) return true;
  constexpr const char* kSocket = "/run/systemd/private";
  if (!sys::exists(AT_FDCWD, kSocket)) return false;
  const Result<struct stat> manager = sys::fstatat(AT_FDCWD, kSocket, 0);
  return manager && manager->st_uid != 0;
}

}  // namespace

plan::CgroupFacts cgroups_from_mountinfo(std::string_view self_cgroup,
                                         std::string_view mountinfo,
                                         std::string_view controllers) {
  plan::CgroupFacts facts;
  const auto memberships = parse_memberships(self_cgroup);
  const auto lines = split(mountinfo, '\n');
  for (const auto& one : memberships) {
    const bool unified = one.controllers.empty();
    const std::vector<std::string> names = words(one.controllers, ',');
    for (const auto text : lines) {
      const auto line = parse_mount_line(text);
      if (!line || line->type != (unified ? "cgroup2" : "cgroup")) continue;
      if (!unified && !has_controllers(line->super_options, names)) continue;
      const std::string mount_point(line->mount_point);
      if (unified) {
        facts.v2.push_back({mount_point, one.path, words(controllers, ' ')});
      } else {
        facts.v1.push_back({names, mount_point, one.path});
      }
      break;
    }
  }
  return facts;
}

namespace {

Result<plan::CgroupFacts> probe_cgroups() {
  const std::string self = TRY(sys::read_file("/proc/self/cgroup", kMaxProcText));
  std::optional<plan::CgroupFacts> usual = usual_layout(parse_memberships(self));
  if (usual) return std::move(*usual);
  const std::string mountinfo = TRY(sys::read_file("/proc/self/mountinfo", kMaxProcText));
  plan::CgroupFacts facts = cgroups_from_mountinfo(self, mountinfo, "");
  if (facts.v2.empty()) return facts;
  return cgroups_from_mountinfo(self, mountinfo, read_controllers(facts.v2.front().mount_point));
}

}  // namespace

Result<plan::HostFacts> probe() {
  plan::HostFacts facts = TRY(probe_without_cgroups());
  facts.cgroup = TRY(probe_cgroups().context("finding the cgroup hierarchies"));
  return facts;
}

Result<plan::HostFacts> probe_without_cgroups() {
  plan::HostFacts facts;
  facts.euid = ::geteuid();
  facts.egid = ::getegid();
  const sys::CapabilitySets own = TRY(sys::capget());
  facts.permitted_capabilities = own.permitted;
  facts.bounding_capabilities = bounding_set(facts.last_capability);
  // Not the uid_map: a nested namespace may map every id to itself.
  const Result<struct stat> userns = sys::fstatat(AT_FDCWD, "/proc/self/ns/user", 0);
  facts.initial_user_namespace = !userns || userns->st_ino == kInitialUserNamespace;
  facts.user_manager = is_user_manager(facts.euid);
  facts.privileged =
      facts.initial_user_namespace && (own.effective & (uint64_t{1} << CAP_SYS_ADMIN)) != 0;
  facts.apparmor = starts_with_y("/sys/module/apparmor/parameters/enabled");
  facts.selinux =
      sys::exists(AT_FDCWD, "/sys/fs/selinux") && is_filesystem("/sys/fs/selinux", SELINUX_MAGIC);
  return facts;
}

}  // namespace corten::host
