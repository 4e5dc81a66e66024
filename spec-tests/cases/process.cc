// config.md, "Process" and "User".
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

SPEC_CASE(Process, WorkingDirectory, "RT-018 CF-084", "the program starts in process.cwd") {
  c.bundle.process()["cwd"] = "/tmp";
  EXPECT_EQ(c.report()["cwd"], "/tmp");
}

SPEC_CASE(Process,
          RelativeWorkingDirectoryIsRefused,
          "CF-084 CF-130",
          "a relative process.cwd is refused") {
  c.bundle.process()["cwd"] = "tmp";
  c.expect_refused("process.cwd is relative", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Process,
          MissingWorkingDirectoryValueIsRefused,
          "CF-084 CF-130",
          "process without cwd is refused") {
  c.bundle.process().erase("cwd");
  c.expect_refused("process.cwd is REQUIRED", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Process,
          WorkingDirectoryThatIsAFileIsRefused,
          "RT-036",
          "process.cwd that is a file is an error") {
  c.bundle.make_file("/etc/file", "x");
  c.bundle.process()["cwd"] = "/etc/file";
  c.expect_refused("process.cwd is not a directory", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Process, Arguments, "RT-018", "the program gets process.args as they are") {
  c.bundle.process()["args"] = {"/bin/checker", "args", "two words", "", "quote\"'", "\u00e9"};
  EXPECT_EQ(c.run(), Json({"/bin/checker", "args", "two words", "", "quote\"'", "\u00c3\u00a9"}));
}

SPEC_CASE(Process,
          NoArgumentsAreRefused,
          "CF-130 RT-036",
          "process without args is refused, and so is an empty list") {
  c.bundle.process()["args"] = Json::array();
  c.expect_refused("process.args is empty", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Process,
          Environment,
          "RT-018",
          "the program's environment is process.env in the listed order") {
  c.bundle.process()["env"] = {"PATH=/bin", "ONE=1", "EMPTY=", "EQUALS=a=b", "HOME=/tmp"};
  const Json env = c.report()["env"];
  Json ours = Json::array();
  for (const Json& entry : env) {
    if (contains(c.bundle.process()["env"], entry)) ours.push_back(entry);
  }
  EXPECT_EQ(ours, c.bundle.process()["env"]);
  for (const Json& entry : env) {
    EXPECT_FALSE(entry.get<std::string>().starts_with("SPEC_TEST_LEAK="))
        << "a variable of the caller came through";
  }
}

SPEC_CASE(Process,
          CallersEnvironmentStaysOutside,
          "RT-018",
          "variables of the runtime's caller do not reach the program") {
  c.container.before_create = [] { ::setenv("SPEC_TEST_LEAK", "1", 1); };
  for (const Json& entry : c.report()["env"]) {
    EXPECT_FALSE(entry.get<std::string>().starts_with("SPEC_TEST_LEAK=")) << entry;
  }
}

SPEC_CASE(Process,
          PathLookup,
          "RT-018 RT-041",
          "args[0] without a slash is looked up in the PATH of process.env") {
  fs::create_directory(c.bundle.rootfs() + "/special");
  fs::create_hard_link(settings().checker, c.bundle.rootfs() + "/special/program");
  c.bundle.process()["env"] = {"PATH=/nowhere:/special"};
  c.bundle.process()["args"] = {"program", "exit", "9"};
  c.container.must_create();
  c.container.must_start();
  EXPECT_EQ(c.container.wait_exit(), 9);
}

SPEC_CASE(Process,
          ScriptWithoutInterpreterLine,
          "RT-018 RT-041",
          "as with execvp, an executable text file without #! is run by sh") {
  fs::create_hard_link(settings().checker, c.bundle.rootfs() + "/bin/sh");
  c.bundle.make_file("/bin/script", "exit 0\n");
  ::chmod((c.bundle.rootfs() + "/bin/script").c_str(), 0755);
  c.bundle.process()["args"] = {"/bin/script", "argument"};
  const Json words = c.run();
  ASSERT_EQ(words.size(), 3U) << words;
  EXPECT_EQ(words[1], "/bin/script");
  EXPECT_EQ(words[2], "argument");
}

SPEC_CASE(Process,
          User,
          "RT-018 RT-005",
          "the program runs with uid, gid and additionalGids as configured") {
  c.bundle.process()["user"] = {{"uid", 1234}, {"gid", 5678}, {"additionalGids", {10, 20, 30}}};
  const Json report = c.report();
  EXPECT_EQ(report["uids"], Json({1234, 1234, 1234}));
  EXPECT_EQ(report["gids"], Json({5678, 5678, 5678}));
  Json groups = report["groups"];
  groups.erase(std::remove(groups.begin(), groups.end(), Json(5678)), groups.end());
  EXPECT_EQ(groups, Json({10, 20, 30}));
}

SPEC_CASE(Process,
          NoAdditionalGroups,
          "RT-018",
          "without additionalGids the program keeps no group of the caller") {
  c.bundle.process()["user"] = {{"uid", 1234}, {"gid", 5678}};
  for (const Json& group : c.report()["groups"]) EXPECT_EQ(group, 5678);
}

SPEC_CASE(Process, Umask, "RT-018", "user.umask is the umask of the program") {
  c.bundle.process()["user"]["umask"] = 077;
  EXPECT_EQ(c.report()["umask"], 077);
}

SPEC_CASE(Process, NegativeIdsAreRefused, "CF-130", "a negative uid is refused") {
  c.bundle.process()["user"]["uid"] = -5;
  c.expect_refused("uid -5", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Process,
          StandardStreamsOnly,
          "RT-018",
          "by default only the three standard streams are open") {
  const Json fds = c.report()["fds"];
  EXPECT_EQ(fds.size(), 3U) << fds;
}

SPEC_CASE(Process,
          OwnSession,
          "RT-018",
          "the container process has the pid 1 of its pid namespace") {
  EXPECT_EQ(c.report()["pid"], 1);
}

SPEC_CASE(Process, NoNewPrivilegesOn, "RT-018", "noNewPrivileges true sets no_new_privs") {
  c.bundle.process()["noNewPrivileges"] = true;
  EXPECT_EQ(c.report()["noNewPrivileges"], true);
}

SPEC_CASE(Process,
          NoNewPrivilegesOff,
          "RT-018",
          "noNewPrivileges false leaves no_new_privs unset") {
  c.bundle.process()["noNewPrivileges"] = false;
  EXPECT_EQ(c.report()["noNewPrivileges"], false);
}

SPEC_CASE(Process, OomScoreAdj, "CF-092", "oomScoreAdj is written exactly") {
  c.bundle.process()["oomScoreAdj"] = 345;
  EXPECT_EQ(c.report()["oomScoreAdj"], "345");
}

void set_oom_score(const char* text) {
  if (FILE* file = std::fopen("/proc/self/oom_score_adj", "w"); file != nullptr) {
    std::fputs(text, file);
    std::fclose(file);
  }
}

SPEC_CASE(Process, OomScoreAdjZero, "CF-092", "oomScoreAdj 0 is a value like any other") {
  c.container.before_create = [] { set_oom_score("77"); };
  c.bundle.process()["oomScoreAdj"] = 100;
  EXPECT_EQ(c.report()["oomScoreAdj"], "100");
}

SPEC_CASE(Process, OomScoreAdjUnset, "CF-093", "without oomScoreAdj the caller's value is kept") {
  c.container.before_create = [] { set_oom_score("77"); };
  EXPECT_EQ(c.report()["oomScoreAdj"], "77");
}

SPEC_CASE(Process, OomScoreAdjOutOfRangeIsRefused, "CF-092 CF-130", "oomScoreAdj 5000 is refused") {
  c.bundle.process()["oomScoreAdj"] = 5000;
  c.expect_refused("oomScoreAdj 5000", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Process,
          ConsoleSizeWithoutTerminal,
          "CF-083",
          "consoleSize is ignored without a terminal") {
  c.bundle.process()["consoleSize"] = {{"height", 25}, {"width", 80}};
  EXPECT_EQ(c.report()["terminal"]["stdin"], false);
}

// ---- scheduling
// --------------------------------------------------------------------------------------------------

SPEC_CASE(Scheduler, OtherWithNice, "RT-018 RT-005", "SCHED_OTHER with nice 5") {
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_OTHER"}, {"nice", 5}};
  const Json scheduler = c.report()["scheduler"];
  EXPECT_EQ(scheduler["policy"], 0);
  EXPECT_EQ(scheduler["nice"], 5);
}

SPEC_CASE(Scheduler, Batch, "RT-018 RT-005", "SCHED_BATCH") {
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_BATCH"}, {"nice", 3}};
  const Json scheduler = c.report()["scheduler"];
  EXPECT_EQ(scheduler["policy"], 3);
  EXPECT_EQ(scheduler["nice"], 3);
}

SPEC_CASE(Scheduler, Idle, "RT-018 RT-005", "SCHED_IDLE with the flag RESET_ON_FORK") {
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_IDLE"},
                                     {"flags", {"SCHED_FLAG_RESET_ON_FORK"}}};
  const Json scheduler = c.report()["scheduler"];
  EXPECT_EQ(scheduler["policy"], 5);
  EXPECT_EQ(scheduler["flags"].get<unsigned>() & 1U, 1U);
}

SPEC_CASE(Scheduler,
          UnknownPolicyIsRefused,
          "CF-130 RT-036",
          "a policy that does not exist is refused") {
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_BANANA"}};
  c.expect_refused("policy SCHED_BANANA", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Scheduler,
          IsoIsRefused,
          "CF-130 RT-036",
          "SCHED_ISO, which Linux reserves and lacks, is refused") {
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_ISO"}};
  c.expect_refused("policy SCHED_ISO", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Scheduler,
          UnknownFlagIsRefused,
          "CF-130 RT-036",
          "a scheduler flag that does not exist is refused") {
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_OTHER"}, {"flags", {"SCHED_FLAG_BANANA"}}};
  c.expect_refused("flag SCHED_FLAG_BANANA", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(Scheduler,
          NiceOutOfRangeIsRefused,
          "CF-130 RT-036",
          "real-time priority 500 is refused") {
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_FIFO"}, {"priority", 500}};
  c.expect_refused("priority 500", Case::Refusal::AtCreateOrStart);
}

// Whether a process in a cgroup like the container's may have a real-time policy: with
// RT_GROUP_SCHED on cgroup v1 a new cpu cgroup has no real-time budget.
bool realtime_possible(const Case& c) {
  if (!have_capability(CAP_SYS_NICE)) return false;
  return !c.cgroups().has_v1("cpu") || !fs::exists(c.cgroups().v1.at("cpu") + "/cpu.rt_runtime_us");
}

SPEC_CASE(Scheduler, Fifo, "RT-018 RT-005", "SCHED_FIFO with priority 3") {
  SPEC_NEED(realtime_possible(c),
            "a new cpu cgroup has no real-time budget here, or CAP_SYS_NICE is missing");
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_FIFO"}, {"priority", 3}};
  const Json scheduler = c.report()["scheduler"];
  EXPECT_EQ(scheduler["policy"], 1);
  EXPECT_EQ(scheduler["priority"], 3);
}

SPEC_CASE(Scheduler, RoundRobin, "RT-018 RT-005", "SCHED_RR with priority 2") {
  SPEC_NEED(realtime_possible(c),
            "a new cpu cgroup has no real-time budget here, or CAP_SYS_NICE is missing");
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_RR"}, {"priority", 2}};
  EXPECT_EQ(c.report()["scheduler"]["policy"], 2);
}

SPEC_CASE(Scheduler,
          Deadline,
          "RT-018 RT-005",
          "SCHED_DEADLINE with runtime, deadline and period") {
  SPEC_NEED(have_capability(CAP_SYS_NICE), "CAP_SYS_NICE is missing");
  c.bundle.process()["scheduler"] = {{"policy", "SCHED_DEADLINE"},
                                     {"runtime", 10000000},
                                     {"deadline", 30000000},
                                     {"period", 100000000},
                                     {"flags", {"SCHED_FLAG_RESET_ON_FORK"}}};
  const Json scheduler = c.report()["scheduler"];
  EXPECT_EQ(scheduler["policy"], 6);
  EXPECT_EQ(scheduler["runtime"], 10000000);
  EXPECT_EQ(scheduler["deadline"], 30000000);
  EXPECT_EQ(scheduler["period"], 100000000);
}

SPEC_CASE(IoPriority, BestEffort, "RT-018 RT-005", "ioPriority IOPRIO_CLASS_BE 6") {
  c.bundle.process()["ioPriority"] = {{"class", "IOPRIO_CLASS_BE"}, {"priority", 6}};
  EXPECT_EQ(c.report()["ioPriority"], (2 << 13) | 6);
}

SPEC_CASE(IoPriority, RealTime, "RT-018 RT-005", "ioPriority IOPRIO_CLASS_RT 0") {
  SPEC_NEED(have_capability(CAP_SYS_ADMIN), "CAP_SYS_ADMIN is missing");
  c.bundle.process()["ioPriority"] = {{"class", "IOPRIO_CLASS_RT"}, {"priority", 0}};
  EXPECT_EQ(c.report()["ioPriority"], 1 << 13);
}

SPEC_CASE(IoPriority, Idle, "RT-018 RT-005", "ioPriority IOPRIO_CLASS_IDLE") {
  c.bundle.process()["ioPriority"] = {{"class", "IOPRIO_CLASS_IDLE"}, {"priority", 4}};
  EXPECT_EQ(c.report()["ioPriority"].get<int>() >> 13, 3);
}

SPEC_CASE(IoPriority, OutOfRangeIsRefused, "CF-130 RT-036", "ioPriority 9 is refused") {
  c.bundle.process()["ioPriority"] = {{"class", "IOPRIO_CLASS_BE"}, {"priority", 9}};
  c.expect_refused("ioPriority 9", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(IoPriority,
          UnknownClassIsRefused,
          "CF-130 RT-036",
          "an ioPriority class that does not exist is refused") {
  c.bundle.process()["ioPriority"] = {{"class", "IOPRIO_CLASS_BANANA"}, {"priority", 1}};
  c.expect_refused("ioPriority class IOPRIO_CLASS_BANANA", Case::Refusal::AtCreateOrStart);
}

}  // namespace
}  // namespace spec
