// The parent's half of the protocol while a container is created: answers stage1 and init until
// init is ready. docs/protocol.md has the sequence.
#pragma once

#include <functional>
#include <string>

#include <corten/base/result.h>
#include <corten/hooks/run.h>
#include <corten/plan/host_facts.h>
#include <corten/plan/plan.h>
#include <corten/proto/channel.h>
#include <corten/sys/fd.h>

namespace corten::runtime {

// Where the master of the container's terminal goes.
class TerminalReceiver {
 public:
  virtual ~TerminalReceiver() = default;
  virtual Result<> take(sys::UniqueFd master) = 0;
};

// What the handshake needs from the operation that runs it.
struct HandshakeInput {
  const plan::Plan* plan = nullptr;
  const plan::HostFacts* facts = nullptr;
  const proto::Channel* channel = nullptr;
  pid_t stage1 = 0;
  TerminalReceiver* terminal = nullptr;  // null: no terminal is expected
  const hooks::Outputs* hook_outputs = nullptr;
  // Called as soon as init is known, while it builds the container.
  std::function<Result<>(pid_t init)> on_init;
  // stage1 asks for its cgroups, which the caller has made: stage::CreateInput::cgroups_meanwhile.
  bool cgroups_meanwhile = false;
  // Init waits for a Proceed until on_init has returned: stage::CreateInput::waits_for_parent.
  bool init_waits = false;
};

// Init's identity, as soon as it is known: the caller has to kill and reap it when creation fails.
struct InitProcess {
  pid_t pid = 0;
  sys::UniqueFd pidfd;
  bool hooks_started =
      false;  // a creation hook has run: a failure from here on runs the poststop hooks
};

// Runs until Ready. `init` is filled on the way.
// Errors: the child's Failure; Protocol; or how the child died.
Result<> run_handshake(const HandshakeInput& input, InitProcess& init);

// Receives from the channel while watching the process that should be answering: a process that
// dies without a word is an error that says how it died.
Result<proto::Envelope> receive_watching(const proto::Channel& channel, int pidfd, const char* who);

}  // namespace corten::runtime
