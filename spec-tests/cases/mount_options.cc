// config.md, "Linux mount options": every option of the table on new mounts and on bind mounts.
//
// An option that sets a flag is given alone. An option that clears a flag is given after the one
// that sets it, or on a bind of a mount that has the flag, so that a runtime that ignores the
// option is seen.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>

#include "case.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

namespace spec {
namespace {
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

struct Expectation {
  Words mount_has{};  // per-mount options, as mountinfo spells them
  Words mount_lacks{};
  Words super_has{};  // options of the file system
  Words super_lacks{};
  Words propagation{};  // exactly these propagation fields
  bool check_propagation = false;
};

void check_mount(const Json& report, const std::string& target, const Expectation& expected) {
  const auto mount = mount_at(report, target);
  ASSERT_TRUE(mount) << "nothing is mounted on " << target;
  SCOPED_TRACE(target + ": " + Json(mount->options).dump() + " super " +
               Json(mount->super_options).dump() + " propagation " +
               Json(mount->propagation).dump());
  for (const std::string& flag : expected.mount_has)
    EXPECT_TRUE(mount->options.contains(flag)) << "lacks " << flag;
  for (const std::string& flag : expected.mount_lacks)
    EXPECT_FALSE(mount->options.contains(flag)) << "has " << flag;
  for (const std::string& flag : expected.super_has) {
    EXPECT_TRUE(mount->super_options.contains(flag)) << "the file system lacks " << flag;
  }
  for (const std::string& flag : expected.super_lacks) {
    EXPECT_FALSE(mount->super_options.contains(flag)) << "the file system has " << flag;
  }
  if (expected.check_propagation) {
    EXPECT_EQ(mount->propagation,
              std::set<std::string>(expected.propagation.begin(), expected.propagation.end()));
  }
}

// ---- new mounts
// -------------------------------------------------------------------------------------------------

struct NewMountRow {
  const char* option;
  const char* id;
  Words options;
  Expectation expected;
};

const NewMountRow kNewMountRows[] = {
    {"async", "CF-008", {"sync", "async"}, {.super_lacks = {"sync"}}},
    {"atime", "CF-009", {"noatime", "atime"}, {.mount_lacks = {"noatime"}}},
    {"defaults",
     "CF-011",
     {"defaults"},
     {.mount_has = {"rw"}, .mount_lacks = {"nosuid", "nodev", "noexec"}}},
    {"dev", "CF-012", {"nodev", "dev"}, {.mount_lacks = {"nodev"}}},
    {"diratime", "CF-013", {"nodiratime", "diratime"}, {.mount_lacks = {"nodiratime"}}},
    {"dirsync", "CF-014", {"dirsync"}, {.super_has = {"dirsync"}}},
    {"exec", "CF-015", {"noexec", "exec"}, {.mount_lacks = {"noexec"}}},
    {"iversion", "CF-016", {"iversion"}, {.mount_has = {"rw"}}},
    {"lazytime", "CF-017", {"lazytime"}, {.super_has = {"lazytime"}}},
    {"loud", "CF-018", {"silent", "loud"}, {.mount_has = {"rw"}}},
    {"noatime", "CF-019", {"noatime"}, {.mount_has = {"noatime"}}},
    {"nodev", "CF-020", {"nodev"}, {.mount_has = {"nodev"}}},
    {"nodiratime", "CF-021", {"nodiratime"}, {.mount_has = {"nodiratime"}}},
    {"noexec", "CF-022", {"noexec"}, {.mount_has = {"noexec"}}},
    {"noiversion", "CF-023", {"iversion", "noiversion"}, {.mount_has = {"rw"}}},
    {"nolazytime", "CF-024", {"lazytime", "nolazytime"}, {.super_lacks = {"lazytime"}}},
    {"norelatime", "CF-025", {"norelatime"}, {.mount_lacks = {"noatime"}}},
    {"nostrictatime", "CF-026", {"strictatime", "nostrictatime"}, {.mount_has = {"relatime"}}},
    {"nosuid", "CF-027", {"nosuid"}, {.mount_has = {"nosuid"}}},
    {"nosymfollow", "CF-028", {"nosymfollow"}, {.mount_has = {"nosymfollow"}}},
    {"private", "CF-029", {"private"}, {.propagation = {}, .check_propagation = true}},
    {"ratime", "CF-030", {"noatime", "ratime"}, {.mount_lacks = {"noatime"}}},
    {"rdev", "CF-032", {"nodev", "rdev"}, {.mount_lacks = {"nodev"}}},
    {"rdiratime", "CF-033", {"nodiratime", "rdiratime"}, {.mount_lacks = {"nodiratime"}}},
    {"relatime", "CF-034", {"relatime"}, {.mount_has = {"relatime"}}},
    {"rexec", "CF-036", {"noexec", "rexec"}, {.mount_lacks = {"noexec"}}},
    {"rnoatime", "CF-037", {"rnoatime"}, {.mount_has = {"noatime"}}},
    {"rnodiratime", "CF-038", {"rnodiratime"}, {.mount_has = {"nodiratime"}}},
    {"rnoexec", "CF-039", {"rnoexec"}, {.mount_has = {"noexec"}}},
    {"rnorelatime", "CF-040", {"rnorelatime"}, {.mount_lacks = {"noatime"}}},
    {"rnostrictatime", "CF-041", {"strictatime", "rnostrictatime"}, {.mount_has = {"relatime"}}},
    {"rnosuid", "CF-042", {"rnosuid"}, {.mount_has = {"nosuid"}}},
    {"rnosymfollow", "CF-043", {"rnosymfollow"}, {.mount_has = {"nosymfollow"}}},
    {"ro", "CF-044", {"ro"}, {.mount_has = {"ro"}}},
    {"rprivate", "CF-045", {"rprivate"}, {.propagation = {}, .check_propagation = true}},
    {"rrelatime", "CF-046", {"noatime", "rrelatime"}, {.mount_has = {"relatime"}}},
    {"rro", "CF-047", {"rro"}, {.mount_has = {"ro"}}},
    {"rrw", "CF-048", {"rrw"}, {.mount_has = {"rw"}}},
    {"rshared", "CF-049", {"rshared"}, {.propagation = {"shared"}, .check_propagation = true}},
    {"rstrictatime", "CF-051", {"rstrictatime"}, {.mount_lacks = {"relatime", "noatime"}}},
    {"rsuid", "CF-052", {"nosuid", "rsuid"}, {.mount_lacks = {"nosuid"}}},
    {"rsymfollow", "CF-053", {"nosymfollow", "rsymfollow"}, {.mount_lacks = {"nosymfollow"}}},
    {"runbindable",
     "CF-054",
     {"runbindable"},
     {.propagation = {"unbindable"}, .check_propagation = true}},
    {"rw", "CF-055", {"ro", "rw"}, {.mount_has = {"rw"}, .super_lacks = {"ro"}}},
    {"shared", "CF-056", {"shared"}, {.propagation = {"shared"}, .check_propagation = true}},
    {"silent", "CF-057", {"silent"}, {.mount_has = {"rw"}}},
    {"strictatime", "CF-059", {"strictatime"}, {.mount_lacks = {"relatime", "noatime"}}},
    {"suid", "CF-060", {"nosuid", "suid"}, {.mount_lacks = {"nosuid"}}},
    {"symfollow", "CF-061", {"nosymfollow", "symfollow"}, {.mount_lacks = {"nosymfollow"}}},
    {"sync", "CF-062", {"sync"}, {.super_has = {"sync"}}},
    {"unbindable",
     "CF-063",
     {"unbindable"},
     {.propagation = {"unbindable"}, .check_propagation = true}},
};

void run_new_mount_row(Case& c, const NewMountRow& row) {
  c.bundle.add_mount(
      {{"destination", "/mnt"}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", row.options}});
  check_mount(c.report(), "/mnt", row.expected);
}

// ---- bind mounts
// ------------------------------------------------------------------------------------------------

struct BindRow {
  const char* option;
  const char* id;
  unsigned long source_flags;  // flags of the source mount and of its submount
  Words options;               // besides rbind
  Expectation top;
  Expectation below;  // of the submount; only looked at when below_matters
  bool below_matters = false;
  bool shared_source = false;
};

constexpr bool kRecursive = true;

const BindRow kBindRows[] = {
    {"async", "CF-008", 0, {"async"}, {.mount_has = {"rw"}}, {}},
    {"atime", "CF-009", MS_NOATIME, {"atime"}, {.mount_lacks = {"noatime"}}, {}},
    {"defaults", "CF-011", 0, {"defaults"}, {.mount_has = {"rw"}}, {}},
    {"dev", "CF-012", MS_NODEV, {"dev"}, {.mount_lacks = {"nodev"}}, {}},
    {"diratime", "CF-013", MS_NODIRATIME, {"diratime"}, {.mount_lacks = {"nodiratime"}}, {}},
    {"dirsync", "CF-014", 0, {"dirsync"}, {.mount_has = {"rw"}}, {}},
    {"exec", "CF-015", MS_NOEXEC, {"exec"}, {.mount_lacks = {"noexec"}}, {}},
    {"loud", "CF-018", 0, {"loud"}, {.mount_has = {"rw"}}, {}},
    {"noatime",
     "CF-019",
     0,
     {"noatime"},
     {.mount_has = {"noatime"}},
     {.mount_lacks = {"noatime"}},
     true},
    {"nodev", "CF-020", 0, {"nodev"}, {.mount_has = {"nodev"}}, {.mount_lacks = {"nodev"}}, true},
    {"nodiratime", "CF-021", 0, {"nodiratime"}, {.mount_has = {"nodiratime"}}, {}},
    {"noexec",
     "CF-022",
     0,
     {"noexec"},
     {.mount_has = {"noexec"}},
     {.mount_lacks = {"noexec"}},
     true},
    {"norelatime", "CF-025", 0, {"norelatime"}, {.mount_lacks = {"noatime"}}, {}},
    {"nostrictatime",
     "CF-026",
     MS_STRICTATIME,
     {"nostrictatime"},
     {.mount_lacks = {"noatime"}},
     {}},
    {"nosuid",
     "CF-027",
     0,
     {"nosuid"},
     {.mount_has = {"nosuid"}},
     {.mount_lacks = {"nosuid"}},
     true},
    {"nosymfollow", "CF-028", 0, {"nosymfollow"}, {.mount_has = {"nosymfollow"}}, {}},
    {"relatime",
     "CF-034",
     MS_NOATIME,
     {"relatime"},
     {.mount_has = {"relatime"}, .mount_lacks = {"noatime"}},
     {}},
    {"ro", "CF-044", 0, {"ro"}, {.mount_has = {"ro"}}, {.mount_has = {"rw"}}, true},
    {"rw", "CF-055", 0, {"ro", "rw"}, {.mount_has = {"rw"}}, {}},
    {"silent", "CF-057", 0, {"silent"}, {.mount_has = {"rw"}}, {}},
    {"strictatime", "CF-059", 0, {"strictatime"}, {.mount_lacks = {"relatime", "noatime"}}, {}},
    {"suid", "CF-060", MS_NOSUID, {"suid"}, {.mount_lacks = {"nosuid"}}, {}},
    {"symfollow", "CF-061", MS_NOSYMFOLLOW, {"symfollow"}, {.mount_lacks = {"nosymfollow"}}, {}},
    {"sync", "CF-062", 0, {"sync"}, {.mount_has = {"rw"}}, {}},

    {"ratime",
     "CF-030",
     MS_NOATIME,
     {"ratime"},
     {.mount_lacks = {"noatime"}},
     {.mount_lacks = {"noatime"}},
     kRecursive},
    {"rdev",
     "CF-032",
     MS_NODEV,
     {"rdev"},
     {.mount_lacks = {"nodev"}},
     {.mount_lacks = {"nodev"}},
     kRecursive},
    {"rdiratime",
     "CF-033",
     MS_NODIRATIME,
     {"rdiratime"},
     {.mount_lacks = {"nodiratime"}},
     {.mount_lacks = {"nodiratime"}},
     kRecursive},
    {"rexec",
     "CF-036",
     MS_NOEXEC,
     {"rexec"},
     {.mount_lacks = {"noexec"}},
     {.mount_lacks = {"noexec"}},
     kRecursive},
    {"rnoatime",
     "CF-037",
     0,
     {"rnoatime"},
     {.mount_has = {"noatime"}},
     {.mount_has = {"noatime"}},
     kRecursive},
    {"rnodiratime",
     "CF-038",
     0,
     {"rnodiratime"},
     {.mount_has = {"nodiratime"}},
     {.mount_has = {"nodiratime"}},
     kRecursive},
    {"rnoexec",
     "CF-039",
     0,
     {"rnoexec"},
     {.mount_has = {"noexec"}},
     {.mount_has = {"noexec"}},
     kRecursive},
    {"rnorelatime",
     "CF-040",
     0,
     {"rnorelatime"},
     {.mount_lacks = {"noatime"}},
     {.mount_lacks = {"noatime"}},
     kRecursive},
    {"rnostrictatime",
     "CF-041",
     MS_STRICTATIME,
     {"rnostrictatime"},
     {.mount_lacks = {"noatime"}},
     {.mount_lacks = {"noatime"}},
     kRecursive},
    {"rnosuid",
     "CF-042",
     0,
     {"rnosuid"},
     {.mount_has = {"nosuid"}},
     {.mount_has = {"nosuid"}},
     kRecursive},
    {"rnosymfollow",
     "CF-043",
     0,
     {"rnosymfollow"},
     {.mount_has = {"nosymfollow"}},
     {.mount_has = {"nosymfollow"}},
     kRecursive},
    {"rrelatime",
     "CF-046",
     MS_NOATIME,
     {"rrelatime"},
     {.mount_has = {"relatime"}},
     {.mount_has = {"relatime"}},
     kRecursive},
    {"rro", "CF-047", 0, {"rro"}, {.mount_has = {"ro"}}, {.mount_has = {"ro"}}, kRecursive},
    {"rrw", "CF-048", MS_RDONLY, {"rrw"}, {.mount_has = {"rw"}}, {.mount_has = {"rw"}}, kRecursive},
    {"rstrictatime",
     "CF-051",
     0,
     {"rstrictatime"},
     {.mount_lacks = {"relatime", "noatime"}},
     {.mount_lacks = {"relatime", "noatime"}},
     kRecursive},
    {"rsuid",
     "CF-052",
     MS_NOSUID,
     {"rsuid"},
     {.mount_lacks = {"nosuid"}},
     {.mount_lacks = {"nosuid"}},
     kRecursive},
    {"rsymfollow",
     "CF-053",
     MS_NOSYMFOLLOW,
     {"rsymfollow"},
     {.mount_lacks = {"nosymfollow"}},
     {.mount_lacks = {"nosymfollow"}},
     kRecursive},

    {"private",
     "CF-029",
     0,
     {"private"},
     {.propagation = {}, .check_propagation = true},
     {},
     false,
     true},
    {"shared",
     "CF-056",
     0,
     {"shared"},
     {.propagation = {"shared"}, .check_propagation = true},
     {},
     false,
     false},
    {"slave",
     "CF-058",
     0,
     {"slave"},
     {.propagation = {"master"}, .check_propagation = true},
     {},
     false,
     true},
    {"unbindable",
     "CF-063",
     0,
     {"unbindable"},
     {.propagation = {"unbindable"}, .check_propagation = true},
     {},
     false,
     true},
    {"rprivate",
     "CF-045",
     0,
     {"rprivate"},
     {.propagation = {}, .check_propagation = true},
     {.propagation = {}, .check_propagation = true},
     true,
     true},
    {"rslave",
     "CF-050",
     0,
     {"rslave"},
     {.propagation = {"master"}, .check_propagation = true},
     {.propagation = {"master"}, .check_propagation = true},
     true,
     true},
    {"rshared",
     "CF-049",
     0,
     {"rshared"},
     {.propagation = {"shared"}, .check_propagation = true},
     {.propagation = {"shared"}, .check_propagation = true},
     true,
     false},
    {"runbindable",
     "CF-054",
     0,
     {"runbindable"},
     {.propagation = {"unbindable"}, .check_propagation = true},
     {.propagation = {"unbindable"}, .check_propagation = true},
     true,
     true},
};

// A tmpfs with a second one below it. flags are put on both mounts, not on their file systems, as a
// bind would see it.
std::string make_source(Case& c, unsigned long flags, bool shared) {
  const std::string source = c.directory() + "/source";
  fs::create_directory(source);
  c.host_mount("tmpfs", source, "tmpfs", 0, "size=4m");
  fs::create_directory(source + "/below");
  c.host_mount("tmpfs", source + "/below", "tmpfs", 0, "size=4m");
  if (flags != 0) {
    c.host_mount("none", source, "none", MS_BIND | MS_REMOUNT | flags);
    c.host_mount("none", source + "/below", "none", MS_BIND | MS_REMOUNT | flags);
  }
  if (shared) c.host_mount("none", source, "none", MS_SHARED | MS_REC);
  return source;
}

void run_bind_row(Case& c, const BindRow& row) {
  const std::string source = make_source(c, row.source_flags, row.shared_source);
  // Many runtimes make every mount a slave at first. With a shared root the option is needed for
  // that.
  if (std::string(row.option).ends_with("slave")) {
    c.bundle.linux_config()["rootfsPropagation"] = "shared";
  }
  Words options = {"rbind"};
  options.insert(options.end(), row.options.begin(), row.options.end());
  c.bundle.add_mount(
      {{"destination", "/mnt"}, {"type", "none"}, {"source", source}, {"options", options}});
  const Json report = c.report();
  check_mount(report, "/mnt", row.top);
  if (row.below_matters) check_mount(report, "/mnt/below", row.below);
}

bool register_rows() {
  for (const NewMountRow& row : kNewMountRows) {
    register_case({"MountOptionsOnNewMounts",
                   row.option,
                   row.id,
                   std::string("the option ") + row.option + " acts on a new tmpfs mount",
                   [&row](Case& c) { run_new_mount_row(c, row); },
                   __FILE__,
                   __LINE__});
  }
  for (const BindRow& row : kBindRows) {
    register_case(
        {"MountOptionsOnBindMounts",
         row.option,
         row.id,
         std::string("the option ") + row.option + " acts on a bind mount" +
             (row.below_matters ? ", and on the mounts below it as the option's scope says" : ""),
         [&row](Case& c) { run_bind_row(c, row); },
         __FILE__,
         __LINE__});
  }
  return true;
}
[[maybe_unused]] const bool rows_registered = register_rows();

// ---- options with a meaning of their own
// -------------------------------------------------------------------------

SPEC_CASE(MountOptions, Bind, "CF-010", "bind shows the source without the mounts below it") {
  const std::string source = make_source(c, 0, false);
  write_file(source + "/below/hidden", "x");
  write_file(source + "/file", "x");
  c.bundle.add_mount({{"destination", "/mnt"}, {"source", source}, {"options", {"bind"}}});
  const Json results =
      c.perform({{"stat", "/mnt/file"}, {"stat", "/mnt/below"}, {"stat", "/mnt/below/hidden"}});
  EXPECT_EQ(results[0]["ok"], true);
  EXPECT_EQ(results[1]["ok"], true);
  EXPECT_EQ(results[2]["ok"], false) << "a mount below the source came along";
}

SPEC_CASE(MountOptions, Rbind, "CF-031", "rbind shows the source with the mounts below it") {
  const std::string source = make_source(c, 0, false);
  write_file(source + "/below/visible", "x");
  c.bundle.add_mount({{"destination", "/mnt"}, {"source", source}, {"options", {"rbind"}}});
  const Json results = c.perform({{"stat", "/mnt/below/visible"}});
  EXPECT_EQ(results[0]["ok"], true) << "the mount below the source is missing";
}

SPEC_CASE(MountOptions,
          BindOfAFile,
          "CF-010",
          "a single file can be bound, and its mount point is made") {
  write_file(c.directory() + "/single", "content");
  c.bundle.add_mount({{"destination", "/data/single"},
                      {"source", c.directory() + "/single"},
                      {"options", {"bind", "ro"}}});
  const Json results = c.perform({{"read", "/data/single"}, {"write", "/data/single", "x"}});
  EXPECT_EQ(results[0].value("content", ""), "content");
  EXPECT_EQ(results[1].value("errno", 0), EROFS);
}

SPEC_CASE(MountOptions,
          BindSourceRelativeToBundle,
          "CF-010 RT-005",
          "a relative bind source is relative to the bundle") {
  fs::create_directory(c.bundle.directory() + "/volume");
  write_file(c.bundle.directory() + "/volume/file", "content");
  c.bundle.add_mount({{"destination", "/mnt"}, {"source", "volume"}, {"options", {"bind"}}});
  EXPECT_EQ(c.perform({{"read", "/mnt/file"}})[0].value("content", ""), "content");
}

SPEC_CASE(MountOptions,
          Remount,
          "CF-035",
          "remount changes the options of the mount that is at the destination") {
  c.bundle.add_mount(
      {{"destination", "/mnt"}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", {"size=4m"}}});
  c.bundle.add_mount({{"destination", "/mnt"},
                      {"type", "tmpfs"},
                      {"source", "tmpfs"},
                      {"options", {"remount", "ro"}}});
  const Json report = c.report();
  check_mount(report, "/mnt", {.mount_has = {"ro"}});
  int mounts = 0;
  for (const Json& line : report["mountinfo"]) {
    if (parse_mount_line(line).target == "/mnt") ++mounts;
  }
  EXPECT_EQ(mounts, 1) << "remount made a second mount";
}

SPEC_CASE(MountOptions,
          RemountOfBind,
          "CF-035",
          "remount with bind changes the flags of that mount only") {
  const std::string source = make_source(c, 0, false);
  c.bundle.add_mount({{"destination", "/mnt"}, {"source", source}, {"options", {"bind"}}});
  c.bundle.add_mount({{"destination", "/mnt"},
                      {"source", source},
                      {"options", {"bind", "remount", "ro", "nosuid"}}});
  check_mount(c.report(), "/mnt", {.mount_has = {"ro", "nosuid"}, .super_lacks = {"ro"}});
}

SPEC_CASE(MountOptions,
          UnknownOptionsArePassedAsData,
          "CF-079",
          "options that are not in the table reach the file system as data") {
  c.bundle.add_mount({{"destination", "/mnt"},
                      {"type", "tmpfs"},
                      {"source", "tmpfs"},
                      {"options", {"nosuid", "size=128k", "nr_inodes=33", "mode=0711"}}});
  const Json report = c.report();
  check_mount(report,
              "/mnt",
              {.mount_has = {"nosuid"}, .super_has = {"size=128k", "nr_inodes=33", "mode=711"}});
}

SPEC_CASE(MountOptions,
          RejectedDataIsAnError,
          "RT-006 RT-036 RT-037",
          "data that the file system refuses makes create fail") {
  c.bundle.add_mount({{"destination", "/mnt"},
                      {"type", "tmpfs"},
                      {"source", "tmpfs"},
                      {"options", {"no_such_option=1"}}});
  c.expect_refused("tmpfs knows no option no_such_option");
}

SPEC_CASE(MountOptions,
          UserSpaceOptionsOfMount8,
          "CF-078",
          "options that mount(8) keeps to itself (x-*, nofail, _netdev, noauto) do not reach the "
          "file system") {
  c.bundle.add_mount(
      {{"destination", "/mnt"},
       {"type", "tmpfs"},
       {"source", "tmpfs"},
       {"options", {"x-example.option=1", "nofail", "_netdev", "noauto", "nosuid"}}});
  check_mount(c.report(), "/mnt", {.mount_has = {"nosuid"}});
}

SPEC_CASE(MountOptions, ReadOnlyIsEnforced, "CF-044", "nothing can be written to a mount with ro") {
  c.bundle.add_mount(
      {{"destination", "/mnt"}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", {"ro"}}});
  c.bundle.add_mount({{"destination", "/mnt2"},
                      {"source", make_source(c, 0, false)},
                      {"options", {"bind", "ro"}}});
  const Json results = c.perform({{"create", "/mnt/x", "x"}, {"create", "/mnt2/x", "x"}});
  EXPECT_EQ(results[0].value("errno", 0), EROFS);
  EXPECT_EQ(results[1].value("errno", 0), EROFS);
}

SPEC_CASE(MountOptions,
          NodevIsEnforced,
          "CF-020 CF-012",
          "a device node works on a mount with dev, not with nodev") {
  const std::string source = make_source(c, 0, false);
  ASSERT_EQ(::mknod((source + "/zero").c_str(), S_IFCHR | 0666, ::makedev(1, 5)), 0);
  c.bundle.add_mount({{"destination", "/mnt"}, {"source", source}, {"options", {"bind", "nodev"}}});
  c.bundle.add_mount({{"destination", "/mnt2"}, {"source", source}, {"options", {"bind", "dev"}}});
  const Json results = c.perform({{"open", "/mnt/zero", "r"}, {"open", "/mnt2/zero", "r"}});
  EXPECT_EQ(results[0].value("errno", 0), EACCES);
  EXPECT_EQ(results[1]["ok"], true) << results[1];
}

SPEC_CASE(MountOptions,
          NoexecIsEnforced,
          "CF-022 CF-015",
          "a program runs from a mount with exec, not with noexec") {
  const std::string source = make_source(c, 0, false);
  fs::copy_file(settings().checker, c.directory() + "/source/below/checker");
  fs::permissions(c.directory() + "/source/below/checker", fs::perms(0755));
  c.bundle.add_mount(
      {{"destination", "/mnt"}, {"source", source + "/below"}, {"options", {"bind", "noexec"}}});
  c.bundle.add_mount(
      {{"destination", "/mnt2"}, {"source", source + "/below"}, {"options", {"bind", "exec"}}});
  const Json results =
      c.perform({{"exec", "/mnt/checker", "exit", "0"}, {"exec", "/mnt2/checker", "exit", "5"}});
  EXPECT_EQ(results[0].value("errno", 0), EACCES);
  EXPECT_EQ(results[1].value("exit", -1), 5) << results[1];
}

}  // namespace
}  // namespace spec
