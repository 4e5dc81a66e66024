#include "criu.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include <corten/base/defer.h>
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::runtime::criu {

namespace {

constexpr std::size_t kMaxResponse = std::size_t{1} << 20U;
constexpr std::size_t kMaxLog = std::size_t{16} << 20U;
constexpr std::size_t kMaxReport = 4096;

const char* name_of(Type type) {
  switch (type) {
    case Type::Dump:
      return "dump";
    case Type::PreDump:
      return "pre-dump";
    case Type::Restore:
      return "restore";
    case Type::FeatureCheck:
      return "feature check";
    case Type::Version:
      return "version check";
    default:
      return "request";
  }
}

// The first errors of the log: what comes after them are consequences.
std::string log_excerpt(const std::string& path) {
  constexpr int kLines = 3;
  if (path.empty()) return {};
  const Result<std::string> text = sys::read_file(path, kMaxLog);
  if (!text) return {};
  std::string excerpt;
  int count = 0;
  for (const auto line : split(*text, '\n')) {
    const auto at = line.find("Error (");
    if (at == std::string_view::npos || count == kLines) continue;
    excerpt += fmt::format(
        "{}{}", count == 0 ? "; its log says: " : "; ", printable(trim(line.substr(at))));
    ++count;
  }
  return excerpt.empty() ? excerpt : excerpt + fmt::format(" ({})", path);
}

class Conversation {
 public:
  explicit Conversation(Job& job) : job_(job) {}
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  Conversation(Conversation&&) = delete;
  Conversation& operator=(Conversation&&) = delete;
  ~Conversation() {
    socket_.reset();
    if (pid_ == 0) return;
    (void)sys::kill(pid_, SIGKILL);
    (void)sys::wait_child(pid_);
  }

  Result<Response> run() {
    TRY(start());
    const Features features = job_.type == Type::FeatureCheck ? Features{true, true} : Features{};
    const bool has_options =
        job_.type == Type::Dump || job_.type == Type::PreDump || job_.type == Type::Restore;
    const std::string request =
        encode_request(job_.type,
                       has_options ? &job_.options : nullptr,
                       job_.type == Type::FeatureCheck ? &features : nullptr);
    TRY(sys::send_message(socket_.get(), request, -1).context("talking to CRIU"));
    Response response = TRY(converse());
    socket_.reset();
    const sys::Exit exit = TRY(sys::wait_child(std::exchange(pid_, 0)));
    // After a pre-dump CRIU would go on with the next one: the closed socket ends it with an error.
    const bool fine = (!exit.signaled && exit.code == 0) || job_.type == Type::PreDump;
    if (fine) return response;
    return Error(ErrorKind::System,
                 fmt::format("criu ended with status {} after the {}{}",
                             exit.shell_status(),
                             name_of(job_.type),
                             log_excerpt(job_.log_path)));
  }

 private:
  Result<> start() {
    auto ends = TRY(sys::socketpair(SOCK_SEQPACKET));
    auto report = TRY(sys::pipe());
    socket_ = std::move(ends.first);
    job_.child.socket = ends.second.get();
    job_.child.report = report.second.get();
    pid_ = TRY(sys::fork());
    if (pid_ == 0) stage::criu_main(job_.child);
    ends.second.reset();
    report.second.reset();
    const std::string why = TRY(sys::read_all(report.first.get(), kMaxReport));
    if (!why.empty()) return Error(ErrorKind::System, "starting criu: " + why);
    return job_.started ? job_.started(pid_) : Result<>();
  }

  Result<Response> converse() {
    std::vector<char> buffer(kMaxResponse);
    for (;;) {
      sys::Received received =
          TRY(sys::receive_message(socket_.get(), buffer.data(), buffer.size()));
      if (received.size == 0)
        return Error(ErrorKind::System,
                     "criu ended without an answer" + log_excerpt(job_.log_path));
      const Response response = TRY(decode_response({buffer.data(), received.size}));
      if (response.type == Type::Notify && response.success) {
        const Result<> handled =
            job_.notified ? job_.notified(response, std::move(received.fd)) : Result<>();
        TRY(sys::send_message(socket_.get(), encode_notify_answer(handled.has_value()), -1));
        if (!handled) return handled.error();
        continue;
      }
      if (response.success) return response;
      return failure(response);
    }
  }

  Error failure(const Response& response) const {
    std::string text =
        fmt::format("criu failed to {}", job_.type == Type::Restore ? "restore" : "dump");
    if (job_.type != Type::Restore && job_.type != Type::Dump && job_.type != Type::PreDump)
      text = fmt::format("criu failed: {}", name_of(job_.type));
    if (response.error != 0) text += fmt::format(": {}", std::strerror(response.error));
    if (!response.message.empty()) text += fmt::format(": {}", printable(trim(response.message)));
    return Error(ErrorKind::System, text + log_excerpt(job_.log_path)).with_errno(response.error);
  }

  Job& job_;
  sys::UniqueFd socket_;
  pid_t pid_ = 0;
};

}  // namespace

Result<std::string> find_program() {
  const char* path = ::getenv("PATH");
  std::string directories = path == nullptr ? "" : path;
  directories += ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const auto directory : split(directories, ':')) {
    if (!directory.starts_with('/')) continue;
    std::string program = std::string(directory) + "/criu";
    const Result<struct stat> status = sys::fstatat(AT_FDCWD, program, 0);
    if (status && S_ISREG(status->st_mode) && (status->st_mode & 0111) != 0) return program;
  }
  return Error(ErrorKind::Unsupported,
               "checkpoint and restore need criu(8), which is not installed (Debian package criu)");
}

Result<int> check_version(const std::string& program) {
  Job job;
  job.child.program = program;
  job.type = Type::Version;
  const Response response = TRY(run(job));
  if (response.version >= kMinVersion) return response.version;
  return Error(
      ErrorKind::Unsupported,
      fmt::format("{} is of version {}; 3.15 or later is needed", program, response.version));
}

Result<> check_features(const std::string& program, const Features& wanted) {
  Job job;
  job.child.program = program;
  job.type = Type::FeatureCheck;
  const Response response = TRY(run(job));
  if (wanted.memory_tracking && !response.features.memory_tracking)
    return Error(ErrorKind::Unsupported,
                 "--pre-dump: the kernel does not track memory changes (CONFIG_MEM_SOFT_DIRTY)");
  if (wanted.lazy_pages && !response.features.lazy_pages)
    return Error(ErrorKind::Unsupported,
                 "--lazy-pages: the kernel or criu has no usable userfaultfd(2)");
  return {};
}

Result<Response> run(Job& job) { return Conversation(job).run(); }

}  // namespace corten::runtime::criu
