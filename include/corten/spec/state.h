// The state document (runtime.md "State"), as `state` prints it and hooks read it on stdin.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <corten/base/json_text.h>
#include <corten/base/result.h>

namespace corten::spec {

enum class Status : uint8_t { Creating, Created, Running, Paused, Stopped };

// "creating", "created", "running", "paused", "stopped".
std::string_view status_name(Status status);
std::optional<Status> parse_status(std::string_view name);

struct State {
  std::string oci_version;
  std::string id;
  Status status = Status::Creating;
  int pid = 0;         // 0 when stopped, left out of hook documents then
  std::string bundle;  // absolute
  std::vector<std::pair<std::string, std::string>> annotations;

  // Beyond the spec, read by engines; left out of hook documents (see `Extras`).
  std::string rootfs;   // absolute
  std::string created;  // RFC 3339 with nanoseconds
  std::string owner;    // name of the user who created it
  // Of a stopped container whose cgroup is still there: the OOM killer took processes of it,
  // because of the container's own limit or of one above it.
  bool oom_killed = false;
  bool oom_own_limit = false;
};

enum class Extras : uint8_t { No, Yes };
enum class Layout : uint8_t { Compact, Indented };

// Key order and types as runc's `state`: ociVersion, id, pid, status, bundle, rootfs, created,
// annotations, owner; then oomKilled and oomLimit, when there was a kill.
std::string to_json(const State& state, Extras extras, Layout layout);

// The same as part of a larger document: `list`, the container process state of seccomp.
void append_json(JsonWriter& json, const State& state, Extras extras);

// Reads what to_json wrote; unknown properties are ignored.
// Errors: InvalidSpec with pointer and line.
Result<State> parse_state(std::string_view text);

}  // namespace corten::spec
