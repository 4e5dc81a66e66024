#include "directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include <corten/base/strings.h>
#include <corten/sys/file.h>

namespace corten::cgroup {

namespace {

constexpr std::size_t kMaxControlFile = std::size_t{16} << 20U;

Result<sys::UniqueFd> open_mount_point(const Location& location) {
  return sys::open(location.mount_point, O_RDONLY | O_DIRECTORY);
}

std::vector<std::string> components_of(const std::string& path) {
  std::vector<std::string> parts;
  for (const auto part : split(path, '/')) {
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

// The first `count` components, relative to the mount point; "." for none.
std::string prefix(const std::vector<std::string>& parts, std::size_t count) {
  std::string path = ".";
  for (std::size_t i = 0; i < count; ++i) path += "/" + parts[i];
  return path;
}

Result<std::string> read_in(int dir_fd, const std::string& file) {
  return sys::read_file_at(dir_fd, file, kMaxControlFile);
}

// Directories below, bottom-up. False: some process still lives in one of them.
Result<bool> remove_below(int dir_fd) {
  const auto names = sys::list_directory(dir_fd);
  if (!names) return true;  // somebody else has removed it in between
  for (const auto& name : *names) {
    const Result<struct stat> status = sys::fstatat(dir_fd, name, AT_SYMLINK_NOFOLLOW);
    if (!status || !S_ISDIR(status->st_mode)) continue;
    const Result<sys::UniqueFd> child =
        sys::openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!child) continue;  // removed in between
    const bool clear = TRY(remove_below(child->get()));
    if (!clear) return false;
    const Result<> removed = sys::unlinkat(dir_fd, name, AT_REMOVEDIR);
    if (removed || removed.error().errno_value() == ENOENT) continue;
    if (removed.error().errno_value() == EBUSY) return false;
    return removed.error();
  }
  return true;
}

void parse_pids(std::string_view text, std::vector<pid_t>& pids) {
  for (const auto line : split(text, '\n')) {
    const auto pid = parse_integer<pid_t>(line);
    if (pid && *pid > 0) pids.push_back(*pid);
  }
}

Result<> collect(int dir_fd, std::vector<pid_t>& pids) {
  const Result<std::string> own = read_in(dir_fd, "cgroup.procs");
  // EOPNOTSUPP: a threaded cgroup, whose processes are listed by its domain.
  if (own) parse_pids(*own, pids);
  const auto names = sys::list_directory(dir_fd);
  if (!names) return {};  // removed in between
  for (const auto& name : *names) {
    const Result<struct stat> status = sys::fstatat(dir_fd, name, AT_SYMLINK_NOFOLLOW);
    if (!status || !S_ISDIR(status->st_mode)) continue;
    const Result<sys::UniqueFd> child =
        sys::openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (child) TRY(collect(child->get(), pids));
  }
  return {};
}

}  // namespace

std::optional<uint64_t> find_flat_key(std::string_view text, std::string_view key) {
  for (const auto line : split(text, '\n')) {
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return parse_integer<uint64_t>(trim(line.substr(key.size())));
  }
  return std::nullopt;
}

bool Directory::has(std::string_view controller) const {
  return std::find(location_.controllers.begin(), location_.controllers.end(), controller) !=
         location_.controllers.end();
}

Result<int> Directory::mount_point_fd() const {
  if (!mount_.valid()) mount_ = TRY(open_mount_point(location_));
  return mount_.get();
}

Result<int> Directory::fd() const {
  if (!fd_.valid()) {
    const int mount_fd = TRY(mount_point_fd());
    const auto parts = components_of(location_.path);
    fd_ = TRY(sys::openat2(
        mount_fd, prefix(parts, parts.size()), O_RDONLY | O_DIRECTORY, kInsideHierarchy));
  }
  return fd_.get();
}

Result<sys::UniqueFd> Directory::open_for_writing(const std::string& file) const {
  if (fd_.valid()) return sys::openat2(fd_.get(), file, O_WRONLY, kInsideHierarchy);
  const int mount_fd = TRY(mount_point_fd());
  const auto parts = components_of(location_.path);
  return sys::openat2(
      mount_fd, prefix(parts, parts.size()) + "/" + file, O_WRONLY, kInsideHierarchy);
}

Result<sys::UniqueFd> Directory::open_below(const std::string& path) const {
  const int dir = TRY(fd());
  return sys::openat2(dir, path, O_RDONLY | O_DIRECTORY, kInsideHierarchy);
}

Result<Entrance::Later> Directory::entrance_to_be() const {
  const int mount_fd = TRY(mount_point_fd());
  const auto parts = components_of(location_.path);
  sys::UniqueFd mount_point = TRY(sys::duplicate(mount_fd));
  return Entrance::Later{std::move(mount_point), prefix(parts, parts.size()) + "/tasks"};
}

Result<> Directory::create(Existing existing) {
  const int mount_fd = TRY(mount_point_fd());
  const auto parts = components_of(location_.path);
  const std::string whole = prefix(parts, parts.size());
  location_.existing_components = static_cast<unsigned>(parts.size() - 1);
  Result<> made = sys::mkdirat(mount_fd, whole, 0755);
  if (!made && made.error().errno_value() == ENOENT) made = make_parents(mount_fd);
  const bool existed = !made && made.error().errno_value() == EEXIST;
  if (!made && !existed)
    return std::move(made).context(
        [&] { return "in the hierarchy " + quote(location_.mount_point); });
  if (existed && existing == Existing::MustBeUnused) {
    location_.existing_components = static_cast<unsigned>(parts.size());
    TRY(check_unused());
  }
  if (location_.v2) TRY(enable_controllers(mount_fd));
  return has("cpuset") && !location_.v2 ? inherit_cpuset() : Result<>();
}

Result<> Directory::make_parents(int mount_fd) {
  const auto parts = components_of(location_.path);
  bool first_missing = true;
  for (std::size_t count = 1; count <= parts.size(); ++count) {
    const Result<> made = sys::mkdirat(mount_fd, prefix(parts, count), 0755);
    if (made && first_missing) {
      location_.existing_components = static_cast<unsigned>(count - 1);
      first_missing = false;
    }
    if (!made && (made.error().errno_value() != EEXIST || count == parts.size())) return made;
  }
  return {};
}

// Somebody else's cgroup would be limited, killed and removed with this container (LX-023). The
// ones below count as well: an engine's parent of all its containers has no process of its own.
Result<> Directory::check_unused() const {
  const std::string procs = TRY(read("cgroup.procs"));  // EOPNOTSUPP: a threaded cgroup, refused
  const std::string name = location_.mount_point + location_.path;
  std::vector<pid_t> below;
  TRY(collect_pids(below));
  if (!trim(procs).empty() || !below.empty()) {
    return Error(ErrorKind::WrongState,
                 fmt::format("the cgroup {} exists and has processes in it or below: choose "
                             "another linux.cgroupsPath",
                             quote(name)));
  }
  const Result<std::string> frozen = location_.v2 ? read("cgroup.freeze") : read("freezer.state");
  if (frozen &&
      (trim(*frozen) == "1" || trim(*frozen) == "FROZEN" || trim(*frozen) == "FREEZING")) {
    return Error(
        ErrorKind::WrongState,
        fmt::format(
            "the cgroup {} exists and is frozen: thaw it or choose another linux.cgroupsPath",
            quote(name)));
  }
  return {};
}

// A new v1 cpuset is empty, and nothing may enter it before it has cpus and memory nodes. The
// parents may be new as well.
Result<> Directory::inherit_cpuset() const {
  const int mount_fd = TRY(mount_point_fd());
  const auto parts = components_of(location_.path);
  const std::string own = TRY(read_in(mount_fd, prefix(parts, parts.size()) + "/cpuset.cpus"));
  if (!trim(own).empty()) return {};  // cgroup.clone_children of the parent has done it
  const std::size_t existing = location_.existing_components;
  for (const std::string file : {"cpuset.cpus", "cpuset.mems"}) {
    // What was there before has a value, as a rule: it goes to what is new and empty.
    std::string value = TRY(read_in(mount_fd, prefix(parts, existing) + "/" + file));
    if (!trim(value).empty() && existing < parts.size()) {
      for (std::size_t count = existing + 1; count <= parts.size(); ++count)
        TRY(sys::write_file_at(mount_fd, prefix(parts, count) + "/" + file, trim(value)));
      continue;
    }
    value = TRY(read_in(mount_fd, file));
    for (std::size_t count = 1; count <= parts.size(); ++count) {
      const std::string path = prefix(parts, count) + "/" + file;
      const std::string present = TRY(read_in(mount_fd, path));
      if (trim(present).empty()) {
        TRY(sys::write_file_at(mount_fd, path, trim(value)));
      } else {
        value = present;
      }
    }
  }
  return {};
}

// Every controller that a parent has is passed on, level by level: limits and statistics need them,
// and one write a level does it. What cannot be enabled is noticed when a setting needs it.
Result<> Directory::enable_controllers(int mount_fd) const {
  const auto parts = components_of(location_.path);
  for (std::size_t count = 0; count < parts.size(); ++count) {
    const std::string level = prefix(parts, count);
    const std::string available = TRY(read_in(mount_fd, level + "/cgroup.controllers"));
    const std::string enabled = TRY(read_in(mount_fd, level + "/cgroup.subtree_control"));
    const auto present = split(trim(enabled), ' ');
    std::vector<std::string> missing;
    for (const auto name : split(trim(available), ' ')) {
      if (!name.empty() && std::find(present.begin(), present.end(), name) == present.end())
        missing.push_back("+" + std::string(name));
    }
    if (missing.empty()) continue;
    const std::string file = level + "/cgroup.subtree_control";
    const Result<> enabled_all =
        sys::write_file_at(mount_fd, file, fmt::format("{}", fmt::join(missing, " ")));
    // Processes live at this level (no-internal-process rule). The kernel would take the
    // controllers that can be threaded, and then let no ordinary process into any cgroup below
    // (cgroups(7)).
    if (enabled_all || enabled_all.error().errno_value() == EBUSY) continue;
    for (const auto& one : missing)
      (void)sys::write_file_at(mount_fd, file, one);  // one that fails takes the others with it
  }
  return {};
}

Result<bool> Directory::try_remove() const {
  const Result<int> mount_fd = mount_point_fd();
  if (!mount_fd) {
    if (mount_fd.error().errno_value() == ENOENT) return true;  // the hierarchy itself is gone
    return mount_fd.error();
  }
  const auto parts = components_of(location_.path);
  for (std::size_t count = parts.size(); count > location_.existing_components; --count) {
    const bool leaf = count == parts.size();
    Result<> removed = sys::unlinkat(*mount_fd, prefix(parts, count), AT_REMOVEDIR);
    if (!removed && leaf &&
        (removed.error().errno_value() == EBUSY || removed.error().errno_value() == ENOTEMPTY)) {
      const Result<int> dir = fd();
      if (!dir && dir.error().errno_value() == ENOENT) continue;  // removed in between
      if (!dir) return dir.error();
      const bool clear = TRY(remove_below(*dir));
      if (!clear) return false;
      removed = sys::unlinkat(*mount_fd, prefix(parts, count), AT_REMOVEDIR);
    }
    if (removed || removed.error().errno_value() == ENOENT) continue;
    if (leaf && removed.error().errno_value() == EBUSY) return false;
    if (leaf) return removed.error();
    break;  // a parent that others use by now
  }
  return true;
}

Result<std::string> Directory::read(const std::string& file) const {
  const int dir = TRY(fd());
  const sys::UniqueFd opened = TRY(sys::openat2(dir, file, O_RDONLY, kInsideHierarchy));
  return sys::read_all(opened.get(), kMaxControlFile);
}

Result<> Directory::write(const std::string& file, std::string_view value) const {
  const int dir = TRY(fd());
  const sys::UniqueFd opened = TRY(sys::openat2(dir, file, O_WRONLY, kInsideHierarchy));
  return sys::write_once(opened.get(), value);
}

Result<std::optional<uint64_t>> Directory::read_key(const std::string& file,
                                                    std::string_view key) const {
  const std::string text = TRY(read(file));
  return find_flat_key(text, key);
}

Result<> Directory::collect_pids(std::vector<pid_t>& pids) const {
  const Result<int> dir = fd();
  if (!dir) return dir.error().errno_value() == ENOENT ? Result<>() : Result<>(dir.error());
  return collect(*dir, pids);
}

}  // namespace corten::cgroup
