// runtime.md: the lifecycle and the five operations.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

SPEC_CASE(Lifecycle,
          CreateStartDelete,
          "RT-001 RT-005 RT-018 RT-026 RT-033",
          "a container goes through created, running and stopped, and is gone after delete") {
  c.bundle.set_command({"wait"});
  c.container.must_create();
  EXPECT_EQ(c.container.status(), "created");
  c.container.must_start();
  ASSERT_TRUE(c.container.wait_output("ready\n"));
  EXPECT_EQ(c.container.status(), "running");
  EXPECT_TRUE(c.container.kill("TERM").ok());
  EXPECT_EQ(c.container.wait_exit(), 0);
  EXPECT_EQ(c.container.status(), "stopped");
  c.container.must_remove();
  EXPECT_EQ(c.container.status(), "");
}

SPEC_CASE(Lifecycle,
          IdIsReusableAfterDelete,
          "RT-021 RT-050",
          "after delete the id may be used again") {
  for (int round = 0; round < 2; ++round) {
    const Json report = c.report();
    EXPECT_EQ(report["cwd"], "/");
  }
}

SPEC_CASE(Lifecycle,
          DuplicateIdIsRefused,
          "RT-002 RT-031 RT-032",
          "create with an id in use fails and leaves the first container as it is") {
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  Container& second = c.new_container(c.new_bundle("second"), c.container.id());
  EXPECT_FALSE(second.create().ok()) << "a second create with the same id reports success";
  const Json state = c.container.must_state();
  EXPECT_EQ(state["status"], "running");
  EXPECT_EQ(state["pid"], c.container.pid());
  EXPECT_EQ(state["bundle"], c.bundle.directory());
}

SPEC_CASE(Lifecycle,
          InvalidIdsAreRefused,
          "RT-031 RT-032",
          "ids that cannot name a container (\"\", \".\", \"..\", \"a/b\", 5000 letters) fail and "
          "create nothing") {
  c.bundle.write();
  for (const std::string& id : {std::string(),
                                std::string("."),
                                std::string(".."),
                                std::string("a/b"),
                                std::string("../escape"),
                                std::string(5000, 'x')}) {
    const CommandResult result = c.runtime({"create", "--bundle", c.bundle.directory(), id});
    EXPECT_FALSE(result.ok()) << "create accepts the id '" << id.substr(0, 20) << "'";
    EXPECT_FALSE(c.runtime({"state", id}).ok())
        << "a container named '" << id.substr(0, 20) << "' exists";
  }
  EXPECT_FALSE(fs::exists(c.directory() + "/escape"));
}

SPEC_CASE(Lifecycle,
          ResourcesExistBeforeStart,
          "RT-007 RT-008 RT-034 RT-035",
          "after create the namespaces and the cgroup exist, and the user's program has not run") {
  c.bundle.set_command({"do", "create", "/marker", "x"});
  c.container.must_create();
  const int pid = c.container.pid();
  ASSERT_GT(pid, 0);
  for (const char* type : {"mnt", "net", "ipc", "uts", "pid"}) {
    EXPECT_NE(namespace_inode(pid, type), namespace_inode(0, type))
        << "no new " << type << " namespace after create";
  }
  EXPECT_FALSE(cgroup_directories(c.cgroups(), c.cgroups_path()).empty())
      << "no cgroup at " << c.cgroups_path();
  EXPECT_FALSE(fs::exists(c.bundle.rootfs() + "/marker")) << "the user's program ran before start";
  EXPECT_EQ(read_file("/proc/" + std::to_string(pid) + "/cmdline").find("/marker"),
            std::string::npos)
      << "process.args is applied before start";
  c.container.must_start();
  EXPECT_EQ(c.container.wait_exit(), 0);
  EXPECT_TRUE(fs::exists(c.bundle.rootfs() + "/marker"));
}

SPEC_CASE(Lifecycle,
          ConfigChangesAfterCreateHaveNoEffect,
          "RT-009",
          "what is written to config.json after create is not seen by start and delete") {
  c.bundle.set_command({"exit", "11"});
  c.add_hook("poststop", "poststop");
  c.container.must_create();
  c.bundle.set_command({"exit", "22"});
  c.bundle.config.erase("hooks");
  c.bundle.write();
  c.container.must_start();
  EXPECT_EQ(c.container.wait_exit(), 11) << "start used the changed process.args";
  c.container.must_remove();
  EXPECT_EQ(c.hook_names(), std::vector<std::string>{"poststop"})
      << "delete used the changed hooks";
}

SPEC_CASE(Lifecycle,
          ConfigRemovedAfterCreateHasNoEffect,
          "RT-009",
          "start and delete work without config.json") {
  c.bundle.set_command({"exit", "0"});
  c.container.must_create();
  fs::remove(c.bundle.directory() + "/config.json");
  c.container.must_start();
  EXPECT_EQ(c.container.wait_exit(), 0);
  c.container.must_remove();
}

SPEC_CASE(Lifecycle,
          MissingArgumentsAreErrors,
          "RT-027 RT-030 RT-038 RT-043 RT-047",
          "state, create, start, kill and delete without a container id report an error") {
  for (const char* operation : {"state", "create", "start", "kill", "delete"}) {
    EXPECT_FALSE(c.runtime({operation}).ok()) << operation << " without an id reports success";
  }
  c.bundle.write();
  EXPECT_FALSE(c.runtime({"create", "--bundle", c.bundle.directory()}).ok())
      << "create without an id";
  const std::string empty = c.directory() + "/empty";
  fs::create_directory(empty);
  CommandOptions options;
  options.cwd = empty;
  EXPECT_FALSE(c.runtime({"create", "no-bundle"}, options).ok()) << "create without a bundle";
  EXPECT_FALSE(c.runtime({"state", "no-bundle"}).ok());
}

SPEC_CASE(Lifecycle,
          UnknownContainersAreErrors,
          "RT-028 RT-040 RT-045 RT-049",
          "state, start, kill and delete of a container that does not exist report an error") {
  EXPECT_FALSE(c.runtime({"state", "nobody"}).ok()) << "state";
  EXPECT_FALSE(c.runtime({"start", "nobody"}).ok()) << "start";
  EXPECT_FALSE(c.runtime({"kill", "nobody", "TERM"}).ok()) << "kill";
  EXPECT_FALSE(c.runtime({"delete", "nobody"}).ok()) << "delete";
}

SPEC_CASE(Lifecycle,
          StartOfRunningContainerFails,
          "RT-039 RT-040",
          "start of a running container fails and does not disturb it") {
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  EXPECT_FALSE(c.container.start().ok());
  EXPECT_EQ(c.container.status(), "running");
  EXPECT_EQ(c.container.output(), "ready\n") << "the program was started twice";
}

SPEC_CASE(Lifecycle,
          StartOfStoppedContainerFails,
          "RT-039 RT-040",
          "start of a stopped container fails") {
  c.bundle.set_command({"exit", "0"});
  c.container.must_create();
  c.container.must_start();
  c.container.wait_exit();
  EXPECT_FALSE(c.container.start().ok());
  EXPECT_EQ(c.container.status(), "stopped");
}

SPEC_CASE(Lifecycle,
          MissingProgramIsAnError,
          "RT-036 RT-041",
          "a program that does not exist makes create or start report an error") {
  c.bundle.process()["args"] = {"/bin/there-is-no-such-program"};
  c.expect_refused("process.args[0] does not exist", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Lifecycle,
          FailedExecIsReportedByStart,
          "RT-041",
          "a program whose interpreter is missing makes create or start report an error") {
  c.bundle.make_file("/bin/script", "#!/no/such/interpreter\n");
  ::chmod((c.bundle.rootfs() + "/bin/script").c_str(), 0755);
  c.bundle.process()["args"] = {"/bin/script"};
  c.expect_refused("execve fails with ENOENT", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Lifecycle,
          ProgramWithoutExecutePermissionIsAnError,
          "RT-041",
          "a program that may not be executed makes create or start report an error") {
  c.bundle.make_file("/bin/data", "text");
  ::chmod((c.bundle.rootfs() + "/bin/data").c_str(), 0644);
  c.bundle.process()["args"] = {"/bin/data"};
  c.expect_refused("execve fails with EACCES", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Lifecycle,
          CreateWithoutProcess,
          "RT-042 RT-034",
          "create accepts a config without process; start then reports an error") {
  c.bundle.config.erase("process");
  const CommandResult created = c.container.create();
  ASSERT_TRUE(created.ok()) << "process is OPTIONAL for create: " << created.err;
  EXPECT_EQ(c.container.status(), "created");
  EXPECT_FALSE(c.container.start().ok()) << "start succeeds although there is nothing to run";
}

SPEC_CASE(Lifecycle,
          KillOfStoppedContainerFails,
          "RT-044 RT-045",
          "kill of a stopped container reports an error") {
  c.bundle.set_command({"exit", "0"});
  c.container.must_create();
  c.container.must_start();
  c.container.wait_exit();
  EXPECT_FALSE(c.container.kill("TERM").ok());
  EXPECT_FALSE(c.container.kill("KILL").ok());
}

SPEC_CASE(Lifecycle,
          KillOfCreatedContainer,
          "RT-046",
          "kill of a created container reaches its process") {
  c.bundle.set_command({"wait"});
  c.container.must_create();
  EXPECT_TRUE(c.container.kill("KILL").ok());
  EXPECT_EQ(c.container.wait_exit(), 128 + SIGKILL);
  EXPECT_EQ(c.container.status(), "stopped");
}

SPEC_CASE(Lifecycle,
          KillDuringCreationFails,
          "RT-044 RT-045",
          "kill of a container that is being created has no effect and reports an error") {
  const std::string gate = c.directory() + "/gate";
  ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
  c.bundle.set_command({"wait"});
  c.add_hook("createRuntime", "gate", {"wait=" + gate});
  c.bundle.write();
  const std::vector<std::string> arguments = {
      "create", "--bundle", c.bundle.directory(), c.container.id()};
  Process creation = c.start_runtime(arguments);
  const auto deadline = std::chrono::steady_clock::now() + settings().timeout;
  while (c.hook_log().empty() && std::chrono::steady_clock::now() < deadline) ::usleep(2000);
  ASSERT_EQ(c.hook_log().size(), 1U) << "the createRuntime hook did not run";
  // A runtime may make other operations wait until the creation is over; then there is nothing to
  // observe.
  SpawnOptions kill_options;
  kill_options.argv = c.command_line({"kill", c.container.id(), "KILL"});
  kill_options.before_exec = [] { ::alarm(3); };
  Process killer = spawn(kill_options);
  const std::optional<int> killed = killer.wait(settings().timeout);
  // Opening and closing the writing end lets the hook go on.
  Fd(::open(gate.c_str(), O_WRONLY | O_CLOEXEC)).reset();
  const std::optional<int> created = creation.wait(settings().timeout);
  ASSERT_TRUE(killed && created);
  EXPECT_NE(shell_status(*killed), 0)
      << "kill reports success while the container is being created";
  EXPECT_EQ(shell_status(*created), 0) << "kill had an effect on a container that is being created";
  EXPECT_EQ(c.container.status(), "created");
  c.runtime({"kill", c.container.id(), "KILL"});
  const CommandResult removed = c.runtime({"delete", "--force", c.container.id()});
  EXPECT_TRUE(removed.ok()) << removed.err;
}

struct SignalName {
  const char* given;
  int number;
};

SPEC_CASE(
    Lifecycle,
    KillDeliversTheSignal,
    "RT-046",
    "signals given by name, with and without SIG, and by number arrive at the container process") {
  const SignalName signals[] = {{"HUP", SIGHUP},
                                {"SIGINT", SIGINT},
                                {"USR1", SIGUSR1},
                                {"SIGUSR2", SIGUSR2},
                                {"10", SIGUSR1},
                                {"WINCH", SIGWINCH},
                                {"3", SIGQUIT},
                                {"SIGALRM", SIGALRM},
                                {"64", 64}};
  c.bundle.set_command({"signals"});
  c.container.must_run_until_ready();
  std::string expected = "ready\n";
  for (const SignalName& entry : signals) {
    const CommandResult result = c.container.kill(entry.given);
    ASSERT_TRUE(result.ok()) << "kill " << entry.given << ": " << result.err;
    expected += "signal " + std::to_string(entry.number) + "\n";
    ASSERT_TRUE(c.container.wait_output(expected))
        << "after kill " << entry.given << ": " << c.container.output();
  }
  EXPECT_TRUE(c.container.kill("SIGTERM").ok());
  EXPECT_EQ(c.container.wait_exit(), 0);
}

SPEC_CASE(Lifecycle,
          UnknownSignalIsAnError,
          "RT-046",
          "kill with a signal that does not exist reports an error") {
  c.bundle.set_command({"signals"});
  c.container.must_run_until_ready();
  EXPECT_FALSE(c.container.kill("NOSUCHSIGNAL").ok());
  EXPECT_FALSE(c.container.kill("4711").ok());
  EXPECT_EQ(c.container.status(), "running");
  EXPECT_EQ(c.container.output(), "ready\n");
}

SPEC_CASE(Lifecycle,
          DeleteOfRunningContainerFails,
          "RT-048 RT-049",
          "delete of a running container fails and does not disturb it") {
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  EXPECT_FALSE(c.container.remove().ok());
  EXPECT_EQ(c.container.status(), "running");
  EXPECT_TRUE(c.container.kill("TERM").ok());
  EXPECT_EQ(c.container.wait_exit(), 0);
}

SPEC_CASE(Lifecycle,
          DeleteOfCreatedContainerFails,
          "RT-048 RT-049",
          "delete of a created container, which is not stopped, fails and does not disturb it") {
  c.bundle.set_command({"exit", "7"});
  c.container.must_create();
  ASSERT_FALSE(c.container.remove().ok()) << "delete destroys a container that is not stopped";
  EXPECT_EQ(c.container.status(), "created");
  c.container.must_start();
  EXPECT_EQ(c.container.wait_exit(), 7);
}

SPEC_CASE(Lifecycle, DeleteTwiceFails, "RT-049 RT-050", "the second delete reports an error") {
  c.bundle.set_command({"exit", "0"});
  c.container.must_create();
  c.container.must_start();
  c.container.wait_exit();
  c.container.must_remove();
  EXPECT_FALSE(c.container.remove().ok());
}

SPEC_CASE(Lifecycle,
          ForeignResourcesSurviveDelete,
          "RT-051",
          "delete keeps the bundle, joined namespaces and a cgroup that existed before create") {
  make_cgroup_parent(c.cgroups(), c.cgroups_path());
  c.at_end([&c] { remove_cgroup(c.cgroups(), c.cgroups_path()); });
  const size_t before = cgroup_directories(c.cgroups(), c.cgroups_path()).size();
  c.bundle.set_command({"exit", "0"});
  if (const CommandResult result = c.container.create(); !result.ok()) {
    // A runtime may check whether the cgroup is fit for use; an error then is what the
    // specification asks for.
    EXPECT_EQ(cgroup_directories(c.cgroups(), c.cgroups_path()).size(), before);
    return;
  }
  c.container.must_start();
  c.container.wait_exit();
  c.container.must_remove();
  EXPECT_EQ(cgroup_directories(c.cgroups(), c.cgroups_path()).size(), before)
      << "delete removed a cgroup that the container did not create";
  EXPECT_TRUE(fs::exists(c.bundle.rootfs() + "/bin/checker"));
  EXPECT_TRUE(fs::exists(c.bundle.directory() + "/config.json"));
}

SPEC_CASE(Lifecycle,
          ProcessExitStatus,
          "RT-018",
          "the container process ends with the status of the user's program") {
  c.bundle.set_command({"exit", "42"});
  c.container.must_create();
  c.container.must_start();
  EXPECT_EQ(c.container.wait_exit(), 42);
}

SPEC_CASE(Lifecycle,
          ManyContainersAtOnce,
          "RT-002 RT-001",
          "containers with different ids live side by side") {
  Bundle& second_bundle = c.new_bundle("second");
  Container& second = c.new_container(second_bundle, c.container.id() + "-2");
  c.bundle.set_command({"wait"});
  second_bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  second.must_run_until_ready();
  EXPECT_NE(c.container.pid(), second.pid());
  EXPECT_TRUE(c.container.kill("TERM").ok());
  c.container.wait_exit();
  c.container.must_remove();
  EXPECT_EQ(second.status(), "running");
}

}  // namespace
}  // namespace spec
