#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstring>
#include <ctime>

#include "call.h"
#include <corten/sys/process.h>

namespace corten::sys {

Result<pid_t> fork() {
  const pid_t pid = ::fork();
  if (pid < 0) return failed("fork()");
  return pid;
}

Result<pid_t> clone3(const CloneArgs& args) {
  clone_args raw{};
  raw.flags = args.flags;
  raw.exit_signal = static_cast<uint64_t>(args.exit_signal);
  if (args.cgroup_fd >= 0) {
    raw.flags |= CLONE_INTO_CGROUP;
    raw.cgroup = static_cast<uint64_t>(args.cgroup_fd);
  }
  const long pid = syscall(SYS_clone3, &raw, sizeof raw);
  if (pid < 0) return failed("clone3({{flags {:#x}, cgroup {}}})", args.flags, args.cgroup_fd);
  return static_cast<pid_t>(pid);
}

Result<UniqueFd> pidfd_open(pid_t pid) {
  const long fd = syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return failed("pidfd_open({})", pid);
  return UniqueFd(static_cast<int>(fd));
}

Result<> pidfd_send_signal(int pidfd, int signal) {
  return check(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0),
               "pidfd_send_signal({}, {})",
               pidfd,
               signal);
}

Result<> kill(pid_t pid, int signal) {
  return check(::kill(pid, signal), "kill({}, {})", pid, signal);
}

namespace {

Exit decode(const siginfo_t& info) { return Exit{info.si_code != CLD_EXITED, info.si_status}; }

}  // namespace

Result<Exit> wait_child(pid_t pid) {
  siginfo_t info{};
  if (retry_eintr(
          [&] { return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | __WALL); }) != 0) {
    return failed("waitid(P_PID, {})", pid);
  }
  return decode(info);
}

Result<std::optional<Exit>> try_wait_child(pid_t pid) {
  siginfo_t info{};
  if (retry_eintr([&] {
        return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | __WALL);
      }) != 0) {
    return failed("waitid(P_PID, {}, WNOHANG)", pid);
  }
  if (info.si_pid == 0) return std::optional<Exit>();
  return std::optional<Exit>(decode(info));
}

Result<std::optional<std::pair<pid_t, Exit>>> try_wait_any() {
  using Found = std::optional<std::pair<pid_t, Exit>>;
  siginfo_t info{};
  if (retry_eintr([&] { return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL); }) != 0) {
    return failed("waitid(P_ALL)");
  }
  if (info.si_pid == 0) return Found();
  return Found(std::pair(info.si_pid, decode(info)));
}

Result<bool> wait_readable(int fd, int milliseconds) {
  timespec start{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  int left = milliseconds;
  for (;;) {
    pollfd entry{fd, POLLIN, 0};
    const int ready = ::poll(&entry, 1, left);
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return failed("poll({}, {} ms)", fd, milliseconds);
    if (milliseconds < 0) continue;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto spent = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
    left = spent >= milliseconds ? 0 : milliseconds - static_cast<int>(spent);
  }
}

Error execve(const std::string& path, char* const argv[], char* const envp[]) {
  ::execve(path.c_str(), argv, envp);
  return failed("execve({})", quote(path));
}

Error execveat(int fd, const std::string& path, char* const argv[], char* const envp[], int flags) {
  syscall(SYS_execveat, fd, path.c_str(), argv, envp, flags);
  return failed("execveat({}, {}, {:#x})", fd, quote(path), flags);
}

Result<> setns(int fd, int flags) {
  return check(::setns(fd, flags), "setns({}, {:#x})", fd, flags);
}

Result<> unshare(uint64_t flags) {
  return check(syscall(SYS_unshare, flags), "unshare({:#x})", flags);
}

Result<> sethostname(const std::string& name) {
  return check(::sethostname(name.data(), name.size()), "sethostname({})", quote(name));
}

Result<> setdomainname(const std::string& name) {
  return check(::setdomainname(name.data(), name.size()), "setdomainname({})", quote(name));
}

Result<> setsid() { return check(::setsid(), "setsid()"); }

Result<int> prctl(const char* name,
                  int option,
                  unsigned long a,
                  unsigned long b,
                  unsigned long c,
                  unsigned long d) {
  const int result = ::prctl(option, a, b, c, d);
  if (result == -1) return failed("prctl({}, {:#x}, {:#x})", name, a, b);
  return result;
}

Result<> setresuid(uid_t uid) {
  return check(syscall(SYS_setresuid, uid, uid, uid), "setresuid({0}, {0}, {0})", uid);
}

Result<> setresgid(gid_t gid) {
  return check(syscall(SYS_setresgid, gid, gid, gid), "setresgid({0}, {0}, {0})", gid);
}

Result<> setgroups(const std::vector<uint32_t>& groups) {
  return check(
      syscall(SYS_setgroups, groups.size(), groups.data()), "setgroups({} groups)", groups.size());
}

Result<std::vector<uint32_t>> getgroups() {
  const long count = syscall(SYS_getgroups, 0, nullptr);
  if (count < 0) return failed("getgroups(0)");
  std::vector<uint32_t> groups(static_cast<std::size_t>(count));
  if (syscall(SYS_getgroups, groups.size(), groups.data()) < 0)
    return failed("getgroups({})", count);
  return groups;
}

Result<CapabilitySets> capget() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return failed("capget()");
  const auto join = [](uint32_t low, uint32_t high) {
    return uint64_t{low} | (uint64_t{high} << 32U);
  };
  return CapabilitySets{join(data[0].effective, data[1].effective),
                        join(data[0].permitted, data[1].permitted),
                        join(data[0].inheritable, data[1].inheritable)};
}

Result<> capset(const CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (unsigned half = 0; half < 2; ++half) {
    data[half].effective = static_cast<uint32_t>(sets.effective >> (32U * half));
    data[half].permitted = static_cast<uint32_t>(sets.permitted >> (32U * half));
    data[half].inheritable = static_cast<uint32_t>(sets.inheritable >> (32U * half));
  }
  return check(syscall(SYS_capset, &header, data.data()),
               "capset(effective {:#x}, permitted {:#x}, inheritable {:#x})",
               sets.effective,
               sets.permitted,
               sets.inheritable);
}

Result<> prlimit(pid_t pid, int resource, uint64_t soft, uint64_t hard) {
  const rlimit64 limit{soft, hard};
  return check(syscall(SYS_prlimit64, pid, resource, &limit, nullptr),
               "prlimit({}, {}, {{{}, {}}})",
               pid,
               resource,
               soft,
               hard);
}

Result<std::pair<uint64_t, uint64_t>> get_rlimit(int resource) {
  rlimit64 limit{};
  if (syscall(SYS_prlimit64, 0, resource, nullptr, &limit) != 0)
    return failed("prlimit(0, {})", resource);
  return std::pair<uint64_t, uint64_t>(limit.rlim_cur, limit.rlim_max);
}

Result<> personality(unsigned long persona) {
  return check(syscall(SYS_personality, persona), "personality({:#x})", persona);
}

Result<> ioprio_set(int which, int who, int value) {
  return check(
      syscall(SYS_ioprio_set, which, who, value), "ioprio_set({}, {}, {:#x})", which, who, value);
}

Result<> set_mempolicy(int mode, const std::vector<uint64_t>& nodes) {
  const unsigned long bits =
      nodes.empty() ? 0 : nodes.size() * 64 + 1;  // the kernel looks at bits - 1
  return check(syscall(SYS_set_mempolicy, mode, nodes.empty() ? nullptr : nodes.data(), bits),
               "set_mempolicy({:#x}, {} words)",
               mode,
               nodes.size());
}

Result<> sched_setattr(const SchedAttr& attr) {
  return check(syscall(SYS_sched_setattr, 0, &attr, 0),
               "sched_setattr({{policy {}, flags {:#x}, nice {}, priority {}, runtime {}, deadline "
               "{}, period {}}})",
               attr.policy,
               attr.flags,
               attr.nice,
               attr.priority,
               attr.runtime,
               attr.deadline,
               attr.period);
}

Result<> sched_setaffinity(const std::vector<uint64_t>& mask) {
  return check(syscall(SYS_sched_setaffinity, 0, mask.size() * sizeof(uint64_t), mask.data()),
               "sched_setaffinity({} words)",
               mask.size());
}

Result<UniqueFd> seccomp_set_filter(uint32_t flags, const void* filter, unsigned short length) {
  sock_fprog program{};
  program.len = length;
  program.filter = static_cast<sock_filter*>(const_cast<void*>(filter));
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (result < 0) return failed("seccomp(SET_MODE_FILTER, {:#x}, {} instructions)", flags, length);
  if ((flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) return UniqueFd(static_cast<int>(result));
  return UniqueFd();
}

Result<int> join_session_keyring(const std::string& name) {
  const long serial = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str());
  if (serial < 0) return failed("keyctl(JOIN_SESSION_KEYRING, {})", quote(name));
  return static_cast<int>(serial);
}

Result<> keyring_add_permissions(int serial, uint32_t set) {
  // "type;uid;gid;perm;description": the present mask is the fourth field, in hexadecimal.
  std::array<char, 512> text{};
  if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, serial, text.data(), text.size()) < 0) {
    return failed("keyctl(DESCRIBE, {})", serial);
  }
  const auto fields = split(std::string_view(text.data()), ';');
  uint32_t mask = 0;
  if (fields.size() > 3)
    std::from_chars(fields[3].data(), fields[3].data() + fields[3].size(), mask, 16);
  return check(syscall(SYS_keyctl, KEYCTL_SETPERM, serial, mask | set),
               "keyctl(SETPERM, {}, {:#x})",
               serial,
               mask | set);
}

}  // namespace corten::sys
