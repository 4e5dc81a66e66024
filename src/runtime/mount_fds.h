// Mount sources that only the runtime can open: those that an id map changes, and those that a user
// namespace cannot reach.
#pragma once

#include <sys/types.h>

#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>

namespace corten::runtime {

// A detached mount for plan.mounts[index], of the rootfs for proto::kRootfsIndex, or of a device
// node. init: whose user namespace serves where the mount names no mapping of its own. Errors:
// Protocol when nobody may ask for that index.
Result<sys::UniqueFd> open_mount_source(const plan::Plan& plan, uint32_t index, pid_t init);

}  // namespace corten::runtime
