// The rules of config-linux.md "IntelRdt" on a directory tree that looks like a resctrl filesystem:
// everything but the hardware.
#include "resctrl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "intel_rdt.h"
#include "rdt_schema.h"
#include "rdt_stats.h"
#include "support.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>

namespace corten::runtime {
namespace {

using Strings = std::vector<std::string>;

constexpr const char* kFullSchemata = "    MB:0=100;1=100\n    L3:0=fff;1=fff\n";

class FakeResctrl : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "corten-resctrl-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    for (const char* name : {"/info", "/info/L3", "/info/MB", "/info/L3_MON", "/mon_groups"})
      ASSERT_EQ(::mkdir((path_ + name).c_str(), 0755), 0);
    put("/schemata", kFullSchemata);
    put("/tasks", "");
    put("/info/last_cmd_status", "ok\n");
    put("/info/MB/bandwidth_gran", "10\n");
  }
  void TearDown() override {
    const auto top = sys::open(::testing::TempDir(), O_RDONLY | O_DIRECTORY);
    if (top) (void)sys::remove_tree_at(top->get(), path_.substr(path_.rfind('/') + 1));
  }

  void put(const std::string& path, const std::string& text) {
    const auto file = sys::open(path_ + path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_OK(file);
    ASSERT_OK(sys::write_all(file->get(), text));
  }
  std::string get(const std::string& path) {
    return sys::read_file(path_ + path, 4096).value_or("(missing)");
  }
  bool exists(const std::string& path) const { return ::access((path_ + path).c_str(), F_OK) == 0; }

  // As an administrator makes one.
  void make_class(const std::string& name, const std::string& schemata = kFullSchemata) {
    ASSERT_EQ(::mkdir((path_ + "/" + name).c_str(), 0755), 0);
    ASSERT_EQ(::mkdir((path_ + "/" + name + "/mon_groups").c_str(), 0755), 0);
    put("/" + name + "/schemata", schemata);
    put("/" + name + "/tasks", "");
  }

  Resctrl resctrl() {
    return Resctrl(*sys::open(path_, O_PATH | O_DIRECTORY),
                   {[this](int parent, const std::string& name) { return make(parent, name); },
                    [this](int parent, const std::string& name) { return remove(parent, name); },
                    [this](int fd, std::string_view text) { return write(fd, text); }});
  }

  // The container is called "box". The groups are as they were saved last.
  Result<> make_groups(const plan::IntelRdt& plan) {
    return resctrl().make_groups(plan, "box", [this](const RdtGroups& groups) {
      if (fail_save_) return Result<>(Error(ErrorKind::System, "no space"));
      groups_ = groups;
      events_.push_back(fmt::format("save {} {} {}",
                                    groups.class_name.empty() ? "/" : groups.class_name,
                                    groups.remove_class ? "remove" : "keep",
                                    groups.monitoring ? "monitoring" : "-"));
      return Result<>();
    });
  }

  static plan::IntelRdt own_class() {
    plan::IntelRdt plan;
    plan.clos_id = "box";
    return plan;
  }
  static plan::IntelRdt named_class(std::vector<plan::RdtSchema> schemata = {}) {
    plan::IntelRdt plan;
    plan.clos_id = "gold";
    plan.configured_clos = true;
    plan.schemata = std::move(schemata);
    return plan;
  }
  static plan::RdtSchema l3(std::string line) { return {std::move(line), "/l3", true}; }
  static plan::RdtSchema mb(std::string line) { return {std::move(line), "/mb", true}; }
  static plan::RdtSchema more(std::string line) { return {std::move(line), "/more", false}; }

  std::string name_of(int fd) const {
    const auto target = sys::readlinkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd));
    return target ? target->substr(path_.size()) : "?";
  }

  Result<> make(int parent, const std::string& name) {
    const std::string path = name_of(parent) + "/" + name;
    events_.push_back("mkdir " + path);
    const auto other = sys::open(path_, O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(sys::try_flock(other->get(), sys::Lock::Exclusive).value_or(true), false)
        << "the filesystem is not locked";
    if (path == refuse_make_) {
      put("/info/last_cmd_status", "Out of CLOSIDs\n");
      return Error::from_errno(ENOSPC, "mkdirat(" + path + ")");
    }
    TRY(sys::mkdirat(parent, name, 0755));
    put(path + "/tasks", "");
    if (path.find("/mon_groups/") != std::string::npos) return {};
    put(path + "/schemata", kFullSchemata);
    return sys::mkdirat(parent, name + "/mon_groups", 0755);
  }

  Result<> remove(int parent, const std::string& name) {
    events_.push_back("rmdir " + name_of(parent) + "/" + name);
    return sys::remove_tree_at(parent, name);
  }

  // A line of schemata must end; a refused write says why.
  Result<> write(int fd, std::string_view text) {
    const std::string path = name_of(fd);
    EXPECT_TRUE(!path.ends_with("/schemata") || text.ends_with('\n')) << path;
    events_.push_back(fmt::format("write {} {}", path, trim(text)));
    if (!refuse_write_.empty() && text.find(refuse_write_) != std::string_view::npos) {
      put("/info/last_cmd_status", "Unknown domain 7\n");
      return Error::from_errno(EINVAL, "write(" + path + ")");
    }
    return {};
  }

  std::string path_;
  RdtGroups groups_;
  Strings events_;
  std::string refuse_make_;   // "/box"
  std::string refuse_write_;  // a part of the text
  bool fail_save_ = false;
};

// --- closID
// ------------------------------------------------------------------------------------------------

// LX-063, LX-060.
TEST_F(FakeResctrl, WithoutClosIdTheClassIsNamedLikeTheContainer) {
  auto plan = own_class();
  plan.schemata = {l3("L3:0=f")};
  ASSERT_OK(make_groups(plan));
  EXPECT_EQ(events_, (Strings{"save box remove -", "mkdir /box", "write /box/schemata L3:0=f"}));
}

// LX-062.
TEST_F(FakeResctrl, WithoutSchemasNoSchemataFileIsWritten) {
  ASSERT_OK(make_groups(own_class()));
  EXPECT_EQ(events_, (Strings{"save box remove -", "mkdir /box"}));
}

// LX-068.
TEST_F(FakeResctrl, TheOwnClassIsRemovedWithTheContainer) {
  ASSERT_OK(make_groups(own_class()));
  ASSERT_OK(resctrl().remove_groups(groups_, "box"));
  EXPECT_FALSE(exists("/box"));
  ASSERT_OK(resctrl().remove_groups(groups_, "box")) << "a second time";
}

// LX-069.
TEST_F(FakeResctrl, AClassOfThatNameThatWasThereIsUsedAndKept) {
  make_class("box");
  auto plan = own_class();
  plan.schemata = {l3("L3:0=f")};
  ASSERT_OK(make_groups(plan));
  EXPECT_EQ(events_, (Strings{"save box keep -", "write /box/schemata L3:0=f"}));
  ASSERT_OK(resctrl().remove_groups(groups_, "box"));
  EXPECT_TRUE(exists("/box"));
}

// LX-051.
TEST_F(FakeResctrl, ClosIdRootIsTheDefaultClass) {
  auto plan = named_class();
  plan.clos_id.clear();
  ASSERT_OK(make_groups(plan));
  ASSERT_OK(resctrl().enter(groups_, "box", 42));
  ASSERT_OK(resctrl().remove_groups(groups_, "box"));
  EXPECT_EQ(events_, (Strings{"save / keep -", "write /tasks 42"}));
}

// LX-064, LX-069.
TEST_F(FakeResctrl, ANamedClassIsMadeForASchemaAndKept) {
  ASSERT_OK(make_groups(named_class({more("L3:0=f")})));
  // Only what is not complete goes with the container.
  EXPECT_EQ(
      events_,
      (Strings{
          "save gold remove -", "mkdir /gold", "write /gold/schemata L3:0=f", "save gold keep -"}));
  ASSERT_OK(resctrl().remove_groups(groups_, "box"));
  EXPECT_TRUE(exists("/gold"));
}

// LX-066.
TEST_F(FakeResctrl, ANamedClassThatIsThereIsUsedAsItIs) {
  make_class("gold");
  ASSERT_OK(make_groups(named_class()));
  ASSERT_OK(resctrl().remove_groups(groups_, "box"));
  EXPECT_EQ(events_, (Strings{"save gold keep -"}));
  EXPECT_TRUE(exists("/gold"));
}

// LX-067.
TEST_F(FakeResctrl, ANamedClassThatIsMissingNeedsASchema) {
  EXPECT_ERROR(make_groups(named_class()), ErrorKind::InvalidSpec, "/linux/intelRdt/closID");
  EXPECT_EQ(events_, Strings{});
  EXPECT_FALSE(exists("/gold"));
}

// LX-065.
TEST_F(FakeResctrl, ANamedClassThatIsThereMustHaveTheValues) {
  make_class("gold", "    MB:0=100;1=50\n    L3:0=fff;1=00f\n");
  EXPECT_ERROR(make_groups(named_class({l3("L3:1=f0")})), ErrorKind::InvalidSpec, "/l3");
  EXPECT_ERROR(make_groups(named_class({mb("MB:0=50")})), ErrorKind::InvalidSpec, "/mb");
  EXPECT_EQ(events_, Strings{});
  // The kernel had rounded 45 up.
  ASSERT_OK(make_groups(named_class({l3("L3:1=f"), mb("MB:1=45")})));
  EXPECT_EQ(
      events_,
      (Strings{"save gold keep -", "write /gold/schemata L3:1=f", "write /gold/schemata MB:1=45"}));
}

// What schemata names is written and not compared: it is what the class has afterwards.
TEST_F(FakeResctrl, SchemataAreNotCompared) {
  make_class("gold");
  ASSERT_OK(make_groups(named_class({more("L3:0=f")})));
  EXPECT_EQ(events_.back(), "write /gold/schemata L3:0=f");
}

TEST_F(FakeResctrl, AClassIsNoFileAndNoSymbolicLink) {
  ASSERT_EQ(::mkdir((path_ + "/elsewhere").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("elsewhere", (path_ + "/gold").c_str()), 0);
  EXPECT_ERROR(make_groups(named_class()), ErrorKind::InvalidSpec, "/linux/intelRdt/closID");
  auto plan = named_class();
  plan.clos_id = "tasks";
  EXPECT_ERROR(make_groups(plan), ErrorKind::InvalidSpec, "/linux/intelRdt/closID");
}

// --- schemata
// ------------------------------------------------------------------------------------------------

// LX-058, LX-059, LX-061: the plan has them in this order.
TEST_F(FakeResctrl, EveryLineIsAWriteOfItsOwnInOrder) {
  auto plan = own_class();
  plan.schemata = {l3("L3:0=ff"), mb("MB:0=20"), more("L3:0=f"), more("L2:0=3")};
  ASSERT_OK(make_groups(plan));
  EXPECT_EQ(events_,
            (Strings{"save box remove -",
                     "mkdir /box",
                     "write /box/schemata L3:0=ff",
                     "write /box/schemata MB:0=20",
                     "write /box/schemata L3:0=f",
                     "write /box/schemata L2:0=3"}));
}

TEST_F(FakeResctrl, ARefusedLineSaysWhyAndLeavesNothing) {
  auto plan = own_class();
  plan.schemata = {l3("L3:0=f"), more("L3:7=f")};
  refuse_write_ = "L3:7";
  const auto made = make_groups(plan);
  EXPECT_ERROR(made, ErrorKind::InvalidSpec, "/more");
  EXPECT_NE(made.error().message().find("Unknown domain 7"), std::string::npos)
      << made.error().message();
  EXPECT_FALSE(exists("/box"));
  EXPECT_EQ(events_.back(), "save box keep -");
}

TEST_F(FakeResctrl, ARefusedLineLeavesAClassThatWasThereAsItWas) {
  make_class("gold");
  refuse_write_ = "L3:7";
  auto plan = named_class({more("L3:0=f"), more("L3:7=f")});
  plan.monitoring = true;
  EXPECT_ERROR(make_groups(plan), ErrorKind::InvalidSpec, "/more");
  EXPECT_EQ(events_,
            (Strings{"save gold keep monitoring",
                     "mkdir /gold/mon_groups/box",
                     "write /gold/schemata L3:0=f",
                     "write /gold/schemata L3:7=f",
                     "write /gold/schemata MB:0=100;1=100",
                     "write /gold/schemata L3:0=fff;1=fff",
                     "rmdir /gold/mon_groups/box",
                     "save gold keep -"}));
  EXPECT_TRUE(exists("/gold"));
}

TEST_F(FakeResctrl, ANamedClassThatCannotBeFilledIsRemoved) {
  refuse_write_ = "L3:7";
  EXPECT_ERROR(make_groups(named_class({more("L3:7=f")})), ErrorKind::InvalidSpec, "/more");
  EXPECT_FALSE(exists("/gold"));
  EXPECT_FALSE(groups_.remove_class);
}

TEST_F(FakeResctrl, AClassThatTheHardwareHasNoRoomForSaysSo) {
  refuse_make_ = "/box";
  const auto made = make_groups(own_class());
  EXPECT_ERROR(made, ErrorKind::InvalidSpec, "/linux/intelRdt/closID");
  EXPECT_NE(made.error().message().find("Out of CLOSIDs"), std::string::npos);
  EXPECT_EQ(made.error().errno_value(), ENOSPC);
  EXPECT_FALSE(groups_.remove_class);
}

TEST_F(FakeResctrl, NothingIsMadeThatCannotBeRecorded) {
  fail_save_ = true;
  EXPECT_ERROR(make_groups(own_class()), ErrorKind::System);
  EXPECT_EQ(events_, Strings{});
  EXPECT_FALSE(exists("/box"));
}

TEST_F(FakeResctrl, UpdateWritesIntoTheClassAndTellsWhatWasThere) {
  make_class("gold");
  ASSERT_OK_AND_ASSIGN(const auto before,
                       resctrl().write_schemata({"gold", false, false}, {l3("L3:0=f")}));
  ASSERT_EQ(before.size(), 2U);
  EXPECT_EQ(before[0].line, "MB:0=100;1=100");
  EXPECT_EQ(before[1].line, "L3:0=fff;1=fff");
  EXPECT_EQ(events_, (Strings{"write /gold/schemata L3:0=f"}));
  refuse_write_ = "L3:9";
  EXPECT_ERROR(resctrl().write_schemata({"gold", false, false}, {l3("L3:9=f")}),
               ErrorKind::InvalidSpec,
               "/l3");
}

// --- tasks and monitoring
// ------------------------------------------------------------------------------------------------

// LX-048.
TEST_F(FakeResctrl, AProcessEntersTheClass) {
  ASSERT_OK(make_groups(own_class()));
  ASSERT_OK(resctrl().enter(groups_, "box", 42));
  EXPECT_EQ(events_.back(), "write /box/tasks 42");
}

// LX-070, LX-071, LX-072.
TEST_F(FakeResctrl, AMonitoringGroupIsMadeInTheClassAndRemoved) {
  make_class("gold");
  auto plan = named_class();
  plan.monitoring = true;
  ASSERT_OK(make_groups(plan));
  ASSERT_OK(resctrl().enter(groups_, "box", 42));
  // The class first: the kernel takes a thread into a monitoring group of its own class only.
  EXPECT_EQ(events_,
            (Strings{"save gold keep monitoring",
                     "mkdir /gold/mon_groups/box",
                     "write /gold/tasks 42",
                     "write /gold/mon_groups/box/tasks 42"}));
  ASSERT_OK(resctrl().remove_groups(groups_, "box"));
  EXPECT_FALSE(exists("/gold/mon_groups/box"));
  EXPECT_TRUE(exists("/gold"));
}

TEST_F(FakeResctrl, AMonitoringGroupOfTheDefaultClass) {
  auto plan = named_class();
  plan.clos_id.clear();
  plan.monitoring = true;
  ASSERT_OK(make_groups(plan));
  EXPECT_TRUE(exists("/mon_groups/box/tasks"));
  ASSERT_OK(resctrl().remove_groups(groups_, "box"));
  EXPECT_FALSE(exists("/mon_groups/box"));
}

TEST_F(FakeResctrl, AMonitoringGroupOfTheOwnClass) {
  auto plan = own_class();
  plan.monitoring = true;
  ASSERT_OK(make_groups(plan));
  EXPECT_TRUE(exists("/box/mon_groups/box/tasks"));
  ASSERT_OK(resctrl().remove_groups(groups_, "box"));
  EXPECT_FALSE(exists("/box"));
}

// LX-073.
TEST_F(FakeResctrl, AMonitoringGroupThatCannotBeMadeIsAnErrorAndLeavesNothing) {
  refuse_make_ = "/gold/mon_groups/box";
  auto plan = named_class({l3("L3:0=f")});
  plan.monitoring = true;
  EXPECT_ERROR(make_groups(plan), ErrorKind::InvalidSpec, "/linux/intelRdt/enableMonitoring");
  EXPECT_FALSE(exists("/gold"));
  EXPECT_FALSE(groups_.remove_class || groups_.monitoring);
}

TEST_F(FakeResctrl, WithoutMonitoringInTheHardwareItIsAnError) {
  make_class("gold");
  ASSERT_EQ(::rmdir((path_ + "/gold/mon_groups").c_str()), 0);
  auto plan = named_class();
  plan.monitoring = true;
  EXPECT_ERROR(make_groups(plan), ErrorKind::InvalidSpec, "/linux/intelRdt/enableMonitoring");
}

TEST_F(FakeResctrl, AMonitoringGroupOfSomebodyElseIsNotShared) {
  make_class("gold");
  ASSERT_EQ(::mkdir((path_ + "/gold/mon_groups/box").c_str(), 0755), 0);
  auto plan = named_class();
  plan.monitoring = true;
  EXPECT_ERROR(make_groups(plan), ErrorKind::InvalidSpec, "/linux/intelRdt/enableMonitoring");
  EXPECT_EQ(events_, Strings{});
  EXPECT_TRUE(exists("/gold/mon_groups/box"));
}

TEST_F(FakeResctrl, AThreadThatTheKernelRefusesSaysWhy) {
  ASSERT_OK(make_groups(own_class()));
  refuse_write_ = "42";
  const auto entered = resctrl().enter(groups_, "box", 42);
  EXPECT_ERROR(entered, ErrorKind::System);
  EXPECT_NE(entered.error().message().find("class of service 'box'"), std::string::npos)
      << entered.error().message();
  EXPECT_NE(entered.error().message().find("Unknown domain 7"), std::string::npos);
}

// An administrator has removed the class: exec tells that from other failures by the errno.
TEST_F(FakeResctrl, AClassThatHasGoneIsENOENT) {
  const auto entered = resctrl().enter({"gold", false, false}, "box", 42);
  EXPECT_ERROR(entered, ErrorKind::System);
  EXPECT_EQ(entered.error().errno_value(), ENOENT);
}

// The group was never made: the runtime was killed in between.
TEST_F(FakeResctrl, RemovingWhatWasNeverMade) {
  ASSERT_OK(resctrl().remove_groups({"gold", true, true}, "box"));
}

// --- the real calls
// ------------------------------------------------------------------------------------------------

TEST_F(FakeResctrl, TheKernelsCallsMakeAndRemoveDirectories) {
  const Resctrl real(*sys::open(path_, O_PATH | O_DIRECTORY));
  const auto ignore = [](const RdtGroups&) { return Result<>(); };
  ASSERT_OK(real.make_groups(own_class(), "box", ignore));
  EXPECT_TRUE(exists("/box"));
  put("/box/tasks", "");
  ASSERT_OK(real.enter({"box", true, false}, "box", 42));
  EXPECT_EQ(get("/box/tasks"), "42");
  ASSERT_EQ(::unlink((path_ + "/box/tasks").c_str()), 0);
  ASSERT_OK(real.remove_groups({"box", true, false}, "box"));
  EXPECT_FALSE(exists("/box"));
}

TEST(ResctrlMount, IsFoundByItsType) {
  EXPECT_EQ(resctrl_mount_points(
                "22 1 0:20 / /sys rw - sysfs sysfs rw\n"
                "30 22 0:27 / /sys/fs/resctrl rw,relatime shared:9 - resctrl resctrl rw\n"
                "31 22 0:27 /gold /mnt/part rw - resctrl resctrl rw\n"
                "32 22 0:27 / /mnt/with\\040blank rw - resctrl none rw\n"
                "33 22 0:28 / /mnt/other rw - resctrlx none rw\n"
                "34 22 0:28 / /resctrl rw - tmpfs resctrl rw\n"
                "cut short - resctrl\n"),
            (Strings{"/sys/fs/resctrl", "/mnt/with blank"}));
  EXPECT_EQ(resctrl_mount_points(""), Strings{});
}

TEST(IntelRdtOperations, AContainerWithoutItTouchesNothing) {
  Record record;
  record.id = "box";
  EXPECT_OK(enter_rdt_groups(record, -1));
  EXPECT_OK(remove_rdt_groups(record));
  const auto stats = rdt_stats_of(record);
  ASSERT_OK(stats);
  EXPECT_TRUE(stats->schemata.empty());
}

// --- comparing
// ------------------------------------------------------------------------------------------------

struct MatchCase {
  const char* wanted;
  const char* present;
  bool matches;
};

TEST(RdtSchema, IsComparedByItsValues) {
  for (const auto& [wanted, present, matches] : {
           MatchCase{"L3:0=f;1=f0", "L3:0=f;1=f0", true},
           {"L3:1=f0;0=f", "    MB:0=100\n    L3:0=f;1=f0\n", true},
           {"L3:0=f", "L3:0=f;1=f0", true},  // what is not named is not asked for
           {"L3:0=F", "L3:0=0000f", true},
           {"L3: 0 = 0xf ; 1=f0;", "L3:0=f;1=f0", true},
           {"L3:0=f", "L3:0=ff", false},
           {"L3:0=10", "L3:0=16", false},
           {"L3:2=f", "L3:0=f;1=f", false},
           {"L3:0=f", "L3CODE:0=f\nL3DATA:0=f", false},
           {"L3:0=f", "", false},
           {"L3:0=x", "L3:0=x", true},
           {"L3:0=x", "L3:0=f", false},
           {"L3=f", "L3:0=f", false},
           {"L3:f", "L3:0=f", false},
           {"L3:a=f", "L3:0=f", false},
           {"MB:0=20", "MB:0=20", true},
           {"MB:0=020", "MB:0=20", true},
           {"MB:0=15", "MB:0=20", true},
           {"MB:0=11", "MB:0=20", true},
           {"MB:0=10", "MB:0=20", false},
           {"MB:0=30", "MB:0=20", false},
           {"MB:0=1f", "MB:0=20", false},
           {"SMBA:0=32", "SMBA:0=32", true},
       }) {
    EXPECT_EQ(match_schemata({{wanted, "/x", true}}, present, 10).has_value(), matches)
        << wanted << " | " << present;
  }
  EXPECT_FALSE(match_schemata({{"MB:0=15", "/x", true}}, "MB:0=20", 1));
  EXPECT_FALSE(match_schemata({{"MB:0=15", "/x", true}}, "MB:0=20", 0));
  EXPECT_OK(match_schemata({{"MB:0=20", "/x", true}}, "MB:0=20", 0));
}

// A second container with the same configuration: the first one's schemata line is in force.
TEST(RdtSchema, WhatALaterLineSetsIsNotCompared) {
  const std::vector<plan::RdtSchema> wanted = {
      {"L3:0=ff;1=ff", "/l3", true}, {"L3:0=f", "/more", false}, {"nonsense", "/more", false}};
  EXPECT_OK(match_schemata(wanted, "L3:0=f;1=ff", 10));
  EXPECT_ERROR(match_schemata(wanted, "L3:0=f;1=f", 10), ErrorKind::InvalidSpec, "/l3");
}

TEST(RdtSchema, TheErrorNamesBothValues) {
  const auto matched = match_schemata({{"L3:0=f", "/l3", true}}, "L3:0=ff", 10);
  ASSERT_FALSE(matched);
  EXPECT_NE(matched.error().message().find("'L3:0=ff' instead of 'L3:0=f'"), std::string::npos)
      << matched.error().message();
}

// --- statistics
// ------------------------------------------------------------------------------------------------

TEST_F(FakeResctrl, StatisticsOfTheMonitoringGroup) {
  make_class("gold", "    L3:0=f;1=f\n    MB:0=20;1=20\n");
  put("/info/L3/cbm_mask", "fff\n");
  put("/info/L3/min_cbm_bits", "2\n");
  put("/info/L3/num_closids", "16\n");
  put("/info/MB/delay_linear", "1\n");
  put("/info/MB/min_bandwidth", "10\n");
  put("/info/MB/num_closids", "8\n");
  put("/info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n");
  for (const char* name : {"", "/mon_data", "/mon_data/mon_L3_00", "/mon_data/mon_L3_01"})
    ASSERT_EQ(::mkdir((path_ + "/gold/mon_groups/box" + name).c_str(), 0755), 0);
  const std::string data = "/gold/mon_groups/box/mon_data/";
  put(data + "mon_L3_01/llc_occupancy", "7\n");
  put(data + "mon_L3_00/llc_occupancy", "5\n");
  put(data + "mon_L3_00/mbm_total_bytes", "100\n");
  put(data + "mon_L3_00/mbm_local_bytes", "Unavailable\n");
  const auto stats = read_rdt_stats(resctrl(), {"gold", false, true}, "box");
  ASSERT_TRUE(stats.l3_cache_info && stats.mem_bw_info && stats.mbm_stats && stats.cmt_stats);
  EXPECT_EQ(stats.l3_cache_info->cbm_mask, "fff");
  EXPECT_EQ(stats.l3_cache_info->min_cbm_bits, 2U);
  EXPECT_EQ(stats.l3_cache_info->num_closids, 16U);
  EXPECT_EQ(stats.l3_cache_schema_root, "L3:0=fff;1=fff");
  EXPECT_EQ(stats.l3_cache_schema, "L3:0=f;1=f");
  EXPECT_EQ(stats.mem_bw_info->bandwidth_gran, 10U);
  EXPECT_EQ(stats.mem_bw_info->delay_linear, 1U);
  EXPECT_EQ(stats.mem_bw_info->min_bandwidth, 10U);
  EXPECT_EQ(stats.mem_bw_info->num_closids, 8U);
  EXPECT_EQ(stats.mem_bw_schema_root, "MB:0=100;1=100");
  EXPECT_EQ(stats.mem_bw_schema, "MB:0=20;1=20");
  EXPECT_EQ(stats.schemata, (Strings{"L3:0=f;1=f", "MB:0=20;1=20"}));
  EXPECT_EQ(*stats.cmt_stats, (std::vector<uint64_t>{5, 7}));
  ASSERT_EQ(stats.mbm_stats->size(), 2U);
  EXPECT_EQ((*stats.mbm_stats)[0].total_bytes, 100U);
  EXPECT_EQ((*stats.mbm_stats)[0].local_bytes, 0U);
}

TEST_F(FakeResctrl, StatisticsWithoutMonitoringAndAllocation) {
  for (const char* name : {"/info/L3", "/info/L3_MON"})
    ASSERT_EQ(::rmdir((path_ + name).c_str()), 0);
  const auto stats = read_rdt_stats(resctrl(), {"gone", false, false}, "box");
  EXPECT_FALSE(stats.l3_cache_info || stats.mbm_stats || stats.cmt_stats);
  EXPECT_TRUE(stats.mem_bw_info.has_value());
  EXPECT_EQ(stats.l3_cache_schema_root + stats.l3_cache_schema + stats.mem_bw_schema, "");
  EXPECT_TRUE(stats.schemata.empty());
}

}  // namespace
}  // namespace corten::runtime
