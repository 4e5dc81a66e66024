#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "directory.h"
#include <corten/base/strings.h>
#include <corten/cgroup/entrance.h>
#include <corten/sys/file.h>

namespace corten::cgroup {

namespace {

constexpr std::size_t kMaxCgroupText = std::size_t{1} << 20U;

bool has_controller(const Location& location, std::string_view name) {
  const auto& names = location.controllers;
  return std::find(names.begin(), names.end(), name) != names.end();
}

Location below(const Location& location, const std::string& path) {
  Location further = location;
  further.path = clean_path(location.path + "/" + path);
  return further;
}

std::string name_of(const Location& location) { return location.mount_point + location.path; }

Error not_there(const Location& location) {
  return Error(ErrorKind::NotFound,
               fmt::format("--cgroup: there is no cgroup {}", quote(name_of(location))))
      .with_errno(ENOENT);
}

Result<bool> exists(const Location& location) {
  const Directory directory(location);
  const Result<int> fd = directory.fd();
  if (!fd && fd.error().errno_value() != ENOENT) return fd.error();
  return fd.has_value();
}

// The hierarchies that a --cgroup is about, moved down.
Result<> move_named(const SubCgroup& wanted,
                    const std::vector<Location>& own,
                    std::vector<Location>& locations,
                    std::vector<bool>& moved) {
  for (const auto& controller : wanted.controllers) {
    const auto found = std::find_if(own.begin(), own.end(), [&](const Location& one) {
      return has_controller(one, controller);
    });
    if (found == own.end()) {
      return Error(ErrorKind::InvalidArgument,
                   fmt::format("--cgroup: the container has no cgroup of the controller {}",
                               quote(controller)));
    }
    const auto at = static_cast<std::size_t>(found - own.begin());
    Location target = below(*found, wanted.path);
    if (moved[at] && locations[at].path != target.path) {
      return Error(ErrorKind::InvalidArgument,
                   fmt::format("--cgroup: the hierarchy {} is named twice, with {} and {}",
                               quote(found->mount_point),
                               quote(locations[at].path),
                               quote(target.path)));
    }
    const bool there = TRY(exists(target));
    if (!there) return not_there(target);
    locations[at] = std::move(target);
    moved[at] = true;
  }
  return {};
}

Result<> move_all(const SubCgroup& wanted,
                  const std::vector<Location>& own,
                  std::vector<Location>& locations,
                  std::vector<bool>& moved) {
  bool any = false;
  for (std::size_t at = 0; at < own.size(); ++at) {
    Location target = below(own[at], wanted.path);
    const bool there = TRY(exists(target));
    any = any || there;
    if (!there || moved[at]) continue;
    locations[at] = std::move(target);
    moved[at] = true;
  }
  if (any) return {};
  return own.empty() ? Error(ErrorKind::Unsupported, "--cgroup: the container has no cgroups")
                     : not_there(below(own.front(), wanted.path));
}

}  // namespace

Result<SubCgroup> parse_sub_cgroup(std::string_view text) {
  SubCgroup parsed;
  std::string_view path = text;
  const auto colon = text.find(':');
  const auto bad = [&] {
    return Error(
        ErrorKind::InvalidArgument,
        fmt::format("--cgroup takes PATH or CONTROLLER[,CONTROLLER...]:PATH, not {}", quote(text)));
  };
  if (colon != std::string_view::npos) {
    path = text.substr(colon + 1);
    for (const auto name : split(text.substr(0, colon), ',')) {
      if (name.empty()) return bad();
      parsed.controllers.emplace_back(name);
    }
  }
  if (path.empty()) return bad();
  if (has_dotdot(path)) {
    return Error(ErrorKind::InvalidArgument,
                 fmt::format("--cgroup: {} leads out of the container's cgroup", quote(path)));
  }
  parsed.path = path;
  return parsed;
}

Result<Entrance> open_entrance(const Record& record, const std::vector<SubCgroup>& below) {
  std::vector<Location> locations = record.locations;
  std::vector<bool> moved(locations.size());
  // Those that name their hierarchies first: they are the exceptions from what is meant for all.
  for (const auto& wanted : below) {
    if (!wanted.controllers.empty()) TRY(move_named(wanted, record.locations, locations, moved));
  }
  for (const auto& wanted : below) {
    if (wanted.controllers.empty()) TRY(move_all(wanted, record.locations, locations, moved));
  }
  Entrance entrance;
  for (const auto& location : locations) {
    const Directory directory(location);
    const int dir =
        TRY(directory.fd().context([&] { return "the cgroup " + quote(name_of(location)); }));
    if (location.v2) {
      entrance.v2_dir = TRY(sys::duplicate(dir));
    } else {
      entrance.tasks.push_back(TRY(sys::openat(dir, "tasks", O_WRONLY)));
    }
  }
  return entrance;
}

Result<sys::UniqueFd> open_cgroup_of(const Record& record, pid_t pid) {
  const Error none(ErrorKind::NotFound,
                   "init has left the container's cgroup and nothing else may enter it");
  const auto own = std::find_if(
      record.locations.begin(), record.locations.end(), [](const Location& one) { return one.v2; });
  const auto text = sys::read_file(fmt::format("/proc/{}/cgroup", pid), kMaxCgroupText);
  if (own == record.locations.end() || !text) return none;
  for (const auto line : split(*text, '\n')) {
    constexpr std::string_view kUnified = "0::";
    if (!line.starts_with(kUnified)) continue;
    const std::string_view path = line.substr(kUnified.size());
    const bool inside = path == own->path || path.starts_with(own->path + "/");
    if (!inside || has_dotdot(path)) return none;
    Location location = *own;
    location.path = path;
    const Directory directory(location);
    const Result<int> dir = directory.fd();
    return dir ? sys::duplicate(*dir) : Result<sys::UniqueFd>(none);
  }
  return none;
}

bool is_closed_to_processes(const Error& error) {
  // EBUSY: controllers are enabled for the directories below. EOPNOTSUPP: it became threaded.
  return error.errno_value() == EBUSY || error.errno_value() == EOPNOTSUPP;
}

}  // namespace corten::cgroup
