// config-linux.md: masked and read-only paths, propagation of the root file system.
#include <sys/mount.h>

#include <filesystem>

#include "case.h"

namespace spec {
namespace {
namespace fs = std::filesystem;

SPEC_CASE(MaskedPaths,
          FilesAndDirectories,
          "RT-005 RT-034",
          "masked files read as empty and masked directories list nothing") {
  c.bundle.make_file("/etc/secret", "secret");
  c.bundle.make_file("/data/inner/secret", "secret");
  c.bundle.linux_config()["maskedPaths"] = {
      "/etc/secret", "/data/inner", "/no/such/path", "/proc/kcore"};
  const Json results = c.perform({{"read", "/etc/secret"},
                                  {"list", "/data/inner"},
                                  {"read", "/data/inner/secret"},
                                  {"create", "/data/inner/new", "x"}});
  EXPECT_EQ(results[0].value("content", ""), "");
  EXPECT_EQ(results[1].value("entries", Json::array()), Json::array());
  EXPECT_EQ(results[2]["ok"], false);
}

SPEC_CASE(MaskedPaths, RelativeIsRefused, "LX-086", "a relative masked path is refused") {
  c.bundle.linux_config()["maskedPaths"] = {"proc/kcore"};
  c.expect_refused("maskedPaths holds a relative path");
}

SPEC_CASE(ReadonlyPaths, Applied, "RT-005 RT-034", "read-only paths can be read and not written") {
  c.bundle.make_file("/data/inner/file", "text");
  c.bundle.make_file("/etc/file", "text");
  c.bundle.linux_config()["readonlyPaths"] = {
      "/data/inner", "/etc/file", "/proc/sys", "/no/such/path"};
  const Json results = c.perform({{"read", "/data/inner/file"},
                                  {"create", "/data/inner/new", "x"},
                                  {"write", "/data/inner/file", "x"},
                                  {"write", "/etc/file", "x"},
                                  {"write", "/proc/sys/kernel/msgmax", "4000"},
                                  {"create", "/data/other", "x"}});
  EXPECT_EQ(results[0].value("content", ""), "text");
  for (size_t i = 1; i <= 4; ++i) EXPECT_EQ(results[i].value("errno", 0), EROFS) << i;
  EXPECT_EQ(results[5]["ok"], true);
}

SPEC_CASE(ReadonlyPaths,
          FlagsAreKept,
          "RT-005",
          "a read-only path keeps the other flags of its mount") {
  c.bundle.linux_config()["readonlyPaths"] = {"/dev/shm"};
  const auto mount = mount_at(c.report(), "/dev/shm");
  ASSERT_TRUE(mount);
  EXPECT_TRUE(mount->options.contains("ro"));
  for (const char* flag : {"nosuid", "noexec", "nodev"})
    EXPECT_TRUE(mount->options.contains(flag)) << flag;
}

SPEC_CASE(ReadonlyPaths, RelativeIsRefused, "LX-087", "a relative read-only path is refused") {
  c.bundle.linux_config()["readonlyPaths"] = {"proc/sys"};
  c.expect_refused("readonlyPaths holds a relative path");
}

std::set<std::string> root_propagation(Case& c, const std::string& value) {
  // A peer group to be a slave of is needed for slave to be seen.
  c.host_mount(c.directory(), c.directory(), "none", MS_BIND | MS_REC);
  c.host_mount("none", c.directory(), "none", MS_SHARED | MS_REC);
  c.bundle.linux_config()["rootfsPropagation"] = value;
  const auto mount = mount_at(c.report(), "/");
  if (!mount) throw std::runtime_error("the report has no mount on /");
  return mount->propagation;
}

SPEC_CASE(RootfsPropagation,
          Private,
          "RT-005 RT-034",
          "private: the root mount has no peers and no master") {
  EXPECT_EQ(root_propagation(c, "private"), std::set<std::string>{});
}

SPEC_CASE(RootfsPropagation,
          Shared,
          "RT-005 RT-034",
          "shared: the root mount belongs to a peer group") {
  EXPECT_TRUE(root_propagation(c, "shared").contains("shared"));
}

SPEC_CASE(RootfsPropagation,
          Slave,
          "RT-005 RT-034",
          "slave: the root mount receives events and sends none") {
  EXPECT_EQ(root_propagation(c, "slave"), std::set<std::string>{"master"});
}

SPEC_CASE(RootfsPropagation,
          Unbindable,
          "RT-005 RT-034",
          "unbindable: the root mount is private and cannot be bound") {
  EXPECT_TRUE(root_propagation(c, "unbindable").contains("unbindable"));
}

SPEC_CASE(RootfsPropagation,
          SharedLeavesTheHostsMountsAlone,
          "RT-024 RT-051",
          "with a shared root file system the host's own shared mounts survive create and delete") {
  const std::string outer = c.directory() + "/outer";
  fs::create_directory(outer);
  c.host_mount("tmpfs", outer, "tmpfs", 0);
  c.host_mount("none", outer, "none", MS_SHARED);
  fs::create_directory(outer + "/inner");
  c.host_mount("tmpfs", outer + "/inner", "tmpfs", 0);
  write_file(outer + "/inner/file", "x");
  c.bundle.linux_config()["rootfsPropagation"] = "shared";
  c.report();
  EXPECT_EQ(read_file(outer + "/inner/file"), "x") << "the host's mount is gone";
}

SPEC_CASE(RootfsPropagation,
          HostMountsArriveInSlaves,
          "RT-005",
          "a mount that the host makes later is seen in a slave bind, and the container's mounts "
          "stay inside") {
  const std::string source = c.directory() + "/source";
  fs::create_directory(source);
  c.host_mount("tmpfs", source, "tmpfs", 0);
  fs::create_directory(source + "/later");
  c.host_mount("none", source, "none", MS_SHARED);
  c.bundle.linux_config()["rootfsPropagation"] = "slave";
  c.bundle.add_mount(
      {{"destination", "/mnt"}, {"source", source}, {"options", {"rbind", "rslave"}}});
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  c.host_mount("tmpfs", source + "/later", "tmpfs", 0);
  const std::string seen = read_file("/proc/" + std::to_string(c.container.pid()) + "/mountinfo");
  EXPECT_NE(seen.find(" /mnt/later "), std::string::npos) << seen;
}

}  // namespace
}  // namespace spec
