// Control file writes as properties of a systemd unit: the table of docs/cgroups.md.
#include <limits>

#include <gtest/gtest.h>

#include "support.h"
#include "unit_properties.h"

namespace corten::cgroup {
namespace {

constexpr uint64_t kInfinity = std::numeric_limits<uint64_t>::max();

plan::CgroupWrite write(std::string file, std::string value) {
  plan::CgroupWrite one;
  one.file = std::move(file);
  one.value = std::move(value);
  return one;
}

TEST(UnitProperties, NumbersAndNoLimit) {
  struct Example {
    const char* file;
    const char* value;
    const char* property;
    uint64_t expected;
  };
  const Example examples[] = {
      {"memory.max", "1048576", "MemoryMax", 1048576},
      {"memory.max", "max", "MemoryMax", kInfinity},
      {"memory.limit_in_bytes", "-1", "MemoryLimit", kInfinity},
      {"memory.high", "48M", "MemoryHigh", uint64_t{48} << 20U},
      {"memory.low", "1g", "MemoryLow", uint64_t{1} << 30U},
      {"memory.min", "4096", "MemoryMin", 4096},
      {"memory.swap.max", "0", "MemorySwapMax", 0},
      {"pids.max", "42", "TasksMax", 42},
      {"cpu.weight", "100", "CPUWeight", 100},
      {"cpu.shares", "1024", "CPUShares", 1024},
      {"blkio.weight", "500", "BlockIOWeight", 500},
      {"io.weight", "default 77", "IOWeight", 77},
      {"cpu.cfs_quota_us", "50000", "CPUQuotaPerSecUSec", 500000},
  };
  for (const auto& one : examples) {
    const auto properties = unit_properties({write(one.file, one.value)});
    ASSERT_EQ(properties.size(), 1U) << one.file;
    EXPECT_EQ(properties.front().first, one.property);
    EXPECT_EQ(properties.front().second, dbus::uint64(one.expected)) << one.file;
  }
}

TEST(UnitProperties, QuotaIsRoundedUpToWholePercents) {
  const auto properties = unit_properties({write("cpu.max", "33333 50000")});
  ASSERT_EQ(properties.size(), 2U);
  EXPECT_EQ(properties[0], dbus::Property("CPUQuotaPeriodUSec", dbus::uint64(50000)));
  EXPECT_EQ(properties[1], dbus::Property("CPUQuotaPerSecUSec", dbus::uint64(670000)));
}

TEST(UnitProperties, AQuotaAloneIsForThePresentPeriod) {
  const auto properties = unit_properties({write("cpu.max", "25000")}, 50000);
  ASSERT_EQ(properties.size(), 1U);
  EXPECT_EQ(properties[0], dbus::Property("CPUQuotaPerSecUSec", dbus::uint64(500000)));
  EXPECT_EQ(unit_properties({write("cpu.max", "max")})[0].second, dbus::uint64(kInfinity));
}

TEST(UnitProperties, DevicesAreNamedByNumber) {
  const auto properties = unit_properties({write("io.max", "8:0 rbps=5 wiops=max")});
  ASSERT_EQ(properties.size(), 2U);
  EXPECT_EQ(properties[0].first, "IOReadBandwidthMax");
  EXPECT_EQ(
      properties[0].second,
      dbus::array("(st)", {dbus::structure({dbus::string("/dev/block/8:0"), dbus::uint64(5)})}));
  EXPECT_EQ(properties[1].first, "IOWriteIOPSMax");
}

TEST(UnitProperties, WhatSystemdDoesNotKnowIsLeftOut) {
  for (const auto* file : {"hugetlb.2MB.max",
                           "cpu.max.burst",
                           "cpu.idle",
                           "memory.oom.group",
                           "rdma.max",
                           "io.latency",
                           "net_cls.classid"}) {
    EXPECT_TRUE(unit_properties({write(file, "1")}).empty()) << file;
  }
}

TEST(UnitProperties, ListsBecomeMasks) {
  using Mask = std::vector<uint8_t>;
  EXPECT_EQ(mask_of_list("0-2,7"), Mask({0x87}));
  EXPECT_EQ(mask_of_list("8"), Mask({0, 1}));
  EXPECT_EQ(mask_of_list("0, 9-10"), Mask({1, 6}));
  for (const auto* wrong : {"", "a", "2-1", "1-", "-1", "0-99999999"})
    EXPECT_EQ(mask_of_list(wrong), std::nullopt) << wrong;
}

TEST(UnitProperties, DeviceListForVersionOne) {
  constexpr std::string_view kDevices =
      "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  1 ramdisk\n  8 sd\n";
  const auto allow = [](char type, int64_t major, int64_t minor, uint8_t access) {
    return plan::DeviceRule{true, type, major, minor, access};
  };
  const auto properties = device_properties({allow('c', 9, 9, 7),
                                             plan::DeviceRule{},
                                             allow('c', 1, 3, 6),
                                             allow('c', 136, -1, 7),
                                             allow('b', 8, -1, 2),
                                             allow('b', 77, -1, 2),
                                             allow('a', -1, -1, 1)},
                                            kDevices);
  ASSERT_EQ(properties.size(), 2U);
  EXPECT_EQ(properties[0], dbus::Property("DevicePolicy", dbus::string("strict")));
  const auto entry = [](const char* device, const char* access) {
    return dbus::structure({dbus::string(device), dbus::string(access)});
  };
  EXPECT_EQ(properties[1].second,
            dbus::array("(ss)",
                        {entry("/dev/char/1:3", "rw"),
                         entry("char-pts", "rwm"),
                         entry("block-sd", "r"),
                         entry("char-*", "m"),
                         entry("block-*", "m")}));
}

TEST(UnitProperties, SmallTaskLimitsWait) {
  EXPECT_FALSE(fits_the_making(write("pids.max", "1")));
  EXPECT_TRUE(fits_the_making(write("pids.max", "16")));
  EXPECT_TRUE(fits_the_making(write("pids.max", "max")));
  EXPECT_TRUE(fits_the_making(write("memory.max", "1")));
}

TEST(UnitProperties, SecondsOfAnnotationsBecomeMicroseconds) {
  ASSERT_OK_AND_ASSIGN(const auto properties,
                       annotated_properties({{"TimeoutStopSec", "1.5"},
                                             {"RuntimeMaxUSec", "uint64 7"},
                                             {"CollectMode", "'inactive'"}}));
  ASSERT_EQ(properties.size(), 3U);
  EXPECT_EQ(properties[0], dbus::Property("TimeoutStopUSec", dbus::uint64(1500000)));
  EXPECT_EQ(properties[1], dbus::Property("RuntimeMaxUSec", dbus::uint64(7)));
  EXPECT_EQ(properties[2], dbus::Property("CollectMode", dbus::string("inactive")));
  EXPECT_ERROR(annotated_properties({{"TimeoutStopSec", "'x'"}}),
               ErrorKind::InvalidSpec,
               "/annotations/org.systemd.property.TimeoutStopSec");
  EXPECT_ERROR(annotated_properties({{"TimeoutStopSec", "-1"}}),
               ErrorKind::InvalidSpec,
               "/annotations/org.systemd.property.TimeoutStopSec");
}

}  // namespace
}  // namespace corten::cgroup
