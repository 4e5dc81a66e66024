// The JSON of `events`: names and types as go-runc's structs have them.
#include "stats_json.h"

#include <limits>
#include <string>

#include <nlohmann/json.hpp>

#include "support.h"

namespace corten::runtime {
namespace {

TEST(StatsJson, HasTheEnvelopeAndEverySection) {
  const auto json = nlohmann::json::parse(stats_json("a\"b", {}, {}));
  EXPECT_EQ(json["type"], "stats");
  EXPECT_EQ(json["id"], "a\"b");
  const auto& data = json["data"];
  for (const char* name : {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt"})
    EXPECT_TRUE(data[name].is_object()) << name;
  EXPECT_TRUE(data["network_interfaces"].is_null());
  for (const char* name : {"usage", "swap", "kernel", "kernelTCP"}) {
    EXPECT_EQ(data["memory"][name]["limit"], 0) << name;
    EXPECT_EQ(data["memory"][name]["failcnt"], 0) << name;
  }
}

TEST(StatsJson, NumbersKeepAllTheirBits) {
  cgroup::Stats stats;
  stats.memory.usage.limit = std::numeric_limits<uint64_t>::max();
  stats.memory.usage.max = 7;
  stats.pids_current = 3;
  stats.cpu.per_cpu = {1, 2};
  stats.block_io.service_bytes = {{8, 0, "Read", 5}};
  stats.hugetlb["2MB"].usage = 9;
  stats.memory.pressure.emplace().some = {"1.50", "0.00", "0.00", 42};
  const auto data = nlohmann::json::parse(stats_json("x", stats, {}))["data"];
  EXPECT_EQ(data["memory"]["usage"]["limit"], std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(data["memory"]["usage"]["max"], 7);
  EXPECT_EQ(data["memory"]["psi"]["some"]["avg10"], 1.5);
  EXPECT_EQ(data["memory"]["psi"]["some"]["total"], 42);
  EXPECT_FALSE(data["memory"]["psi"].contains("full"));
  EXPECT_EQ(data["pids"]["current"], 3);
  EXPECT_FALSE(data["pids"].contains("limit"));
  EXPECT_EQ(data["cpu"]["usage"]["percpu"], nlohmann::json({1, 2}));
  EXPECT_EQ(data["blkio"]["ioServiceBytesRecursive"][0]["op"], "Read");
  EXPECT_EQ(data["blkio"]["ioServiceBytesRecursive"][0]["major"], 8);
  EXPECT_EQ(data["hugetlb"]["2MB"]["usage"], 9);
}

TEST(StatsJson, NetworkInterfacesComeFromProcNetDev) {
  const auto interfaces = parse_net_dev(
      "Inter-|   Receive                        |  Transmit\n"
      " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop\n"
      "    lo:       1       2    3    4    0     0          0         0       5      6    7    8 "
      "   0     0       0          0\n"
      "eth0:1: 10 0 0 0 0 0 0 0 20 0 0 0 0 0 0 0\n"
      "broken: 1 2 3\n");
  ASSERT_EQ(interfaces.size(), 2U);
  EXPECT_EQ(interfaces[0].name, "lo");
  EXPECT_EQ(interfaces[0].rx_bytes, 1U);
  EXPECT_EQ(interfaces[0].rx_dropped, 4U);
  EXPECT_EQ(interfaces[0].tx_bytes, 5U);
  EXPECT_EQ(interfaces[0].tx_dropped, 8U);
  EXPECT_EQ(interfaces[1].name, "eth0:1");
  const auto data = nlohmann::json::parse(stats_json("x", {}, interfaces))["data"];
  EXPECT_EQ(data["network_interfaces"][0]["Name"], "lo");
  EXPECT_EQ(data["network_interfaces"][0]["TxErrors"], 7);
}

TEST(StatsJson, IntelRdtInTheShapeOfRunc) {
  EXPECT_EQ(nlohmann::json::parse(stats_json("x", {}, {}))["data"]["intel_rdt"],
            nlohmann::json::object());
  RdtStats rdt;
  rdt.l3_cache_info = {"fff", 2, 16};
  rdt.l3_cache_schema_root = "L3:0=fff";
  rdt.l3_cache_schema = "L3:0=f";
  rdt.mem_bw_info = {10, 0, 10, 8};
  rdt.mem_bw_schema_root = "MB:0=100";
  rdt.mem_bw_schema = "MB:0=20";
  rdt.schemata = {"L3:0=f", "MB:0=20"};
  rdt.mbm_stats = {{100, 0}};
  rdt.cmt_stats = {5};
  EXPECT_EQ(nlohmann::json::parse(stats_json("x", {}, {}, rdt))["data"]["intel_rdt"],
            nlohmann::json::parse(R"({
    "l3_cache_info": {"cbm_mask": "fff", "min_cbm_bits": 2, "num_closids": 16},
    "l3_cache_schema_root": "L3:0=fff",
    "l3_cache_schema": "L3:0=f",
    "mem_bw_info": {"bandwidth_gran": 10, "min_bandwidth": 10, "num_closids": 8},
    "mem_bw_schema_root": "MB:0=100",
    "mem_bw_schema": "MB:0=20",
    "schemata": ["L3:0=f", "MB:0=20"],
    "mbm_stats": [{"mbm_total_bytes": 100, "mbm_local_bytes": 0}],
    "cmt_stats": [{"llc_occupancy": 5}]})"));
}

TEST(StatsJson, PageSizesAsTheCgroupFilesNameThem) {
  EXPECT_EQ(huge_page_size_name("hugepages-2048kB"), "2MB");
  EXPECT_EQ(huge_page_size_name("hugepages-1048576kB"), "1GB");
  EXPECT_EQ(huge_page_size_name("hugepages-64kB"), "64KB");
  EXPECT_EQ(huge_page_size_name("other"), "");
}

TEST(StatsJson, OomEvent) { EXPECT_EQ(oom_json("x"), R"({"type":"oom","id":"x"})"); }

}  // namespace
}  // namespace corten::runtime
