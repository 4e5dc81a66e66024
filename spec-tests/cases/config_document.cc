// glossary.md, bundle.md and config.md: the document itself - encoding, version, unknown
// properties, annotations and values of the wrong kind.
#include <filesystem>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

// Creates with the config.json that has been written, and expects an error.
void expect_document_refused(Case& c, const std::string& why) {
  const CommandResult result = c.container.create_as_written();
  EXPECT_FALSE(result.ok()) << "create reports no error: " << why;
  if (!result.ok()) {
    EXPECT_EQ(c.container.status(), "") << why;
  }
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  if (at == std::string::npos) throw std::runtime_error("the config has no " + what);
  return text.replace(at, what.size(), by);
}

SPEC_CASE(Document,
          MissingConfigIsAnError,
          "BU-001 RT-036",
          "a bundle without config.json is refused") {
  c.bundle.write();
  fs::rename(c.bundle.directory() + "/config.json", c.bundle.rootfs() + "/config.json");
  expect_document_refused(c, "config.json is not in the bundle's root");
}

SPEC_CASE(Document, InvalidUtf8IsRefused, "GL-001", "a byte that is not UTF-8 is refused") {
  c.bundle.config["annotations"] = {{"com.example.key", "MARK"}};
  c.bundle.write_text(replaced(c.bundle.config.dump(), "MARK", "\xff\xfe"));
  expect_document_refused(c, "the document is not UTF-8");
}

SPEC_CASE(Document, UnicodeIsAccepted, "GL-001", "valid UTF-8 beyond ASCII is accepted") {
  c.bundle.process()["env"].push_back("WORD=\u00fc\u4e2d\U0001F600");
  EXPECT_TRUE(contains(c.report()["env"],
                       Json("WORD=\u00c3\u00bc\u00e4\u00b8\u00ad\u00f0\u009f\u0098\u0080")));
}

SPEC_CASE(Document,
          DuplicateNamesAreRefused,
          "GL-002",
          "an object with the same name twice is refused") {
  const std::string text = c.bundle.config.dump();
  c.bundle.write_text("{\"hostname\":\"first\"," + text.substr(1));
  expect_document_refused(c, "hostname twice");
}

SPEC_CASE(Document,
          DuplicateNamesInsideAreRefused,
          "GL-002",
          "a nested object with the same name twice is refused") {
  c.bundle.write_text(
      replaced(c.bundle.config.dump(), "\"process\":{", "\"process\":{\"cwd\":\"/tmp\","));
  expect_document_refused(c, "process.cwd twice");
}

SPEC_CASE(Document,
          DuplicateAnnotationsAreRefused,
          "GL-002",
          "a map with the same key twice is refused") {
  c.bundle.config["annotations"] = {{"a", "1"}, {"b", "2"}};
  c.bundle.write_text(replaced(c.bundle.config.dump(), "\"b\":\"2\"", "\"a\":\"2\""));
  expect_document_refused(c, "annotation a twice");
}

SPEC_CASE(Document,
          NamesAreCaseSensitive,
          "CF-129 RT-005",
          "a name in another case is an unknown property") {
  c.bundle.set_command({"report"});
  std::string text = c.bundle.config.dump();
  text.pop_back();
  c.bundle.write_text(text + ",\"Hostname\":\"wrong\",\"PROCESS\":{\"cwd\":\"/tmp\"}}");
  const CommandResult created = c.container.create_as_written();
  ASSERT_TRUE(created.ok()) << created.err;
  c.container.must_start();
  c.container.wait_exit();
  EXPECT_EQ(c.container.json_output()["hostname"], "conformance");
  EXPECT_EQ(c.container.json_output()["cwd"], "/");
}

SPEC_CASE(Document,
          SyntaxErrorIsRefused,
          "GL-001 RT-036",
          "a document that is not JSON is refused") {
  c.bundle.write_text(c.bundle.config.dump().substr(1));
  expect_document_refused(c, "no JSON");
}

SPEC_CASE(Document, TrailingTextIsRefused, "GL-001 RT-036", "text after the document is refused") {
  c.bundle.write_text(c.bundle.config.dump() + " trailing");
  expect_document_refused(c, "text after the document");
}

SPEC_CASE(Document, EmptyFileIsRefused, "GL-001 RT-036", "an empty config.json is refused") {
  c.bundle.write_text("");
  expect_document_refused(c, "empty file");
}

// ---- version
// -------------------------------------------------------------------------------------------------------

struct VersionRow {
  const char* name;
  const char* version;
  bool accepted;
};
const VersionRow kVersions[] = {
    {"Accepts1_0_0", "1.0.0", true},
    {"Accepts1_0_2", "1.0.2", true},
    {"Accepts1_0_0Candidate", "1.0.0-rc5", true},
    {"Accepts1_0_2Development", "1.0.2-dev", true},
    {"Accepts1_1_0", "1.1.0", true},
    {"RefusesWord", "banana", false},
    {"RefusesEmpty", "", false},
    {"RefusesTwoNumbers", "1.0", false},
    {"RefusesLeadingZero", "1.00.0", false},
    {"RefusesPrefix", "v1.0.0", false},
    {"RefusesNextMajor", "2.0.0", false},
    {"RefusesTrailingText", "1.0.0 ", false},
};

void run_version_row(Case& c, const VersionRow& row) {
  c.bundle.config["ociVersion"] = row.version;
  if (row.accepted) {
    EXPECT_EQ(c.report()["cwd"], "/");
  } else {
    c.expect_refused(std::string("ociVersion \"") + row.version + '"');
  }
}

SPEC_CASE(Version, MissingIsRefused, "CF-001 CF-130", "a config without ociVersion is refused") {
  c.bundle.config.erase("ociVersion");
  c.expect_refused("ociVersion is REQUIRED");
}

// ---- extensibility
// --------------------------------------------------------------------------------------------------

void add_unknown(Json& value) {
  if (value.is_object()) {
    for (auto& [name, member] : value.items()) {
      // Maps whose keys are data would take the unknown name as an entry.
      if (name != "annotations" && name != "sysctl") add_unknown(member);
    }
    value["x-unknown"] = {{"deep", {1, 2, nullptr}}};
  } else if (value.is_array()) {
    for (Json& entry : value) add_unknown(entry);
  }
}

SPEC_CASE(Extensibility,
          UnknownPropertiesEverywhere,
          "CF-129",
          "unknown properties in every object are ignored") {
  c.bundle.config["annotations"] = {{"com.example.key", "value"}};
  c.bundle.process()["rlimits"] =
      Json::array({{{"type", "RLIMIT_CORE"}, {"soft", 0}, {"hard", 0}}});
  c.bundle.linux_config()["devices"] =
      Json::array({{{"type", "c"}, {"path", "/dev/mine"}, {"major", 1}, {"minor", 3}}});
  c.bundle.resources()["pids"] = {{"limit", 100}};
  c.add_hook("createRuntime", "hook");
  c.bundle.set_command({"report"});
  add_unknown(c.bundle.config);
  EXPECT_EQ(c.run()["cwd"], "/");
}

SPEC_CASE(Extensibility,
          OtherPlatforms,
          "CF-129",
          "the blocks of other platforms and of virtual machines are ignored") {
  c.bundle.config["windows"] = {{"layerFolders", {"C:\\Layers\\layer1"}}};
  c.bundle.config["solaris"] = {{"milestone", "svc:/milestone/container:default"}};
  c.bundle.config["zos"] = {{"namespaces", Json::array()}};
  c.bundle.config["freebsd"] = {{"devices", Json::array()}};
  c.bundle.config["vm"] = {{"kernel", {{"path", "/path/to/vmlinuz"}}}};
  c.bundle.process()["commandLine"] = "ignored on Linux";
  EXPECT_EQ(c.report()["cwd"], "/");
}

SPEC_CASE(Extensibility,
          LinuxBlockIsOptional,
          "RT-005 LX-007",
          "a config without a linux block is accepted") {
  c.bundle.config.erase("linux");
  c.bundle.config.erase("hostname");
  c.bundle.config["mounts"] = Json::array();
  c.bundle.config["process"].erase("capabilities");
  c.bundle.set_command({"exit", "5"});
  const CommandResult created = c.container.create();
  if (!created.ok()) {
    // Support for containers without namespaces of their own is not explicitly required.
    return;
  }
  c.container.must_start();
  EXPECT_EQ(c.container.wait_exit(), 5);
}

// ---- annotations
// ----------------------------------------------------------------------------------------------------

#define REFUSED_CASE(suite, name, ids, why, pointer, ...)             \
  SPEC_CASE(suite, name, ids, why " is refused") {                    \
    c.bundle.config[Json::json_pointer(pointer)] = Json(__VA_ARGS__); \
    c.expect_refused(why, Case::Refusal::AtCreateOrStart);            \
  }

REFUSED_CASE(Annotations,
             ListIsRefused,
             "CF-119 CF-130",
             "a list of annotations",
             "/annotations",
             Json::array({"a"}))
REFUSED_CASE(Annotations,
             EmptyKeyIsRefused,
             "CF-121",
             "an annotation with an empty key",
             "/annotations",
             {{"", "x"}})
REFUSED_CASE(Annotations,
             NumberIsRefused,
             "CF-128",
             "an annotation whose value is a number",
             "/annotations",
             {{"a.b", 1}})
REFUSED_CASE(Annotations,
             NestedIsRefused,
             "CF-128",
             "an annotation whose value is an object",
             "/annotations",
             {{"a.b", {{"c", "d"}}}})

SPEC_CASE(Annotations,
          AnyKeyAndEmptyValue,
          "CF-119 CF-127 CF-128",
          "unknown keys and empty values are accepted") {
  c.bundle.config["annotations"] = {
      {"plain", ""}, {"org.opencontainers.unknown", "x"}, {"UPPER/with/slash", "y"}};
  EXPECT_EQ(c.report()["cwd"], "/");
}

// ---- values of the wrong kind
// -----------------------------------------------------------------------------------------

constexpr const char* kValueIds = "CF-130 RT-036 RT-037";
struct ValueRow {
  const char* name;
  const char* pointer;
  Json value;
};
const ValueRow& value_row(size_t index) {
  static const ValueRow kRows[] = {
      {"HostnameNumber", "/hostname", 5},
      {"DomainnameList", "/domainname", Json::array()},
      {"RootString", "/root", "rootfs"},
      {"RootReadonlyString", "/root/readonly", "true"},
      {"MountsObject", "/mounts", Json::object()},
      {"MountEntryString", "/mounts/0", "proc"},
      {"MountOptionsString", "/mounts/0/options", "nosuid"},
      {"MountDestinationNumber", "/mounts/0/destination", 1},
      {"ProcessList", "/process", Json::array()},
      {"TerminalString", "/process/terminal", "false"},
      {"UidString", "/process/user/uid", "0"},
      {"UidFraction", "/process/user/uid", 1.5},
      {"UidTooLarge", "/process/user/uid", 4294967296},
      {"GidBool", "/process/user/gid", true},
      {"UmaskString", "/process/user/umask", "022"},
      {"AdditionalGidsStrings", "/process/user/additionalGids", {"wheel"}},
      {"ArgsString", "/process/args", "/bin/checker"},
      {"ArgsNumbers", "/process/args", {1, 2}},
      {"EnvObject", "/process/env", {{"PATH", "/bin"}}},
      {"CwdList", "/process/cwd", {"/"}},
      {"NoNewPrivilegesNumber", "/process/noNewPrivileges", 1},
      {"OomScoreAdjString", "/process/oomScoreAdj", "0"},
      {"CapabilitiesList", "/process/capabilities", {"CAP_CHOWN"}},
      {"RlimitsObject", "/process/rlimits", {{"RLIMIT_CORE", 0}}},
      {"HooksList", "/hooks", Json::array({"x"})},
      {"HookKindObject", "/hooks", {{"createRuntime", {{"path", "/bin/true"}}}}},
      {"HookWithoutPath", "/hooks", {{"createRuntime", {{{"args", {"x"}}}}}}},
      {"LinuxList", "/linux", Json::array()},
      {"NamespacesObject", "/linux/namespaces", {{"type", "pid"}}},
      {"NamespaceTypeUnknown", "/linux/namespaces/0/type", "banana"},
      {"NamespaceWithoutType", "/linux/namespaces/0", Json::object()},
      {"CgroupsPathNumber", "/linux/cgroupsPath", 7},
      {"RootfsPropagationUnknown", "/linux/rootfsPropagation", "banana"},
      {"MaskedPathsString", "/linux/maskedPaths", "/proc/kcore"},
      {"ReadonlyPathsNumbers", "/linux/readonlyPaths", {1}},
      {"SysctlNumber", "/linux/sysctl", {{"net.core.somaxconn", 256}}},
      {"SysctlUnknown", "/linux/sysctl", {{"net.banana", "1"}}},
      {"DevicesObject", "/linux/devices", {{"type", "c"}}},
      {"DeviceTypeUnknown",
       "/linux/devices",
       Json::array({{{"type", "x"}, {"path", "/dev/mine"}, {"major", 1}, {"minor", 3}}})},
      {"DeviceWithoutPath",
       "/linux/devices",
       Json::array({{{"type", "c"}, {"major", 1}, {"minor", 3}}})},
      {"DeviceWithoutMajor",
       "/linux/devices",
       Json::array({{{"type", "c"}, {"path", "/dev/mine"}, {"minor", 3}}})},
      {"PersonalityDomainUnknown", "/linux/personality", {{"domain", "BANANA"}}},
      {"PersonalityFlagUnknown",
       "/linux/personality",
       {{"domain", "LINUX"}, {"flags", {"BANANA"}}}},
      {"MemoryPolicyModeUnknown", "/linux/memoryPolicy", {{"mode", "MPOL_BANANA"}}},
      {"SeccompActionUnknown", "/linux/seccomp", {{"defaultAction", "SCMP_ACT_BANANA"}}},
      {"SeccompWithoutDefault", "/linux/seccomp", {{"syscalls", Json::array()}}},
      {"SeccompArchitectureUnknown",
       "/linux/seccomp",
       {{"defaultAction", "SCMP_ACT_ALLOW"}, {"architectures", {"SCMP_ARCH_BANANA"}}}},
      {"SeccompFlagUnknown",
       "/linux/seccomp",
       {{"defaultAction", "SCMP_ACT_ALLOW"}, {"flags", {"SECCOMP_FILTER_FLAG_BANANA"}}}},
      {"SeccompOperatorUnknown",
       "/linux/seccomp",
       {{"defaultAction", "SCMP_ACT_ALLOW"},
        {"syscalls",
         Json::array(
             {{{"names", {"getcwd"}},
               {"action", "SCMP_ACT_ERRNO"},
               {"args",
                Json::array({{{"index", 0}, {"value", 0}, {"op", "SCMP_CMP_BANANA"}}})}}})}}},
      {"SeccompArgumentIndexTooLarge",
       "/linux/seccomp",
       {{"defaultAction", "SCMP_ACT_ALLOW"},
        {"syscalls",
         Json::array(
             {{{"names", {"getcwd"}},
               {"action", "SCMP_ACT_ERRNO"},
               {"args", Json::array({{{"index", 6}, {"value", 0}, {"op", "SCMP_CMP_EQ"}}})}}})}}},
      {"PidsLimitString", "/linux/resources", {{"pids", {{"limit", "10"}}}}},
      {"MemoryLimitNegative", "/linux/resources", {{"memory", {{"limit", -7}}}}},
      {"CpuSharesNegative", "/linux/resources", {{"cpu", {{"shares", -1}}}}},
      {"CpusInvalidList", "/linux/resources", {{"cpu", {{"cpus", "banana"}}}}},
      {"DeviceRuleTypeUnknown",
       "/linux/resources",
       {{"devices", Json::array({{{"allow", true}, {"type", "x"}}})}}},
      {"DeviceRuleAccessUnknown",
       "/linux/resources",
       {{"devices", Json::array({{{"allow", true}, {"type", "c"}, {"access", "q"}}})}}},
      {"HugepageSizeUnknown",
       "/linux/resources",
       {{"hugepageLimits", Json::array({{{"pageSize", "3MB"}, {"limit", 0}}})}}},
      {"TimeOffsetsClockUnknown", "/linux/timeOffsets", {{"banana", {{"secs", 1}}}}},
  };
  static const ValueRow kEnd{nullptr, nullptr, nullptr};
  return index < std::size(kRows) ? kRows[index] : kEnd;
}

void run_value_row(Case& c, const ValueRow& row) {
  if (std::string(row.name).starts_with("TimeOffsets")) c.bundle.add_namespace("time");
  c.bundle.config[Json::json_pointer(row.pointer)] = row.value;
  c.expect_refused(std::string(row.pointer) + " = " + row.value.dump(),
                   Case::Refusal::AtCreateOrStart);
}

bool register_rows() {
  for (const VersionRow& row : kVersions) {
    register_case({"Version",
                   row.name,
                   "CF-001",
                   std::string("ociVersion \"") + row.version + "\" is " +
                       (row.accepted ? "accepted" : "refused"),
                   [&row](Case& c) { run_version_row(c, row); },
                   __FILE__,
                   __LINE__});
  }
  for (size_t index = 0; value_row(index).name != nullptr; ++index) {
    const ValueRow& row = value_row(index);
    register_case({"InvalidValue",
                   row.name,
                   kValueIds,
                   std::string(row.pointer) + " = " + row.value.dump() + " is refused",
                   [&row](Case& c) { run_value_row(c, row); },
                   __FILE__,
                   __LINE__});
  }
  return true;
}
[[maybe_unused]] const bool rows_registered = register_rows();

}  // namespace
}  // namespace spec
