// One test a rule: what it refuses, with pointer and text, and what it must let through because an
// engine sends it.
#include <string>
#include <vector>

#include "support.h"
#include <corten/base/strings.h>
#include <corten/spec/names.h>
#include <corten/spec/parse.h>
#include <corten/spec/validate.h>

namespace corten::spec {
namespace {

std::string config(const std::string& members) {
  return R"({"ociVersion":"1.3.0","root":{"path":"rootfs"},)" + members + "}";
}
std::string linux_config(const std::string& members) {
  return config(R"("linux":{)" + members + "}");
}
std::string process_config(const std::string& members) {
  return config(R"("process":{"cwd":"/","args":["a"],)" + members + "}");
}
std::string resources_config(const std::string& members) {
  return linux_config(R"("resources":{)" + members + "}");
}
std::string seccomp_config(const std::string& members) {
  return linux_config(R"("seccomp":{"defaultAction":"SCMP_ACT_ALLOW",)" + members + "}");
}
std::string rule_config(const std::string& members) {
  return seccomp_config(R"("syscalls":[{"names":["read"],)" + members + "}]");
}

// The rules' errors carry no line when they come from validate().
Result<> check(const std::string& json, const ValidateOptions& options = {}) {
  const auto spec = parse(json);
  if (!spec) {
    ADD_FAILURE() << "not a question of rules: " << spec.error().message();
    return {};
  }
  return validate(*spec, options);
}

// Exactly this problem, and no other.
void expect_problem(const std::string& json, const std::string& pointer, const std::string& text) {
  const auto result = check(json);
  ASSERT_FALSE(result) << "accepted: " << json;
  EXPECT_EQ(result.error().kind(), ErrorKind::InvalidSpec);
  EXPECT_EQ(result.error().pointer(), pointer);
  EXPECT_EQ(result.error().message(), pointer + ": " + text) << json;
}

void expect_accepted(const std::string& json) { EXPECT_OK(check(json)) << json; }

std::string with_version(const std::string& version) {
  return R"({"ociVersion":")" + version + R"(","root":{"path":"rootfs"}})";
}

TEST(ValidateVersion, IsSemVerWithMajorOne) {
  for (const char* good : {"1.0.0",
                           "1.0.2",
                           "1.3.0",
                           "1.0.0-rc5",
                           "1.3.0+dev",
                           "1.0.2-dev",
                           "1.99.0",
                           "1.0.0-alpha.1-x+001.b-2"}) {
    expect_accepted(with_version(good));
  }
  for (const char* bad : {"",
                          "banana",
                          "1",
                          "1.0",
                          "1.0.0.0",
                          "01.0.0",
                          "1.00.0",
                          "v1.0.0",
                          "1.0.0-",
                          "1.0.0+",
                          "1.0.0-01",
                          "1.0.0-a..b",
                          "1.0.0-rc_1",
                          "1.0.-1",
                          " 1.0.0",
                          "1.0.0 "}) {
    expect_problem(with_version(bad),
                   "/ociVersion",
                   "expected a SemVer 2.0.0 version like 1.3.0, found '" + std::string(bad) + "'");
  }
  for (const char* other : {"0.9.0", "2.0.0", "10.0.0", "1000.0.0"}) {
    expect_problem(with_version(other),
                   "/ociVersion",
                   "expected major version 1, found '" + std::string(other) + "'");
  }
}

TEST(ValidateRoot, NeedsPath) {
  expect_problem(
      R"({"ociVersion":"1.0.0","root":{"path":""}})", "/root/path", "expected a path, found ''");
  Spec spec;
  spec.oci_version = "1.0.0";
  EXPECT_ERROR(validate(spec), ErrorKind::InvalidSpec, "/root");
}

TEST(ValidateProcess, IsRequiredOnlyToStart) {
  const std::string json = with_version("1.0.0");
  EXPECT_OK(check(json));
  EXPECT_ERROR(check(json, {.require_process = true}), ErrorKind::InvalidSpec, "/process");
}

TEST(ValidateHostname, NeedsUtsNamespace) {
  constexpr std::string_view kNeeds =
      "this property needs a UTS namespace of the container's own in /linux/namespaces";
  expect_problem(config(R"("hostname":"h")"), "/hostname", std::string(kNeeds));
  expect_problem(config(R"("domainname":"d")"), "/domainname", std::string(kNeeds));
  expect_accepted(config(R"("hostname":"","domainname":"")"));
  expect_accepted(
      config(R"("hostname":"h","domainname":"d","linux":{"namespaces":[{"type":"uts"}]})"));
  expect_accepted(
      config(R"("hostname":"h","linux":{"namespaces":[{"type":"uts","path":"/proc/7/ns/uts"}]})"));
}

TEST(ValidateHostname, FitsTheKernel) {
  const auto named = [](std::size_t length) {
    return config(R"("hostname":")" + std::string(length, 'h') +
                  R"(","linux":{"namespaces":[{"type":"uts"}]})");
  };
  expect_accepted(named(64));
  expect_problem(
      named(65), "/hostname", "expected at most 64 bytes, found '" + std::string(65, 'h') + "'");
}

TEST(ValidateAnnotations, HaveNames) {
  expect_problem(config(R"("annotations":{"":"x"})"), "/annotations/", "expected a name, found ''");
  expect_accepted(
      config(R"("annotations":{"a=b":"","bundle":"x","org.opencontainers.unknown":"1"})"));
}

TEST(ValidateMounts, DestinationIsNotEmpty) {
  expect_problem(config(R"("mounts":[{"destination":""}])"),
                 "/mounts/0/destination",
                 "expected a path, found ''");
  expect_accepted(config(R"("mounts":[{"destination":"relative"}])"));
}

constexpr const char* kMapping = R"([{"containerID":0,"hostID":1000,"size":1}])";

TEST(ValidateMounts, MappingsComeTogether) {
  expect_problem(config(R"("mounts":[{"destination":"/a","options":["idmap"],"uidMappings":)" +
                        std::string(kMapping) + "}]"),
                 "/mounts/0/gidMappings",
                 "this property is required since uidMappings is given");
  expect_problem(
      config(R"("mounts":[{"destination":"/a","gidMappings":)" + std::string(kMapping) + "}]"),
      "/mounts/0/uidMappings",
      "this property is required since gidMappings is given");
  expect_accepted(config(R"("mounts":[{"destination":"/a","gidMappings":)" + std::string(kMapping) +
                         R"(,"uidMappings":)" + kMapping + "}]"));
}

TEST(ValidateMounts, IdmapNeedsMappingsOrUserNamespace) {
  for (const std::string option : {"idmap", "ridmap"}) {
    const std::string mounts =
        R"("mounts":[{"destination":"/a","options":["rbind",")" + option + R"("]}])";
    expect_problem(config(mounts),
                   "/mounts/0/options",
                   "idmap and ridmap need uidMappings and gidMappings, or a user namespace");
    expect_accepted(
        config(mounts + R"(,"linux":{"namespaces":[{"type":"user","path":"/proc/7/ns/user"}]})"));
  }
}

TEST(ValidateMounts, MappingsAreThoseOfTheKernel) {
  expect_problem(config(R"("mounts":[{"destination":"/a","gidMappings":)" + std::string(kMapping) +
                        R"(,"uidMappings":[{"containerID":0,"hostID":0,"size":0}]}])"),
                 "/mounts/0/uidMappings/0/size",
                 "expected more than 0, found 0");
}

TEST(ValidateHooks, PathIsAbsolute) {
  for (const auto& kind : kHookKinds) {
    expect_problem(
        config(R"("hooks":{")" + std::string(kind.name) + R"(":[{"path":"/a"},{"path":"bin/b"}]})"),
        "/hooks/" + std::string(kind.name) + "/1/path",
        "expected an absolute path, found 'bin/b'");
  }
}

TEST(ValidateHooks, TimeoutIsPositive) {
  for (const std::string timeout : {"0", "-1"}) {
    expect_problem(config(R"("hooks":{"prestart":[{"path":"/a","timeout":)" + timeout + "}]}"),
                   "/hooks/prestart/0/timeout",
                   "expected more than 0 seconds, found " + timeout);
  }
  expect_accepted(config(R"("hooks":{"prestart":[{"path":"/a","timeout":1}]})"));
}

TEST(ValidateProcess, CwdIsAbsolute) {
  expect_problem(config(R"("process":{"cwd":"tmp","args":["a"]})"),
                 "/process/cwd",
                 "expected an absolute path, found 'tmp'");
  expect_problem(config(R"("process":{"cwd":"","args":["a"]})"),
                 "/process/cwd",
                 "expected an absolute path, found ''");
}

TEST(ValidateProcess, ArgsAreNotEmpty) {
  expect_problem(
      config(R"("process":{"cwd":"/"})"), "/process/args", "expected at least one entry");
  expect_problem(
      config(R"("process":{"cwd":"/","args":[]})"), "/process/args", "expected at least one entry");
}

TEST(ValidateProcess, UmaskHasNineBits) {
  expect_problem(process_config(R"("user":{"uid":0,"gid":0,"umask":512})"),
                 "/process/user/umask",
                 "expected at most 511 (octal 777), found 512");
  expect_accepted(process_config(R"("user":{"uid":0,"gid":0,"umask":511})"));
}

std::string rlimits(const std::string& entries) {
  return process_config(R"("rlimits":[)" + entries + "]");
}

TEST(ValidateProcess, RlimitTypesAreKnown) {
  const auto result = check(rlimits(R"({"type":"RLIMIT_FISH","soft":0,"hard":0})"));
  ASSERT_FALSE(result);
  EXPECT_EQ(
      result.error().message(),
      "/process/rlimits/0/type: expected one of " + kRlimits.names() + ", found 'RLIMIT_FISH'");
  for (const auto& one : kRlimits) {
    expect_accepted(rlimits(R"({"type":")" + std::string(one.name) + R"(","soft":0,"hard":1})"));
  }
}

TEST(ValidateProcess, RlimitsAreUnique) {
  expect_problem(
      rlimits(R"({"type":"RLIMIT_CPU","soft":0,"hard":0},{"type":"RLIMIT_AS","soft":0,"hard":0},
                            {"type":"RLIMIT_CPU","soft":0,"hard":0})"),
      "/process/rlimits/2/type",
      "'RLIMIT_CPU' is given more than once");
}

TEST(ValidateProcess, RlimitSoftIsAtMostHard) {
  expect_problem(rlimits(R"({"type":"RLIMIT_CPU","soft":2,"hard":1})"),
                 "/process/rlimits/0/soft",
                 "expected at most hard, 1, found 2");
  expect_accepted(
      rlimits(R"({"type":"RLIMIT_CPU","soft":18446744073709551615,"hard":18446744073709551615})"));
}

TEST(ValidateProcess, OomScoreAdjIsInRange) {
  for (const std::string bad : {"-1001", "1001"}) {
    expect_problem(process_config(R"("oomScoreAdj":)" + bad),
                   "/process/oomScoreAdj",
                   "expected an integer from -1000 to 1000, found " + bad);
  }
  expect_accepted(process_config(R"("oomScoreAdj":-1000)"));
  expect_accepted(process_config(R"("oomScoreAdj":1000)"));
}

TEST(ValidateProcess, LabelsAreOneLine) {
  expect_problem(process_config(R"("apparmorProfile":"a\nb")"),
                 "/process/apparmorProfile",
                 "expected one line, found 'a\\x0ab'");
  expect_problem(process_config(R"("selinuxLabel":"a\nb")"),
                 "/process/selinuxLabel",
                 "expected one line, found 'a\\x0ab'");
}

TEST(ValidateProcess, IoPriorityIsKnown) {
  expect_problem(process_config(R"("ioPriority":{"class":"IOPRIO_CLASS_NONE","priority":0})"),
                 "/process/ioPriority/class",
                 "expected one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, found "
                 "'IOPRIO_CLASS_NONE'");
  for (const std::string bad : {"-1", "8"}) {
    expect_problem(
        process_config(R"("ioPriority":{"class":"IOPRIO_CLASS_BE","priority":)" + bad + "}"),
        "/process/ioPriority/priority",
        "expected an integer from 0 to 7, found " + bad);
  }
}

std::string scheduler(const std::string& members) {
  return process_config(R"("scheduler":{)" + members + "}");
}

TEST(ValidateScheduler, NamesAreKnown) {
  expect_problem(scheduler(R"("policy":"SCHED_FAIR")"),
                 "/process/scheduler/policy",
                 "expected one of " + kSchedulerPolicies.names() + ", found 'SCHED_FAIR'");
  expect_problem(
      scheduler(R"("policy":"SCHED_OTHER","flags":["SCHED_FLAG_RECLAIM","SCHED_FLAG_X"])"),
      "/process/scheduler/flags/1",
      "expected one of " + kSchedulerFlags.names() + ", found 'SCHED_FLAG_X'");
}

TEST(ValidateScheduler, NiceIsInRange) {
  for (const std::string bad : {"-21", "20"}) {
    expect_problem(scheduler(R"("policy":"SCHED_OTHER","nice":)" + bad),
                   "/process/scheduler/nice",
                   "expected an integer from -20 to 19, found " + bad);
  }
}

TEST(ValidateScheduler, PriorityFitsThePolicy) {
  for (const std::string bad : {"0", "100"}) {
    expect_problem(scheduler(R"("policy":"SCHED_FIFO","priority":)" + bad),
                   "/process/scheduler/priority",
                   "expected an integer from 1 to 99 for a real-time policy, found " + bad);
  }
  expect_problem(scheduler(R"("policy":"SCHED_BATCH","priority":1)"),
                 "/process/scheduler/priority",
                 "expected 0 for SCHED_BATCH, found 1");
  expect_accepted(scheduler(R"("policy":"SCHED_RR","priority":99)"));
}

TEST(ValidateScheduler, DeadlineIsOrdered) {
  const auto deadline = [](const std::string& members) {
    return scheduler(R"("policy":"SCHED_DEADLINE",)" + members);
  };
  expect_problem(deadline(R"("runtime":0,"deadline":1)"),
                 "/process/scheduler/runtime",
                 "expected more than 0 ns, found 0");
  expect_problem(deadline(R"("runtime":5,"deadline":4)"),
                 "/process/scheduler/deadline",
                 "expected at least runtime, 5, found 4");
  expect_problem(deadline(R"("runtime":5,"deadline":6,"period":4)"),
                 "/process/scheduler/period",
                 "expected 0 or at least deadline, 6, found 4");
  expect_accepted(deadline(R"("runtime":5,"deadline":6,"period":0)"));
  expect_problem(scheduler(R"("policy":"SCHED_OTHER","runtime":1)"),
                 "/process/scheduler",
                 "runtime, deadline and period need the policy SCHED_DEADLINE");
}

TEST(ValidateProcess, ExecCpuAffinityIsAList) {
  expect_problem(process_config(R"("execCPUAffinity":{"initial":"3-1"})"),
                 "/process/execCPUAffinity/initial",
                 "expected a list like 0-3,7, found '3-1'");
  expect_problem(process_config(R"("execCPUAffinity":{"final":"a"})"),
                 "/process/execCPUAffinity/final",
                 "expected a list like 0-3,7, found 'a'");
  expect_accepted(process_config(R"("execCPUAffinity":{"initial":"","final":"0-3,7"})"));
}

TEST(ValidateProcess, KeepsUnknownCapabilities) {
  expect_accepted(process_config(R"("capabilities":{"bounding":["CAP_FROM_THE_FUTURE",""]})"));
}

TEST(ValidateNamespaces, TypesAreKnown) {
  expect_problem(linux_config(R"("namespaces":[{"type":"net"}])"),
                 "/linux/namespaces/0/type",
                 "expected one of pid, network, mount, ipc, uts, user, cgroup, time, found 'net'");
}

TEST(ValidateNamespaces, AreUnique) {
  expect_problem(
      linux_config(R"("namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"pid","path":"/p"}])"),
      "/linux/namespaces/2/type",
      "'pid' is given more than once");
}

TEST(ValidateNamespaces, PathsAreAbsolute) {
  expect_problem(linux_config(R"("namespaces":[{"type":"network","path":"proc/1/ns/net"}])"),
                 "/linux/namespaces/0/path",
                 "expected an absolute path, found 'proc/1/ns/net'");
  expect_accepted(linux_config(R"("namespaces":[{"type":"network","path":""}])"));
}

std::string mappings(const std::string& uid, const std::string& gid, const std::string& path = "") {
  return linux_config(R"("namespaces":[{"type":"user","path":")" + path + R"("}],"uidMappings":[)" +
                      uid + R"(],"gidMappings":[)" + gid + "]");
}
constexpr const char* kOne = R"({"containerID":0,"hostID":1000,"size":10})";

TEST(ValidateMappings, NeedUserNamespace) {
  const auto result = check(
      linux_config(R"("uidMappings":)" + std::string(kMapping) + R"(,"gidMappings":)" + kMapping));
  ASSERT_FALSE(result);
  EXPECT_EQ(
      result.error().message(),
      "/linux/uidMappings: this property needs a user namespace in /linux/namespaces; and 1 more: "
      "/linux/gidMappings: this property needs a user namespace in /linux/namespaces");
}

TEST(ValidateMappings, HoldTheIdsOfTheProcess) {
  const auto with_user = [](const std::string& json, const std::string& ids) {
    return json.substr(0, json.size() - 1) + R"(,"process":{"cwd":"/","args":["a"],"user":{)" +
           ids + "}}}";
  };
  const std::string ten = mappings(kOne, kOne);
  expect_problem(with_user(ten, R"("uid":10,"gid":9)"),
                 "/process/user/uid",
                 "expected an id that /linux/uidMappings maps, found 10");
  expect_problem(with_user(ten, R"("uid":0,"gid":4294967294)"),
                 "/process/user/gid",
                 "expected an id that /linux/gidMappings maps, found 4294967294");
  expect_accepted(with_user(ten, R"("uid":9,"gid":0)"));
  expect_accepted(with_user(mappings(kOne, kOne, "/proc/7/ns/user"), R"("uid":10,"gid":10)"));
}

TEST(ValidateMappings, AreRequiredForANewUserNamespace) {
  expect_problem(mappings(kOne, ""),
                 "/linux/gidMappings",
                 "a new user namespace needs at least one mapping here");
  expect_problem(mappings("", kOne),
                 "/linux/uidMappings",
                 "a new user namespace needs at least one mapping here");
  expect_accepted(mappings("", "", "/proc/7/ns/user"));
  expect_accepted(mappings(kOne, kOne, "/proc/7/ns/user"));
}

TEST(ValidateMappings, HaveIds) {
  expect_problem(mappings(R"({"containerID":0,"hostID":0,"size":0})", kOne),
                 "/linux/uidMappings/0/size",
                 "expected more than 0, found 0");
  expect_problem(mappings(kOne, R"({"containerID":0,"hostID":1,"size":4294967295})"),
                 "/linux/gidMappings/0/size",
                 "expected no id above 4294967294, found 4294967295");
  expect_accepted(mappings(R"({"containerID":0,"hostID":0,"size":4294967295})", kOne));
}

TEST(ValidateMappings, DoNotOverlap) {
  expect_problem(mappings(std::string(kOne) + R"(,{"containerID":9,"hostID":5000,"size":1})", kOne),
                 "/linux/uidMappings/1",
                 "this mapping overlaps with mapping 0");
  expect_problem(
      mappings(std::string(kOne) + R"(,{"containerID":10,"hostID":1009,"size":1})", kOne),
      "/linux/uidMappings/1",
      "this mapping overlaps with mapping 0");
  expect_accepted(
      mappings(std::string(kOne) + R"(,{"containerID":10,"hostID":1010,"size":1})", kOne));
}

TEST(ValidateMappings, AreAtMost340) {
  const auto many = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += (i == 0 ? "" : ",") + std::string(R"({"containerID":)") + std::to_string(i) +
              R"(,"hostID":)" + std::to_string(i) + R"(,"size":1})";
    }
    return text;
  };
  expect_accepted(mappings(many(340), kOne));
  expect_problem(
      mappings(many(341), kOne), "/linux/uidMappings", "expected at most 340 mappings, found 341");
}

std::string time_offsets(const std::string& offsets, const std::string& path = "") {
  return linux_config(R"("namespaces":[{"type":"time","path":")" + path + R"("}],"timeOffsets":)" +
                      offsets);
}

TEST(ValidateTimeOffsets, NeedNewTimeNamespace) {
  constexpr const char* kText = "this property needs a new time namespace in /linux/namespaces";
  expect_problem(linux_config(R"("timeOffsets":{"boottime":{}})"), "/linux/timeOffsets", kText);
  expect_problem(
      time_offsets(R"({"boottime":{}})", "/proc/7/ns/time"), "/linux/timeOffsets", kText);
  expect_accepted(time_offsets(R"({"boottime":{"secs":-1},"monotonic":{"nanosecs":999999999}})"));
  expect_accepted(linux_config(R"("timeOffsets":{})"));
}

TEST(ValidateTimeOffsets, ClocksAndRanges) {
  expect_problem(time_offsets(R"({"realtime":{}})"),
                 "/linux/timeOffsets/realtime",
                 "expected one of monotonic, boottime, found 'realtime'");
  expect_problem(time_offsets(R"({"monotonic":{"nanosecs":1000000000}})"),
                 "/linux/timeOffsets/monotonic/nanosecs",
                 "expected an integer from 0 to 999999999, found 1000000000");
}

std::string net_devices(const std::string& devices) {
  return linux_config(R"("namespaces":[{"type":"network"}],"netDevices":)" + devices);
}

TEST(ValidateNetDevices, NeedNetworkNamespace) {
  expect_problem(
      linux_config(R"("netDevices":{"eth0":{}})"),
      "/linux/netDevices",
      "this property needs a network namespace of the container's own in /linux/namespaces");
  expect_accepted(linux_config(R"("netDevices":{})"));
}

TEST(ValidateNetDevices, NamesAreThoseOfTheKernel) {
  for (const std::string bad : {"", "a/b", "a b", "a:b", "..", "0123456789abcdef"}) {
    const auto result = check(net_devices(R"({")" + bad + R"(":{}})"));
    ASSERT_FALSE(result) << bad;
    EXPECT_NE(
        result.error().message().find("expected the name of a network device, found '" + bad + "'"),
        std::string::npos);
  }
  for (const std::string bad : {"a/b", "%", "%s", "a%d%d", "0123456789abcdef"}) {
    expect_problem(
        net_devices(R"({"eth0":{"name":")" + bad + R"("}})"),
        "/linux/netDevices/eth0/name",
        "expected a name for a network device, with at most one %d, found '" + bad + "'");
  }
  expect_accepted(net_devices(R"({"eth0":{"name":"data%d"},"eth1":{"name":"data%d"},"eth2":{}})"));
}

TEST(ValidateNetDevices, TargetsAreUnique) {
  expect_problem(net_devices(R"({"eth0":{"name":"x"},"eth1":{"name":"x"}})"),
                 "/linux/netDevices/eth1/name",
                 "'x' is the name of another device, too");
  expect_problem(net_devices(R"({"eth0":{},"eth1":{"name":"eth0"}})"),
                 "/linux/netDevices/eth1/name",
                 "'eth0' is the name of another device, too");
}

std::string sysctl(const std::string& name, const std::string& types) {
  std::string namespaces;
  for (const auto type : split(types, ' ')) {
    if (type.empty()) continue;
    namespaces +=
        (namespaces.empty() ? "" : ",") + std::string(R"({"type":")") + std::string(type) + R"("})";
  }
  const std::string user =
      types.find("user") == std::string::npos
          ? ""
          : R"("uidMappings":)" + std::string(kMapping) + R"(,"gidMappings":)" + kMapping + ",";
  return linux_config(user + R"("namespaces":[)" + namespaces + R"(],"sysctl":{")" + name +
                      R"(":"1"})");
}

TEST(ValidateSysctl, NeedsItsNamespace) {
  const struct {
    const char* name;
    const char* type;
  } cases[] = {
      {"net.ipv4.ip_forward", "network"},
      {"net/ipv4/conf/eth0.1/forwarding", "network"},
      {"kernel.msgmax", "ipc"},
      {"kernel.sem", "ipc"},
      {"kernel/shm_rmid_forced", "ipc"},
      {"fs.mqueue.msg_max", "ipc"},
      {"kernel.domainname", "uts"},
      {"user.max_user_namespaces", "user"},
  };
  for (const auto& one : cases) {
    std::string token;
    for (const char c : std::string(one.name))
      token += c == '/' ? std::string("~1") : std::string(1, c);
    expect_accepted(sysctl(one.name, one.type));
    expect_problem(sysctl(one.name, "pid mount"),
                   "/linux/sysctl/" + token,
                   "this kernel parameter needs a " + std::string(one.type) +
                       " namespace of the container's own in /linux/namespaces");
  }
}

TEST(ValidateSysctl, NeverChangesTheHost) {
  constexpr const char* kAll = "pid network mount ipc uts user cgroup";
  for (const char* name : {"kernel.core_pattern",
                           "vm.overcommit_memory",
                           "fs.file-max",
                           "kernel.semaphore",
                           "kernel",
                           "netfoo",
                           "net",
                           "kernel.sysrq"}) {
    expect_problem(sysctl(name, kAll),
                   std::string("/linux/sysctl/") + name,
                   "this kernel parameter is not namespaced: it would change the host");
  }
  expect_problem(sysctl("kernel.hostname", kAll),
                 "/linux/sysctl/kernel.hostname",
                 "use the property hostname instead");
}

TEST(ValidateSysctl, NamesAndValuesAreClean) {
  for (const char* name :
       {"net..x", "net.", ".net", "net/../kernel/core_pattern", "net/./x", "net.a b"}) {
    EXPECT_ERROR(check(sysctl(name, "network")), ErrorKind::InvalidSpec) << name;
  }
  expect_problem(linux_config(R"("namespaces":[{"type":"network"}],"sysctl":{"net.a":"1\n2"})"),
                 "/linux/sysctl/net.a",
                 "expected one line, found '1\\x0a2'");
}

TEST(SysctlPath, TakesBothSeparators) {
  const auto path = [](std::string_view name) { return sysctl_path(name).value_or("error"); };
  EXPECT_EQ(path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
  EXPECT_EQ(path("net/ipv4/conf/eth0.1/forwarding"), "net/ipv4/conf/eth0.1/forwarding");
  EXPECT_EQ(path("net.ipv4.conf.eth0/1.forwarding"), "net/ipv4/conf/eth0.1/forwarding");
  EXPECT_EQ(path("net/../x"), "error");
  EXPECT_EQ(path("net.//.x"), "error") << "is net/../x";
  EXPECT_EQ(path(""), "error");
}

TEST(ValidateDevices, TypesPathsAndNumbers) {
  const auto device = [](const std::string& members) {
    return linux_config(R"("devices":[{)" + members + "}]");
  };
  expect_problem(device(R"("path":"/dev/a","type":"x","major":1,"minor":1)"),
                 "/linux/devices/0/type",
                 "expected one of c, b, u, p, found 'x'");
  expect_problem(device(R"("path":"dev/a","type":"p")"),
                 "/linux/devices/0/path",
                 "expected an absolute path, found 'dev/a'");
  for (const std::string type : {"c", "b", "u"}) {
    expect_problem(device(R"("path":"/dev/a","type":")" + type + R"(","major":1)"),
                   "/linux/devices/0/minor",
                   "this required property is missing");
  }
  expect_accepted(device(R"("path":"/dev/a","type":"p")"));
  expect_accepted(device(R"("path":"/dev/a","type":"u","major":4095,"minor":1048575)"));
  // mknod(2) would make 1:1, /dev/mem, of 4097:1 without a word.
  expect_problem(device(R"("path":"/dev/a","type":"c","major":4097,"minor":1)"),
                 "/linux/devices/0/major",
                 "expected an integer from 0 to 4095, found 4097");
  expect_problem(device(R"("path":"/dev/a","type":"c","major":1,"minor":-1)"),
                 "/linux/devices/0/minor",
                 "expected an integer from 0 to 1048575, found -1");
}

TEST(ValidateCgroupsPath, StaysBelow) {
  expect_problem(linux_config(R"("cgroupsPath":"/a/../../b")"),
                 "/linux/cgroupsPath",
                 "expected a path without '..', found '/a/../../b'");
  expect_accepted(linux_config(R"("cgroupsPath":"/)" + std::string(255, 'x') + "\""));
  // The message shows only the beginning of a long value, so the place is compared.
  const auto too_long = check(linux_config(R"("cgroupsPath":"/)" + std::string(256, 'x') + "\""));
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().pointer(), "/linux/cgroupsPath");
  expect_accepted(linux_config(R"("cgroupsPath":"system.slice:docker:abc")"));
  expect_accepted(linux_config(R"("cgroupsPath":"/kubepods/a..b")"));
}

TEST(ValidateRootfsPropagation, TakesAllForms) {
  for (const auto& one : kRootfsPropagations) {
    expect_accepted(linux_config(R"("rootfsPropagation":")" + std::string(one.name) + "\""));
  }
  expect_accepted(linux_config(R"("rootfsPropagation":"")"));
  expect_problem(linux_config(R"("rootfsPropagation":"loud")"),
                 "/linux/rootfsPropagation",
                 "expected one of " + kRootfsPropagations.names() + ", found 'loud'");
}

TEST(ValidatePaths, MaskedAndReadonlyAreAbsolute) {
  expect_problem(linux_config(R"("maskedPaths":["/proc/kcore","proc/keys"])"),
                 "/linux/maskedPaths/1",
                 "expected an absolute path, found 'proc/keys'");
  expect_problem(linux_config(R"("readonlyPaths":["sys"])"),
                 "/linux/readonlyPaths/0",
                 "expected an absolute path, found 'sys'");
}

TEST(ValidateMountLabel, IsOneLine) {
  expect_problem(linux_config(R"("mountLabel":"a\nb")"),
                 "/linux/mountLabel",
                 "expected one line, found 'a\\x0ab'");
}

TEST(ValidateIntelRdt, ClosIdIsOneDirectory) {
  for (const std::string bad : {"..", ".", "a/b", "/a"}) {
    expect_problem(linux_config(R"("intelRdt":{"closID":")" + bad + "\"}"),
                   "/linux/intelRdt/closID",
                   "expected '/' or a name without '/', found '" + bad + "'");
  }
  expect_accepted(linux_config(R"("intelRdt":{"closID":"/"})"));
}

TEST(ValidateIntelRdt, SchemasAreOneLine) {
  expect_problem(linux_config(R"("intelRdt":{"l3CacheSchema":"L3:0=1\nMB:0=1"})"),
                 "/linux/intelRdt/l3CacheSchema",
                 "expected one line, found 'L3:0=1\\x0aMB:0=1'");
  expect_problem(linux_config(R"("intelRdt":{"memBwSchema":"XX:0=1"})"),
                 "/linux/intelRdt/memBwSchema",
                 "expected a line that starts with MB:, found 'XX:0=1'");
  expect_problem(linux_config(R"("intelRdt":{"memBwSchema":"MB:0=1\n"})"),
                 "/linux/intelRdt/memBwSchema",
                 "expected one line, found 'MB:0=1\\x0a'");
  expect_problem(linux_config(R"("intelRdt":{"schemata":["L2:0=1","a\nb"]})"),
                 "/linux/intelRdt/schemata/1",
                 "expected one line, found 'a\\x0ab'");
}

std::string memory_policy(const std::string& members) {
  return linux_config(R"("memoryPolicy":{)" + members + "}");
}

TEST(ValidateMemoryPolicy, NamesAreKnown) {
  expect_problem(memory_policy(R"("mode":"MPOL_X","nodes":"0")"),
                 "/linux/memoryPolicy/mode",
                 "expected one of " + kMemoryPolicyModes.names() + ", found 'MPOL_X'");
  expect_problem(memory_policy(R"("mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_X"])"),
                 "/linux/memoryPolicy/flags/0",
                 "expected one of " + kMemoryPolicyFlags.names() + ", found 'MPOL_F_X'");
}

TEST(ValidateMemoryPolicy, NodesFitTheMode) {
  expect_problem(memory_policy(R"("mode":"MPOL_DEFAULT","nodes":"0")"),
                 "/linux/memoryPolicy/nodes",
                 "expected no nodes for MPOL_DEFAULT, found '0'");
  expect_problem(memory_policy(R"("mode":"MPOL_BIND")"),
                 "/linux/memoryPolicy/nodes",
                 "expected at least one node for MPOL_BIND, found ''");
  expect_problem(memory_policy(R"("mode":"MPOL_BIND","nodes":"0-")"),
                 "/linux/memoryPolicy/nodes",
                 "expected a list like 0-3,7, found '0-'");
  expect_accepted(memory_policy(R"("mode":"MPOL_LOCAL")"));
  expect_accepted(memory_policy(R"("mode":"MPOL_PREFERRED")"));
  expect_accepted(memory_policy(R"("mode":"MPOL_WEIGHTED_INTERLEAVE","nodes":"0-1")"));
}

TEST(ValidateMemoryPolicy, StaticAndRelativeExcludeEachOther) {
  expect_problem(
      memory_policy(
          R"("mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_STATIC_NODES","MPOL_F_RELATIVE_NODES"])"),
      "/linux/memoryPolicy/flags",
      "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
}

TEST(ValidatePersonality, DomainAndFlags) {
  expect_problem(linux_config(R"("personality":{"domain":"BSD"})"),
                 "/linux/personality/domain",
                 "expected one of LINUX, LINUX32, found 'BSD'");
  expect_problem(linux_config(R"("personality":{"domain":"LINUX","flags":["ADDR_NO_RANDOMIZE"]})"),
                 "/linux/personality/flags",
                 "expected no flags: the spec defines none, found 'ADDR_NO_RANDOMIZE'");
  expect_accepted(linux_config(R"("personality":{"domain":"LINUX32","flags":[]})"));
}

TEST(ValidateResources, DeviceRules) {
  const auto rule = [](const std::string& members) {
    return resources_config(R"("devices":[{"allow":true,)" + members + "}]");
  };
  expect_problem(rule(R"("type":"p")"),
                 "/linux/resources/devices/0/type",
                 "expected one of a, c, b, found 'p'");
  expect_problem(rule(R"("access":"rx")"),
                 "/linux/resources/devices/0/access",
                 "expected letters of rwm, found 'rx'");
  expect_problem(rule(R"("major":-2)"),
                 "/linux/resources/devices/0/major",
                 "expected an integer from -1 to 4294967295, found -2");
  expect_problem(rule(R"("minor":4294967296)"),
                 "/linux/resources/devices/0/minor",
                 "expected an integer from -1 to 4294967295, found 4294967296");
  expect_accepted(rule(R"("type":"","major":-1,"minor":-1,"access":"")"));
}

TEST(ValidateResources, MemoryLimits) {
  for (const char* name : {"limit", "reservation", "swap", "kernel", "kernelTCP"}) {
    expect_problem(resources_config(R"("memory":{")" + std::string(name) + R"(":-2})"),
                   "/linux/resources/memory/" + std::string(name),
                   "expected -1 for no limit, or more, found -2");
    expect_accepted(resources_config(R"("memory":{")" + std::string(name) + R"(":0})"));
  }
}

TEST(ValidateResources, MemorySwappiness) {
  expect_problem(resources_config(R"("memory":{"swappiness":101})"),
                 "/linux/resources/memory/swappiness",
                 "expected an integer from 0 to 100, found 101");
}

TEST(ValidateResources, SwapIncludesMemory) {
  expect_problem(resources_config(R"("memory":{"limit":200,"swap":100})"),
                 "/linux/resources/memory/swap",
                 "expected memory and swap together, so at least limit, 200, found 100");
  expect_accepted(resources_config(R"("memory":{"limit":200,"swap":200})"));
  expect_accepted(resources_config(R"("memory":{"limit":200,"swap":-1,"disableOOMKiller":false})"));
}

TEST(ValidateResources, CpuQuotaAndBurst) {
  expect_problem(resources_config(R"("cpu":{"quota":-2})"),
                 "/linux/resources/cpu/quota",
                 "expected -1 for no limit, or more, found -2");
  expect_problem(resources_config(R"("cpu":{"quota":1000,"burst":1001})"),
                 "/linux/resources/cpu/burst",
                 "expected at most quota, 1000, found 1001");
  expect_accepted(resources_config(R"("cpu":{"quota":1000,"burst":1000})"));
  expect_accepted(resources_config(R"("cpu":{"quota":-1,"burst":1001,"shares":0,"period":0})"));
}

TEST(ValidateResources, CpuIdle) {
  expect_problem(resources_config(R"("cpu":{"idle":2})"),
                 "/linux/resources/cpu/idle",
                 "expected 0 or 1, found 2");
}

TEST(ValidateResources, CpuSets) {
  expect_problem(resources_config(R"("cpu":{"cpus":"0;rm"})"),
                 "/linux/resources/cpu/cpus",
                 "expected a list like 0-3,7, found '0;rm'");
  expect_problem(resources_config(R"("cpu":{"mems":"a"})"),
                 "/linux/resources/cpu/mems",
                 "expected a list like 0-3,7, found 'a'");
  expect_accepted(resources_config(R"("cpu":{"cpus":"0-31:2/16, 40","mems":""})"));
}

TEST(ValidateResources, PidsLimit) {
  expect_problem(resources_config(R"("pids":{"limit":-2})"),
                 "/linux/resources/pids/limit",
                 "expected -1 for no limit, or more, found -2");
  expect_accepted(resources_config(R"("pids":{"limit":0})"));
  expect_accepted(resources_config(R"("pids":{})"));
}

TEST(ValidateResources, BlockIoWeights) {
  for (const std::string bad : {"9", "1001"}) {
    const std::string text = "expected 0 for unset, or an integer from 10 to 1000, found " + bad;
    expect_problem(resources_config(R"("blockIO":{"weight":)" + bad + "}"),
                   "/linux/resources/blockIO/weight",
                   text);
    expect_problem(resources_config(R"("blockIO":{"leafWeight":)" + bad + "}"),
                   "/linux/resources/blockIO/leafWeight",
                   text);
    expect_problem(resources_config(R"("blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":)" +
                                    bad + "}]}"),
                   "/linux/resources/blockIO/weightDevice/0/weight",
                   text);
  }
  expect_accepted(resources_config(R"("blockIO":{"weight":0})"));
}

TEST(ValidateResources, WeightDeviceHasWeight) {
  expect_problem(resources_config(R"("blockIO":{"weightDevice":[{"major":8,"minor":0}]})"),
                 "/linux/resources/blockIO/weightDevice/0",
                 "expected weight, leafWeight or both");
}

TEST(ValidateResources, BlockIoNumbers) {
  for (const char* list : {"throttleReadBpsDevice",
                           "throttleWriteBpsDevice",
                           "throttleReadIOPSDevice",
                           "throttleWriteIOPSDevice"}) {
    expect_problem(resources_config(R"("blockIO":{")" + std::string(list) +
                                    R"(":[{"major":8,"minor":-1,"rate":1}]})"),
                   "/linux/resources/blockIO/" + std::string(list) + "/0/minor",
                   "expected an integer from 0 to 4294967295, found -1");
  }
}

TEST(ValidateResources, HugepageSizes) {
  for (const std::string bad : {"", "MB", "2M", "2TB", "02MB", "2 MB", "../2MB"}) {
    expect_problem(
        resources_config(R"("hugepageLimits":[{"pageSize":")" + bad + R"(","limit":0}])"),
        "/linux/resources/hugepageLimits/0/pageSize",
        "expected a size like 64KB, 2MB or 1GB, found '" + bad + "'");
  }
}

TEST(ValidateResources, NetworkPriorities) {
  expect_problem(
      resources_config(R"("network":{"priorities":[{"name":"eth0 5\neth1","priority":1}]})"),
      "/linux/resources/network/priorities/0/name",
      "expected the name of a network device, found 'eth0 5\\x0aeth1'");
}

TEST(ValidateResources, RdmaHasValues) {
  expect_problem(resources_config(R"("rdma":{"mlx5_1":{}})"),
                 "/linux/resources/rdma/mlx5_1",
                 "expected hcaHandles, hcaObjects or both");
  expect_problem(resources_config(R"("rdma":{"a b":{"hcaHandles":1}})"),
                 "/linux/resources/rdma/a b",
                 "expected the name of an RDMA device, found 'a b'");
}

TEST(ValidateResources, UnifiedNamesFiles) {
  for (const std::string bad : {"", ".", "..", "../memory.max", "a/b", "a b"}) {
    const auto result = check(resources_config(R"("unified":{")" + bad + R"(":"1"})"));
    ASSERT_FALSE(result) << bad;
    EXPECT_NE(result.error().message().find("expected the name of a file of cgroup v2"),
              std::string::npos);
  }
  expect_accepted(resources_config(R"("unified":{"cgroup.max.depth":"5","io.max":"8:0 rbps=1"})"));
}

TEST(ValidateSeccomp, NamesAreKnown) {
  expect_problem(linux_config(R"("seccomp":{"defaultAction":"SCMP_ACT_X"})"),
                 "/linux/seccomp/defaultAction",
                 "expected one of " + kSeccompActions.names() + ", found 'SCMP_ACT_X'");
  expect_problem(seccomp_config(R"("architectures":["SCMP_ARCH_X86","x86"])"),
                 "/linux/seccomp/architectures/1",
                 "expected one of " + kSeccompArches.names() + ", found 'x86'");
  expect_problem(seccomp_config(R"("flags":["TSYNC"])"),
                 "/linux/seccomp/flags/0",
                 "expected one of " + kSeccompFlags.names() + ", found 'TSYNC'");
  expect_problem(rule_config(R"("action":"ALLOW")"),
                 "/linux/seccomp/syscalls/0/action",
                 "expected one of " + kSeccompActions.names() + ", found 'ALLOW'");
  expect_problem(rule_config(R"("action":"SCMP_ACT_LOG","args":[{"index":0,"value":0,"op":"EQ"}])"),
                 "/linux/seccomp/syscalls/0/args/0/op",
                 "expected one of " + kSeccompOperators.names() + ", found 'EQ'");
}

TEST(ValidateSeccomp, ErrnoNeedsAnActionThatTakesIt) {
  for (const std::string action : {"SCMP_ACT_ALLOW",
                                   "SCMP_ACT_KILL",
                                   "SCMP_ACT_KILL_PROCESS",
                                   "SCMP_ACT_TRAP",
                                   "SCMP_ACT_LOG"}) {
    const std::string text =
        "this property needs SCMP_ACT_ERRNO or SCMP_ACT_TRACE, the action is '" + action + "'";
    expect_problem(
        linux_config(R"("seccomp":{"defaultErrnoRet":1,"defaultAction":")" + action + "\"}"),
        "/linux/seccomp/defaultErrnoRet",
        text);
    expect_problem(rule_config(R"("errnoRet":1,"action":")" + action + "\""),
                   "/linux/seccomp/syscalls/0/errnoRet",
                   text);
  }
  expect_accepted(rule_config(R"("errnoRet":4095,"action":"SCMP_ACT_ERRNO")"));
  expect_accepted(rule_config(R"("errnoRet":65535,"action":"SCMP_ACT_TRACE")"));
  expect_problem(rule_config(R"("errnoRet":4096,"action":"SCMP_ACT_ERRNO")"),
                 "/linux/seccomp/syscalls/0/errnoRet",
                 "expected an integer from 0 to 4095, found 4096");
}

TEST(ValidateSeccomp, MetadataNeedsListener) {
  expect_problem(seccomp_config(R"("listenerMetadata":"m")"),
                 "/linux/seccomp/listenerMetadata",
                 "this property needs listenerPath");
  expect_accepted(seccomp_config(R"("listenerMetadata":"m","listenerPath":"/run/l.sock")"));
}

TEST(ValidateSeccomp, ListenerPathIsAbsolute) {
  expect_problem(seccomp_config(R"("listenerPath":"l.sock")"),
                 "/linux/seccomp/listenerPath",
                 "expected an absolute path, found 'l.sock'");
}

TEST(ValidateSeccomp, NotifyNeedsListener) {
  const std::string rule = R"("syscalls":[{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}])";
  expect_problem(
      seccomp_config(rule), "/linux/seccomp/listenerPath", "SCMP_ACT_NOTIFY needs this property");
  expect_accepted(seccomp_config(rule + R"(,"listenerPath":"/run/l.sock")"));
  expect_accepted(config(R"("annotations":{"run.oci.seccomp.receiver":"/run/r.sock"},)"
                         R"("linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW",)" +
                         rule + "}}"));
}

TEST(ValidateSeccomp, RulesHaveNamesAndIndexes) {
  expect_problem(seccomp_config(R"("syscalls":[{"names":[],"action":"SCMP_ACT_LOG"}])"),
                 "/linux/seccomp/syscalls/0/names",
                 "expected at least one name");
  expect_problem(
      rule_config(R"("action":"SCMP_ACT_LOG","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}])"),
      "/linux/seccomp/syscalls/0/args/0/index",
      "expected an integer from 0 to 5, found 6");
  expect_accepted(seccomp_config(
      R"("syscalls":[{"names":["no_such_call"],"action":"SCMP_ACT_LOG","args":[]}])"));
}

TEST(Validate, ReportsEveryBrokenRule) {
  const auto result =
      check(R"({"ociVersion":"2.0.0","root":{"path":""},"process":{"cwd":"x","args":[]}})");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            "/ociVersion: expected major version 1, found '2.0.0'; and 3 more: "
            "/root/path: expected a path, found ''; "
            "/process/cwd: expected an absolute path, found 'x'; "
            "/process/args: expected at least one entry");
}

TEST(Validate, PointersOfPartsStartAtThePart) {
  Process process;
  process.args = {"a"};
  process.cwd = "x";
  EXPECT_ERROR(validate_process(process), ErrorKind::InvalidSpec, "/cwd");
  Resources resources;
  resources.pids = Pids{.limit = -5};
  EXPECT_ERROR(validate_resources(resources), ErrorKind::InvalidSpec, "/pids/limit");
}

TEST(ValidateId, AcceptsWhatAFileNameCanHold) {
  const std::vector<std::string> good = {"a", "A_1+b.c-d", "...", ".a", "0", std::string(255, 'x')};
  for (const auto& id : good) EXPECT_OK(validate_id(id)) << id;
}

TEST(ValidateId, RefusesTheRest) {
  for (const std::string id :
       {"", ".", "..", "a/b", "../x", "a\n", "-x", "\xC3\xA9", "a b", "a:b", "a\x1b[31m"}) {
    EXPECT_ERROR(validate_id(id), ErrorKind::InvalidArgument) << id;
  }
  EXPECT_ERROR(validate_id(std::string(256, 'x')), ErrorKind::InvalidArgument);
  EXPECT_ERROR(validate_id(std::string_view("a\0b", 3)), ErrorKind::InvalidArgument);
  EXPECT_EQ(validate_id("a\n").error().message(),
            "invalid container id 'a\\x0a': only letters, digits and '_+.-' are allowed");
}

TEST(ParseIdList, ReadsRanges) {
  using Ids = std::vector<uint32_t>;
  EXPECT_EQ(parse_id_list("").value(), Ids{});
  EXPECT_EQ(parse_id_list("0-3,7").value(), (Ids{0, 1, 2, 3, 7}));
  for (const char* bad :
       {",", "1,", "-", "1-", "-1", "3-1", "a", "0-3 ", "65536", "0-4294967295", "1--2"}) {
    EXPECT_ERROR(parse_id_list(bad), ErrorKind::InvalidSpec) << bad;
  }
}

}  // namespace
}  // namespace corten::spec
