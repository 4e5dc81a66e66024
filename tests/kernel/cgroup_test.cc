// The cgroup driver on the host's hierarchies, in cgroups of its own.
#include <unistd.h>

#include <csignal>
#include <string>

#include "support.h"
#include <corten/cgroup/manager.h>
#include <corten/host/probe.h>
#include <corten/plan/build.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::cgroup {
namespace {

class RealCgroups : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "root is needed";
    auto facts = host::probe();
    ASSERT_OK(facts);
    if (facts->cgroup.v1.empty() && facts->cgroup.v2.empty())
      GTEST_SKIP() << "no cgroup hierarchy is mounted";
    facts_ = std::move(*facts);
    plan::Cgroup plan;
    plan.path = "/corten-test-" + std::to_string(::getpid());
    auto manager = make_manager(plan, facts_.cgroup);
    ASSERT_OK(manager);
    manager_ = std::move(*manager);
    ASSERT_OK(manager_->create());
  }
  void TearDown() override {
    if (!manager_) return;
    EXPECT_OK(manager_->remove(5000));
  }

  // A child in the cgroups that waits to be killed.
  pid_t spawn() {
    const auto entrance = manager_->entrance();
    EXPECT_OK(entrance);
    const auto pipe = sys::pipe();
    const pid_t pid = ::fork();
    if (pid == 0) {
      const bool entered = entrance->enter_self(Entrance::WithV2::Yes).has_value();
      [[maybe_unused]] const auto written = ::write(pipe->second.get(), entered ? "y" : "n", 1);
      for (;;) ::pause();
    }
    char entered = 0;
    EXPECT_EQ(::read(pipe->first.get(), &entered, 1), 1);
    EXPECT_EQ(entered, 'y');
    return pid;
  }

  plan::HostFacts facts_;
  std::unique_ptr<Manager> manager_;
};

TEST_F(RealCgroups, AChildEntersAndIsCounted) {
  const pid_t pid = spawn();
  ASSERT_OK_AND_ASSIGN(const auto pids, manager_->pids());
  EXPECT_EQ(pids, std::vector<pid_t>{pid});
  ASSERT_OK(manager_->signal_all(SIGKILL));
  ASSERT_OK_AND_ASSIGN(const auto exit, sys::wait_child(pid));
  EXPECT_TRUE(exit.signaled);
  EXPECT_EQ(exit.code, SIGKILL);
}

TEST_F(RealCgroups, FrozenProcessesCanBeKilled) {
  const pid_t pid = spawn();
  ASSERT_OK(manager_->freeze());
  ASSERT_OK_AND_ASSIGN(const bool frozen, manager_->frozen());
  EXPECT_TRUE(frozen);
  ASSERT_OK(manager_->signal_all(SIGKILL));
  ASSERT_OK(sys::wait_child(pid));
}

TEST_F(RealCgroups, RemoveKillsWhatIsLeft) {
  const pid_t pid = spawn();
  ASSERT_OK(manager_->remove(5000));
  ASSERT_OK_AND_ASSIGN(const auto exit, sys::wait_child(pid));
  EXPECT_TRUE(exit.signaled);
}

TEST_F(RealCgroups, LimitsReadBack) {
  spec::Resources resources;
  resources.pids = spec::Pids{.limit = 17};
  const auto writes = plan::build_cgroup_writes(resources, facts_.cgroup);
  if (!writes) GTEST_SKIP() << writes.error().message();
  ASSERT_OK(manager_->apply(*writes));
  ASSERT_OK_AND_ASSIGN(const std::string value, manager_->read("pids", "pids.max"));
  EXPECT_EQ(value, "17\n");
}

TEST_F(RealCgroups, ASecondOwnerIsRefused) {
  const pid_t pid = spawn();
  plan::Cgroup plan;
  plan.path = manager_->record().locations.front().path;
  ASSERT_OK_AND_ASSIGN(const auto second, make_manager(plan, facts_.cgroup));
  EXPECT_ERROR(second->create(), ErrorKind::WrongState);
  ASSERT_OK(manager_->signal_all(SIGKILL));
  ASSERT_OK(sys::wait_child(pid));
}

}  // namespace
}  // namespace corten::cgroup
