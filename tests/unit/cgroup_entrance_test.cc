// exec --cgroup on directory trees that look like hierarchies.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "support.h"
#include <corten/cgroup/entrance.h>
#include <corten/sys/file.h>

namespace corten::cgroup {
namespace {

TEST(SubCgroup, ParsesBothForms) {
  ASSERT_OK_AND_ASSIGN(const SubCgroup all, parse_sub_cgroup("a/b"));
  EXPECT_TRUE(all.controllers.empty());
  EXPECT_EQ(all.path, "a/b");
  ASSERT_OK_AND_ASSIGN(const SubCgroup two, parse_sub_cgroup("cpu,memory:/x"));
  EXPECT_EQ(two.controllers, (std::vector<std::string>{"cpu", "memory"}));
  EXPECT_EQ(two.path, "/x");
  for (const char* wrong : {"", ":x", "cpu:", "cpu,:x", "..", "cpu:a/../../b"})
    EXPECT_ERROR(parse_sub_cgroup(wrong), ErrorKind::InvalidArgument);
}

class EntranceTree : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "corten-entrance-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    for (const char* name : {"/cpu", "/memory", "/unified"}) {
      make(name);
      make(name + std::string("/c"));
      make(name + std::string("/c/sub"));
    }
    record_.locations = {{{"cpu"}, root_ + "/cpu", "/c", false, 0},
                         {{"memory"}, root_ + "/memory", "/c", false, 0},
                         {{"hugetlb"}, root_ + "/unified", "/c", true, 0}};
  }
  void TearDown() override {
    const auto top = sys::open(::testing::TempDir(), O_RDONLY | O_DIRECTORY);
    if (top) (void)sys::remove_tree_at(top->get(), root_.substr(root_.rfind('/') + 1));
  }
  void make(const std::string& path) {
    ASSERT_EQ(::mkdir((root_ + path).c_str(), 0755), 0);
    const auto tasks = sys::open(root_ + path + "/tasks", O_WRONLY | O_CREAT, 0644);
    ASSERT_OK(tasks);
  }
  std::string name(int fd) const {
    const auto path = sys::readlinkat(AT_FDCWD, "/proc/self/fd/" + std::to_string(fd));
    return path ? path->substr(root_.size()) : "";
  }
  Result<std::vector<std::string>> places(const std::vector<std::string>& options) const {
    std::vector<SubCgroup> below;
    for (const auto& option : options) below.push_back(TRY(parse_sub_cgroup(option)));
    const Entrance entrance = TRY(open_entrance(record_, below));
    std::vector<std::string> names;
    for (const auto& tasks : entrance.tasks) names.push_back(name(tasks.get()));
    names.push_back(name(entrance.v2_dir.get()));
    return names;
  }

  std::string root_;
  Record record_;
};

using Names = std::vector<std::string>;

TEST_F(EntranceTree, WithoutAControllerEveryHierarchyIsMeant) {
  ASSERT_OK_AND_ASSIGN(const auto names, places({"sub"}));
  EXPECT_EQ(names, (Names{"/cpu/c/sub/tasks", "/memory/c/sub/tasks", "/unified/c/sub"}));
}

TEST_F(EntranceTree, ControllersNameTheirHierarchies) {
  ASSERT_OK_AND_ASSIGN(const auto v1, places({"memory:/sub"}));
  EXPECT_EQ(v1, (Names{"/cpu/c/tasks", "/memory/c/sub/tasks", "/unified/c"}));
  ASSERT_OK_AND_ASSIGN(const auto v2, places({"hugetlb:sub"}));
  EXPECT_EQ(v2, (Names{"/cpu/c/tasks", "/memory/c/tasks", "/unified/c/sub"}));
  ASSERT_OK_AND_ASSIGN(const auto mixed, places({"sub", "cpu:."}));
  EXPECT_EQ(mixed, (Names{"/cpu/c/tasks", "/memory/c/sub/tasks", "/unified/c/sub"}));
}

TEST_F(EntranceTree, WhatOneHierarchyLacksIsEnteredInTheOthers) {
  make("/memory/c/only");
  ASSERT_OK_AND_ASSIGN(const auto names, places({"only"}));
  EXPECT_EQ(names, (Names{"/cpu/c/tasks", "/memory/c/only/tasks", "/unified/c"}));
}

TEST_F(EntranceTree, MissingAndAmbiguousOnesAreErrors) {
  EXPECT_ERROR(places({"nowhere"}), ErrorKind::NotFound);
  EXPECT_ERROR(places({"cpu:nowhere"}), ErrorKind::NotFound);
  EXPECT_ERROR(places({"rdma:sub"}), ErrorKind::InvalidArgument);
  EXPECT_ERROR(places({"cpu:sub", "cpu:."}), ErrorKind::InvalidArgument);
}

TEST_F(EntranceTree, ASymbolicLinkIsNotFollowed) {
  ASSERT_EQ(::symlink("/", (root_ + "/cpu/c/link").c_str()), 0);
  EXPECT_FALSE(places({"cpu:link"}).has_value());
}

}  // namespace
}  // namespace corten::cgroup
