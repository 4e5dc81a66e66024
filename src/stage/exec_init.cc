// exec: another process in a running container. The same two steps as create: one process joins,
// the next is born inside, and the same road leads to the program.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "context.h"
#include "steps/steps.h"
#include <corten/stage/stage.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::stage {

namespace {

// Returns false in stage1 and true in the process that will be the program.
Result<bool> join_steps(ExecInput& input) {
  TRY(sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, SIGKILL));
  TRY(apply_initial_affinity(*input.process));
  TRY(input.entrance->enter_self(input.enter_v2).context("entering the container's cgroups"));
  *input.entrance = {};
  TRY(apply_final_affinity(*input.process));
  TRY(apply_privileged_limits(*input.process, input.proc.get()));
  // Nothing inside may look into this process while it still holds anything of the host
  // (CVE-2016-9962).
  TRY(sys::prctl("PR_SET_DUMPABLE", PR_SET_DUMPABLE, 0));
  if (input.namespaces != 0) {
    TRY(sys::setns(input.init_pidfd.get(), static_cast<int>(input.namespaces))
            .context("joining the container's namespaces"));
  }
  if ((input.namespaces & CLONE_NEWUSER) != 0) {
    TRY(sys::setresgid(0));
    TRY(sys::setresuid(0));
  }
  // The next process is born where the container can see it, and its root may have CAP_SYS_PTRACE.
  if (!needs_label_files(*input.process)) input.proc.reset();
  const pid_t pid =
      TRY(sys::clone3({.flags = CLONE_PARENT, .exit_signal = 0}).context("forking the process"));
  if (pid == 0) return true;
  TRY(input.channel.send(proto::InitSpawned{pid}));
  return false;
}

Result<> prepare(ExecInput& input,
                 LabelSet& labels,
                 sys::UniqueFd& terminal,
                 std::optional<Program>& program) {
  // Before anything else: the attributes are those of the process that opens them, and no directory
  // of the host may stay open in here while this one waits.
  Result<LabelSet> opened = open_labels(*input.process, input.proc.get());
  input.proc.reset();
  input.init_pidfd.reset();
  TRY(sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, SIGKILL));
  if (input.waits_for_parent) TRY(input.channel.expect<proto::Proceed>());
  labels = TRY(std::move(opened));
  TRY(sys::setsid());
  if (input.process->terminal)
    terminal = TRY(allocate_exec_terminal(*input.process, input.channel));
  TRY(prepare_program(*input.process, input.id, program));
  // Until the runtime says so, its pid file and its listeners are not ready for a running program.
  TRY(sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, 0));
  TRY(input.channel.send(proto::Ready{}));
  TRY(input.channel.expect<proto::Proceed>());
  if (terminal.valid()) TRY(adopt_terminal(terminal.get()));
  return {};
}

}  // namespace

void exec_main(ExecInput& input) noexcept {
  const Result<bool> inside = join_steps(input);
  if (!inside) {
    input.channel.send_failure(inside.error());
    _exit(1);
  }
  if (!*inside) _exit(0);
  LabelSet labels;
  sys::UniqueFd terminal;
  std::optional<Program> program;
  const Result<> prepared = prepare(input, labels, terminal, program);
  if (!prepared) {
    input.channel.send_failure(prepared.error());
    _exit(1);
  }
  const Error error =
      confine_and_execute({input.process, &*program, labels.borrow(), &input.channel});
  input.channel.send_failure(error);
  _exit(1);
}

}  // namespace corten::stage
