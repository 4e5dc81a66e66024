#include "container.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "documents.h"
#include "intel_rdt.h"
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/cgroup/manager.h>
#include <corten/hooks/run.h>
#include <corten/plan/build.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

constexpr int kRemoveDeadlineMs = 10000;
constexpr int kDeathDeadlineMs = 10000;
constexpr std::size_t kMaxProcFile = 65536;

// The letter of proc(5): D is a process that hangs in the kernel, Z one that its parent has not
// waited for, S one of whose children nobody has waited for.
char state_of(pid_t pid) {
  const std::string status =
      sys::read_file(fmt::format("/proc/{}/status", pid), kMaxProcFile).value_or("");
  const auto at = status.find("\nState:\t");
  return at == std::string::npos ? '?' : status[at + 8];
}

// With SIGKILL to init a PID namespace dies as a whole; the cgroup catches everything else.
Result<> kill_init(const Record& record, cgroup::Manager& manager) {
  if (!is_alive(record.init)) return {};
  const Result<sys::UniqueFd> pidfd = sys::pidfd_open(record.init.pid);
  if (!pidfd || !is_alive(record.init))
    return {};  // gone in between, or the number is somebody else's
  const Result<> sent = sys::pidfd_send_signal(pidfd->get(), SIGKILL);
  if (!sent && sent.error().errno_value() != ESRCH) return sent;
  // A frozen process dies when it is thawed.
  const Result<bool> frozen = manager.frozen();
  if (frozen && *frozen) TRY(manager.thaw());
  const bool dead = TRY(sys::wait_readable(pidfd->get(), kDeathDeadlineMs));
  // Reaped when it is a child of this process (run, a failed start); somebody else's otherwise.
  if (dead) (void)sys::try_wait_child(record.init.pid);
  if (dead) return {};
  return Error(
      ErrorKind::Timeout,
      fmt::format("init (pid {}) did not die of SIGKILL within {} ms: it is in state {}, in {}",
                  record.init.pid,
                  kDeathDeadlineMs,
                  state_of(record.init.pid),
                  sys::read_file(fmt::format("/proc/{}/wchan", record.init.pid), kMaxProcFile)
                      .value_or("an unknown place")));
}

}  // namespace

Result<> destroy_container(Entry& entry, const Record& record) {
  const auto manager = cgroup::open_manager(record.cgroup);
  TRY(kill_init(record, *manager));
  TRY(manager->remove(kRemoveDeadlineMs).context("removing the container's cgroups"));
  TRY(remove_rdt_groups(record).context("removing the container's resctrl groups"));
  TRY(entry.destroy());
  if (!record.poststop.empty()) {
    const Result<hooks::Outputs> outputs = open_hook_outputs(record);
    if (!outputs) log::warning(outputs.error().message() + ", ignoring");
    hooks::run_all_warning(record.poststop,
                           hook_state(record, spec::Status::Stopped, 0),
                           {.cwd = record.bundle,
                            .stdout_fd = outputs ? outputs->out.get() : -1,
                            .stderr_fd = outputs ? outputs->err.get() : -1});
  }
  return {};
}

Result<hooks::Outputs> open_hook_outputs(const Record& record) {
  return hooks::Outputs::open(plan::find_annotation(record.annotations, plan::kHookStdout),
                              plan::find_annotation(record.annotations, plan::kHookStderr));
}

Result<> write_pid_file(const std::string& path, pid_t pid) {
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const auto write = [&]() -> Result<> {
    const Result<sys::UniqueFd> dir = sys::open(directory, O_RDONLY | O_DIRECTORY);
    if (!dir) return sys::explain_path(dir.error(), clean_path(directory));
    return sys::replace_file_at(dir->get(), name, std::to_string(pid), 0644);
  };
  return write().context([&] { return "writing the pid file " + quote(path); });
}

Result<sys::UniqueFd> open_proc() {
  sys::UniqueFd proc = TRY(sys::open("/proc", O_PATH | O_DIRECTORY));
  const struct statfs filesystem = TRY(sys::fstatfs(proc.get()));
  const struct stat status = TRY(sys::fstat(proc.get()));
  constexpr ino_t kProcRootInode = 1;
  if (filesystem.f_type == PROC_SUPER_MAGIC && status.st_ino == kProcRootInode) return proc;
  return Error(ErrorKind::Unsupported,
               "/proc is not a procfs: refusing to work with what somebody put there");
}

Result<> close_others(unsigned preserved, std::vector<int> keep) {
  std::erase_if(keep, [&](int fd) { return fd < static_cast<int>(3 + preserved); });
  std::sort(keep.begin(), keep.end());
  unsigned first = 3 + preserved;
  for (const int fd : keep) {
    const auto kept = static_cast<unsigned>(fd);
    if (kept > first) TRY(sys::close_range(first, kept - 1, 0));
    first = kept + 1;
  }
  return sys::close_range(first, ~0U, 0);
}

}  // namespace corten::runtime
