// exec: another process in a running container. Its descriptors, credentials and limits take the
// same road as those of init (stage::confine_and_execute), so nothing that confines init can be
// missing here.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "container.h"
#include "documents.h"
#include "intel_rdt.h"
#include "relay.h"
#include "seccomp_agent.h"
#include "terminal.h"
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/cgroup/entrance.h>
#include <corten/cgroup/manager.h>
#include <corten/host/probe.h>
#include <corten/plan/build.h>
#include <corten/spec/parse.h>
#include <corten/spec/validate.h>
#include <corten/stage/stage.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

Result<> check_state(spec::Status status, bool ignore_paused) {
  if (status == spec::Status::Stopped || status == spec::Status::Creating) {
    return Error(ErrorKind::WrongState, "cannot exec in a stopped container");
  }
  if (status == spec::Status::Paused && !ignore_paused) {
    return Error(ErrorKind::WrongState,
                 "cannot exec in a paused container (use --ignore-paused to override)");
  }
  return {};
}

void add_capabilities(spec::Process& process, const std::vector<std::string>& names) {
  if (names.empty()) return;
  if (!process.capabilities) process.capabilities.emplace();
  // Never inheritable: a program with file capabilities would gain them (CVE-2022-29162).
  for (auto* set : {&process.capabilities->bounding,
                    &process.capabilities->effective,
                    &process.capabilities->permitted}) {
    set->insert(set->end(), names.begin(), names.end());
  }
}

// The argument form: the container's own process with what the command line replaces.
Result<spec::Process> process_from_arguments(const Entry& entry, const ExecOptions& options) {
  const std::string text = TRY(sys::read_file_at(entry.fd(), kConfigFile, spec::kMaxConfigBytes));
  spec::Spec spec = TRY(spec::parse(text));
  if (!spec.process)
    return Error(ErrorKind::InvalidArgument,
                 "the container's config has no process to start from: give --process");
  spec::Process process = std::move(*spec.process);
  process.args = options.args;
  process.terminal = options.tty;
  if (options.cwd) process.cwd = *options.cwd;
  if (options.user) {
    process.user.uid = options.user->first;
    if (options.user->second) process.user.gid = *options.user->second;
  }
  process.env.insert(process.env.end(), options.env.begin(), options.env.end());
  process.user.additional_gids.insert(process.user.additional_gids.end(),
                                      options.additional_gids.begin(),
                                      options.additional_gids.end());
  for (const auto& name : options.capabilities) {
    if (!plan::is_capability(name))
      return Error(ErrorKind::InvalidArgument, "--cap: unknown capability " + quote(name));
  }
  add_capabilities(process, options.capabilities);
  return process;
}

Result<spec::Process> choose_process(const Entry& entry, const ExecOptions& options) {
  spec::Process process = TRY(options.process_json ? spec::load_process(*options.process_json)
                                                   : process_from_arguments(entry, options));
  if (options.tty) process.terminal = true;
  if (options.apparmor) process.apparmor_profile = *options.apparmor;
  if (options.process_label) process.selinux_label = *options.process_label;
  if (options.no_new_privileges) process.no_new_privileges = *options.no_new_privileges;
  if (options.umask) process.user.umask = *options.umask;
  TRY(spec::validate_process(process));
  return process;
}

// The filter was compiled at create; it is the container's, whatever the new process asks for.
Result<> attach_filter(const Entry& entry, const Record& record, plan::Process& process) {
  if (!record.has_seccomp) return {};
  constexpr std::size_t kMaxFilterBytes = BPF_MAXINSNS * sizeof(sock_filter);
  const std::string bytes = TRY(sys::read_file_at(entry.fd(), kSeccompFile, kMaxFilterBytes));
  plan::Seccomp seccomp;
  seccomp.filter.resize(bytes.size() / sizeof(sock_filter));
  std::memcpy(seccomp.filter.data(), bytes.data(), seccomp.filter.size() * sizeof(sock_filter));
  seccomp.flags = record.seccomp_flags;
  seccomp.notify = record.seccomp_notify;
  process.seccomp = std::move(seccomp);
  return {};
}

class Execution {
 public:
  Execution(Entry& entry,
            const Record& record,
            plan::Process process,
            const ExecOptions& options,
            TerminalReceiver* terminal)
      : entry_(entry),
        record_(record),
        process_(std::move(process)),
        options_(options),
        terminal_(terminal) {}

  // Until the program runs.
  Result<> start() {
    Result<> done = run();
    if (done) return done;
    channel_.close();
    if (pid_ != 0) {
      (void)sys::kill(pid_, SIGKILL);
      (void)sys::wait_child(pid_);
    }
    return done;
  }

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }

 private:
  Result<> run() {
    TRY(spawn());
    TRY(follow_stage1());
    TRY(follow_program());
    if (!options_.pidfd_socket.empty())
      TRY(send_descriptor(options_.pidfd_socket, "pidfd", pidfd_.get()));
    // Only now: engines take the file's presence for success.
    return options_.pid_file.empty() ? Result<>() : write_pid_file(options_.pid_file, pid_);
  }

  Result<> spawn() {
    cgroup::Entrance entrance = TRY(open_entrance());
    auto ends = TRY(proto::Channel::make_pair());
    channel_ = std::move(ends.first);
    stage::ExecInput input;
    input.process = &process_;
    input.id = record_.id;
    input.channel = std::move(ends.second);
    input.entrance = &entrance;
    input.namespaces = record_.namespaces;
    input.waits_for_parent = record_.rdt.has_value();
    input.proc = TRY(open_proc());
    input.init_pidfd = TRY(sys::pidfd_open(record_.init.pid));
    if (!is_alive(record_.init))
      return Error(ErrorKind::WrongState, "cannot exec in a stopped container");
    stage1_ = TRY(fork_into(entrance, input.enter_v2));
    if (stage1_ != 0) return {};
    std::vector<int> keep = {input.channel.fd(),
                             input.proc.get(),
                             input.init_pidfd.get(),
                             entrance.v2_dir.get(),
                             entrance.v2_fallback.get()};
    for (const auto& tasks : entrance.tasks) keep.push_back(tasks.get());
    if (!close_others(process_.preserve_fds, std::move(keep))) _exit(1);
    stage::exec_main(input);
  }

  Result<cgroup::Entrance> open_entrance() const {
    if (options_.cgroups.empty()) return cgroup::open_manager(record_.cgroup)->entrance();
    std::vector<cgroup::SubCgroup> below;
    for (const auto& text : options_.cgroups) below.push_back(TRY(cgroup::parse_sub_cgroup(text)));
    return cgroup::open_entrance(record_.cgroup, below);
  }

  // Born inside the cgroup where the kernel can do that, but for a process whose first affinity is
  // to be in force before it enters. A manager inside the container may have closed the container's
  // own cgroup: then init's is the place, unless the caller has chosen one.
  Result<pid_t> fork_into(cgroup::Entrance& entrance, cgroup::Entrance::WithV2& enter_v2) const {
    const bool may_fall_back = options_.cgroups.empty();
    if (entrance.v2_dir.valid() && process_.initial_affinity.empty()) {
      Result<pid_t> pid = sys::clone3({.cgroup_fd = entrance.v2_dir.get()});
      if (pid) return pid;
      if (may_fall_back && cgroup::is_closed_to_processes(pid.error())) {
        entrance.v2_dir = TRY(cgroup::open_cgroup_of(record_.cgroup, record_.init.pid));
        pid = sys::clone3({.cgroup_fd = entrance.v2_dir.get()});
        if (pid) return pid;
      }
    } else if (entrance.v2_dir.valid() && may_fall_back) {
      Result<sys::UniqueFd> place = cgroup::open_cgroup_of(record_.cgroup, record_.init.pid);
      if (place) entrance.v2_fallback = *std::move(place);
    }
    enter_v2 = cgroup::Entrance::WithV2::Yes;
    return sys::fork();
  }

  Result<> follow_stage1() {
    const sys::UniqueFd stage1 = TRY(sys::pidfd_open(stage1_));
    const Result<> announced = hear_stage1(stage1.get());
    if (!announced) {
      (void)sys::kill(stage1_, SIGKILL);
      (void)sys::wait_child(stage1_);
      return announced;
    }
    if (record_.rdt) {
      // It waits: no instruction of the program runs outside.
      TRY(enter_rdt_groups(record_, pid_));
      TRY(channel_.send(proto::Proceed{}));
    }
    TRY(sys::wait_child(stage1_));
    return {};
  }

  // Until the process is known. What it said before stage1 could announce it is kept.
  Result<> hear_stage1(int stage1_pidfd) {
    while (pid_ == 0) {
      proto::Envelope envelope =
          TRY(receive_watching(channel_, stage1_pidfd, "the joining process"));
      if (const auto* spawned = std::get_if<proto::InitSpawned>(&envelope.message)) {
        pidfd_ = TRY(sys::pidfd_open(spawned->pid));
        pid_ = spawned->pid;
      } else if (early_) {
        return out_of_turn(envelope.message);
      } else {
        early_ = std::move(envelope);
      }
    }
    return {};
  }

  static Error out_of_turn(const proto::Message& message) {
    return Error(ErrorKind::Protocol,
                 std::string(proto::message_name(message)) + " came out of turn");
  }

  Result<> follow_program() {
    if (early_) TRY(answer(*early_));
    for (;;) {
      std::optional<proto::Envelope> envelope = TRY(channel_.receive());
      if (!envelope)
        return ready_ ? Result<>()
                      : Result<>(Error(ErrorKind::Protocol,
                                       "the process in the container ended without a word; it was "
                                       "probably killed (possibly OOM-killed)"));
      TRY(answer(*envelope));
    }
  }

  Result<> answer(proto::Envelope& envelope) {
    if (std::holds_alternative<proto::Ready>(envelope.message) && !ready_) {
      ready_ = true;
    } else if (std::holds_alternative<proto::TerminalMaster>(envelope.message) &&
               terminal_ != nullptr) {
      TRY(terminal_->take(std::move(envelope.fd)));
    } else if (std::holds_alternative<proto::SeccompListener>(envelope.message)) {
      const SeccompAgent agent{record_.seccomp_listener_path, record_.seccomp_listener_metadata};
      TRY(send_seccomp_listener(
          agent, state_document(record_, spec::Status::Running), pid_, envelope.fd.get()));
    } else {
      return out_of_turn(envelope.message);
    }
    return channel_.send(proto::Proceed{});
  }

  Entry& entry_;
  const Record& record_;
  plan::Process process_;
  const ExecOptions& options_;
  TerminalReceiver* terminal_;
  proto::Channel channel_;
  pid_t stage1_ = 0;
  pid_t pid_ = 0;
  sys::UniqueFd pidfd_;
  std::optional<proto::Envelope> early_;
  bool ready_ = false;
};

Result<plan::Process> build(const Entry& entry,
                            const Record& record,
                            const ExecOptions& options,
                            std::vector<std::string>& warnings) {
  const spec::Process process = TRY(choose_process(entry, options));
  plan::HostFacts facts = TRY(host::probe_without_cgroups());
  // Inside the container's user namespace the process has every capability, whatever the runtime
  // has.
  if ((record.namespaces & CLONE_NEWUSER) != 0)
    facts.permitted_capabilities = facts.bounding_capabilities = ~uint64_t{0};
  plan::Process built = TRY(plan::build_process(process, nullptr, facts, warnings));
  built.preserve_fds = options.preserve_fds;
  built.new_session_keyring = record.session_keyring;
  built.keep_groups = plan::keeps_groups(record.annotations);
  if (record.personality) built.personality = record.personality;
  TRY(attach_filter(entry, record, built));
  return built;
}

Result<int> exec_in(Entry& entry, const Record& record, const ExecOptions& options) {
  TRY(check_state(status_of(entry, record), options.ignore_paused));
  std::vector<std::string> warnings;
  plan::Process process = TRY(build(entry, record, options, warnings));
  const bool wants_socket = process.terminal && options.detach;
  if (wants_socket && options.console_socket.empty()) {
    return Error(ErrorKind::InvalidArgument,
                 "cannot allocate tty if corten will detach without setting console socket");
  }
  std::optional<SignalSource> signals;
  KeptTerminal kept;
  std::optional<ConsoleSocket> console;
  TerminalReceiver* terminal = &kept;
  if (!options.console_socket.empty()) {
    console.emplace(TRY(ConsoleSocket::connect(options.console_socket)));
    terminal = &*console;
  }
  if (!options.detach) signals.emplace(TRY(SignalSource::make()));
  Execution execution(entry, record, std::move(process), options, terminal);
  TRY(execution.start());
  // Only now: engines expect one line of a failure, the error.
  for (const auto& warning : warnings) log::warning(warning);
  if (options.detach) return 0;
  const sys::Exit exit =
      TRY(relay_until_exit(execution.pid(), execution.pidfd(), *signals, std::move(kept.master())));
  return exit.shell_status();
}

}  // namespace

Result<int> exec(const Context& context, const ExecOptions& options) {
  Entry entry = TRY(open_entry(context, options.id));
  const Record record = TRY(entry.load());
  return exec_in(entry, record, options);
}

}  // namespace corten::runtime
