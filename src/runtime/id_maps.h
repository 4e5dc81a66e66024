// Writing id maps of user namespaces, from outside. Source: user_namespaces(7).
#pragma once

#include <sys/types.h>

#include <vector>

#include <corten/base/result.h>
#include <corten/plan/host_facts.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>

namespace corten::runtime {

// Writes setgroups (deny where the kernel demands it), uid_map and gid_map of the process `pid`,
// which has just made a user namespace. An ordinary user's maps of more than its own id go through
// newuidmap(1) and newgidmap(1).
Result<> write_id_maps(pid_t pid,
                       const std::vector<plan::IdMapping>& uid_map,
                       const std::vector<plan::IdMapping>& gid_map,
                       uid_t euid);

// The id outside that `id` inside stands for; the same id without a map, 0 (the host's root) when
// it is not mapped.
uint32_t host_id(const std::vector<plan::IdMapping>& map, uint32_t id);

// A user namespace with these maps and no process in it: for id-mapped mounts.
Result<sys::UniqueFd> make_user_namespace(const std::vector<plan::IdMapping>& uid_map,
                                          const std::vector<plan::IdMapping>& gid_map);

}  // namespace corten::runtime
