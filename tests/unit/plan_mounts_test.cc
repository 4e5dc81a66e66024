// plan/mounts.cc and plan/mount_options.cc: every option of the specification, kinds, sources.
#include <linux/mount.h>

#include "plan_support.h"
#include "support.h"

namespace corten::plan {
namespace {

using testing::mount;

Result<Mount> build_one(const spec::Mount& configured, bool user_namespace = false) {
  auto spec = testing::small_spec();
  if (user_namespace) {
    testing::add_namespace(spec, "user");
    spec.linux_->uid_mappings = {{.container_id = 0, .host_id = 1000, .size = 10}};
    spec.linux_->gid_mappings = {{.container_id = 0, .host_id = 2000, .size = 10}};
  }
  spec.mounts.push_back(configured);
  auto plan = build(spec, testing::options(), testing::host_v2());
  if (!plan) return std::move(plan).error();
  return plan->mounts.at(0);
}

Mount bound(std::vector<std::string> options) {
  options.insert(options.begin(), "bind");
  auto built = build_one(mount("/mnt", "", "/src", std::move(options)));
  EXPECT_TRUE(testing::is_ok(built));
  return built ? *built : Mount{};
}

Mount tmpfs(std::vector<std::string> options) {
  auto built = build_one(mount("/mnt", "tmpfs", "tmpfs", std::move(options)));
  EXPECT_TRUE(testing::is_ok(built));
  return built ? *built : Mount{};
}

std::string data_text(const Mount& built) {
  std::string text;
  for (const auto& option : built.data) {
    if (!text.empty()) text += ',';
    text += option.key;
    if (option.value) text += "=" + *option.value;
  }
  return text;
}

struct AttributeCase {
  std::vector<std::string> options;
  uint64_t set;
  uint64_t clear;
};

TEST(MountOptions, SetAndClearAttributesOfABind) {
  const std::vector<AttributeCase> cases{
      {{"ro"}, MOUNT_ATTR_RDONLY, 0},
      {{"rw"}, 0, MOUNT_ATTR_RDONLY},
      {{"nosuid"}, MOUNT_ATTR_NOSUID, 0},
      {{"suid"}, 0, MOUNT_ATTR_NOSUID},
      {{"nodev"}, MOUNT_ATTR_NODEV, 0},
      {{"dev"}, 0, MOUNT_ATTR_NODEV},
      {{"noexec"}, MOUNT_ATTR_NOEXEC, 0},
      {{"exec"}, 0, MOUNT_ATTR_NOEXEC},
      {{"nodiratime"}, MOUNT_ATTR_NODIRATIME, 0},
      {{"diratime"}, 0, MOUNT_ATTR_NODIRATIME},
      {{"nosymfollow"}, MOUNT_ATTR_NOSYMFOLLOW, 0},
      {{"symfollow"}, 0, MOUNT_ATTR_NOSYMFOLLOW},
      {{"noatime"}, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
      {{"strictatime"}, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
      {{"relatime"}, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
      {{"atime"}, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
      {{"nostrictatime"}, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
      {{"norelatime"}, 0, 0},
      {{"defaults"}, 0, 0},
      {{"ro", "rw"}, 0, MOUNT_ATTR_RDONLY},
      {{"rw", "ro"}, MOUNT_ATTR_RDONLY, 0},
      {{"noatime", "strictatime"}, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
      {{"noatime", "atime"}, 0, MOUNT_ATTR__ATIME},
      {{"strictatime", "atime"}, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
      {{"ro,nosuid", "nodev"}, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0},
      {{"users"}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0},
      {{"user", "exec"}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC},
  };
  for (const auto& one : cases) {
    const auto built = bound(one.options);
    EXPECT_EQ(built.attributes.set, one.set) << one.options.front();
    EXPECT_EQ(built.attributes.clear, one.clear) << one.options.front();
    EXPECT_TRUE(built.recursive_attributes.empty()) << one.options.front();
    EXPECT_TRUE(built.data.empty()) << one.options.front();
  }
}

TEST(MountOptions, RecursiveOnesSetAttributesOfTheTree) {
  const std::vector<AttributeCase> cases{
      {{"rro"}, MOUNT_ATTR_RDONLY, 0},
      {{"rrw"}, 0, MOUNT_ATTR_RDONLY},
      {{"rnosuid"}, MOUNT_ATTR_NOSUID, 0},
      {{"rsuid"}, 0, MOUNT_ATTR_NOSUID},
      {{"rnodev"}, MOUNT_ATTR_NODEV, 0},
      {{"rdev"}, 0, MOUNT_ATTR_NODEV},
      {{"rnoexec"}, MOUNT_ATTR_NOEXEC, 0},
      {{"rexec"}, 0, MOUNT_ATTR_NOEXEC},
      {{"rnodiratime"}, MOUNT_ATTR_NODIRATIME, 0},
      {{"rdiratime"}, 0, MOUNT_ATTR_NODIRATIME},
      {{"rnosymfollow"}, MOUNT_ATTR_NOSYMFOLLOW, 0},
      {{"rsymfollow"}, 0, MOUNT_ATTR_NOSYMFOLLOW},
      {{"rnoatime"}, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
      {{"rstrictatime"}, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
      {{"rrelatime"}, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
      {{"ratime"}, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
      {{"rnostrictatime"}, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
      {{"rnorelatime"}, 0, 0},
  };
  for (const auto& one : cases) {
    const auto on_bind = bound(one.options);
    EXPECT_EQ(on_bind.recursive_attributes.set, one.set) << one.options.front();
    EXPECT_EQ(on_bind.recursive_attributes.clear, one.clear) << one.options.front();
    EXPECT_TRUE(on_bind.attributes.empty()) << one.options.front();
    const auto on_tmpfs = tmpfs(one.options);
    EXPECT_EQ(on_tmpfs.recursive_attributes.set, one.set) << one.options.front();
  }
}

TEST(MountOptions, PropagationIsKeptInOrder) {
  const auto built = bound({"private", "rslave", "shared", "runbindable"});
  EXPECT_EQ(
      built.propagation,
      (std::vector<uint64_t>{MS_PRIVATE, MS_SLAVE | MS_REC, MS_SHARED, MS_UNBINDABLE | MS_REC}));
  EXPECT_EQ(bound({"rprivate"}).propagation, std::vector<uint64_t>{MS_PRIVATE | MS_REC});
  EXPECT_EQ(bound({"rshared"}).propagation, std::vector<uint64_t>{MS_SHARED | MS_REC});
  EXPECT_EQ(bound({"slave"}).propagation, std::vector<uint64_t>{MS_SLAVE});
  EXPECT_EQ(bound({"unbindable"}).propagation, std::vector<uint64_t>{MS_UNBINDABLE});
}

TEST(MountOptions, SuperblockFlagsBecomeDataOfAFilesystem) {
  EXPECT_EQ(data_text(tmpfs({"sync", "dirsync", "lazytime"})), "sync,dirsync,lazytime");
  EXPECT_EQ(data_text(tmpfs({"async", "nolazytime"})), "async,nolazytime");
  const auto mandatory = tmpfs({"mand"});
  ASSERT_EQ(mandatory.data.size(), 1U);
  EXPECT_TRUE(mandatory.data[0].optional);
  for (const char* name : {"iversion", "noiversion", "silent", "loud", "defaults"}) {
    EXPECT_EQ(data_text(tmpfs({name})), "") << name;
  }
}

TEST(MountOptions, SuperblockFlagsDoNothingOnABind) {
  EXPECT_EQ(data_text(bound({"sync", "lazytime", "mand", "iversion", "silent"})), "");
}

TEST(MountOptions, ReadOnlyVirtualFilesystemsStayWritableInside) {
  const auto built = tmpfs({"ro"});
  EXPECT_EQ(built.attributes.set, uint64_t{MOUNT_ATTR_RDONLY});
  EXPECT_EQ(data_text(built), "");
}

TEST(MountOptions, ReadOnlyDiskFilesystemsAreMountedReadOnly) {
  ASSERT_OK_AND_ASSIGN(const auto built, build_one(mount("/mnt", "ext4", "/dev/sda1", {"ro"})));
  EXPECT_EQ(data_text(built), "ro");
  EXPECT_EQ(built.attributes.set, uint64_t{MOUNT_ATTR_RDONLY});
  ASSERT_OK_AND_ASSIGN(const auto again,
                       build_one(mount("/mnt", "ext4", "/dev/sda1", {"ro", "rw"})));
  EXPECT_EQ(data_text(again), "");
}

TEST(MountOptions, UnknownOnesAreForTheFilesystem) {
  const auto built = tmpfs({"nosuid", "mode=755", "size=65536k", "newthing", "a=b=c"});
  EXPECT_EQ(data_text(built), "mode=755,size=65536k,newthing,a=b=c");
  EXPECT_EQ(built.data[0].key, "mode");
  EXPECT_EQ(built.data[0].value, "755");
  EXPECT_EQ(built.data[2].value, std::nullopt);
  EXPECT_EQ(built.data[3].key, "a");
  EXPECT_EQ(built.data[3].value, "b=c");
}

TEST(MountOptions, OneElementMayHoldSeveral) {
  EXPECT_EQ(data_text(tmpfs({"size=1k,mode=700,nosuid"})), "size=1k,mode=700");
  EXPECT_EQ(data_text(tmpfs({"context=\"u:r:t:s0:c1,c2\",mode=700"})),
            "context=u:r:t:s0:c1,c2,mode=700");
  EXPECT_EQ(data_text(tmpfs({"lowerdir=/a\\,b:/c"})), "lowerdir=/a\\,b:/c");
}

TEST(MountOptions, OnesForMountItselfAreDropped) {
  const std::vector<std::string> dropped{"x-systemd.automount",
                                         "X-mount.mkdir",
                                         "comment=hello",
                                         "nofail",
                                         "_netdev",
                                         "noauto",
                                         "nouser",
                                         ""};
  EXPECT_EQ(data_text(tmpfs(dropped)), "");
  EXPECT_TRUE(bound(dropped).attributes.empty());
}

TEST(MountOptions, UnknownOnesOnABindAreAnError) {
  EXPECT_ERROR(build_one(mount("/mnt", "", "/src", {"bind", "size=1k"})),
               ErrorKind::InvalidSpec,
               "/mounts/0/options/1");
}

TEST(Mounts, KindFollowsTheOptions) {
  EXPECT_EQ(bound({}).kind, MountKind::Bind);
  EXPECT_FALSE(bound({}).recursive);
  EXPECT_TRUE(bound({"rbind"}).recursive);
  EXPECT_EQ(tmpfs({}).kind, MountKind::Filesystem);
  ASSERT_OK_AND_ASSIGN(const auto cgroup,
                       build_one(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro"})));
  EXPECT_EQ(cgroup.kind, MountKind::Cgroup);
  EXPECT_EQ(cgroup.attributes.set, uint64_t{MOUNT_ATTR_RDONLY});
  ASSERT_OK_AND_ASSIGN(const auto bound_cgroup,
                       build_one(mount("/sys/fs/cgroup", "cgroup", "/sys/fs/cgroup", {"rbind"})));
  EXPECT_EQ(bound_cgroup.kind, MountKind::Bind);
  ASSERT_OK_AND_ASSIGN(const auto remount, build_one(mount("/mnt", "", "", {"remount", "ro"})));
  EXPECT_EQ(remount.kind, MountKind::Remount);
  ASSERT_OK_AND_ASSIGN(const auto propagation, build_one(mount("/mnt", "", "", {"rshared"})));
  EXPECT_EQ(propagation.kind, MountKind::Propagation);
}

TEST(Mounts, RemountOfAFilesystemTakesItsData) {
  ASSERT_OK_AND_ASSIGN(const auto built,
                       build_one(mount("/dev/shm", "tmpfs", "", {"remount", "size=1m", "nosuid"})));
  EXPECT_EQ(data_text(built), "size=1m");
  ASSERT_OK_AND_ASSIGN(const auto read_only, build_one(mount("/mnt", "", "", {"remount", "ro"})));
  EXPECT_EQ(data_text(read_only), "") << "the superblock may be the host's";
  EXPECT_ERROR(build_one(mount("/mnt", "", "", {"remount", "bind", "size=1m"})),
               ErrorKind::InvalidSpec,
               "/mounts/0/options/2");
}

TEST(Mounts, TypeIsNeededWithoutABind) {
  EXPECT_ERROR(
      build_one(mount("/mnt", "", "/src", {"ro"})), ErrorKind::InvalidSpec, "/mounts/0/type");
  EXPECT_ERROR(build_one(mount("/mnt", "", "", {"rshared", "rro"})),
               ErrorKind::InvalidSpec,
               "/mounts/0/type");
  EXPECT_ERROR(build_one(mount("/mnt", "bind", "/src", {"ro"})),
               ErrorKind::InvalidSpec,
               "/mounts/0/options");
}

TEST(Mounts, BindSourceIsRelativeToTheBundle) {
  ASSERT_OK_AND_ASSIGN(const auto relative, build_one(mount("/mnt", "", "data/./x", {"bind"})));
  EXPECT_EQ(relative.source, "/bundles/one/data/x");
  ASSERT_OK_AND_ASSIGN(const auto absolute, build_one(mount("/mnt", "none", "/a//b/", {"rbind"})));
  EXPECT_EQ(absolute.source, "/a/b");
  EXPECT_EQ(absolute.type, "");
  EXPECT_ERROR(
      build_one(mount("/mnt", "", "", {"bind"})), ErrorKind::InvalidSpec, "/mounts/0/source");
}

TEST(Mounts, FilesystemWithoutASourceIsNamedByItsType) {
  ASSERT_OK_AND_ASSIGN(const auto built, build_one(mount("/proc", "proc", "", {})));
  EXPECT_EQ(built.source, "proc");
  EXPECT_EQ(built.type, "proc");
}

TEST(Mounts, DestinationIsCleanAndAbsolute) {
  EXPECT_EQ(build_one(mount("a/../b//c/", "tmpfs", "", {}))->destination, "/b/c");
  EXPECT_EQ(build_one(mount("/../../etc", "tmpfs", "", {}))->destination, "/etc");
}

TEST(Mounts, AttributesOfANewFilesystemAreOnlySet) {
  const auto built = tmpfs({"rw", "exec", "noatime"});
  EXPECT_EQ(built.attributes.set, uint64_t{MOUNT_ATTR_NOATIME});
  EXPECT_EQ(built.attributes.clear, 0U);
}

TEST(Mounts, CopyUpIsForTmpfsAlone) {
  EXPECT_TRUE(tmpfs({"tmpcopyup"}).copy_up);
  EXPECT_FALSE(bound({"tmpcopyup"}).copy_up);
}

TEST(Mounts, IdmapTakesTheMappingsOfTheMount) {
  auto configured = mount("/mnt", "", "/src", {"rbind", "ridmap"});
  configured.uid_mappings = {{.container_id = 0, .host_id = 5, .size = 6}};
  configured.gid_mappings = {{.container_id = 1, .host_id = 7, .size = 8}};
  ASSERT_OK_AND_ASSIGN(const auto built, build_one(configured));
  ASSERT_TRUE(built.idmap.has_value());
  EXPECT_TRUE(built.idmap->recursive);
  EXPECT_EQ(built.idmap->uid_map,
            (std::vector<IdMapping>{{.container_id = 0, .host_id = 5, .size = 6}}));
  EXPECT_EQ(built.idmap->gid_map,
            (std::vector<IdMapping>{{.container_id = 1, .host_id = 7, .size = 8}}));
}

TEST(Mounts, MappingsAloneAreAnIdmap) {
  auto configured = mount("/mnt", "", "/src", {"bind"});
  configured.uid_mappings =
      configured.gid_mappings = {{.container_id = 0, .host_id = 5, .size = 6}};
  ASSERT_OK_AND_ASSIGN(const auto built, build_one(configured));
  ASSERT_TRUE(built.idmap.has_value());
  EXPECT_FALSE(built.idmap->recursive);
  configured.gid_mappings.clear();
  EXPECT_ERROR(build_one(configured), ErrorKind::InvalidSpec, "/mounts/0");
}

TEST(Mounts, IdmapWithoutMappingsUsesTheUserNamespace) {
  const auto configured = mount("/mnt", "", "/src", {"bind", "idmap"});
  ASSERT_OK_AND_ASSIGN(const auto built, build_one(configured, true));
  ASSERT_TRUE(built.idmap.has_value());
  EXPECT_TRUE(built.idmap->uid_map.empty());
  EXPECT_ERROR(build_one(configured, false), ErrorKind::InvalidSpec, "/mounts/0");
}

TEST(Mounts, LabelIsContextOnFilesystemsThatTakeIt) {
  auto spec = testing::small_spec();
  spec.linux_->mount_label = "u:r:t:s0:c1,c2";
  spec.mounts = {mount("/tmp", "tmpfs", "", {"mode=700"}),
                 mount("/proc", "proc", "", {}),
                 mount("/src", "", "/src", {"bind"}),
                 mount("/own", "tmpfs", "", {"context=\"a\""})};
  auto facts = testing::host_v2();
  EXPECT_ERROR(build(spec, testing::options(), facts), ErrorKind::Unsupported, "/linux/mountLabel");
  facts.selinux = true;
  ASSERT_OK_AND_ASSIGN(const auto plan, build(spec, testing::options(), facts));
  EXPECT_EQ(data_text(plan.mounts[0]), "mode=700,context=u:r:t:s0:c1,c2");
  EXPECT_EQ(data_text(plan.mounts[1]), "");
  EXPECT_EQ(data_text(plan.mounts[2]), "");
  EXPECT_EQ(data_text(plan.mounts[3]), "context=a");
}

TEST(Mounts, IndexIsThatOfTheConfiguration) {
  auto spec = testing::small_spec();
  spec.mounts = {mount("/a", "tmpfs", "", {}), mount("/b", "tmpfs", "", {})};
  ASSERT_OK_AND_ASSIGN(const auto plan, build(spec, testing::options(), testing::host_v2()));
  EXPECT_EQ(plan.mounts[1].index, 1U);
  EXPECT_EQ(plan.mounts[1].destination, "/b");
}

TEST(RootfsPropagation, DefaultsToRecursiveSlave) {
  auto spec = testing::small_spec();
  EXPECT_EQ(build(spec, testing::options(), testing::host_v2())->rootfs_propagation,
            uint64_t{MS_SLAVE | MS_REC});
  spec.linux_->rootfs_propagation = "shared";
  EXPECT_EQ(build(spec, testing::options(), testing::host_v2())->rootfs_propagation,
            uint64_t{MS_SHARED});
  spec.linux_->rootfs_propagation = "rprivate";
  EXPECT_EQ(build(spec, testing::options(), testing::host_v2())->rootfs_propagation,
            uint64_t{MS_PRIVATE | MS_REC});
  for (const char* wrong : {"bogus", "ro", "bind"}) {
    spec.linux_->rootfs_propagation = wrong;
    EXPECT_ERROR(build(spec, testing::options(), testing::host_v2()),
                 ErrorKind::InvalidSpec,
                 "/linux/rootfsPropagation");
  }
}

}  // namespace
}  // namespace corten::plan
