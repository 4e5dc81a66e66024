// plan/cgroup.cc, resources.cc, cgroup_v1.cc and cgroup_v2.cc: places, and control files by golden
// values.
#include "plan_support.h"
#include "support.h"
#include <corten/plan/build.h>

namespace corten::plan {
namespace {

using testing::host_hybrid;
using testing::host_v1;
using testing::host_v2;

Result<Cgroup> cgroup_of(const spec::Spec& spec,
                         const HostFacts& facts,
                         CgroupDriver driver = CgroupDriver::Cgroupfs) {
  auto options = testing::options();
  options.cgroup_driver = driver;
  auto plan = build(spec, options, facts);
  if (!plan) return std::move(plan).error();
  return std::move(plan->cgroup);
}

Result<Cgroup> cgroup_at(std::string path,
                         CgroupDriver driver,
                         const HostFacts& facts = host_v2()) {
  auto spec = testing::small_spec();
  spec.linux_->cgroups_path = std::move(path);
  return cgroup_of(spec, facts, driver);
}

// "memory.max=100": one line a write, with "?" for optional, "~" for retry and "|" for the
// fallback.
std::vector<std::string> text_of(const std::vector<CgroupWrite>& writes) {
  std::vector<std::string> lines;
  for (const auto& one : writes) {
    auto line = one.file + "=" + one.value;
    if (one.optional) line += " ?";
    if (one.retry) line += " ~";
    if (!one.fallback_file.empty()) line += " | " + one.fallback_file + "=" + one.fallback_value;
    lines.push_back(line);
  }
  return lines;
}

using Lines = std::vector<std::string>;

Lines writes_of(const spec::Resources& resources, const HostFacts& facts) {
  auto writes = build_cgroup_writes(resources, facts.cgroup);
  EXPECT_TRUE(testing::is_ok(writes));
  return writes ? text_of(*writes) : Lines{};
}

TEST(CgroupPath, CgroupfsTakesAbsoluteAndRelativePaths) {
  const auto absolute = cgroup_at("/docker//abc/", CgroupDriver::Cgroupfs);
  EXPECT_EQ(absolute->path, "/docker/abc");
  EXPECT_FALSE(absolute->relative);
  const auto relative = cgroup_at("a/b", CgroupDriver::Cgroupfs);
  EXPECT_EQ(relative->path, "/a/b");
  EXPECT_TRUE(relative->relative);
}

TEST(CgroupPath, CgroupfsDefaultIsTheId) {
  const auto of_root = cgroup_at("", CgroupDriver::Cgroupfs);
  EXPECT_EQ(of_root->path, "/abc");
  EXPECT_FALSE(of_root->relative);
  auto facts = host_v2();
  facts.privileged = false;
  const auto of_user = cgroup_at("", CgroupDriver::Cgroupfs, facts);
  EXPECT_EQ(of_user->path, "/abc");
  EXPECT_TRUE(of_user->relative);
}

TEST(CgroupPath, CgroupfsRefusesPathsThatLeaveTheirPlace) {
  for (const char* wrong : {"../x", "/a/../b", "a/..", "/", "//", "./", "a\nb"}) {
    EXPECT_ERROR(
        cgroup_at(wrong, CgroupDriver::Cgroupfs), ErrorKind::InvalidSpec, "/linux/cgroupsPath")
        << wrong;
  }
}

struct UnitCase {
  const char* configured;
  const char* slice;
  const char* scope;
  const char* path;
};

TEST(CgroupPath, SystemdTakesSlicePrefixName) {
  const UnitCase cases[] = {
      {"system.slice:docker:abc",
       "system.slice",
       "docker-abc.scope",
       "/system.slice/docker-abc.scope"},
      {"a-b-c.slice:cri:x",
       "a-b-c.slice",
       "cri-x.scope",
       "/a.slice/a-b.slice/a-b-c.slice/cri-x.scope"},
      {":runc:x", "system.slice", "runc-x.scope", "/system.slice/runc-x.scope"},
      {"-:runc:x", "-.slice", "runc-x.scope", "/runc-x.scope"},
      {"a.slice::x", "a.slice", "x.scope", "/a.slice/x.scope"},
      {"a.slice:p:a-b.slice", "a.slice", "a-b.slice", "/a.slice/a-b.slice"},
      {"", "system.slice", "corten-abc.scope", "/system.slice/corten-abc.scope"},
  };
  for (const auto& one : cases) {
    ASSERT_OK_AND_ASSIGN(const auto cgroup, cgroup_at(one.configured, CgroupDriver::Systemd));
    EXPECT_EQ(cgroup.slice, one.slice) << one.configured;
    EXPECT_EQ(cgroup.scope, one.scope) << one.configured;
    EXPECT_EQ(cgroup.path, one.path) << one.configured;
  }
  auto facts = host_v2();
  facts.user_manager = true;
  EXPECT_EQ(cgroup_at(":p:x", CgroupDriver::Systemd, facts)->slice, "user.slice");
}

TEST(CgroupPath, SystemdRefusesAnythingElse) {
  for (const char* wrong : {"/docker/abc",
                            "abc",
                            "a.slice:b",
                            "a.slice:b:",
                            "a:b:c",
                            "a--b.slice:p:x",
                            "-a.slice:p:x",
                            ".slice:p:x",
                            "a.slice:p:x/y",
                            "a.slice:p/q:x",
                            "a.slice:p:x:y",
                            "a.slice:p:x y",
                            "../a.slice:p:x"}) {
    EXPECT_ERROR(
        cgroup_at(wrong, CgroupDriver::Systemd), ErrorKind::InvalidSpec, "/linux/cgroupsPath")
        << wrong;
  }
}

TEST(CgroupPath, SystemdPropertiesComeFromAnnotations) {
  auto spec = testing::small_spec();
  spec.annotations = {{"org.systemd.property.TimeoutStopUSec", "uint64 5"}, {"other", "x"}};
  const auto cgroup = cgroup_of(spec, host_v2(), CgroupDriver::Systemd);
  ASSERT_OK(cgroup);
  EXPECT_EQ(cgroup->systemd_properties,
            (std::vector<std::pair<std::string, std::string>>{{"TimeoutStopUSec", "uint64 5"}}));
  EXPECT_TRUE(cgroup_of(spec, host_v2())->systemd_properties.empty());
  spec.annotations = {{"org.systemd.property.Ab", "1"}};
  EXPECT_ERROR(cgroup_of(spec, host_v2(), CgroupDriver::Systemd),
               ErrorKind::InvalidSpec,
               "/annotations/org.systemd.property.Ab");
}

TEST(Cgroup, DisabledDriverDoesNothing) {
  auto spec = testing::small_spec();
  spec.linux_->resources.emplace();
  spec.linux_->resources->pids = spec::Pids{.limit = 5};
  const auto cgroup = cgroup_of(spec, HostFacts{}, CgroupDriver::Disabled);
  ASSERT_OK(cgroup);
  EXPECT_EQ(cgroup->path, "");
  EXPECT_TRUE(cgroup->writes.empty());
  EXPECT_TRUE(cgroup->device_rules.empty());
}

TEST(Cgroup, AnnotationsNameCgroupsBelowTheContainersOwn) {
  auto spec = testing::small_spec();
  spec.annotations = {{"run.oci.systemd.subgroup", "container"},
                      {"run.oci.delegate-cgroup", "/init//inner/"}};
  const auto systemd = cgroup_of(spec, host_v2(), CgroupDriver::Systemd);
  ASSERT_OK(systemd);
  EXPECT_EQ(systemd->subgroup, "container");
  EXPECT_EQ(systemd->delegated, "init/inner");
  EXPECT_EQ(cgroup_of(spec, host_v2())->subgroup, "");
  EXPECT_EQ(cgroup_of(spec, host_v2())->delegated, "init/inner");
  EXPECT_ERROR(
      cgroup_of(spec, host_v1()), ErrorKind::Unsupported, "/annotations/run.oci.delegate-cgroup");
  for (const char* nothing : {"", "/"}) {
    spec.annotations = {{"run.oci.systemd.subgroup", nothing}};
    EXPECT_EQ(cgroup_of(spec, host_v2(), CgroupDriver::Systemd)->subgroup, "") << nothing;
  }
  for (const char* bad : {"..", "a/../b", "a\nb"}) {
    spec.annotations = {{"run.oci.delegate-cgroup", bad}};
    EXPECT_ERROR(
        cgroup_of(spec, host_v2()), ErrorKind::InvalidSpec, "/annotations/run.oci.delegate-cgroup")
        << bad;
  }
}

TEST(Cgroup, OwnershipFollowsAWritableMountInANewNamespace) {
  auto spec = testing::small_spec();
  testing::add_namespace(spec, "cgroup");
  spec.mounts = {testing::mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid"})};
  EXPECT_TRUE(cgroup_of(spec, host_v2())->delegate);
  EXPECT_TRUE(cgroup_of(spec, host_v2())->own_namespace);
  EXPECT_FALSE(cgroup_of(spec, host_v1())->delegate);
  EXPECT_FALSE(cgroup_of(spec, host_hybrid())->delegate);
  spec.mounts[0].options = {"ro"};
  EXPECT_FALSE(cgroup_of(spec, host_v2())->delegate);
  spec.mounts[0].options = {};
  spec.mounts[0].source = "cgroup2";
  EXPECT_FALSE(cgroup_of(spec, host_v2())->delegate);
  spec.mounts[0].source = "cgroup";
  spec.linux_->namespaces.back().path = "/proc/1/ns/cgroup";
  EXPECT_FALSE(cgroup_of(spec, host_v2())->delegate);
}

TEST(Cgroup, TheLimitOfTasksIsWrittenLate) {
  auto spec = testing::small_spec();
  spec.linux_->resources.emplace();
  spec.linux_->resources->pids = spec::Pids{.limit = 0};
  const auto none = cgroup_of(spec, host_v2());
  EXPECT_TRUE(none->writes.empty());
  EXPECT_EQ(text_of(none->late_writes), Lines{"pids.max=0"});
  spec.linux_->resources->pids->limit = 10;
  const auto some = cgroup_of(spec, host_v2());
  EXPECT_TRUE(some->writes.empty());
  EXPECT_EQ(text_of(some->late_writes), Lines{"pids.max=10"});
}

TEST(Memory, V1WritesTheLimitBeforeMemoryAndSwap) {
  spec::Resources resources;
  resources.memory = spec::Memory{.limit = 1000,
                                  .reservation = 500,
                                  .swap = 2000,
                                  .kernel = 100,
                                  .kernel_tcp = 50,
                                  .swappiness = 0,
                                  .disable_oom_killer = true,
                                  .use_hierarchy = true,
                                  .check_before_update = true};
  EXPECT_EQ(writes_of(resources, host_v1()),
            (Lines{"memory.use_hierarchy=1",
                   "memory.limit_in_bytes=1000 ~",
                   "memory.memsw.limit_in_bytes=2000 ~",
                   "memory.soft_limit_in_bytes=500",
                   "memory.kmem.limit_in_bytes=100",
                   "memory.kmem.tcp.limit_in_bytes=50",
                   "memory.swappiness=0",
                   "memory.oom_control=1"}));
}

TEST(Memory, V1UnlimitedMemoryLiftsSwapToo) {
  spec::Resources resources;
  resources.memory = spec::Memory{.limit = -1};
  EXPECT_EQ(writes_of(resources, host_v1()),
            (Lines{"memory.limit_in_bytes=-1 ~", "memory.memsw.limit_in_bytes=-1 ? ~"}));
}

struct SwapCase {
  std::optional<int64_t> limit;
  std::optional<int64_t> swap;
  Lines expected;
};

TEST(Memory, V2CountsSwapAlone) {
  const std::vector<SwapCase> cases{
      {1000, 3000, {"memory.swap.max=2000", "memory.max=1000"}},
      {1000, 1000, {"memory.swap.max=0 ?", "memory.max=1000"}},
      {1000, -1, {"memory.swap.max=max ?", "memory.max=1000"}},
      {1000, 0, {"memory.max=1000"}},
      {1000, std::nullopt, {"memory.max=1000"}},
      {-1, std::nullopt, {"memory.swap.max=max ?", "memory.max=max"}},
      {-1, 5000, {"memory.swap.max=max ?", "memory.max=max"}},
      {std::nullopt, -1, {"memory.swap.max=max ?"}},
      {0, 0, {}},
  };
  for (const auto& one : cases) {
    spec::Resources resources;
    resources.memory = spec::Memory{.limit = one.limit, .swap = one.swap};
    EXPECT_EQ(writes_of(resources, host_v2()), one.expected)
        << one.limit.value_or(-99) << " " << one.swap.value_or(-99);
  }
}

TEST(Memory, V2RefusesSwapThatCannotBeConverted) {
  spec::Resources resources;
  resources.memory = spec::Memory{.swap = 1000};
  EXPECT_ERROR(build_cgroup_writes(resources, host_v2().cgroup),
               ErrorKind::InvalidSpec,
               "/linux/resources/memory/swap");
  resources.memory->limit = 2000;
  EXPECT_ERROR(build_cgroup_writes(resources, host_v2().cgroup),
               ErrorKind::InvalidSpec,
               "/linux/resources/memory/swap");
}

TEST(Memory, V2ChecksUsageWhenAsked) {
  spec::Resources resources;
  resources.memory = spec::Memory{.limit = 1000, .reservation = 500, .check_before_update = true};
  ASSERT_OK_AND_ASSIGN(const auto writes, build_cgroup_writes(resources, host_v2().cgroup));
  EXPECT_EQ(text_of(writes), (Lines{"memory.max=1000", "memory.low=500"}));
  EXPECT_EQ(writes[0].usage_file, "memory.current");
  EXPECT_EQ(writes[0].controller, "memory");
  EXPECT_EQ(writes[0].pointer, "/linux/resources/memory/limit");
}

TEST(Memory, HabitsOfEnginesNeedNothing) {
  spec::Resources resources;
  resources.memory = spec::Memory{.limit = 0,
                                  .reservation = 0,
                                  .swap = 0,
                                  .kernel = 0,
                                  .kernel_tcp = 0,
                                  .disable_oom_killer = false};
  EXPECT_EQ(writes_of(resources, host_v2()), Lines{});
  EXPECT_EQ(writes_of(resources, HostFacts{}), Lines{});
}

template <typename Set>
void expect_only_v1(Set set, const std::string& pointer) {
  spec::Resources resources;
  set(resources);
  EXPECT_ERROR(build_cgroup_writes(resources, host_v2().cgroup), ErrorKind::Unsupported, pointer);
  EXPECT_OK(build_cgroup_writes(resources, host_v1().cgroup));
}

TEST(Resources, SettingsWithoutAV2EquivalentAreErrorsThere) {
  const std::string base = "/linux/resources";
  expect_only_v1([](auto& r) { r.memory = spec::Memory{.kernel = 1}; }, base + "/memory/kernel");
  expect_only_v1([](auto& r) { r.memory = spec::Memory{.kernel_tcp = 1}; },
                 base + "/memory/kernelTCP");
  expect_only_v1([](auto& r) { r.memory = spec::Memory{.swappiness = 60}; },
                 base + "/memory/swappiness");
  expect_only_v1([](auto& r) { r.memory = spec::Memory{.disable_oom_killer = true}; },
                 base + "/memory/disableOOMKiller");
  expect_only_v1([](auto& r) { r.memory = spec::Memory{.use_hierarchy = false}; },
                 base + "/memory/useHierarchy");
  expect_only_v1([](auto& r) { r.cpu = spec::Cpu{.realtime_runtime = 5}; },
                 base + "/cpu/realtimeRuntime");
  expect_only_v1([](auto& r) { r.cpu = spec::Cpu{.realtime_period = 5}; },
                 base + "/cpu/realtimePeriod");
  expect_only_v1([](auto& r) { r.block_io = spec::BlockIo{.leaf_weight = 500}; },
                 base + "/blockIO/leafWeight");
  expect_only_v1(
      [](auto& r) {
        r.block_io.emplace();
        r.block_io->weight_device = {{.major = 8, .minor = 0, .weight = 5, .leaf_weight = 6}};
      },
      base + "/blockIO/weightDevice/0/leafWeight");
  expect_only_v1([](auto& r) { r.network = spec::NetworkResources{.class_id = 5}; },
                 base + "/network/classID");
  expect_only_v1(
      [](auto& r) {
        r.network.emplace();
        r.network->priorities = {{.name = "eth0", .priority = 3}};
      },
      base + "/network/priorities/0");
}

TEST(Cpu, V1Files) {
  spec::Resources resources;
  resources.cpu = spec::Cpu{.shares = 512,
                            .quota = -1,
                            .burst = 100,
                            .period = 100000,
                            .realtime_runtime = 10,
                            .realtime_period = 20,
                            .cpus = "0-1",
                            .mems = "0",
                            .idle = 0};
  EXPECT_EQ(writes_of(resources, host_v1()),
            (Lines{"cpuset.cpus=0-1",
                   "cpuset.mems=0",
                   "cpu.idle=0 ?",
                   "cpu.shares=512",
                   "cpu.cfs_period_us=100000 ~",
                   "cpu.cfs_burst_us=100 ~",
                   "cpu.cfs_quota_us=-1 ~",
                   "cpu.rt_period_us=20 ~",
                   "cpu.rt_runtime_us=10 ~"}));
}

TEST(Cpu, V2Files) {
  spec::Resources resources;
  resources.cpu =
      spec::Cpu{.shares = 1024, .quota = 50000, .burst = 0, .period = 100000, .mems = "0-3"};
  EXPECT_EQ(
      writes_of(resources, host_v2()),
      (Lines{
          "cpuset.mems=0-3", "cpu.weight=100", "cpu.max.burst=0 ? ~", "cpu.max=50000 100000 ~"}));
  resources.cpu = spec::Cpu{.quota = -1};
  EXPECT_EQ(writes_of(resources, host_v2()), Lines{"cpu.max=max ~"});
  resources.cpu = spec::Cpu{.period = 5000};
  EXPECT_EQ(writes_of(resources, host_v2()), Lines{"cpu.max=max 5000 ~"});
  resources.cpu = spec::Cpu{.shares = 0, .quota = 0, .period = 0};
  EXPECT_EQ(writes_of(resources, host_v2()), Lines{});
}

TEST(Cpu, IdleGroupsHaveNoShares) {
  spec::Resources resources;
  resources.cpu = spec::Cpu{.shares = 1024, .idle = 1};
  EXPECT_EQ(writes_of(resources, host_v1()), Lines{"cpu.idle=1"});
  EXPECT_EQ(writes_of(resources, host_v2()), Lines{"cpu.idle=1"});
}

TEST(Cpu, SharesBecomeWeightByTheCurve) {
  const std::pair<uint64_t, const char*> grid[] = {{1, "1"},
                                                   {2, "1"},
                                                   {3, "2"},
                                                   {256, "35"},
                                                   {512, "59"},
                                                   {1024, "100"},
                                                   {2048, "174"},
                                                   {10240, "639"},
                                                   {262143, "10000"},
                                                   {262144, "10000"},
                                                   {1000000, "10000"}};
  for (const auto& [shares, weight] : grid) {
    spec::Resources resources;
    resources.cpu = spec::Cpu{.shares = shares};
    EXPECT_EQ(writes_of(resources, host_v2()), Lines{std::string("cpu.weight=") + weight})
        << shares;
  }
}

TEST(Pids, UnlimitedIsMaxAndZeroIsALimit) {
  spec::Resources resources;
  resources.pids = spec::Pids{.limit = -1};
  EXPECT_EQ(writes_of(resources, host_v1()), Lines{"pids.max=max"});
  EXPECT_EQ(writes_of(resources, HostFacts{}), Lines{}) << "no limit needs no controller";
  resources.pids->limit = 0;
  EXPECT_EQ(writes_of(resources, host_v2()), Lines{"pids.max=0"});
  resources.pids->limit = std::nullopt;
  EXPECT_EQ(writes_of(resources, host_v2()), Lines{});
}

spec::Resources block_io() {
  spec::Resources resources;
  resources.block_io.emplace();
  auto& io = *resources.block_io;
  io.weight = 500;
  io.weight_device = {{.major = 8, .minor = 0, .weight = 10, .leaf_weight = std::nullopt}};
  io.throttle_read_bps_device = {{.major = 8, .minor = 0, .rate = 600}};
  io.throttle_write_bps_device = {{.major = 8, .minor = 16, .rate = 0}};
  io.throttle_read_iops_device = {{.major = 8, .minor = 0, .rate = 7}};
  io.throttle_write_iops_device = {{.major = 8, .minor = 0, .rate = 8}};
  return resources;
}

TEST(BlockIo, V1Files) {
  EXPECT_EQ(writes_of(block_io(), host_v1()),
            (Lines{"blkio.weight=500 | blkio.bfq.weight=500",
                   "blkio.weight_device=8:0 10 | blkio.bfq.weight_device=8:0 10",
                   "blkio.throttle.read_bps_device=8:0 600",
                   "blkio.throttle.write_bps_device=8:16 0",
                   "blkio.throttle.read_iops_device=8:0 7",
                   "blkio.throttle.write_iops_device=8:0 8"}));
}

TEST(BlockIo, V2Files) {
  EXPECT_EQ(writes_of(block_io(), host_v2()),
            (Lines{"io.bfq.weight=500 | io.weight=4950",
                   "io.bfq.weight=8:0 10 | io.weight=8:0 1",
                   "io.max=8:0 rbps=600",
                   "io.max=8:16 wbps=max",
                   "io.max=8:0 riops=7",
                   "io.max=8:0 wiops=8"}));
}

TEST(Hugepages, ReservationsAreLimitedWhereThereAreSome) {
  spec::Resources resources;
  resources.hugepage_limits = {{.page_size = "2MB", .limit = 4194304},
                               {.page_size = "1GB", .limit = 0}};
  EXPECT_EQ(writes_of(resources, host_v1()),
            (Lines{"hugetlb.2MB.limit_in_bytes=4194304",
                   "hugetlb.2MB.rsvd.limit_in_bytes=4194304 ?",
                   "hugetlb.1GB.limit_in_bytes=0",
                   "hugetlb.1GB.rsvd.limit_in_bytes=0 ?"}));
  EXPECT_EQ(writes_of(resources, host_v2()),
            (Lines{"hugetlb.2MB.max=4194304",
                   "hugetlb.2MB.rsvd.max=4194304 ?",
                   "hugetlb.1GB.max=0",
                   "hugetlb.1GB.rsvd.max=0 ?"}));
  resources.hugepage_limits = {{.page_size = "../2MB", .limit = 1}};
  EXPECT_ERROR(build_cgroup_writes(resources, host_v2().cgroup),
               ErrorKind::InvalidSpec,
               "/linux/resources/hugepageLimits/0/pageSize");
}

TEST(Rdma, OneLineADevice) {
  spec::Resources resources;
  resources.rdma = {{.device = "mlx5_1", .hca_handles = 3, .hca_objects = 10000},
                    {.device = "rxe3", .hca_handles = std::nullopt, .hca_objects = 4}};
  EXPECT_EQ(writes_of(resources, host_v2()),
            (Lines{"rdma.max=mlx5_1 hca_handle=3 hca_object=10000", "rdma.max=rxe3 hca_object=4"}));
}

TEST(Network, V1Files) {
  spec::Resources resources;
  resources.network = spec::NetworkResources{.class_id = 1048577, .priorities = {}};
  resources.network->priorities = {{.name = "eth0", .priority = 500}};
  EXPECT_EQ(writes_of(resources, host_v1()),
            (Lines{"net_cls.classid=1048577", "net_prio.ifpriomap=eth0 500"}));
}

TEST(Hybrid, EachControllerIsUsedWhereItIs) {
  spec::Resources resources;
  resources.memory = spec::Memory{.limit = 1000};
  resources.hugepage_limits = {{.page_size = "2MB", .limit = 1}};
  EXPECT_EQ(writes_of(resources, host_hybrid()),
            (Lines{"memory.limit_in_bytes=1000", "hugetlb.2MB.max=1", "hugetlb.2MB.rsvd.max=1 ?"}));
}

TEST(Hybrid, MissingControllerSaysWhatToDo) {
  spec::Resources resources;
  resources.block_io = spec::BlockIo{.weight = 100};
  const auto result = build_cgroup_writes(resources, host_hybrid().cgroup);
  EXPECT_ERROR(result, ErrorKind::Unsupported, "/linux/resources/blockIO");
  const auto& text = result.error().message();
  EXPECT_NE(text.find("'blkio'"), std::string::npos) << text;
  EXPECT_NE(text.find("enable it or remove the property"), std::string::npos) << text;
}

TEST(Unified, IsWrittenLineByLineAndLast) {
  spec::Resources resources;
  resources.pids = spec::Pids{.limit = 5};
  resources.unified = {{"io.max", "259:0 rbps=2097152 wiops=120\n253:0 rbps=2097152 wiops=120"},
                       {"cgroup.max.depth", "3"},
                       {"memory.pressure", "some 1 2"},
                       {"cpuset.cpus", ""},
                       {"memory.newfile", "x"}};
  ASSERT_OK_AND_ASSIGN(const auto writes, build_cgroup_writes(resources, host_v2().cgroup));
  EXPECT_EQ(text_of(writes),
            (Lines{"pids.max=5",
                   "io.max=259:0 rbps=2097152 wiops=120",
                   "io.max=253:0 rbps=2097152 wiops=120",
                   "cgroup.max.depth=3",
                   "memory.pressure=some 1 2",
                   "cpuset.cpus=\n",
                   "memory.newfile=x"}));
  EXPECT_EQ(writes[1].controller, "io");
  EXPECT_EQ(writes[3].controller, "cgroup");
  EXPECT_EQ(writes[4].controller, "cgroup");
  EXPECT_EQ(writes[1].pointer, "/linux/resources/unified/io.max");
}

TEST(Unified, NeedsItsControllerInV2) {
  spec::Resources resources;
  resources.unified = {{"memory.high", "5"}};
  const std::string pointer = "/linux/resources/unified/memory.high";
  EXPECT_OK(build_cgroup_writes(resources, host_v2().cgroup));
  EXPECT_ERROR(
      build_cgroup_writes(resources, host_hybrid().cgroup), ErrorKind::Unsupported, pointer);
  EXPECT_ERROR(build_cgroup_writes(resources, host_v1().cgroup), ErrorKind::Unsupported, pointer);
  resources.unified = {{"foo.max", "5"}};
  EXPECT_ERROR(build_cgroup_writes(resources, host_v2().cgroup),
               ErrorKind::Unsupported,
               "/linux/resources/unified/foo.max");
}

TEST(Unified, RefusesWhatIsNoSetting) {
  for (const char* wrong : {"../memory.max",
                            "a/memory.max",
                            ".hidden",
                            "memory",
                            "",
                            "cgroup.procs",
                            "cgroup.threads",
                            "cgroup.kill"}) {
    spec::Resources resources;
    resources.unified = {{wrong, "1"}};
    EXPECT_ERROR(build_cgroup_writes(resources, host_v2().cgroup), ErrorKind::InvalidSpec) << wrong;
  }
}

}  // namespace
}  // namespace corten::plan
