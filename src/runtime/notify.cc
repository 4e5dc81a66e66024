#include "notify.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/socket.h>

namespace corten::runtime {

namespace {

constexpr const char* kInside = "/run/notify";
constexpr const char* kSocketName = "notify.sock";

constexpr std::string_view kReady = "READY=1";

// What the program may tell the service manager. The manager takes it for the words of the runtime,
// which it trusts: MAINPID= would name any process of the host to be killed with the service.
std::string permitted_lines(std::string_view message) {
  std::string kept;
  for (const auto line : split(message, '\n')) {
    if (line != kReady && !line.starts_with("STATUS=")) continue;
    if (!kept.empty()) kept += '\n';
    kept += line;
  }
  return kept;
}

bool says_ready(std::string_view message) {
  const auto lines = split(message, '\n');
  return std::find(lines.begin(), lines.end(), kReady) != lines.end();
}

}  // namespace

std::string notify_socket_from_environment() {
  const char* value = ::getenv("NOTIFY_SOCKET");
  const std::string_view path = value == nullptr ? "" : value;
  const bool usable = path.size() > 1 && path.size() < sizeof(sockaddr_un::sun_path) &&
                      (path.front() == '/' || path.front() == '@');
  return usable ? std::string(path) : std::string();
}

void add_notify_socket(plan::Plan& plan, const std::string& directory) {
  if (!plan.process || !plan.namespaces.is_new(CLONE_NEWNS)) return;
  plan::Mount mount;
  mount.index = plan.mounts.size();
  mount.kind = plan::MountKind::Bind;
  mount.source = directory;
  mount.destination = kInside;
  mount.attributes.set =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  plan.mounts.push_back(std::move(mount));
  plan.process->env.push_back(std::string("NOTIFY_SOCKET=") + kInside + "/" + kSocketName);
}

Result<NotifyProxy> NotifyProxy::bind(int entry_fd, const std::string& host_socket) {
  NotifyProxy proxy;
  if (host_socket.empty()) return proxy;
  proxy.host_socket_ = host_socket;
  const sys::UniqueFd directory =
      TRY(sys::openat(entry_fd, kNotifyDirectory, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  proxy.socket_ = TRY(sys::unix_bind(directory.get(), kSocketName, SOCK_DGRAM));
  // The program may run as any user.
  const sys::UniqueFd name = TRY(sys::openat(directory.get(), kSocketName, O_PATH | O_NOFOLLOW));
  TRY(sys::chmod_fd(name.get(), 0777));
  return proxy;
}

Result<> NotifyProxy::run_until_ready(int pidfd, pid_t pid) const {
  std::array<char, 4096> message;
  for (;;) {
    std::array<pollfd, 2> entries = {pollfd{socket_.get(), POLLIN, 0}, pollfd{pidfd, POLLIN, 0}};
    if (::poll(entries.data(), entries.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return Error::from_errno(errno, "poll() on the notify socket");
    }
    if (entries[0].revents == 0) return {};  // init has ended; `start` did what it could
    const ssize_t size = ::recv(socket_.get(), message.data(), message.size(), 0);
    if (size < 0) continue;
    const std::string text = permitted_lines({message.data(), static_cast<std::size_t>(size)});
    if (text.empty()) continue;
    TRY(sys::unix_send_datagram(host_socket_, text));
    if (says_ready(text))
      return sys::unix_send_datagram(host_socket_, "MAINPID=" + std::to_string(pid));
  }
}

}  // namespace corten::runtime
