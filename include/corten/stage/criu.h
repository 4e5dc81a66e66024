// The child that becomes CRIU, and the root filesystem that CRIU restores into.
#pragma once

#include <string>
#include <vector>

#include <corten/base/result.h>
#include <corten/cgroup/manager.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>

namespace corten::stage {

// Filled by the runtime before the fork.
struct CriuInput {
  std::string program;    // absolute
  int socket = -1;        // the end of a SEQPACKET pair that CRIU speaks on; survives execve
  int report = -1;        // a pipe, CLOEXEC: end of file = CRIU runs, text = why not
  std::vector<int> keep;  // further descriptors that CRIU inherits
  enum class Stdio : uint8_t { Null, Keep };
  Stdio stdio = Stdio::Null;             // Keep: the restored processes inherit them
  cgroup::Entrance* entrance = nullptr;  // null, or CRIU enters: what it restores starts there
};

// Mounts the plan's rootfs at `root`, an existing host directory, and makes the mount points that a
// new copy of the root filesystem may lack. CRIU wants the root to be a mount point whose parent is
// not covered. Parent side; precondition: the mount namespace is this process's own.
// Errors: System or InvalidSpec, with the mount's pointer.
Result<> mount_restore_root(const plan::Plan& plan, const std::string& root);

// Child of the runtime's fork. Never returns.
[[noreturn]] void criu_main(CriuInput& input) noexcept;

}  // namespace corten::stage
