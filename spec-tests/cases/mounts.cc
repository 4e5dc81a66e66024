// config.md, "Root" and "Mounts".
#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

SPEC_CASE(Root, RelativeAndAbsolutePath, "BU-002 CF-003", "root.path may be absolute") {
  c.bundle.config["root"]["path"] = c.bundle.rootfs();
  EXPECT_EQ(c.report()["cwd"], "/");
}

SPEC_CASE(Root, PathOutsideTheBundle, "CF-003", "root.path may lie outside of the bundle") {
  fs::rename(c.bundle.rootfs(), c.directory() + "/elsewhere");
  c.bundle.config["root"]["path"] = c.directory() + "/elsewhere";
  EXPECT_EQ(c.report()["cwd"], "/");
}

SPEC_CASE(Root,
          MissingDirectoryIsAnError,
          "CF-003 RT-006 RT-036",
          "a root.path that does not exist is refused") {
  c.bundle.config["root"]["path"] = "no-such-directory";
  c.expect_refused("root.path does not exist");
}

SPEC_CASE(Root, FileIsAnError, "CF-003", "a root.path that is a file is refused") {
  write_file(c.bundle.directory() + "/file", "");
  c.bundle.config["root"]["path"] = "file";
  c.expect_refused("root.path is not a directory");
}

SPEC_CASE(Root, MissingIsAnError, "CF-130 RT-036", "a config without root is refused on Linux") {
  c.bundle.config.erase("root");
  c.expect_refused("root is REQUIRED");
}

SPEC_CASE(Root, EmptyPathIsAnError, "CF-003 CF-130", "an empty or missing root.path is refused") {
  c.bundle.config["root"] = {{"readonly", false}};
  c.expect_refused("root.path is REQUIRED");
}

SPEC_CASE(Root,
          Readonly,
          "CF-004",
          "root.readonly makes the root file system read-only, and only it") {
  c.bundle.config["root"]["readonly"] = true;
  c.bundle.add_mount({{"destination", "/mnt"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  const Json results =
      c.perform({{"create", "/x", "x"}, {"create", "/etc/x", "x"}, {"create", "/mnt/x", "x"}});
  EXPECT_EQ(results[0].value("errno", 0), EROFS);
  EXPECT_EQ(results[1].value("errno", 0), EROFS);
  EXPECT_EQ(results[2]["ok"], true) << results[2];
}

SPEC_CASE(Root, Writable, "CF-004", "without root.readonly the root file system is writable") {
  c.bundle.config["root"].erase("readonly");
  EXPECT_EQ(c.perform({{"create", "/x", "x"}})[0]["ok"], true);
}

SPEC_CASE(Root,
          ReadonlyWithoutMountNamespace,
          "CF-004",
          "root.readonly without a new mount namespace is applied, or create reports an error") {
  c.bundle.config["root"]["readonly"] = true;
  c.bundle.config["mounts"] = Json::array();
  c.bundle.remove_namespace("mount");
  c.bundle.set_command({"do", "create", "/x", "x"});
  if (!c.container.create().ok() || !c.container.start().ok()) return;
  c.container.wait_exit();
  EXPECT_EQ(c.container.json_output()[0].value("errno", 0), EROFS)
      << "the root file system is writable";
}

SPEC_CASE(Root,
          OnlyTheRootIsVisible,
          "RT-005",
          "the container sees root.path as / and nothing of the host's files") {
  c.bundle.make_file("/etc/mine", "mine");
  const Json results = c.perform({{"read", "/etc/mine"}, {"list", "/"}});
  EXPECT_EQ(results[0].value("content", ""), "mine");
  EXPECT_FALSE(contains(results[1]["entries"], "root")) << results[1];
}

SPEC_CASE(Mounts,
          ListedOrder,
          "CF-005",
          "a mount covers and uses the mounts that are listed before it") {
  const std::string source = c.directory() + "/source";
  fs::create_directory(source);
  write_file(source + "/file", "bound");
  c.bundle.add_mount({{"destination", "/mnt"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  c.bundle.add_mount({{"destination", "/mnt/inner"}, {"source", source}, {"options", {"bind"}}});
  c.bundle.add_mount({{"destination", "/mnt2/inner"}, {"source", source}, {"options", {"bind"}}});
  c.bundle.add_mount({{"destination", "/mnt2"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  const Json results = c.perform({{"read", "/mnt/inner/file"}, {"stat", "/mnt2/inner"}});
  EXPECT_EQ(results[0].value("content", ""), "bound") << "tmpfs first, then the bind below it";
  EXPECT_EQ(results[1]["ok"], false) << "the tmpfs that is listed last covers the bind";
}

SPEC_CASE(Mounts,
          SameDestinationTwice,
          "CF-005",
          "of two mounts on one destination the later is seen") {
  for (const char* name : {"first", "second"}) {
    fs::create_directory(c.directory() + "/" + name);
    write_file(c.directory() + "/" + name + "/name", name);
    c.bundle.add_mount(
        {{"destination", "/mnt"}, {"source", c.directory() + "/" + name}, {"options", {"bind"}}});
  }
  EXPECT_EQ(c.perform({{"read", "/mnt/name"}})[0].value("content", ""), "second");
}

SPEC_CASE(Mounts,
          RelativeDestination,
          "CF-007",
          "a relative destination is taken as relative to /") {
  c.bundle.process()["cwd"] = "/tmp";
  c.bundle.add_mount({{"destination", "mnt/inner"},
                      {"type", "tmpfs"},
                      {"source", "tmpfs"},
                      {"options", {"size=64k"}}});
  const Json report = c.report();
  EXPECT_TRUE(mount_at(report, "/mnt/inner")) << "nothing is mounted on /mnt/inner";
}

SPEC_CASE(Mounts,
          MissingMountPointIsMade,
          "RT-005",
          "the mount point of a directory mount is made when it is missing") {
  c.bundle.add_mount({{"destination", "/made/by/runtime"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  const auto mount = mount_at(c.report(), "/made/by/runtime");
  ASSERT_TRUE(mount);
  EXPECT_EQ(mount->fstype, "tmpfs");
}

SPEC_CASE(Mounts,
          TypeAndSourceAreOptional,
          "RT-005 CF-130",
          "a bind mount needs no type, and a tmpfs needs no source") {
  fs::create_directory(c.directory() + "/source");
  c.bundle.add_mount(
      {{"destination", "/mnt"}, {"source", c.directory() + "/source"}, {"options", {"bind"}}});
  c.bundle.add_mount({{"destination", "/mnt2"}, {"type", "tmpfs"}});
  const Json report = c.report();
  EXPECT_TRUE(mount_at(report, "/mnt"));
  EXPECT_TRUE(mount_at(report, "/mnt2"));
}

SPEC_CASE(Mounts, MountsAreOptional, "RT-005 CF-130", "a config without mounts is accepted") {
  c.bundle.config.erase("mounts");
  c.bundle.set_command({"exit", "5"});
  c.container.must_create();
  c.container.must_start();
  EXPECT_EQ(c.container.wait_exit(), 5);
}

#define REFUSED_MOUNT_CASE(name, why, ...)                                                    \
  SPEC_CASE(Mounts, name, "RT-006 RT-036 RT-037 CF-130", "a mount with " why " is refused") { \
    c.bundle.add_mount(Json(__VA_ARGS__));                                                    \
    c.expect_refused("a mount with " why);                                                    \
  }
REFUSED_MOUNT_CASE(UnknownTypeIsRefused,
                   "a file system type that does not exist",
                   {{"destination", "/mnt"}, {"type", "nosuchfs"}, {"source", "none"}})
REFUSED_MOUNT_CASE(MissingBindSourceIsRefused,
                   "a bind source that does not exist",
                   {{"destination", "/mnt"}, {"source", "/no/such/source"}, {"options", {"bind"}}})
REFUSED_MOUNT_CASE(NoDestinationIsRefused,
                   "no destination",
                   {{"type", "tmpfs"}, {"source", "tmpfs"}})
REFUSED_MOUNT_CASE(BindWithoutSourceIsRefused,
                   "bind and no source",
                   {{"destination", "/mnt"}, {"options", {"bind"}}})
REFUSED_MOUNT_CASE(NeitherTypeNorBindIsRefused,
                   "neither a type nor bind",
                   {{"destination", "/mnt"}, {"source", "x"}})

SPEC_CASE(Mounts,
          DestinationStaysInsideTheRoot,
          "RT-005",
          "symbolic links of the root file system are resolved inside of it") {
  fs::create_symlink("/etc/target", c.bundle.rootfs() + "/absolute");
  fs::create_symlink("../../../../../../../../etc/other", c.bundle.rootfs() + "/climbing");
  c.bundle.make_directory("/etc/target");
  c.bundle.make_directory("/etc/other");
  c.bundle.add_mount({{"destination", "/absolute"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  c.bundle.add_mount({{"destination", "/climbing"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  const CommandResult created = c.container.create();
  if (!created.ok()) return;  // refusing such a destination keeps it inside as well
  c.container.must_start();
  c.container.wait_exit();
  const Json report = c.container.json_output();
  EXPECT_TRUE(mount_at(report, "/etc/target"));
  EXPECT_TRUE(mount_at(report, "/etc/other"));
}

SPEC_CASE(Mounts,
          DefaultFileSystems,
          "LX-001 RT-005",
          "/proc, /sys, /dev/pts and /dev/shm are there with their types") {
  const Json report = c.report();
  for (const auto& [target, type] : std::map<std::string, std::string>{
           {"/proc", "proc"}, {"/sys", "sysfs"}, {"/dev/pts", "devpts"}, {"/dev/shm", "tmpfs"}}) {
    const auto mount = mount_at(report, target);
    ASSERT_TRUE(mount) << target;
    EXPECT_EQ(mount->fstype, type) << target;
  }
}

SPEC_CASE(Mounts,
          HostMountsAreNotVisible,
          "RT-005",
          "the mount table holds nothing but what the config asks for") {
  for (const Json& line : c.report()["mountinfo"]) {
    const MountEntry mount = parse_mount_line(line);
    const bool below_known = mount.target == "/" || mount.target.starts_with("/proc") ||
                             mount.target.starts_with("/dev") || mount.target.starts_with("/sys");
    EXPECT_TRUE(below_known) << "unexpected mount on " << mount.target;
  }
}

SPEC_CASE(DevSymlinks,
          AreMade,
          "RL-001",
          "/dev/fd, stdin, stdout and stderr lead to /proc/self/fd") {
  const Json dev = c.report()["dev"];
  const std::pair<const char*, const char*> links[] = {{"fd", "/proc/self/fd"},
                                                       {"stdin", "/proc/self/fd/0"},
                                                       {"stdout", "/proc/self/fd/1"},
                                                       {"stderr", "/proc/self/fd/2"}};
  for (const auto& [name, target] : links) {
    ASSERT_TRUE(dev.contains(name)) << "/dev/" << name << " is missing";
    EXPECT_EQ(dev[name].value("type", ""), "symlink") << name;
    EXPECT_EQ(dev[name].value("target", ""), target) << name;
  }
}

SPEC_CASE(DevSymlinks,
          ExistingLinksAreAccepted,
          "RL-001",
          "links that are in the image already are no error") {
  c.bundle.remove_mount("/dev/shm");
  c.bundle.remove_mount("/dev/pts");
  c.bundle.remove_mount("/dev");
  const std::pair<const char*, const char*> links[] = {{"fd", "/proc/self/fd"},
                                                       {"stdin", "/proc/self/fd/0"},
                                                       {"stdout", "/proc/self/fd/1"},
                                                       {"stderr", "/proc/self/fd/2"}};
  for (const auto& [name, target] : links)
    fs::create_symlink(target, c.bundle.rootfs() + "/dev/" + name);
  const Json dev = c.report()["dev"];
  for (const auto& [name, target] : links) EXPECT_EQ(dev[name].value("target", ""), target) << name;
}

}  // namespace
}  // namespace spec
