// create: a transaction. Each thing that outlives this process is recorded before it is made, and
// undone when a later step fails.
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "container.h"
#include "documents.h"
#include "id_maps.h"
#include "intel_rdt.h"
#include "load.h"
#include "net_devices.h"
#include "notify.h"
#include "terminal.h"
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/base/time.h>
#include <corten/cgroup/manager.h>
#include <corten/hooks/run.h>
#include <corten/plan/build.h>
#include <corten/spec/validate.h>
#include <corten/stage/stage.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::runtime {

namespace {

Result<> check_terminal_options(const plan::Plan& plan,
                                const CreateOptions& options,
                                bool attached) {
  const bool terminal = plan.process && plan.process->terminal;
  if (terminal && !attached && options.console_socket.empty()) {
    return Error::spec("/process/terminal",
                       "cannot allocate tty if corten will detach without setting console socket: "
                       "give --console-socket");
  }
  if (!options.console_socket.empty() && (!terminal || attached)) {
    return Error(ErrorKind::InvalidArgument,
                 "cannot use console socket if corten will not detach or allocate tty: "
                 "/process/terminal is false or the run is attached");
  }
  return {};
}

unsigned components(const std::string& path) {
  unsigned count = 0;
  for (const auto part : split(path, '/')) count += part.empty() ? 0 : 1;
  return count;
}

bool shares_time_namespace(pid_t pid) {
  const auto own = sys::fstatat(AT_FDCWD, "/proc/self/ns/time", 0);
  const auto other = sys::fstatat(AT_FDCWD, fmt::format("/proc/{}/ns/time", pid), 0);
  return !own || !other || own->st_ino == other->st_ino;
}

// One creation from the first write to the answer. The destructor does nothing: undo() is explicit.
class Creation {
 public:
  Creation(const Context& context,
           const CreateOptions& options,
           Loaded loaded,
           TerminalReceiver* terminal,
           const InitMaker* maker)
      : context_(context),
        options_(options),
        loaded_(std::move(loaded)),
        plan_(loaded_.plan),
        terminal_(terminal),
        maker_(maker) {}

  Result<Created> run() {
    Result<Created> created = create();
    if (created) return created;
    return spec::locate(std::move(created).error(), loaded_.config_text, loaded_.config_path);
  }

 private:
  Result<Created> create() {
    TRY(prepare());
    entry_.emplace(TRY(make_entry(context_, options_.id)));
    Result<> done = build();
    if (!done) return undo(std::move(done).error());
    return Created{std::move(*entry_), std::move(record_), std::move(init_)};
  }

  // What can fail without a trace.
  Result<> prepare() {
    TRY(refuse_unsupported());
    TRY(check_terminal_options(plan_, options_, terminal_ != nullptr));
    if (!options_.console_socket.empty()) {
      console_socket_.emplace(TRY(ConsoleSocket::connect(options_.console_socket)));
      terminal_ = &*console_socket_;
    }
    const Result<sys::UniqueFd> rootfs = sys::open(plan_.rootfs, O_PATH | O_DIRECTORY);
    if (!rootfs) {
      const Error why = sys::explain_path(rootfs.error(), plan_.rootfs);
      return Error::spec("/root/path", "the rootfs cannot be opened: " + why.message())
          .with_errno(why.errno_value());
    }
    rootfs_ = TRY(sys::fstat(rootfs->get()));
    proc_ = TRY(open_proc());
    hook_outputs_ = TRY(hooks::Outputs::open(plan_.hooks.stdout_path, plan_.hooks.stderr_path));
    net_devices_ = TRY(NetDevices::find(plan_.net_devices));
    if (plan_.intel_rdt) resctrl_ = TRY(open_resctrl());
    manager_ = TRY(cgroup::make_manager(plan_.cgroup, loaded_.facts.cgroup));
    fill_record();
    return {};
  }

  // Valid configuration that this version cannot carry out is never dropped silently.
  Result<> refuse_unsupported() const {
    // CRIU makes the namespace of what it restores, and puts the devices into it that the image
    // names.
    if (!plan_.net_devices.empty() && maker_ != nullptr)
      return Error::spec(plan_.net_devices.front().pointer,
                         "a container with network devices of the host cannot be restored");
    return {};
  }

  void fill_record() {
    record_.oci_version = loaded_.oci_version;
    record_.id = plan_.id;
    record_.bundle = plan_.bundle;
    record_.rootfs = plan_.rootfs;
    record_.created = timestamp_now(Precision::Nanoseconds);
    record_.owner = loaded_.facts.euid;
    record_.has_process = plan_.process.has_value();
    record_.has_seccomp = plan_.process && plan_.process->seccomp;
    if (plan_.process) {
      record_.session_keyring = plan_.process->new_session_keyring;
      record_.personality = plan_.process->personality;
    }
    if (record_.has_seccomp) {
      record_.seccomp_flags = plan_.process->seccomp->flags;
      record_.seccomp_notify = plan_.process->seccomp->notify;
      record_.seccomp_listener_path = plan_.process->seccomp->listener_path;
      record_.seccomp_listener_metadata = plan_.process->seccomp->listener_metadata;
    }
    record_.notify_socket = loaded_.notify_socket;
    record_.namespaces = plan_.namespaces.unshare;
    for (const auto& join : plan_.namespaces.join)
      record_.namespaces |= static_cast<uint64_t>(join.flag);
    record_.poststart = plan_.hooks.poststart;
    record_.poststop = plan_.hooks.poststop;
    record_.annotations = plan_.annotations;
    record_.cgroup = manager_->record();
    // Until create() has made them: what exists is somebody else's, of the rest only the last
    // component is ours.
    for (auto& location : record_.cgroup.locations) {
      const bool exists = sys::exists(AT_FDCWD, location.mount_point + location.path);
      location.existing_components = components(location.path) - (exists ? 0 : 1);
    }
  }

  Result<> build() {
    TRY(entry_->lock());
    record_.runtime = TRY(identify(::getpid()));
    TRY(entry_->save(record_));
    if (resctrl_) TRY(make_rdt_groups());
    if (!record_.notify_socket.empty()) TRY(sys::mkdirat(entry_->fd(), kNotifyDirectory, 0755));
    const bool meanwhile = can_make_cgroups_meanwhile();
    if (!meanwhile) TRY(make_cgroups());
    if (maker_ == nullptr) TRY(spawn_stage1(meanwhile));
    if (meanwhile) TRY(make_cgroups());
    TRY(save_copies());
    TRY(maker_ != nullptr ? make_init_otherwise() : shake_hands(meanwhile));
    manager_->settle();
    TRY(manager_->pass_controllers().context("the cgroups below the container's own"));
    TRY(manager_->apply(plan_.cgroup.late_writes));
    return finish();
  }

  // Making the cgroups takes about as long as making the namespaces: with two processors they are
  // made at the same time. Not where the child could not enter afterwards: a v1 hierarchy from
  // inside a user namespace; a cgroup namespace that is somebody's; a unit of systemd; a cgroup
  // below the container's own.
  bool can_make_cgroups_meanwhile() const {
    return maker_ == nullptr && plan_.cgroup.driver == plan::CgroupDriver::Cgroupfs &&
           !plan_.cgroup.optional && !record_.cgroup.locations.empty() && !nested() &&
           !plan_.namespaces.own(CLONE_NEWUSER) && !plan_.namespaces.joins(CLONE_NEWCGROUP);
  }

  bool nested() const { return !plan_.cgroup.subgroup.empty() || !plan_.cgroup.delegated.empty(); }

  Result<> make_init_otherwise() {
    return (*maker_)({&plan_,
                      &*entry_,
                      context_.root + "/" + plan_.id,
                      &record_,
                      manager_.get(),
                      terminal_,
                      &hook_outputs_,
                      resctrl_ ? [this](pid_t pid) { return enter_rdt_groups(pid); }
                               : std::function<Result<>(pid_t)>()},
                     init_);
  }

  Result<> spawn_stage1(bool cgroups_meanwhile) {
    start_socket_ = TRY(sys::unix_listen(entry_->fd(), kStartSocket, SOCK_SEQPACKET)
                            .context("making the start socket"));
    cgroup::Entrance entrance;
    if (cgroups_meanwhile) {
      Result<cgroup::Entrance> made = manager_->create_entrance();
      if (!made) return std::move(made).error().with_context("making the container's cgroups");
      entrance = *std::move(made);
      note_v2_location();
    } else {
      entrance = TRY(manager_->entrance());
    }
    return spawn(entrance, cgroups_meanwhile);
  }

  // The one that is there by now; what the record says of the others is still a guess.
  void note_v2_location() {
    const auto& made = manager_->record().locations;
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (made[i].v2) record_.cgroup.locations[i] = made[i];
    }
  }

  Result<> shake_hands(bool cgroups_meanwhile) {
    HandshakeInput input{&plan_, &loaded_.facts, &channel_, stage1_, terminal_, &hook_outputs_, {}};
    input.on_init = [this](pid_t init) { return on_init(init); };
    input.init_waits = init_waits();
    input.cgroups_meanwhile = cgroups_meanwhile;
    return run_handshake(input, init_);
  }

  // What has to be there before init goes on.
  bool init_waits() const { return resctrl_.has_value() || !plan_.net_devices.empty(); }

  // Init has its namespaces and nothing of the image has run in them. While it builds the container
  // otherwise, its record is written, which counts once init is ready.
  Result<> on_init(pid_t init) {
    if (resctrl_) TRY(enter_rdt_groups(init));
    if (!plan_.net_devices.empty()) TRY(net_devices_.move_to(init));
    record_.init = TRY(identify(init));
    const struct stat exe = TRY(sys::fstatat(AT_FDCWD, "/proc/self/exe", 0));
    record_.init_exe_device = exe.st_dev;
    record_.init_exe_inode = exe.st_ino;
    record_.phase = Phase::Created;
    prepared_record_ = TRY(entry_->prepare(record_));
    return {};
  }

  Result<> make_rdt_groups() {
    return resctrl_->make_groups(*plan_.intel_rdt, plan_.id, [this](const RdtGroups& groups) {
      record_.rdt = groups;
      return entry_->save(record_);
    });
  }

  Result<> enter_rdt_groups(pid_t pid) const {
    return resctrl_->enter(*record_.rdt, plan_.id, pid);
  }

  Result<> make_cgroups() {
    const Result<> made = manager_->create();
    if (!made && !can_do_without(made.error()))
      return Error(made.error()).with_context("making the container's cgroups");
    if (!made) manager_ = cgroup::open_manager({plan::CgroupDriver::Disabled, {}, {}, false});
    record_.cgroup = manager_->record();
    // Only now is it known where systemd has put the container.
    if (!record_.cgroup.scope.empty()) TRY(entry_->save(record_));
    TRY(manager_->apply(plan_.cgroup.writes));
    TRY(manager_->apply_devices(plan_.cgroup.device_rules));
    if (nested()) TRY(manager_->nest(plan_.cgroup.subgroup, plan_.cgroup.delegated));
    const bool given = plan_.cgroup.delegate || !plan_.cgroup.delegated.empty();
    if (!given || !plan_.process) return {};
    return manager_
        ->delegate(host_id(plan_.namespaces.uid_map, plan_.process->uid),
                   host_id(plan_.namespaces.gid_map, plan_.process->gid))
        .context("giving the container its cgroup");
  }

  // An ordinary user whom nobody gave a cgroup: the container goes without, unless it shall have
  // limits.
  bool can_do_without(const Error& error) const {
    const int code = error.errno_value();
    return plan_.cgroup.optional && plan_.cgroup.writes.empty() &&
           plan_.cgroup.late_writes.empty() && (code == EACCES || code == EPERM || code == EROFS);
  }

  // Later operations never look at the bundle again (RT-009).
  Result<> save_copies() {
    TRY(write_new(kConfigFile, loaded_.config_text));
    if (!record_.has_seccomp) return {};
    const auto& filter = plan_.process->seccomp->filter;
    return write_new(
        kSeccompFile,
        {reinterpret_cast<const char*>(filter.data()), filter.size() * sizeof(sock_filter)});
  }

  Result<> write_new(const char* name, std::string_view text) {
    const sys::UniqueFd file =
        TRY(sys::openat(entry_->fd(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    return sys::write_all(file.get(), text);
  }

  Result<> spawn(cgroup::Entrance& entrance, bool cgroups_meanwhile) {
    auto ends = TRY(proto::Channel::make_pair());
    channel_ = std::move(ends.first);
    stage::CreateInput input;
    input.plan = &plan_;
    input.channel = std::move(ends.second);
    input.start_socket = std::move(start_socket_);
    input.entrance = &entrance;
    input.cgroups_meanwhile = cgroups_meanwhile;
    // Init runs those hooks before the parent knows how stage1 has ended.
    input.loopback_meanwhile = plan_.hooks.create_container.empty();
    input.cgroup_locations = visible_cgroups();
    input.private_cgroup_mounts = plan_.namespaces.own(CLONE_NEWCGROUP);
    input.proc = std::move(proc_);
    input.rootfs_device = rootfs_.st_dev;
    input.rootfs_inode = rootfs_.st_ino;
    input.waits_for_parent = init_waits();
    input.hooks_before_pivot = !plan_.hooks.prestart.empty() || !plan_.hooks.create_runtime.empty();
    input.hook_stdout = hook_outputs_.out.get();
    input.hook_stderr = hook_outputs_.err.get();
    input.render_state = [this](const char* status, int pid) {
      return hook_state(
          plan_,
          std::string_view(status) == "created" ? spec::Status::Created : spec::Status::Creating,
          pid);
    };
    stage1_ = TRY(fork_into(entrance, input.enter_v2));
    if (stage1_ != 0) return {};
    const Result<> closed =
        close_others(plan_.process ? plan_.process->preserve_fds : 0, descriptors_of(input));
    if (!closed) _exit(1);
    stage::create_main(input);
  }

  // What a mount of type cgroup shows: the container's own, or the runtime's when it has none.
  std::vector<cgroup::Location> visible_cgroups() const {
    if (!record_.cgroup.locations.empty()) return record_.cgroup.locations;
    std::vector<cgroup::Location> own;
    for (const auto& one : loaded_.facts.cgroup.v1)
      own.push_back({one.controllers, one.mount_point, one.own_path, false, 0});
    for (const auto& one : loaded_.facts.cgroup.v2)
      own.push_back({one.controllers, one.mount_point, one.own_path, true, 0});
    return own;
  }

  static std::vector<int> descriptors_of(const stage::CreateInput& input) {
    std::vector<int> keep = {input.channel.fd(),
                             input.start_socket.get(),
                             input.proc.get(),
                             input.entrance->v2_dir.get(),
                             input.entrance->v2_delegated.get(),
                             input.hook_stdout,
                             input.hook_stderr};
    for (const auto& tasks : input.entrance->tasks) keep.push_back(tasks.get());
    for (const auto& one : input.entrance->later) keep.push_back(one.mount_point.get());
    return keep;
  }

  // Born inside the cgroup where the kernel can do that: no instruction runs outside.
  static Result<pid_t> fork_into(const cgroup::Entrance& entrance,
                                 cgroup::Entrance::WithV2& enter_v2) {
    if (entrance.v2_dir.valid()) {
      Result<pid_t> pid = sys::clone3({.cgroup_fd = entrance.v2_dir.get()});
      if (pid) return pid;
    }
    enter_v2 = cgroup::Entrance::WithV2::Yes;
    return sys::fork();
  }

  Result<> finish() {
    if (maker_ == nullptr) {
      TRY(entry_->commit(record_, prepared_record_));
    } else {
      record_.init = TRY(identify(init_.pid));
      // CRIU gives what it restores one of its own.
      if (!shares_time_namespace(init_.pid)) record_.namespaces |= CLONE_NEWTIME;
      record_.phase = Phase::Created;
      TRY(entry_->save(record_));
    }
    if (!options_.pid_file.empty()) {
      TRY(write_pid_file(options_.pid_file, init_.pid));
      pid_file_written_ = true;
    }
    const std::string pidfd_socket =
        options_.pidfd_socket.empty()
            ? plan::find_annotation(plan_.annotations, plan::kPidfdReceiver)
            : options_.pidfd_socket;
    if (!pidfd_socket.empty()) {
      TRY(send_descriptor(pidfd_socket, "pidfd", init_.pidfd.get()).context([&] {
        return "sending the pidfd to " + quote(pidfd_socket);
      }));
    }
    if (maker_ != nullptr) return {};
    TRY(channel_.send(proto::Proceed{}));
    channel_.close();
    return {};
  }

  // Everything back to what it was; the first error is the one that counts.
  Result<Created> undo(Error error) {
    error = explain(std::move(error));
    const bool poststop = init_.hooks_started || error.kind() == ErrorKind::Hook;
    channel_.close();
    // First: the kernel destroys or drops what is left in a network namespace that ends.
    net_devices_.move_back();
    kill_children();
    if (pid_file_written_) (void)sys::unlinkat(AT_FDCWD, options_.pid_file, 0);
    record_.init = {};
    if (!poststop) record_.poststop.clear();
    const Result<> destroyed = destroy_container(*entry_, record_);
    if (!destroyed) log::warning("undoing the failed creation: " + destroyed.error().message());
    return error;
  }

  void kill_children() {
    if (init_.pid != 0) {
      (void)sys::kill(init_.pid, SIGKILL);
      (void)sys::wait_child(init_.pid);
    }
    if (stage1_ != 0) {
      // Reaped already when init was announced: ESRCH and ECHILD are fine.
      const Result<std::optional<sys::Exit>> state = sys::try_wait_child(stage1_);
      if (state && !state->has_value()) {
        (void)sys::kill(stage1_, SIGKILL);
        (void)sys::wait_child(stage1_);
      }
    }
    // An init that stage1 could not announce any more is a child all the same.
    for (;;) {
      const auto other = sys::try_wait_any();
      if (!other || !other->has_value()) return;
    }
  }

  // A child that died without a word was nearly always killed for memory.
  Error explain(Error error) const {
    if (error.kind() != ErrorKind::Protocol) return error;
    const Result<cgroup::OomEvents> events = manager_->oom_events();
    if (!events || events->oom_kill == 0) return error;
    return Error::spec(
        "/linux/resources/memory/limit",
        "container init was OOM-killed (memory limit too low?): it leaves no room to "
        "set the container up");
  }

  const Context& context_;
  const CreateOptions& options_;
  Loaded loaded_;
  const plan::Plan& plan_;
  TerminalReceiver* terminal_;
  const InitMaker* maker_;
  std::optional<ConsoleSocket> console_socket_;
  struct stat rootfs_ {};
  sys::UniqueFd proc_;
  hooks::Outputs hook_outputs_;
  NetDevices net_devices_;
  std::optional<Resctrl> resctrl_;  // with linux.intelRdt only
  std::unique_ptr<cgroup::Manager> manager_;
  std::optional<Entry> entry_;
  Record record_;
  sys::UniqueFd start_socket_;
  proto::Channel channel_;
  pid_t stage1_ = 0;
  InitProcess init_;
  std::string prepared_record_;
  bool pid_file_written_ = false;
};

}  // namespace

Result<Created> create_container(const Context& context,
                                 const CreateOptions& options,
                                 TerminalReceiver* terminal,
                                 const InitMaker* maker) {
  Loaded loaded = TRY(load_plan(context, options));
  const std::vector<std::string> warnings = loaded.plan.warnings;
  Result<Created> created = Creation(context, options, std::move(loaded), terminal, maker).run();
  // Only now: engines expect one line of a failure, the error.
  if (created) {
    for (const auto& warning : warnings) log::warning(warning);
  }
  return created;
}

Result<> create(const Context& context, const CreateOptions& options) {
  const Result<Created> created = create_container(context, options, nullptr);
  if (!created) return created.error();
  return {};
}

}  // namespace corten::runtime
