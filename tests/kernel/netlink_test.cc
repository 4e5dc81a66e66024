#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>

#include "in_child.h"
#include <corten/sys/file.h>
#include <corten/sys/netlink.h>
#include <corten/sys/process.h>

namespace corten::sys {
namespace {

NetlinkMessage link_called(const std::string& name) {
  NetlinkMessage request(RTM_GETLINK, 0, ifinfomsg{});
  request.text(IFLA_IFNAME, name);
  return request;
}

IN_CHILD_TEST(Netlink, FindsWhatIsThere) {
  TRY(unshare(CLONE_NEWNET));
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  const auto links = TRY(socket.query(NetlinkMessage(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}), "all"));
  TRY(testing::require(!links.empty(), "a new namespace has a loopback device"));
  const auto found = TRY(socket.query(link_called("lo"), "lo"));
  TRY(testing::require(found.size() == 1 && found[0].type == RTM_NEWLINK, "one answer"));
  const auto header = found[0].fixed<ifinfomsg>();
  TRY(testing::require((header.ifi_flags & IFF_LOOPBACK) != 0, "it is the loopback device"));
  const auto name = found[0].attribute(sizeof header, IFLA_IFNAME);
  return testing::require(name && *name == std::string_view("lo\0", 3), "its name");
}

IN_CHILD_TEST(Netlink, ErrorsHaveTheKernelsNumberAndTheRequest) {
  TRY(unshare(CLONE_NEWNET));
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  const auto missing = socket.query(link_called("nobody"), "RTM_GETLINK(nobody)");
  TRY(testing::require(!missing && missing.error().errno_value() == ENODEV, "ENODEV"));
  TRY(testing::require(missing.error().message().starts_with("RTM_GETLINK(nobody)"),
                       "the request"));
  // The socket is still in step afterwards.
  TRY(socket.query(link_called("lo"), "lo"));
  return {};
}

IN_CHILD_TEST(Netlink, SocketStaysInTheNamespaceThatItWasMadeIn) {
  TRY(unshare(CLONE_NEWNET));
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  ifinfomsg header{};
  header.ifi_index = 1;
  header.ifi_flags = header.ifi_change = IFF_UP;
  TRY(socket.change(NetlinkMessage(RTM_SETLINK, 0, header), "up"));
  TRY(unshare(CLONE_NEWNET));
  const auto there = TRY(socket.query(link_called("lo"), "lo"));
  NetlinkSocket other = TRY(NetlinkSocket::open());
  const auto here = TRY(other.query(link_called("lo"), "lo"));
  TRY(testing::require((there[0].fixed<ifinfomsg>().ifi_flags & IFF_UP) != 0, "up there"));
  return testing::require((here[0].fixed<ifinfomsg>().ifi_flags & IFF_UP) == 0, "down here");
}

}  // namespace
}  // namespace corten::sys
