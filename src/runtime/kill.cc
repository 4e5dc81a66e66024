#include <sched.h>

#include <cerrno>
#include <csignal>

#include "processes.h"
#include "store.h"
#include <corten/cgroup/manager.h>
#include <corten/runtime/operations.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

Error not_running() { return Error(ErrorKind::WrongState, "container not running"); }

// A signal to a frozen process waits until it is thawed; for SIGKILL nobody should have to wait.
Result<> thaw_if_frozen(cgroup::Manager& manager) {
  const Result<bool> frozen = manager.frozen();
  if (frozen && *frozen) return manager.thaw();
  return {};
}

// Through a pidfd that was checked after it was opened: the number may have passed to another
// process.
Result<> signal_init(const Record& record, int signal) {
  const Result<sys::UniqueFd> pidfd = sys::pidfd_open(record.init.pid);
  if (!pidfd || !is_alive(record.init)) return not_running();
  const Result<> sent = sys::pidfd_send_signal(pidfd->get(), signal);
  if (!sent && sent.error().errno_value() == ESRCH) return not_running();
  return sent;
}

// Where nothing but the PID namespace holds the processes together. The kernel ends them all with
// init.
Result<> signal_without_cgroup(const Record& record, const cgroup::Manager& manager, int signal) {
  const std::vector<pid_t> pids = TRY(processes_of(record, manager));
  for (const pid_t pid : pids) {
    if (pid == record.init.pid) continue;
    const Result<> sent = sys::kill(pid, signal);
    if (!sent && sent.error().errno_value() != ESRCH) return sent;
  }
  if (pids.empty()) return {};
  const Result<> sent = signal_init(record, signal);
  return !sent && sent.error().kind() == ErrorKind::WrongState ? Result<>() : sent;
}

}  // namespace

Result<> kill(const Context& context, const std::string& id, int signal, KillAll all) {
  const Entry entry = TRY(open_entry(context, id));
  const Record record = TRY(entry.load());
  const auto manager = cgroup::open_manager(record.cgroup);
  const spec::Status status = status_of(entry, record);
  if (all == KillAll::Yes) {
    // Processes of a container without a PID namespace outlive their init: engines clean up this
    // way.
    if (status == spec::Status::Creating) return not_running();
    if (is_without_cgroup(record)) return signal_without_cgroup(record, *manager, signal);
    return manager->signal_all(signal);
  }
  if (status == spec::Status::Stopped || status == spec::Status::Creating) return not_running();
  const bool own_pids = (record.namespaces & CLONE_NEWPID) != 0;
  if (signal == SIGKILL && !own_pids && record.cgroup.driver != plan::CgroupDriver::Disabled) {
    TRY(manager->signal_all(SIGKILL));
    return {};
  }
  TRY(signal_init(record, signal));
  return signal == SIGKILL ? thaw_if_frozen(*manager) : Result<>();
}

}  // namespace corten::runtime
