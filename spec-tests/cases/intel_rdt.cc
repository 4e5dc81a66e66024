// config-linux.md: intelRdt. All but one case need a mounted resctrl file system, which only some
// machines have.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

std::string resctrl_root() {
  for (const MountEntry& mount : own_mounts()) {
    if (mount.fstype == "resctrl") return mount.target;
  }
  return {};
}

#define NEED_RESCTRL()                     \
  const std::string root = resctrl_root(); \
  SPEC_NEED(!root.empty(), "this host has no resctrl file system mounted (hardware with RDT)")

// The line of one resource in a schemata file, without blanks: "L3:0=fff;1=fff".
std::string schema_line(const std::string& directory, const std::string& resource) {
  std::istringstream lines(read_file(directory + "/schemata"));
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(' '));
    if (line.starts_with(resource + ":")) return line;
  }
  return {};
}

// The same line with only the lower half of the bits of every mask.
std::string halved(const std::string& line) {
  std::string result = line.substr(0, line.find(':') + 1);
  std::istringstream parts(line.substr(result.size()));
  bool first = true;
  for (std::string part; std::getline(parts, part, ';'); first = false) {
    const size_t equals = part.find('=');
    const unsigned long mask = std::stoul(part.substr(equals + 1), nullptr, 16);
    std::ostringstream half;
    half << std::hex << (mask >> (static_cast<unsigned>(__builtin_popcountl(mask)) / 2U));
    result += (first ? "" : ";") + part.substr(0, equals + 1) + half.str();
  }
  return result;
}

bool has_task(const std::string& directory, pid_t pid) {
  std::istringstream tasks(read_file(directory + "/tasks"));
  for (pid_t task = 0; tasks >> task;) {
    if (task == pid) return true;
  }
  return false;
}

void create_waiting(Case& c, const Json& rdt) {
  c.bundle.linux_config()["intelRdt"] = rdt;
  c.bundle.set_command({"wait"});
  c.container.must_create();
  c.container.must_start();
}

// A class of service that exists before the container, as an administrator makes it.
std::string make_class(Case& c, const std::string& root) {
  const std::string name = "ocispec-" + std::to_string(::getpid());
  const std::string directory = root + "/" + name;
  fs::create_directory(directory);
  c.at_end([directory] { ::rmdir(directory.c_str()); });
  return name;
}

SPEC_CASE(IntelRdt,
          WithoutResctrlIsRefused,
          "LX-049",
          "intelRdt without a mounted resctrl file system is an error") {
  SPEC_NEED(resctrl_root().empty(), "this host has a resctrl file system");
  c.bundle.linux_config()["intelRdt"] = {{"closID", "some-class"}, {"l3CacheSchema", "L3:0=f"}};
  c.expect_refused("there is no resctrl file system");
}

SPEC_CASE(IntelRdt,
          UnsetTouchesNothing,
          "LX-050",
          "without intelRdt no class is made and none is changed") {
  NEED_RESCTRL();
  const std::string before = read_file(root + "/schemata");
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  EXPECT_FALSE(fs::exists(root + "/" + c.container.id()));
  EXPECT_TRUE(has_task(root, c.container.pid()));
  EXPECT_EQ(read_file(root + "/schemata"), before);
}

SPEC_CASE(IntelRdt,
          OwnClass,
          "LX-048 LX-060 LX-063 LX-068",
          "without closID the class is named like the container, and removed with it") {
  NEED_RESCTRL();
  const std::string line = halved(schema_line(root, "L3"));
  SPEC_NEED(line.size() > 3, "this host has no L3 cache allocation");
  create_waiting(c, {{"l3CacheSchema", line}});
  const std::string directory = root + "/" + c.container.id();
  ASSERT_TRUE(fs::exists(directory));
  EXPECT_TRUE(has_task(directory, c.container.pid()));
  EXPECT_EQ(schema_line(directory, "L3"), line);
  c.container.kill("KILL");
  c.container.wait_exit();
  c.container.must_remove();
  EXPECT_FALSE(fs::exists(directory)) << "the class is left behind";
}

SPEC_CASE(IntelRdt,
          RootClass,
          "LX-051 LX-062",
          "closID / is the default class, whose schemata stay as they are") {
  NEED_RESCTRL();
  const std::string before = read_file(root + "/schemata");
  create_waiting(c, {{"closID", "/"}});
  EXPECT_TRUE(has_task(root, c.container.pid()));
  EXPECT_EQ(read_file(root + "/schemata"), before);
}

SPEC_CASE(IntelRdt,
          NamedClassIsMadeAndKept,
          "LX-064 LX-048 LX-069",
          "a missing closID directory is made for a schema, and kept by delete") {
  NEED_RESCTRL();
  const std::string line = halved(schema_line(root, "L3"));
  SPEC_NEED(line.size() > 3, "this host has no L3 cache allocation");
  const std::string name = "ocispec-made-" + std::to_string(::getpid());
  c.at_end([directory = root + "/" + name] { ::rmdir(directory.c_str()); });
  create_waiting(c, {{"closID", name}, {"l3CacheSchema", line}});
  EXPECT_TRUE(has_task(root + "/" + name, c.container.pid()));
  c.container.kill("KILL");
  c.container.wait_exit();
  c.container.must_remove();
  EXPECT_TRUE(fs::exists(root + "/" + name)) << "delete removed a class with a closID";
}

SPEC_CASE(IntelRdt,
          ExistingClassWithOtherSchemaIsRefused,
          "LX-065",
          "an existing closID directory with another schema is an error") {
  NEED_RESCTRL();
  const std::string line = halved(schema_line(root, "L3"));
  SPEC_NEED(line.size() > 3, "this host has no L3 cache allocation");
  c.bundle.linux_config()["intelRdt"] = {{"closID", make_class(c, root)}, {"l3CacheSchema", line}};
  c.expect_refused("the class has another L3 schema");
}

SPEC_CASE(IntelRdt,
          ExistingClassWithoutSchema,
          "LX-066 LX-067 LX-069 LX-062",
          "closID alone puts the container in the class that is there") {
  NEED_RESCTRL();
  const std::string name = make_class(c, root);
  const std::string before = read_file(root + "/" + name + "/schemata");
  create_waiting(c, {{"closID", name}});
  EXPECT_TRUE(has_task(root + "/" + name, c.container.pid()));
  EXPECT_EQ(read_file(root + "/" + name + "/schemata"), before);
  c.container.kill("KILL");
  c.container.wait_exit();
  c.container.must_remove();
  EXPECT_TRUE(fs::exists(root + "/" + name)) << "delete removed a class that it did not make";
}

SPEC_CASE(IntelRdt,
          MissingClassWithoutSchemaIsRefused,
          "LX-066 LX-067",
          "closID alone is an error when there is no such class") {
  NEED_RESCTRL();
  c.bundle.linux_config()["intelRdt"] = {{"closID", "ocispec-missing"}};
  c.expect_refused("there is no such class");
  EXPECT_FALSE(fs::exists(root + "/ocispec-missing"));
}

SPEC_CASE(IntelRdt,
          BothSchemas,
          "LX-058 LX-059 LX-060",
          "l3CacheSchema and memBwSchema are both written") {
  NEED_RESCTRL();
  const std::string l3 = halved(schema_line(root, "L3"));
  const std::string mb = schema_line(root, "MB");
  SPEC_NEED(l3.size() > 3 && mb.size() > 3,
            "this host lacks L3 allocation or memory bandwidth allocation");
  create_waiting(c, {{"l3CacheSchema", l3}, {"memBwSchema", mb}});
  EXPECT_EQ(schema_line(root + "/" + c.container.id(), "L3"), l3);
  EXPECT_EQ(schema_line(root + "/" + c.container.id(), "MB"), mb);
}

SPEC_CASE(IntelRdt,
          SchemataAreWrittenLast,
          "LX-061",
          "schemata is written after l3CacheSchema, so that it wins") {
  NEED_RESCTRL();
  const std::string full = schema_line(root, "L3");
  SPEC_NEED(full.size() > 3, "this host has no L3 cache allocation");
  create_waiting(c, {{"l3CacheSchema", full}, {"schemata", {halved(full)}}});
  EXPECT_EQ(schema_line(root + "/" + c.container.id(), "L3"), halved(full));
}

#define REFUSED_RDT_CASE(name, ids, why, ...)                \
  SPEC_CASE(IntelRdt, name, ids, why " is refused") {        \
    NEED_RESCTRL();                                          \
    const std::string l3 = schema_line(root, "L3");          \
    const std::string mb = schema_line(root, "MB");          \
    c.bundle.linux_config()["intelRdt"] = Json(__VA_ARGS__); \
    c.expect_refused(why);                                   \
  }
REFUSED_RDT_CASE(NewlineInL3SchemaIsRefused,
                 "LX-053",
                 "a newline in l3CacheSchema",
                 {{"l3CacheSchema", l3 + "\n" + mb}})
REFUSED_RDT_CASE(NewlineInMemBwSchemaIsRefused,
                 "LX-055",
                 "a newline in memBwSchema",
                 {{"memBwSchema", mb + "\n" + l3}})
REFUSED_RDT_CASE(OtherMemBwPrefixIsRefused,
                 "LX-054",
                 "a memBwSchema that does not start with MB:",
                 {{"memBwSchema", l3}})
REFUSED_RDT_CASE(NewlineInSchemataIsRefused,
                 "LX-056",
                 "a newline in schemata",
                 {{"schemata", {l3 + "\n" + l3}}})

SPEC_CASE(
    IntelRdt,
    Monitoring,
    "LX-070 LX-071 LX-072",
    "enableMonitoring makes a monitoring group named like the container, and delete removes it") {
  NEED_RESCTRL();
  SPEC_NEED(fs::exists(root + "/mon_groups"), "this host has no resctrl monitoring");
  const std::string name = make_class(c, root);
  create_waiting(c, {{"closID", name}, {"enableMonitoring", true}});
  const std::string group = root + "/" + name + "/mon_groups/" + c.container.id();
  ASSERT_TRUE(fs::exists(group));
  EXPECT_TRUE(has_task(group, c.container.pid()));
  c.container.kill("KILL");
  c.container.wait_exit();
  c.container.must_remove();
  EXPECT_FALSE(fs::exists(group)) << "the monitoring group is left behind";
}

SPEC_CASE(IntelRdt,
          MonitoringGroupThatCannotBeMade,
          "LX-073",
          "a monitoring group that cannot be made is an error") {
  NEED_RESCTRL();
  SPEC_NEED(!fs::exists(root + "/mon_groups"),
            "this host has resctrl monitoring, so that the group can be made");
  c.bundle.linux_config()["intelRdt"] = {{"enableMonitoring", true}};
  c.expect_refused("this host has no resctrl monitoring");
}

}  // namespace
}  // namespace spec
