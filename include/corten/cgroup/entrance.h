// Ways into a container's cgroups other than its own directories: exec --cgroup, and the cgroup
// that init was moved to by a cgroup manager inside the container. Parent side; the child uses the
// Entrance.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/cgroup/manager.h>
#include <corten/sys/fd.h>

namespace corten::cgroup {

// A cgroup below the container's own.
struct SubCgroup {
  std::vector<std::string> controllers;  // empty: every hierarchy that has such a directory
  std::string path;                      // relative to the container's cgroup, "." = that one
};

// "path" or "controller[,controller...]:path". A leading "/" means the container's cgroup.
// Pure. Errors: InvalidArgument for an empty controller or path and for "..".
Result<SubCgroup> parse_sub_cgroup(std::string_view text);

// Like Manager::entrance(), with the given hierarchies entered further down.
// Errors: NotFound when a directory does not exist, or none of all hierarchies has it;
// InvalidArgument for a controller that the container has no cgroup of, or that is named twice.
Result<Entrance> open_entrance(const Record& record, const std::vector<SubCgroup>& below);

// The cgroup2 directory that the process is in, when it is the container's or one below it.
// Errors: NotFound.
Result<sys::UniqueFd> open_cgroup_of(const Record& record, pid_t pid);

// The container's cgroup2 directory takes no processes any more: a manager inside the container has
// handed controllers on to directories below it (cgroups(7), "no internal processes" rule).
bool is_closed_to_processes(const Error& error);

}  // namespace corten::cgroup
