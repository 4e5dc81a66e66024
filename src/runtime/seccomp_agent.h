// Hands the listener of a SCMP_ACT_NOTIFY filter to the agent that the config names.
// Spec: config-linux.md "The Container Process State".
#pragma once

#include <sys/types.h>

#include <string>

#include <corten/base/result.h>
#include <corten/spec/state.h>

namespace corten::runtime {

struct SeccompAgent {
  std::string listener_path;
  std::string metadata;
};

// One connection, one document, the descriptor in its first message, then closed.
// pid: of the process that the filter confines, in the runtime's PID namespace.
Result<> send_seccomp_listener(const SeccompAgent& agent,
                               const spec::State& state,
                               pid_t pid,
                               int listener_fd);

}  // namespace corten::runtime
