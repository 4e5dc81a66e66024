#include "unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

namespace spec {

ListeningSocket::ListeningSocket(const std::string& path) : path_(path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw std::runtime_error("socket path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  socket_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::unlink(path.c_str());
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket_.get(), 8) != 0) {
    throw std::runtime_error("cannot listen on " + path);
  }
}

bool ListeningSocket::receive(ReceivedMessage& message, Milliseconds timeout) {
  if (!wait_readable(socket_.get(), timeout)) return false;
  const Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection.valid()) return false;
  bool first = true;
  constexpr Milliseconds kPause{2000};
  while (wait_readable(connection.get(), message.data.empty() ? timeout : kPause)) {
    char buffer[8192];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 16)];
    iovec vector{buffer, sizeof buffer};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(connection.get(), &header, MSG_CMSG_CLOEXEC);
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr && got >= 0;
         part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
        message.fds.emplace_back(fd);
        if (first) ++message.first_message_fds;
      }
    }
    if (got <= 0) {
      message.end_of_file = got == 0;
      return true;
    }
    first = false;
    message.data.append(buffer, static_cast<size_t>(got));
  }
  return true;
}

}  // namespace spec
