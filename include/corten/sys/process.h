// Processes, signals, namespaces and credentials: thin wrappers, one system call each. No policy.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::sys {

// glibc's fork: keeps its idea of the thread id right, also in a new PID namespace.
// Returns 0 in the child.
Result<pid_t> fork();

struct CloneArgs {
  uint64_t flags = 0;  // CLONE_* without an exit signal; no CLONE_VM
  int exit_signal = SIGCHLD;
  int cgroup_fd = -1;  // a cgroup2 directory: CLONE_INTO_CGROUP is added
};
// clone3(2) as a fork. Returns 0 in the child. glibc does not know about the new process: the child
// must not use pthread functions, raise() or abort().
Result<pid_t> clone3(const CloneArgs& args);

Result<UniqueFd> pidfd_open(pid_t pid);
// signal 0 checks existence. ESRCH when the process has ended and been reaped.
Result<> pidfd_send_signal(int pidfd, int signal);
Result<> kill(pid_t pid, int signal);

// How a child ended.
struct Exit {
  bool signaled = false;
  int code = 0;  // exit status, or the signal
  // As a shell says it: the status, or 128 + signal.
  int shell_status() const { return signaled ? 128 + code : code; }
};
// waitpid for one child; blocks.
Result<Exit> wait_child(pid_t pid);
// Without blocking: nullopt while it runs.
Result<std::optional<Exit>> try_wait_child(pid_t pid);
// Any child, without blocking: {pid, exit}; nullopt when none has ended. ECHILD is an error.
Result<std::optional<std::pair<pid_t, Exit>>> try_wait_any();

// milliseconds < 0 waits for ever. False on timeout. EINTR is retried with the remaining time.
Result<bool> wait_readable(int fd, int milliseconds);

// argv and envp end with nullptr. Returns only on failure.
Error execve(const std::string& path, char* const argv[], char* const envp[]);
Error execveat(int fd, const std::string& path, char* const argv[], char* const envp[], int flags);

Result<> setns(int fd, int flags);
Result<> unshare(uint64_t flags);
Result<> sethostname(const std::string& name);
Result<> setdomainname(const std::string& name);
Result<> setsid();

// prctl(2) with its option's name for the error text.
Result<int> prctl(const char* name,
                  int option,
                  unsigned long a = 0,
                  unsigned long b = 0,
                  unsigned long c = 0,
                  unsigned long d = 0);

// The raw system calls: of this thread alone, which is the only one.
Result<> setresuid(uid_t uid);
Result<> setresgid(gid_t gid);
Result<> setgroups(const std::vector<uint32_t>& groups);
Result<std::vector<uint32_t>> getgroups();

struct CapabilitySets {
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
  bool operator==(const CapabilitySets&) const = default;
};
Result<CapabilitySets> capget();
Result<> capset(const CapabilitySets& sets);

Result<> prlimit(pid_t pid, int resource, uint64_t soft, uint64_t hard);
Result<std::pair<uint64_t, uint64_t>> get_rlimit(int resource);
Result<> personality(unsigned long persona);
Result<> ioprio_set(int which, int who, int value);
Result<> set_mempolicy(int mode, const std::vector<uint64_t>& nodes);

// struct sched_attr of sched_setattr(2), in its order.
struct SchedAttr {
  uint32_t size = 48;
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};
Result<> sched_setattr(const SchedAttr& attr);
// A mask of cpus for the calling process. all: every cpu the kernel may know.
Result<> sched_setaffinity(const std::vector<uint64_t>& mask);

// seccomp(2), SECCOMP_SET_MODE_FILTER. Returns the listener with SECCOMP_FILTER_FLAG_NEW_LISTENER,
// otherwise an empty UniqueFd. filter: array of sock_filter.
Result<UniqueFd> seccomp_set_filter(uint32_t flags, const void* filter, unsigned short length);

// keyctl(KEYCTL_JOIN_SESSION_KEYRING): the serial of the new ring.
Result<int> join_session_keyring(const std::string& name);
// Grants the owner of the ring the right to search it (KEYCTL_SETPERM of the present mask | set).
Result<> keyring_add_permissions(int serial, uint32_t set);

}  // namespace corten::sys
