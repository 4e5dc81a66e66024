#include "init.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "namespaces.h"
#include "steps/steps.h"
#include <corten/hooks/run.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::stage {

namespace {

Result<> require_mount_namespace(const plan::Plan& plan) {
  if (plan.namespaces.own(CLONE_NEWNS)) return {};
  const char* what = !plan.mounts.empty()           ? "mounts"
                     : plan.rootfs_readonly         ? "root.readonly"
                     : !plan.masked_paths.empty()   ? "linux.maskedPaths"
                     : !plan.readonly_paths.empty() ? "linux.readonlyPaths"
                                                    : nullptr;
  if (what == nullptr) return {};
  return Error(
      ErrorKind::InvalidSpec,
      std::string(what) + " would change the host: add a mount namespace to linux.namespaces");
}

Result<> set_names(const plan::Plan& plan) {
  if (!plan.hostname.empty()) TRY(sys::sethostname(plan.hostname).context("/hostname"));
  if (!plan.domainname.empty()) TRY(sys::setdomainname(plan.domainname).context("/domainname"));
  return {};
}

// The runtime runs the hooks that live in its namespaces while the rootfs is complete and not yet
// entered.
Result<> wait_for_host_hooks(InitContext& init) {
  if (!init.input.hooks_before_pivot) return {};
  TRY(init.input.channel.send(proto::HooksRequest{}));
  TRY(init.input.channel.expect<proto::Proceed>());
  return {};
}

Result<> run_create_container_hooks(const InitContext& init) {
  if (init.plan.hooks.create_container.empty()) return {};
  return hooks::run_all(init.plan.hooks.create_container,
                        init.input.render_state("creating", getpid()),
                        {.cwd = init.plan.bundle,
                         .stdout_fd = init.input.hook_stdout,
                         .stderr_fd = init.input.hook_stderr});
}

// Reads as the table of contents of a container.
Result<> build_container(InitContext& init) {
  TRY(sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, SIGKILL));
  if (init.input.waits_for_parent) TRY(init.input.channel.expect<proto::Proceed>());
  TRY(sys::setsid());
  TRY(require_mount_namespace(init.plan));
  TRY(set_names(init.plan));
  if (!init.input.loopback_meanwhile) TRY(bring_up_loopback(init.plan.namespaces));
  if (!init.plan.namespaces.joins(CLONE_NEWNS)) {
    TRY(prepare_rootfs(init));
    TRY(mount_all(init));
    TRY(make_devices(init));
    TRY(make_mounts_readonly(init));
  }
  TRY(apply_sysctls(init));
  if (init.plan.process) init.labels = TRY(open_labels(*init.plan.process, init.input.proc.get()));
  TRY(wait_for_host_hooks(init));
  TRY(run_create_container_hooks(init));
  init.input.proc.reset();  // no directory of the host is open once its tree is gone
  if (!init.plan.namespaces.joins(CLONE_NEWNS)) TRY(enter_rootfs(init));
  TRY(set_up_terminal(init));
  TRY(mask_paths(init));
  TRY(protect_paths(init));
  TRY(make_root_readonly(init));
  init.root.reset();
  init.pseudo_mounts.clear();
  if (init.plan.process) TRY(prepare_program(*init.plan.process, init.plan.id, init.program));
  return {};
}

// As the first process of a PID namespace, init would ignore these; until the program runs they end
// it, as they would end the program.
void die_of(int signal) { _exit(128 + signal); }

void listen_to_signals() {
  struct sigaction action {};
  action.sa_handler = die_of;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE})
    sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);  // an attached run has blocked what it passes on
}

// "Ready" and "created": from the Proceed on, the record on disk knows this process and it may
// outlive the runtime. End of file in between means that the runtime died: so does init.
Result<> report_ready(InitContext& init) {
  TRY(sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, 0));
  TRY(init.input.channel.send(proto::Ready{}));
  const Result<sys::UniqueFd> answer = init.input.channel.expect<proto::Proceed>();
  if (!answer) _exit(1);
  init.input.channel.close();
  return {};
}

// Waits for `start`. A client that goes away without having said Start is forgotten.
Result<proto::Channel> wait_for_start(InitContext& init) {
  for (;;) {
    sys::UniqueFd connection = TRY(sys::accept(init.input.start_socket.get()));
    proto::Channel client(std::move(connection));
    if (client.expect<proto::Start>()) return client;
  }
}

Result<> run_start_container_hooks(const InitContext& init) {
  if (init.plan.hooks.start_container.empty()) return {};
  return hooks::run_all(
      init.plan.hooks.start_container,
      init.input.render_state("created", getpid()),
      {.cwd = "/", .stdout_fd = init.input.hook_stdout, .stderr_fd = init.input.hook_stderr});
}

Result<> start_steps(InitContext& init) {
  TRY(run_start_container_hooks(init));
  if (!init.plan.process)
    return Error(ErrorKind::WrongState,
                 "the container has no process to start: /process is not set");
  return {};
}

Error become_program(InitContext& init, const proto::Channel& client) {
  const Result<> started = start_steps(init);
  if (!started) return started.error();
  return confine_and_execute({&*init.plan.process, &*init.program, init.labels.borrow(), &client});
}

}  // namespace

void init_main(CreateInput& input) noexcept {
  InitContext init{input, *input.plan, {}, {}, {}, {}, {}, {}};
  Result<> built = build_container(init);
  if (built) {
    listen_to_signals();
    built = report_ready(init);
  }
  if (!built) {
    input.channel.send_failure(built.error());
    _exit(1);
  }
  Result<proto::Channel> client = wait_for_start(init);
  if (!client) _exit(1);
  input.start_socket.reset();
  const Error error = become_program(init, *client);
  client->send_failure(error);
  _exit(1);
}

}  // namespace corten::stage
