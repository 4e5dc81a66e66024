#include "criu_mapping.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include <fmt/format.h>

#include <corten/base/flags.h>
#include <corten/base/strings.h>
#include <corten/plan/build.h>
#include <corten/sys/file.h>

namespace corten::runtime::criu {

namespace {

constexpr Named<CgroupMode> kModeEntries[] = {Named<CgroupMode>{"soft", CgroupMode::Soft},
                                              Named<CgroupMode>{"full", CgroupMode::Full},
                                              Named<CgroupMode>{"strict", CgroupMode::Strict},
                                              Named<CgroupMode>{"ignore", CgroupMode::Ignore}};
constexpr NameTable kModes(kModeEntries);

constexpr Named<NetworkLock> kLockEntries[] = {
    Named<NetworkLock>{"iptables", NetworkLock::Iptables},
    Named<NetworkLock>{"nftables", NetworkLock::Nftables},
    Named<NetworkLock>{"skip", NetworkLock::Skip}};
constexpr NameTable kLocks(kLockEntries);

// "cpu,cpuacct", "systemd", "unified": the directory of a hierarchy in the container's cgroup
// mount.
std::string hierarchy_name(const cgroup::Location& location) {
  if (location.v2) return "unified";
  std::string name;
  for (const auto& controller : location.controllers) {
    if (!name.empty()) name += ',';
    name += controller.starts_with("name=") ? controller.substr(5) : controller;
  }
  return name;
}

// Where the container's cgroup mount shows the directories of the host, when it binds them: see
// stage/steps/cgroup_mount.cc.
void add_cgroup_mounts(const plan::Mount& mount,
                       const Record& record,
                       std::vector<std::pair<std::string, std::string>>& mounts) {
  if ((record.namespaces & CLONE_NEWCGROUP) != 0) return;  // filesystems of its own
  const auto& locations = record.cgroup.locations;
  for (const auto& location : locations) {
    const bool alone = location.v2 && locations.size() == 1;
    const std::string below = alone ? "" : "/" + hierarchy_name(location);
    mounts.emplace_back(mount.destination + below, location.mount_point + location.path);
  }
}

Result<> add_page_server(const std::string& given, Options& options) {
  if (given.empty()) return {};
  const auto colon = given.rfind(':');
  const auto port = colon == std::string::npos
                        ? std::nullopt
                        : parse_integer<uint16_t>(std::string_view(given).substr(colon + 1));
  if (!port || *port == 0 || colon == 0) {
    return Error(ErrorKind::InvalidArgument,
                 "--page-server takes ADDRESS:PORT, not " + quote(given));
  }
  options.page_server_address = given.substr(0, colon);
  options.page_server_port = *port;
  return {};
}

// A file of the container's own may hold options that corten does not know.
std::string config_file(const Record& record) {
  for (const auto& [key, value] : record.annotations) {
    if (key == "org.criu.config") return value;
  }
  for (const char* path : {"/etc/criu/corten.conf", "/etc/criu/runc.conf"}) {
    if (sys::fstatat(AT_FDCWD, path, 0)) return path;
  }
  return {};
}

}  // namespace

std::vector<std::pair<std::string, std::string>> external_mounts(const plan::Plan& plan,
                                                                 const Record& record) {
  std::vector<std::pair<std::string, std::string>> mounts;
  for (const auto& mount : plan.mounts) {
    if (mount.kind == plan::MountKind::Bind) mounts.emplace_back(mount.destination, mount.source);
    if (mount.kind == plan::MountKind::Cgroup) add_cgroup_mounts(mount, record, mounts);
  }
  if (plan.rootless_devices) {
    for (const auto& device : plan.devices) mounts.emplace_back(device.path, device.path);
  }
  return mounts;
}

std::vector<std::string> masked_files(const plan::Plan& plan, pid_t pid) {
  std::vector<std::string> files;
  for (const auto& path : plan.masked_paths) {
    // Only looked at: what is there was put there by create.
    const Result<struct stat> status =
        sys::fstatat(AT_FDCWD, fmt::format("/proc/{}/root{}", pid, path), AT_SYMLINK_NOFOLLOW);
    if (status && !S_ISDIR(status->st_mode)) files.push_back(path);
  }
  return files;
}

std::string external_namespace_key(int flag) {
  if (flag == CLONE_NEWNET) return "extRootNetNS";
  return flag == CLONE_NEWPID ? "extRootPidNS" : "";
}

Result<> apply_options(
    const CriuOptions& given, const Record& record, int images_fd, int work_fd, Options& options) {
  options.images_dir_fd = images_fd;
  if (work_fd >= 0) options.work_dir_fd = work_fd;
  options.tcp_established = given.tcp_established;
  options.tcp_skip_in_flight = given.tcp_skip_in_flight;
  options.tcp_close = given.tcp_close;
  options.ext_unix_sk = given.ext_unix_sk;
  options.shell_job = given.shell_job;
  options.file_locks = given.file_locks;
  options.link_remap = given.link_remap;
  options.lazy_pages = given.lazy_pages;
  options.auto_dedup = given.auto_dedup;
  options.notify_scripts = true;
  options.orphan_pts_master = true;
  options.config_file = config_file(record);
  if (!given.manage_cgroups_mode.empty()) {
    const auto mode = kModes.find(given.manage_cgroups_mode);
    if (!mode)
      return Error(ErrorKind::InvalidArgument,
                   fmt::format("--manage-cgroups-mode takes one of {}, not {}",
                               kModes.names(),
                               quote(given.manage_cgroups_mode)));
    options.cgroup_mode = *mode;
  }
  if (!given.network_lock.empty()) {
    options.network_lock = kLocks.find(given.network_lock);
    if (!options.network_lock)
      return Error(
          ErrorKind::InvalidArgument,
          fmt::format(
              "--network-lock takes one of {}, not {}", kLocks.names(), quote(given.network_lock)));
  }
  for (const auto& name : given.empty_namespaces) {
    if (name != "network")
      return Error(ErrorKind::InvalidArgument, "--empty-ns takes network only, not " + quote(name));
    options.empty_namespaces = CLONE_NEWNET;
  }
  return add_page_server(given.page_server, options);
}

}  // namespace corten::runtime::criu
