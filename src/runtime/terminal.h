// Where the master of a container's terminal goes: to the engine's console socket, or to this
// process.
#pragma once

#include <string>

#include "handshake.h"
#include <corten/base/result.h>
#include <corten/sys/fd.h>

namespace corten::runtime {

// Sends the master over an AF_UNIX stream socket: one message with the name "/dev/ptmx" and one
// descriptor. Connected before anything is built, so that a wrong path fails early.
class ConsoleSocket : public TerminalReceiver {
 public:
  static Result<ConsoleSocket> connect(const std::string& path);
  Result<> take(sys::UniqueFd master) override;

 private:
  explicit ConsoleSocket(sys::UniqueFd socket) : socket_(std::move(socket)) {}
  sys::UniqueFd socket_;
};

// Keeps the master for an attached run or exec.
class KeptTerminal : public TerminalReceiver {
 public:
  Result<> take(sys::UniqueFd master) override;
  sys::UniqueFd& master() { return master_; }

 private:
  sys::UniqueFd master_;
};

// Gives the terminal the size of the caller's, when standard input is one.
void copy_window_size(int master);

// Sends a descriptor with a name, in the form of the console socket (also the form of
// --pidfd-socket).
Result<> send_descriptor(const std::string& socket_path, std::string_view name, int fd);

}  // namespace corten::runtime
