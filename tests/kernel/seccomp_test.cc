// Compiled filters, loaded into throw-away children: the kernel takes them and answers as they say.
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>

#include <gtest/gtest.h>

#include "support.h"
#include <corten/plan/seccomp.h>
#include <corten/sys/process.h>

// The tests name only the properties that they are about.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace corten::testing {
namespace {

constexpr int kNotLoaded = 100;

// Runs `body` in a child and waits for it. Returns waitpid's status.
int in_child(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid < 0) return -1;
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Not _exit(): AddressSanitizer makes calls before it that a filter may refuse.
    syscall(SYS_exit_group, body());
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

bool exited_with(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
bool killed_by_filter(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; }

// no_new_privs makes loading possible without privileges.
Result<sys::UniqueFd> load(const plan::Seccomp& filter) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const uint32_t flags =
      filter.flags | (filter.notify ? uint32_t{SECCOMP_FILTER_FLAG_NEW_LISTENER} : 0U);
  return sys::seccomp_set_filter(
      flags, filter.filter.data(), static_cast<unsigned short>(filter.filter.size()));
}

int errno_of(long result) { return result < 0 ? errno : 0; }

spec::Seccomp allow_all_but(std::vector<spec::SeccompSyscall> rules) {
  spec::Seccomp profile;
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.syscalls = std::move(rules);
  return profile;
}

TEST(SeccompKernel, AnswersAsTheProfileSays) {
  const auto compiled = plan::compile_seccomp(allow_all_but({
      {.names = {"getppid"}, .action = "SCMP_ACT_ERRNO", .errno_ret = ENOTTY},
      {.names = {"personality"},
       .action = "SCMP_ACT_ERRNO",
       .args = {{0, 0xffffffff, 0, "SCMP_CMP_NE"}}},
      {.names = {"close"},
       .action = "SCMP_ACT_ERRNO",
       .errno_ret = EXDEV,
       .args = {{0, 1000, 0, "SCMP_CMP_GE"}}},
  }));
  ASSERT_OK(compiled);
  const int status = in_child([&] {
    if (!load(*compiled)) return kNotLoaded;
    if (errno_of(syscall(SYS_getppid)) != ENOTTY) return 1;
    if (errno_of(syscall(SYS_personality, 0xffffffffUL)) != 0) return 2;
    if (errno_of(syscall(SYS_personality, 0UL)) != EPERM) return 3;
    if (errno_of(syscall(SYS_personality, ~0UL)) != EPERM) return 4;
    if (errno_of(syscall(SYS_close, 999)) != EBADF) return 5;
    if (errno_of(syscall(SYS_close, 1000)) != EXDEV) return 6;
    return 0;
  });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(SeccompKernel, NewerCallsDoNotExist) {
  spec::Seccomp profile;
  profile.default_action = "SCMP_ACT_ERRNO";
  profile.syscalls.push_back({.names = {"exit_group", "openat2"}, .action = "SCMP_ACT_ALLOW"});
  const auto compiled = plan::compile_seccomp(profile);
  ASSERT_OK(compiled);
  const int status = in_child([&] {
    if (!load(*compiled)) return kNotLoaded;
    if (errno_of(syscall(SYS_getppid)) != EPERM) return 1;
    if (errno_of(syscall(SYS_openat2 + 1)) != ENOSYS) return 2;
    return 0;
  });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(SeccompKernel, KillActionsKill) {
  for (const char* action : {"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"}) {
    const auto compiled =
        plan::compile_seccomp(allow_all_but({{.names = {"getppid"}, .action = action}}));
    ASSERT_OK(compiled);
    const int status = in_child([&] {
      if (!load(*compiled)) return kNotLoaded;
      syscall(SYS_getppid);
      return 0;
    });
    EXPECT_TRUE(killed_by_filter(status)) << action << " " << status;
  }
}

#ifdef __x86_64__
long getpid_by_int80() {
  long result = 20;  // i386's getpid
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result;
}

TEST(SeccompKernel, OtherArchitecturesAreKilledUnlessListed) {
  const int supported = in_child([] { return getpid_by_int80() > 0 ? 0 : 1; });
  if (!exited_with(supported, 0)) GTEST_SKIP() << "this kernel runs no i386 system calls";
  spec::Seccomp profile = allow_all_but({});
  for (const bool listed : {false, true}) {
    if (listed) profile.architectures = {"SCMP_ARCH_X86"};
    const auto compiled = plan::compile_seccomp(profile);
    ASSERT_OK(compiled);
    const int status = in_child([&] {
      if (!load(*compiled)) return kNotLoaded;
      return getpid_by_int80() > 0 ? 0 : 1;
    });
    EXPECT_EQ(exited_with(status, 0), listed) << status;
    EXPECT_EQ(killed_by_filter(status), !listed) << status;
  }
}

TEST(SeccompKernel, X32NumbersAreKilledUnlessListed) {
  constexpr long kX32Getpid = 0x40000000 + SYS_getpid;
  spec::Seccomp profile = allow_all_but({});
  for (const bool listed : {false, true}) {
    if (listed) profile.architectures = {"SCMP_ARCH_X32"};
    const auto compiled = plan::compile_seccomp(profile);
    ASSERT_OK(compiled);
    const int status = in_child([&] {
      if (!load(*compiled)) return kNotLoaded;
      syscall(kX32Getpid);  // ENOSYS where the kernel has no x32
      return 0;
    });
    EXPECT_EQ(exited_with(status, 0), listed) << status;
    EXPECT_EQ(killed_by_filter(status), !listed) << status;
  }
}
#endif

TEST(SeccompKernel, TakesEveryFlagWithAndWithoutListener) {
  const std::vector<std::string> names = {"SECCOMP_FILTER_FLAG_TSYNC",
                                          "SECCOMP_FILTER_FLAG_LOG",
                                          "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                                          "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  for (const bool notify : {false, true}) {
    spec::Seccomp profile = allow_all_but({});
    if (notify) profile.syscalls.push_back({.names = {"getppid"}, .action = "SCMP_ACT_NOTIFY"});
    profile.flags = names;
    const auto compiled = plan::compile_seccomp(profile);
    ASSERT_OK(compiled);
    const int status = in_child([&] {
      const auto listener = load(*compiled);
      return !listener ? kNotLoaded : listener->valid() == notify ? 0 : 1;
    });
    EXPECT_TRUE(exited_with(status, 0)) << status;
  }
}

// The child answers the one call that its own child makes.
int answer_notification(int listener) {
  seccomp_notif request{};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) return 1;
  if (request.data.nr != SYS_getppid) return 2;
  seccomp_notif_resp response{};
  response.id = request.id;
  response.error = -EDOM;
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0 ? 0 : 3;
}

TEST(SeccompKernel, NotificationsReachTheListener) {
  const auto compiled =
      plan::compile_seccomp(allow_all_but({{.names = {"getppid"}, .action = "SCMP_ACT_NOTIFY"}}));
  ASSERT_OK(compiled);
  const int status = in_child([&] {
    const auto listener = load(*compiled);
    if (!listener) return kNotLoaded;
    const pid_t caller = fork();
    if (caller == 0) _exit(errno_of(syscall(SYS_getppid)) == EDOM ? 0 : 10);
    const int answered = answer_notification(listener->get());
    if (answered != 0) {
      kill(caller, SIGKILL);
      return answered;
    }
    int caller_status = 0;
    waitpid(caller, &caller_status, 0);
    return exited_with(caller_status, 0) ? 0 : 4;
  });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

}  // namespace
}  // namespace corten::testing
