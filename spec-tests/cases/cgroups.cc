// config-linux.md: control groups. What is written is read back from the container's cgroup on the
// host, in the names of whichever version of cgroups has the controller.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

std::string first_line(const std::string& path) {
  std::string text = read_file(path);
  return text.substr(0, text.find('\n'));
}

void create_waiting(Case& c) {
  c.bundle.set_command({"wait"});
  c.container.must_create();
}

// One value of resources and the file that shows it. Empty names: that version has no such file.
struct ResourceRow {
  const char* name;
  const char* ids;
  const char* pointer;  // below linux.resources
  Json value;
  const char* controller;
  const char* v1_file;
  const char* v1_text;
  const char* v2_file;
  const char* v2_text;
};

const std::vector<ResourceRow>& resource_rows() {
  static const std::vector<ResourceRow> kRows = {
      {"MemoryLimit",
       "RT-005 RT-034",
       "/memory",
       {{"limit", 67108864}},
       "memory",
       "memory.limit_in_bytes",
       "67108864",
       "memory.max",
       "67108864"},
      {"MemoryReservation",
       "RT-005 RT-034",
       "/memory",
       {{"reservation", 33554432}},
       "memory",
       "memory.soft_limit_in_bytes",
       "33554432",
       "memory.low",
       "33554432"},
      {"MemorySwap",
       "RT-005 RT-034",
       "/memory",
       {{"limit", 67108864}, {"swap", 134217728}},
       "memory",
       "memory.memsw.limit_in_bytes",
       "134217728",
       "memory.swap.max",
       "67108864"},
      {"MemoryUnlimited",
       "RT-005 RT-034",
       "/memory",
       {{"limit", -1}},
       "memory",
       "memory.limit_in_bytes",
       "9223372036854771712",
       "memory.max",
       "max"},
      {"MemorySwappiness",
       "RT-005 RT-034",
       "/memory",
       {{"swappiness", 33}},
       "memory",
       "memory.swappiness",
       "33",
       "",
       ""},
      {"CpuShares",
       "RT-005 RT-034",
       "/cpu",
       {{"shares", 512}},
       "cpu",
       "cpu.shares",
       "512",
       "cpu.weight",
       ""},
      {"CpuQuota",
       "RT-005 RT-034",
       "/cpu",
       {{"quota", 50000}, {"period", 200000}},
       "cpu",
       "cpu.cfs_quota_us",
       "50000",
       "cpu.max",
       "50000 200000"},
      {"CpuPeriod",
       "RT-005 RT-034",
       "/cpu",
       {{"quota", 50000}, {"period", 200000}},
       "cpu",
       "cpu.cfs_period_us",
       "200000",
       "cpu.max",
       "50000 200000"},
      {"CpuBurst",
       "LX-039 LX-040",
       "/cpu",
       {{"quota", 50000}, {"period", 100000}, {"burst", 20000}},
       "cpu",
       "cpu.cfs_burst_us",
       "20000",
       "cpu.max.burst",
       "20000"},
      {"CpuIdle", "RT-005 RT-034", "/cpu", {{"idle", 1}}, "cpu", "cpu.idle", "1", "cpu.idle", "1"},
      {"CpusetCpus",
       "RT-005 RT-034",
       "/cpu",
       {{"cpus", "0"}},
       "cpuset",
       "cpuset.cpus",
       "0",
       "cpuset.cpus",
       "0"},
      {"CpusetMems",
       "RT-005 RT-034",
       "/cpu",
       {{"mems", "0"}},
       "cpuset",
       "cpuset.mems",
       "0",
       "cpuset.mems",
       "0"},
      {"PidsLimit",
       "RT-005 RT-034",
       "/pids",
       {{"limit", 77}},
       "pids",
       "pids.max",
       "77",
       "pids.max",
       "77"},
      {"PidsUnlimited",
       "RT-005 RT-034",
       "/pids",
       {{"limit", -1}},
       "pids",
       "pids.max",
       "max",
       "pids.max",
       "max"},
      {"PidsZero", "LX-042", "/pids", {{"limit", 0}}, "pids", "pids.max", "0", "pids.max", "0"},
      {"BlockIoWeight",
       "RT-005 RT-034",
       "/blockIO",
       {{"weight", 500}},
       "blkio",
       "blkio.bfq.weight",
       "500",
       "",
       ""},
      {"NetworkClass",
       "RT-005 RT-034",
       "/network",
       {{"classID", 1048577}},
       "net_cls",
       "net_cls.classid",
       "1048577",
       "",
       ""},
      {"HugepageLimit",
       "RT-005 RT-034",
       "/hugepageLimits",
       Json::array({{{"pageSize", "2MB"}, {"limit", 4194304}}}),
       "hugetlb",
       "hugetlb.2MB.rsvd.limit_in_bytes",
       "4194304",
       "hugetlb.2MB.rsvd.max",
       "4194304"},
  };
  return kRows;
}

void run_resource_row(Case& c, const ResourceRow& row) {
  const std::string controller = row.controller;
  SPEC_NEED(c.cgroups().has(controller), "this host has no cgroup controller " + controller);
  c.bundle.resources()[Json::json_pointer(row.pointer)] = row.value;
  const std::string probe_path = c.cgroup_file(controller, row.v1_file, row.v2_file);
  SPEC_NEED(!probe_path.empty(),
            std::string("this version of cgroups has no file for ") + row.name);
  c.bundle.set_command({"wait"});
  const CommandResult created = c.container.create();
  if (!fs::exists(probe_path)) {
    // The suite learns from a cgroup of its own whether the kernel has the file at all.
    const std::string own = fs::path(probe_path).parent_path().parent_path().string() + "/probe";
    fs::create_directory(own);
    const bool kernel_has = fs::exists(own + "/" + fs::path(probe_path).filename().string());
    ::rmdir(own.c_str());
    SPEC_NEED(kernel_has, "the kernel has no file " + fs::path(probe_path).filename().string());
  }
  ASSERT_TRUE(created.ok()) << created.err;
  // Some limits can only be written once all processes that creation needs exist.
  c.container.must_start();
  ASSERT_TRUE(c.container.wait_output("ready\n"));
  const char* expected = c.cgroups().has_v1(controller) ? row.v1_text : row.v2_text;
  if (*expected == '\0') {
    EXPECT_NE(first_line(probe_path), "") << probe_path;
  } else {
    EXPECT_EQ(first_line(probe_path), expected) << probe_path;
  }
}

bool register_rows() {
  for (const ResourceRow& row : resource_rows()) {
    register_case({"Resources",
                   row.name,
                   row.ids,
                   std::string("resources") + row.pointer + " = " + row.value.dump() +
                       " is what the cgroup shows",
                   [&row](Case& c) { run_resource_row(c, row); },
                   __FILE__,
                   __LINE__});
  }
  return true;
}
[[maybe_unused]] const bool rows_registered = register_rows();

SPEC_CASE(Resources,
          BlockIoThrottle,
          "RT-005 RT-034",
          "the four throttles are what the cgroup shows") {
  SPEC_NEED(c.cgroups().has_v1("blkio"), "this host has no blkio controller of version 1");
  std::string device;
  for (const auto& entry : fs::directory_iterator("/sys/block")) {
    const std::string name = entry.path().filename();
    if (name.starts_with("vd") || name.starts_with("sd") || name.starts_with("nvme"))
      device = first_line(entry.path() / "dev");
  }
  SPEC_NEED(!device.empty(), "this host has no disk to throttle");
  const int major = std::stoi(device);
  const int minor = std::stoi(device.substr(device.find(':') + 1));
  const auto entry = [&](int rate) {
    return Json::array({{{"major", major}, {"minor", minor}, {"rate", rate}}});
  };
  c.bundle.resources()["blockIO"] = {{"throttleReadBpsDevice", entry(1000001)},
                                     {"throttleWriteBpsDevice", entry(1000002)},
                                     {"throttleReadIOPSDevice", entry(1003)},
                                     {"throttleWriteIOPSDevice", entry(1004)}};
  create_waiting(c);
  const std::pair<const char*, int> files[] = {
      {"read_bps", 1000001}, {"write_bps", 1000002}, {"read_iops", 1003}, {"write_iops", 1004}};
  for (const auto& [name, rate] : files) {
    EXPECT_EQ(
        first_line(c.cgroup_file("blkio", std::string("blkio.throttle.") + name + "_device", "")),
        device + " " + std::to_string(rate))
        << name;
  }
}

SPEC_CASE(Resources,
          LimitsAreInForceBeforeTheProgram,
          "RT-005 RT-007",
          "the user's program runs inside the limits") {
  SPEC_NEED(c.cgroups().has("pids"), "this host has no cgroup controller pids");
  c.bundle.resources()["pids"] = {{"limit", 1}};
  const Json results = c.perform({{"exec", "/bin/checker", "exit", "0"}});
  EXPECT_EQ(results[0]["ok"], false) << "a second process could be made";
}

SPEC_CASE(Resources,
          BurstAboveQuota,
          "LX-039 LX-040",
          "a burst above the quota is refused or does not take effect") {
  SPEC_NEED(c.cgroups().has("cpu"), "this host has no cgroup controller cpu");
  c.bundle.resources()["cpu"] = {{"quota", 10000}, {"period", 100000}, {"burst", 20000}};
  c.bundle.set_command({"wait"});
  if (!c.container.create().ok()) return;
  const std::string burst = first_line(c.cgroup_file("cpu", "cpu.cfs_burst_us", "cpu.max.burst"));
  EXPECT_NE(burst, "20000") << "the cgroup has a burst above its quota";
}

SPEC_CASE(Resources,
          WeightDeviceWithoutWeightIsRefused,
          "LX-041",
          "a weightDevice entry without any weight is refused") {
  c.bundle.resources()["blockIO"] = {{"weightDevice", Json::array({{{"major", 8}, {"minor", 0}}})}};
  c.expect_refused("weightDevice without weight and leafWeight");
}

SPEC_CASE(Resources,
          RdmaWithoutValueIsRefused,
          "LX-043",
          "an rdma entry without any value is refused") {
  c.bundle.resources()["rdma"] = {{"mlx5_1", Json::object()}};
  c.expect_refused("rdma without hcaHandles and hcaObjects");
}

SPEC_CASE(Resources,
          LimitThatCannotBeSetIsAnError,
          "RT-006 RT-036 RT-037",
          "a cpuset that the machine does not have makes create fail") {
  SPEC_NEED(c.cgroups().has("cpuset"), "this host has no cgroup controller cpuset");
  c.bundle.resources()["cpu"] = {{"cpus", "4000"}};
  c.expect_refused("there is no CPU 4000");
}

SPEC_CASE(Resources,
          UpdateBelowUsageIsRefused,
          "LX-038",
          "with checkBeforeUpdate a limit below the usage is refused") {
  SPEC_NEED(c.cgroups().has("memory"), "this host has no cgroup controller memory");
  c.bundle.resources()["memory"] = {{"limit", 67108864}, {"checkBeforeUpdate", true}};
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  const std::string file = c.directory() + "/update.json";
  write_file(file, R"({"memory":{"limit":67108864,"checkBeforeUpdate":true}})");
  const CommandResult harmless = c.runtime({"update", "--resources", file, c.container.id()});
  SPEC_NEED(harmless.ok(), "the runtime has no update command: " + harmless.err);
  write_file(file, R"({"memory":{"limit":4096,"checkBeforeUpdate":true}})");
  EXPECT_FALSE(c.runtime({"update", "--resources", file, c.container.id()}).ok());
  EXPECT_EQ(c.container.status(), "running");
}

// ---- cgroupsPath
// ------------------------------------------------------------------------------------------------------

std::string cgroup_lines(Case& c) {
  return read_file("/proc/" + std::to_string(c.container.pid()) + "/cgroup");
}

SPEC_CASE(CgroupsPath,
          AbsoluteIsRelativeToTheMount,
          "LX-025 RT-007",
          "an absolute path is taken below the mount point") {
  create_waiting(c);
  const auto directories = cgroup_directories(c.cgroups(), c.cgroups_path());
  ASSERT_FALSE(directories.empty());
  std::istringstream lines(cgroup_lines(c));
  bool found = false;
  for (std::string line; std::getline(lines, line);)
    found = found || line.ends_with(":" + c.cgroups_path());
  EXPECT_TRUE(found) << cgroup_lines(c);
}

SPEC_CASE(CgroupsPath,
          SamePathSamePlace,
          "LX-026",
          "the same value leads to the same place every time") {
  create_waiting(c);
  const auto first = cgroup_directories(c.cgroups(), c.cgroups_path());
  const std::string first_lines = cgroup_lines(c);
  c.container.kill("KILL");
  c.container.wait_exit();
  c.container.must_remove();
  create_waiting(c);
  EXPECT_EQ(cgroup_directories(c.cgroups(), c.cgroups_path()), first);
  EXPECT_EQ(cgroup_lines(c), first_lines);
}

SPEC_CASE(CgroupsPath,
          RelativeIsConsistent,
          "LX-024 LX-026 LX-027",
          "a relative path is refused, or leads to the same place every time") {
  c.bundle.linux_config()["cgroupsPath"] = "ocispec-relative-" + std::to_string(::getpid());
  c.bundle.set_command({"wait"});
  if (!c.container.create().ok()) return;
  const std::string first = cgroup_lines(c);
  EXPECT_NE(first.find("ocispec-relative-"), std::string::npos) << first;
  c.container.kill("KILL");
  c.container.wait_exit();
  c.container.must_remove();
  create_waiting(c);
  EXPECT_EQ(cgroup_lines(c), first);
}

SPEC_CASE(CgroupsPath,
          ClimbingIsRefusedOrContained,
          "LX-024 LX-027",
          "a path that climbs with .. is refused or taken as a path below the mount point") {
  const std::string name = "ocispec-climb-" + std::to_string(::getpid());
  c.bundle.linux_config()["cgroupsPath"] = "../../../../" + name;
  c.bundle.set_command({"wait"});
  if (!c.container.create().ok()) return;
  std::istringstream lines(cgroup_lines(c));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(line.find(".."), std::string::npos) << "the process is in a cgroup outside: " << line;
  }
}

SPEC_CASE(CgroupsPath,
          UnsetIsAllowed,
          "LX-024 RT-005",
          "without cgroupsPath the runtime chooses a place and cleans it up") {
  c.bundle.linux_config().erase("cgroupsPath");
  create_waiting(c);
  const std::string lines = cgroup_lines(c);
  c.container.kill("KILL");
  c.container.wait_exit();
  c.container.must_remove();
  std::istringstream stream(lines);
  for (std::string line; std::getline(stream, line);) {
    const std::string path = line.substr(line.rfind(':') + 1);
    if (path.find(c.container.id()) == std::string::npos) continue;
    EXPECT_TRUE(cgroup_directories(c.cgroups(), path).empty())
        << "RT-050: " << path << " is left behind";
  }
}

SPEC_CASE(CgroupsPath,
          FrozenCgroupDoesNotHang,
          "LX-023 RT-051",
          "create in a frozen cgroup reports an error, or makes a container that can be deleted") {
  make_cgroup_parent(c.cgroups(), c.cgroups_path());
  c.at_end([&c] { remove_cgroup(c.cgroups(), c.cgroups_path()); });
  const bool v1 = c.cgroups().has_v1("freezer");
  const std::string file = v1 ? c.cgroup_file("freezer", "freezer.state", "")
                              : c.cgroups().v2 + c.cgroups_path() + "/cgroup.freeze";
  SPEC_NEED(fs::exists(file), "this host cannot freeze cgroups");
  write_file(file, v1 ? "FROZEN" : "1");
  c.bundle.set_command({"exit", "0"});
  const CommandResult created = c.container.create();
  EXPECT_FALSE(created.timed_out) << "create hangs in a frozen cgroup";
  ASSERT_TRUE(fs::exists(file)) << "RT-051: create removed a cgroup that it had not made";
  write_file(file, v1 ? "THAWED" : "0");
}

SPEC_CASE(CgroupsPath,
          OccupiedCgroup,
          "LX-023 RT-051",
          "create in a cgroup with a process of somebody else reports an error or leaves that "
          "process alone") {
  make_cgroup_parent(c.cgroups(), c.cgroups_path());
  c.at_end([&c] { remove_cgroup(c.cgroups(), c.cgroups_path()); });
  SpawnOptions waiting;
  waiting.argv = {settings().checker, "wait"};
  Process bystander = spawn(waiting);
  for (const std::string& directory : cgroup_directories(c.cgroups(), c.cgroups_path())) {
    std::ofstream(directory + "/cgroup.procs") << bystander.pid();
  }
  c.bundle.set_command({"exit", "0"});
  if (c.container.create().ok()) {
    c.container.must_start();
    c.container.wait_exit();
    c.container.remove();
  }
  EXPECT_EQ(::kill(bystander.pid(), 0), 0) << "the runtime ended a process that it did not make";
  bystander.kill();
  bystander.wait(Milliseconds(5000));
}

// ---- version 1
// ----------------------------------------------------------------------------------------------------------

SPEC_CASE(CgroupV1, OwnershipIsNotChanged, "LX-028", "cgroups of version 1 keep their owner") {
  SPEC_NEED(!c.cgroups().v1.empty(), "this host has no cgroups of version 1");
  c.bundle.add_namespace("cgroup");
  c.bundle.add_mount({{"destination", "/sys/fs/cgroup"},
                      {"type", "cgroup"},
                      {"source", "cgroup"},
                      {"options", {"nosuid", "noexec", "nodev"}}});
  c.bundle.process()["user"] = {{"uid", 1000}, {"gid", 1000}};
  create_waiting(c);
  for (const auto& [controller, point] : c.cgroups().v1) {
    struct stat status {};
    if (::stat((point + c.cgroups_path()).c_str(), &status) != 0) continue;
    EXPECT_EQ(status.st_uid, 0U) << controller;
  }
}

SPEC_CASE(CgroupV1,
          UnifiedWithoutHierarchyIsRefused,
          "LX-046",
          "unified is refused on a host without cgroups of version 2") {
  SPEC_NEED(c.cgroups().v2.empty() && !c.cgroups().v1.empty(),
            "this host has cgroups of version 2");
  c.bundle.resources()["unified"] = {{"memory.max", "67108864"}};
  c.expect_refused("unified on cgroups of version 1");
}

SPEC_CASE(CgroupV1,
          Mount,
          "RT-005",
          "a mount of type cgroup shows the controllers of the container") {
  SPEC_NEED(!c.cgroups().v1.empty(), "this host has no cgroups of version 1");
  c.bundle.add_mount({{"destination", "/sys/fs/cgroup"},
                      {"type", "cgroup"},
                      {"source", "cgroup"},
                      {"options", {"ro", "nosuid", "noexec", "nodev"}}});
  const Json results =
      c.perform({{"list", "/sys/fs/cgroup"}, {"read", "/sys/fs/cgroup/pids/pids.max"}});
  EXPECT_FALSE(results[0].value("entries", Json::array()).empty()) << results[0];
  EXPECT_EQ(results[1]["ok"], c.cgroups().has_v1("pids")) << results[1];
}

}  // namespace
}  // namespace spec
