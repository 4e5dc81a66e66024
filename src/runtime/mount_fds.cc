#include "mount_fds.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "id_maps.h"
#include <corten/base/strings.h>
#include <corten/proto/message.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::runtime {

namespace {

// The clone was taken in the runtime's mount namespace, so it is a peer of the host's mount: it
// becomes what it would be inside the container's.
Result<> leave_host_peers(const plan::Plan& plan, int mount_fd) {
  if ((plan.rootfs_propagation & MS_SHARED) != 0) return {};
  const uint64_t propagation =
      (plan.rootfs_propagation & MS_PRIVATE) != 0 ? uint64_t{MS_PRIVATE} : uint64_t{MS_SLAVE};
  return sys::mount_setattr(mount_fd, sys::Recursive::Yes, {.propagation = propagation});
}

Result<sys::UniqueFd> user_namespace_for(const plan::MountIdmap& idmap, pid_t init) {
  if (idmap.uid_map.empty() && idmap.gid_map.empty())
    return sys::open(fmt::format("/proc/{}/ns/user", init), O_RDONLY);
  return make_user_namespace(idmap.uid_map, idmap.gid_map);
}

Result<sys::UniqueFd> make_filesystem(const plan::Mount& mount) {
  const sys::UniqueFd fs = TRY(sys::fsopen(mount.type));
  if (!mount.source.empty()) TRY(sys::fsconfig_string(fs.get(), "source", mount.source));
  for (const auto& option : mount.data) {
    TRY(option.value ? sys::fsconfig_string(fs.get(), option.key, *option.value)
                     : sys::fsconfig_flag(fs.get(), option.key));
  }
  TRY(sys::fsconfig_create(fs.get()));
  return sys::fsmount(fs.get(), 0);
}

Result<sys::UniqueFd> open_mount(const plan::Plan& plan, const plan::Mount& mount, pid_t init) {
  const unsigned flags = OPEN_TREE_CLONE | (mount.recursive ? unsigned{AT_RECURSIVE} : 0U);
  Result<sys::UniqueFd> opened = mount.kind == plan::MountKind::Bind
                                     ? sys::open_tree(AT_FDCWD, mount.source, flags)
                                     : make_filesystem(mount);
  if (!opened) return sys::explain_path(std::move(opened).error(), mount.source);
  sys::UniqueFd tree = *std::move(opened);
  if (mount.kind == plan::MountKind::Bind) TRY(leave_host_peers(plan, tree.get()));
  if (!mount.idmap) return tree;
  const sys::UniqueFd userns =
      TRY(user_namespace_for(*mount.idmap, init).context("the user namespace of the id map"));
  const auto recursive = mount.idmap->recursive ? sys::Recursive::Yes : sys::Recursive::No;
  const Result<> mapped = sys::mount_setattr(
      tree.get(), recursive, {.set = MOUNT_ATTR_IDMAP, .userns_fd = userns.get()});
  if (mapped) return tree;
  if (mapped.error().errno_value() == EINVAL) {
    return Error(ErrorKind::Unsupported,
                 fmt::format("id-mapping {}: its filesystem does not support id-mapped mounts",
                             quote(mount.source)))
        .with_errno(EINVAL);
  }
  return mapped.error();
}

// Before Linux 6.15 only what is attached somewhere can be cloned: a child attaches the filesystem
// in a mount namespace of its own, where nobody sees it, and sends the clone back.
Result<sys::UniqueFd> clone_in_own_namespace(int mount_fd, int node_fd) {
  auto ends = TRY(sys::socketpair(SOCK_SEQPACKET));
  const pid_t child = TRY(sys::fork());
  if (child == 0) {
    const auto clone = [&]() -> Result<> {
      TRY(sys::unshare(CLONE_NEWNS));
      const sys::UniqueFd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
      TRY(sys::mount_setattr(root.get(), sys::Recursive::Yes, {.propagation = MS_PRIVATE}));
      const sys::UniqueFd place = TRY(sys::open("/proc", O_PATH | O_DIRECTORY));
      TRY(sys::move_mount(mount_fd, place.get()));
      const sys::UniqueFd node = TRY(sys::open_tree(node_fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
      return sys::send_message(ends.second.get(), "n", node.get());
    };
    _exit(clone() ? 0 : 1);
  }
  ends.second.reset();
  char byte = 0;
  Result<sys::Received> received = sys::receive_message(ends.first.get(), &byte, sizeof byte);
  TRY(sys::wait_child(child));
  if (!received) return received.error();
  if (!received->fd.valid())
    return Error(ErrorKind::Unsupported, "this host cannot clone a device node");
  return std::move(received->fd);
}

// A node on a filesystem of its own, with the configured owner and mode.
Result<sys::UniqueFd> make_node(const plan::Plan& plan, const plan::Device& device) {
  const sys::UniqueFd fs = TRY(sys::fsopen("tmpfs"));
  TRY(sys::fsconfig_string(fs.get(), "size", "4k"));
  TRY(sys::fsconfig_create(fs.get()));
  const sys::UniqueFd mount = TRY(sys::fsmount(fs.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  const mode_t type = device.type == plan::DeviceType::Block ? S_IFBLK : S_IFCHR;
  TRY(sys::mknodat(mount.get(), "node", type | device.mode, makedev(device.major, device.minor)));
  const sys::UniqueFd node = TRY(sys::openat(mount.get(), "node", O_PATH | O_NOFOLLOW));
  TRY(sys::chown_fd(node.get(),
                    host_id(plan.namespaces.uid_map, device.uid),
                    host_id(plan.namespaces.gid_map, device.gid)));
  TRY(sys::chmod_fd(node.get(), device.mode));
  Result<sys::UniqueFd> clone = sys::open_tree(node.get(), "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
  if (clone || clone.error().errno_value() != EINVAL) return clone;
  return clone_in_own_namespace(mount.get(), node.get());
}

// Where no node can be made: the host's node of the same name, if it is the right one.
Result<sys::UniqueFd> clone_host_node(const plan::Device& device) {
  sys::UniqueFd clone =
      TRY(sys::open_tree(AT_FDCWD, device.path, OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW));
  const struct stat status = TRY(sys::fstat(clone.get()));
  const bool same_type =
      device.type == plan::DeviceType::Block ? S_ISBLK(status.st_mode) : S_ISCHR(status.st_mode);
  if (same_type && status.st_rdev == makedev(device.major, device.minor)) return clone;
  return Error(ErrorKind::Unsupported,
               fmt::format("in a user namespace this host can only offer its own device nodes, and "
                           "its {} is another device",
                           quote(device.path)));
}

Result<sys::UniqueFd> open_device(const plan::Plan& plan, const plan::Device& device) {
  Result<sys::UniqueFd> made = make_node(plan, device);
  return made ? std::move(made) : clone_host_node(device);
}

}  // namespace

Result<sys::UniqueFd> open_mount_source(const plan::Plan& plan, uint32_t index, pid_t init) {
  if (index == proto::kRootfsIndex) {
    sys::UniqueFd tree = TRY(sys::open_tree(AT_FDCWD, plan.rootfs, OPEN_TREE_CLONE | AT_RECURSIVE));
    TRY(leave_host_peers(plan, tree.get()));
    return tree;
  }
  if (index >= proto::kFirstDeviceIndex && index - proto::kFirstDeviceIndex < plan.devices.size()) {
    return open_device(plan, plan.devices[index - proto::kFirstDeviceIndex]);
  }
  if (index >= plan.mounts.size())
    return Error(ErrorKind::Protocol,
                 fmt::format("init asked for the mount {} of {}", index, plan.mounts.size()));
  return open_mount(plan, plan.mounts[index], init).context([&] {
    return fmt::format("/mounts/{}", plan.mounts[index].index);
  });
}

}  // namespace corten::runtime
