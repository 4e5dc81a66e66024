#include "terminal.h"

#include <sys/socket.h>
#include <unistd.h>

#include <corten/base/strings.h>
#include <corten/sys/socket.h>

namespace corten::runtime {

Result<ConsoleSocket> ConsoleSocket::connect(const std::string& path) {
  sys::UniqueFd socket = TRY(sys::unix_connect_path(path, SOCK_STREAM).context([&] {
    return "connecting to the console socket " + quote(path);
  }));
  return ConsoleSocket(std::move(socket));
}

Result<> ConsoleSocket::take(sys::UniqueFd master) {
  TRY(sys::send_message(socket_.get(), "/dev/ptmx", master.get())
          .context("sending the terminal to the console socket"));
  socket_.reset();
  return {};
}

// The program is not there yet: it never sees a terminal without the caller's size.
Result<> KeptTerminal::take(sys::UniqueFd master) {
  copy_window_size(master.get());
  master_ = std::move(master);
  return {};
}

void copy_window_size(int master) {
  const Result<winsize> size = sys::get_window_size(STDIN_FILENO);
  if (size)
    (void)sys::set_window_size(master, *size);  // a container without the caller's size still works
}

Result<> send_descriptor(const std::string& socket_path, std::string_view name, int fd) {
  const sys::UniqueFd socket = TRY(sys::unix_connect_path(socket_path, SOCK_STREAM));
  return sys::send_message(socket.get(), name, fd);
}

}  // namespace corten::runtime
