// The steps of init, in the order in which init.cc runs them. Each changes the kernel's state of
// the calling process or of its private mount namespace, and is undone by the process's end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "context.h"
#include "program.h"
#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>

namespace corten::stage {

// --- while the host's tree is visible
// -----------------------------------------------------------------

// Stops propagation to the host, attaches the rootfs as a mount of its own; fills init.root.
Result<> prepare_rootfs(InitContext& init);
// Every entry of `mounts`, in order.
Result<> mount_all(InitContext& init);
// The entry of `mounts` at the position. Errors name it by its JSON pointer.
Result<> mount_at(InitContext& init, std::size_t position);
// /proc is a whole procfs or no mount at all, and nothing is mounted inside it but the files that
// engines replace: what reads it must not be told an image's stories (CVE-2019-16884).
// target_fd: the mount point; mount_fd: what is to be attached there.
Result<> check_proc_target(const plan::Mount& mount, int target_fd, int mount_fd);
// The container's view of its cgroups, for one mount of type "cgroup"; called by mount_all.
Result<> mount_cgroups(InitContext& init, const plan::Mount& mount);
// The read-only tmpfs mounts among them become read-only, once nothing has to be made in them any
// more.
Result<> make_mounts_readonly(InitContext& init);
// Device nodes and the symbolic links of /dev.
Result<> make_devices(InitContext& init);
// Kernel parameters, through the verified host procfs: it shows the caller's own namespaces.
Result<> apply_sysctls(InitContext& init);

// --- the turning point
// ---------------------------------------------------------------------------------

// Makes init.root the root of the mount namespace and lets go of the old one.
Result<> enter_rootfs(InitContext& init);

// --- inside
// -------------------------------------------------------------------------------------------

// Allocates the terminal in the container's devpts, sends its master away, puts it on /dev/console.
Result<> set_up_terminal(InitContext& init);
Result<> mask_paths(InitContext& init);
Result<> protect_paths(InitContext& init);
Result<> make_root_readonly(InitContext& init);

// --- shared by init and exec
// ---------------------------------------------------------------------------

// What needs the privileges of the runtime and must come before a user namespace is entered: raises
// hard rlimits and writes oom_score_adj.
Result<> apply_privileged_limits(const plan::Process& process, int proc_fd);

bool needs_label_files(const plan::Process& process);
// The /proc/self/attr files that the labels are written to, opened while the host's /proc is at
// hand. proc_fd: verified procfs root.
Result<LabelSet> open_labels(const plan::Process& process, int proc_fd);

// Cpu affinity before and after entering the cgroups (process.execCPUAffinity, which only exec
// has). Without a final one it becomes all cpus of the cgroup, whatever the caller was bound to.
Result<> apply_initial_affinity(const plan::Process& process);
Result<> apply_final_affinity(const plan::Process& process);

// exec: a terminal from the container's devpts; its master goes to the runtime.
Result<sys::UniqueFd> allocate_exec_terminal(const plan::Process& process,
                                             const proto::Channel& channel);

// Before the container is "created": session keyring, working directory (made when missing), and
// the check that args[0] can be found, because engines expect these errors from create. Fills
// `program`.
Result<> prepare_program(const plan::Process& process,
                         const std::string& id,
                         std::optional<Program>& program);

// The one road from a privileged process to the user's program, taken by init and exec alike.
struct Confinement {
  const plan::Process* process = nullptr;
  Program* program = nullptr;  // of that process
  LabelFiles labels{};
  // Where SCMP_ACT_NOTIFY's listener goes; null = none.
  const proto::Channel* listener_channel = nullptr;
};
// Limits, labels, credentials in their order, read back and compared, the system-call filter last,
// execve. Returns only on failure.
Error confine_and_execute(const Confinement& confinement);

// Joins the session keyring `name`, or a new one of that name. A kernel without keyrings is fine.
Result<> join_keyring(const std::string& name);
// Makes the terminal fds 0, 1 and 2 and the controlling terminal.
Result<> adopt_terminal(int terminal_fd);

}  // namespace corten::stage
