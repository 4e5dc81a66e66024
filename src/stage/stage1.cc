// stage1: the short-lived process between the runtime and init. It exists because a PID or time
// namespace takes in children only, and because the maps of a user namespace are best written from
// outside.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "init.h"
#include "namespaces.h"
#include "steps/steps.h"
#include <corten/stage/stage.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::stage {

namespace {

// Forks init as a sibling: its parent is the runtime, which waits for it in `run` and hands it to
// the nearest subreaper otherwise. Returns 0 in init.
Result<pid_t> spawn_init() { return sys::clone3({.flags = CLONE_PARENT, .exit_signal = 0}); }

Result<> enter_cgroups(const CreateInput& input) {
  TRY(input.entrance->enter_self(input.enter_v2).context("entering the container's cgroups"));
  *input.entrance = {};
  return input.plan->process ? apply_final_affinity(*input.plan->process) : Result<>();
}

// Returns false in stage1 and true in init.
Result<bool> create_steps(CreateInput& input) {
  // The runtime may be killed at any instruction; what it started must not outlive it before the
  // container's record is complete.
  TRY(sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, SIGKILL));
  const auto& namespaces = input.plan->namespaces;
  // The cgroup namespace ends at the cgroup that was left: the container sees this one below it.
  const sys::UniqueFd delegated = std::move(input.entrance->v2_delegated);
  if (!input.cgroups_meanwhile) TRY(enter_cgroups(input));
  if (input.plan->process) TRY(apply_privileged_limits(*input.plan->process, input.proc.get()));
  if (!input.cgroups_meanwhile) {
    TRY(enter_namespaces(namespaces, input.channel, 0));
  } else {
    TRY(enter_namespaces(namespaces, input.channel, CLONE_NEWCGROUP));
    TRY(input.channel.send(proto::CgroupsRequest{}));
    TRY(input.channel.expect<proto::Proceed>());
    TRY(enter_cgroups(input));
    if (namespaces.is_new(CLONE_NEWCGROUP))
      TRY(sys::unshare(CLONE_NEWCGROUP).context("making the cgroup namespace"));
  }
  if (delegated.valid())
    TRY(sys::write_once(delegated.get(), "0").context("entering the delegated cgroup"));
  const pid_t pid = TRY(spawn_init().context("forking init"));
  if (pid == 0) return true;
  TRY(input.channel.send(proto::InitSpawned{pid}));
  if (input.loopback_meanwhile) TRY(bring_up_loopback(namespaces));
  return false;
}

}  // namespace

void create_main(CreateInput& input) noexcept {
  const Result<bool> in_init = create_steps(input);
  if (!in_init) {
    input.channel.send_failure(in_init.error());
    _exit(1);
  }
  if (!*in_init) _exit(0);
  init_main(input);
}

}  // namespace corten::stage
