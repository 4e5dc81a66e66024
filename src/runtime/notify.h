// sd_notify(3) for containers: a service manager's NOTIFY_SOCKET is not reachable from inside, so
// the container gets a socket of its own at /run/notify/notify.sock, and what arrives there is
// passed on until it is ready.
#pragma once

#include <sys/types.h>

#include <string>

#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>

namespace corten::runtime {

inline constexpr const char* kNotifyDirectory = "notify";

// $NOTIFY_SOCKET when it is one that can be used: an absolute path, or "@name"; "" otherwise.
std::string notify_socket_from_environment();

// Adds the mount of `directory` and the variable to the plan.
void add_notify_socket(plan::Plan& plan, const std::string& directory);

class NotifyProxy {
 public:
  // Binds the socket in the container's state directory. host_socket: where messages go; "" = an
  // empty proxy.
  static Result<NotifyProxy> bind(int entry_fd, const std::string& host_socket);

  bool active() const { return socket_.valid(); }
  // Passes datagrams on, as they are, until one says READY=1; MAINPID=<pid> follows that one. Ends
  // as well when the container's init does. pidfd, pid: of init.
  Result<> run_until_ready(int pidfd, pid_t pid) const;

 private:
  sys::UniqueFd socket_;
  std::string host_socket_;
};

}  // namespace corten::runtime
