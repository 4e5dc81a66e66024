// The parts that several operations are made of.
#pragma once

#include <functional>
#include <string>

#include "handshake.h"
#include "record.h"
#include "store.h"
#include <corten/base/result.h>
#include <corten/hooks/run.h>
#include <corten/runtime/operations.h>

namespace corten::runtime {

// A container that waits for `start`, with its lock held.
struct Created {
  Entry entry;
  Record record;
  InitProcess init;
};

// What a maker of init may use.
struct MakerInput {
  const plan::Plan* plan = nullptr;
  const Entry* entry = nullptr;
  std::string directory;  // the entry's path on the host
  const Record* record = nullptr;
  const cgroup::Manager* manager = nullptr;
  TerminalReceiver* terminal = nullptr;  // null: no terminal is expected
  const hooks::Outputs* hook_outputs = nullptr;
  // Puts a process into the groups of linux.intelRdt, whose descendants init and all others will
  // be. Empty: there are none.
  std::function<Result<>(pid_t pid)> enter_rdt_groups;
};
// Brings init into being in another way than create does; it then runs. It is a child of this
// process.
using InitMaker = std::function<Result<>(const MakerInput& input, InitProcess& init)>;

// The whole of create. terminal: null when the engine's console socket of the options is to be
// used. maker: null = as create does.
Result<Created> create_container(const Context& context,
                                 const CreateOptions& options,
                                 TerminalReceiver* terminal,
                                 const InitMaker* maker = nullptr);

// Whether start waits until the program has said READY=1 to its service manager's socket, when
// there is one.
enum class Readiness : uint8_t {
  Wait,        // start
  Background,  // an attached run: a child passes the messages on
};

// Lets init go on and runs the poststart hooks. On failure the container is destroyed.
// Precondition: the lock is held and the container is created.
Result<> start_container(Entry& entry, const Record& record, Readiness readiness);

// Kills what is left, removes the cgroups, the resctrl groups and the directory, runs the poststop
// hooks. Precondition: the lock is held. Idempotent: after a crash it can be repeated.
Result<> destroy_container(Entry& entry, const Record& record);

// The files that the container's annotations name for the output of its hooks.
Result<hooks::Outputs> open_hook_outputs(const Record& record);

// Writes the pid for the engine: decimal, no newline, the file complete or absent.
Result<> write_pid_file(const std::string& path, pid_t pid);

// The host's /proc, verified to be the root of a procfs.
Result<sys::UniqueFd> open_proc();

// Descriptors in a forked child that are not needed there: everything from 3 + preserved on but
// `keep`. An inherited lock or directory of the host must not live on in a container's process.
Result<> close_others(unsigned preserved, std::vector<int> keep);

}  // namespace corten::runtime
