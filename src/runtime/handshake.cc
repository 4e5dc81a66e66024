#include "handshake.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "documents.h"
#include "id_maps.h"
#include "mount_fds.h"
#include <corten/base/strings.h>
#include <corten/hooks/run.h>
#include <corten/spec/state.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

Error died(const char* who) {
  return Error(ErrorKind::Protocol,
               fmt::format("{} ended without a word; it was probably killed", who));
}

bool is_stage1_message(const proto::Message& message) {
  return std::holds_alternative<proto::MapIdsRequest>(message) ||
         std::holds_alternative<proto::CgroupsRequest>(message) ||
         std::holds_alternative<proto::TimeOffsetsRequest>(message) ||
         std::holds_alternative<proto::InitSpawned>(message);
}

// One conversation. Each request is legal once, in its phase; everything else is a protocol error,
// because from the first namespace on the other side is less trusted than this one.
class Handshake {
 public:
  Handshake(const HandshakeInput& input, InitProcess& init)
      : input_(input), plan_(*input.plan), init_(init) {}

  Result<> run() {
    std::optional<proto::Envelope> early = TRY(hear_stage1());
    for (;;) {
      proto::Envelope envelope;
      if (early) {
        envelope = *std::move(early);
        early.reset();
      } else {
        envelope = TRY(receive_watching(*input_.channel, init_.pidfd.get(), "init"));
      }
      if (std::holds_alternative<proto::Ready>(envelope.message)) return {};
      TRY(on_init(envelope));
    }
  }

 private:
  // Until init is known. Init does not wait for that unless it has to: its first request may come
  // before stage1 has announced it, and is returned. There is no second one without an answer.
  Result<std::optional<proto::Envelope>> hear_stage1() {
    const sys::UniqueFd stage1 = TRY(sys::pidfd_open(input_.stage1));
    std::optional<proto::Envelope> early;
    while (init_.pid == 0) {
      proto::Envelope envelope = TRY(receive_watching(*input_.channel, stage1.get(), "stage1"));
      if (is_stage1_message(envelope.message)) {
        TRY(on_stage1(envelope));
      } else if (early || input_.init_waits) {
        return unexpected(envelope.message);
      } else {
        early = std::move(envelope);
      }
    }
    return early;
  }

  static Error unexpected(const proto::Message& message) {
    return Error(ErrorKind::Protocol,
                 fmt::format("{} came out of turn", proto::message_name(message)));
  }

  // A peer that has gone left its reason in the channel: the next receive tells.
  Result<> answer(const proto::Message& message, int fd = -1) const {
    Result<> sent = input_.channel->send(message, fd);
    if (!sent && sent.error().errno_value() == EPIPE) return {};
    return sent;
  }

  Result<> proceed() const { return answer(proto::Proceed{}); }

  Result<> on_stage1(proto::Envelope& envelope) {
    if (std::holds_alternative<proto::MapIdsRequest>(envelope.message) &&
        plan_.namespaces.is_new(CLONE_NEWUSER) && !ids_mapped_) {
      ids_mapped_ = true;
      TRY(write_id_maps(
          input_.stage1, plan_.namespaces.uid_map, plan_.namespaces.gid_map, input_.facts->euid));
      return proceed();
    }
    if (std::holds_alternative<proto::TimeOffsetsRequest>(envelope.message) &&
        !plan_.namespaces.time_offsets.empty() && !offsets_set_) {
      offsets_set_ = true;
      TRY(sys::write_file(fmt::format("/proc/{}/timens_offsets", input_.stage1),
                          plan_.namespaces.time_offsets)
              .context("/linux/timeOffsets"));
      return proceed();
    }
    if (std::holds_alternative<proto::CgroupsRequest>(envelope.message) &&
        input_.cgroups_meanwhile && !cgroups_told_) {
      cgroups_told_ = true;  // they are there: the parent has made them before it came here
      return proceed();
    }
    if (const auto* spawned = std::get_if<proto::InitSpawned>(&envelope.message))
      return on_spawned(spawned->pid);
    return unexpected(envelope.message);
  }

  // stage1 has done its work and exits.
  Result<> on_spawned(pid_t pid) {
    // Init is a child of this process and not reaped: the number cannot belong to anybody else.
    init_.pidfd = TRY(sys::pidfd_open(pid));
    init_.pid = pid;
    if (input_.on_init) TRY(input_.on_init(pid));
    if (input_.init_waits) TRY(proceed());
    return end_of_stage1();
  }

  // It may have failed with what it did last; its reason is in the channel then, perhaps behind a
  // request of init that nobody answers any more.
  Result<> end_of_stage1() const {
    const sys::Exit exit = TRY(sys::wait_child(input_.stage1));
    if (!exit.signaled && exit.code == 0) return {};
    for (;;) {
      const bool more = TRY(sys::wait_readable(input_.channel->fd(), 0));
      if (!more) return died("stage1");
      const std::optional<proto::Envelope> skipped = TRY(input_.channel->receive());
      if (!skipped) return died("stage1");
    }
  }

  Result<> on_init(proto::Envelope& envelope) {
    if (const auto* request = std::get_if<proto::MountFdRequest>(&envelope.message)) {
      const sys::UniqueFd mount = TRY(open_mount_source(plan_, request->index, init_.pid));
      return answer(proto::MountFd{request->index}, mount.get());
    }
    if (std::holds_alternative<proto::HooksRequest>(envelope.message) && !init_.hooks_started)
      return run_creation_hooks();
    if (std::holds_alternative<proto::TerminalMaster>(envelope.message) &&
        input_.terminal != nullptr && !terminal_taken_) {
      terminal_taken_ = true;
      TRY(input_.terminal->take(std::move(envelope.fd)));
      return proceed();
    }
    return unexpected(envelope.message);
  }

  Result<> run_creation_hooks() {
    init_.hooks_started = true;
    const std::string state = hook_state(plan_, spec::Status::Creating, init_.pid);
    const hooks::RunOptions options{.cwd = plan_.bundle,
                                    .stdout_fd = input_.hook_outputs->out.get(),
                                    .stderr_fd = input_.hook_outputs->err.get()};
    TRY(hooks::run_all(plan_.hooks.prestart, state, options));
    TRY(hooks::run_all(plan_.hooks.create_runtime, state, options));
    return proceed();
  }

  const HandshakeInput& input_;
  const plan::Plan& plan_;
  InitProcess& init_;
  bool ids_mapped_ = false;
  bool cgroups_told_ = false;
  bool offsets_set_ = false;
  bool terminal_taken_ = false;
};

}  // namespace

Result<proto::Envelope> receive_watching(const proto::Channel& channel,
                                         int pidfd,
                                         const char* who) {
  for (;;) {
    std::array<pollfd, 2> entries = {pollfd{channel.fd(), POLLIN, 0}, pollfd{pidfd, POLLIN, 0}};
    if (::poll(entries.data(), entries.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return Error::from_errno(errno, "poll() on the channel");
    }
    // What it said before it died comes first.
    if (entries[0].revents != 0) {
      std::optional<proto::Envelope> envelope = TRY(channel.receive());
      if (!envelope) return died(who);
      return std::move(*envelope);
    }
    if (entries[1].revents != 0) return died(who);
  }
}

Result<> run_handshake(const HandshakeInput& input, InitProcess& init) {
  return Handshake(input, init).run();
}

}  // namespace corten::runtime
