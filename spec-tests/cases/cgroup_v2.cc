// config-linux.md: cgroups of version 2 - unified, conversion of version 1 settings, ownership.
// Every case needs a host, or a view of it, that has nothing but the unified hierarchy.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

#define NEED_V2() SPEC_NEED(c.cgroups().pure_v2(), "this view of the host has cgroups of version 1")

std::string first_line(const std::string& path) {
  std::string text = read_file(path);
  return text.substr(0, text.find('\n'));
}

std::string own_directory(const Case& c) { return c.cgroups().v2 + c.cgroups_path(); }

void create_waiting(Case& c) {
  c.bundle.set_command({"wait"});
  c.container.must_create();
}

SPEC_CASE(CgroupV2,
          Freeze,
          "RT-005 RT-007 LX-025",
          "the container lives in its cgroup of the unified hierarchy") {
  NEED_V2();
  create_waiting(c);
  EXPECT_NE(read_file(own_directory(c) + "/cgroup.procs").find(std::to_string(c.container.pid())),
            std::string::npos);
}

// A file of some controller that this host has, with a value to write.
std::pair<std::string, std::string> some_unified_setting(const Case& c) {
  if (c.cgroups().has_v2("pids")) return {"pids.max", "77"};
  if (c.cgroups().has_v2("memory")) return {"memory.max", "67108864"};
  if (c.cgroups().has_v2("hugetlb")) return {"hugetlb.2MB.max", "4194304"};
  return {};
}

SPEC_CASE(CgroupV2,
          UnifiedEnablesTheController,
          "LX-044 RT-005",
          "a unified setting is written, and its controller is enabled on the way down") {
  NEED_V2();
  const auto [file, value] = some_unified_setting(c);
  SPEC_NEED(!file.empty(), "this host has no controller with a simple limit");
  c.bundle.resources()["unified"] = {{file, value}};
  create_waiting(c);
  EXPECT_EQ(first_line(own_directory(c) + "/" + file), value);
}

SPEC_CASE(CgroupV2,
          UnknownUnifiedKeysAreWritten,
          "LX-045",
          "a key that no controller owns is written to its file") {
  NEED_V2();
  c.bundle.resources()["unified"] = {{"cgroup.max.depth", "3"}, {"cgroup.max.descendants", "7"}};
  create_waiting(c);
  EXPECT_EQ(first_line(own_directory(c) + "/cgroup.max.depth"), "3");
  EXPECT_EQ(first_line(own_directory(c) + "/cgroup.max.descendants"), "7");
}

SPEC_CASE(CgroupV2,
          UnknownControllerIsRefused,
          "LX-046",
          "a key of a controller that does not exist is refused") {
  NEED_V2();
  c.bundle.resources()["unified"] = {{"banana.max", "1"}};
  c.expect_refused("there is no controller banana");
}

SPEC_CASE(CgroupV2,
          MissingControllerIsRefused,
          "LX-046",
          "a key of a controller that is not available is refused") {
  NEED_V2();
  std::string absent;
  for (const char* name : {"rdma", "misc", "io", "memory", "pids"}) {
    if (!c.cgroups().has_v2(name)) absent = name;
  }
  SPEC_NEED(!absent.empty(), "this host has every controller");
  c.bundle.resources()["unified"] = {{absent + ".max", "1"}};
  c.expect_refused("the controller " + absent + " is not available");
}

SPEC_CASE(CgroupV2,
          SlashInUnifiedKeyIsRefused,
          "LX-046 RT-036",
          "a key that leads out of the cgroup is refused") {
  NEED_V2();
  c.bundle.resources()["unified"] = {{"../cgroup.max.depth", "3"}};
  c.expect_refused("the key is a path");
}

SPEC_CASE(CgroupV2, Hugepages, "RT-005", "hugepageLimits set the limit of reservations") {
  NEED_V2();
  SPEC_NEED(c.cgroups().has_v2("hugetlb"), "this host has no cgroup controller hugetlb");
  c.bundle.resources()["hugepageLimits"] = Json::array({{{"pageSize", "2MB"}, {"limit", 8388608}}});
  create_waiting(c);
  EXPECT_EQ(first_line(own_directory(c) + "/hugetlb.2MB.rsvd.max"), "8388608");
}

struct V1Row {
  const char* name;
  const char* pointer;
  Json value;
};
const std::vector<V1Row>& v1_rows() {
  static const std::vector<V1Row> kRows = {
      {"Swappiness", "/memory", {{"swappiness", 50}}},
      {"DisableOomKiller", "/memory", {{"disableOOMKiller", true}}},
      {"KernelMemory", "/memory", {{"kernel", 67108864}}},
      {"KernelTcpMemory", "/memory", {{"kernelTCP", 67108864}}},
      {"UseHierarchyOff", "/memory", {{"useHierarchy", false}}},
      {"RealtimeRuntime", "/cpu", {{"realtimeRuntime", 10000}}},
      {"RealtimePeriod", "/cpu", {{"realtimePeriod", 1000000}}},
      {"NetworkClass", "/network", {{"classID", 1048577}}},
      {"NetworkPriorities",
       "/network",
       {{"priorities", Json::array({{{"name", "lo"}, {"priority", 3}}})}}},
      {"LeafWeight", "/blockIO", {{"leafWeight", 100}}},
  };
  return kRows;
}

void run_v1_row(Case& c, const V1Row& row) {
  NEED_V2();
  c.bundle.resources()[Json::json_pointer(row.pointer)] = row.value;
  c.expect_refused(std::string("resources") + row.pointer +
                   " has no counterpart in cgroups of version 2");
}

bool register_rows() {
  for (const V1Row& row : v1_rows()) {
    register_case({"CgroupV2Conversion",
                   row.name,
                   "LX-047",
                   std::string("resources") + row.pointer + " = " + row.value.dump() +
                       " cannot be converted to version 2 and is refused",
                   [&row](Case& c) { run_v1_row(c, row); },
                   __FILE__,
                   __LINE__});
  }
  return true;
}
[[maybe_unused]] const bool rows_registered = register_rows();

SPEC_CASE(CgroupV2Conversion,
          OomKillerLeftOn,
          "LX-047",
          "disableOOMKiller false asks for what version 2 does anyway") {
  NEED_V2();
  c.bundle.resources()["memory"] = {{"disableOOMKiller", false}};
  EXPECT_EQ(c.report()["cwd"], "/");
}

// ---- ownership
// ------------------------------------------------------------------------------------------------------------

constexpr uid_t kUser = 1234;

void use_delegation(Case& c, const std::vector<std::string>& options) {
  c.bundle.add_namespace("cgroup");
  c.bundle.add_mount({{"destination", "/sys/fs/cgroup"},
                      {"type", "cgroup"},
                      {"source", "cgroup"},
                      {"options", options}});
  c.bundle.process()["user"] = {{"uid", kUser}, {"gid", kUser}};
}

uid_t owner(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_uid : static_cast<uid_t>(-1);
}

std::set<std::string> delegated_files() {
  std::set<std::string> names;
  std::istringstream lines(read_file("/sys/kernel/cgroup/delegate"));
  for (std::string name; lines >> name;) names.insert(name);
  return names;
}

void expect_owners(const Case& c, const std::set<std::string>& delegated) {
  for (const auto& entry : fs::directory_iterator(own_directory(c))) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(owner(entry.path()), delegated.contains(name) ? kUser : 0U) << name;
  }
}

SPEC_CASE(CgroupV2Ownership,
          WritableMountDelegates,
          "LX-030 LX-032 LX-034 LX-036",
          "with a cgroup namespace and a writable cgroup mount the cgroup and the delegated files "
          "belong to the user") {
  NEED_V2();
  use_delegation(c, {"nosuid", "noexec", "nodev"});
  create_waiting(c);
  EXPECT_EQ(owner(own_directory(c)), kUser) << "the cgroup's directory";
  expect_owners(c, delegated_files());
}

SPEC_CASE(CgroupV2Ownership,
          MissingFilesAreNoError,
          "LX-033",
          "files of the kernel's list that a cgroup does not have are no error") {
  NEED_V2();
  use_delegation(c, {"nosuid", "noexec", "nodev"});
  create_waiting(c);
  EXPECT_EQ(c.container.status(), "created");
}

SPEC_CASE(CgroupV2Ownership,
          UserNamespace,
          "LX-030 LX-032",
          "the owner is the host uid that the process's uid maps to") {
  NEED_V2();
  c.bundle.use_user_namespace(100000, 65536);
  use_delegation(c, {"nosuid", "noexec", "nodev"});
  create_waiting(c);
  EXPECT_EQ(owner(own_directory(c)), 100000 + kUser);
}

SPEC_CASE(CgroupV2Ownership,
          ReadonlyMountDoesNotDelegate,
          "LX-031 LX-036",
          "with ro the cgroup keeps its owner") {
  NEED_V2();
  use_delegation(c, {"nosuid", "noexec", "nodev", "ro"});
  create_waiting(c);
  EXPECT_EQ(owner(own_directory(c)), 0U);
  expect_owners(c, {});
}

SPEC_CASE(CgroupV2Ownership,
          NoMountDoesNotDelegate,
          "LX-031",
          "without a cgroup mount the cgroup keeps its owner") {
  NEED_V2();
  c.bundle.add_namespace("cgroup");
  c.bundle.process()["user"] = {{"uid", kUser}, {"gid", kUser}};
  create_waiting(c);
  EXPECT_EQ(owner(own_directory(c)), 0U);
}

SPEC_CASE(CgroupV2Ownership,
          NoNamespaceDoesNotDelegate,
          "LX-029",
          "without a new cgroup namespace the cgroup keeps its owner") {
  NEED_V2();
  use_delegation(c, {"nosuid", "noexec", "nodev"});
  c.bundle.remove_namespace("cgroup");
  create_waiting(c);
  EXPECT_EQ(owner(own_directory(c)), 0U);
}

SPEC_CASE(CgroupV2Ownership,
          FallbackList,
          "LX-035 LX-036",
          "without the kernel's list the files are cgroup.procs, cgroup.subtree_control and "
          "cgroup.threads") {
  NEED_V2();
  const std::string empty = c.directory() + "/empty";
  fs::create_directory(empty);
  c.host_mount(empty, "/sys/kernel/cgroup", "none", MS_BIND);
  use_delegation(c, {"nosuid", "noexec", "nodev"});
  create_waiting(c);
  // Changing the owner at all is optional; who does it has to fall back to this list.
  if (owner(own_directory(c)) == 0U) {
    expect_owners(c, {});
  } else {
    expect_owners(c, {"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"});
  }
}

SPEC_CASE(CgroupV2,
          DeviceRules,
          "LX-037 LX-013",
          "the device list is in force on version 2 as well") {
  NEED_V2();
  ASSERT_EQ(::mknod((c.bundle.rootfs() + "/data/kmsg").c_str(), S_IFCHR | 0666, (1 << 8) | 11), 0);
  c.bundle.resources()["devices"] = Json::array({{{"allow", false}, {"access", "rwm"}}});
  const Json results = c.perform({{"open", "/data/kmsg", "w"}, {"open", "/dev/zero", "r"}});
  EXPECT_EQ(results[0].value("errno", 0), EPERM) << results[0];
  EXPECT_EQ(results[1]["ok"], true) << results[1];
}

}  // namespace
}  // namespace spec
