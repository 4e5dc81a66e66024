// The child side: stage1 makes or joins the namespaces and forks init; init builds the container
// from the inside and becomes the user's program. Nothing here returns to the caller's frames: the
// functions end in execve(2) or _exit(2), and every failure travels through the channel.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <corten/base/result.h>
#include <corten/cgroup/manager.h>
#include <corten/plan/plan.h>
#include <corten/proto/channel.h>
#include <corten/sys/fd.h>

namespace corten::stage {

// Everything a child inherits. Filled by the runtime before the fork; descriptors are CLOEXEC.
struct CreateInput {
  const plan::Plan* plan = nullptr;
  proto::Channel channel;                // the child's end
  sys::UniqueFd start_socket;            // listening; init accepts `start` here
  cgroup::Entrance* entrance = nullptr;  // closed once it was used
  cgroup::Entrance::WithV2 enter_v2 = cgroup::Entrance::WithV2::No;
  // The parent makes the cgroups while stage1 makes the namespaces, which takes as long.
  bool cgroups_meanwhile = false;
  // stage1 brings up the loopback interface, while init builds the container: nothing of the
  // container runs before stage1 has ended.
  bool loopback_meanwhile = false;
  std::vector<cgroup::Location> cgroup_locations;  // for the container's cgroup mount
  bool private_cgroup_mounts = false;              // the container has an own cgroup namespace
  sys::UniqueFd proc;       // the host's /proc, verified to be a procfs root (O_PATH)
  dev_t rootfs_device = 0;  // what the runtime saw at plan->rootfs; init must see the same
  ino_t rootfs_inode = 0;
  sys::UniqueFd notify_directory;  // NOTIFY_SOCKET proxy directory; empty = none
  // The parent changes something in init's namespaces first and says Proceed then.
  bool waits_for_parent = false;
  bool hooks_before_pivot = false;  // prestart or createRuntime hooks exist: ask for them
  // The hooks' output, -1 = captured. Borrowed, open until the program runs.
  int hook_stdout = -1;
  int hook_stderr = -1;
  // The sources of bind mounts are out of this process's sight: each is asked from the parent.
  bool sources_from_parent = false;
  // Renders the state document for a hook: status word, pid as init sees itself.
  std::function<std::string(const char* status, int pid)> render_state;
};

// Child of the runtime's fork. Never returns.
[[noreturn]] void create_main(CreateInput& input) noexcept;

// What exec needs: the process plan and how to get in.
struct ExecInput {
  const plan::Process* process = nullptr;
  std::string id;  // names the session keyring
  proto::Channel channel;
  cgroup::Entrance* entrance = nullptr;  // closed once it was used
  cgroup::Entrance::WithV2 enter_v2 = cgroup::Entrance::WithV2::No;
  sys::UniqueFd init_pidfd;  // of the container's init
  uint64_t namespaces = 0;   // CLONE_NEW* that differ from the runtime's own
  sys::UniqueFd proc;
  bool waits_for_parent = false;  // as in CreateInput
};

// Child of the runtime's fork. Never returns.
[[noreturn]] void exec_main(ExecInput& input) noexcept;

// What mounts add and mounts remove need.
struct MountsInput {
  enum class Action : uint8_t { Add, Remove };
  Action action = Action::Add;
  const plan::Plan* plan = nullptr;  // its mounts, namespaces and rootfs_propagation count
  proto::Channel channel;            // the child's end: MountFdRequest, then Ready or Failure
  sys::UniqueFd init_pidfd;          // of the container's init
  uint64_t namespaces = 0;           // as in ExecInput; CLONE_NEWNS is among them
  sys::UniqueFd proc;                // the host's /proc, verified (O_PATH)
};

// Child of the runtime's fork. Never returns. An add that fails has undone its own mounts.
[[noreturn]] void mounts_main(MountsInput& input) noexcept;

}  // namespace corten::stage
