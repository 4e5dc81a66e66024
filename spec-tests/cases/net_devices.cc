// config-linux.md: network devices. The suite has a network namespace of its own that plays the
// host's.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "case.h"

namespace spec {
namespace {

// Runs ip(8) with words separated by spaces. Joins the namespace of the file first when one is
// given.
bool ip(const std::string& words, const std::string& netns = "") {
  SpawnOptions options;
  options.argv = {"ip"};
  std::istringstream stream(words);
  for (std::string word; stream >> word;) options.argv.push_back(word);
  if (!netns.empty()) {
    options.before_exec = [netns] {
      const int fd = ::open(netns.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) ::_exit(120);
    };
  }
  const std::optional<int> status = spawn(options).wait(settings().timeout);
  return status && shell_status(*status) == 0;
}

// Makes the pair v0 - v1 in the suite's namespace; gone at the end wherever the ends are.
bool make_pair(Case& c) {
  if (!ip("link add v0 type veth peer name v1")) return false;
  c.at_end([] {
    ip("link delete v0");
    ip("link delete v1");
  });
  return true;
}
#define NEED_PAIR() SPEC_NEED(make_pair(c), "ip(8) cannot make a veth pair here")

bool exists_here(const std::string& name) {
  const auto names = network_interfaces();
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A network namespace that is bound to a file and stays when the container has gone.
std::string make_network_namespace(Case& c) {
  const std::string file = c.directory() + "/net.ns";
  write_file(file, "");
  const int own = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0 || ::unshare(CLONE_NEWNET) != 0) throw std::runtime_error("unshare");
  c.host_mount("/proc/self/ns/net", file, "none", MS_BIND);
  const bool back = ::setns(own, CLONE_NEWNET) == 0;
  ::close(own);
  if (!back) throw std::runtime_error("setns");
  return file;
}

bool has_address(const Json& report, const std::string& name, const std::string& address) {
  for (const Json& entry : report["addresses"]) {
    if (entry["name"] == name && entry["address"] == address) return true;
  }
  return false;
}

SPEC_CASE(NetDevices,
          MovedAndUp,
          "LX-015 LX-020",
          "the device is in the container's namespace, under its name, and up") {
  NEED_PAIR();
  c.bundle.linux_config()["netDevices"] = {{"v1", Json::object()}};
  const Json report = c.report();
  ASSERT_TRUE(report["interfaces"].contains("v1")) << report["interfaces"];
  EXPECT_EQ(report["interfaces"]["v1"]["up"], true);
}

SPEC_CASE(NetDevices, Renamed, "LX-015 LX-020", "name is the device's name in the container") {
  NEED_PAIR();
  c.bundle.linux_config()["netDevices"] = {{"v1", {{"name", "eth7"}}}};
  const Json interfaces = c.report()["interfaces"];
  EXPECT_TRUE(interfaces.contains("eth7")) << interfaces;
  EXPECT_FALSE(interfaces.contains("v1")) << interfaces;
}

SPEC_CASE(NetDevices,
          NameTemplate,
          "LX-018",
          "with %d at the end of the name the kernel chooses a free number") {
  NEED_PAIR();
  c.bundle.linux_config()["netDevices"] = {{"v1", {{"name", "net%d"}}}};
  const Json interfaces = c.report()["interfaces"];
  EXPECT_TRUE(interfaces.contains("net0")) << interfaces;
}

SPEC_CASE(NetDevices,
          SeveralWithOneTemplate,
          "LX-018 LX-015",
          "two devices with the same template get different names") {
  NEED_PAIR();
  c.bundle.linux_config()["netDevices"] = {{"v0", {{"name", "net%d"}}},
                                           {"v1", {{"name", "net%d"}}}};
  const Json interfaces = c.report()["interfaces"];
  EXPECT_TRUE(interfaces.contains("net0")) << interfaces;
  EXPECT_TRUE(interfaces.contains("net1")) << interfaces;
}

SPEC_CASE(NetDevices,
          AttributesArePreserved,
          "LX-019",
          "MTU, queue length and hardware address are kept") {
  NEED_PAIR();
  ASSERT_TRUE(ip("link set v1 mtu 1333 txqueuelen 77 address 02:11:22:33:44:55"));
  c.bundle.linux_config()["netDevices"] = {{"v1", {{"name", "eth7"}}}};
  const Json interfaces = c.report()["interfaces"];
  ASSERT_TRUE(interfaces.contains("eth7"));
  EXPECT_EQ(interfaces["eth7"]["mtu"], 1333);
  EXPECT_EQ(interfaces["eth7"]["queue"], 77);
  EXPECT_EQ(interfaces["eth7"]["mac"], "02:11:22:33:44:55");
}

SPEC_CASE(NetDevices,
          Ipv4AddressesArePreserved,
          "LX-019",
          "permanent global IPv4 addresses are kept") {
  NEED_PAIR();
  ASSERT_TRUE(ip("addr add 10.11.12.13/24 dev v1") && ip("addr add 10.99.0.1/16 dev v1") &&
              ip("link set v1 up"));
  c.bundle.linux_config()["netDevices"] = {{"v1", Json::object()}};
  const Json report = c.report();
  EXPECT_TRUE(has_address(report, "v1", "10.11.12.13/24")) << report["addresses"];
  EXPECT_TRUE(has_address(report, "v1", "10.99.0.1/16")) << report["addresses"];
}

SPEC_CASE(NetDevices,
          Ipv6AddressesArePreserved,
          "LX-019",
          "permanent global IPv6 addresses are kept, also of a device that is up") {
  NEED_PAIR();
  SPEC_NEED(ip("addr add fd00:11::5/64 dev v1 nodad"), "this host has no IPv6");
  ASSERT_TRUE(ip("link set v1 up"));
  c.bundle.linux_config()["netDevices"] = {{"v1", Json::object()}};
  const Json report = c.report();
  EXPECT_TRUE(has_address(report, "v1", "fd00:11::5/64")) << report["addresses"];
}

SPEC_CASE(NetDevices, PeerAddressIsPreserved, "LX-019", "an address with a peer keeps it") {
  NEED_PAIR();
  ASSERT_TRUE(ip("addr add 10.1.1.1 peer 10.1.1.2/32 dev v1"));
  const std::string netns = make_network_namespace(c);
  c.bundle.add_namespace("network", netns);
  c.bundle.linux_config()["netDevices"] = {{"v1", Json::object()}};
  c.report();
  const std::string file = c.directory() + "/ip.out";
  SpawnOptions options;
  const Fd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  options.argv = {"ip", "-o", "-4", "addr", "show", "dev", "v1"};
  options.stdout_fd = out.get();
  options.before_exec = [netns] {
    const int fd = ::open(netns.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) ::_exit(120);
  };
  spawn(options).wait(settings().timeout);
  EXPECT_NE(read_file(file).find("10.1.1.1 peer 10.1.1.2/32"), std::string::npos)
      << read_file(file);
}

SPEC_CASE(NetDevices,
          MissingDeviceIsRefused,
          "LX-016",
          "a device that does not exist is an error") {
  c.bundle.linux_config()["netDevices"] = {{"no-such-dev", Json::object()}};
  c.expect_refused("there is no device no-such-dev");
}

SPEC_CASE(NetDevices,
          LoopbackIsRefused,
          "LX-016 LX-017",
          "the loopback device cannot be moved and is an error") {
  c.bundle.linux_config()["netDevices"] = {{"lo", {{"name", "lo7"}}}};
  c.expect_refused("lo cannot be moved");
  EXPECT_TRUE(exists_here("lo"));
}

SPEC_CASE(NetDevices,
          NoNamespaceIsRefused,
          "LX-016",
          "without a network namespace of the container's own it is an error") {
  NEED_PAIR();
  c.bundle.remove_namespace("network");
  c.bundle.linux_config()["netDevices"] = {{"v1", {{"name", "eth7"}}}};
  c.expect_refused("the container shares the runtime's network namespace");
  EXPECT_TRUE(exists_here("v1")) << "the device was renamed or lost";
}

SPEC_CASE(NetDevices,
          NameInUseIsRefused,
          "LX-017 RT-024",
          "a name that the container's namespace has already is an error; the device stays") {
  NEED_PAIR();
  const std::string netns = make_network_namespace(c);
  ASSERT_TRUE(ip("link add taken type veth peer name other", netns));
  c.bundle.add_namespace("network", netns);
  c.bundle.linux_config()["netDevices"] = {{"v1", {{"name", "taken"}}}};
  c.expect_refused("the name is taken");
  EXPECT_TRUE(exists_here("v1")) << "the device did not stay where it was";
}

SPEC_CASE(NetDevices,
          InvalidNameIsRefused,
          "LX-016 CF-130",
          "a name that no device can have is an error; the device stays") {
  NEED_PAIR();
  c.bundle.linux_config()["netDevices"] = {{"v1", {{"name", "much-too-long-for-a-device"}}}};
  c.expect_refused("the name has more than 15 bytes");
  EXPECT_TRUE(exists_here("v1")) << "the device did not stay where it was";
}

SPEC_CASE(NetDevices,
          ReturnsWhenCreationFails,
          "LX-016 RT-024",
          "when creation fails later, the device is where it was") {
  NEED_PAIR();
  ASSERT_TRUE(ip("addr add 10.11.12.13/24 dev v1") && ip("link set v1 up"));
  c.bundle.linux_config()["netDevices"] = {{"v1", {{"name", "eth7"}}}};
  c.add_hook("createRuntime", "fails", {"exit=3"});
  c.expect_refused("a createRuntime hook fails");
  EXPECT_TRUE(exists_here("v1")) << "the device did not come back";
}

SPEC_CASE(NetDevices,
          StaysInAnExternalNamespace,
          "LX-021 LX-022",
          "in a namespace that outlives the container the device is neither moved back nor changed "
          "by delete") {
  NEED_PAIR();
  ASSERT_TRUE(ip("addr add 10.11.12.13/24 dev v1"));
  const std::string netns = make_network_namespace(c);
  c.bundle.add_namespace("network", netns);
  c.bundle.linux_config()["netDevices"] = {{"v1", {{"name", "eth7"}}}};
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  // What somebody sets while the container runs is not for the runtime to correct.
  EXPECT_TRUE(ip("link set eth7 down mtu 1234", netns));
  c.container.kill("TERM");
  c.container.wait_exit();
  c.container.must_remove();
  EXPECT_FALSE(exists_here("v1") || exists_here("eth7")) << "the device was moved back";
  EXPECT_TRUE(ip("link set eth7 mtu 1234", netns)) << "the device is not in the namespace any more";
  Bundle& observer = c.new_bundle("observer");
  observer.add_namespace("network", netns);
  Container& second = c.new_container(observer, c.container.id() + "-2");
  second.must_create();
  second.must_start();
  second.wait_exit();
  const Json report = second.json_output();
  EXPECT_EQ(report["interfaces"]["eth7"]["up"], false);
  EXPECT_EQ(report["interfaces"]["eth7"]["mtu"], 1234);
  EXPECT_TRUE(has_address(report, "eth7", "10.11.12.13/24"));
}

}  // namespace
}  // namespace spec
