#include "start.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/socket.h>

namespace corten::cli {

namespace {

// An engine's log lies on a tmpfs and outlives the container's probes: it is not filled without
// end. Above the maximum only the newest lines stay.
constexpr off_t kMaxLogBytes = off_t{1} << 20U;
constexpr off_t kKeptLogBytes = off_t{1} << 18U;

// The value of `name` wherever it stands; the last one wins, as in the parser.
std::string_view peek(std::span<char* const> arguments, std::string_view name) {
  std::string_view value;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view text = arguments[i];
    if (!text.starts_with('-')) continue;
    text.remove_prefix(text.starts_with("--") ? 2 : 1);
    const auto equals = text.find('=');
    if (text.substr(0, equals) != name) continue;
    if (equals != std::string_view::npos) {
      value = text.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    }
  }
  return value;
}

bool peek_flag(std::span<char* const> arguments, std::string_view name) {
  return std::any_of(arguments.begin(), arguments.end(), [&](std::string_view text) {
    return text.starts_with('-') && text.substr(text.starts_with("--") ? 2 : 1) == name;
  });
}

Result<log::Format> parse_format(std::string_view text) {
  if (text == "json") return log::Format::Json;
  if (text.empty() || text == "text") return log::Format::Text;
  return Error(ErrorKind::InvalidArgument, "--log-format takes text or json, not " + quote(text));
}

Result<log::Level> parse_level(std::string_view text) {
  if (text == "debug") return log::Level::Debug;
  if (text == "info") return log::Level::Info;
  if (text.empty() || text == "warning" || text == "warn") return log::Level::Warning;
  if (text == "error") return log::Level::Error;
  return Error(ErrorKind::InvalidArgument,
               "--log-level takes debug, info, warning or error, not " + quote(text));
}

// The journal's stream protocol: seven header lines, then one entry a line
// (sd_journal_stream_fd(3)).
Result<sys::UniqueFd> open_journal(std::string_view identifier) {
  sys::UniqueFd socket = TRY(sys::unix_connect_path("/run/systemd/journal/stdout", SOCK_STREAM));
  const std::string_view name = identifier.empty() ? "corten" : identifier;
  TRY(sys::write_all(socket.get(), fmt::format("{}\n\n3\n0\n0\n0\n0\n", printable(name))));
  return socket;
}

// Lines that this program has written, in one of its two forms.
bool is_own_log(std::string_view lines) {
  return lines.starts_with("{\"level\":\"") || lines.starts_with("corten: ");
}

// Drops the oldest lines. Engines look for the last error, so the file must go on taking lines.
// Errors: InvalidArgument when the file is not a log of this program.
Result<> shorten_log(const std::string& path, int log_fd, off_t size) {
  const sys::UniqueFd file = TRY(sys::open(path, O_RDONLY | O_NOCTTY));
  std::string kept(static_cast<std::size_t>(kKeptLogBytes), '\0');
  const ssize_t count = ::pread(file.get(), kept.data(), kept.size(), size - kKeptLogBytes);
  kept.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  const auto line_end = kept.find('\n');
  kept.erase(0, line_end == std::string::npos ? kept.size() : line_end + 1);
  if (!is_own_log(kept))
    return Error(ErrorKind::InvalidArgument, "it is not a log of this program");
  TRY(sys::ftruncate(log_fd, 0));
  return sys::write_all(log_fd, kept);
}

constexpr std::string_view kSyslog = "syslog:";

Result<sys::UniqueFd> open_sink(std::string_view target) {
  constexpr std::string_view kJournal = "journald:";
  if (target.starts_with(kJournal)) return open_journal(target.substr(kJournal.size()));
  if (target.starts_with(kSyslog)) return sys::unix_connect_path("/dev/log", SOCK_DGRAM);
  if (target.starts_with("file:")) target.remove_prefix(5);
  const std::string path(target);
  // A pipe that nobody reads must not hold the runtime up, neither here nor when it is full.
  sys::UniqueFd file =
      TRY(sys::open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK, 0644));
  const struct stat status = TRY(sys::fstat(file.get()));
  if (!S_ISREG(status.st_mode) || status.st_size <= kMaxLogBytes) return file;
  if (!shorten_log(path, file.get(), status.st_size)) return sys::UniqueFd();  // stderr is left
  return file;
}

// The descriptors that a service manager passes: only when they are meant for this process.
unsigned listen_descriptors() {
  const char* pid = ::getenv("LISTEN_PID");
  const char* count = ::getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr) return 0;
  if (parse_integer<pid_t>(pid) != ::getpid()) return 0;
  return parse_integer<unsigned>(count).value_or(0);
}

}  // namespace

void ensure_stdio() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (sys::is_open(fd)) continue;
    Result<sys::UniqueFd> null = sys::open("/dev/null", O_RDWR);
    if (!null) std::abort();
    (void)sys::set_cloexec(null->release(), false);  // the lowest free number is the missing one
  }
}

Result<> open_log(std::span<char* const> arguments) {
  log::Sink sink;
  const std::string_view target = peek(arguments, "log");
  const auto level = parse_level(peek(arguments, "log-level"));
  const auto format = parse_format(peek(arguments, "log-format"));
  sink.threshold = level ? *level : log::Level::Warning;
  if (peek_flag(arguments, "debug")) sink.threshold = log::Level::Debug;
  if (!target.empty()) {
    sys::UniqueFd opened =
        TRY(open_sink(target).context([&] { return "opening the log " + quote(target); }));
    if (opened) {
      if (format) sink.format = *format;
      if (target.starts_with(kSyslog)) {
        const std::string_view identifier = target.substr(kSyslog.size());
        sink.syslog_tag = identifier.empty() ? "corten" : printable(identifier);
      }
      sink.fd = opened.release();  // open until the process ends
    }
  }
  log::set_sink(sink);
  TRY(level);
  TRY(format);
  return {};
}

std::string default_root() {
  // An ordinary user's user namespace has an euid of 0 as well, but /run belongs to nobody there,
  // while root of a whole system, in a user namespace or not, owns it. The environment does not
  // tell the two apart reliably.
  const auto run = sys::fstatat(sys::kCwd, "/run", 0);
  if (::geteuid() == 0 && run && run->st_uid == 0) return "/run/corten";
  const char* runtime_dir = ::getenv("XDG_RUNTIME_DIR");
  if (runtime_dir != nullptr && *runtime_dir == '/') return std::string(runtime_dir) + "/corten";
  if (::geteuid() == 0) return "/run/corten";
  return fmt::format("/run/user/{}/corten", ::geteuid());
}

unsigned count_inherited_descriptors() {
  unsigned count = 0;
  while (sys::is_open(static_cast<int>(3 + count))) ++count;
  return count;
}

Result<> claim_descriptors(unsigned inherited, unsigned preserved) {
  const unsigned listen = listen_descriptors();
  if (listen > inherited || preserved > inherited - listen) {
    return Error(ErrorKind::InvalidArgument,
                 fmt::format("--preserve-fds: descriptor {} is not open", 3 + inherited));
  }
  const unsigned kept = preserved + listen;
  for (unsigned fd = 3; fd < 3 + kept; ++fd) TRY(sys::set_cloexec(static_cast<int>(fd), false));
  return sys::close_range(3 + kept, ~0U, CLOSE_RANGE_CLOEXEC);
}

}  // namespace corten::cli
