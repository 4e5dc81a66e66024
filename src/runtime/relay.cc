#include "relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

#include "terminal.h"
#include <corten/sys/file.h>
#include <corten/sys/socket.h>

namespace corten::runtime {

namespace {

// Raw mode for the caller's terminal, given back at the end.
class RawTerminal {
 public:
  explicit RawTerminal(int fd) : fd_(fd) {
    if (::tcgetattr(fd, &saved_) != 0) return;
    termios raw = saved_;
    ::cfmakeraw(&raw);
    active_ = ::tcsetattr(fd, TCSANOW, &raw) == 0;
  }
  ~RawTerminal() {
    if (active_) ::tcsetattr(fd_, TCSANOW, &saved_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  termios saved_{};
  bool active_ = false;
};

class Relay {
 public:
  Relay(int pidfd, const SignalSource& signals, sys::UniqueFd master)
      : pidfd_(pidfd), signals_(signals), master_(std::move(master)) {
    if (!master_.valid()) return;
    (void)::fcntl(master_.get(), F_SETFL, O_NONBLOCK);
  }

  Result<> run() {
    for (;;) {
      std::array<pollfd, 4> entries = {
          pollfd{pidfd_, POLLIN, 0},
          pollfd{signals_.fd(), POLLIN, 0},
          pollfd{master_.valid() ? master_.get() : -1,
                 static_cast<short>(POLLIN | (input_.empty() ? 0 : POLLOUT)),
                 0},
          pollfd{master_.valid() && stdin_open_ && input_.empty() ? STDIN_FILENO : -1, POLLIN, 0}};
      if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR)
        return Error::from_errno(errno, "poll()");
      if (entries[1].revents != 0) forward_signals();
      if (entries[3].revents != 0) read_input();
      if ((entries[2].revents & POLLOUT) != 0) write_input();
      if ((entries[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0) copy_output();
      if (entries[0].revents != 0) {
        copy_output();
        return {};
      }
    }
  }

 private:
  void forward_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.fd(), &info, sizeof info) == sizeof info) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGWINCH && master_.valid()) {
        copy_window_size(master_.get());
      } else {
        (void)sys::pidfd_send_signal(pidfd_, signal);  // the program may have ended
      }
    }
  }

  void read_input() {
    std::array<char, 4096> chunk;
    const ssize_t count = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (count > 0) {
      input_.assign(chunk.data(), static_cast<std::size_t>(count));
      write_input();
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      stdin_open_ = false;
      input_ = "\x04";  // end of file, as a terminal says it
      write_input();
    }
  }

  void write_input() {
    if (input_.empty()) return;
    const ssize_t count = ::write(master_.get(), input_.data(), input_.size());
    if (count > 0) input_.erase(0, static_cast<std::size_t>(count));
    if (count < 0 && errno != EAGAIN && errno != EINTR) input_.clear();
  }

  void copy_output() {
    if (!master_.valid()) return;
    std::array<char, 16384> chunk;
    for (;;) {
      const ssize_t count = ::read(master_.get(), chunk.data(), chunk.size());
      if (count > 0) {
        (void)sys::write_all(STDOUT_FILENO, {chunk.data(), static_cast<std::size_t>(count)});
        continue;
      }
      if (count < 0 && errno == EINTR) continue;
      // EIO: nobody has the other side open any more.
      if (count == 0 || errno == EIO) master_.reset();
      return;
    }
  }

  int pidfd_;
  const SignalSource& signals_;
  sys::UniqueFd master_;
  std::string input_;  // read from stdin, not yet taken by the terminal
  bool stdin_open_ = true;
};

}  // namespace

Result<SignalSource> SignalSource::make() {
  sigset_t set;
  sigfillset(&set);
  // SIGCHLD is this process's own business, SIGURG is noise, and faults belong to who makes them.
  for (const int signal :
       {SIGCHLD, SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPIPE})
    sigdelset(&set, signal);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0)
    return Error::from_errno(errno, "sigprocmask()");
  const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return Error::from_errno(errno, "signalfd()");
  return SignalSource(sys::UniqueFd(fd));
}

Result<sys::Exit> relay_until_exit(pid_t pid,
                                   int pidfd,
                                   const SignalSource& signals,
                                   sys::UniqueFd master) {
  std::optional<RawTerminal> raw;
  if (master.valid() && sys::is_terminal(STDIN_FILENO)) raw.emplace(STDIN_FILENO);
  TRY(Relay(pidfd, signals, std::move(master)).run());
  return sys::wait_child(pid);
}

}  // namespace corten::runtime
