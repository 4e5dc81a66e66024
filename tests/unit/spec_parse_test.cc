// Reading config.json and its parts: every property into its field, every wrong type with pointer,
// line and what was expected.
#include <fstream>
#include <sstream>
#include <string>

#include "support.h"
#include <corten/spec/parse.h>
#include <corten/spec/validate.h>

namespace corten::spec {
namespace {

std::string read_data(const std::string& name) {
  std::ifstream file(std::string(CORTEN_SOURCE_DIR) + "/tests/unit/data/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A config with `members` at the top level.
std::string config_with(const std::string& members) {
  return R"({"ociVersion":"1.3.0","root":{"path":"rootfs"})" +
         (members.empty() ? "" : "," + members) + "}";
}

class FullConfig : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = load(read_data("full_config.json"), {.require_process = true});
    ASSERT_OK(loaded);
    spec = std::move(loaded).value();
  }
  Spec spec;
};

using Strings = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST_F(FullConfig, ReadsTopLevel) {
  EXPECT_EQ(spec.oci_version, "1.3.0");
  ASSERT_TRUE(spec.root);
  EXPECT_EQ(spec.root->path, "rootfs");
  EXPECT_TRUE(spec.root->readonly);
  EXPECT_EQ(spec.hostname, "host");
  EXPECT_EQ(spec.domainname, "domain");
  const Pairs annotations = {{"org.example.b", "2"}, {"org.example.a", std::string("1=\0001", 4)}};
  EXPECT_EQ(spec.annotations, annotations);
}

TEST_F(FullConfig, ReadsMounts) {
  ASSERT_EQ(spec.mounts.size(), 2U);
  EXPECT_EQ(spec.mounts[0].destination, "/proc");
  EXPECT_EQ(spec.mounts[0].type, "proc");
  EXPECT_TRUE(spec.mounts[0].options.empty());
  const Mount& data = spec.mounts[1];
  EXPECT_EQ(data.source, "/volumes/data");
  EXPECT_EQ(data.options, (Strings{"rbind", "ridmap", "nosuid"}));
  EXPECT_EQ(data.uid_mappings, (std::vector<IdMapping>{{0, 1000, 10}}));
  EXPECT_EQ(data.gid_mappings, (std::vector<IdMapping>{{1, 2000, 20}}));
}

TEST_F(FullConfig, ReadsProcess) {
  ASSERT_TRUE(spec.process);
  const Process& process = *spec.process;
  EXPECT_TRUE(process.terminal);
  ASSERT_TRUE(process.console_size);
  EXPECT_EQ(process.console_size->height, 25);
  EXPECT_EQ(process.console_size->width, 80);
  EXPECT_EQ(process.user.uid, 1U);
  EXPECT_EQ(process.user.gid, 2U);
  EXPECT_EQ(process.user.umask, 63U);
  EXPECT_EQ(process.user.additional_gids, (std::vector<uint32_t>{5, 6}));
  EXPECT_EQ(process.args, (Strings{"sh", "-c", "echo \"h\xC3\xA9llo\" \xF0\x9F\x98\x80"}));
  EXPECT_EQ(process.env, (Strings{"PATH=/bin", "TERM=xterm"}));
  EXPECT_EQ(process.cwd, "/work");
  EXPECT_TRUE(process.no_new_privileges);
  EXPECT_EQ(process.apparmor_profile, "corten-default");
  EXPECT_EQ(process.oom_score_adj, -500);
  EXPECT_EQ(process.selinux_label, "system_u:system_r:container_t:s0:c1,c2");
}

TEST_F(FullConfig, ReadsCapabilitiesAndRlimits) {
  const Process& process = *spec.process;
  ASSERT_TRUE(process.capabilities);
  EXPECT_EQ(process.capabilities->bounding, (Strings{"CAP_CHOWN", "CAP_NOT_YET_INVENTED"}));
  EXPECT_EQ(process.capabilities->effective, (Strings{"CAP_KILL"}));
  EXPECT_EQ(process.capabilities->inheritable, (Strings{"CAP_SETUID"}));
  EXPECT_EQ(process.capabilities->permitted, (Strings{"CAP_SETGID"}));
  EXPECT_EQ(process.capabilities->ambient, (Strings{"CAP_NET_RAW"}));
  ASSERT_EQ(process.rlimits.size(), 1U);
  EXPECT_EQ(process.rlimits[0].type, "RLIMIT_NOFILE");
  EXPECT_EQ(process.rlimits[0].hard, UINT64_MAX);
  EXPECT_EQ(process.rlimits[0].soft, 1024U);
}

TEST_F(FullConfig, ReadsScheduling) {
  const Process& process = *spec.process;
  ASSERT_TRUE(process.io_priority);
  EXPECT_EQ(process.io_priority->io_class, "IOPRIO_CLASS_BE");
  EXPECT_EQ(process.io_priority->priority, 4);
  ASSERT_TRUE(process.scheduler);
  EXPECT_EQ(process.scheduler->policy, "SCHED_DEADLINE");
  EXPECT_EQ(process.scheduler->nice, -5);
  EXPECT_EQ(process.scheduler->priority, 0);
  EXPECT_EQ(process.scheduler->flags, (Strings{"SCHED_FLAG_RESET_ON_FORK"}));
  EXPECT_EQ(process.scheduler->runtime, 1000000U);
  EXPECT_EQ(process.scheduler->deadline, 2000000U);
  EXPECT_EQ(process.scheduler->period, 3000000U);
  ASSERT_TRUE(process.exec_cpu_affinity);
  EXPECT_EQ(process.exec_cpu_affinity->initial, "7");
  EXPECT_EQ(process.exec_cpu_affinity->final, "0-3,7");
}

TEST_F(FullConfig, ReadsHooks) {
  ASSERT_EQ(spec.hooks.prestart.size(), 1U);
  const Hook& prestart = spec.hooks.prestart[0];
  EXPECT_EQ(prestart.path, "/bin/prestart");
  EXPECT_EQ(prestart.args, (Strings{"prestart", "x"}));
  EXPECT_EQ(prestart.env, (Strings{"A=1"}));
  EXPECT_EQ(prestart.timeout, 5);
  ASSERT_EQ(spec.hooks.create_runtime.size(), 1U);
  EXPECT_EQ(spec.hooks.create_runtime[0].path, "/bin/create-runtime");
  EXPECT_EQ(spec.hooks.create_runtime[0].env, Strings{})
      << "given but empty is not the same as not given";
  ASSERT_EQ(spec.hooks.create_container.size(), 1U);
  EXPECT_EQ(spec.hooks.create_container[0].path, "/bin/create-container");
  EXPECT_EQ(spec.hooks.create_container[0].env, std::nullopt);
  EXPECT_EQ(spec.hooks.create_container[0].timeout, std::nullopt);
  ASSERT_EQ(spec.hooks.start_container.size(), 1U);
  EXPECT_EQ(spec.hooks.start_container[0].path, "/bin/start-container");
  ASSERT_EQ(spec.hooks.poststart.size(), 1U);
  EXPECT_EQ(spec.hooks.poststart[0].path, "/bin/poststart");
  ASSERT_EQ(spec.hooks.poststop.size(), 2U);
  EXPECT_EQ(spec.hooks.poststop[1].path, "/bin/poststop-2");
}

TEST_F(FullConfig, ReadsNamespacesAndMappings) {
  const Linux& linux_ = *spec.linux_;
  ASSERT_EQ(linux_.namespaces.size(), 8U);
  EXPECT_EQ(linux_.namespaces[0].type, "pid");
  EXPECT_EQ(linux_.namespaces[0].path, std::nullopt);
  EXPECT_EQ(linux_.namespaces[1].path, "/run/netns/a");
  EXPECT_EQ(linux_.uid_mappings, (std::vector<IdMapping>{{0, 100000, 65536}}));
  EXPECT_EQ(linux_.gid_mappings, (std::vector<IdMapping>{{0, 200000, 65537}}));
  ASSERT_EQ(linux_.time_offsets.size(), 2U);
  EXPECT_EQ(linux_.time_offsets[0].clock, "boottime");
  EXPECT_EQ(linux_.time_offsets[0].secs, -86400);
  EXPECT_EQ(linux_.time_offsets[0].nanosecs, 5U);
  EXPECT_EQ(linux_.time_offsets[1].clock, "monotonic");
  EXPECT_EQ(linux_.time_offsets[1].secs, 7);
}

TEST_F(FullConfig, ReadsDevices) {
  const Linux& linux_ = *spec.linux_;
  ASSERT_EQ(linux_.devices.size(), 2U);
  const Device& fuse = linux_.devices[0];
  EXPECT_EQ(fuse.path, "/dev/fuse");
  EXPECT_EQ(fuse.type, "c");
  EXPECT_EQ(fuse.major, 10);
  EXPECT_EQ(fuse.minor, 229);
  EXPECT_EQ(fuse.file_mode, 0666U) << "8630 is S_IFCHR | 0666";
  EXPECT_EQ(fuse.uid, 3U);
  EXPECT_EQ(fuse.gid, 4U);
  EXPECT_EQ(linux_.devices[1].major, std::nullopt);
  ASSERT_EQ(linux_.net_devices.size(), 2U);
  EXPECT_EQ(linux_.net_devices[0].host_name, "eth1");
  EXPECT_EQ(linux_.net_devices[0].name, "data%d");
  EXPECT_EQ(linux_.net_devices[1].host_name, "eth2");
  EXPECT_EQ(linux_.net_devices[1].name, "");
}

TEST_F(FullConfig, ReadsDeviceRules) {
  const Resources& resources = *spec.linux_->resources;
  EXPECT_EQ(spec.linux_->cgroups_path, "/test/one");
  ASSERT_EQ(resources.devices.size(), 2U);
  EXPECT_FALSE(resources.devices[0].allow);
  EXPECT_EQ(resources.devices[0].type, "a");
  EXPECT_EQ(resources.devices[0].major, std::nullopt);
  EXPECT_EQ(resources.devices[0].access, "rwm");
  EXPECT_TRUE(resources.devices[1].allow);
  EXPECT_EQ(resources.devices[1].type, "c");
  EXPECT_EQ(resources.devices[1].major, 10);
  EXPECT_EQ(resources.devices[1].minor, -1);
  EXPECT_EQ(resources.devices[1].access, "rw");
}

TEST_F(FullConfig, ReadsMemoryCpuAndPids) {
  const Resources& resources = *spec.linux_->resources;
  const Memory& memory = *resources.memory;
  EXPECT_EQ(memory.limit, 536870912);
  EXPECT_EQ(memory.reservation, 268435456);
  EXPECT_EQ(memory.swap, -1);
  EXPECT_EQ(memory.kernel, 1);
  EXPECT_EQ(memory.kernel_tcp, 2);
  EXPECT_EQ(memory.swappiness, 60U);
  EXPECT_EQ(memory.disable_oom_killer, false);
  EXPECT_EQ(memory.use_hierarchy, true);
  EXPECT_EQ(memory.check_before_update, true);
  const Cpu& cpu = *resources.cpu;
  EXPECT_EQ(cpu.shares, 1024U);
  EXPECT_EQ(cpu.quota, 100000);
  EXPECT_EQ(cpu.burst, 50000U);
  EXPECT_EQ(cpu.period, 100001U);
  EXPECT_EQ(cpu.realtime_runtime, 950000);
  EXPECT_EQ(cpu.realtime_period, 1000000U);
  EXPECT_EQ(cpu.cpus, "0-3");
  EXPECT_EQ(cpu.mems, "0");
  EXPECT_EQ(cpu.idle, 1);
  EXPECT_EQ(resources.pids->limit, 0) << "0 is a limit, not unset";
}

TEST_F(FullConfig, ReadsBlockIo) {
  const BlockIo& io = *spec.linux_->resources->block_io;
  EXPECT_EQ(io.weight, 100);
  EXPECT_EQ(io.leaf_weight, 200);
  ASSERT_EQ(io.weight_device.size(), 1U);
  EXPECT_EQ(io.weight_device[0].major, 8);
  EXPECT_EQ(io.weight_device[0].minor, 0);
  EXPECT_EQ(io.weight_device[0].weight, 500);
  EXPECT_EQ(io.weight_device[0].leaf_weight, 300);
  const auto expect_one =
      [](const std::vector<ThrottleDevice>& list, int64_t minor, uint64_t rate) {
        ASSERT_EQ(list.size(), 1U);
        EXPECT_EQ(list[0].major, 8);
        EXPECT_EQ(list[0].minor, minor);
        EXPECT_EQ(list[0].rate, rate);
      };
  expect_one(io.throttle_read_bps_device, 1, 600);
  expect_one(io.throttle_write_bps_device, 2, 700);
  expect_one(io.throttle_read_iops_device, 3, 800);
  expect_one(io.throttle_write_iops_device, 4, 900);
}

TEST_F(FullConfig, ReadsOtherResources) {
  const Resources& resources = *spec.linux_->resources;
  ASSERT_EQ(resources.hugepage_limits.size(), 1U);
  EXPECT_EQ(resources.hugepage_limits[0].page_size, "2MB");
  EXPECT_EQ(resources.hugepage_limits[0].limit, 9223372036854771712U);
  EXPECT_EQ(resources.network->class_id, 1048577U);
  ASSERT_EQ(resources.network->priorities.size(), 1U);
  EXPECT_EQ(resources.network->priorities[0].name, "eth0");
  EXPECT_EQ(resources.network->priorities[0].priority, 500U);
  ASSERT_EQ(resources.rdma.size(), 2U);
  EXPECT_EQ(resources.rdma[0].device, "mlx5_1");
  EXPECT_EQ(resources.rdma[0].hca_handles, 3U);
  EXPECT_EQ(resources.rdma[0].hca_objects, 10000U);
  EXPECT_EQ(resources.rdma[1].hca_handles, std::nullopt);
  EXPECT_EQ(resources.unified, (Pairs{{"memory.high", "1000000"}, {"io.max", "8:0 rbps=1"}}));
}

TEST_F(FullConfig, ReadsSeccomp) {
  const Seccomp& seccomp = *spec.linux_->seccomp;
  EXPECT_EQ(seccomp.default_action, "SCMP_ACT_ERRNO");
  EXPECT_EQ(seccomp.default_errno_ret, 38U);
  EXPECT_EQ(seccomp.architectures, (Strings{"SCMP_ARCH_X86_64", "SCMP_ARCH_X32"}));
  EXPECT_EQ(seccomp.flags, (Strings{"SECCOMP_FILTER_FLAG_LOG"}));
  EXPECT_EQ(seccomp.listener_path, "/run/agent.sock");
  EXPECT_EQ(seccomp.listener_metadata, "opaque");
  ASSERT_EQ(seccomp.syscalls.size(), 2U);
  EXPECT_EQ(seccomp.syscalls[0].names, (Strings{"read", "write"}));
  EXPECT_EQ(seccomp.syscalls[0].errno_ret, std::nullopt);
  EXPECT_EQ(seccomp.syscalls[1].action, "SCMP_ACT_TRACE");
  EXPECT_EQ(seccomp.syscalls[1].errno_ret, 1U);
  ASSERT_EQ(seccomp.syscalls[1].args.size(), 1U);
  const SeccompArg& arg = seccomp.syscalls[1].args[0];
  EXPECT_EQ(arg.index, 1U);
  EXPECT_EQ(arg.value, UINT64_MAX);
  EXPECT_EQ(arg.value_two, 2U);
  EXPECT_EQ(arg.op, "SCMP_CMP_MASKED_EQ");
}

TEST_F(FullConfig, ReadsRestOfLinux) {
  const Linux& linux_ = *spec.linux_;
  EXPECT_EQ(linux_.intel_rdt->clos_id, "guaranteed");
  EXPECT_EQ(linux_.intel_rdt->schemata, (Strings{"L2:0=3"}));
  EXPECT_EQ(linux_.intel_rdt->l3_cache_schema, "L3:0=7f0");
  EXPECT_EQ(linux_.intel_rdt->mem_bw_schema, "MB:0=20");
  EXPECT_TRUE(linux_.intel_rdt->enable_monitoring);
  EXPECT_EQ(linux_.memory_policy->mode, "MPOL_INTERLEAVE");
  EXPECT_EQ(linux_.memory_policy->nodes, "2-3");
  EXPECT_EQ(linux_.memory_policy->flags, (Strings{"MPOL_F_STATIC_NODES"}));
  EXPECT_EQ(linux_.sysctl, (Pairs{{"net.ipv4.ip_forward", "1"}, {"kernel.msgmax", "65536"}}));
  EXPECT_EQ(linux_.rootfs_propagation, "rslave");
  EXPECT_EQ(linux_.masked_paths, (Strings{"/proc/kcore"}));
  EXPECT_EQ(linux_.readonly_paths, (Strings{"/proc/sys"}));
  EXPECT_EQ(linux_.mount_label, "system_u:object_r:svirt_sandbox_file_t:s0:c1,c2");
  EXPECT_EQ(linux_.personality->domain, "LINUX32");
}

struct BadCase {
  const char* name;
  std::string json;
  const char* pointer;
  const char* message;
};

class BadConfig : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadConfig, IsRefusedWithPointerAndText) {
  const auto result = parse(GetParam().json);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::InvalidSpec);
  EXPECT_EQ(result.error().pointer(), GetParam().pointer);
  EXPECT_EQ(result.error().message(), GetParam().message);
}

std::string user(const std::string& uid) {
  return config_with("\n\"process\":{\"cwd\":\"/\",\"user\":{\"gid\":0,\n\"uid\":" + uid + "}}");
}

#define UID_ERROR(found) \
  "config.json line 3: /process/user/uid: expected an integer from 0 to 4294967294, found " found

// What has become uid 0 or another user elsewhere.
INSTANTIATE_TEST_SUITE_P(
    Uid,
    BadConfig,
    ::testing::Values(
        BadCase{"String", user(R"("0")"), "/process/user/uid", UID_ERROR("\"0\" (a string)")},
        BadCase{"MinusOne", user("-1"), "/process/user/uid", UID_ERROR("-1")},
        BadCase{"MinusZero", user("-0"), "/process/user/uid", UID_ERROR("-0")},
        BadCase{"Invalid", user("4294967295"), "/process/user/uid", UID_ERROR("4294967295")},
        BadCase{"TooLarge", user("4294967296"), "/process/user/uid", UID_ERROR("4294967296")},
        BadCase{"Wraps",
                user("18446744073709551616"),
                "/process/user/uid",
                UID_ERROR("18446744073709551616")},
        BadCase{"Fraction", user("1.0"), "/process/user/uid", UID_ERROR("1.0 (not an integer)")},
        BadCase{"Exponent", user("1e3"), "/process/user/uid", UID_ERROR("1e3 (not an integer)")},
        BadCase{"True", user("true"), "/process/user/uid", UID_ERROR("true (a boolean)")},
        BadCase{"Null",
                user("null"),
                "/process/user/uid",
                "config.json line 2: /process/user/uid: this required property is missing"},
        BadCase{"Object", user("{}"), "/process/user/uid", UID_ERROR("an object")}),
    [](const auto& param_info) { return param_info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Types,
    BadConfig,
    ::testing::Values(
        BadCase{
            "TopLevelArray", "[]", "", "config.json line 1: expected an object, found an array"},
        BadCase{"TopLevelNull", "null", "", "config.json line 1: expected an object, found null"},
        BadCase{"Hostname",
                config_with(R"("hostname":7)"),
                "/hostname",
                "config.json line 1: /hostname: expected a string, found 7"},
        BadCase{"HostnameNul",
                config_with(R"("hostname":"a\u0000b")"),
                "/hostname",
                "config.json line 1: /hostname: expected a string without NUL, found \"a\\x00b\" "
                "(a string)"},
        BadCase{"Readonly",
                R"({"ociVersion":"1.0.0","root":{"path":"r","readonly":"true"}})",
                "/root/readonly",
                "config.json line 1: /root/readonly: expected true or false, found \"true\" (a "
                "string)"},
        BadCase{"MountsObject",
                config_with(R"("mounts":{})"),
                "/mounts",
                "config.json line 1: /mounts: expected an array, found an object"},
        BadCase{"MountString",
                config_with(R"("mounts":[{"destination":"/a"},"b"])"),
                "/mounts/1",
                "config.json line 1: /mounts/1: expected an object, found \"b\" (a string)"},
        BadCase{"OptionNumber",
                config_with(R"("mounts":[{"destination":"/a","options":["ro",1]}])"),
                "/mounts/0/options/1",
                "config.json line 1: /mounts/0/options/1: expected a string, found 1"},
        BadCase{"ArgNull",
                config_with(R"("process":{"cwd":"/","args":[null]})"),
                "/process/args/0",
                "config.json line 1: /process/args/0: expected a string, found null"},
        BadCase{"AnnotationsArray",
                config_with(R"("annotations":[])"),
                "/annotations",
                "config.json line 1: /annotations: expected an object, found an array"},
        BadCase{"AnnotationNumber",
                config_with(R"("annotations":{"a/b~c":1})"),
                "/annotations/a~1b~0c",
                "config.json line 1: /annotations/a~1b~0c: expected a string, found 1"},
        BadCase{
            "SysctlNumber",
            config_with(R"("linux":{"sysctl":{"net.core.somaxconn":256}})"),
            "/linux/sysctl/net.core.somaxconn",
            "config.json line 1: /linux/sysctl/net.core.somaxconn: expected a string, found 256"}),
    [](const auto& param_info) { return param_info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Numbers,
    BadConfig,
    ::testing::Values(
        BadCase{"GidInvalid",
                config_with(R"("process":{"cwd":"/","user":{"uid":0,"gid":4294967295}})"),
                "/process/user/gid",
                "config.json line 1: /process/user/gid: expected an integer from 0 to 4294967294, "
                "found 4294967295"},
        BadCase{"AdditionalGidNegative",
                config_with(
                    R"("process":{"cwd":"/","user":{"uid":0,"gid":0,"additionalGids":[1,-1]}})"),
                "/process/user/additionalGids/1",
                "config.json line 1: /process/user/additionalGids/1: expected an integer from 0 to "
                "4294967294, found -1"},
        BadCase{"OomScoreAdjTooSmall",
                config_with(R"("process":{"cwd":"/","oomScoreAdj":-2147483649})"),
                "/process/oomScoreAdj",
                "config.json line 1: /process/oomScoreAdj: expected an integer from -2147483648 to "
                "2147483647, found -2147483649"},
        BadCase{"MemoryLimitTooLarge",
                config_with(R"("linux":{"resources":{"memory":{"limit":9223372036854775808}}})"),
                "/linux/resources/memory/limit",
                "config.json line 1: /linux/resources/memory/limit: expected an integer from "
                "-9223372036854775808 to 9223372036854775807, found 9223372036854775808"},
        BadCase{
            "RlimitNegative",
            config_with(
                R"("process":{"cwd":"/","rlimits":[{"type":"RLIMIT_CPU","soft":0,"hard":-1}]})"),
            "/process/rlimits/0/hard",
            "config.json line 1: /process/rlimits/0/hard: expected an integer from 0 to "
            "18446744073709551615, found -1"},
        BadCase{"MappingHostId",
                config_with(
                    R"("linux":{"uidMappings":[{"containerID":0,"hostID":4294967295,"size":1}]})"),
                "/linux/uidMappings/0/hostID",
                "config.json line 1: /linux/uidMappings/0/hostID: expected an integer from 0 to "
                "4294967294, found 4294967295"},
        BadCase{
            "FileModeTooLarge",
            config_with(R"("linux":{"devices":[{"path":"/d","type":"p","fileMode":65536}]})"),
            "/linux/devices/0/fileMode",
            "config.json line 1: /linux/devices/0/fileMode: expected an integer from 0 to 65535, "
            "found 65536"},
        BadCase{
            "ConsoleHeightWithTerminal",
            config_with(
                R"("process":{"cwd":"/","terminal":true,"consoleSize":{"height":65536,"width":1}})"),
            "/process/consoleSize/height",
            "config.json line 1: /process/consoleSize/height: expected an integer from 0 to 65535, "
            "found 65536"}),
    [](const auto& param_info) { return param_info.param.name; });

TEST(ParseRequired, ReportsWhatIsMissing) {
  const struct {
    std::string json;
    const char* pointer;
  } cases[] = {
      {R"({"root":{"path":"r"}})", "/ociVersion"},
      {R"({"ociVersion":"1.0.0"})", "/root"},
      {R"({"ociVersion":"1.0.0","root":{}})", "/root/path"},
      {config_with(R"("mounts":[{"type":"proc"}])"), "/mounts/0/destination"},
      {config_with(
           R"("mounts":[{"destination":"/a","uidMappings":[{"containerID":0,"hostID":0}]}])"),
       "/mounts/0/uidMappings/0/size"},
      {config_with(R"("process":{})"), "/process/cwd"},
      {config_with(R"("process":{"cwd":"/","user":{"uid":0}})"), "/process/user/gid"},
      {config_with(R"("process":{"cwd":"/","terminal":true,"consoleSize":{"width":1}})"),
       "/process/consoleSize/height"},
      {config_with(R"("process":{"cwd":"/","rlimits":[{"type":"RLIMIT_CPU","soft":0}]})"),
       "/process/rlimits/0/hard"},
      {config_with(R"("process":{"cwd":"/","scheduler":{}})"), "/process/scheduler/policy"},
      {config_with(R"("process":{"cwd":"/","ioPriority":{"class":"IOPRIO_CLASS_BE"}})"),
       "/process/ioPriority/priority"},
      {config_with(R"("hooks":{"poststop":[{"args":["a"]}]})"), "/hooks/poststop/0/path"},
      {config_with(R"("linux":{"namespaces":[{"path":"/x"}]})"), "/linux/namespaces/0/type"},
      {config_with(R"("linux":{"devices":[{"type":"p"}]})"), "/linux/devices/0/path"},
      {config_with(R"("linux":{"seccomp":{}})"), "/linux/seccomp/defaultAction"},
      {config_with(
           R"("linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"]}]}})"),
       "/linux/seccomp/syscalls/0/action"},
      {config_with(R"("linux":{"memoryPolicy":{}})"), "/linux/memoryPolicy/mode"},
      {config_with(R"("linux":{"personality":{}})"), "/linux/personality/domain"},
      {config_with(R"("linux":{"resources":{"devices":[{}]}})"),
       "/linux/resources/devices/0/allow"},
      {config_with(R"("linux":{"resources":{"hugepageLimits":[{"pageSize":"2MB"}]}})"),
       "/linux/resources/hugepageLimits/0/limit"},
      {config_with(
           R"("linux":{"resources":{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0}]}}})"),
       "/linux/resources/blockIO/throttleReadBpsDevice/0/rate"},
      {config_with(R"("linux":{"resources":{"network":{"priorities":[{"name":"eth0"}]}}})"),
       "/linux/resources/network/priorities/0/priority"},
  };
  for (const auto& one : cases) {
    const auto result = parse(one.json);
    ASSERT_FALSE(result) << one.pointer;
    EXPECT_EQ(
        result.error().message(),
        std::string("config.json line 1: ") + one.pointer + ": this required property is missing");
    EXPECT_EQ(result.error().pointer(), one.pointer);
  }
}

TEST(Parse, ReportsEveryProblemInTheOrderOfReading) {
  const auto result = parse(R"({
  "ociVersion": 1,
  "root": {"path": "rootfs"},
  "process": {
    "cwd": "/",
    "user": {"uid": -1, "gid": 0}
  },
  "linux": {"maskedPaths": "/proc"}
})");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().pointer(), "/ociVersion");
  EXPECT_EQ(result.error().message(),
            "config.json line 2: /ociVersion: expected a string, found 1; and 2 more: "
            "line 6: /process/user/uid: expected an integer from 0 to 4294967294, found -1; "
            "line 8: /linux/maskedPaths: expected an array, found \"/proc\" (a string)");
}

TEST(Parse, BoundsTheTextOfManyProblems) {
  std::string masked = "1";
  for (int i = 0; i < 100000; ++i) masked += ",1";
  const auto result = parse(config_with(R"("linux":{"maskedPaths":[)" + masked + "]}"));
  ASSERT_FALSE(result);
  EXPECT_LT(result.error().message().size(), 2000U);
  EXPECT_NE(result.error().message().find("and 100000 more: "), std::string::npos);
  EXPECT_TRUE(result.error().message().ends_with("; ..."));
}

TEST(Parse, ShortensLongValuesAndEscapesHostileOnes) {
  const auto result =
      parse(config_with(R"("linux":{"maskedPaths":")" + std::string(1000, 'x') + "\"}"));
  ASSERT_FALSE(result);
  EXPECT_TRUE(
      result.error().message().ends_with("found \"" + std::string(64, 'x') + "...\" (a string)"));
  const auto hostile = parse(config_with(R"("annotations":{"a\n\u001b[31m":1})"));
  ASSERT_FALSE(hostile);
  EXPECT_EQ(hostile.error().message(),
            "config.json line 1: /annotations/a\\x0a\\x1b[31m: expected a string, found 1");
}

TEST(Parse, RefusesDuplicateNamesAtEveryLevel) {
  EXPECT_ERROR(
      parse(config_with(R"("hostname":"a","hostname":"b")")), ErrorKind::InvalidSpec, "/hostname");
  EXPECT_ERROR(parse(config_with(R"("process":{"cwd":"/","user":{"uid":1,"gid":0,"uid":0}})")),
               ErrorKind::InvalidSpec,
               "/process/user/uid");
  EXPECT_ERROR(parse(config_with(R"("x-unknown":{"a":1,"\u0061":2})")),
               ErrorKind::InvalidSpec,
               "/x-unknown/a");
}

TEST(Parse, RefusesNulInNames) {
  EXPECT_ERROR(parse(config_with(R"("linux":{"sysctl":{"net.a\u0000b":"1"}})")),
               ErrorKind::InvalidSpec);
  EXPECT_ERROR(parse(config_with(R"("linux":{"netDevices":{"eth\u00000":{}}})")),
               ErrorKind::InvalidSpec);
  EXPECT_ERROR(parse(config_with(R"("mounts":[{"destination":"/a","options":["ro\u0000"]}])")),
               ErrorKind::InvalidSpec,
               "/mounts/0/options/0");
}

// CF-129; names are case-sensitive, so "Process" is unknown as well.
TEST(Parse, IgnoresUnknownProperties) {
  ASSERT_OK_AND_ASSIGN(const Spec spec,
                       parse(config_with(R"("Process":{"cwd":7},"x":{"y":[null,{"z":"\u0000"}]},
      "process":{"cwd":"/","x":1,"user":{"uid":0,"gid":0,"x":[]}},"linux":{"x":null,"resources":{"x":-1}})")));
  ASSERT_TRUE(spec.process);
  EXPECT_EQ(spec.process->cwd, "/");
}

// Go's encoder writes null for what is not set.
TEST(Parse, TakesNullAsAbsent) {
  ASSERT_OK_AND_ASSIGN(const Spec spec,
                       parse(config_with(
                           R"("mounts":null,"hooks":null,"annotations":null,"hostname":null,
          "process":{"cwd":"/","args":null,"env":null,"rlimits":null,"capabilities":null,"user":{"uid":1,"gid":1,"additionalGids":null}},
          "linux":{"namespaces":null,"seccomp":null,"sysctl":null,"maskedPaths":null,"resources":{"devices":null,"memory":null,"unified":null,"cpu":{"quota":null}}})")));
  EXPECT_TRUE(spec.mounts.empty());
  EXPECT_FALSE(spec.process->capabilities);
  EXPECT_FALSE(spec.linux_->seccomp);
  EXPECT_FALSE(spec.linux_->resources->memory);
  EXPECT_EQ(spec.linux_->resources->cpu->quota, std::nullopt);
}

// CF-083.
TEST(Parse, IgnoresConsoleSizeWithoutTerminal) {
  ASSERT_OK_AND_ASSIGN(
      const Spec spec,
      parse(config_with(R"("process":{"cwd":"/","consoleSize":{"height":65536,"width":70000}})")));
  EXPECT_FALSE(spec.process->console_size);
}

TEST(Parse, DeviceRuleWithoutTypeAndAccessIsForAll) {
  ASSERT_OK_AND_ASSIGN(const Spec spec,
                       parse(config_with(R"("linux":{"resources":{"devices":[{"allow":false},
                                            {"allow":true,"type":""}]}})")));
  EXPECT_EQ(spec.linux_->resources->devices[0].type, "a");
  EXPECT_EQ(spec.linux_->resources->devices[0].access, "");
  EXPECT_EQ(spec.linux_->resources->devices[1].type, "a");
}

TEST(Parse, RefusesWhatIsTooLarge) {
  const std::string text(kMaxConfigBytes + 1, ' ');
  const auto result = parse(text);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            "config.json: expected at most 16777216 bytes, found 16777217");
}

TEST(ParseProcess, ReadsBareProcess) {
  ASSERT_OK_AND_ASSIGN(const Process process,
                       parse_process(R"({"cwd":"/tmp","args":["ls"],"user":{"uid":7,"gid":8}})"));
  EXPECT_EQ(process.cwd, "/tmp");
  EXPECT_EQ(process.user.uid, 7U);
  const auto bad = parse_process("{\n\"cwd\":1}");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(), "process JSON line 2: /cwd: expected a string, found 1");
}

TEST(ParseResources, ReadsBareResources) {
  ASSERT_OK_AND_ASSIGN(const Resources resources,
                       parse_resources(R"({"pids":{"limit":5},"cpu":{}})"));
  EXPECT_EQ(resources.pids->limit, 5);
  const auto bad = parse_resources(R"({"pids":{"limit":"5"}})");
  ASSERT_FALSE(bad);
  EXPECT_TRUE(
      bad.error().message().starts_with("resources JSON line 1: /pids/limit: expected an integer"));
}

TEST(ParseMounts, ReadsAndChecksMounts) {
  ASSERT_OK_AND_ASSIGN(const auto mounts,
                       parse_mounts(R"({"mounts":[{"destination":"/a","type":"tmpfs"}]})"));
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].type, "tmpfs");
  EXPECT_ERROR(parse_mounts("{}"), ErrorKind::InvalidSpec, "/mounts");
  EXPECT_ERROR(parse_mounts(R"({"mounts":[{"destination":""}]})"),
               ErrorKind::InvalidSpec,
               "/mounts/0/destination");
}

TEST(Load, NamesTheLineOfABrokenRule) {
  const auto result = load(
      "{\"ociVersion\":\"1.3.0\",\n\"root\":{\"path\":\"r\"},\n"
      "\"process\":{\n\"args\":[\"a\"],\n\"cwd\":\"tmp\"}}");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().pointer(), "/process/cwd");
  EXPECT_EQ(result.error().message(),
            "config.json line 5: /process/cwd: expected an absolute path, found 'tmp'");
}

TEST(Load, NamesTheLineOfTheObjectThatLacksAProperty) {
  const auto result = load(
      "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},\n\"linux\":{\"seccomp\":\n"
      "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}}}");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            "config.json line 3: /linux/seccomp/listenerPath: SCMP_ACT_NOTIFY needs this property");
}

TEST(Load, CallsTheDocumentByItsName) {
  EXPECT_EQ(load("[1,]", {}, "/b/config.json").error().message(),
            "/b/config.json line 1: expected a value (no comma may stand before ']'), found ']'");
}

TEST(Locate, PutsTheLineInFrontOfWhatThePointerOrTheTextNames) {
  constexpr std::string_view kText =
      "{\"root\":{\n\"path\":\"r\"},\n\"mounts\":[\n{\"destination\":\"/a\"}]}";
  const auto message = [&](Error error) { return locate(std::move(error), kText, "c").message(); };
  EXPECT_EQ(message(Error::spec("/root/path", "no")), "c line 2: /root/path: no");
  EXPECT_EQ(message(Error(ErrorKind::System, "/mounts/0: mounting: no")),
            "c line 4: /mounts/0: mounting: no");
  // The nearest place that is written there.
  EXPECT_EQ(message(Error::spec("/mounts/0/source", "no")), "c line 4: /mounts/0/source: no");
  EXPECT_EQ(message(Error::spec("/process", "no")), "c: /process: no");
  for (const char* text : {"open('/mounts/0'): no", "/etc/passwd: no", "no", ""})
    EXPECT_EQ(message(Error(ErrorKind::System, text)), text);
}

TEST(LoadProcess, ChecksTheRules) {
  EXPECT_ERROR(load_process(R"({"cwd":"/"})"), ErrorKind::InvalidSpec, "/args");
  EXPECT_OK(load_process(R"({"cwd":"/","args":["a"]})"));
}

TEST(LoadResources, ChecksTheRules) {
  EXPECT_ERROR(load_resources(R"({"cpu":{"idle":2}})"), ErrorKind::InvalidSpec, "/cpu/idle");
  EXPECT_OK(load_resources(
      R"({"memory":{"limit":0,"swap":0},"cpu":{"shares":0,"quota":0},"blockIO":{"weight":0}})"));
}

}  // namespace
}  // namespace corten::spec
