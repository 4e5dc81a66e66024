#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <string>

#include <fmt/format.h>

#include <corten/base/json_text.h>
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/base/time.h>

namespace corten::log {

namespace {

Sink g_sink;

std::string_view level_name(Level level) {
  constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warning", "error"};
  return kNames[static_cast<std::size_t>(level)];
}

void write_line(int fd, const std::string& line) {
  // One write, so that lines of several processes do not mix; a failure has nowhere to go.
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
}

std::string json_line(Level level, std::string_view message) {
  JsonWriter json;
  json.begin_object();
  json.field("level", level_name(level))
      .field("msg", message)
      .field("time", timestamp_now(Precision::Microseconds));
  json.end_object();
  return json.take() + "\n";
}

// RFC 3164: the facility "user" is 1, the severities go from 7, debug, to 3, error.
std::string syslog_message(Level level, std::string_view message) {
  constexpr std::array<int, 4> kSeverities = {7, 6, 4, 3};
  constexpr int kUser = 1 << 3;
  return fmt::format("<{}>{}: {}",
                     kUser | kSeverities[static_cast<std::size_t>(level)],
                     g_sink.syslog_tag,
                     g_sink.format == Format::Json ? std::string(trim(json_line(level, message)))
                                                   : printable(message));
}

std::string text_line(Level level, std::string_view message) {
  std::string line = "corten: ";
  if (level != Level::Error) {
    line += level_name(level);
    line += ": ";
  }
  line += printable(message);
  line += '\n';
  return line;
}

}  // namespace

void set_sink(const Sink& sink) { g_sink = sink; }
const Sink& sink() { return g_sink; }

void write(Level level, std::string_view message) {
  if (level < g_sink.threshold) return;
  if (!g_sink.syslog_tag.empty()) {
    write_line(g_sink.fd, syslog_message(level, message));
  } else {
    write_line(
        g_sink.fd,
        g_sink.format == Format::Json ? json_line(level, message) : text_line(level, message));
  }
  if (g_sink.fd != STDERR_FILENO && g_sink.to_stderr && level == Level::Error) {
    write_line(STDERR_FILENO, text_line(level, message));
  }
}

}  // namespace corten::log
