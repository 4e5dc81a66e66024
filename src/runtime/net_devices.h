// linux.netDevices: moves network devices of the host into the container's network namespace.
// Spec: config-linux.md "Network Devices". Runs in the runtime process, before any code of the
// image; nothing is managed afterwards, and deletion leaves the devices where they are.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>
#include <corten/sys/netlink.h>

namespace corten::runtime {

class NetDevices {
 public:
  NetDevices() = default;

  // Looks at the devices without changing anything: they exist, and the kernel lets them change
  // their namespace. Errors: InvalidSpec with the pointer of the device.
  static Result<NetDevices> find(const std::vector<plan::NetDevice>& devices);

  // Moves all of them into the network namespace of process `pid`, renames them (the kernel fills
  // in a %d), gives them the permanent global addresses that they had, and brings them up. What the
  // kernel keeps by itself (MTU, hardware address, queue length, alias) is not touched.
  // Nothing is changed when a name is taken there or the namespace is the runtime's own. After any
  // other error the caller must call move_back().
  Result<> move_to(pid_t pid);

  // Undoes move_to() as far as it got, while the namespace still exists: name, addresses, master
  // and up state as found. Routes over the device are gone: the kernel drops them when a device
  // leaves. What cannot be undone is logged as a warning.
  void move_back();

 private:
  struct Address {
    ifaddrmsg header{};
    // The attributes that are settings, not state.
    std::vector<std::pair<uint16_t, std::string>> attributes;
    bool wanted = false;  // permanent and global
  };
  struct Device {
    plan::NetDevice plan;
    std::string label;  // "moving the network device eth0"
    std::string name;   // on the host: the plan may give an alternative one
    int index = 0;      // in the namespace where it is now
    unsigned flags = 0;
    uint32_t master = 0;
    std::vector<Address> addresses;
    bool moved = false;
  };

  Result<> inspect(Device& device);
  Result<> read_addresses(Device& device);
  Result<> refuse_taken_names();
  Result<> move(Device& device, int namespace_fd, unsigned number);
  Result<> move_back(Device& device);

  std::vector<Device> devices_;
  std::optional<sys::NetlinkSocket> host_;
  std::optional<sys::NetlinkSocket> container_;
  sys::UniqueFd host_namespace_;
};

}  // namespace corten::runtime
