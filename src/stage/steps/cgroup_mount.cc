// A mount of type "cgroup": the container sees its own cgroups below the destination, in the host's
// layout. With a cgroup namespace the hierarchies are mounted afresh (their root is then the
// container's cgroup); without one the container's own directories are bound.
#include <fcntl.h>
#include <linux/mount.h>

#include <cerrno>

#include <fmt/format.h>

#include "../rootpath.h"
#include "steps.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/mount.h>

namespace corten::stage {

namespace {

constexpr uint64_t kSafe = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// "cpu,cpuacct" -> the directory's name; the named hierarchy "name=systemd" is "systemd".
std::string directory_name(const cgroup::Location& location) {
  if (location.v2) return "unified";
  std::string name;
  for (const auto& controller : location.controllers) {
    if (!name.empty()) name += ',';
    name += controller.starts_with("name=") ? controller.substr(5) : controller;
  }
  return name;
}

Result<sys::UniqueFd> fresh_v1(const cgroup::Location& location, uint64_t attributes) {
  const sys::UniqueFd fs = TRY(sys::fsopen("cgroup"));
  TRY(sys::fsconfig_string(fs.get(), "source", "cgroup"));
  for (const auto& controller : location.controllers) {
    if (controller.starts_with("name=")) {
      TRY(sys::fsconfig_string(fs.get(), "name", controller.substr(5)));
      TRY(sys::fsconfig_flag(fs.get(), "none"));
    } else {
      TRY(sys::fsconfig_flag(fs.get(), controller));
    }
  }
  TRY(sys::fsconfig_create(fs.get()));
  return sys::fsmount(fs.get(), attributes);
}

Result<sys::UniqueFd> fresh_v2(uint64_t attributes) {
  const sys::UniqueFd fs = TRY(sys::fsopen("cgroup2"));
  TRY(sys::fsconfig_string(fs.get(), "source", "cgroup"));
  // Set once for the whole hierarchy; the kernel ignores it outside the initial cgroup namespace.
  TRY(sys::fsconfig_create(fs.get()));
  return sys::fsmount(fs.get(), attributes);
}

Result<sys::UniqueFd> bound(const cgroup::Location& location, uint64_t attributes) {
  const std::string path = location.mount_point + (location.path == "/" ? "" : location.path);
  sys::UniqueFd tree = TRY(sys::open_tree(AT_FDCWD, path, OPEN_TREE_CLONE));
  TRY(sys::mount_setattr(tree.get(), sys::Recursive::No, {.set = attributes}));
  return tree;
}

Result<sys::UniqueFd> make_view(const InitContext& init,
                                const cgroup::Location& location,
                                uint64_t attributes) {
  if (!init.input.private_cgroup_mounts) return bound(location, attributes);
  Result<sys::UniqueFd> fresh = location.v2 ? fresh_v2(attributes) : fresh_v1(location, attributes);
  // EPERM: a user namespace that may not mount it; EBUSY: a v1 hierarchy of other options.
  if (fresh || (fresh.error().errno_value() != EPERM && fresh.error().errno_value() != EBUSY))
    return fresh;
  return bound(location, attributes);
}

Result<> mount_unified(const InitContext& init,
                       const plan::Mount& mount,
                       const cgroup::Location& location,
                       uint64_t attributes) {
  const sys::UniqueFd target = TRY(rootpath::open_or_create(
      init.root.get(), mount.destination, rootpath::TargetKind::Directory));
  const sys::UniqueFd view = TRY(make_view(init, location, attributes));
  TRY(check_proc_target(mount, target.get(), view.get()));
  return sys::move_mount(view.get(), target.get());
}

// tmpfs with one directory a hierarchy, and a symlink for each controller of a joint hierarchy.
Result<> mount_v1(const InitContext& init, const plan::Mount& mount, uint64_t attributes) {
  const sys::UniqueFd target = TRY(rootpath::open_or_create(
      init.root.get(), mount.destination, rootpath::TargetKind::Directory));
  const sys::UniqueFd fs = TRY(sys::fsopen("tmpfs"));
  TRY(sys::fsconfig_string(fs.get(), "source", "tmpfs"));
  TRY(sys::fsconfig_string(fs.get(), "mode", "755"));
  TRY(sys::fsconfig_create(fs.get()));
  const sys::UniqueFd top = TRY(sys::fsmount(fs.get(), attributes & ~uint64_t{MOUNT_ATTR_RDONLY}));
  TRY(check_proc_target(mount, target.get(), top.get()));
  TRY(sys::move_mount(top.get(), target.get()));
  for (const auto& location : init.input.cgroup_locations) {
    const std::string name = directory_name(location);
    TRY(sys::mkdirat(top.get(), name, 0755));
    const sys::UniqueFd place =
        TRY(sys::openat(top.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    const sys::UniqueFd view = TRY(make_view(init, location, attributes).context([&] {
      return "the hierarchy " + quote(name);
    }));
    TRY(sys::move_mount(view.get(), place.get()));
    if (location.controllers.size() < 2) continue;
    for (const auto& controller : location.controllers)
      TRY(sys::symlinkat(name, top.get(), controller));
  }
  if ((attributes & MOUNT_ATTR_RDONLY) == 0) return {};
  return sys::mount_setattr(top.get(), sys::Recursive::No, {.set = MOUNT_ATTR_RDONLY});
}

}  // namespace

Result<> mount_cgroups(InitContext& init, const plan::Mount& mount) {
  const auto& locations = init.input.cgroup_locations;
  const uint64_t attributes = mount.attributes.set | kSafe;
  if (locations.empty()) {
    return Error(ErrorKind::Unsupported,
                 "the container has no cgroups to show (cgroups are disabled or not mounted)");
  }
  if (locations.size() == 1 && locations.front().v2)
    return mount_unified(init, mount, locations.front(), attributes);
  return mount_v1(init, mount, attributes);
}

}  // namespace corten::stage
