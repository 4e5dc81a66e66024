// start: tells init to go on, and knows how it went: the connection is closed by execve, or carries
// the reason why there was none.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "container.h"
#include "documents.h"
#include "notify.h"
#include "seccomp_agent.h"
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/hooks/run.h>
#include <corten/proto/channel.h>
#include <corten/spec/parse.h>
#include <corten/spec/validate.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::runtime {

namespace {

Result<> check_startable(const Entry& entry, const Record& record) {
  switch (status_of(entry, record)) {
    case spec::Status::Created:
      break;
    case spec::Status::Stopped:
      return Error(ErrorKind::WrongState, "cannot start a container that has stopped");
    case spec::Status::Creating:
      return Error(ErrorKind::WrongState, "cannot start a container that is being created");
    case spec::Status::Running:
    case spec::Status::Paused:
      return Error(ErrorKind::WrongState, "cannot start an already running container");
  }
  if (record.has_process) return {};
  return Error::spec("/process", "the container has no process to start: its config.json has none");
}

Result<> hand_over_listener(const Record& record, const proto::Channel& init, int listener_fd) {
  const SeccompAgent agent{record.seccomp_listener_path, record.seccomp_listener_metadata};
  TRY(send_seccomp_listener(
      agent, state_document(record, spec::Status::Created), record.init.pid, listener_fd));
  return init.send(proto::Proceed{});
}

// Until end of file: the program runs.
Result<> converse(const Entry& entry, const Record& record) {
  const proto::Channel init(TRY(
      sys::unix_connect(entry.fd(), kStartSocket, SOCK_SEQPACKET).context("connecting to init")));
  TRY(init.send(proto::Start{}));
  for (;;) {
    const std::optional<proto::Envelope> envelope = TRY(init.receive());
    if (!envelope) return {};
    if (!std::holds_alternative<proto::SeccompListener>(envelope->message)) {
      return Error(ErrorKind::Protocol,
                   std::string("init said ") + proto::message_name(envelope->message));
    }
    TRY(hand_over_listener(record, init, envelope->fd.get()));
  }
}

Result<> wait_for_readiness(const NotifyProxy& proxy, const Record& record, Readiness readiness) {
  if (!proxy.active()) return {};
  const sys::UniqueFd pidfd = TRY(sys::pidfd_open(record.init.pid));
  if (readiness == Readiness::Wait) return proxy.run_until_ready(pidfd.get(), record.init.pid);
  const pid_t child = TRY(sys::fork());
  if (child != 0) return {};
  const bool watched = sys::prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, SIGKILL).has_value();
  _exit(watched && proxy.run_until_ready(pidfd.get(), record.init.pid) ? 0 : 1);
}

Result<> let_run(Entry& entry, const Record& record, Readiness readiness) {
  const NotifyProxy proxy = TRY(NotifyProxy::bind(entry.fd(), record.notify_socket));
  TRY(converse(entry, record));
  // The program runs: a socket that nobody listens to any more is no reason to end it.
  const Result<> removed = sys::unlinkat(entry.fd(), kStartSocket, 0);
  if (!removed) log::warning("removing the start socket: " + removed.error().message());
  TRY(wait_for_readiness(proxy, record, readiness));
  if (record.poststart.empty()) return {};
  const hooks::Outputs outputs = TRY(open_hook_outputs(record));
  return hooks::run_all(
      record.poststart,
      hook_state(record, spec::Status::Running, record.init.pid),
      {.cwd = record.bundle, .stdout_fd = outputs.out.get(), .stderr_fd = outputs.err.get()});
}

}  // namespace

Result<> start_container(Entry& entry, const Record& record, Readiness readiness) {
  Result<> running = let_run(entry, record, readiness);
  if (running) return running;
  const Result<std::string> config =
      sys::read_file_at(entry.fd(), kConfigFile, spec::kMaxConfigBytes);
  if (config) running = spec::locate(std::move(running).error(), *config, "config.json");
  const Result<> destroyed = destroy_container(entry, record);
  if (!destroyed)
    log::warning("destroying the container after its start failed: " + destroyed.error().message());
  return running;
}

Result<> start(const Context& context, const std::string& id) {
  Entry entry = TRY(open_entry(context, id));
  TRY(entry.lock());
  const Record record = TRY(entry.load());
  TRY(check_startable(entry, record));
  return start_container(entry, record, Readiness::Wait);
}

}  // namespace corten::runtime
