#include "net_devices.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include <fmt/format.h>

#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

// IFLA_NETNS_IMMUTABLE of Linux 6.15, which older headers lack. An older kernel never sends it and
// refuses the move itself.
constexpr uint16_t kNetnsImmutable = 67;
// IFA_PROTO of Linux 5.18.
constexpr uint16_t kAddressProtocol = 11;

uint32_t number_in(std::optional<std::string_view> value) {
  uint32_t number = 0;
  if (value && value->size() >= sizeof number) std::memcpy(&number, value->data(), sizeof number);
  return number;
}

Result<sys::NetlinkAnswer> get_link(sys::NetlinkSocket& socket, const std::string& name) {
  sys::NetlinkMessage request(RTM_GETLINK, 0, ifinfomsg{});
  request.text(IFLA_IFNAME, name);
  auto answers = TRY(socket.query(request, fmt::format("RTM_GETLINK({})", quote(name))));
  if (answers.empty() || answers.front().type != RTM_NEWLINK)
    return Error::from_errno(ENODEV, fmt::format("RTM_GETLINK({})", quote(name)));
  return std::move(answers.front());
}

// "" when the kernel sends none, which it always does.
std::string name_of(const sys::NetlinkAnswer& link) {
  return std::string(link.attribute(sizeof(ifinfomsg), IFLA_IFNAME).value_or("")).c_str();
}

Result<std::string> name_of(sys::NetlinkSocket& socket, int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  const auto answers = TRY(socket.query(sys::NetlinkMessage(RTM_GETLINK, 0, header),
                                        fmt::format("RTM_GETLINK({})", index)));
  return answers.empty() ? std::string() : name_of(answers.front());
}

Result<> set_link(sys::NetlinkSocket& socket,
                  int index,
                  std::string_view what,
                  const std::function<void(ifinfomsg&)>& fill_header,
                  const std::function<void(sys::NetlinkMessage&)>& fill) {
  ifinfomsg header{};
  header.ifi_index = index;
  if (fill_header) fill_header(header);
  sys::NetlinkMessage request(RTM_SETLINK, 0, header);
  if (fill) fill(request);
  return socket.change(std::move(request), fmt::format("RTM_SETLINK({})", what));
}

Result<> set_up(sys::NetlinkSocket& socket, int index) {
  return set_link(
      socket,
      index,
      "IFF_UP",
      [](ifinfomsg& header) { header.ifi_flags = header.ifi_change = IFF_UP; },
      nullptr);
}

// In one request, so that a name that is taken in the other namespace does no harm: the kernel uses
// the new name when the old one is in use there.
Result<> send_to(sys::NetlinkSocket& socket, int index, int namespace_fd, const std::string& name) {
  return set_link(socket, index, "IFLA_NET_NS_FD", nullptr, [&](sys::NetlinkMessage& request) {
    request.number(IFLA_NET_NS_FD, static_cast<uint32_t>(namespace_fd));
    request.text(IFLA_IFNAME, name);
  });
}

// A label is the device's name, with or without a colon and more (ip-address(8)). The kernel keeps
// what follows the colon when it renames a device, and so does this.
std::string renamed_label(const std::string& label,
                          const std::string& from,
                          const std::string& to) {
  if (label == from) return to;
  if (!label.starts_with(from + ":")) return label;
  return (to + label.substr(from.size())).substr(0, IFNAMSIZ - 1);
}

// The network namespace of the runtime again, whatever happens in between.
Result<sys::NetlinkSocket> open_netlink_in(int namespace_fd, int own_namespace_fd) {
  TRY(sys::setns(namespace_fd, CLONE_NEWNET));
  Result<sys::NetlinkSocket> socket = sys::NetlinkSocket::open();
  TRY(sys::setns(own_namespace_fd, CLONE_NEWNET).context("going back to the network namespace"));
  return socket;
}

}  // namespace

Result<NetDevices> NetDevices::find(const std::vector<plan::NetDevice>& devices) {
  NetDevices found;
  if (devices.empty()) return found;
  found.host_ = TRY(sys::NetlinkSocket::open());
  found.host_namespace_ = TRY(sys::open("/proc/self/ns/net", O_RDONLY));
  for (const auto& device : devices) {
    Device& added = found.devices_.emplace_back();
    added.plan = device;
    added.label = "moving the network device " + quote(device.host_name);
    TRY(found.inspect(added));
  }
  return found;
}

Result<> NetDevices::inspect(Device& device) {
  const Result<sys::NetlinkAnswer> link = get_link(*host_, device.plan.host_name);
  if (!link && link.error().errno_value() == ENODEV)
    return Error::spec(device.plan.pointer, "there is no such network device").with_errno(ENODEV);
  if (!link) return Error(link.error()).with_context(device.label);
  const auto header = link->fixed<ifinfomsg>();
  const auto immutable = link->attribute(sizeof header, kNetnsImmutable);
  if ((header.ifi_flags & IFF_LOOPBACK) != 0 ||
      (immutable && !immutable->empty() && immutable->front() != 0)) {
    return Error::spec(device.plan.pointer,
                       "the kernel does not let this network device change its namespace");
  }
  device.name = name_of(*link);
  device.index = header.ifi_index;
  device.flags = header.ifi_flags;
  device.master = number_in(link->attribute(sizeof header, IFLA_MASTER));
  return {};
}

// Before the move: with the device down, the kernel has forgotten its IPv6 addresses.
Result<> NetDevices::read_addresses(Device& device) {
  constexpr uint16_t kSettings[] = {IFA_ADDRESS,
                                    IFA_LOCAL,
                                    IFA_LABEL,
                                    IFA_BROADCAST,
                                    IFA_CACHEINFO,
                                    IFA_RT_PRIORITY,
                                    kAddressProtocol};
  ifaddrmsg request_header{};
  request_header.ifa_index = static_cast<uint32_t>(device.index);
  const sys::NetlinkMessage request(RTM_GETADDR, NLM_F_DUMP, request_header);
  const auto answers = TRY(host_->query(request, "RTM_GETADDR"));
  device.addresses.clear();
  for (const auto& answer : answers) {
    const auto header = answer.fixed<ifaddrmsg>();
    // A kernel before 4.20 sends the addresses of all devices.
    if (answer.type != RTM_NEWADDR || header.ifa_index != static_cast<uint32_t>(device.index))
      continue;
    uint32_t flags = number_in(answer.attribute(sizeof header, IFA_FLAGS));
    if (flags == 0) flags = header.ifa_flags;
    if ((flags & IFA_F_PERMANENT) == 0) continue;
    Address address;
    address.header = header;
    address.wanted = header.ifa_scope == RT_SCOPE_UNIVERSE;
    for (const uint16_t type : kSettings) {
      if (const auto value = answer.attribute(sizeof header, type))
        address.attributes.emplace_back(type, std::string(*value));
    }
    // An address that is in use on this link already needs no second search for duplicates, which
    // would keep the program from binding to it for a second or two.
    constexpr uint32_t kState = IFA_F_PERMANENT | IFA_F_SECONDARY | IFA_F_DADFAILED |
                                IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_STABLE_PRIVACY;
    const bool verified =
        header.ifa_family == AF_INET6 && (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
    const uint32_t settings = (flags & ~kState) | (verified ? uint32_t{IFA_F_NODAD} : 0U);
    address.attributes.emplace_back(
        IFA_FLAGS, std::string(reinterpret_cast<const char*>(&settings), sizeof settings));
    address.header.ifa_flags = 0;
    device.addresses.push_back(std::move(address));
  }
  return {};
}

namespace {

template <typename Address>
Result<> add_address(sys::NetlinkSocket& socket,
                     const Address& address,
                     int index,
                     const std::string& from,
                     const std::string& to) {
  ifaddrmsg header = address.header;
  header.ifa_index = static_cast<uint32_t>(index);
  sys::NetlinkMessage request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, header);
  for (const auto& [type, value] : address.attributes) {
    if (type == IFA_LABEL) {
      request.text(type, renamed_label(value.c_str(), from, to));
    } else {
      request.bytes(type, value);
    }
  }
  const Result<> added = socket.change(std::move(request), "RTM_NEWADDR");
  // The kernel makes link-local addresses itself.
  if (!added && added.error().errno_value() != EEXIST) return added;
  return {};
}

}  // namespace

Result<> NetDevices::refuse_taken_names() {
  for (const auto& device : devices_) {
    if (device.plan.name.find('%') != std::string::npos) continue;
    const Result<sys::NetlinkAnswer> taken = get_link(*container_, device.plan.name);
    if (taken) {
      return Error::spec(device.plan.pointer,
                         fmt::format("the container's network namespace has a device {} already",
                                     quote(device.plan.name)))
          .with_errno(EEXIST);
    }
    if (taken.error().errno_value() != ENODEV)
      return Error(taken.error()).with_context(device.label);
  }
  return {};
}

Result<> NetDevices::move_to(pid_t pid) {
  if (devices_.empty()) return {};
  const sys::UniqueFd target = TRY(sys::open(fmt::format("/proc/{}/ns/net", pid), O_RDONLY));
  const struct stat own = TRY(sys::fstat(host_namespace_.get()));
  const struct stat other = TRY(sys::fstat(target.get()));
  if (own.st_dev == other.st_dev && own.st_ino == other.st_ino) {
    return Error::spec(devices_.front().plan.pointer,
                       "the container's network namespace is the one that the device is in");
  }
  container_ = TRY(open_netlink_in(target.get(), host_namespace_.get())
                       .context("entering the container's network namespace"));
  TRY(refuse_taken_names());
  unsigned number = 0;
  for (auto& device : devices_)
    TRY(move(device, target.get(), number++).context([&] { return device.label; }));
  return {};
}

Result<> NetDevices::move(Device& device, int namespace_fd, unsigned number) {
  TRY(read_addresses(device));
  // A name that nobody has until the device is there and can get its own: with a template, or when
  // the number of the device is taken, the device could not be found again otherwise.
  const std::string passing = fmt::format("mv{}.{}", ::getpid(), number);
  const Result<> sent = send_to(*host_, device.index, namespace_fd, passing);
  if (!sent) {
    const Result<sys::NetlinkAnswer> here = get_link(*host_, device.name);
    device.moved = !here || here->fixed<ifinfomsg>().ifi_index != device.index;
    return sent;
  }
  device.moved = true;
  const sys::NetlinkAnswer link = TRY(get_link(*container_, passing));
  device.index = link.fixed<ifinfomsg>().ifi_index;
  TRY(set_link(
      *container_, device.index, device.plan.name, nullptr, [&](sys::NetlinkMessage& request) {
        request.text(IFLA_IFNAME, device.plan.name);
      }));
  const std::string name = TRY(name_of(*container_, device.index));
  for (const auto& address : device.addresses) {
    if (address.wanted) TRY(add_address(*container_, address, device.index, device.name, name));
  }
  return set_up(*container_, device.index);
}

void NetDevices::move_back() {
  for (auto device = devices_.rbegin(); device != devices_.rend(); ++device) {
    if (!device->moved) continue;
    const Result<> back = move_back(*device);
    if (!back) {
      log::warning(fmt::format("the network device {} cannot be given back: {}",
                               quote(device->plan.host_name),
                               back.error().message()));
    }
  }
}

Result<> NetDevices::move_back(Device& device) {
  device.moved = false;
  const std::string& name = device.name;
  TRY(send_to(*container_, device.index, host_namespace_.get(), name));
  const sys::NetlinkAnswer link = TRY(get_link(*host_, name));
  device.index = link.fixed<ifinfomsg>().ifi_index;
  // One thing that fails must not keep the others from coming back.
  Result<> result;
  const auto note = [&result](Result<> step) {
    if (result) result = std::move(step);
  };
  if (device.master != 0) {
    note(set_link(*host_, device.index, "IFLA_MASTER", nullptr, [&](sys::NetlinkMessage& request) {
      request.number(IFLA_MASTER, device.master);
    }));
  }
  for (const auto& address : device.addresses)
    note(add_address(*host_, address, device.index, name, name));
  if ((device.flags & IFF_UP) != 0) note(set_up(*host_, device.index));
  return result;
}

}  // namespace corten::runtime
