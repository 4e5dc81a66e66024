// Device nodes, made below the rootfs by descriptor, and the symbolic links of /dev.
// Spec: config-linux.md "Devices", "Default Devices"; runtime-linux.md "Dev symbolic links".
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "../rootpath.h"
#include "steps.h"
#include <corten/base/defer.h>
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>

namespace corten::stage {

namespace {

constexpr uint64_t kOneComponent = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;

mode_t type_bits(plan::DeviceType type) {
  switch (type) {
    case plan::DeviceType::Char:
      return S_IFCHR;
    case plan::DeviceType::Block:
      return S_IFBLK;
    case plan::DeviceType::Fifo:
      return S_IFIFO;
  }
  return 0;
}

bool is_requested(const plan::Device& device, const struct stat& status) {
  if ((status.st_mode & S_IFMT) != type_bits(device.type)) return false;
  return device.type == plan::DeviceType::Fifo ||
         status.st_rdev == makedev(device.major, device.minor);
}

// An existing file is fine when it is the device (LX-011); a bind-mounted /dev brings its own.
Result<bool> exists_already(const plan::Device& device, const rootpath::Slot& slot) {
  const Result<sys::UniqueFd> there = sys::openat2(
      slot.parent.get(), slot.name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
  if (!there) {
    if (there.error().errno_value() == ENOENT) return false;
    return there.error();
  }
  const struct stat status = TRY(sys::fstat(there->get()));
  if (is_requested(device, status)) return true;
  return Error::from_errno(
      EEXIST, fmt::format("{} is there and is not the requested device", quote(device.path)));
}

Result<> make_node(const plan::Device& device, const rootpath::Slot& slot) {
  const dev_t number =
      device.type == plan::DeviceType::Fifo ? 0 : makedev(device.major, device.minor);
  TRY(sys::mknodat(slot.parent.get(), slot.name, type_bits(device.type) | device.mode, number));
  const struct stat seen = TRY(sys::fstatat(slot.parent.get(), slot.name, AT_SYMLINK_NOFOLLOW));
  const bool as_wanted = is_requested(device, seen) && seen.st_uid == device.uid &&
                         seen.st_gid == device.gid && (seen.st_mode & 07777) == device.mode;
  if (as_wanted) return {};
  // What was made may have been exchanged by now: verify before giving it away.
  const sys::UniqueFd made = TRY(sys::openat2(slot.parent.get(), slot.name, O_PATH, kOneComponent));
  const struct stat status = TRY(sys::fstat(made.get()));
  if (!is_requested(device, status))
    return Error::from_errno(EEXIST, "verifying the new node " + quote(device.path));
  TRY(sys::chown_fd(made.get(), device.uid, device.gid));
  // A default ACL of the directory changes the mode, chown(2) clears what it clears.
  return sys::chmod_fd(made.get(), device.mode);
}

// The host's node of the same name, or where udev keeps one for every number.
Result<sys::UniqueFd> clone_host_node(const plan::Device& device) {
  const std::string by_number =
      fmt::format("/dev/{}/{}:{}",
                  device.type == plan::DeviceType::Block ? "block" : "char",
                  device.major,
                  device.minor);
  for (const std::string& path : {device.path, by_number}) {
    Result<sys::UniqueFd> clone = sys::open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
    if (!clone) {
      if (clone.error().errno_value() == ENOENT) continue;
      return clone;
    }
    const struct stat status = TRY(sys::fstat(clone->get()));
    if (is_requested(device, status)) return clone;
  }
  return Error(
      ErrorKind::Unsupported,
      "an ordinary user can only have the host's own device nodes, and it has none here for "
      "this number");
}

Result<sys::UniqueFd> request_node(const InitContext& init, std::size_t position) {
  const auto index = proto::kFirstDeviceIndex + static_cast<uint32_t>(position);
  TRY(init.input.channel.send(proto::MountFdRequest{index}));
  return init.input.channel.expect<proto::MountFd>();
}

// A user namespace may not make device nodes: the parent sends one as a mount, unless it has no
// privilege itself.
Result<> bind_node(const InitContext& init, std::size_t position, const rootpath::Slot& slot) {
  const sys::UniqueFd node =
      TRY(init.plan.unprivileged ? clone_host_node(init.plan.devices[position])
                                 : request_node(init, position));
  const sys::UniqueFd place = TRY(
      sys::openat(slot.parent.get(), slot.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
  const sys::UniqueFd target =
      TRY(sys::openat2(slot.parent.get(), slot.name, O_PATH, kOneComponent));
  return sys::move_mount(node.get(), target.get());
}

// The directories of devices: most are in the same one.
class Parents {
 public:
  explicit Parents(int root_fd) : root_fd_(root_fd) {}

  Result<const rootpath::Slot*> slot(const std::string& path) {
    const auto slash = path.rfind('/');
    const std::string directory = path.substr(0, slash);
    const std::string name = path.substr(slash + 1);
    if (last_.parent.valid() && directory == directory_ && !name.empty()) {
      last_.name = name;
    } else {
      last_ = TRY(rootpath::open_parent(root_fd_, path));
      directory_ = directory;
    }
    return &last_;
  }

 private:
  int root_fd_;
  std::string directory_;
  rootpath::Slot last_;
};

Result<> make_device(const InitContext& init, std::size_t position, const rootpath::Slot& slot) {
  const plan::Device& device = init.plan.devices[position];
  const bool bind = init.plan.rootless_devices && device.type != plan::DeviceType::Fifo;
  if (!bind) {
    const Result<> made = make_node(device, slot);
    if (made) return made;
    // The container's own device rules may forbid to make it here; the parent is not bound by them.
    const int why = made.error().errno_value();
    if (why != EEXIST && why != EPERM) return made;
  }
  const bool there = TRY(exists_already(device, slot));
  return there ? Result<>() : bind_node(init, position, slot);
}

// A symlink of the image by that name is replaced; anything else of a bind-mounted /dev stays.
Result<> make_link(int dev_fd, const std::string& name, const std::string& target) {
  const Result<> made = sys::symlinkat(target, dev_fd, name);
  if (made || made.error().errno_value() != EEXIST) return made;
  const struct stat status = TRY(sys::fstatat(dev_fd, name, AT_SYMLINK_NOFOLLOW));
  if (!S_ISLNK(status.st_mode)) return {};
  const std::string present = TRY(sys::readlinkat(dev_fd, name));
  if (present == target) return {};
  TRY(sys::unlinkat(dev_fd, name, 0));
  return sys::symlinkat(target, dev_fd, name);
}

// A read-only /dev of the image that lacks a link is not worth failing for when nothing asked for
// it.
bool is_excused(const Error& error, int dev_fd) {
  if (error.errno_value() != EROFS) return false;
  const Result<struct statfs> filesystem = sys::fstatfs(dev_fd);
  return filesystem && (filesystem->f_flags & ST_RDONLY) != 0;
}

Result<> make_links(const InitContext& init) {
  const sys::UniqueFd dev =
      TRY(rootpath::open_or_create(init.root.get(), "/dev", rootpath::TargetKind::Directory));
  constexpr std::array<std::pair<const char*, const char*>, 6> kLinks = {
      {{"fd", "/proc/self/fd"},
       {"stdin", "/proc/self/fd/0"},
       {"stdout", "/proc/self/fd/1"},
       {"stderr", "/proc/self/fd/2"},
       {"core", "/proc/kcore"},
       {"ptmx", "pts/ptmx"}}};
  for (const auto& [name, target] : kLinks) {
    Result<> done = make_link(dev.get(), name, target);
    if (!done && !is_excused(done.error(), dev.get()))
      return std::move(done).context(
          [n = name] { return fmt::format("the symbolic link /dev/{}", n); });
  }
  return {};
}

}  // namespace

Result<> make_devices(InitContext& init) {
  Parents parents(init.root.get());
  const mode_t mask = ::umask(0);
  const Defer restore([mask] { ::umask(mask); });
  for (std::size_t position = 0; position < init.plan.devices.size(); ++position) {
    const plan::Device& device = init.plan.devices[position];
    const Result<> done = [&]() -> Result<> {
      return make_device(init, position, *TRY(parents.slot(device.path)));
    }();
    if (done) continue;
    const std::string place = device.pointer.empty() ? "default device" : device.pointer;
    return Error(done.error())
        .with_context(fmt::format("{}: making the device {}", place, quote(device.path)))
        .with_pointer(device.pointer);
  }
  if (init.plan.devices.empty()) return {};
  return make_links(init);
}

}  // namespace corten::stage
