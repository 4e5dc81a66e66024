// The cgroupfs driver on a directory tree that looks like a hierarchy: everything but the kernel's
// behaviour.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "support.h"
#include <corten/cgroup/manager.h>
#include <corten/host/probe.h>
#include <corten/sys/file.h>

namespace corten::cgroup {
namespace {

class FakeTree : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "corten-cgroup-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    for (const char* name : {"/memory", "/cpu,cpuacct", "/unified"})
      ASSERT_EQ(::mkdir((root_ + name).c_str(), 0755), 0);
  }
  void TearDown() override {
    const auto top = sys::open(::testing::TempDir(), O_RDONLY | O_DIRECTORY);
    if (top) (void)sys::remove_tree_at(top->get(), root_.substr(root_.rfind('/') + 1));
  }

  plan::CgroupFacts facts() const {
    plan::CgroupFacts facts;
    facts.v1 = {{{"memory"}, root_ + "/memory", "/own"},
                {{"cpu", "cpuacct"}, root_ + "/cpu,cpuacct", "/"}};
    return facts;
  }
  void put(const std::string& path, const std::string& text) {
    const auto file = sys::open(root_ + path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_OK(file);
    ASSERT_OK(sys::write_all(file->get(), text));
  }
  std::string get(const std::string& path) {
    return sys::read_file(root_ + path, 4096).value_or("(missing)");
  }
  bool exists(const std::string& path) const { return ::access((root_ + path).c_str(), F_OK) == 0; }

  std::string root_;
};

TEST_F(FakeTree, MakesADirectoryInEveryHierarchyAndCountsWhatWasThere) {
  ASSERT_EQ(::mkdir((root_ + "/memory/parent").c_str(), 0755), 0);
  plan::Cgroup plan;
  plan.path = "/parent/child";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  ASSERT_OK(manager->create());
  EXPECT_TRUE(exists("/memory/parent/child"));
  EXPECT_TRUE(exists("/cpu,cpuacct/parent/child"));
  EXPECT_EQ(manager->record().locations[0].existing_components, 1U);
  EXPECT_EQ(manager->record().locations[1].existing_components, 0U);
  ASSERT_OK(manager->remove(100));
  EXPECT_TRUE(exists("/memory/parent"));
  EXPECT_FALSE(exists("/memory/parent/child"));
  EXPECT_FALSE(exists("/cpu,cpuacct/parent"));
}

TEST_F(FakeTree, RelativePathsStartAtTheRuntimesOwnCgroup) {
  plan::Cgroup plan;
  plan.path = "/child";
  plan.relative = true;
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  EXPECT_EQ(manager->record().locations[0].path, "/own/child");
  EXPECT_EQ(manager->record().locations[1].path, "/child");
}

TEST_F(FakeTree, RefusesACgroupInUseAndLeavesItAlone) {
  ASSERT_EQ(::mkdir((root_ + "/cpu,cpuacct/taken").c_str(), 0755), 0);
  put("/cpu,cpuacct/taken/cgroup.procs", "1\n");
  plan::Cgroup plan;
  plan.path = "/taken";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  EXPECT_ERROR(manager->create(), ErrorKind::WrongState);
  EXPECT_TRUE(exists("/cpu,cpuacct/taken/cgroup.procs"));
  EXPECT_FALSE(exists("/memory/taken"));
}

TEST_F(FakeTree, RefusesACgroupInUseFurtherDown) {
  ASSERT_EQ(::mkdir((root_ + "/memory/engine").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((root_ + "/memory/engine/other").c_str(), 0755), 0);
  put("/memory/engine/cgroup.procs", "");
  put("/memory/engine/other/cgroup.procs", "1\n");
  plan::Cgroup plan;
  plan.path = "/engine";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  EXPECT_ERROR(manager->create(), ErrorKind::WrongState);
  EXPECT_TRUE(exists("/memory/engine/other"));
}

TEST_F(FakeTree, AFailedCreateLeavesNoDirectory) {
  ASSERT_EQ(::mkdir((root_ + "/cpuset").c_str(), 0755), 0);
  plan::CgroupFacts with_cpuset = facts();
  with_cpuset.v1.push_back({{"cpuset"}, root_ + "/cpuset", "/"});
  plan::Cgroup plan;
  plan.path = "/parent/child";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, with_cpuset));
  // The fake tree has no cpuset.cpus: making the directory succeeds, preparing it does not.
  EXPECT_ERROR(manager->create(), ErrorKind::System);
  EXPECT_FALSE(exists("/memory/parent"));
  EXPECT_FALSE(exists("/cpuset/parent"));
}

TEST_F(FakeTree, WritesToTheHierarchyOfTheController) {
  plan::Cgroup plan;
  plan.path = "/c";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  ASSERT_OK(manager->create());
  put("/memory/c/memory.limit_in_bytes", "");
  put("/cpu,cpuacct/c/cpu.shares", "");
  ASSERT_OK(manager->apply(
      {{"memory", "memory.limit_in_bytes", "1000", "/m"}, {"cpu", "cpu.shares", "512", "/c"}}));
  EXPECT_EQ(get("/memory/c/memory.limit_in_bytes"), "1000");
  EXPECT_EQ(get("/cpu,cpuacct/c/cpu.shares"), "512");
}

TEST_F(FakeTree, MissingFilesAreErrorsUnlessOptionalOrReplaced) {
  plan::Cgroup plan;
  plan.path = "/c";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  ASSERT_OK(manager->create());
  plan::CgroupWrite write{"memory", "memory.nope", "1", "/linux/resources/memory"};
  EXPECT_ERROR(manager->apply({write}), ErrorKind::Unsupported, "/linux/resources/memory");
  write.optional = true;
  EXPECT_OK(manager->apply({write}));
  put("/memory/c/memory.other", "");
  write.optional = false;
  write.fallback_file = "memory.other";
  write.fallback_value = "2";
  EXPECT_OK(manager->apply({write}));
  EXPECT_EQ(get("/memory/c/memory.other"), "2");
}

TEST_F(FakeTree, UpdateGivesOldValuesBackWhenAWriteFails) {
  plan::Cgroup plan;
  plan.path = "/c";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  ASSERT_OK(manager->create());
  put("/memory/c/memory.limit_in_bytes", "7777");
  EXPECT_ERROR(manager->update({{"memory", "memory.limit_in_bytes", "1234", "/a"},
                                {"memory", "memory.nope", "1", "/b"}}),
               ErrorKind::Unsupported,
               "/b");
  EXPECT_EQ(get("/memory/c/memory.limit_in_bytes").substr(0, 4), "7777");
}

TEST_F(FakeTree, ALimitBelowTheUsageIsRefusedBeforeAnythingIsWritten) {
  plan::Cgroup plan;
  plan.path = "/c";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  ASSERT_OK(manager->create());
  put("/memory/c/memory.limit_in_bytes", "9999");
  put("/memory/c/memory.usage_in_bytes", "5000\n");
  plan::CgroupWrite write{"memory", "memory.limit_in_bytes", "1000", "/limit"};
  write.usage_file = "memory.usage_in_bytes";
  EXPECT_ERROR(manager->apply({write}), ErrorKind::InvalidSpec, "/limit");
  EXPECT_EQ(get("/memory/c/memory.limit_in_bytes"), "9999");
}

TEST_F(FakeTree, PidsAreCollectedFromBelow) {
  plan::Cgroup plan;
  plan.path = "/c";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  ASSERT_OK(manager->create());
  ASSERT_EQ(::mkdir((root_ + "/memory/c/sub").c_str(), 0755), 0);
  put("/memory/c/cgroup.procs", "12\n7\n");
  put("/memory/c/sub/cgroup.procs", "9\n7\n");
  ASSERT_OK_AND_ASSIGN(const auto pids, manager->pids());
  EXPECT_EQ(pids, (std::vector<pid_t>{7, 9, 12}));
}

TEST_F(FakeTree, ASymlinkInAPathIsNotFollowed) {
  ASSERT_EQ(::symlink("..", (root_ + "/memory/evil").c_str()), 0);
  plan::Cgroup plan;
  plan.path = "/evil/c";
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, facts()));
  const bool made =
      manager->create().has_value() && manager->read("memory", "cgroup.procs").has_value();
  EXPECT_FALSE(made);
}

TEST(CgroupDrivers, DisabledRefusesLimits) {
  plan::Cgroup plan;
  plan.driver = plan::CgroupDriver::Disabled;
  ASSERT_OK_AND_ASSIGN(const auto manager, make_manager(plan, {}));
  EXPECT_OK(manager->create());
  EXPECT_ERROR(manager->apply({{"memory", "memory.max", "1", "/m"}}), ErrorKind::Unsupported, "/m");
}

TEST(HostProbe, FindsUnusualLayoutsInMountinfo) {
  const auto facts = host::cgroups_from_mountinfo(
      "5:memory:/a\n4:cpu,cpuacct:/\n1:name=systemd:/b\n0::/c\n",
      "30 24 0:26 / /cg/mem rw,nosuid shared:9 - cgroup cgroup rw,memory\n"
      "31 24 0:27 / /cg/cpu rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
      "32 24 0:28 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "33 24 0:29 / /cg/two rw - cgroup2 cgroup2 rw\n",
      "hugetlb pids\n");
  ASSERT_EQ(facts.v1.size(), 3U);
  EXPECT_EQ(facts.find_v1("cpuacct")->mount_point, "/cg/cpu");
  EXPECT_EQ(facts.find_v1("memory")->own_path, "/a");
  ASSERT_EQ(facts.v2.size(), 1U);
  EXPECT_EQ(facts.v2[0].mount_point, "/cg/two");
  EXPECT_TRUE(facts.has_v2("hugetlb"));
  EXPECT_FALSE(facts.unified());
}

}  // namespace
}  // namespace corten::cgroup
