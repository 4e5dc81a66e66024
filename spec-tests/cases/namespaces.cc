// config-linux.md: namespaces, user namespace mappings, time offsets, host and domain name, sysctl,
// personality, memory policy.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <sstream>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

struct NamespaceType {
  const char* spec;    // linux.namespaces[].type
  const char* kernel;  // /proc/PID/ns
  int flag;
};
constexpr NamespaceType kTypes[] = {{"pid", "pid", CLONE_NEWPID},
                                    {"network", "net", CLONE_NEWNET},
                                    {"mount", "mnt", CLONE_NEWNS},
                                    {"ipc", "ipc", CLONE_NEWIPC},
                                    {"uts", "uts", CLONE_NEWUTS},
                                    {"user", "user", CLONE_NEWUSER},
                                    {"cgroup", "cgroup", CLONE_NEWCGROUP},
                                    {"time", "time", 0x80}};

void add(Case& c, const std::string& type, const std::string& path = "") {
  if (type == "user" && path.empty()) {
    c.bundle.use_user_namespace();
  } else {
    c.bundle.add_namespace(type, path);
  }
}

void run_new(Case& c, const NamespaceType& type) {
  SPEC_NEED(kernel_has_namespace(type.kernel),
            std::string("the kernel has no ") + type.kernel + " namespaces");
  add(c, type.spec);
  const Json namespaces = c.report()["namespaces"];
  EXPECT_NE(namespaces[type.kernel], namespace_inode(0, type.kernel)) << "no new namespace";
}

// What has to be left out of the config when a namespace is the runtime's own.
void adapt_to_inherited(Case& c, const std::string& type) {
  if (type == "uts") c.bundle.config.erase("hostname");
}

void run_inherited(Case& c, const NamespaceType& type) {
  SPEC_NEED(kernel_has_namespace(type.kernel),
            std::string("the kernel has no ") + type.kernel + " namespaces");
  c.bundle.remove_namespace(type.spec);
  adapt_to_inherited(c, type.spec);
  if (std::string(type.spec) == "mount") {
    // The container's mounts would be made among the suite's own.
    c.bundle.config["mounts"] = Json::array();
    c.host_mount("proc", c.bundle.rootfs() + "/proc", "proc", 0);
    c.bundle.set_command({"report"});
    const CommandResult created = c.container.create();
    // A container without a mount namespace of its own may be an unsupported value.
    if (!created.ok() || !c.container.start().ok()) return;
    c.container.wait_exit();
    EXPECT_EQ(c.container.json_output()["namespaces"]["mnt"], namespace_inode(0, "mnt"));
    return;
  }
  EXPECT_EQ(c.report()["namespaces"][type.kernel], namespace_inode(0, type.kernel))
      << "the namespace is not inherited";
}

// A process that waits in a new namespace of one type. The file to join is bound where possible, as
// engines do.
struct Donor {
  pid_t pid = -1;
  std::string file;
};

Donor make_donor(Case& c, const NamespaceType& type) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(type.flag) != 0) ::_exit(1);
    // The first child is the one that lives in a new pid or time namespace.
    const pid_t inner = ::fork();
    if (inner == 0) {
      (void)!::write(ready[1], "x", 1);
      for (;;) ::pause();
    }
    int status = 0;
    ::waitpid(inner, &status, 0);
    ::_exit(0);
  }
  ::close(ready[1]);
  char byte = 0;
  const bool ok = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (!ok) {
    ::waitpid(child, nullptr, 0);
    throw std::runtime_error(std::string("the suite cannot make a namespace of type ") + type.spec);
  }
  const std::string kernel = type.kernel;
  const bool for_children = kernel == "pid" || kernel == "time";
  Donor donor;
  donor.pid = child;
  const std::string source =
      "/proc/" + std::to_string(child) + "/ns/" + kernel + (for_children ? "_for_children" : "");
  if (kernel == "mnt") {
    // The kernel refuses to bind some mount namespaces, lest they keep each other alive in a loop.
    donor.file = source;
  } else {
    donor.file = c.directory() + "/" + kernel + ".ns";
    write_file(donor.file, "");
    c.host_mount(source, donor.file, "none", MS_BIND);
  }
  c.at_end([child] {
    std::string inner = read_file("/proc/" + std::to_string(child) + "/task/" +
                                  std::to_string(child) + "/children");
    if (!inner.empty()) ::kill(std::stoi(inner), SIGKILL);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  });
  return donor;
}

uint64_t inode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

void run_joined(Case& c, const NamespaceType& type) {
  SPEC_NEED(kernel_has_namespace(type.kernel),
            std::string("the kernel has no ") + type.kernel + " namespaces");
  const Donor donor = make_donor(c, type);
  if (std::string(type.spec) == "user") {
    for (const char* map : {"uid_map", "gid_map"}) {
      write_file("/proc/" + std::to_string(donor.pid) + "/" + map, "0 100000 65536\n");
    }
    const Json mapping = Json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
    c.bundle.linux_config()["uidMappings"] = mapping;
    c.bundle.linux_config()["gidMappings"] = mapping;
  }
  c.bundle.add_namespace(type.spec, donor.file);
  if (std::string(type.spec) == "uts") c.bundle.config.erase("hostname");
  const uint64_t wanted = inode_of(donor.file);
  if (std::string(type.spec) == "mount") {
    c.bundle.config["mounts"] = Json::array();
    c.bundle.set_command({"wait"});
    // A runtime may not support a joined mount namespace.
    if (!c.container.create().ok() || !c.container.start().ok()) return;
    EXPECT_EQ(namespace_inode(c.container.pid(), "mnt"), wanted);
    return;
  }
  EXPECT_EQ(c.report()["namespaces"][type.kernel], wanted)
      << "the container is not in the namespace at the path";
}

void run_wrong_type(Case& c, const NamespaceType& type) {
  const bool network = std::string(type.spec) == "network";
  c.bundle.add_namespace(type.spec, std::string("/proc/self/ns/") + (network ? "ipc" : "net"));
  if (std::string(type.spec) == "uts") c.bundle.config.erase("hostname");
  c.expect_refused(std::string("the path is not a namespace of type ") + type.spec);
}

void run_duplicate(Case& c, const NamespaceType& type) {
  add(c, type.spec);
  c.bundle.linux_config()["namespaces"].push_back({{"type", type.spec}});
  c.expect_refused(std::string("namespace type ") + type.spec + " twice");
}

bool register_rows() {
  using Body = void (*)(Case&, const NamespaceType&);
  struct Kind {
    const char* suite;
    const char* ids;
    const char* expected;
    Body body;
  };
  static const Kind kKinds[] = {
      {"NewNamespace", "LX-006 LX-002", "the container gets a new namespace of type ", run_new},
      {"InheritedNamespace",
       "LX-007",
       "an unlisted type is inherited from the runtime: ",
       run_inherited},
      {"JoinedNamespace",
       "LX-004 LX-002",
       "the container is placed in the namespace at path of type ",
       run_joined},
      {"WrongNamespace",
       "LX-005",
       "a path to a namespace of another type is refused for type ",
       run_wrong_type},
      {"DuplicateNamespace", "LX-008", "a type that is listed twice is refused: ", run_duplicate},
  };
  for (const Kind& kind : kKinds) {
    for (const NamespaceType& type : kTypes) {
      register_case({kind.suite,
                     type.spec,
                     kind.ids,
                     std::string(kind.expected) + type.spec,
                     [&kind, &type](Case& c) { kind.body(c, type); },
                     __FILE__,
                     __LINE__});
    }
  }
  return true;
}
[[maybe_unused]] const bool rows_registered = register_rows();

SPEC_CASE(Namespaces, RelativePathIsRefused, "LX-003", "a relative namespace path is refused") {
  c.bundle.add_namespace("network", "proc/self/ns/net");
  c.expect_refused("the namespace path is relative");
}

SPEC_CASE(Namespaces,
          MissingPathIsRefused,
          "LX-005 RT-006",
          "a namespace path that does not exist is refused") {
  c.bundle.add_namespace("network", "/no/such/namespace");
  c.expect_refused("the namespace path does not exist");
}

SPEC_CASE(Namespaces,
          RegularFileIsRefused,
          "LX-005",
          "a namespace path to a regular file is refused") {
  c.bundle.make_file("/etc/file", "x");
  c.bundle.add_namespace("network", c.bundle.rootfs() + "/etc/file");
  c.expect_refused("the namespace path is a regular file");
}

SPEC_CASE(Namespaces,
          CgroupNamespaceHidesThePath,
          "LX-006",
          "with a cgroup namespace the own cgroup is the root") {
  c.bundle.add_namespace("cgroup");
  for (const Json& line : c.report()["cgroup"]) {
    EXPECT_EQ(line.get<std::string>().find(c.cgroups_path()), std::string::npos) << line;
  }
}

// ---- names
// ---------------------------------------------------------------------------------------------------------

SPEC_CASE(Names, Hostname, "RT-005 RT-034", "hostname is set in the container's UTS namespace") {
  c.bundle.config["hostname"] = "my-host.example";
  EXPECT_EQ(c.report()["hostname"], "my-host.example");
}

SPEC_CASE(Names,
          Domainname,
          "RT-005 RT-034",
          "domainname is set in the container's UTS namespace") {
  c.bundle.config["domainname"] = "example.org";
  EXPECT_EQ(c.report()["domainname"], "example.org");
}

SPEC_CASE(Names,
          TooLongHostnameIsRefused,
          "RT-036 CF-130",
          "a hostname of 65 bytes cannot be set and is refused") {
  c.bundle.config["hostname"] = std::string(65, 'h');
  c.expect_refused("hostname of 65 bytes");
}

// ---- user namespaces
// -------------------------------------------------------------------------------------------------

SPEC_CASE(UserNamespace,
          Mappings,
          "RT-005 LX-006",
          "uidMappings and gidMappings are written as listed") {
  c.bundle.add_namespace("user");
  c.bundle.linux_config()["uidMappings"] =
      Json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 1000}},
                   {{"containerID", 2000}, {"hostID", 300000}, {"size", 10}}});
  c.bundle.linux_config()["gidMappings"] =
      Json::array({{{"containerID", 0}, {"hostID", 200000}, {"size", 1000}}});
  const Json report = c.report();
  const auto words = [](const std::string& line) {
    std::istringstream stream(line);
    std::vector<int> numbers;
    for (int number = 0; stream >> number;) numbers.push_back(number);
    return numbers;
  };
  ASSERT_EQ(report["uidMap"].size(), 2U);
  EXPECT_EQ(words(report["uidMap"][0]), (std::vector<int>{0, 100000, 1000}));
  EXPECT_EQ(words(report["uidMap"][1]), (std::vector<int>{2000, 300000, 10}));
  ASSERT_EQ(report["gidMap"].size(), 1U);
  EXPECT_EQ(words(report["gidMap"][0]), (std::vector<int>{0, 200000, 1000}));
  EXPECT_EQ(report["uids"], Json({0, 0, 0}));
}

SPEC_CASE(UserNamespace,
          UserOfTheContainer,
          "RT-018",
          "uid and gid are those of the container's namespace") {
  c.bundle.use_user_namespace(100000, 65536);
  c.bundle.process()["user"] = {{"uid", 33}, {"gid", 44}};
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  const std::string status = read_file("/proc/" + std::to_string(c.container.pid()) + "/status");
  EXPECT_NE(status.find("Uid:\t100033\t100033"), std::string::npos) << status;
  EXPECT_NE(status.find("Gid:\t100044\t100044"), std::string::npos) << status;
}

SPEC_CASE(UserNamespace,
          OwnershipIsKept,
          "LX-009",
          "files of the root file system keep their owners") {
  c.bundle.make_file("/etc/owned", "x");
  ASSERT_EQ(::chown((c.bundle.rootfs() + "/etc/owned").c_str(), 5, 6), 0);
  c.bundle.use_user_namespace();
  c.report();
  struct stat status {};
  ASSERT_EQ(::stat((c.bundle.rootfs() + "/etc/owned").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 5U);
  EXPECT_EQ(status.st_gid, 6U);
  ASSERT_EQ(::stat((c.bundle.rootfs() + "/bin/checker").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
  ASSERT_EQ(::stat(c.bundle.rootfs().c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
}

SPEC_CASE(UserNamespace,
          UnmappedUserIsRefused,
          "RT-036",
          "a process user outside of the mappings is refused") {
  c.bundle.use_user_namespace(100000, 1000);
  c.bundle.process()["user"] = {{"uid", 5000}, {"gid", 0}};
  c.expect_refused("uid 5000 is not mapped", Case::Refusal::AtCreateOrStart);
}

// ---- time
// ------------------------------------------------------------------------------------------------------------

SPEC_CASE(TimeNamespace,
          Offsets,
          "RT-005 LX-006",
          "timeOffsets shift the clocks of a new time namespace") {
  SPEC_NEED(kernel_has_namespace("time"), "the kernel has no time namespaces");
  c.bundle.add_namespace("time");
  c.bundle.linux_config()["timeOffsets"] = {{"monotonic", {{"secs", 86400}, {"nanosecs", 5}}},
                                            {"boottime", {{"secs", 604800}}}};
  timespec monotonic{};
  timespec boottime{};
  ::clock_gettime(CLOCK_MONOTONIC, &monotonic);
  ::clock_gettime(CLOCK_BOOTTIME, &boottime);
  const Json report = c.report();
  EXPECT_NEAR(report["monotonic"].get<double>(), static_cast<double>(monotonic.tv_sec) + 86400, 60);
  EXPECT_NEAR(report["boottime"].get<double>(), static_cast<double>(boottime.tv_sec) + 604800, 60);
}

SPEC_CASE(TimeNamespace,
          NegativeOffset,
          "RT-005",
          "offsets may be negative, as long as no clock goes below zero") {
  SPEC_NEED(kernel_has_namespace("time"), "the kernel has no time namespaces");
  timespec boottime{};
  ::clock_gettime(CLOCK_BOOTTIME, &boottime);
  SPEC_NEED(boottime.tv_sec > 100, "the machine has been up for less than 100 seconds");
  c.bundle.add_namespace("time");
  c.bundle.linux_config()["timeOffsets"] = {{"boottime", {{"secs", -50}}}};
  EXPECT_NEAR(c.report()["boottime"].get<double>(), static_cast<double>(boottime.tv_sec) - 50, 30);
}

SPEC_CASE(TimeNamespace,
          OffsetsWithoutNamespaceAreRefused,
          "RT-036",
          "timeOffsets need a new time namespace") {
  c.bundle.linux_config()["timeOffsets"] = {{"monotonic", {{"secs", 1}}}};
  c.expect_refused("there is no time namespace to apply the offsets to");
}

// ---- sysctl, personality, memory policy
// --------------------------------------------------------------------------------

SPEC_CASE(Sysctl,
          NetworkAndIpc,
          "RT-005 RT-034",
          "sysctls are set in the container's namespaces and nowhere else") {
  const std::string before = read_file("/proc/sys/net/ipv4/ip_forward");
  c.bundle.linux_config()["sysctl"] = {{"net.ipv4.ip_forward", before[0] == '1' ? "0" : "1"},
                                       {"kernel.shm_rmid_forced", "1"},
                                       {"kernel.msgmax", "4321"}};
  const Json results = c.perform({{"read", "/proc/sys/net/ipv4/ip_forward"},
                                  {"read", "/proc/sys/kernel/shm_rmid_forced"},
                                  {"read", "/proc/sys/kernel/msgmax"}});
  EXPECT_EQ(results[0].value("content", ""), before[0] == '1' ? "0\n" : "1\n");
  EXPECT_EQ(results[1].value("content", ""), "1\n");
  EXPECT_EQ(results[2].value("content", ""), "4321\n");
  EXPECT_EQ(read_file("/proc/sys/net/ipv4/ip_forward"), before);
}

SPEC_CASE(Personality,
          Linux32,
          "RT-005 RT-018",
          "the domain LINUX32 makes uname show a 32 bit machine") {
  c.bundle.linux_config()["personality"] = {{"domain", "LINUX32"}};
  const Json report = c.report();
  EXPECT_EQ(report["personality"].get<int>() & 0xff, 8);
#if defined(__x86_64__)
  EXPECT_EQ(report["machine"], "i686");
#endif
}

SPEC_CASE(Personality, Linux, "RT-005 RT-018", "the domain LINUX is the plain one") {
  c.bundle.linux_config()["personality"] = {{"domain", "LINUX"}};
  EXPECT_EQ(c.report()["personality"].get<int>() & 0xff, 0);
}

bool kernel_has_numa() { return fs::exists("/proc/self/numa_maps"); }

SPEC_CASE(MemoryPolicy,
          Bind,
          "RT-005 RT-018",
          "MPOL_BIND with node 0 is the policy of the program") {
  SPEC_NEED(kernel_has_numa(), "the kernel is built without NUMA");
  c.bundle.linux_config()["memoryPolicy"] = {{"mode", "MPOL_BIND"}, {"nodes", "0"}};
  const Json policy = c.report()["memoryPolicy"];
  EXPECT_EQ(policy["mode"], 2);
  EXPECT_EQ(policy["nodes"], 1);
}

SPEC_CASE(MemoryPolicy,
          InterleaveWithFlag,
          "RT-005 RT-018",
          "MPOL_INTERLEAVE with MPOL_F_STATIC_NODES") {
  SPEC_NEED(kernel_has_numa(), "the kernel is built without NUMA");
  c.bundle.linux_config()["memoryPolicy"] = {
      {"mode", "MPOL_INTERLEAVE"}, {"nodes", "0"}, {"flags", {"MPOL_F_STATIC_NODES"}}};
  EXPECT_EQ(c.report()["memoryPolicy"]["mode"], 3 | (1 << 15));
}

SPEC_CASE(MemoryPolicy, DefaultWithoutNodes, "RT-005", "MPOL_DEFAULT needs no nodes") {
  SPEC_NEED(kernel_has_numa(), "the kernel is built without NUMA");
  c.bundle.linux_config()["memoryPolicy"] = {{"mode", "MPOL_DEFAULT"}};
  EXPECT_EQ(c.report()["memoryPolicy"]["mode"], 0);
}

SPEC_CASE(MemoryPolicy,
          BindWithoutNodesIsRefused,
          "RT-036 CF-130",
          "MPOL_BIND without nodes is refused") {
  SPEC_NEED(kernel_has_numa(), "the kernel is built without NUMA");
  c.bundle.linux_config()["memoryPolicy"] = {{"mode", "MPOL_BIND"}};
  c.expect_refused("MPOL_BIND needs nodes", Case::Refusal::AtCreateOrStart);
}

SPEC_CASE(MemoryPolicy, UnknownFlagIsRefused, "RT-036 CF-130", "an unknown flag is refused") {
  c.bundle.linux_config()["memoryPolicy"] = {{"mode", "MPOL_DEFAULT"},
                                             {"flags", {"MPOL_F_BANANA"}}};
  c.expect_refused("MPOL_F_BANANA", Case::Refusal::AtCreateOrStart);
}

}  // namespace
}  // namespace spec
