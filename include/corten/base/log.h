// The log sink of the process: the only global in corten. One write(2) a line, so that lines of
// several processes never mix; text on stderr or JSON lines in the engine's --log file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace corten::log {

enum class Level : uint8_t { Debug, Info, Warning, Error };
enum class Format : uint8_t { Text, Json };

struct Sink {
  int fd = 2;  // borrowed; must be CLOEXEC unless it is stderr
  Format format = Format::Text;
  Level threshold = Level::Warning;
  bool to_stderr = true;  // errors go to stderr as plain text as well when fd is a file
  std::string
      syslog_tag;  // not empty: fd is the socket of syslog(3), which wants "<PRIORITY>TAG: "
};

// Replaces the sink. Parent side; children inherit it by fork.
void set_sink(const Sink& sink);
const Sink& sink();

// Writes one line. JSON form, parsed by engines: {"level":"error","msg":"...","time":"RFC 3339"}.
// Never fails: a log that cannot be written is not a reason to stop.
void write(Level level, std::string_view message);

inline void debug(std::string_view message) {
  if (sink().threshold <= Level::Debug) write(Level::Debug, message);
}
inline void warning(std::string_view message) { write(Level::Warning, message); }

}  // namespace corten::log
