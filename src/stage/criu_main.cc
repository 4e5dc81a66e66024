#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include <fmt/format.h>

#include "rootpath.h"
#include <corten/base/strings.h>
#include <corten/stage/criu.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>
#include <corten/sys/process.h>

namespace corten::stage {

namespace {

Result<> set_up_descriptors(const CriuInput& input) {
  if (input.stdio == CriuInput::Stdio::Null) {
    const sys::UniqueFd null = TRY(sys::open("/dev/null", O_RDWR));
    for (int fd = 0; fd <= 2; ++fd) TRY(sys::duplicate_to(null.get(), fd));
  }
  TRY(sys::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
  TRY(sys::set_cloexec(input.socket, false));
  for (const int fd : input.keep) TRY(sys::set_cloexec(fd, false));
  return {};
}

// On a tmpfs CRIU restores everything, and what is below a bind mount is in its source.
bool is_below_another(const plan::Plan& plan, const plan::Mount& mount) {
  return std::any_of(plan.mounts.begin(), plan.mounts.end(), [&](const plan::Mount& other) {
    return mount.destination.starts_with(other.destination + "/");
  });
}

// A root filesystem that was made anew for the restore may lack what create has made.
Result<> make_mount_points(const plan::Plan& plan, int root_fd) {
  for (const auto& mount : plan.mounts) {
    if (is_below_another(plan, mount)) continue;
    auto kind = rootpath::TargetKind::Directory;
    if (mount.kind == plan::MountKind::Bind) {
      const struct stat source = TRY(sys::fstatat(AT_FDCWD, mount.source, 0).context([&] {
        return fmt::format("/mounts/{}: the source", mount.index);
      }));
      if (!S_ISDIR(source.st_mode)) kind = rootpath::TargetKind::File;
    }
    TRY(rootpath::open_or_create(root_fd, mount.destination, kind).context([&] {
      return fmt::format("/mounts/{}: the mount point {}", mount.index, quote(mount.destination));
    }));
  }
  return {};
}

Error become_criu(CriuInput& input) {
  const auto steps = [&]() -> Result<> {
    if (input.entrance != nullptr)
      TRY(input.entrance->enter_self(cgroup::Entrance::WithV2::Yes)
              .context("entering the container's cgroups"));
    return set_up_descriptors(input);
  }();
  if (!steps) return steps.error();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::string socket = std::to_string(input.socket);
  std::string name = "criu";
  std::string mode = "swrk";
  char* const argv[] = {name.data(), mode.data(), socket.data(), nullptr};
  return sys::execve(input.program, argv, environ);
}

}  // namespace

Result<> mount_restore_root(const plan::Plan& plan, const std::string& root) {
  const sys::UniqueFd tree =
      TRY(sys::open_tree(AT_FDCWD, plan.rootfs, OPEN_TREE_CLONE | AT_RECURSIVE));
  TRY(make_mount_points(plan, tree.get()));
  const sys::UniqueFd target = TRY(sys::open(root, O_PATH | O_DIRECTORY));
  return sys::move_mount(tree.get(), target.get());
}

void criu_main(CriuInput& input) noexcept {
  const Error error = become_criu(input);
  (void)sys::write_all(input.report, error.message());
  _exit(1);
}

}  // namespace corten::stage
