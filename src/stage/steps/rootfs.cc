// The rootfs as a mount: attaching it before the mounts, entering it after them.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include <fmt/format.h>

#include "../rootpath.h"
#include "steps.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>

namespace corten::stage {

namespace {

constexpr uint64_t kPropagationMask = MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE;

// With `shared`, the tree stays in the host's peer groups so that rshared volumes propagate both
// ways. The one mount that carries the rootfs must then be private, or attaching the rootfs would
// show up on the host, and pivot_root(2) refuses a shared parent.
Result<> make_carrier_private(const std::string& rootfs) {
  std::string path = rootfs;
  for (;;) {
    const Result<> done =
        sys::mount_setattr_at(AT_FDCWD, path, sys::Recursive::No, {.propagation = MS_PRIVATE});
    // EINVAL: not the root of a mount; its parent directory is the next candidate.
    if (done || done.error().errno_value() != EINVAL || path == "/") return done;
    const auto slash = path.rfind('/');
    path = slash == 0 ? "/" : path.substr(0, slash);
  }
}

Result<> set_initial_propagation(const plan::Plan& plan) {
  const uint64_t wanted = plan.rootfs_propagation & kPropagationMask;
  if (wanted == MS_SHARED) return make_carrier_private(plan.rootfs);
  // An unbindable tree could not be cloned for the rootfs: it becomes unbindable after the pivot.
  const uint64_t now =
      wanted == MS_PRIVATE || wanted == MS_UNBINDABLE ? uint64_t{MS_PRIVATE} : uint64_t{MS_SLAVE};
  return sys::mount_setattr_at(AT_FDCWD, "/", sys::Recursive::Yes, {.propagation = now});
}

// A detached copy of the rootfs' tree. Asked from the parent when init has no way to it: a user
// namespace takes away the right to walk through directories of the host's root.
Result<sys::UniqueFd> clone_rootfs(const InitContext& init) {
  Result<sys::UniqueFd> tree =
      sys::open_tree(AT_FDCWD, init.plan.rootfs, OPEN_TREE_CLONE | AT_RECURSIVE);
  if (tree || !init.new_user_namespace() || tree.error().errno_value() != EACCES) return tree;
  TRY(init.input.channel.send(proto::MountFdRequest{proto::kRootfsIndex}));
  return init.input.channel.expect<proto::MountFd>();
}

// What init found must be what the runtime looked at: the path may have been exchanged in between.
Result<> verify_rootfs(const InitContext& init, int fd) {
  const struct stat status = TRY(sys::fstat(fd));
  if (status.st_dev == init.input.rootfs_device && status.st_ino == init.input.rootfs_inode)
    return {};
  return Error(ErrorKind::System,
               fmt::format("the rootfs {} was replaced while the container was being created",
                           quote(init.plan.rootfs)));
}

// The cover of masked files: a clone of the host's /dev/null, taken while the host's tree is
// visible, and verified: the container's own /dev/null may be anything (CVE-2025-31133).
Result<sys::UniqueFd> clone_null() {
  sys::UniqueFd clone =
      TRY(sys::open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW));
  const struct stat status = TRY(sys::fstat(clone.get()));
  if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)) return clone;
  return Error(ErrorKind::Unsupported, "the host's /dev/null is not the null device");
}

// Where the tree is attached. The path itself when it can be walked, else a place that always
// exists.
Result<sys::UniqueFd> carrier(const InitContext& init) {
  Result<sys::UniqueFd> path = sys::open(init.plan.rootfs, O_PATH | O_DIRECTORY);
  if (path || path.error().errno_value() != EACCES) return path;
  return sys::open("/", O_PATH | O_DIRECTORY);
}

// Old and new root are the same directory for a moment: pivot_root(".", ".") stacks the old root on
// top of the new one, where it is detached. No directory inside the container is needed
// (pivot_root(2), NOTES).
Result<> pivot(const InitContext& init) {
  const sys::UniqueFd old_root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  TRY(sys::fchdir(init.root.get()));
  TRY(sys::pivot_root(".", "."));
  // The old tree must not pass the unmounting on to the host.
  TRY(sys::mount_setattr(old_root.get(), sys::Recursive::Yes, {.propagation = MS_SLAVE}));
  TRY(sys::umount(".", MNT_DETACH));
  return sys::chdir("/");
}

// For an initramfs root, which pivot_root(2) refuses: the container's tree is moved over it. The
// host's full procfs and sysfs go first: a process could otherwise still mount fresh, unmasked
// instances.
Result<> move_over_root(const InitContext& init) {
  TRY(sys::fchdir(init.root.get()));
  for (const char* path : {"/proc", "/sys"}) {
    const Result<> gone = sys::umount(path, MNT_DETACH);
    if (!gone && gone.error().errno_value() != EINVAL && gone.error().errno_value() != ENOENT)
      return gone;
  }
  const sys::UniqueFd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  TRY(sys::move_mount(init.root.get(), root.get()));
  TRY(sys::chroot("."));
  return sys::chdir("/");
}

// The configured propagation of the container's own root, once it cannot reach the host's tree any
// more.
Result<> set_final_propagation(const plan::Plan& plan) {
  const uint64_t wanted = plan.rootfs_propagation & kPropagationMask;
  if (wanted == 0 || wanted == MS_SLAVE) return {};
  return sys::mount_setattr_at(AT_FDCWD, "/", sys::Recursive::No, {.propagation = wanted});
}

}  // namespace

Result<> prepare_rootfs(InitContext& init) {
  if (!init.plan.namespaces.is_new(CLONE_NEWNS)) {
    init.root = TRY(sys::open(init.plan.rootfs, O_PATH | O_DIRECTORY));
    return verify_rootfs(init, init.root.get());
  }
  TRY(set_initial_propagation(init.plan).context("setting the propagation of the mount namespace"));
  if (!init.plan.masked_paths.empty()) init.null_cover = TRY(clone_null());
  const sys::UniqueFd target = TRY(carrier(init));
  init.root = TRY(
      clone_rootfs(init).context([&] { return "cloning the rootfs " + quote(init.plan.rootfs); }));
  TRY(verify_rootfs(init, init.root.get()));
  return sys::move_mount(init.root.get(), target.get()).context("attaching the rootfs");
}

Result<> enter_rootfs(InitContext& init) {
  if (!init.plan.namespaces.is_new(CLONE_NEWNS)) {
    TRY(sys::fchdir(init.root.get()));
    TRY(sys::chroot("."));
    return sys::chdir("/");
  }
  TRY((init.plan.no_pivot ? move_over_root(init) : pivot(init)).context("entering the rootfs"));
  init.root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  return set_final_propagation(init.plan).context("setting rootfsPropagation");
}

Result<> make_root_readonly(InitContext& init) {
  if (!init.plan.rootfs_readonly) return {};
  return sys::mount_setattr(init.root.get(), sys::Recursive::No, {.set = MOUNT_ATTR_RDONLY})
      .context("making the rootfs read-only");
}

}  // namespace corten::stage
