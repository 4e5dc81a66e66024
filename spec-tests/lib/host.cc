#include "host.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "process.h"

namespace spec {
namespace fs = std::filesystem;
namespace {

std::set<std::string> split_options(const std::string& text) {
  std::set<std::string> options;
  std::istringstream stream(text);
  for (std::string option; std::getline(stream, option, ',');) options.insert(option);
  return options;
}

// Undoes the octal escapes of mountinfo (space, tab, newline, backslash).
std::string unescape(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      result += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

void try_write(const std::string& path, const std::string& text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.valid()) (void)!::write(fd.get(), text.data(), text.size());
}

void kill_members(const fs::path& directory) {
  std::istringstream pids(read_file(directory / "cgroup.procs"));
  for (int pid = 0; pids >> pid;) {
    if (pid > 0) ::kill(pid, SIGKILL);
  }
}

void remove_tree(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory, error)) return;
  try_write(directory / "freezer.state", "THAWED");
  try_write(directory / "cgroup.freeze", "0");
  std::vector<fs::path> children;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.is_directory(error) && !entry.is_symlink(error)) children.push_back(entry.path());
  }
  for (const fs::path& child : children) remove_tree(child);
  for (int attempt = 0; attempt < 200 && ::rmdir(directory.c_str()) != 0 && errno == EBUSY;
       ++attempt) {
    kill_members(directory);
    // A killed process leaves its cgroup some time after it is reaped, and v1 has no event for
    // that.
    ::usleep(5000);
  }
}

}  // namespace

MountEntry parse_mount_line(const std::string& line) {
  MountEntry entry;
  std::istringstream stream(line);
  std::string device;
  std::string options;
  stream >> entry.id >> entry.parent >> device >> entry.root >> entry.target >> options;
  entry.root = unescape(entry.root);
  entry.target = unescape(entry.target);
  entry.options = split_options(options);
  for (std::string field; stream >> field && field != "-";) {
    entry.propagation.insert(field.substr(0, field.find(':')));
  }
  std::string super;
  stream >> entry.fstype >> entry.source >> super;
  entry.source = unescape(entry.source);
  entry.super_options = split_options(super);
  return entry;
}

std::vector<MountEntry> own_mounts() {
  std::vector<MountEntry> mounts;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) mounts.push_back(parse_mount_line(line));
  return mounts;
}

std::vector<std::string> CgroupView::mount_points() const {
  std::set<std::string> points;
  for (const auto& [controller, point] : v1) points.insert(point);
  if (!v2.empty()) points.insert(v2);
  return {points.begin(), points.end()};
}

CgroupView read_cgroup_view() {
  static const std::set<std::string> kControllers = {"cpu",
                                                     "cpuacct",
                                                     "cpuset",
                                                     "memory",
                                                     "devices",
                                                     "freezer",
                                                     "blkio",
                                                     "pids",
                                                     "hugetlb",
                                                     "net_cls",
                                                     "net_prio",
                                                     "rdma",
                                                     "misc",
                                                     "perf_event",
                                                     "name=systemd"};
  CgroupView view;
  std::string hidden_by;
  for (const MountEntry& mount : own_mounts()) {
    if (mount.target == "/sys/fs/cgroup") {
      // A later mount over the whole tree hides what was below it.
      view = CgroupView{};
    }
    if (mount.fstype == "cgroup") {
      for (const std::string& option : mount.super_options) {
        if (kControllers.contains(option)) view.v1[option] = mount.target;
      }
    } else if (mount.fstype == "cgroup2" && mount.target.starts_with("/sys/fs/cgroup")) {
      view.v2 = mount.target;
    }
  }
  if (!view.v2.empty()) {
    std::istringstream names(read_file(view.v2 + "/cgroup.controllers"));
    for (std::string name; names >> name;) view.v2_controllers.insert(name);
  }
  return view;
}

void make_cgroup_parent(const CgroupView& view, const std::string& path) {
  for (const std::string& point : view.mount_points()) {
    std::string current = point;
    for (const fs::path& part : fs::path(path).relative_path()) {
      const std::string parent = current;
      current += "/" + part.string();
      ::mkdir(current.c_str(), 0755);
      for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        const std::string value = read_file(parent + file);
        if (point != view.v2 && !value.empty()) try_write(current + file, value);
      }
    }
  }
}

void remove_cgroup(const CgroupView& view, const std::string& path) {
  for (const std::string& point : view.mount_points()) remove_tree(point + path);
}

std::vector<std::string> cgroup_directories(const CgroupView& view, const std::string& path) {
  std::vector<std::string> found;
  for (const std::string& point : view.mount_points()) {
    if (fs::exists(point + path)) found.push_back(point + path);
  }
  return found;
}

uint64_t namespace_inode(int pid, const std::string& type) {
  struct stat status {};
  const std::string path =
      "/proc/" + (pid == 0 ? std::string("self") : std::to_string(pid)) + "/ns/" + type;
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

bool have_capability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  ::syscall(SYS_capget, &header, data);
  const auto index = static_cast<size_t>(capability);
  return ((data[index / 32].effective >> (index % 32)) & 1U) != 0;
}

bool kernel_has_namespace(const std::string& type) { return fs::exists("/proc/self/ns/" + type); }

bool kernel_has_filesystem(const std::string& type) {
  std::istringstream lines(read_file("/proc/filesystems"));
  for (std::string line; std::getline(lines, line);) {
    if (line.substr(line.find('\t') + 1) == type) return true;
  }
  return false;
}

std::vector<std::string> network_interfaces() {
  std::vector<std::string> names;
  if (struct if_nameindex* list = ::if_nameindex(); list != nullptr) {
    for (const struct if_nameindex* entry = list; entry->if_index != 0; ++entry)
      names.emplace_back(entry->if_name);
    ::if_freenameindex(list);
  }
  return names;
}

}  // namespace spec
