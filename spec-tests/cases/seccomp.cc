// config-linux.md: seccomp, with the agent protocol of SCMP_ACT_NOTIFY.
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "case.h"
#include "state_check.h"
#include "unix_socket.h"

namespace spec {
namespace {

// A call that neither the runtime nor the start of a program needs.
constexpr const char* kName = "getpriority";
const std::string kNumber = std::to_string(SYS_getpriority);
constexpr int kErrno = 99;

Json profile(Json entries, const char* default_action = "SCMP_ACT_ALLOW") {
  return {{"defaultAction", default_action}, {"syscalls", std::move(entries)}};
}
Json entry(const char* action, Json more = Json::object()) {
  Json result = {{"names", {kName}}, {"action", action}};
  result.update(more);
  return result;
}
Json call(Case& c, const std::vector<std::string>& arguments = {"0", "0"}) {
  std::vector<std::string> action = {"syscall", kNumber};
  action.insert(action.end(), arguments.begin(), arguments.end());
  return c.perform({action})[0];
}

SPEC_CASE(Seccomp,
          ErrnoIsEpermByDefault,
          "RT-005 RT-018",
          "SCMP_ACT_ERRNO without errnoRet gives EPERM") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO")});
  EXPECT_EQ(call(c).value("errno", 0), EPERM);
}

SPEC_CASE(Seccomp, ErrnoRet, "RT-005 RT-018", "SCMP_ACT_ERRNO gives the errno of errnoRet") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO", {{"errnoRet", kErrno}})});
  EXPECT_EQ(call(c).value("errno", 0), kErrno);
}

SPEC_CASE(Seccomp,
          FilterIsInForce,
          "RT-005 RT-018",
          "a profile that allows everything still installs a filter") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO")});
  EXPECT_EQ(c.report()["seccomp"], 2);
}

SPEC_CASE(Seccomp,
          NoFilterWithoutProfile,
          "RT-005",
          "without seccomp in the config there is no filter") {
  EXPECT_EQ(c.report()["seccomp"], 0);
}

SPEC_CASE(Seccomp,
          AllowAfterDefaultErrno,
          "RT-005 RT-018",
          "defaultErrnoRet is the errno of calls that match nothing") {
  // Every call that a static program of this suite makes, so that all else falls to the default
  // action.
  c.bundle.linux_config()["seccomp"] = {{"defaultAction", "SCMP_ACT_ERRNO"},
                                        {"defaultErrnoRet", kErrno},
                                        {"syscalls",
                                         Json::array({{{"names",
                                                        {"execve",
                                                         "exit",
                                                         "exit_group",
                                                         "read",
                                                         "write",
                                                         "brk",
                                                         "mmap",
                                                         "munmap",
                                                         "mprotect",
                                                         "arch_prctl",
                                                         "set_tid_address",
                                                         "set_robust_list",
                                                         "rseq",
                                                         "prlimit64",
                                                         "readlinkat",
                                                         "readlink",
                                                         "getrandom",
                                                         "clone",
                                                         "clone3",
                                                         "fork",
                                                         "vfork",
                                                         "wait4",
                                                         "waitid",
                                                         "pipe2",
                                                         "close",
                                                         "prctl",
                                                         "uname",
                                                         "newfstatat",
                                                         "fstat",
                                                         "rt_sigprocmask",
                                                         "rt_sigaction",
                                                         "openat",
                                                         "fcntl",
                                                         "dup3",
                                                         "dup2",
                                                         "futex",
                                                         "getpid",
                                                         "gettid",
                                                         "setgroups",
                                                         "setresuid",
                                                         "setresgid",
                                                         "setuid",
                                                         "setgid",
                                                         "capset",
                                                         "capget",
                                                         "chdir",
                                                         "fchdir",
                                                         "stat",
                                                         "lstat",
                                                         "faccessat",
                                                         "faccessat2",
                                                         "sendmsg",
                                                         "recvmsg",
                                                         "sendto",
                                                         "recvfrom",
                                                         "poll",
                                                         "ppoll",
                                                         "epoll_ctl",
                                                         "epoll_pwait",
                                                         "nanosleep",
                                                         "sigaltstack",
                                                         "rt_sigreturn",
                                                         "tgkill",
                                                         "getppid",
                                                         "execveat",
                                                         "close_range",
                                                         "lseek",
                                                         "ioctl",
                                                         "accept4",
                                                         "accept",
                                                         "getdents64",
                                                         "statx",
                                                         "openat2",
                                                         "seccomp",
                                                         "umask",
                                                         "sched_getaffinity",
                                                         "mremap",
                                                         "madvise",
                                                         "unlink",
                                                         "unlinkat",
                                                         "getcwd",
                                                         "access",
                                                         "statfs",
                                                         "fstatfs",
                                                         "keyctl",
                                                         "getuid",
                                                         "geteuid",
                                                         "getgid",
                                                         "getegid",
                                                         "setsid",
                                                         "pidfd_open",
                                                         "clock_nanosleep",
                                                         "sched_yield",
                                                         "connect",
                                                         "socket",
                                                         "shutdown",
                                                         "getsockopt",
                                                         "setsockopt",
                                                         "restart_syscall",
                                                         "pread64",
                                                         "writev"}},
                                                       {"action", "SCMP_ACT_ALLOW"}}})}};
  EXPECT_EQ(call(c).value("errno", 0), kErrno);
}

struct SignalRow {
  const char* name;
  const char* action;
  int signal;
};

void run_signal_row(Case& c, const SignalRow& row) {
  c.bundle.linux_config()["seccomp"] = profile({entry(row.action)});
  const Json result = call(c);
  EXPECT_EQ(result.value("returned", true), false) << result;
  EXPECT_EQ(result.value("signal", 0), row.signal) << result;
}

SPEC_CASE(Seccomp, Trace, "RT-005 RT-018", "SCMP_ACT_TRACE without a tracer gives ENOSYS") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_TRACE", {{"errnoRet", 1}})});
  EXPECT_EQ(call(c).value("errno", 0), ENOSYS);
}

SPEC_CASE(Seccomp, LogAllowsTheCall, "RT-005 RT-018", "SCMP_ACT_LOG lets the call through") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_LOG")});
  EXPECT_EQ(call(c)["ok"], true);
}

// ---- arguments
// --------------------------------------------------------------------------------------------------------

struct OperatorRow {
  const char* op;
  uint64_t value;
  uint64_t value_two;
  std::vector<std::pair<const char*, bool>> calls;  // second argument of the call -> is it caught
};

const std::vector<OperatorRow>& operator_rows() {
  static const std::vector<OperatorRow> kRows = {
      {"SCMP_CMP_NE", 5, 0, {{"4", true}, {"5", false}, {"6", true}}},
      {"SCMP_CMP_LT", 5, 0, {{"4", true}, {"5", false}, {"6", false}}},
      {"SCMP_CMP_LE", 5, 0, {{"4", true}, {"5", true}, {"6", false}}},
      {"SCMP_CMP_EQ", 5, 0, {{"4", false}, {"5", true}, {"6", false}, {"0x100000005", false}}},
      {"SCMP_CMP_GE", 5, 0, {{"4", false}, {"5", true}, {"6", true}, {"0x100000000", true}}},
      {"SCMP_CMP_GT", 5, 0, {{"4", false}, {"5", false}, {"6", true}, {"0x100000000", true}}},
      {"SCMP_CMP_MASKED_EQ",
       0xf0,
       0x50,
       {{"0x5a", true}, {"0x50", true}, {"0x6a", false}, {"0x15a", true}}},
  };
  return kRows;
}

void run_operator_row(Case& c, const OperatorRow& row) {
  Json argument = {{"index", 1}, {"value", row.value}, {"op", row.op}};
  if (row.value_two != 0) argument["valueTwo"] = row.value_two;
  c.bundle.linux_config()["seccomp"] =
      profile({entry("SCMP_ACT_ERRNO", {{"errnoRet", kErrno}, {"args", Json::array({argument})}})});
  std::vector<std::vector<std::string>> actions;
  for (const auto& [value, caught] : row.calls) actions.push_back({"syscall", kNumber, "0", value});
  const Json results = c.perform(actions);
  for (size_t i = 0; i < row.calls.size(); ++i) {
    EXPECT_EQ(results[i].value("errno", 0) == kErrno, row.calls[i].second)
        << row.op << " with " << row.calls[i].first;
  }
}

SPEC_CASE(Seccomp,
          SeveralArgumentsMustAllMatch,
          "RT-005 RT-018",
          "an entry applies when all of its args match") {
  Json args = Json::array({{{"index", 0}, {"value", 1}, {"op", "SCMP_CMP_EQ"}},
                           {{"index", 1}, {"value", 7}, {"op", "SCMP_CMP_EQ"}}});
  c.bundle.linux_config()["seccomp"] =
      profile({entry("SCMP_ACT_ERRNO", {{"errnoRet", kErrno}, {"args", args}})});
  const Json results = c.perform({{"syscall", kNumber, "1", "7"},
                                  {"syscall", kNumber, "1", "8"},
                                  {"syscall", kNumber, "0", "7"}});
  EXPECT_EQ(results[0].value("errno", 0), kErrno);
  EXPECT_NE(results[1].value("errno", 0), kErrno);
  EXPECT_NE(results[2].value("errno", 0), kErrno);
}

// ---- setting up
// ---------------------------------------------------------------------------------------------------------

SPEC_CASE(Seccomp,
          WithoutNoNewPrivileges,
          "RT-005 RT-018",
          "the filter is installed without noNewPrivileges as well") {
  c.bundle.process()["noNewPrivileges"] = false;
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO", {{"errnoRet", kErrno}})});
  EXPECT_EQ(call(c).value("errno", 0), kErrno);
}

SPEC_CASE(Seccomp,
          OtherUser,
          "RT-005 RT-018",
          "the filter is installed for a user without capabilities") {
  c.bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO", {{"errnoRet", kErrno}})});
  EXPECT_EQ(call(c).value("errno", 0), kErrno);
}

SPEC_CASE(Seccomp, Flags, "RT-005", "the flags TSYNC, LOG and SPEC_ALLOW are accepted") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO", {{"errnoRet", kErrno}})});
  c.bundle.linux_config()["seccomp"]["flags"] = {
      "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"};
  EXPECT_EQ(call(c).value("errno", 0), kErrno);
}

SPEC_CASE(Seccomp,
          ForeignArchitectures,
          "RT-005",
          "architectures besides the native one are accepted") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO", {{"errnoRet", kErrno}})});
  c.bundle.linux_config()["seccomp"]["architectures"] = {
      "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
  EXPECT_EQ(call(c).value("errno", 0), kErrno);
}

SPEC_CASE(Seccomp,
          EmptyNamesAreRefused,
          "LX-081",
          "an entry with an empty list of names is refused") {
  c.bundle.linux_config()["seccomp"] =
      profile({{{"names", Json::array()}, {"action", "SCMP_ACT_ERRNO"}}});
  c.expect_refused("names is empty", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Seccomp, MissingNamesAreRefused, "LX-081 CF-130", "an entry without names is refused") {
  c.bundle.linux_config()["seccomp"] = profile({{{"action", "SCMP_ACT_ERRNO"}}});
  c.expect_refused("names is missing", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Seccomp,
          MetadataWithoutListenerIsRefused,
          "LX-080",
          "listenerMetadata without listenerPath is refused") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO")});
  c.bundle.linux_config()["seccomp"]["listenerMetadata"] = "metadata";
  c.expect_refused("listenerMetadata without listenerPath", Case::Refusal::AtCreateOrStart);
}

constexpr const char* kActionsWithoutErrno[] = {"SCMP_ACT_ALLOW",
                                                "SCMP_ACT_KILL",
                                                "SCMP_ACT_KILL_PROCESS",
                                                "SCMP_ACT_KILL_THREAD",
                                                "SCMP_ACT_TRAP",
                                                "SCMP_ACT_LOG"};

void run_errno_on_action(Case& c, const char* action) {
  c.bundle.linux_config()["seccomp"] = profile({entry(action, {{"errnoRet", kErrno}})});
  c.expect_refused(std::string("errnoRet with ") + action, Case::Refusal::AtCreateOrStart);
}

void run_errno_on_default(Case& c, const char* action) {
  c.bundle.linux_config()["seccomp"] = {{"defaultAction", action}, {"defaultErrnoRet", kErrno}};
  c.expect_refused(std::string("defaultErrnoRet with ") + action, Case::Refusal::AtCreateOrStart);
}

bool register_rows() {
  static const SignalRow kSignals[] = {{"KillProcess", "SCMP_ACT_KILL_PROCESS", SIGSYS},
                                       {"KillThread", "SCMP_ACT_KILL_THREAD", SIGSYS},
                                       {"Kill", "SCMP_ACT_KILL", SIGSYS},
                                       {"Trap", "SCMP_ACT_TRAP", SIGSYS}};
  for (const SignalRow& row : kSignals) {
    register_case({"Seccomp",
                   row.name,
                   "RT-005 RT-018",
                   std::string(row.action) + " ends the caller with SIGSYS",
                   [&row](Case& c) { run_signal_row(c, row); },
                   __FILE__,
                   __LINE__});
  }
  for (const OperatorRow& row : operator_rows()) {
    register_case({"SeccompOperator",
                   row.op,
                   "RT-005 RT-018",
                   std::string(row.op) + " compares as libseccomp defines it",
                   [&row](Case& c) { run_operator_row(c, row); },
                   __FILE__,
                   __LINE__});
  }
  for (const char* action : kActionsWithoutErrno) {
    register_case({"SeccompErrnoRet",
                   action,
                   "LX-082",
                   std::string("errnoRet with ") + action + " is refused",
                   [action](Case& c) { run_errno_on_action(c, action); },
                   __FILE__,
                   __LINE__});
    register_case({"SeccompDefaultErrnoRet",
                   action,
                   "LX-074",
                   std::string("defaultErrnoRet with ") + action + " is refused",
                   [action](Case& c) { run_errno_on_default(c, action); },
                   __FILE__,
                   __LINE__});
  }
  return true;
}
[[maybe_unused]] const bool rows_registered = register_rows();

// ---- user notification
// ----------------------------------------------------------------------------------------------------

// Answers one notification with an errno. Returns the pid that asked, as this process sees it; 0
// when none came.
pid_t answer_one(const Fd& listener, int error) {
  if (!wait_readable(listener.get(), settings().timeout)) return 0;
  seccomp_notif request{};
  if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) return 0;
  seccomp_notif_resp response{};
  response.id = request.id;
  response.error = -error;
  ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);
  return static_cast<pid_t>(request.pid);
}

void use_listener(Case& c, const std::string& path, const char* metadata = nullptr) {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_NOTIFY")});
  c.bundle.linux_config()["seccomp"]["listenerPath"] = path;
  if (metadata != nullptr) c.bundle.linux_config()["seccomp"]["listenerMetadata"] = metadata;
}

SPEC_CASE(SeccompNotify,
          AgentProtocol,
          "LX-075 LX-076 LX-078 LX-083 LX-084 LX-085",
          "the agent gets one process state and the descriptor, then end of file, and answers the "
          "calls") {
  ListeningSocket socket(c.socket_path("agent"));
  use_listener(c, socket.path(), "opaque metadata");
  c.bundle.config["annotations"] = {{"com.example.key", "value"}};
  c.bundle.set_command({"do", "syscall", kNumber, "0", "0"});
  // The filter may be installed by create or by start. Either leaves its connection in the socket's
  // queue.
  c.container.must_create();
  ReceivedMessage message;
  const bool by_create = socket.receive(message, Milliseconds(100));
  c.container.must_start();
  ASSERT_TRUE(by_create || socket.receive(message, settings().timeout))
      << "nobody connected to the listener";
  EXPECT_TRUE(message.end_of_file) << "the connection is not closed after the state";
  ASSERT_EQ(message.fds.size(), 1U);
  EXPECT_EQ(message.first_message_fds, 1U) << "the descriptor did not come with the first message";
  const Json document = Json::parse(message.data, nullptr, false);
  ASSERT_TRUE(document.is_object()) << "not exactly one JSON document: " << message.data;
  EXPECT_TRUE(is_semantic_version(document.value("ociVersion", ""))) << document;
  EXPECT_EQ(document.value("fds", Json()), Json::array({"seccompFd"}));
  EXPECT_EQ(document.value("metadata", ""), "opaque metadata");
  EXPECT_EQ(document.value("pid", 0), c.container.pid());
  ASSERT_TRUE(document.contains("state"));
  expect_valid_state(document["state"], c.container.id(), c.bundle, "");
  const std::string status = document["state"].value("status", "");
  EXPECT_TRUE(status == "creating" || status == "created") << status;
  EXPECT_GT(answer_one(message.fds[0], kErrno), 0) << "no notification arrived";
  EXPECT_EQ(c.container.wait_exit(), 0);
  EXPECT_EQ(c.container.json_output()[0].value("errno", 0), kErrno);
}

SPEC_CASE(SeccompNotify,
          OneConnectionPerContainer,
          "LX-077 LX-076",
          "every container makes a connection of its own") {
  ListeningSocket socket(c.socket_path("agent"));
  use_listener(c, socket.path());
  c.bundle.set_command({"exit", "0"});
  Container& second = c.new_container(c.bundle, c.container.id() + "-2");
  c.container.must_create();
  c.bundle.linux_config()["cgroupsPath"] = c.cgroups_path("second");
  second.must_create();
  c.container.must_start();
  second.must_start();
  for (const Container* container : {&c.container, &second}) {
    ReceivedMessage message;
    ASSERT_TRUE(socket.receive(message, settings().timeout));
    const Json document = Json::parse(message.data, nullptr, false);
    ASSERT_TRUE(document.is_object()) << "not exactly one JSON document: " << message.data;
    EXPECT_EQ(document.value(Json::json_pointer("/state/id"), ""), container->id());
    EXPECT_TRUE(message.end_of_file);
  }
  c.container.wait_exit();
  second.wait_exit();
}

SPEC_CASE(SeccompNotify,
          NoListenerIsAnError,
          "LX-079",
          "create or start fails when the state cannot be sent") {
  use_listener(c, c.directory() + "/nobody-listens");
  c.expect_refused("nobody listens", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(SeccompNotify,
          ListenerIsIgnoredWithoutNotify,
          "RT-005",
          "listenerPath is ignored when no rule has SCMP_ACT_NOTIFY") {
  c.bundle.linux_config()["seccomp"] = profile({entry("SCMP_ACT_ERRNO", {{"errnoRet", kErrno}})});
  c.bundle.linux_config()["seccomp"]["listenerPath"] = c.directory() + "/nobody-listens";
  EXPECT_EQ(call(c).value("errno", 0), kErrno);
}

}  // namespace
}  // namespace spec
