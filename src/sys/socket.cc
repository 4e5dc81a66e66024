#include <fcntl.h>
#include <net/if.h>
#include <sys/time.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "call.h"
#include <corten/sys/file.h>
#include <corten/sys/socket.h>

namespace corten::sys {

namespace {

Result<sockaddr_un> address_of(int dir_fd, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path =
      dir_fd == AT_FDCWD ? name : fmt::format("/proc/self/fd/{}/{}", dir_fd, name);
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return failed("socket address {}", quote(path));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<UniqueFd> unix_socket(int type) {
  const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed("socket(AF_UNIX, {})", type);
  return UniqueFd(fd);
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> socketpair(int type) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return failed("socketpair({})", type);
  return std::pair<UniqueFd, UniqueFd>(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<UniqueFd> unix_bind(int dir_fd, const std::string& name, int type) {
  UniqueFd fd = TRY(unix_socket(type));
  const sockaddr_un address = TRY(address_of(dir_fd, name));
  TRY(check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            "bind({}, {})",
            fd.get(),
            quote(name)));
  return fd;
}

Result<UniqueFd> unix_listen(int dir_fd, const std::string& name, int type) {
  UniqueFd fd = TRY(unix_bind(dir_fd, name, type));
  TRY(check(::listen(fd.get(), 8), "listen({})", fd.get()));
  return fd;
}

Result<UniqueFd> unix_connect(int dir_fd, const std::string& name, int type) {
  UniqueFd fd = TRY(unix_socket(type));
  const sockaddr_un address = TRY(address_of(dir_fd, name));
  TRY(check(retry_eintr([&] {
              return ::connect(
                  fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
            }),
            "connect({}, {})",
            fd.get(),
            quote(name)));
  return fd;
}

Result<UniqueFd> unix_connect_path(const std::string& path, int type) {
  if (path.size() < sizeof(sockaddr_un::sun_path)) return unix_connect(AT_FDCWD, path, type);
  const auto slash = path.rfind('/');
  const std::string dir = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const UniqueFd dir_fd = TRY(open(dir, O_PATH | O_DIRECTORY));
  return unix_connect(dir_fd.get(), path.substr(slash == std::string::npos ? 0 : slash + 1), type);
}

Result<> unix_send_datagram(const std::string& address, std::string_view message) {
  sockaddr_un to = TRY(address_of(AT_FDCWD, address));
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  const UniqueFd fd = TRY(unix_socket(SOCK_DGRAM));
  const auto* target = reinterpret_cast<const sockaddr*>(&to);
  return check(retry_eintr([&] {
                 return ::sendto(
                     fd.get(), message.data(), message.size(), MSG_NOSIGNAL, target, length);
               }),
               "sendto({}, {})",
               fd.get(),
               quote(address));
}

Result<UniqueFd> unix_connect_within(const std::string& path, int milliseconds) {
  UniqueFd fd = TRY(unix_socket(SOCK_STREAM));
  const timeval limit{milliseconds / 1000, (milliseconds % 1000) * 1000};
  TRY(check(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit),
            "setsockopt({}, SO_SNDTIMEO)",
            fd.get()));
  const sockaddr_un address = TRY(address_of(AT_FDCWD, path));
  TRY(check(retry_eintr([&] {
              return ::connect(
                  fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
            }),
            "connect({}, {})",
            fd.get(),
            quote(path)));
  return fd;
}

Result<UniqueFd> accept(int fd) {
  const int connection = retry_eintr([&] { return ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC); });
  if (connection < 0) return failed("accept4({})", fd);
  return UniqueFd(connection);
}

Result<> send_message(int socket, std::string_view data, int fd) {
  iovec part{const_cast<char*>(data.data()), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  const ssize_t sent = retry_eintr([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL); });
  if (sent < 0) return failed("sendmsg({}, {} bytes)", socket, data.size());
  return {};
}

Result<Received> receive_message(int socket, void* data, std::size_t capacity) {
  iovec part{data, capacity};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  constexpr std::size_t kMaxFds = 8;  // room to receive and close what a broken peer sends
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxFds)> control{};
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = retry_eintr([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  if (size < 0) return failed("recvmsg({})", socket);
  Received received;
  received.size = static_cast<std::size_t>(size);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      UniqueFd owned(fd);
      if (!received.fd.valid()) received.fd = std::move(owned);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    errno = EMSGSIZE;
    return failed("recvmsg({})", socket);
  }
  return received;
}

Result<UniqueFd> open_pty_peer(int master, int flags) {
  const int fd = ::ioctl(master, TIOCGPTPEER, flags | O_CLOEXEC);
  if (fd < 0) return failed("ioctl({}, TIOCGPTPEER)", master);
  return UniqueFd(fd);
}

Result<> unlock_pty(int master) {
  int locked = 0;
  return check(::ioctl(master, TIOCSPTLCK, &locked), "ioctl({}, TIOCSPTLCK)", master);
}

Result<winsize> get_window_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return failed("ioctl({}, TIOCGWINSZ)", fd);
  return size;
}

Result<> set_window_size(int fd, const winsize& size) {
  return check(::ioctl(fd, TIOCSWINSZ, &size), "ioctl({}, TIOCSWINSZ)", fd);
}

Result<> set_controlling_terminal(int fd) {
  return check(::ioctl(fd, TIOCSCTTY, 0), "ioctl({}, TIOCSCTTY)", fd);
}

bool is_terminal(int fd) {
  termios settings{};
  return ::ioctl(fd, TCGETS, &settings) == 0;
}

Result<> set_interface_up(const std::string& name) {
  const int raw = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (raw < 0) return failed("socket(AF_INET, SOCK_DGRAM)");
  const UniqueFd fd(raw);
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return check(::ioctl(fd.get(), SIOCSIFFLAGS, &request), "ioctl(SIOCSIFFLAGS, {}, up)", name);
}

}  // namespace corten::sys
