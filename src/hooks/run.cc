#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/hooks/run.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::hooks {

namespace {

constexpr std::size_t kOutputTail = 2048;  // bytes of the hook's last words in the error

struct Pipes {
  sys::UniqueFd stdin_read, stdin_write;
  sys::UniqueFd output_read, output_write;
};

Result<Pipes> make_pipes() {
  Pipes pipes;
  std::tie(pipes.stdin_read, pipes.stdin_write) = TRY(sys::pipe());
  std::tie(pipes.output_read, pipes.output_write) = TRY(sys::pipe());
  for (const int fd : {pipes.stdin_write.get(), pipes.output_read.get()}) {
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
      return Error::from_errno(errno, "fcntl(F_SETFL, O_NONBLOCK)");
  }
  return pipes;
}

Result<sys::UniqueFd> open_output(const std::string& path) {
  if (path.empty()) return sys::UniqueFd();
  return sys::open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0600)
      .context("opening the file for the hooks' output");
}

// Where stdout and stderr of the hook go: a file the operator named, else the capture pipe.
Result<> redirect(int file_fd, int capture_fd, int target) {
  return sys::duplicate_to(file_fd < 0 ? capture_fd : file_fd, target);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const auto& one : strings) out.push_back(const_cast<char*>(one.c_str()));
  out.push_back(nullptr);
  return out;
}

void default_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The child between fork and execve. Returns only on failure.
Error become_hook(const plan::Hook& hook, const Pipes& pipes, const RunOptions& options) {
  const auto step = [&]() -> Result<> {
    if (::setpgid(0, 0) != 0) return Error::from_errno(errno, "setpgid(0, 0)");
    if (!options.cwd.empty()) TRY(sys::chdir(options.cwd));
    TRY(sys::duplicate_to(pipes.stdin_read.get(), STDIN_FILENO));
    TRY(redirect(options.stdout_fd, pipes.output_write.get(), STDOUT_FILENO));
    TRY(redirect(options.stderr_fd, pipes.output_write.get(), STDERR_FILENO));
    return sys::close_range(3, ~0U, 0);
  }();
  if (!step) return step.error();
  default_signals();
  auto argv = pointers(hook.args);
  if (!hook.env) return sys::execve(hook.path, argv.data(), environ);
  auto envp = pointers(*hook.env);
  return sys::execve(hook.path, argv.data(), envp.data());
}

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

// Feeds stdin and collects output until the hook ends.
class Conversation {
 public:
  Conversation(Pipes& pipes, std::string_view input, int pidfd, std::optional<int64_t> timeout_s)
      : pipes_(pipes), input_(input), pidfd_(pidfd) {
    if (timeout_s) deadline_ = now_ms() + std::min<int64_t>(*timeout_s, 1000000000) * 1000;
  }

  // False on timeout.
  Result<bool> run() {
    for (;;) {
      std::array<pollfd, 3> entries = {pollfd{pidfd_, POLLIN, 0},
                                       pollfd{pipes_.output_read.get(), POLLIN, 0},
                                       pollfd{pipes_.stdin_write.get(), POLLOUT, 0}};
      const int left = remaining();
      if (left == 0 && deadline_) return false;
      if (::poll(entries.data(), entries.size(), left) < 0) {
        if (errno == EINTR) continue;
        return Error::from_errno(errno, "poll() for the hook");
      }
      if (entries[2].revents != 0) feed();
      if (entries[1].revents != 0) collect();
      if (entries[0].revents != 0) {
        // What is in the pipe now; a daemon that the hook left behind may keep it open.
        collect();
        return true;
      }
    }
  }

  const std::string& output() const { return output_; }

 private:
  int remaining() const {
    if (!deadline_) return -1;
    return static_cast<int>(std::clamp<int64_t>(*deadline_ - now_ms(), 0, INT32_MAX));
  }

  // Writes what fits. EPIPE: the hook does not want to read, which is its right.
  void feed() {
    while (!input_.empty()) {
      const ssize_t count = ::write(pipes_.stdin_write.get(), input_.data(), input_.size());
      if (count < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return;
        break;
      }
      input_.remove_prefix(static_cast<std::size_t>(count));
    }
    pipes_.stdin_write.reset();
  }

  void collect() {
    std::array<char, 4096> chunk;
    for (;;) {
      const ssize_t count = ::read(pipes_.output_read.get(), chunk.data(), chunk.size());
      if (count < 0 && errno == EINTR) continue;
      if (count == 0) pipes_.output_read.reset();
      if (count <= 0) return;
      output_.append(chunk.data(), static_cast<std::size_t>(count));
      if (output_.size() > 2 * kOutputTail) output_.erase(0, output_.size() - kOutputTail);
    }
  }

  Pipes& pipes_;
  std::string_view input_;
  int pidfd_;
  std::optional<int64_t> deadline_;
  std::string output_;
};

Error hook_error(const plan::Hook& hook, std::string_view what, std::string_view output) {
  std::string text = fmt::format("{}: hook {} {}", hook.pointer, quote(hook.path), what);
  const std::string_view tail =
      trim(output.substr(output.size() - std::min(output.size(), kOutputTail)));
  if (!tail.empty()) text += fmt::format("; its last output: {}", quote(tail));
  return Error(ErrorKind::Hook, std::move(text)).with_pointer(hook.pointer);
}

std::string describe(const sys::Exit& exit, int64_t milliseconds) {
  const std::string end =
      exit.signaled ? fmt::format("was killed by signal {} ({})", exit.code, strsignal(exit.code))
                    : fmt::format("exited with status {}", exit.code);
  return fmt::format("{} after {} ms", end, milliseconds);
}

// A hook that could not be executed says so through this exit status and its stderr.
constexpr int kExecFailed = 127;

}  // namespace

Result<Outputs> Outputs::open(const std::string& stdout_path, const std::string& stderr_path) {
  Outputs outputs;
  outputs.out = TRY(open_output(stdout_path));
  outputs.err = TRY(open_output(stderr_path));
  return outputs;
}

Result<> run(const plan::Hook& hook, std::string_view state_json, const RunOptions& options) {
  // A write to a hook that does not read its stdin must be an error code, not a signal.
  struct sigaction ignore {};
  struct sigaction previous {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &previous);

  const int64_t begin = now_ms();
  Pipes pipes = TRY(make_pipes());
  const pid_t pid = TRY(sys::fork());
  if (pid == 0) {
    const Error error = become_hook(hook, pipes, options);
    (void)sys::write_all(STDERR_FILENO, error.message());
    _exit(kExecFailed);
  }
  pipes.stdin_read.reset();
  pipes.output_write.reset();
  const sys::UniqueFd pidfd = TRY(sys::pidfd_open(pid));
  Conversation conversation(pipes, state_json, pidfd.get(), hook.timeout);
  const Result<bool> in_time = conversation.run();
  if (!in_time || !*in_time) (void)sys::kill(-pid, SIGKILL);  // the whole group; it may be gone
  if (!in_time || !*in_time) (void)sys::kill(pid, SIGKILL);   // before setpgid had run
  const sys::Exit exit = TRY(sys::wait_child(pid));
  sigaction(SIGPIPE, &previous, nullptr);
  if (!in_time) return in_time.error();
  if (!*in_time) {
    return hook_error(
        hook,
        fmt::format("did not end within its timeout of {} s and was killed", *hook.timeout),
        conversation.output());
  }
  if (exit.signaled || exit.code != 0)
    return hook_error(hook, describe(exit, now_ms() - begin), conversation.output());
  return {};
}

Result<> run_all(const std::vector<plan::Hook>& hooks,
                 std::string_view state_json,
                 const RunOptions& options) {
  for (const auto& hook : hooks) TRY(run(hook, state_json, options));
  return {};
}

void run_all_warning(const std::vector<plan::Hook>& hooks,
                     std::string_view state_json,
                     const RunOptions& options) {
  for (const auto& hook : hooks) {
    const Result<> done = run(hook, state_json, options);
    if (!done) log::warning(done.error().message() + ", ignoring");
  }
}

}  // namespace corten::hooks
