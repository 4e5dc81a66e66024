// config.md, "POSIX-platform Hooks": when, where and with what the six kinds run.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "case.h"
#include "state_check.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

constexpr const char* kKinds[] = {
    "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
using Names = std::vector<std::string>;

// One or more hooks of every kind around a container that runs "hold": posture first, then waiting.
void run_with_all_hooks(Case& c, const std::function<void()>& while_running = {}) {
  c.bundle.set_command({"hold"});
  c.container.must_run_until_ready();
  if (while_running) while_running();
  EXPECT_TRUE(c.container.kill("TERM").ok());
  c.container.wait_exit();
  c.container.must_remove();
}

std::map<std::string, Json> log_by_name(const Case& c) {
  std::map<std::string, Json> records;
  for (const Json& record : c.hook_log()) records[record["hook"]] = record;
  return records;
}

SPEC_CASE(Hooks,
          OrderOfAllKinds,
          "RT-010 RT-012 RT-014 RT-016 RT-019 RT-022 CF-109 CF-111 CF-112 CF-113 CF-114 CF-115 "
          "CF-116 CF-117 CF-118",
          "create runs prestart, createRuntime, createContainer; start runs startContainer, "
          "poststart; delete runs "
          "poststop; hooks of one kind run in the listed order") {
  for (const char* kind : kKinds) {
    for (const char* number : {"1", "2", "3"}) c.add_hook(kind, kind + std::string(number));
  }
  c.bundle.set_command({"wait"});
  c.container.must_create();
  const Names create_part = {"prestart1",
                             "prestart2",
                             "prestart3",
                             "createRuntime1",
                             "createRuntime2",
                             "createRuntime3",
                             "createContainer1",
                             "createContainer2",
                             "createContainer3"};
  EXPECT_EQ(c.hook_names(), create_part) << "after create";
  c.container.must_start();
  Names start_part = create_part;
  for (const char* name : {"startContainer1",
                           "startContainer2",
                           "startContainer3",
                           "poststart1",
                           "poststart2",
                           "poststart3"}) {
    start_part.emplace_back(name);
  }
  EXPECT_EQ(c.hook_names(), start_part) << "after start";
  ASSERT_TRUE(c.container.wait_output("ready\n"));
  c.container.kill("TERM");
  c.container.wait_exit();
  EXPECT_EQ(c.hook_names(), start_part) << "poststop hooks run before delete";
  c.container.must_remove();
  Names all = start_part;
  for (const char* name : {"poststop1", "poststop2", "poststop3"}) all.emplace_back(name);
  EXPECT_EQ(c.hook_names(), all) << "after delete";
}

SPEC_CASE(Hooks,
          ArgumentsAndEnvironment,
          "RT-012 RT-014 RT-016 RT-019 RT-022 CF-109",
          "every hook gets its own args, with args[0], and its own env") {
  for (const char* kind : kKinds) c.add_hook(kind, kind, {"a b", "", "c=d"});
  run_with_all_hooks(c);
  const auto log = log_by_name(c);
  ASSERT_EQ(log.size(), 6U);
  for (const auto& [name, record] : log) {
    const Json& args = record.at("args");
    ASSERT_EQ(args.size(), 5U) << name << ": " << args;
    EXPECT_EQ(args[2], "a b") << name;
    EXPECT_EQ(args[3], "") << name;
    EXPECT_EQ(args[4], "c=d") << name;
    EXPECT_TRUE(contains(record.at("env"), "HOOK=" + name)) << name << ": " << record.at("env");
  }
}

void check_hook_state(Case& c, const std::string& kind, const Json& record) {
  SCOPED_TRACE("hook " + kind);
  static const std::map<std::string, std::string> kStatus = {{"prestart", "creating"},
                                                             {"createRuntime", "creating"},
                                                             {"createContainer", "creating"},
                                                             {"startContainer", "created"},
                                                             {"poststart", "running"},
                                                             {"poststop", "stopped"}};
  const Json& state = record.at("state");
  expect_valid_state(state, c.container.id(), c.bundle, kStatus.at(kind));
  if (!state.is_object() || kind == "poststop") return;
  const bool inside = kind == "createContainer" || kind == "startContainer";
  const int pid = state.value("pid", 0);
  if (kind == "createContainer" && pid == 0)
    return;  // pid is OPTIONAL while the status is creating
  if (inside) {
    EXPECT_EQ(pid, 1) << "pid as seen in the container's pid namespace";
  } else if (pid != 0 || kind == "poststart") {
    EXPECT_EQ(pid, c.container.pid()) << "pid as seen by the runtime";
  }
}

#define HOOK_STATE_CASE(name, kind, ids)                                                         \
  SPEC_CASE(Hooks,                                                                               \
            name,                                                                                \
            "CF-110 RT-003 RT-004 " ids,                                                         \
            "the " kind                                                                          \
            " hook reads a valid state with the right status and pid from its standard input") { \
    c.bundle.config["annotations"] = {{"com.example.key", "value"}};                             \
    c.add_hook(kind, kind);                                                                      \
    run_with_all_hooks(c);                                                                       \
    const auto log = log_by_name(c);                                                             \
    ASSERT_EQ(log.size(), 1U);                                                                   \
    check_hook_state(c, kind, log.at(kind));                                                     \
  }
HOOK_STATE_CASE(StateOfPrestart, "prestart", "RT-010")
HOOK_STATE_CASE(StateOfCreateRuntime, "createRuntime", "RT-012")
HOOK_STATE_CASE(StateOfCreateContainer, "createContainer", "RT-014")
HOOK_STATE_CASE(StateOfStartContainer, "startContainer", "RT-016")
HOOK_STATE_CASE(StateOfPoststart, "poststart", "RT-019")
HOOK_STATE_CASE(StateOfPoststop, "poststop", "RT-022")

SPEC_CASE(Hooks,
          RuntimeNamespaces,
          "CF-097 CF-098 CF-099 CF-100 CF-105 CF-106 CF-107 CF-108",
          "prestart, createRuntime, poststart and poststop hooks are found and run in the "
          "runtime's namespaces") {
  for (const char* kind : {"prestart", "createRuntime", "poststart", "poststop"})
    c.add_hook(kind, kind);
  run_with_all_hooks(c);
  const auto log = log_by_name(c);
  ASSERT_EQ(log.size(), 4U);
  for (const auto& [name, record] : log) {
    for (const auto& [type, inode] : record.at("namespaces").items()) {
      EXPECT_EQ(inode, namespace_inode(0, type))
          << name << " runs in another " << type << " namespace";
    }
    EXPECT_EQ(record.at("exe"), settings().checker) << name;
  }
}

SPEC_CASE(Hooks,
          ContainerNamespaces,
          "CF-101 CF-102 CF-104",
          "createContainer and startContainer hooks run in the container's namespaces; "
          "createContainer's path is one "
          "of the runtime's") {
  c.bundle.add_namespace("cgroup");
  for (const char* kind : {"createContainer", "startContainer"}) c.add_hook(kind, kind);
  std::map<std::string, uint64_t> expected;
  run_with_all_hooks(c, [&] {
    for (const char* type : {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}) {
      expected[type] = namespace_inode(c.container.pid(), type);
    }
  });
  const auto log = log_by_name(c);
  ASSERT_EQ(log.size(), 2U);
  for (const auto& [name, record] : log) {
    for (const auto& [type, inode] : record.at("namespaces").items()) {
      EXPECT_EQ(inode, expected[type])
          << name << " runs in another " << type << " namespace than the container";
    }
  }
}

SPEC_CASE(Hooks,
          StartContainerPathIsTheContainers,
          "CF-103 CF-104",
          "a startContainer hook is looked up below the container's root and sees it as /") {
  fs::create_directory(c.bundle.rootfs() + "/only-inside");
  fs::create_hard_link(settings().checker, c.bundle.rootfs() + "/only-inside/hook");
  c.add_hook("startContainer", "inside");
  c.bundle.config["hooks"]["startContainer"][0]["path"] = "/only-inside/hook";
  run_with_all_hooks(c);
  const auto log = log_by_name(c);
  ASSERT_EQ(log.size(), 1U);
  struct stat root {};
  ASSERT_EQ(::stat(c.bundle.rootfs().c_str(), &root), 0);
  EXPECT_EQ(log.at("inside").at("root").at("inode"), root.st_ino)
      << "/ is not the container's root file system";
}

SPEC_CASE(Hooks,
          EnvironmentExistsBeforePivot,
          "CF-111 CF-113",
          "prestart and createRuntime hooks run when the container's namespaces exist and before "
          "its root changes") {
  for (const char* kind : {"prestart", "createRuntime"}) c.add_hook(kind, kind);
  run_with_all_hooks(c);
  std::string host_root;
  for (const MountEntry& mount : own_mounts()) {
    if (mount.target == "/") host_root = mount.source + mount.root;
  }
  for (const auto& [name, record] : log_by_name(c)) {
    const Json& process = record.at("process");
    for (const char* type : {"mnt", "net", "pid", "uts", "ipc"}) {
      const std::string own = std::string("[") + std::to_string(namespace_inode(0, type)) + "]";
      const std::string link = process.value(std::string("ns_") + type, "");
      EXPECT_FALSE(link.empty()) << name << ": the state's pid leads to no " << type
                                 << " namespace";
      EXPECT_EQ(link.find(own), std::string::npos)
          << name << ": the " << type << " namespace is not there yet";
    }
    bool before_pivot = false;
    std::istringstream lines(process.value("mountinfo", ""));
    for (std::string line; std::getline(lines, line);) {
      const MountEntry mount = parse_mount_line(line);
      before_pivot =
          before_pivot || (mount.target == "/" && mount.source + mount.root == host_root);
    }
    EXPECT_TRUE(before_pivot) << name << " runs after pivot_root";
  }
}

SPEC_CASE(Hooks,
          CreateContainerSeesMounts,
          "CF-114 CF-101",
          "a createContainer hook runs before pivot_root, with the container's mounts in place "
          "below the bundle") {
  const std::string mounted = c.bundle.rootfs() + "/proc/self/status";
  const std::string host = c.bundle.directory() + "/config.json";
  c.add_hook("createContainer", "createContainer", {"exists=" + mounted, "exists=" + host});
  run_with_all_hooks(c);
  const auto log = log_by_name(c);
  ASSERT_EQ(log.size(), 1U);
  const Json& exists = log.at("createContainer").at("exists");
  EXPECT_EQ(exists.at(mounted), true) << "the container's /proc is not mounted at " << mounted;
  EXPECT_EQ(exists.at(host), true) << "the runtime's paths are gone";
}

SPEC_CASE(Hooks,
          PoststartRunsAfterExec,
          "CF-117",
          "when poststart runs, the user's program has been executed") {
  c.bundle.set_command({"wait"});
  c.add_hook("poststart", "poststart");
  c.container.must_run_until_ready();
  const auto log = log_by_name(c);
  ASSERT_EQ(log.size(), 1U) << "start returned before its poststart hook ran";
  const std::string command = log.at("poststart").at("process").value("cmdline", "");
  EXPECT_EQ(command, std::string("/bin/checker\0wait\0", 18))
      << "the process is not the user's program yet";
}

SPEC_CASE(Hooks,
          PoststopRunsAfterDestruction,
          "CF-118 RT-022",
          "when poststop runs, the container's cgroup and process are gone") {
  c.bundle.set_command({"exit", "0"});
  c.container.must_create();
  const auto directories = cgroup_directories(c.cgroups(), c.cgroups_path());
  c.container.must_start();
  c.container.wait_exit();
  c.container.must_remove();
  std::vector<std::string> extra;
  for (const std::string& directory : directories) extra.push_back("exists=" + directory);
  c.add_hook("poststop", "poststop", extra);
  c.container.must_create();
  c.container.must_start();
  c.container.wait_exit();
  c.container.must_remove();
  const auto log = log_by_name(c);
  ASSERT_EQ(log.size(), 1U) << "delete returned before its poststop hook ran";
  for (const auto& [path, exists] : log.at("poststop").at("exists").items()) {
    EXPECT_EQ(exists, false) << path << " is still there";
  }
}

void expect_creation_failure(Case& c, const std::string& failing, const Names& expected) {
  for (const char* kind : kKinds) {
    if (kind == failing) {
      c.add_hook(kind, std::string(kind) + "-fails", {"exit=3"});
    }
    c.add_hook(kind, kind);
  }
  c.bundle.set_command({"wait"});
  EXPECT_FALSE(c.container.create().ok())
      << "create succeeds although its " << failing << " hook failed";
  EXPECT_EQ(c.container.status(), "") << "the container still exists";
  EXPECT_EQ(c.hook_names(), expected) << "hooks that ran";
}

SPEC_CASE(Hooks,
          PrestartFailure,
          "RT-011 RT-024 RT-037",
          "a failing prestart hook makes create fail, the container is destroyed and poststop "
          "hooks run") {
  expect_creation_failure(c, "prestart", {"prestart-fails", "poststop"});
}
SPEC_CASE(Hooks,
          CreateRuntimeFailure,
          "RT-013 RT-024 RT-037",
          "a failing createRuntime hook makes create fail, the container is destroyed and poststop "
          "hooks run") {
  expect_creation_failure(c, "createRuntime", {"prestart", "createRuntime-fails", "poststop"});
}
SPEC_CASE(Hooks,
          CreateContainerFailure,
          "RT-015 RT-024 RT-037",
          "a failing createContainer hook makes create fail, the container is destroyed and "
          "poststop hooks run") {
  expect_creation_failure(
      c, "createContainer", {"prestart", "createRuntime", "createContainer-fails", "poststop"});
}

SPEC_CASE(Hooks,
          StartContainerFailure,
          "RT-017",
          "a failing startContainer hook makes start fail; the program does not run, the container "
          "is destroyed and "
          "poststop hooks run") {
  c.add_hook("startContainer", "startContainer-fails", {"exit=3"});
  c.add_hook("startContainer", "startContainer");
  c.add_hook("poststart", "poststart");
  c.add_hook("poststop", "poststop");
  c.bundle.set_command({"do", "create", "/marker", "x"});
  c.container.must_create();
  const CommandResult started = c.container.start();
  EXPECT_FALSE(started.ok()) << "start reports success";
  c.container.wait_exit();
  EXPECT_FALSE(fs::exists(c.bundle.rootfs() + "/marker")) << "the user's program ran";
  EXPECT_EQ(c.container.status(), "") << "the container is not destroyed";
  EXPECT_EQ(c.hook_names(), (Names{"startContainer-fails", "poststop"})) << "hooks that ran";
}

SPEC_CASE(Hooks,
          PoststartFailure,
          "RT-020",
          "a failing poststart hook makes start fail; the container is stopped, destroyed and "
          "poststop hooks run") {
  c.add_hook("poststart", "poststart-fails", {"exit=3"});
  c.add_hook("poststart", "poststart");
  c.add_hook("poststop", "poststop");
  c.bundle.set_command({"wait"});
  c.container.must_create();
  EXPECT_FALSE(c.container.start().ok()) << "start reports success";
  EXPECT_EQ(c.container.status(), "") << "the container is not destroyed";
  EXPECT_EQ(c.hook_names(), (Names{"poststart-fails", "poststop"})) << "hooks that ran";
}

SPEC_CASE(
    Hooks,
    PoststopFailureIsAWarning,
    "RT-023 RT-025",
    "a failing poststop hook does not keep the others from running nor delete from succeeding") {
  c.add_hook("poststop", "first", {"exit=3"});
  c.add_hook("poststop", "second");
  c.bundle.set_command({"exit", "0"});
  c.container.must_create();
  c.container.must_start();
  c.container.wait_exit();
  const CommandResult removed = c.container.remove();
  EXPECT_TRUE(removed.ok()) << "delete fails: " << removed.err;
  EXPECT_EQ(c.hook_names(), (Names{"first", "second"}));
  EXPECT_EQ(c.container.status(), "") << "the container still exists";
}

SPEC_CASE(Hooks,
          MissingProgram,
          "RT-013 RT-036",
          "a hook whose program does not exist counts as failed") {
  c.add_hook("createRuntime", "missing");
  c.bundle.config["hooks"]["createRuntime"][0]["path"] = "/no/such/hook";
  c.expect_refused("the createRuntime hook does not exist");
}

SPEC_CASE(Hooks,
          TimeoutEndsTheHook,
          "RT-013 CF-096",
          "a hook that outlives its timeout is ended and counts as failed") {
  c.add_hook("createRuntime", "hangs", {"hang"});
  c.bundle.config["hooks"]["createRuntime"][0]["timeout"] = 1;
  c.expect_refused("the hook does not end within its timeout");
}

SPEC_CASE(Hooks, TimeoutIsNotADelay, "CF-096", "a hook that ends within its timeout succeeds") {
  c.add_hook("createRuntime", "quick");
  c.bundle.config["hooks"]["createRuntime"][0]["timeout"] = 5;
  c.report();
  EXPECT_EQ(c.hook_names(), Names{"quick"});
}

#define INVALID_HOOK_CASE(name, kind, ids, why, ...)                                           \
  SPEC_CASE(                                                                                   \
      Hooks, name##In_##kind, ids " CF-130 RT-036 RT-037", "a hook with " why " is refused") { \
    c.add_hook(#kind, "hook");                                                                 \
    c.bundle.config["hooks"][#kind][0].update(Json(__VA_ARGS__));                              \
    c.expect_refused(why " in " #kind);                                                        \
    EXPECT_TRUE(c.hook_names().empty()) << "the hook ran";                                     \
  }
INVALID_HOOK_CASE(RelativePath, prestart, "CF-095", "a relative path", {{"path", "./hook"}})
INVALID_HOOK_CASE(RelativePath, createRuntime, "CF-095", "a relative path", {{"path", "./hook"}})
INVALID_HOOK_CASE(RelativePath, createContainer, "CF-095", "a relative path", {{"path", "./hook"}})
INVALID_HOOK_CASE(
    RelativePath, startContainer, "CF-095", "a relative path", {{"path", "bin/checker"}})
INVALID_HOOK_CASE(RelativePath, poststart, "CF-095", "a relative path", {{"path", "./hook"}})
INVALID_HOOK_CASE(RelativePath, poststop, "CF-095", "a relative path", {{"path", "./hook"}})
INVALID_HOOK_CASE(ZeroTimeout, createRuntime, "CF-096", "timeout 0", {{"timeout", 0}})
INVALID_HOOK_CASE(NegativeTimeout, createRuntime, "CF-096", "timeout -1", {{"timeout", -1}})
INVALID_HOOK_CASE(ZeroTimeout, poststop, "CF-096", "timeout 0", {{"timeout", 0}})
INVALID_HOOK_CASE(EmptyPath, createRuntime, "CF-095", "an empty path", {{"path", ""}})

}  // namespace
}  // namespace spec
