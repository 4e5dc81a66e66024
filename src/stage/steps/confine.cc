// From a privileged process to the user's program: one road for init and exec. The order is the
// contract (docs/security.md): each step still has the privilege that it needs, and none after it
// has more.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <span>

#include <fmt/format.h>

#include "../rootpath.h"
#include "program.h"
#include "steps.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::stage {

namespace {

constexpr uint64_t bit(int capability) { return uint64_t{1} << static_cast<unsigned>(capability); }
constexpr int kLastCapability = 63;
// IOPRIO_WHO_PGRP. <linux/ioprio.h> is not C++ in some versions: a parameter is called `class`.
constexpr int kIoPriorityWhoGroup = 2;

// --- stdio
// ---------------------------------------------------------------------------------------------

// Only pipes and sockets change their owner: they were made for this program. A regular file or a
// device belongs to somebody else.
void give_stdio(uint32_t uid) {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const Result<struct stat> status = sys::fstat(fd);
    if (!status || status->st_uid == uid) continue;
    if (S_ISFIFO(status->st_mode) || S_ISSOCK(status->st_mode)) {
      (void)sys::chown_fd(
          fd, uid, static_cast<gid_t>(-1));  // a convenience: the descriptor works without
    }
  }
}

bool is_null_device(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

// The host's /dev/null on stdio becomes the container's, when that is one: the host's filesystem
// then has no open file in the container.
void replace_null_stdio() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const Result<struct stat> status = sys::fstat(fd);
    if (!status || !is_null_device(*status)) continue;
    const Result<sys::UniqueFd> handle =
        sys::open("/dev/null", O_RDWR | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (!handle) continue;
    const Result<struct stat> own = sys::fstat(handle->get());
    if (own && is_null_device(*own)) (void)sys::duplicate_to(handle->get(), fd);
  }
}

void reset_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// --- limits and scheduling
// --------------------------------------------------------------------------

Result<> apply_rlimits(const plan::Process& process) {
  for (const auto& limit : process.rlimits) {
    TRY(sys::prlimit(0, limit.resource, limit.soft, limit.hard).context([&] {
      return "/process/rlimits: setting " + limit.name;
    }));
  }
  return {};
}

Result<> apply_scheduling(const plan::Process& process) {
  if (process.personality)
    TRY(sys::personality(*process.personality).context("/linux/personality"));
  if (process.memory_policy) {
    TRY(sys::set_mempolicy(process.memory_policy->mode, process.memory_policy->nodes)
            .context("/linux/memoryPolicy"));
  }
  if (process.io_priority) {
    TRY(sys::ioprio_set(kIoPriorityWhoGroup, 0, *process.io_priority)
            .context("/process/ioPriority"));
  }
  if (process.scheduler) {
    const auto& wanted = *process.scheduler;
    sys::SchedAttr attr;
    attr.policy = wanted.policy;
    attr.flags = wanted.flags;
    attr.nice = wanted.nice;
    attr.priority = wanted.priority;
    attr.runtime = wanted.runtime;
    attr.deadline = wanted.deadline;
    attr.period = wanted.period;
    TRY(sys::sched_setattr(attr).context("/process/scheduler"));
  }
  return {};
}

// --- labels
// ----------------------------------------------------------------------------------------------

Result<> write_labels(const plan::Process& process, const LabelFiles& files) {
  if (!process.apparmor_profile.empty()) {
    TRY(sys::write_once(files.apparmor_exec, "exec " + process.apparmor_profile).context([&] {
      return "/process/apparmorProfile: setting the profile " + quote(process.apparmor_profile);
    }));
  }
  if (!process.selinux_label.empty()) {
    TRY(sys::write_once(files.selinux_exec, process.selinux_label).context([&] {
      return "/process/selinuxLabel: setting the label " + quote(process.selinux_label);
    }));
  }
  return {};
}

// --- credentials
// ------------------------------------------------------------------------------------------

Result<> drop_bounding(uint64_t keep) {
  for (int capability = 0; capability <= kLastCapability; ++capability) {
    if ((keep & bit(capability)) != 0) continue;
    const auto number = static_cast<unsigned long>(capability);
    const Result<int> dropped = sys::prctl("PR_CAPBSET_DROP", PR_CAPBSET_DROP, number);
    if (dropped) continue;
    if (dropped.error().errno_value() == EINVAL)
      return {};  // beyond the last capability that the kernel knows
    // Without CAP_SETPCAP the kernel refuses what is not held just as well.
    if (::prctl(PR_CAPBSET_READ, number, 0, 0, 0) != 0) return dropped.error();
  }
  return {};
}

Result<> set_groups(const plan::Process& process) {
  if (process.keep_groups) return {};
  Result<> done = sys::setgroups(process.groups);
  if (done || done.error().errno_value() != EPERM || !process.groups.empty()) return done;
  // /proc/PID/setgroups says "deny": a user namespace whose maps an ordinary user wrote. Nothing
  // was asked for, and dropping the caller's groups is what the kernel forbids there.
  return {};
}

// The kernel's EINVAL means one thing here.
Result<> explain_ids(Result<> done, std::string_view pointer, std::span<const uint32_t> ids) {
  if (done) return done;
  const bool unmapped = done.error().errno_value() == EINVAL;
  return std::move(done).error().with_context(
      unmapped ? fmt::format("{}: not mapped in the container's user namespace: {}",
                             pointer,
                             fmt::join(ids, ", "))
               : std::string(pointer));
}

Result<> change_ids(const plan::Process& process) {
  TRY(sys::prctl("PR_SET_KEEPCAPS", PR_SET_KEEPCAPS, 1));
  TRY(explain_ids(set_groups(process), "/process/user/additionalGids", process.groups));
  TRY(explain_ids(sys::setresgid(process.gid), "/process/user/gid", {&process.gid, 1}));
  TRY(explain_ids(sys::setresuid(process.uid), "/process/user/uid", {&process.uid, 1}));
  TRY(sys::prctl("PR_SET_KEEPCAPS", PR_SET_KEEPCAPS, 0));
  return {};
}

Result<> set_capabilities(const plan::Capabilities& wanted) {
  TRY(sys::capset({wanted.effective, wanted.permitted, wanted.inheritable}));
  TRY(sys::prctl("PR_CAP_AMBIENT_CLEAR_ALL", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL));
  for (int capability = 0; capability <= kLastCapability; ++capability) {
    if ((wanted.ambient & bit(capability)) == 0) continue;
    TRY(sys::prctl("PR_CAP_AMBIENT_RAISE",
                   PR_CAP_AMBIENT,
                   PR_CAP_AMBIENT_RAISE,
                   static_cast<unsigned long>(capability)));
  }
  return {};
}

Error mismatch(const char* what) {
  return Error(
      ErrorKind::Internal,
      fmt::format("the kernel accepted the {} and shows others: refusing to run the program",
                  what));
}

// A drop that silently did nothing would run the program with the runtime's rights
// (CVE-2023-38496).
Result<> verify_credentials(const plan::Process& process) {
  uid_t real = 0;
  uid_t effective = 0;
  uid_t saved = 0;
  if (::getresuid(&real, &effective, &saved) != 0 || real != process.uid ||
      effective != process.uid || saved != process.uid)
    return mismatch("user id");
  gid_t real_gid = 0;
  gid_t effective_gid = 0;
  gid_t saved_gid = 0;
  if (::getresgid(&real_gid, &effective_gid, &saved_gid) != 0 || real_gid != process.gid ||
      effective_gid != process.gid || saved_gid != process.gid)
    return mismatch("group id");
  const sys::CapabilitySets sets = TRY(sys::capget());
  const auto& wanted = process.capabilities;
  if (sets != sys::CapabilitySets{wanted.effective, wanted.permitted, wanted.inheritable})
    return mismatch("capabilities");
  for (int capability = 0; capability <= kLastCapability; ++capability) {
    const int held = ::prctl(PR_CAPBSET_READ, static_cast<unsigned long>(capability), 0, 0, 0);
    if (held < 0) break;
    if (held == 1 && (wanted.bounding & bit(capability)) == 0)
      return mismatch("bounding capabilities");
  }
  if (process.keep_groups || process.groups.empty()) return {};
  std::vector<uint32_t> expected = process.groups;
  std::vector<uint32_t> shown = TRY(sys::getgroups());
  std::sort(expected.begin(), expected.end());
  std::sort(shown.begin(), shown.end());
  if (shown != expected) return mismatch("additional groups");
  return {};
}

// --- seccomp
// --------------------------------------------------------------------------------------------

Result<> load_filter(const Confinement& confinement) {
  const auto& seccomp = *confinement.process->seccomp;
  const uint32_t flags =
      seccomp.flags | (seccomp.notify ? uint32_t{SECCOMP_FILTER_FLAG_NEW_LISTENER} : 0U);
  sys::UniqueFd listener =
      TRY(sys::seccomp_set_filter(
              flags, seccomp.filter.data(), static_cast<unsigned short>(seccomp.filter.size()))
              .context("/linux/seccomp: loading the filter"));
  if (!seccomp.notify) return {};
  if (confinement.listener_channel == nullptr)
    return Error(ErrorKind::Internal, "no way to hand over the seccomp listener");
  TRY(confinement.listener_channel->send(proto::SeccompListener{}, listener.get()));
  listener.reset();
  TRY(confinement.listener_channel->expect<proto::Proceed>());
  return {};
}

Result<> take_on_credentials(const Confinement& confinement) {
  const auto& process = *confinement.process;
  TRY(drop_bounding(process.capabilities.bounding));
  TRY(change_ids(process));
  if (process.seccomp && !process.no_new_privileges) {
    // Without no_new_privs the kernel wants CAP_SYS_ADMIN for a filter, and setresuid(2) has
    // cleared the effective set. What the filter must allow from here on is capset, prctl and
    // execve.
    const sys::CapabilitySets now = TRY(sys::capget());
    TRY(sys::capset({now.permitted, now.permitted, now.inheritable}));
    TRY(load_filter(confinement));
  }
  TRY(set_capabilities(process.capabilities).context("/process/capabilities"));
  if (process.no_new_privileges) {
    TRY(sys::prctl("PR_SET_NO_NEW_PRIVS", PR_SET_NO_NEW_PRIVS, 1));
  }
  return {};
}

Result<> confine(const Confinement& confinement) {
  const auto& process = *confinement.process;
  replace_null_stdio();
  give_stdio(process.uid);
  reset_signals();
  ::umask(process.umask);
  TRY(apply_scheduling(process));
  TRY(write_labels(process, confinement.labels));
  TRY(apply_rlimits(process));
  // Nothing but stdio and what the caller asked to keep survives execve.
  TRY(sys::close_range(3 + process.preserve_fds, ~0U, CLOSE_RANGE_CLOEXEC));
  const bool late_filter = process.seccomp && process.no_new_privileges;
  TRY(take_on_credentials(confinement));
  if (!process.seccomp || late_filter) TRY(verify_credentials(process));
  if (late_filter) TRY(load_filter(confinement));
  return {};
}

// The directory is made when it is missing, as peers do, and must be inside the root in the end: a
// magic link or an inherited descriptor could lead out (CVE-2024-21626).
Result<> enter_cwd(const std::string& cwd) {
  if (cwd == "/") return sys::chdir("/");
  const sys::UniqueFd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  const sys::UniqueFd dir =
      TRY(rootpath::open_or_create(root.get(), cwd, rootpath::TargetKind::Directory));
  TRY(sys::fchdir(dir.get()));
  const std::string now = TRY(sys::getcwd());
  if (now.starts_with('/')) return {};
  return Error(ErrorKind::InvalidSpec,
               "the working directory " + quote(cwd) + " is outside the container");
}

}  // namespace

Result<> join_keyring(const std::string& name) {
  const Result<int> serial = sys::join_session_keyring(name);
  if (!serial) {
    const int code = serial.error().errno_value();
    if (code == ENOSYS || code == EPERM || code == EACCES || code == EDQUOT)
      return {};  // no keyrings here: nothing to leak either
    return serial.error();
  }
  constexpr uint32_t kUserSearch = 0x00080000;  // KEY_USR_SEARCH: exec joins it by name
  (void)sys::keyring_add_permissions(*serial,
                                     kUserSearch);  // only exec with another user misses it
  return {};
}

Result<> prepare_program(const plan::Process& process,
                         const std::string& id,
                         std::optional<Program>& program) {
  if (process.new_session_keyring) TRY(join_keyring("_ses." + id));
  TRY(enter_cwd(process.cwd).context([&] {
    return "/process/cwd: entering " + quote(process.cwd);
  }));
  program.emplace(process);
  return program->check();
}

Error confine_and_execute(const Confinement& confinement) {
  const Result<> confined = confine(confinement);
  if (!confined) return confined.error();
  return confinement.program->execute();
}

}  // namespace corten::stage
