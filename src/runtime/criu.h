// One conversation with CRIU: `criu swrk`, its messages over a socket pair, its log when it fails.
#pragma once

#include <functional>
#include <string>

#include "criu_rpc.h"
#include <corten/base/result.h>
#include <corten/stage/criu.h>
#include <corten/sys/fd.h>

namespace corten::runtime::criu {

// The oldest CRIU that corten works with: the first with the options that it relies on.
inline constexpr int kMinVersion = 31500;  // 3.15.0

// The criu program in $PATH, or in the usual directories. Errors: Unsupported when there is none.
Result<std::string> find_program();

// Asks for the version; Errors: Unsupported when it is too old.
Result<int> check_version(const std::string& program);
// Errors: Unsupported, naming what the kernel or CRIU lacks.
Result<> check_features(const std::string& program, const Features& wanted);

// A notification in the middle of a dump or a restore. fd: the descriptor that came along, or
// empty. A failure makes CRIU give up.
using Notified = std::function<Result<>(const Response& notification, sys::UniqueFd fd)>;

// Called when CRIU runs and before the request is sent: what depends on its pid.
using Started = std::function<Result<>(pid_t pid)>;

struct Job {
  stage::CriuInput child;  // program, stdio and the restore's part
  Type type = Type::Empty;
  Options options;
  std::string log_path;  // for the error text
  Notified notified;
  Started started;
};
// Runs it to its end; for Restore pid is that of the restored init, a child of this process.
// Errors: System with CRIU's own words, the first lines of its log that say "Error" among them.
Result<Response> run(Job& job);

}  // namespace corten::runtime::criu
