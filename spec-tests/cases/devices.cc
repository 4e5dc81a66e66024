// config-linux.md: devices, default devices, and the allowed device list.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

Json device(const char* type, const char* path, int major, int minor) {
  return {{"type", type}, {"path", path}, {"major", major}, {"minor", minor}};
}

// Nodes for devices that no runtime allows by itself and that root may open anywhere.
constexpr int kMemMajor = 1;
constexpr int kKmsgMinor = 11;

bool kmsg_opens_here() {
  const Fd fd(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  return fd.valid();
}

void make_node(const std::string& path, mode_t format, int major, int minor) {
  fs::create_directories(fs::path(path).parent_path());
  if (::mknod(path.c_str(),
              format | 0666,
              ::makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor))) != 0) {
    throw std::runtime_error("the suite cannot make a device node");
  }
  ::chmod(path.c_str(), 0666);
}

SPEC_CASE(Devices,
          CharacterDevice,
          "LX-010",
          "a character device has the number, mode and owner of the config") {
  Json entry = device("c", "/dev/mine", 1, 3);
  entry.update({{"fileMode", 0640}, {"uid", 7}, {"gid", 8}});
  c.bundle.linux_config()["devices"] = {entry};
  const Json results = c.perform({{"stat", "/dev/mine"}, {"open", "/dev/mine", "rw"}});
  const Json& stat = results[0]["stat"];
  EXPECT_EQ(stat.value("type", ""), "char");
  EXPECT_EQ(stat.value("major", -1), 1);
  EXPECT_EQ(stat.value("minor", -1), 3);
  EXPECT_EQ(stat.value("mode", 0), 0640);
  EXPECT_EQ(stat.value("uid", -1), 7);
  EXPECT_EQ(stat.value("gid", -1), 8);
  EXPECT_EQ(results[1]["ok"], true) << results[1];
}

SPEC_CASE(Devices,
          UnbufferedCharacterDevice,
          "LX-010",
          "the type u is a character device as well") {
  c.bundle.linux_config()["devices"] = {device("u", "/dev/mine", 1, 5)};
  const Json stat = c.perform({{"stat", "/dev/mine"}})[0]["stat"];
  EXPECT_EQ(stat.value("type", ""), "char");
  EXPECT_EQ(stat.value("minor", -1), 5);
}

SPEC_CASE(Devices, BlockDevice, "LX-010", "a block device has the number of the config") {
  c.bundle.linux_config()["devices"] = {device("b", "/dev/disk", 7, 4242)};
  const Json stat = c.perform({{"stat", "/dev/disk"}})[0]["stat"];
  EXPECT_EQ(stat.value("type", ""), "block");
  EXPECT_EQ(stat.value("major", -1), 7);
  EXPECT_EQ(stat.value("minor", -1), 4242);
}

SPEC_CASE(Devices, Fifo, "LX-010", "the type p is a fifo and needs no numbers") {
  c.bundle.linux_config()["devices"] = {{{"type", "p"}, {"path", "/dev/pipe"}, {"fileMode", 0600}}};
  EXPECT_EQ(c.perform({{"stat", "/dev/pipe"}})[0]["stat"].value("type", ""), "fifo");
}

SPEC_CASE(Devices, OutsideOfDev, "LX-010", "a device may be anywhere, and its directory is made") {
  c.bundle.linux_config()["devices"] = {device("c", "/data/new/mine", 1, 5)};
  const Json results = c.perform({{"stat", "/data/new/mine"}, {"open", "/data/new/mine", "r"}});
  EXPECT_EQ(results[0]["stat"].value("type", ""), "char");
  EXPECT_EQ(results[1]["ok"], true) << results[1];
}

SPEC_CASE(Devices,
          InUserNamespace,
          "LX-010",
          "devices are available in a user namespace, by their own name") {
  c.bundle.use_user_namespace();
  c.bundle.linux_config()["devices"] = {device("c", "/dev/renamed", 1, 5)};
  const Json results = c.perform({{"stat", "/dev/renamed"}, {"open", "/dev/renamed", "r"}});
  EXPECT_EQ(results[0]["stat"].value("type", ""), "char") << results[0];
  EXPECT_EQ(results[0]["stat"].value("minor", -1), 5);
  EXPECT_EQ(results[1]["ok"], true) << results[1];
}

SPEC_CASE(Devices, SeveralNodes, "LX-010", "every entry of the list is made") {
  Json list = Json::array();
  for (int i = 0; i < 20; ++i)
    list.push_back(device("c", ("/dev/many" + std::to_string(i)).c_str(), 1, 3));
  c.bundle.linux_config()["devices"] = list;
  const Json dev = c.report()["dev"];
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(dev.contains("many" + std::to_string(i))) << i;
}

SPEC_CASE(Devices,
          RegularFileInTheWayIsRefused,
          "LX-011",
          "a regular file at the device's path is an error") {
  c.bundle.make_file("/data/mine", "not a device");
  c.bundle.linux_config()["devices"] = {device("c", "/data/mine", 1, 3)};
  c.expect_refused("a regular file is at the device's path");
  EXPECT_EQ(read_file(c.bundle.rootfs() + "/data/mine"), "not a device");
}

SPEC_CASE(Devices,
          OtherNumberInTheWayIsRefused,
          "LX-011",
          "another device at the path is an error") {
  make_node(c.bundle.rootfs() + "/data/mine", S_IFCHR, 1, 5);
  c.bundle.linux_config()["devices"] = {device("c", "/data/mine", 1, 3)};
  c.expect_refused("another device is at the path");
}

SPEC_CASE(Devices,
          OtherTypeInTheWayIsRefused,
          "LX-011",
          "a device of another type at the path is an error") {
  make_node(c.bundle.rootfs() + "/data/mine", S_IFBLK, 1, 3);
  c.bundle.linux_config()["devices"] = {device("c", "/data/mine", 1, 3)};
  c.expect_refused("a block device is at the path");
}

SPEC_CASE(Devices,
          SameDeviceIsAccepted,
          "LX-011",
          "the requested device that is there already is accepted") {
  make_node(c.bundle.rootfs() + "/data/mine", S_IFCHR, 1, 3);
  c.bundle.linux_config()["devices"] = {device("c", "/data/mine", 1, 3)};
  EXPECT_EQ(c.perform({{"open", "/data/mine", "rw"}})[0]["ok"], true);
}

SPEC_CASE(Devices,
          UnlistedDevicesAreInaccessible,
          "LX-013",
          "a device that is neither listed nor a default one cannot be opened, even if its node is "
          "there") {
  SPEC_NEED(kmsg_opens_here(), "the suite itself cannot open the device kmsg");
  make_node(c.bundle.rootfs() + "/data/kmsg", S_IFCHR, kMemMajor, kKmsgMinor);
  const Json results = c.perform({{"open", "/data/kmsg", "w"},
                                  {"mknod", "/tmp/again", "c", "1", "11"},
                                  {"open", "/tmp/again", "w"}});
  EXPECT_EQ(results[0]["ok"], false) << "a node of the image is usable";
  EXPECT_EQ(results[2]["ok"], false) << "a node that the container made is usable";
}

// ---- default devices
// -------------------------------------------------------------------------------------------------

struct DefaultDevice {
  const char* name;
  int major;
  int minor;
};
constexpr DefaultDevice kDefaults[] = {{"null", 1, 3},
                                       {"zero", 1, 5},
                                       {"full", 1, 7},
                                       {"random", 1, 8},
                                       {"urandom", 1, 9},
                                       {"tty", 5, 0}};

void expect_defaults(const Json& dev) {
  for (const DefaultDevice& entry : kDefaults) {
    ASSERT_TRUE(dev.contains(entry.name)) << "/dev/" << entry.name << " is missing";
    EXPECT_EQ(dev[entry.name].value("type", ""), "char") << entry.name;
    EXPECT_EQ(dev[entry.name].value("major", -1), entry.major) << entry.name;
    EXPECT_EQ(dev[entry.name].value("minor", -1), entry.minor) << entry.name;
  }
}

SPEC_CASE(DefaultDevices,
          AreSupplied,
          "LX-014",
          "null, zero, full, random, urandom and tty exist and can be used") {
  const Json report = c.report();
  expect_defaults(report["dev"]);
  std::vector<std::vector<std::string>> actions;
  for (const char* name : {"null", "zero", "full", "random", "urandom"}) {
    actions.push_back({"open", std::string("/dev/") + name, "rw"});
  }
  for (const Json& result : c.perform(actions)) EXPECT_EQ(result["ok"], true) << result;
}

SPEC_CASE(DefaultDevices,
          Ptmx,
          "LX-014",
          "/dev/ptmx is a link to or a bind of the container's /dev/pts/ptmx") {
  const Json results =
      c.perform({{"stat", "/dev/ptmx"}, {"stat", "/dev/pts/ptmx"}, {"open", "/dev/ptmx", "rw"}});
  const Json& ptmx = results[0]["stat"];
  ASSERT_EQ(results[0]["ok"], true);
  if (ptmx.value("type", "") == "symlink") {
    EXPECT_TRUE(ptmx["target"] == "pts/ptmx" || ptmx["target"] == "/dev/pts/ptmx") << ptmx;
  } else {
    EXPECT_EQ(ptmx.value("inode", 0), results[1]["stat"].value("inode", 1)) << ptmx;
  }
  EXPECT_EQ(results[2]["ok"], true) << results[2];
}

SPEC_CASE(DefaultDevices,
          WithoutDevMount,
          "LX-014",
          "the default devices are there without a mount on /dev") {
  for (const char* path : {"/dev/shm", "/dev/pts", "/dev"}) c.bundle.remove_mount(path);
  expect_defaults(c.report()["dev"]);
}

SPEC_CASE(DefaultDevices,
          BindMountedDev,
          "LX-014",
          "the default devices are there when /dev is a bind mount") {
  for (const char* path : {"/dev/shm", "/dev/pts", "/dev"}) c.bundle.remove_mount(path);
  fs::create_directory(c.directory() + "/dev");
  c.bundle.add_mount(
      {{"destination", "/dev"}, {"source", c.directory() + "/dev"}, {"options", {"bind"}}});
  expect_defaults(c.report()["dev"]);
}

SPEC_CASE(DefaultDevices,
          InUserNamespace,
          "LX-014",
          "the default devices can be used in a user namespace") {
  c.bundle.use_user_namespace();
  std::vector<std::vector<std::string>> actions;
  for (const char* name : {"null", "zero", "full", "random", "urandom"}) {
    actions.push_back({"open", std::string("/dev/") + name, "rw"});
  }
  for (const Json& result : c.perform(actions)) EXPECT_EQ(result["ok"], true) << result;
}

// ---- allowed device list
// ----------------------------------------------------------------------------------------------

Json rule(bool allow, const char* type, int major, int minor, const char* access) {
  return {{"allow", allow}, {"type", type}, {"major", major}, {"minor", minor}, {"access", access}};
}
const Json kDenyAll = {{"allow", false}, {"access", "rwm"}};

// Opens kmsg for writing (reading needs more than the device list) under the rules.
Json open_kmsg(Case& c, Json rules) {
  make_node(c.bundle.rootfs() + "/data/kmsg", S_IFCHR, kMemMajor, kKmsgMinor);
  c.bundle.resources()["devices"] = std::move(rules);
  return c.perform(
      {{"open", "/data/kmsg", "w"}, {"open", "/dev/zero", "r"}, {"open", "/dev/null", "w"}});
}

bool device_control_exists(const Case& c) {
  return c.cgroups().has_v1("devices") || c.cgroups().pure_v2();
}

SPEC_CASE(DeviceRules,
          DenyThenAllow,
          "LX-037",
          "an allow after a general deny makes the device usable") {
  SPEC_NEED(device_control_exists(c) && kmsg_opens_here(),
            "no device control, or the device kmsg cannot be opened");
  EXPECT_EQ(open_kmsg(c, {kDenyAll, rule(true, "c", 1, 11, "rw")})[0]["ok"], true);
}

SPEC_CASE(DeviceRules, AllowThenDeny, "LX-037", "a deny after an allow takes the device away") {
  SPEC_NEED(device_control_exists(c) && kmsg_opens_here(),
            "no device control, or the device kmsg cannot be opened");
  const Json results =
      open_kmsg(c, {kDenyAll, rule(true, "c", 1, 11, "rw"), rule(false, "c", 1, 11, "rw")});
  EXPECT_EQ(results[0].value("errno", 0), EPERM) << results[0];
}

SPEC_CASE(DeviceRules,
          PartialAccess,
          "LX-037",
          "an entry gives the access that it names and no more") {
  SPEC_NEED(device_control_exists(c) && kmsg_opens_here(),
            "no device control, or the device kmsg cannot be opened");
  const Json results = open_kmsg(c, {kDenyAll, rule(true, "c", 1, 11, "r")});
  EXPECT_EQ(results[0].value("errno", 0), EPERM) << results[0];
}

SPEC_CASE(DeviceRules, AllowAll, "LX-037", "a general allow makes every device usable") {
  SPEC_NEED(device_control_exists(c) && kmsg_opens_here(),
            "no device control, or the device kmsg cannot be opened");
  EXPECT_EQ(open_kmsg(c, {{{"allow", true}, {"access", "rwm"}}})[0]["ok"], true);
}

SPEC_CASE(DeviceRules,
          DefaultsSurviveGeneralDeny,
          "LX-014 LX-037",
          "the default devices stay usable when the list holds nothing but a general deny") {
  SPEC_NEED(device_control_exists(c), "no device control");
  const Json results = open_kmsg(c, {kDenyAll});
  EXPECT_EQ(results[1]["ok"], true) << results[1];
  EXPECT_EQ(results[2]["ok"], true) << results[2];
}

SPEC_CASE(DeviceRules,
          ExplicitDenyOfADefaultDevice,
          "LX-037",
          "an entry that denies one particular device is in force, whatever the device is") {
  SPEC_NEED(device_control_exists(c), "no device control");
  const Json results = open_kmsg(c, {kDenyAll, rule(false, "c", 1, 5, "rwm")});
  EXPECT_EQ(results[1].value("errno", 0), EPERM) << results[1];
  EXPECT_EQ(results[2]["ok"], true) << results[2];
}

SPEC_CASE(DeviceRules, AccessIsOptional, "LX-037 RT-005", "an entry without access is valid") {
  SPEC_NEED(device_control_exists(c), "no device control");
  c.bundle.resources()["devices"] = {kDenyAll,
                                     {{"allow", true}, {"type", "c"}, {"major", 1}, {"minor", 11}}};
  EXPECT_EQ(c.report()["cwd"], "/");
}

}  // namespace
}  // namespace spec
