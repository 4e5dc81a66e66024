// `mounts`: every mount is built as a detached object, gets its attributes while nobody can see it,
// and is attached by descriptor onto a target that was resolved inside the rootfs.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "../copy_tree.h"
#include "../rootpath.h"
#include "steps.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>

namespace corten::stage {

namespace {

constexpr ino_t kProcRootInode = 1;

// Files below /proc that may be replaced: what lxcfs and engines provide. Everything else there
// could redirect the kernel's answers to whoever reads them (CVE-2019-16884).
constexpr std::array<std::string_view, 11> kReplaceableProcFiles = {
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled"};

bool is_pseudo(const plan::Mount& mount) {
  return mount.destination == "/proc" || mount.destination == "/sys" || mount.type == "proc" ||
         mount.type == "sysfs";
}

Result<bool> on_procfs(int fd) {
  const struct statfs status = TRY(sys::fstatfs(fd));
  return status.f_type == PROC_SUPER_MAGIC;
}

Error refuse(const plan::Mount& mount, std::string_view why) {
  return Error(ErrorKind::InvalidSpec, fmt::format("{} {}", quote(mount.destination), why));
}

// Opens the mount point, making it when it is missing.
Result<sys::UniqueFd> open_target(const InitContext& init,
                                  const plan::Mount& mount,
                                  rootpath::TargetKind kind) {
  const int root = init.root.get();
  if (is_pseudo(mount)) {
    // An image could make /proc a symlink to a directory full of its own files.
    Result<sys::UniqueFd> plain =
        rootpath::open_no_symlinks(root, mount.destination, O_PATH | O_DIRECTORY);
    if (plain) return plain;
    const int code = plain.error().errno_value();
    if (code == ELOOP || code == ENOTDIR)
      return refuse(mount, "must be a directory, not a symbolic link or a file");
    if (code != ENOENT) return plain;
  }
  return rootpath::open_or_create(root, mount.destination, kind);
}

Result<> apply_attributes(const plan::Mount& mount, int mount_fd) {
  if (!mount.attributes.empty()) {
    TRY(sys::mount_setattr(mount_fd,
                           sys::Recursive::No,
                           {.set = mount.attributes.set, .clear = mount.attributes.clear}));
  }
  if (!mount.recursive_attributes.empty()) {
    TRY(sys::mount_setattr(
        mount_fd,
        sys::Recursive::Yes,
        {.set = mount.recursive_attributes.set, .clear = mount.recursive_attributes.clear}));
  }
  return {};
}

Result<> apply_propagation(const plan::Mount& mount, int mount_fd) {
  for (const uint64_t flags : mount.propagation) {
    const auto recursive = (flags & MS_REC) != 0 ? sys::Recursive::Yes : sys::Recursive::No;
    TRY(sys::mount_setattr(mount_fd, recursive, {.propagation = flags & ~uint64_t{MS_REC}}));
  }
  return {};
}

Result<> attach(const plan::Mount& mount, int mount_fd, int target_fd) {
  TRY(check_proc_target(mount, target_fd, mount_fd));
  TRY(sys::move_mount(mount_fd, target_fd));
  return apply_propagation(mount, mount_fd);
}

// For the masks: steps/paths.cc.
void keep_pseudo(InitContext& init, const plan::Mount& mount, sys::UniqueFd attached) {
  if (is_pseudo(mount)) init.pseudo_mounts.push_back({mount.destination, std::move(attached)});
}

Result<> configure(int fs_fd, const plan::Mount& mount) {
  for (const auto& option : mount.data) {
    const Result<> set = option.value ? sys::fsconfig_string(fs_fd, option.key, *option.value)
                                      : sys::fsconfig_flag(fs_fd, option.key);
    if (!set && !(option.optional && set.error().errno_value() == EINVAL)) return set;
  }
  return {};
}

Result<sys::UniqueFd> open_filesystem(const std::string& type) {
  Result<sys::UniqueFd> fs = sys::fsopen(type);
  if (fs || fs.error().errno_value() != ENODEV) return fs;
  return std::move(fs).error().with_context("this kernel has no filesystem of type " + quote(type) +
                                            " (see /proc/filesystems)");
}

Result<sys::UniqueFd> make_filesystem(const plan::Mount& mount) {
  const sys::UniqueFd fs = TRY(open_filesystem(mount.type));
  if (!mount.source.empty()) TRY(sys::fsconfig_string(fs.get(), "source", mount.source));
  TRY(configure(fs.get(), mount));
  TRY(sys::fsconfig_create(fs.get()));
  return sys::fsmount(fs.get(), mount.attributes.set);
}

// A user namespace without an own network or IPC namespace may not make sysfs or mqueue: the host's
// instance is bound instead, with everything below it, and everything as restricted as was asked.
Result<sys::UniqueFd> make_filesystem_or_bind(const InitContext& init, const plan::Mount& mount) {
  Result<sys::UniqueFd> made = make_filesystem(mount);
  if (made || made.error().errno_value() != EPERM || !init.new_user_namespace()) return made;
  const char* host_path = mount.type == "sysfs"    ? "/sys"
                          : mount.type == "mqueue" ? "/dev/mqueue"
                                                   : nullptr;
  if (host_path == nullptr) return made;
  sys::UniqueFd tree = TRY(sys::open_tree(AT_FDCWD, host_path, OPEN_TREE_CLONE | AT_RECURSIVE));
  TRY(sys::mount_setattr(tree.get(), sys::Recursive::No, {.set = mount.attributes.set}));
  constexpr uint64_t kRestrictions =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  TRY(sys::mount_setattr(
      tree.get(), sys::Recursive::Yes, {.set = mount.attributes.set & kRestrictions}));
  return tree;
}

Result<sys::UniqueFd> clone_source(const InitContext& init,
                                   const plan::Mount& mount,
                                   std::size_t position) {
  const unsigned flags = OPEN_TREE_CLONE | (mount.recursive ? unsigned{AT_RECURSIVE} : 0U);
  if (!mount.idmap && !init.input.sources_from_parent) {
    Result<sys::UniqueFd> tree = sys::open_tree(AT_FDCWD, mount.source, flags);
    if (tree) return tree;
    const int code = tree.error().errno_value();
    if (code != EINVAL && (code != EACCES || !init.new_user_namespace()))
      return sys::explain_path(std::move(tree).error(), mount.source);
  }
  // Only the parent has the privilege for an id map, or the right to walk to the source, or it is
  // the only one that still sees it: EINVAL is said of an object of the caller's mount namespace,
  // which /proc/PID/fd/N names.
  TRY(init.input.channel.send(proto::MountFdRequest{static_cast<uint32_t>(position)}));
  return init.input.channel.expect<proto::MountFd>();
}

Result<> mount_bind(InitContext& init, const plan::Mount& mount, std::size_t position) {
  sys::UniqueFd tree = TRY(clone_source(init, mount, position));
  const struct stat source = TRY(sys::fstat(tree.get()));
  const auto kind =
      S_ISDIR(source.st_mode) ? rootpath::TargetKind::Directory : rootpath::TargetKind::File;
  const sys::UniqueFd target = TRY(open_target(init, mount, kind));
  const struct stat there = TRY(sys::fstat(target.get()));
  if (S_ISDIR(source.st_mode) != S_ISDIR(there.st_mode)) {
    // Docker looks for the last words.
    return Error(ErrorKind::System,
                 fmt::format("the source {} is a {} and the destination is a {}: not a directory",
                             quote(mount.source),
                             S_ISDIR(source.st_mode) ? "directory" : "file",
                             S_ISDIR(there.st_mode) ? "directory" : "file"))
        .with_errno(ENOTDIR);
  }
  TRY(apply_attributes(mount, tree.get()));
  TRY(attach(mount, tree.get(), target.get()));
  keep_pseudo(init, mount, std::move(tree));
  return {};
}

// What the mount point holds becomes the content of the new tmpfs.
Result<> copy_up(int target_fd, int mount_fd) {
  const sys::UniqueFd from = TRY(sys::openat(target_fd, ".", O_RDONLY | O_DIRECTORY));
  const sys::UniqueFd to = TRY(sys::openat(mount_fd, ".", O_RDONLY | O_DIRECTORY));
  return copy_tree(from.get(), to.get());
}

// A tmpfs without an explicit mode looks like the directory that it covers.
Result<> inherit_mode(const InitContext& init, plan::Mount& mount) {
  const auto names_mode = [](const plan::FsOption& option) { return option.key == "mode"; };
  if (mount.type != "tmpfs" || std::any_of(mount.data.begin(), mount.data.end(), names_mode))
    return {};
  const Result<sys::UniqueFd> there =
      rootpath::open(init.root.get(), mount.destination, O_PATH | O_DIRECTORY);
  if (!there) return {};  // it will be made, and then the filesystem's default is right
  const struct stat status = TRY(sys::fstat(there->get()));
  mount.data.push_back({"mode", fmt::format("{:o}", status.st_mode & 07777)});
  return {};
}

Result<sys::UniqueFd> make_or_request(InitContext& init,
                                      const plan::Mount& mount,
                                      std::size_t position) {
  if (!mount.idmap) return make_filesystem_or_bind(init, mount);
  TRY(init.input.channel.send(proto::MountFdRequest{static_cast<uint32_t>(position)}));
  return init.input.channel.expect<proto::MountFd>();
}

Result<> mount_filesystem(InitContext& init, const plan::Mount& configured, std::size_t position) {
  plan::Mount mount = configured;
  TRY(inherit_mode(init, mount));
  const sys::UniqueFd target = TRY(open_target(init, mount, rootpath::TargetKind::Directory));
  // A tmpfs stays writable until its content, the mount points below it and the devices in it are
  // there.
  const bool late_readonly =
      mount.type == "tmpfs" && (mount.attributes.set & MOUNT_ATTR_RDONLY) != 0;
  if (late_readonly) mount.attributes.set &= ~uint64_t{MOUNT_ATTR_RDONLY};
  sys::UniqueFd made = TRY(make_or_request(init, mount, position));
  if (mount.copy_up) TRY(copy_up(target.get(), made.get()).context("copying the content up"));
  // fsmount has set the attributes, but for a mount that the parent made.
  if (!mount.idmap) mount.attributes = {};
  TRY(apply_attributes(mount, made.get()));
  TRY(attach(mount, made.get(), target.get()));
  if (late_readonly) {
    init.readonly_at_last.push_back(std::move(made));
  } else {
    keep_pseudo(init, mount, std::move(made));
  }
  return {};
}

// Changes what an earlier entry, or the rootfs, has mounted at the destination.
Result<> remount(InitContext& init, const plan::Mount& mount) {
  const sys::UniqueFd there = TRY(rootpath::open(init.root.get(), mount.destination, O_PATH));
  TRY(apply_attributes(mount, there.get()));
  if (!mount.data.empty()) {
    const sys::UniqueFd fs = TRY(sys::fspick(there.get()));
    TRY(configure(fs.get(), mount));
    TRY(sys::fsconfig_reconfigure(fs.get()));
  }
  return apply_propagation(mount, there.get());
}

Result<> mount_one(InitContext& init, const plan::Mount& mount, std::size_t position) {
  switch (mount.kind) {
    case plan::MountKind::Bind:
      return mount_bind(init, mount, position);
    case plan::MountKind::Filesystem:
      return mount_filesystem(init, mount, position);
    case plan::MountKind::Remount:
      return remount(init, mount);
    case plan::MountKind::Propagation:
      return remount(init, mount);
    case plan::MountKind::Cgroup:
      return mount_cgroups(init, mount);
  }
  return {};
}

std::string describe(const plan::Mount& mount) {
  return fmt::format("/mounts/{}: mounting {} ({}) at {}",
                     mount.index,
                     quote(mount.source),
                     mount.kind == plan::MountKind::Bind ? "bind" : mount.type,
                     quote(mount.destination));
}

}  // namespace

Result<> check_proc_target(const plan::Mount& mount, int target_fd, int mount_fd) {
  if (mount.destination == "/proc") {
    const struct stat source = TRY(sys::fstat(mount_fd));
    const bool is_proc = TRY(on_procfs(mount_fd));
    if (!is_proc || source.st_ino != kProcRootInode) {
      return refuse(mount, "can only be a mount of type proc or a bind of a whole procfs");
    }
    return {};
  }
  const bool on_proc = TRY(on_procfs(target_fd));
  if (!on_proc) return {};
  const struct stat target = TRY(sys::fstat(target_fd));
  if (target.st_ino == kProcRootInode &&
      (mount.type == "proc" || mount.kind == plan::MountKind::Bind)) {
    const bool is_proc = TRY(on_procfs(mount_fd));
    if (is_proc) return {};
  }
  const auto* found =
      std::find(kReplaceableProcFiles.begin(), kReplaceableProcFiles.end(), mount.destination);
  if (found != kReplaceableProcFiles.end()) return {};
  return refuse(mount, "is inside /proc: nothing may be mounted there");
}

Result<> mount_at(InitContext& init, std::size_t position) {
  const plan::Mount& mount = init.plan.mounts[position];
  Result<> done = mount_one(init, mount, position);
  if (done) return done;
  return std::move(done)
      .error()
      .with_context(describe(mount))
      .with_pointer(fmt::format("/mounts/{}", mount.index));
}

Result<> mount_all(InitContext& init) {
  for (std::size_t position = 0; position < init.plan.mounts.size(); ++position)
    TRY(mount_at(init, position));
  return {};
}

Result<> make_mounts_readonly(InitContext& init) {
  for (const auto& mount : init.readonly_at_last)
    TRY(sys::mount_setattr(mount.get(), sys::Recursive::No, {.set = MOUNT_ATTR_RDONLY}));
  init.readonly_at_last.clear();
  return {};
}

}  // namespace corten::stage
