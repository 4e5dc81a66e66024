// features.md and features-linux.md: what the features command claims is true. A runtime need not
// have the command.
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "case.h"
#include "state_check.h"
#include "unix_socket.h"

namespace spec {
namespace {
namespace fs = std::filesystem;
using Pointer = Json::json_pointer;

std::optional<Json> read_features(Case& c, const CommandOptions& options = {}) {
  const CommandResult result = c.runtime({"features"}, options);
  if (!result.ok()) return std::nullopt;
  Json document = Json::parse(result.out, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  return document;
}

#define NEED_FEATURES()                                                      \
  const auto read_result = read_features(c);                                 \
  SPEC_NEED(read_result.has_value(), "the runtime has no features command"); \
  const Json& features = *read_result

// The list at a pointer; empty when it is absent or null, which claims nothing.
std::vector<std::string> list_at(const Json& features, const char* pointer) {
  const Json value = features.contains(Pointer(pointer)) ? features.at(Pointer(pointer)) : Json();
  return value.is_array() ? value.get<std::vector<std::string>>() : std::vector<std::string>{};
}

bool flag_at(const Json& features, const char* pointer) {
  const Json value = features.contains(Pointer(pointer)) ? features.at(Pointer(pointer)) : Json();
  return value.is_boolean() && value.get<bool>();
}

// Whether a container can be created, started and brought to its end.
bool works(Case& c, std::string* error = nullptr) {
  const CommandResult created = c.container.create();
  CommandResult last = created;
  if (created.ok()) {
    last = c.container.start();
    if (last.ok())
      c.container.wait_exit();
    else
      c.container.kill("KILL"), c.container.wait_exit();
    c.container.remove();
  }
  if (error != nullptr) *error = last.err;
  return last.ok();
}

SPEC_CASE(Features,
          FixedAtCompilation,
          "FE-001",
          "the structure does not depend on what the host offers") {
  NEED_FEATURES();
  CommandOptions hidden;
  hidden.before_exec = [] {
    ::unshare(CLONE_NEWNS);
    ::mount("tmpfs", "/sys", "tmpfs", 0, nullptr);
  };
  const auto without_sys = read_features(c, hidden);
  ASSERT_TRUE(without_sys) << "features fails without /sys";
  EXPECT_EQ(*without_sys, features);
}

SPEC_CASE(Features,
          TypesOfProperties,
          "FE-002",
          "every property has its type, or is null or absent") {
  NEED_FEATURES();
  const std::pair<const char*, const char*> kinds[] = {
      {"/hooks", "array"},
      {"/mountOptions", "array"},
      {"/annotations", "object"},
      {"/potentiallyUnsafeConfigAnnotations", "array"},
      {"/linux", "object"},
      {"/linux/namespaces", "array"},
      {"/linux/capabilities", "array"},
      {"/linux/cgroup", "object"},
      {"/linux/cgroup/v1", "boolean"},
      {"/linux/cgroup/v2", "boolean"},
      {"/linux/cgroup/systemd", "boolean"},
      {"/linux/cgroup/systemdUser", "boolean"},
      {"/linux/cgroup/rdma", "boolean"},
      {"/linux/seccomp", "object"},
      {"/linux/seccomp/enabled", "boolean"},
      {"/linux/seccomp/actions", "array"},
      {"/linux/seccomp/operators", "array"},
      {"/linux/seccomp/archs", "array"},
      {"/linux/seccomp/knownFlags", "array"},
      {"/linux/seccomp/supportedFlags", "array"},
      {"/linux/apparmor", "object"},
      {"/linux/apparmor/enabled", "boolean"},
      {"/linux/selinux", "object"},
      {"/linux/selinux/enabled", "boolean"},
      {"/linux/intelRdt", "object"},
      {"/linux/intelRdt/enabled", "boolean"},
      {"/linux/mountExtensions", "object"},
      {"/linux/mountExtensions/idmap/enabled", "boolean"},
      {"/linux/memoryPolicy", "object"},
      {"/linux/memoryPolicy/modes", "array"},
      {"/linux/memoryPolicy/flags", "array"},
      {"/linux/netDevices", "object"},
      {"/linux/netDevices/enabled", "boolean"}};
  for (const auto& [pointer, kind] : kinds) {
    if (!features.contains(Pointer(pointer))) continue;
    const Json& value = features.at(Pointer(pointer));
    EXPECT_TRUE(value.is_null() || std::string(value.type_name()) == kind)
        << pointer << " is " << value.type_name();
  }
  // A runtime that names no seccomp action while it says that it has seccomp confuses empty with
  // unknown.
  if (flag_at(features, "/linux/seccomp/enabled") &&
      features.contains(Pointer("/linux/seccomp/actions"))) {
    EXPECT_NE(features.at(Pointer("/linux/seccomp/actions")), Json::array());
  }
}

SPEC_CASE(Features,
          VersionsAreAccepted,
          "FE-003 FE-004 FE-005",
          "configs of ociVersionMin and ociVersionMax are accepted") {
  NEED_FEATURES();
  const std::string lowest = features.value("ociVersionMin", "");
  const std::string highest = features.value("ociVersionMax", "");
  ASSERT_TRUE(is_semantic_version(lowest)) << lowest;
  ASSERT_TRUE(is_semantic_version(highest)) << highest;
  int low[3]{};
  int high[3]{};
  std::sscanf(lowest.c_str(), "%d.%d.%d", &low[0], &low[1], &low[2]);
  std::sscanf(highest.c_str(), "%d.%d.%d", &high[0], &high[1], &high[2]);
  EXPECT_TRUE(std::lexicographical_compare(low, low + 3, high, high + 3) ||
              std::equal(low, low + 3, high))
      << lowest << " > " << highest;
  c.bundle.set_command({"exit", "0"});
  for (const std::string& version : {lowest, highest}) {
    c.bundle.config["ociVersion"] = version;
    EXPECT_TRUE(works(c)) << "ociVersion " << version;
  }
}

SPEC_CASE(Features,
          NoPropertyIsNewerThanItsVersion,
          "FE-006",
          "no property is younger than ociVersionMax") {
  NEED_FEATURES();
  int high[2]{};
  std::sscanf(features.value("ociVersionMax", "0.0.0").c_str(), "%d.%d", &high[0], &high[1]);
  const std::pair<const char*, int> since[] = {{"/potentiallyUnsafeConfigAnnotations", 2},
                                               {"/linux/mountExtensions", 2},
                                               {"/linux/memoryPolicy", 3},
                                               {"/linux/netDevices", 3},
                                               {"/linux/intelRdt/schemata", 3},
                                               {"/linux/intelRdt/monitoring", 3}};
  for (const auto& [pointer, minor] : since) {
    if (!features.contains(Pointer(pointer)) || features.at(Pointer(pointer)).is_null()) continue;
    EXPECT_TRUE(high[0] > 1 || high[1] >= minor) << pointer << " came with 1." << minor;
  }
}

SPEC_CASE(Features, HooksWork, "FE-007", "every listed kind of hook runs") {
  NEED_FEATURES();
  const auto kinds = list_at(features, "/hooks");
  for (const std::string& kind : kinds) c.add_hook(kind, kind);
  c.bundle.set_command({"exit", "0"});
  EXPECT_TRUE(works(c));
  const auto names = c.hook_names();
  for (const std::string& kind : kinds)
    EXPECT_NE(std::find(names.begin(), names.end(), kind), names.end()) << kind;
}

// A mount that gives the option something to act on.
Json mount_with_option(const Case& c, const std::string& option) {
  const Json mapping = Json::array({{{"containerID", 0}, {"hostID", 1000}, {"size", 100}}});
  if (option == "bind" || option == "rbind") {
    return {{"destination", "/mnt"}, {"source", c.directory() + "/source"}, {"options", {option}}};
  }
  if (option == "idmap" || option == "ridmap") {
    return {{"destination", "/mnt"},
            {"source", c.directory() + "/source"},
            {"options", {"rbind", option}},
            {"uidMappings", mapping},
            {"gidMappings", mapping}};
  }
  if (option == "remount") {
    return {{"destination", "/dev/shm"},
            {"type", "tmpfs"},
            {"source", "shm"},
            {"options", {"remount", "ro"}}};
  }
  return {{"destination", "/mnt"}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", {option}}};
}

SPEC_CASE(Features,
          MountOptionsAreRecognised,
          "FE-008",
          "every listed mount option is recognised") {
  NEED_FEATURES();
  fs::create_directory(c.directory() + "/source");
  c.bundle.set_command({"exit", "0"});
  const Json mounts = c.bundle.config["mounts"];
  for (const std::string& option : list_at(features, "/mountOptions")) {
    c.bundle.config["mounts"] = mounts;
    c.bundle.add_mount(mount_with_option(c, option));
    std::string error;
    // The kernel has dropped mandatory locking; a runtime recognises the option all the same.
    if (option == "mand" || option == "nomand") continue;
    EXPECT_TRUE(works(c, &error)) << option << ": " << error;
  }
}

SPEC_CASE(Features,
          MountOptionsHoldNoData,
          "FE-009",
          "options of single file systems are not listed") {
  NEED_FEATURES();
  for (const std::string& option : list_at(features, "/mountOptions")) {
    EXPECT_EQ(option.find('='), std::string::npos) << option;
    for (const char* data : {"size",
                             "mode",
                             "uid",
                             "gid",
                             "nr_inodes",
                             "nr_blocks",
                             "newinstance",
                             "ptmxmode",
                             "lowerdir",
                             "upperdir",
                             "workdir",
                             "hidepid"}) {
      EXPECT_NE(option, data);
    }
  }
}

SPEC_CASE(Features,
          AnnotationsAreStrings,
          "FE-010",
          "annotations are a map of non-empty keys to strings") {
  NEED_FEATURES();
  const Json annotations = features.value("annotations", Json());
  SPEC_NEED(annotations.is_object(), "the runtime lists no annotations of its features");
  for (const auto& [key, value] : annotations.items()) {
    EXPECT_FALSE(key.empty());
    EXPECT_TRUE(value.is_string()) << key;
  }
}

SPEC_CASE(Features, NamespacesAreRecognised, "FL-001", "every listed namespace type can be new") {
  NEED_FEATURES();
  const auto types = list_at(features, "/linux/namespaces");
  SPEC_NEED(!types.empty(), "the runtime lists no namespaces");
  const std::map<std::string, std::string> kernel = {{"network", "net"}, {"mount", "mnt"}};
  for (const std::string& type : types) {
    if (!kernel_has_namespace(kernel.contains(type) ? kernel.at(type) : type)) continue;
    if (type == "user")
      c.bundle.use_user_namespace();
    else
      c.bundle.add_namespace(type);
  }
  c.bundle.set_command({"exit", "0"});
  std::string error;
  EXPECT_TRUE(works(c, &error)) << error;
}

// By number, as in linux/capability.h.
constexpr const char* kCapabilityNames[] = {"CAP_CHOWN",
                                            "CAP_DAC_OVERRIDE",
                                            "CAP_DAC_READ_SEARCH",
                                            "CAP_FOWNER",
                                            "CAP_FSETID",
                                            "CAP_KILL",
                                            "CAP_SETGID",
                                            "CAP_SETUID",
                                            "CAP_SETPCAP",
                                            "CAP_LINUX_IMMUTABLE",
                                            "CAP_NET_BIND_SERVICE",
                                            "CAP_NET_BROADCAST",
                                            "CAP_NET_ADMIN",
                                            "CAP_NET_RAW",
                                            "CAP_IPC_LOCK",
                                            "CAP_IPC_OWNER",
                                            "CAP_SYS_MODULE",
                                            "CAP_SYS_RAWIO",
                                            "CAP_SYS_CHROOT",
                                            "CAP_SYS_PTRACE",
                                            "CAP_SYS_PACCT",
                                            "CAP_SYS_ADMIN",
                                            "CAP_SYS_BOOT",
                                            "CAP_SYS_NICE",
                                            "CAP_SYS_RESOURCE",
                                            "CAP_SYS_TIME",
                                            "CAP_SYS_TTY_CONFIG",
                                            "CAP_MKNOD",
                                            "CAP_LEASE",
                                            "CAP_AUDIT_WRITE",
                                            "CAP_AUDIT_CONTROL",
                                            "CAP_SETFCAP",
                                            "CAP_MAC_OVERRIDE",
                                            "CAP_MAC_ADMIN",
                                            "CAP_SYSLOG",
                                            "CAP_WAKE_ALARM",
                                            "CAP_BLOCK_SUSPEND",
                                            "CAP_AUDIT_READ",
                                            "CAP_PERFMON",
                                            "CAP_BPF",
                                            "CAP_CHECKPOINT_RESTORE"};

SPEC_CASE(Features, CapabilitiesAreRecognised, "FL-002", "every listed capability is recognised") {
  NEED_FEATURES();
  const auto names = list_at(features, "/linux/capabilities");
  SPEC_NEED(!names.empty(), "the runtime lists no capabilities");
  // One that cannot be granted is a warning of its own, so only those that the suite itself has are
  // asked for.
  Json wanted = Json::array();
  for (const std::string& name : names) {
    const auto number = std::find(std::begin(kCapabilityNames), std::end(kCapabilityNames), name);
    if (number != std::end(kCapabilityNames) &&
        have_capability(static_cast<int>(number - kCapabilityNames))) {
      wanted.push_back(name);
    }
  }
  for (const char* set : {"bounding", "permitted", "effective"})
    c.bundle.process()["capabilities"][set] = wanted;
  const Json sets = c.report()["capabilities"];
  const auto granted = __builtin_popcountll(sets["bounding"].get<unsigned long long>());
  EXPECT_EQ(static_cast<size_t>(granted), wanted.size())
      << "some listed capabilities were not granted";
}

Json simple_profile(const Json& entry_changes, const Json& changes) {
  Json entry = {{"names", {"getpriority"}}, {"action", "SCMP_ACT_ERRNO"}};
  entry.update(entry_changes);
  Json profile = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", Json::array({entry})}};
  profile.update(changes);
  return profile;
}

void expect_profile_works(Case& c, const Json& profile, const std::string& what) {
  c.bundle.linux_config()["seccomp"] = profile;
  c.bundle.set_command({"exit", "0"});
  std::string error;
  EXPECT_TRUE(works(c, &error)) << what << ": " << error;
}

SPEC_CASE(Features,
          SeccompActionsAreRecognised,
          "FL-003",
          "every listed seccomp action is recognised") {
  NEED_FEATURES();
  const auto actions = list_at(features, "/linux/seccomp/actions");
  SPEC_NEED(!actions.empty(), "the runtime lists no seccomp actions");
  ListeningSocket socket(c.socket_path("agent"));
  for (const std::string& action : actions) {
    const Json changes =
        action == "SCMP_ACT_NOTIFY" ? Json{{"listenerPath", socket.path()}} : Json::object();
    expect_profile_works(c, simple_profile({{"action", action}}, changes), action);
  }
}

SPEC_CASE(Features,
          SeccompOperatorsAreRecognised,
          "FL-004",
          "every listed seccomp operator is recognised") {
  NEED_FEATURES();
  const auto operators = list_at(features, "/linux/seccomp/operators");
  SPEC_NEED(!operators.empty(), "the runtime lists no seccomp operators");
  for (const std::string& op : operators) {
    const Json args = Json::array({{{"index", 0}, {"value", 77}, {"valueTwo", 7}, {"op", op}}});
    expect_profile_works(c, simple_profile({{"args", args}}, Json::object()), op);
  }
}

SPEC_CASE(Features,
          SeccompArchitecturesAreRecognised,
          "FL-005",
          "every listed seccomp architecture is recognised") {
  NEED_FEATURES();
  const auto architectures = list_at(features, "/linux/seccomp/archs");
  SPEC_NEED(!architectures.empty(), "the runtime lists no seccomp architectures");
  for (const std::string& architecture : architectures) {
    expect_profile_works(
        c, simple_profile(Json::object(), {{"architectures", {architecture}}}), architecture);
  }
}

SPEC_CASE(
    Features,
    SeccompKnownFlags,
    "FL-006",
    "every known seccomp flag that is also supported is accepted, and no flag is only supported") {
  NEED_FEATURES();
  const auto known = list_at(features, "/linux/seccomp/knownFlags");
  const auto supported = list_at(features, "/linux/seccomp/supportedFlags");
  SPEC_NEED(!known.empty(), "the runtime lists no known seccomp flags");
  for (const std::string& flag : supported) {
    EXPECT_NE(std::find(known.begin(), known.end(), flag), known.end())
        << flag << " is supported and not known";
  }
  // Whether the kernel supports the flag is another question, but the four of the specification are
  // all old by now.
  for (const std::string& flag : known) {
    if (flag == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" ||
        flag == "SECCOMP_FILTER_FLAG_NEW_LISTENER")
      continue;
    if (flag == "SECCOMP_FILTER_FLAG_TSYNC_ESRCH") continue;
    expect_profile_works(c, simple_profile(Json::object(), {{"flags", {flag}}}), flag);
  }
}

SPEC_CASE(Features, SeccompSupportedFlags, "FL-007", "every supported seccomp flag works") {
  NEED_FEATURES();
  const auto supported = list_at(features, "/linux/seccomp/supportedFlags");
  SPEC_NEED(!supported.empty(), "the runtime lists no supported seccomp flags");
  for (const std::string& flag : supported) {
    Json profile = simple_profile(Json::object(), {{"flags", {flag}}});
    ListeningSocket socket(c.socket_path("agent"));
    // This flag concerns notifications and makes no sense without one.
    if (flag == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") {
      profile = simple_profile({{"action", "SCMP_ACT_NOTIFY"}},
                               {{"flags", {flag}}, {"listenerPath", socket.path()}});
    }
    expect_profile_works(c, profile, flag);
  }
}

SPEC_CASE(Features, MemoryPolicyModes, "FL-008", "every listed memory policy mode is recognised") {
  NEED_FEATURES();
  const auto modes = list_at(features, "/linux/memoryPolicy/modes");
  SPEC_NEED(!modes.empty(), "the runtime lists no memory policy modes");
  SPEC_NEED(fs::exists("/proc/self/numa_maps"), "the kernel is built without NUMA");
  c.bundle.set_command({"exit", "0"});
  // In the order of linux/mempolicy.h: a kernel need not have the newest, which only it can tell.
  static const std::vector<std::string> kNumbers = {"MPOL_DEFAULT",
                                                    "MPOL_PREFERRED",
                                                    "MPOL_BIND",
                                                    "MPOL_INTERLEAVE",
                                                    "MPOL_LOCAL",
                                                    "MPOL_PREFERRED_MANY",
                                                    "MPOL_WEIGHTED_INTERLEAVE"};
  for (const std::string& mode : modes) {
    const auto number = std::find(kNumbers.begin(), kNumbers.end(), mode) - kNumbers.begin();
    const unsigned long node = mode == "MPOL_DEFAULT" || mode == "MPOL_LOCAL" ? 0 : 1;
    if (::syscall(SYS_set_mempolicy, number, &node, 8 * sizeof node) != 0) continue;
    ::syscall(SYS_set_mempolicy, 0, nullptr, 0);
    Json policy = {{"mode", mode}};
    if (mode != "MPOL_DEFAULT" && mode != "MPOL_LOCAL") policy["nodes"] = "0";
    c.bundle.linux_config()["memoryPolicy"] = policy;
    std::string error;
    EXPECT_TRUE(works(c, &error)) << mode << ": " << error;
  }
}

SPEC_CASE(Features, MemoryPolicyFlags, "FL-009", "every listed memory policy flag is recognised") {
  NEED_FEATURES();
  const auto flags = list_at(features, "/linux/memoryPolicy/flags");
  SPEC_NEED(!flags.empty(), "the runtime lists no memory policy flags");
  SPEC_NEED(fs::exists("/proc/self/numa_maps"), "the kernel is built without NUMA");
  c.bundle.set_command({"exit", "0"});
  for (const std::string& flag : flags) {
    c.bundle.linux_config()["memoryPolicy"] = {
        {"mode", "MPOL_BIND"}, {"nodes", "0"}, {"flags", {flag}}};
    std::string error;
    // Balancing needs a kernel option of its own, so that the kernel may refuse what the runtime
    // recognises.
    EXPECT_TRUE(works(c, &error) || flag == "MPOL_F_NUMA_BALANCING") << flag << ": " << error;
  }
}

SPEC_CASE(Features,
          IdmapIsClaimedWhenItWorks,
          "FL-010",
          "mountExtensions.idmap.enabled is true when idmapped mounts work at all") {
  NEED_FEATURES();
  fs::create_directory(c.directory() + "/source");
  c.bundle.set_command({"do", "stat", "/mnt"});
  c.bundle.add_mount(mount_with_option(c, "idmap"));
  bool mapped = false;
  if (c.container.create().ok() && c.container.start().ok()) {
    c.container.wait_exit();
    mapped = c.container.json_output()[0]["stat"].value("uid", 0) == 1000;
  }
  EXPECT_TRUE(!mapped || flag_at(features, "/linux/mountExtensions/idmap/enabled"))
      << "idmapped mounts work and are not claimed";
  EXPECT_TRUE(mapped || !flag_at(features, "/linux/mountExtensions/idmap/enabled"))
      << "idmapped mounts are claimed and do not work";
}

}  // namespace
}  // namespace spec
