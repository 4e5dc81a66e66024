// UNIX sockets and terminals: thin wrappers. Names longer than sun_path are reached through
// /proc/self/fd/<directory>/<name>.
#pragma once

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::sys {

// type: SOCK_SEQPACKET or SOCK_STREAM.
Result<std::pair<UniqueFd, UniqueFd>> socketpair(int type);
Result<UniqueFd> unix_listen(int dir_fd, const std::string& name, int type);
// bind(2) without listen(2): for SOCK_DGRAM.
Result<UniqueFd> unix_bind(int dir_fd, const std::string& name, int type);
Result<UniqueFd> unix_connect(int dir_fd, const std::string& name, int type);
// `path` may be any length; its directory is opened first.
Result<UniqueFd> unix_connect_path(const std::string& path, int type);
// As unix_connect_path() of a stream; connecting, and each later send, fails with EAGAIN after the
// time, for example when nobody accepts (SO_SNDTIMEO, socket(7)).
Result<UniqueFd> unix_connect_within(const std::string& path, int milliseconds);
Result<UniqueFd> accept(int fd);
// One datagram from a socket of its own. address: a path, or "@name" in the abstract namespace;
// shorter than sun_path.
Result<> unix_send_datagram(const std::string& address, std::string_view message);

// One message with at most one descriptor (fd < 0: none). MSG_NOSIGNAL.
Result<> send_message(int socket, std::string_view data, int fd);
struct Received {
  std::size_t size = 0;  // 0 = the peer closed
  UniqueFd fd;
};
// Descriptors beyond the first are closed; truncation of data or control is an error (EMSGSIZE).
Result<Received> receive_message(int socket, void* data, std::size_t capacity);

// A pseudo terminal's user side from its master (TIOCGPTPEER: no path is looked up).
Result<UniqueFd> open_pty_peer(int master, int flags);
Result<> unlock_pty(int master);
Result<winsize> get_window_size(int fd);
Result<> set_window_size(int fd, const winsize& size);
Result<> set_controlling_terminal(int fd);
bool is_terminal(int fd);

// Brings a network interface of the calling process's network namespace up: "lo".
Result<> set_interface_up(const std::string& name);

}  // namespace corten::sys
