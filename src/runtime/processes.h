// Which processes a container has, also when it has no cgroup to ask.
#pragma once

#include <sys/types.h>

#include <vector>

#include "record.h"
#include <corten/base/result.h>
#include <corten/cgroup/manager.h>

namespace corten::runtime {

// Nothing but the PID namespace holds its processes together.
bool is_without_cgroup(const Record& record);

// The pids as the runtime sees them, in order. Without a cgroup they are those of the container's
// PID namespace, and init alone where it has none of its own.
Result<std::vector<pid_t>> processes_of(const Record& record, const cgroup::Manager& manager);

}  // namespace corten::runtime
