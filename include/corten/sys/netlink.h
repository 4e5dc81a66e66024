// Route netlink (rtnetlink(7)): building messages, one request at a time. No policy.
// A socket belongs to the network namespace that it was made in, whichever one the caller is in
// later.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::sys {

// One message: a header, a fixed structure and attributes in the machine's byte order.
class NetlinkMessage {
 public:
  // type: RTM_*. flags: NLM_F_*, NLM_F_REQUEST is added. fixed: ifinfomsg, ifaddrmsg...
  template <typename Fixed>
  NetlinkMessage(uint16_t type, uint16_t flags, const Fixed& fixed)
      : NetlinkMessage(type, flags, &fixed, sizeof fixed) {}

  NetlinkMessage& bytes(uint16_t attribute, std::string_view value);
  NetlinkMessage& number(uint16_t attribute, uint32_t value);
  // With the zero at the end.
  NetlinkMessage& text(uint16_t attribute, const std::string& value);

  // The finished message.
  std::string take(uint32_t sequence) &&;

 private:
  NetlinkMessage(uint16_t type, uint16_t flags, const void* fixed, std::size_t size);
  std::string data_;
};

// A message of the kernel, without its header.
struct NetlinkAnswer {
  uint16_t type = 0;  // RTM_NEW*
  std::string payload;

  // The fixed structure at the beginning; zeros when the message is shorter.
  template <typename Fixed>
  Fixed fixed() const {
    Fixed value{};
    payload.copy(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }
  // The first attribute of the type `wanted` behind a fixed structure of `fixed_size` bytes. The
  // view ends with this object.
  std::optional<std::string_view> attribute(std::size_t fixed_size, uint16_t wanted) const;
};

class NetlinkSocket {
 public:
  // In the calling process's network namespace. Checks what dumps are asked for strictly, where the
  // kernel can (NETLINK_GET_STRICT_CHK).
  static Result<NetlinkSocket> open();

  // Sends and waits for the kernel's acknowledgement. The error carries the kernel's errno and,
  // where it gave one, its own explanation (NLMSGERR_ATTR_MSG).
  // what: names the request in errors: "RTM_SETLINK(eth0)".
  Result<> change(NetlinkMessage message, std::string_view what);
  // The messages that answer, for one object (flags 0) or all of them (NLM_F_DUMP). A dump that the
  // kernel calls inconsistent is asked for again.
  Result<std::vector<NetlinkAnswer>> query(const NetlinkMessage& message, std::string_view what);

 private:
  explicit NetlinkSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<std::vector<NetlinkAnswer>> exchange(NetlinkMessage message,
                                              std::string_view what,
                                              bool& interrupted);
  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace corten::sys
