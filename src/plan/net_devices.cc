// linux.netDevices -> NetDevice list. Names and the namespace are checked by validate().
// Spec: config-linux.md "Network Devices".
#include "builders.h"

namespace corten::plan {

std::vector<NetDevice> build_net_devices(const std::vector<spec::NetDevice>& configured) {
  std::vector<NetDevice> devices;
  devices.reserve(configured.size());
  for (const auto& one : configured) {
    devices.push_back({.host_name = one.host_name,
                       .name = one.name.empty() ? one.host_name : one.name,
                       .pointer = "/linux/netDevices/" + pointer_token(one.host_name)});
  }
  return devices;
}

}  // namespace corten::plan
