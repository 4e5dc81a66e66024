// Statistics on directory trees that look like v1 and v2, and their JSON.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <cstdlib>
#include <limits>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "support.h"
#include <corten/cgroup/stats.h>
#include <corten/sys/file.h>

namespace corten::cgroup {
namespace {

constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

class StatsTree : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "corten-stats-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override {
    const auto top = sys::open(::testing::TempDir(), O_RDONLY | O_DIRECTORY);
    if (top) (void)sys::remove_tree_at(top->get(), root_.substr(root_.rfind('/') + 1));
  }

  void v1(const std::string& hierarchy, std::vector<std::string> controllers) {
    ASSERT_EQ(::mkdir((root_ + "/" + hierarchy).c_str(), 0755), 0);
    ASSERT_EQ(::mkdir((root_ + "/" + hierarchy + "/c").c_str(), 0755), 0);
    record_.locations.push_back({std::move(controllers), root_ + "/" + hierarchy, "/c", false, 0});
  }
  void v2() {
    ASSERT_EQ(::mkdir((root_ + "/unified").c_str(), 0755), 0);
    ASSERT_EQ(::mkdir((root_ + "/unified/c").c_str(), 0755), 0);
    record_.locations.push_back({{}, root_ + "/unified", "/c", true, 0});
  }
  void put(const std::string& path, const std::string& text) {
    const auto slash = path.find('/');
    const std::string whole = root_ + "/" + path.substr(0, slash) + "/c/" + path.substr(slash + 1);
    const auto file = sys::open(whole, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_OK(file);
    ASSERT_OK(sys::write_all(file->get(), text));
  }
  Result<Stats> read(const std::vector<std::string>& page_sizes = {}) {
    return read_stats(*open_manager(record_), page_sizes);
  }

  std::string root_;
  Record record_;
};

TEST_F(StatsTree, CpuOfV1) {
  v1("cpu", {"cpu"});
  v1("cpuacct", {"cpuacct"});
  put("cpuacct/cpuacct.usage", "3000\n");
  put("cpuacct/cpuacct.usage_sys", "1000\n");
  put("cpuacct/cpuacct.usage_user", "2000\n");
  put("cpuacct/cpuacct.usage_percpu", "1200 1800 \n");
  put("cpu/cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 77\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  EXPECT_EQ(stats.cpu.total, 3000U);
  EXPECT_EQ(stats.cpu.kernel, 1000U);
  EXPECT_EQ(stats.cpu.user, 2000U);
  EXPECT_EQ(stats.cpu.per_cpu, (std::vector<uint64_t>{1200, 1800}));
  EXPECT_EQ(stats.cpu.periods, 5U);
  EXPECT_EQ(stats.cpu.throttled_periods, 2U);
  EXPECT_EQ(stats.cpu.throttled_time, 77U);
  EXPECT_FALSE(stats.cpu.pressure.has_value());
}

TEST_F(StatsTree, CpuOfV2IsGivenInNanoseconds) {
  v2();
  put("unified/cpu.stat",
      "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 5\nnr_throttled 2\n"
      "throttled_usec 7\n");
  put("unified/cpu.pressure",
      "some avg10=1.50 avg60=0.25 avg300=0.00 total=99\n"
      "full avg10=0.10 avg60=0.00 avg300=0.00 total=9\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  EXPECT_EQ(stats.cpu.total, 30000U);
  EXPECT_EQ(stats.cpu.user, 20000U);
  EXPECT_EQ(stats.cpu.kernel, 10000U);
  EXPECT_EQ(stats.cpu.throttled_time, 7000U);
  ASSERT_TRUE(stats.cpu.pressure.has_value());
  EXPECT_EQ(stats.cpu.pressure->some.avg10, "1.50");
  EXPECT_EQ(stats.cpu.pressure->some.total, 99U);
  ASSERT_TRUE(stats.cpu.pressure->full.has_value());
  EXPECT_EQ(stats.cpu.pressure->full->total, 9U);
}

TEST_F(StatsTree, PressureComesFromTheUnifiedHierarchyOfAHybridHost) {
  v1("memory", {"memory"});
  v2();
  put("memory/memory.usage_in_bytes", "10\n");
  put("unified/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=3\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  EXPECT_EQ(stats.memory.usage.usage, 10U);
  ASSERT_TRUE(stats.memory.pressure.has_value());
  EXPECT_EQ(stats.memory.pressure->some.total, 3U);
  EXPECT_FALSE(stats.memory.pressure->full.has_value());
}

TEST_F(StatsTree, AForgedPressureValueNeverReachesTheDocument) {
  v2();
  put("unified/cpu.pressure", "some avg10=1,\"x\":2 avg60=0.00 avg300=0.00 total=3\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  EXPECT_FALSE(stats.cpu.pressure.has_value());
}

TEST_F(StatsTree, MemoryOfV1) {
  v1("memory", {"memory"});
  put("memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("memory/memory.usage_in_bytes", "100\n");
  put("memory/memory.max_usage_in_bytes", "200\n");
  put("memory/memory.failcnt", "3\n");
  put("memory/memory.memsw.usage_in_bytes", "150\n");
  put("memory/memory.stat", "cache 40\nrss 60\n");
  put("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  EXPECT_EQ(stats.memory.usage.limit, 9223372036854771712U);
  EXPECT_EQ(stats.memory.usage.usage, 100U);
  EXPECT_EQ(stats.memory.usage.max, 200U);
  EXPECT_EQ(stats.memory.usage.failcnt, 3U);
  EXPECT_EQ(stats.memory.swap.usage, 150U);
  EXPECT_EQ(stats.memory.cache, 40U);
  EXPECT_EQ(stats.memory.raw.at("rss"), 60U);
  EXPECT_EQ(stats.memory.events.at("oom_kill"), 2U);
}

TEST_F(StatsTree, MemoryOfV2CountsSwapAndMemoryTogether) {
  v2();
  put("unified/memory.max", "1000\n");
  put("unified/memory.current", "100\n");
  put("unified/memory.peak", "700\n");
  put("unified/memory.swap.max", "500\n");
  put("unified/memory.swap.current", "20\n");
  put("unified/memory.stat", "anon 60\nfile 40\nkernel 5\n");
  put("unified/memory.events", "low 0\nhigh 0\nmax 8\noom 1\noom_kill 1\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  EXPECT_EQ(stats.memory.usage.limit, 1000U);
  EXPECT_EQ(stats.memory.usage.max, 700U);
  EXPECT_EQ(stats.memory.usage.failcnt, 8U);
  EXPECT_EQ(stats.memory.swap.limit, 1500U);
  EXPECT_EQ(stats.memory.swap.usage, 120U);
  EXPECT_EQ(stats.memory.cache, 40U);
  EXPECT_EQ(stats.memory.kernel.usage, 5U);
  EXPECT_EQ(stats.memory.events.at("oom"), 1U);
}

TEST_F(StatsTree, NoLimitOfV2IsTheLargestNumber) {
  v2();
  put("unified/memory.max", "1000\n");
  put("unified/memory.swap.max", "max\n");
  put("unified/pids.current", "4\n");
  put("unified/pids.max", "max\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  EXPECT_EQ(stats.memory.swap.limit, kNone);
  EXPECT_EQ(stats.pids_current, 4U);
  EXPECT_EQ(stats.pids_limit, 0U);
}

TEST_F(StatsTree, CpusetListsAreSpelledOut) {
  v1("cpuset", {"cpuset"});
  put("cpuset/cpuset.cpus", "0-2,7\n");
  put("cpuset/cpuset.mems", "0\n");
  put("cpuset/cpuset.sched_relax_domain_level", "-1\n");
  put("cpuset/cpuset.cpu_exclusive", "1\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  EXPECT_EQ(stats.cpuset.cpus, (std::vector<uint32_t>{0, 1, 2, 7}));
  EXPECT_EQ(stats.cpuset.mems, (std::vector<uint32_t>{0}));
  EXPECT_EQ(stats.cpuset.switches.at("sched_relax_domain_level"), -1);
  EXPECT_EQ(stats.cpuset.switches.at("cpu_exclusive"), 1);
}

TEST_F(StatsTree, BlockIoOfV1PrefersTheScheduler) {
  v1("blkio", {"blkio"});
  put("blkio/blkio.throttle.io_service_bytes_recursive", "8:0 Read 1\n8:0 Total 1\nTotal 1\n");
  put("blkio/blkio.throttle.io_serviced_recursive", "8:0 Read 2\nTotal 2\n");
  ASSERT_OK_AND_ASSIGN(const Stats throttled, read());
  ASSERT_EQ(throttled.block_io.service_bytes.size(), 2U);
  EXPECT_EQ(throttled.block_io.service_bytes[0].major, 8U);
  EXPECT_EQ(throttled.block_io.service_bytes[0].op, "Read");
  EXPECT_EQ(throttled.block_io.service_bytes[0].value, 1U);
  put("blkio/blkio.bfq.io_service_bytes_recursive", "8:0 Read 100\n");
  put("blkio/blkio.bfq.io_serviced_recursive", "8:0 Read 200\n");
  put("blkio/blkio.bfq.time_recursive", "8:0 300\n");
  ASSERT_OK_AND_ASSIGN(const Stats scheduled, read());
  EXPECT_EQ(scheduled.block_io.service_bytes.at(0).value, 100U);
  EXPECT_EQ(scheduled.block_io.serviced.at(0).value, 200U);
  EXPECT_EQ(scheduled.block_io.time.at(0).value, 300U);
  EXPECT_EQ(scheduled.block_io.time.at(0).op, "");
}

TEST_F(StatsTree, BlockIoOfV2) {
  v2();
  put("unified/io.stat",
      "8:16 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=30 dios=3\n(unknown) rbytes=1\n");
  ASSERT_OK_AND_ASSIGN(const Stats stats, read());
  ASSERT_EQ(stats.block_io.service_bytes.size(), 3U);
  EXPECT_EQ(stats.block_io.service_bytes[2].op, "Discard");
  EXPECT_EQ(stats.block_io.service_bytes[2].minor, 16U);
  EXPECT_EQ(stats.block_io.service_bytes[2].value, 30U);
  ASSERT_EQ(stats.block_io.serviced.size(), 3U);
  EXPECT_EQ(stats.block_io.serviced[1].value, 2U);
}

TEST_F(StatsTree, HugetlbOfBothVersions) {
  v1("hugetlb", {"hugetlb"});
  put("hugetlb/hugetlb.2MB.usage_in_bytes", "2097152\n");
  put("hugetlb/hugetlb.2MB.max_usage_in_bytes", "4194304\n");
  put("hugetlb/hugetlb.2MB.failcnt", "1\n");
  ASSERT_OK_AND_ASSIGN(const Stats old, read({"2MB"}));
  EXPECT_EQ(old.hugetlb.at("2MB").usage, 2097152U);
  EXPECT_EQ(old.hugetlb.at("2MB").max, 4194304U);
  EXPECT_EQ(old.hugetlb.at("2MB").failcnt, 1U);
  record_.locations.clear();
  v2();
  put("unified/hugetlb.2MB.current", "2097152\n");
  put("unified/hugetlb.2MB.events", "max 6\n");
  ASSERT_OK_AND_ASSIGN(const Stats unified, read({"2MB"}));
  EXPECT_EQ(unified.hugetlb.at("2MB").usage, 2097152U);
  EXPECT_EQ(unified.hugetlb.at("2MB").failcnt, 6U);
}

TEST_F(StatsTree, AFileWithoutANumberIsAnErrorThatNamesIt) {
  v1("memory", {"memory"});
  put("memory/memory.usage_in_bytes", "lots\n");
  const auto stats = read();
  ASSERT_FALSE(stats.has_value());
  EXPECT_NE(stats.error().message().find("memory.usage_in_bytes"), std::string::npos);
}

TEST_F(StatsTree, OomWatchOfV2CountsFromTheMomentItWasOpened) {
  v2();
  put("unified/memory.events", "oom 1\noom_kill 1\n");
  ASSERT_OK_AND_ASSIGN(OomWatch watch, OomWatch::open(record_));
  EXPECT_EQ(watch.poll_events(), POLLPRI);
  ASSERT_OK_AND_ASSIGN(const uint64_t before, watch.take());
  EXPECT_EQ(before, 0U);
  put("unified/memory.events", "oom 3\noom_kill 3\n");
  ASSERT_OK_AND_ASSIGN(const uint64_t after, watch.take());
  EXPECT_EQ(after, 2U);
  ASSERT_OK_AND_ASSIGN(const uint64_t again, watch.take());
  EXPECT_EQ(again, 0U);
}

TEST_F(StatsTree, OomWatchRegistersWithV1) {
  v1("memory", {"memory"});
  put("memory/memory.oom_control", "oom_kill 0\n");
  put("memory/cgroup.event_control", "");
  ASSERT_OK_AND_ASSIGN(OomWatch watch, OomWatch::open(record_));
  ASSERT_OK_AND_ASSIGN(const std::string line,
                       sys::read_file(root_ + "/memory/c/cgroup.event_control", 100));
  EXPECT_EQ(line.substr(0, line.find(' ')), std::to_string(watch.fd()));
  ASSERT_OK_AND_ASSIGN(const uint64_t none, watch.take());
  EXPECT_EQ(none, 0U);
  const uint64_t two = 2;  // what the kernel does at an OOM event
  ASSERT_OK(sys::write_once(watch.fd(), {reinterpret_cast<const char*>(&two), sizeof two}));
  ASSERT_OK_AND_ASSIGN(const uint64_t count, watch.take());
  EXPECT_EQ(count, 2U);
}

TEST_F(StatsTree, WithoutAMemoryControllerOomCannotBeWatched) {
  v1("cpu", {"cpu"});
  EXPECT_ERROR(OomWatch::open(record_), ErrorKind::Unsupported);
}

}  // namespace
}  // namespace corten::cgroup
