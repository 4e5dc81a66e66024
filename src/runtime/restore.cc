// restore: a container as create makes it, but its processes come out of a checkpoint's images.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "container.h"
#include "criu.h"
#include "criu_mapping.h"
#include "documents.h"
#include "relay.h"
#include "terminal.h"
#include <corten/base/defer.h>
#include <corten/base/log.h>
#include <corten/base/strings.h>
#include <corten/runtime/operations.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

constexpr const char* kLogFile = "restore.log";
constexpr const char* kRootDirectory = "criu-root";
constexpr std::size_t kMaxDescriptors = 65536;
constexpr std::size_t kMaxCgroupText = std::size_t{1} << 20U;

// "net", "ipc" ...: how CRIU calls the namespaces that a restored process joins.
const char* join_name(int flag) {
  switch (flag) {
    case CLONE_NEWIPC:
      return "ipc";
    case CLONE_NEWUTS:
      return "uts";
    case CLONE_NEWUSER:
      return "user";
    case CLONE_NEWNS:
      return "mnt";
    case CLONE_NEWTIME:
      return "time";
    default:
      return nullptr;
  }
}

class Restore {
 public:
  Restore(const RestoreOptions& options, const MakerInput& input)
      : given_(options.criu), lsm_(options), input_(input), plan_(*input.plan) {}

  Result<> run(InitProcess& init) {
    job_.child.program = TRY(criu::find_program());
    TRY(criu::check_version(job_.child.program));
    TRY(leave_mount_namespace());
    images_ = TRY(sys::open(given_.image_path, O_RDONLY | O_DIRECTORY).context("--image-path"));
    if (!given_.work_path.empty()) {
      TRY(sys::make_directories(given_.work_path, 0700).context("--work-path"));
      work_ = TRY(sys::open(given_.work_path, O_RDONLY | O_DIRECTORY).context("--work-path"));
    }
    TRY(sys::mkdirat(input_.entry->fd(), kRootDirectory, 0700));
    const std::string root = fmt::format("{}/{}", input_.directory, kRootDirectory);
    const Defer remove([&] {
      (void)sys::umount(root, MNT_DETACH);  // not mounted when that is what failed
      (void)sys::unlinkat(input_.entry->fd(), kRootDirectory, AT_REMOVEDIR);
    });
    TRY(stage::mount_restore_root(plan_, root).context("preparing the root filesystem"));
    job_.options.root = root;
    TRY(fill());
    cgroup::Entrance entrance = TRY(input_.manager->entrance());
    job_.child.entrance = &entrance;
    const criu::Response response = TRY(criu::run(job_));
    init.pidfd = TRY(sys::pidfd_open(response.pid));
    init.pid = response.pid;
    return {};
  }

 private:
  // What is mounted for CRIU vanishes with this process, whatever kills it. CRIU works in
  // directories that this process has opened, so both must be in the same namespace.
  static Result<> leave_mount_namespace() {
    TRY(sys::unshare(CLONE_NEWNS));
    return sys::mount_setattr_at(
        AT_FDCWD, "/", sys::Recursive::Yes, {.propagation = uint64_t{MS_SLAVE}});
  }

  Result<> fill() {
    auto& options = job_.options;
    TRY(criu::apply_options(
        given_, *input_.record, images_.get(), work_ ? work_.get() : -1, options));
    options.log_file = kLogFile;
    options.evasive_devices = true;
    options.restore_sibling = true;
    options.lsm_profile = lsm_.lsm_profile;
    options.lsm_mount_context = lsm_.lsm_mount_context;
    job_.type = criu::Type::Restore;
    job_.log_path = (work_ ? given_.work_path : given_.image_path) + "/" + kLogFile;
    job_.child.stdio = stage::CriuInput::Stdio::Keep;
    options.external_mounts = criu::external_mounts(plan_, *input_.record);
    if (!plan_.masked_paths.empty()) options.external_mounts.emplace_back("/dev/null", "/dev/null");
    job_.started = [this](pid_t pid) -> Result<> {
      if (input_.enter_rdt_groups) TRY(input_.enter_rdt_groups(pid));
      return add_cgroup_roots(pid);
    };
    job_.notified = [this](const criu::Response& notification, sys::UniqueFd fd) {
      return notified(notification, std::move(fd));
    };
    TRY(add_namespaces());
    return inherit_stdio();
  }

  Result<> add_namespaces() {
    for (const auto& join : plan_.namespaces.join) {
      const std::string key = criu::external_namespace_key(join.flag);
      if (key.empty()) {
        const char* name = join_name(join.flag);
        if (name == nullptr)
          return Error(
              ErrorKind::Unsupported,
              "/linux/namespaces: CRIU cannot restore into the namespace " + quote(join.path));
        job_.options.join_namespaces.emplace_back(name, join.path);
        continue;
      }
      namespaces_.push_back(
          TRY(sys::open(join.path, O_RDONLY | O_NOCTTY).context("/linux/namespaces")));
      const int fd = namespaces_.back().get();
      job_.child.keep.push_back(fd);
      job_.options.inherited.emplace_back(key, fd);
    }
    return {};
  }

  // A pipe that init had on a standard stream becomes what this process has there.
  Result<> inherit_stdio() {
    const Result<std::string> text =
        sys::read_file_at(images_.get(), criu::kDescriptorsFile, kMaxDescriptors);
    if (!text)
      return Error(text.error())
          .with_context("the images have no " + std::string(criu::kDescriptorsFile));
    const auto names = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (!names.is_array())
      return Error(ErrorKind::InvalidSpec,
                   fmt::format("{} is not an array of names", criu::kDescriptorsFile));
    int fd = 0;
    for (const auto& name : names) {
      const std::string target = name.is_string() ? name.get<std::string>() : std::string();
      if (target.starts_with("pipe:")) job_.options.inherited.emplace_back(target, fd);
      if (++fd > 2) break;
    }
    return {};
  }

  // CRIU is in the container's cgroups by now: what it restores goes below those.
  Result<> add_cgroup_roots(pid_t pid) {
    const std::string text =
        TRY(sys::read_file(fmt::format("/proc/{}/cgroup", pid), kMaxCgroupText));
    for (const auto line : split(text, '\n')) {
      const auto first = line.find(':');
      const auto second = line.find(':', first + 1);
      if (first == std::string_view::npos || second == std::string_view::npos) continue;
      job_.options.cgroup_roots.emplace_back(line.substr(first + 1, second - first - 1),
                                             line.substr(second + 1));
    }
    return {};
  }

  Result<> notified(const criu::Response& notification, sys::UniqueFd fd) {
    if (notification.notification == "orphan-pts-master" && input_.terminal != nullptr)
      return input_.terminal->take(std::move(fd));
    if (notification.notification != "setup-namespaces") return {};
    const std::string state = hook_state(plan_, spec::Status::Creating, notification.pid);
    const hooks::RunOptions options{.cwd = plan_.bundle,
                                    .stdout_fd = input_.hook_outputs->out.get(),
                                    .stderr_fd = input_.hook_outputs->err.get()};
    TRY(hooks::run_all(plan_.hooks.prestart, state, options));
    return hooks::run_all(plan_.hooks.create_runtime, state, options);
  }

  const CriuOptions& given_;
  const RestoreOptions& lsm_;
  const MakerInput& input_;
  const plan::Plan& plan_;
  sys::UniqueFd images_;
  sys::UniqueFd work_;
  std::vector<sys::UniqueFd> namespaces_;
  criu::Job job_;
};

}  // namespace

Result<int> restore(const Context& context, const RestoreOptions& options) {
  const bool detach = options.run.detach;
  std::optional<SignalSource> signals;
  KeptTerminal terminal;
  InitProcess init;
  {
    const InitMaker maker = [&options](const MakerInput& input, InitProcess& made) {
      return Restore(options, input).run(made);
    };
    // Signals are blocked after the fork only: the restored processes have their own mask anyway.
    if (!detach) signals.emplace(TRY(SignalSource::make()));
    Created container =
        TRY(create_container(context, options.run.create, detach ? nullptr : &terminal, &maker));
    if (detach) return 0;
    init = std::move(container.init);
  }  // the lock ends here
  const Result<sys::Exit> exit =
      relay_until_exit(init.pid, init.pidfd.get(), *signals, std::move(terminal.master()));
  if (!options.run.keep) TRY(remove(context, options.run.create.id, Force::Yes));
  if (!exit) return exit.error();
  return exit->shell_status();
}

}  // namespace corten::runtime
