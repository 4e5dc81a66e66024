// plan/build.cc and its small topics: namespaces, sysctls, hooks, network devices, resource
// director.
#include <linux/sched.h>

#include "plan_support.h"
#include "support.h"

namespace corten::plan {
namespace {

Result<Plan> plan_of(const spec::Spec& spec) {
  return build(spec, testing::options(), testing::host_v2());
}

TEST(Build, WithoutLinuxAndProcess) {
  spec::Spec spec;
  spec.root = spec::Root{.path = "/root//fs/", .readonly = false};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  EXPECT_EQ(plan.rootfs, "/root/fs");
  EXPECT_EQ(plan.namespaces.unshare, 0U);
  EXPECT_FALSE(plan.process.has_value());
  EXPECT_EQ(plan.cgroup.path, "/abc");
}

TEST(Build, RootIsRelativeToTheBundle) {
  auto spec = testing::small_spec();
  spec.root->readonly = true;
  spec.hostname = "h";
  spec.domainname = "d";
  spec.linux_->masked_paths = {"/proc//kcore"};
  spec.linux_->readonly_paths = {"/proc/sys/"};
  spec.annotations = {{"k", "v"}};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  EXPECT_EQ(plan.rootfs, "/bundles/one/rootfs");
  EXPECT_TRUE(plan.rootfs_readonly);
  EXPECT_EQ(plan.hostname, "h");
  EXPECT_EQ(plan.domainname, "d");
  EXPECT_EQ(plan.masked_paths, std::vector<std::string>{"/proc/kcore"});
  EXPECT_EQ(plan.readonly_paths, std::vector<std::string>{"/proc/sys"});
  EXPECT_EQ(plan.annotations, spec.annotations);
}

TEST(Build, HostMountsAreNotChanged) {
  auto spec = testing::small_spec();
  spec.linux_->namespaces.clear();
  EXPECT_OK(plan_of(spec));
  spec.root->readonly = true;
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/root/readonly");
  spec.root->readonly = false;
  spec.linux_->masked_paths = {"/proc/kcore"};
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/maskedPaths");
  spec.linux_->masked_paths = {};
  spec.linux_->readonly_paths = {"/proc/sys"};
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/readonlyPaths");
  testing::add_namespace(spec, "mount", "/proc/1/ns/mnt");
  EXPECT_OK(plan_of(spec));
}

TEST(Namespaces, NewOnesAreUnsharedOthersJoinedInOrder) {
  auto spec = testing::small_spec();
  spec.linux_->namespaces = {{.type = "mount", .path = "/m"},
                             {.type = "network", .path = "/n"},
                             {.type = "user", .path = "/u"},
                             {.type = "pid", .path = ""},
                             {.type = "uts", .path = std::nullopt}};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  const auto& namespaces = plan.namespaces;
  EXPECT_EQ(namespaces.unshare, uint64_t{CLONE_NEWPID} | CLONE_NEWUTS);
  ASSERT_EQ(namespaces.join.size(), 3U);
  EXPECT_EQ(namespaces.join[0].path, "/u");
  EXPECT_EQ(namespaces.join[0].flag, CLONE_NEWUSER);
  EXPECT_EQ(namespaces.join[1].path, "/n");
  EXPECT_EQ(namespaces.join[2].path, "/m");
  EXPECT_TRUE(namespaces.own(CLONE_NEWNS));
  EXPECT_FALSE(namespaces.own(CLONE_NEWIPC));
}

TEST(Namespaces, DuplicatesAndUnknownTypesAreErrors) {
  auto spec = testing::small_spec();
  testing::add_namespace(spec, "mount", "/x");
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/namespaces/1");
  spec.linux_->namespaces[1].type = "ima";
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/namespaces/1/type");
}

TEST(Namespaces, NewUserNamespaceNeedsMappings) {
  auto spec = testing::small_spec();
  testing::add_namespace(spec, "user");
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/uidMappings");
  spec.linux_->uid_mappings = {{.container_id = 0, .host_id = 100, .size = 5}};
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/gidMappings");
  spec.linux_->gid_mappings = {{.container_id = 0, .host_id = 200, .size = 6}};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  EXPECT_EQ(plan.namespaces.uid_map,
            (std::vector<IdMapping>{{.container_id = 0, .host_id = 100, .size = 5}}));
  EXPECT_EQ(plan.namespaces.gid_map,
            (std::vector<IdMapping>{{.container_id = 0, .host_id = 200, .size = 6}}));
}

TEST(Namespaces, JoinedUserNamespaceMayComeWithMappings) {
  auto spec = testing::small_spec();
  testing::add_namespace(spec, "user", "/u");
  spec.linux_->uid_mappings = {{.container_id = 0, .host_id = 100, .size = 5}};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  EXPECT_TRUE(plan.namespaces.uid_map.empty());
}

TEST(Namespaces, TimeOffsetsAreTheTextOfTheKernelFile) {
  auto spec = testing::small_spec();
  spec.linux_->time_offsets = {{.clock = "monotonic", .secs = -5, .nanosecs = 7},
                               {.clock = "boottime", .secs = 3, .nanosecs = 0}};
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/timeOffsets");
  testing::add_namespace(spec, "time");
  EXPECT_EQ(plan_of(spec)->namespaces.time_offsets, "monotonic -5 7\nboottime 3 0\n");
}

TEST(Sysctls, KeysBecomePaths) {
  auto spec = testing::small_spec();
  for (const char* type : {"network", "ipc", "uts"}) testing::add_namespace(spec, type);
  spec.linux_->sysctl = {{"net.ipv4.ip_forward", "1"},
                         {"net/ipv4/conf/eth0.1/forwarding", "0"},
                         {"net.ipv4.conf.eth0/1.rp_filter", "2"},
                         {"fs.mqueue.msg_max", "5"},
                         {"kernel.shmmax", "6"},
                         {"kernel.msgmax", "7"},
                         {"kernel.sem", "1 2 3 4"},
                         {"kernel.domainname", "d"}};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  std::vector<std::pair<std::string, std::string>> built;
  for (const auto& sysctl : plan.sysctls) built.emplace_back(sysctl.path, sysctl.value);
  EXPECT_EQ(
      built,
      (std::vector<std::pair<std::string, std::string>>{{"net/ipv4/ip_forward", "1"},
                                                        {"net/ipv4/conf/eth0.1/forwarding", "0"},
                                                        {"net/ipv4/conf/eth0.1/rp_filter", "2"},
                                                        {"fs/mqueue/msg_max", "5"},
                                                        {"kernel/shmmax", "6"},
                                                        {"kernel/msgmax", "7"},
                                                        {"kernel/sem", "1 2 3 4"},
                                                        {"kernel/domainname", "d"}}));
  EXPECT_EQ(plan.sysctls[1].pointer, "/linux/sysctl/net~1ipv4~1conf~1eth0.1~1forwarding");
}

TEST(Sysctls, MalformedKeysAreRefused) {
  for (const char* key : {"net/../kernel/panic", "net..x", ""}) {
    auto spec = testing::small_spec();
    spec.linux_->sysctl = {{key, "1"}};
    EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec) << key;
  }
}

TEST(Hooks, CarryTheirPointer) {
  auto spec = testing::small_spec();
  spec.hooks.prestart = {{.path = "/a", .args = {}, .env = std::nullopt, .timeout = 5}};
  spec.hooks.start_container = {
      {.path = "/b", .args = {"b"}, .env = std::nullopt, .timeout = std::nullopt},
      {.path = "/c",
       .args = {"x", "y"},
       .env = std::vector<std::string>{},
       .timeout = std::nullopt}};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  EXPECT_EQ(plan.hooks.prestart[0].pointer, "/hooks/prestart/0");
  EXPECT_EQ(plan.hooks.prestart[0].args, std::vector<std::string>{"/a"});
  EXPECT_EQ(plan.hooks.prestart[0].timeout, 5);
  EXPECT_FALSE(plan.hooks.prestart[0].env.has_value());
  EXPECT_EQ(plan.hooks.start_container[1].pointer, "/hooks/startContainer/1");
  EXPECT_EQ(plan.hooks.start_container[1].args, (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(plan.hooks.start_container[1].env.has_value());
}

TEST(NetDevices, KeepTheirNameUnlessGivenAnother) {
  auto spec = testing::small_spec();
  testing::add_namespace(spec, "network");
  spec.linux_->net_devices = {{.host_name = "veth0", .name = ""},
                              {.host_name = "veth1", .name = "eth%d"},
                              {.host_name = "veth2", .name = "eth%d"}};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  EXPECT_EQ(plan.net_devices[0].name, "veth0");
  EXPECT_EQ(plan.net_devices[1].name, "eth%d");
  EXPECT_EQ(plan.net_devices[1].pointer, "/linux/netDevices/veth1");
}

TEST(IntelRdt, SchemataInTheOrderOfWriting) {
  auto spec = testing::small_spec();
  spec.linux_->intel_rdt = spec::IntelRdt{.clos_id = std::nullopt,
                                          .schemata = {"", "L2:0=f"},
                                          .l3_cache_schema = "L3:0=7f0",
                                          .mem_bw_schema = "MB:0=20",
                                          .enable_monitoring = true};
  ASSERT_OK_AND_ASSIGN(const auto plan, plan_of(spec));
  EXPECT_EQ(plan.intel_rdt->clos_id, "abc");
  EXPECT_FALSE(plan.intel_rdt->configured_clos);
  std::vector<std::string> lines;
  for (const auto& schema : plan.intel_rdt->schemata)
    lines.push_back(schema.line + " " + schema.pointer + (schema.must_match ? " must match" : ""));
  EXPECT_EQ(lines,
            (std::vector<std::string>{"L3:0=7f0 /linux/intelRdt/l3CacheSchema must match",
                                      "MB:0=20 /linux/intelRdt/memBwSchema must match",
                                      "L2:0=f /linux/intelRdt/schemata/1"}));
  EXPECT_TRUE(plan.intel_rdt->monitoring);
}

TEST(IntelRdt, ClassOfServiceIsADirectoryOrTheRoot) {
  auto spec = testing::small_spec();
  spec.linux_->intel_rdt.emplace();
  auto& rdt = *spec.linux_->intel_rdt;
  rdt.clos_id = "/";
  EXPECT_EQ(plan_of(spec)->intel_rdt->clos_id, "");
  EXPECT_TRUE(plan_of(spec)->intel_rdt->configured_clos);
  rdt.clos_id = "gold";
  EXPECT_EQ(plan_of(spec)->intel_rdt->clos_id, "gold");
  for (const char* wrong : {"..", "a/b", "info", "mon_groups", "."}) {
    rdt.clos_id = wrong;
    EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/intelRdt/closID") << wrong;
  }
}

TEST(IntelRdt, SchemaLinesAreChecked) {
  auto spec = testing::small_spec();
  spec.linux_->intel_rdt.emplace();
  auto& rdt = *spec.linux_->intel_rdt;
  rdt.mem_bw_schema = "XX:0=1";
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/intelRdt/memBwSchema");
  rdt.mem_bw_schema = "MB:0=1\nL3:0=f";
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/intelRdt/memBwSchema");
  rdt.mem_bw_schema = std::nullopt;
  rdt.schemata = {"L3:0=f", "a\nb"};
  EXPECT_ERROR(plan_of(spec), ErrorKind::InvalidSpec, "/linux/intelRdt/schemata/1");
}

TEST(HostFacts, FindsControllersWhereTheyAre) {
  const auto facts = testing::host_hybrid();
  EXPECT_EQ(facts.cgroup.find_v1("memory")->mount_point, "/sys/fs/cgroup/memory");
  EXPECT_EQ(facts.cgroup.find_v1("hugetlb"), nullptr);
  EXPECT_TRUE(facts.cgroup.has_v2("hugetlb"));
  EXPECT_FALSE(facts.cgroup.has_v2("memory"));
  EXPECT_FALSE(facts.cgroup.unified());
  EXPECT_TRUE(testing::host_v2().cgroup.unified());
}

}  // namespace
}  // namespace corten::plan
