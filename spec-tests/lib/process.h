// Running programs with a deadline. The suite is single threaded, so fork may be followed by any
// code.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace spec {

using Milliseconds = std::chrono::milliseconds;

// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct SpawnOptions {
  std::vector<std::string> argv;
  std::string cwd;                    // empty: the caller's
  int stdin_fd = -1;                  // -1: /dev/null
  int stdout_fd = -1;                 // -1: /dev/null
  int stderr_fd = -1;                 // -1: /dev/null
  std::function<void()> before_exec;  // runs in the child, after the descriptors are in place
};

// A started program. Destroying it without wait() leaves the process alone.
class Process {
 public:
  Process() = default;
  Process(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  pid_t pid() const { return pid_; }
  // Waits for the end. Returns the wait status, or nothing when the time is over and the process
  // still runs.
  std::optional<int> wait(Milliseconds timeout);
  void kill();

 private:
  pid_t pid_ = -1;
  Fd pidfd_;
};

// Throws std::system_error when the program can't be forked; a failed execve shows as exit status
// 127.
Process spawn(const SpawnOptions& options);

Fd open_pidfd(pid_t pid);

// Waits until fd is readable (or hung up). False when the time is over.
bool wait_readable(int fd, Milliseconds timeout);

// Exit status as a shell shows it: 128 + N for a death by signal N.
int shell_status(int wait_status);

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& content);

}  // namespace spec
