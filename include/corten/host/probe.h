// Fills HostFacts: what this host can do for a container. On the path of every create, so the usual
// layout is found without parsing mountinfo.
#pragma once

#include <string_view>

#include <corten/base/result.h>
#include <corten/plan/host_facts.h>

namespace corten::host {

// Errors: System when /proc or the cgroup file systems cannot be read.
Result<plan::HostFacts> probe();
// Without the cgroup hierarchies, which a process in an existing container does not ask for.
Result<plan::HostFacts> probe_without_cgroups();

// The hierarchies from /proc/self/cgroup and /proc/self/mountinfo, for hosts with an unusual
// layout. Pure. read_controllers: cgroup.controllers of the cgroup2 mount, "" when there is none.
plan::CgroupFacts cgroups_from_mountinfo(std::string_view self_cgroup,
                                         std::string_view mountinfo,
                                         std::string_view controllers);

}  // namespace corten::host
