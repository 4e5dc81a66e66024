// Runs one hook: the state document on stdin, exact argv and environment, a timeout, and the tail
// of its output for the error. Both sides: the parent runs the hooks of the runtime namespace, init
// those of the container. Spec: config.md "POSIX-platform Hooks".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/sys/fd.h>

namespace corten::hooks {

// Where the output of hooks goes; an empty one is captured for the error text.
struct Outputs {
  sys::UniqueFd out;
  sys::UniqueFd err;

  // Opens the host's files for appending, "" = none. They are opened before a hook runs elsewhere:
  // for those of the container the path would be one of its root filesystem.
  // Errors: System, naming the file.
  static Result<Outputs> open(const std::string& stdout_path, const std::string& stderr_path);
};

struct RunOptions {
  std::string cwd{};   // the hook's working directory, "" = keep
  int stdout_fd = -1;  // borrowed; -1 = captured for the error text
  int stderr_fd = -1;
};

// Runs the hook to its end. The hook gets its own process group, descriptors 0 to 2 only, default
// signal dispositions, and exactly `env` (nothing when the config gives none).
// state_json: written to its stdin; a hook that does not read is fine.
// Errors: Hook, with the JSON pointer, the path, how it ended and the last lines of its output;
// on timeout the process group is killed.
Result<> run(const plan::Hook& hook, std::string_view state_json, const RunOptions& options);

// Runs them in order, stops at the first failure.
Result<> run_all(const std::vector<plan::Hook>& hooks,
                 std::string_view state_json,
                 const RunOptions& options);

// For poststop: runs every hook, whatever fails; each failure is a logged warning.
void run_all_warning(const std::vector<plan::Hook>& hooks,
                     std::string_view state_json,
                     const RunOptions& options);

}  // namespace corten::hooks
